//! Resampling and the parallel run. Knows no estimator: it draws rows, hands the draws to a closure and
//! collects what comes back.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use ndarray::Array2;
use rand::Rng;
use rand_pcg::Pcg64Dxsm;

use crate::error::{Error, Result};
use crate::monitor::Monitor;

#[derive(Debug, Clone, Copy)]
pub struct BootstrapSpec {
    /// Rows to draw from, and to draw, in each replicate.
    pub n_rows: usize,
    pub n_reps: usize,
    pub seed: u64,
}

/// The replicates of k estimates.
#[derive(Debug, Clone)]
pub struct Replicates {
    /// `n_reps` by k; NaN where a replicate could not be estimated.
    pub estimates: Array2<f64>,
    /// Replicates with at least one NaN.
    pub n_failed: usize,
}

/// The rows of one replicate, drawn with replacement. The random stream belongs to (seed, replicate
/// number), never to a thread: PCG64 (O'Neill 2014, the DXSM output function) with the seed as its state
/// and the replicate number as its stream.
#[derive(Debug)]
pub struct Draws {
    generator: Pcg64Dxsm,
    n_rows: u64,
}

impl Draws {
    #[must_use]
    pub fn new(seed: u64, replicate: usize, n_rows: usize) -> Self {
        let generator = Pcg64Dxsm::new(u128::from(seed), replicate as u128);
        Self { generator, n_rows: n_rows as u64 }
    }

    /// Count how often each cell's rows are drawn; without `cell_of_row` each row is its own cell.
    pub fn count(mut self, cell_of_row: Option<&[u32]>, counts: &mut [u32]) {
        counts.fill(0);
        for _ in 0..self.n_rows {
            let row = self.row();
            counts[cell_of_row.map_or(row, |cells| cells[row] as usize)] += 1;
        }
    }

    /// The high half of a 64 by 64 bit product: a row is off its share 1 / n by less than 2^-64.
    #[allow(clippy::cast_possible_truncation)] // smaller than n
    fn row(&mut self) -> usize {
        ((u128::from(self.generator.next_u64()) * u128::from(self.n_rows)) >> 64) as usize
    }
}

/// Estimate `width` numbers on each of the replicates, on all threads of the current pool, each thread
/// with scratch memory of its own. A replicate that `replicate` fails on keeps the NaN it left.
///
/// # Errors
/// [`Error::Stopped`], or [`Error::AllReplicatesFailed`] with the reason of the first.
pub fn run<S>(
    spec: &BootstrapSpec,
    width: usize,
    monitor: &Monitor,
    scratch: impl Fn() -> S + Sync,
    replicate: impl Fn(Draws, &mut S, &mut [f64]) -> Result<()> + Sync,
) -> Result<Replicates> {
    let next = AtomicUsize::new(0);
    let work = |_: rayon::BroadcastContext<'_>| {
        let (mut scratch, mut done) = (scratch(), Vec::new());
        while monitor.check().is_ok() {
            let number = next.fetch_add(1, Relaxed);
            if number >= spec.n_reps {
                break;
            }
            let mut estimates = vec![f64::NAN; width];
            let draws = Draws::new(spec.seed, number, spec.n_rows);
            let outcome = replicate(draws, &mut scratch, &mut estimates);
            done.push((number, estimates, outcome));
            monitor.advance();
        }
        done
    };
    let mut done: Vec<_> = rayon::broadcast(work).into_iter().flatten().collect();
    monitor.check()?;
    done.sort_unstable_by_key(|(number, ..)| *number);
    let mut estimates = Array2::from_elem((spec.n_reps, width), f64::NAN);
    let (mut n_failed, mut usable, mut first) = (0, 0, None);
    for (number, values, outcome) in done {
        estimates.row_mut(number).iter_mut().zip(&values).for_each(|(slot, v)| *slot = *v);
        usable += usize::from(values.iter().any(|value| value.is_finite()));
        if let Err(error) = outcome {
            n_failed += 1;
            first.get_or_insert(error);
        }
    }
    match first {
        Some(first) if usable == 0 => {
            Err(Error::AllReplicatesFailed { n_reps: spec.n_reps, first: Box::new(first) })
        }
        _ => Ok(Replicates { estimates, n_failed }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_the_same_for_cells_of_one_row() {
        let (mut rows, mut cells) = ([0; 50], [0; 50]);
        let identity: Vec<u32> = (0..50).collect();
        Draws::new(7, 3, 50).count(None, &mut rows);
        Draws::new(7, 3, 50).count(Some(&identity), &mut cells);
        assert_eq!(rows, cells);
        assert_eq!(rows.iter().sum::<u32>(), 50);
    }

    #[test]
    fn draws_of_neighbouring_replicates_are_unrelated() {
        let n = 10_000;
        let (mut a, mut b) = (vec![0; n], vec![0; n]);
        Draws::new(1, 0, n).count(None, &mut a);
        Draws::new(1, 1, n).count(None, &mut b);
        // Counts are Poisson(1) but for their sum: covariance 0, standard error 1 / sqrt(n).
        let products = a.iter().zip(&b).map(|(a, b)| (f64::from(*a) - 1.0) * (f64::from(*b) - 1.0));
        assert!((products.sum::<f64>() / n as f64).abs() < 5.0 / (n as f64).sqrt());
    }

    #[test]
    fn run_says_why_when_every_replicate_fails() {
        let spec = BootstrapSpec { n_rows: 2, n_reps: 3, seed: 0 };
        let error = Error::Separation { columns: vec![1] };
        let failed = run(&spec, 1, &Monitor::default(), || (), |_, (), _| Err(error.clone()));
        let expected = Error::AllReplicatesFailed { n_reps: 3, first: Box::new(error) };
        assert_eq!(failed.unwrap_err(), expected);
    }
}
