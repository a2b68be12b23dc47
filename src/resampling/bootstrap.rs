//! The parallel run over replicates. Knows no estimator and no way of resampling: it hands each replicate
//! its random stream and collects what comes back.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use ndarray::{Array2, ArrayView1};

use crate::error::{Error, Result};
use crate::monitor::Monitor;
use crate::resampling::stream::Stream;
use crate::reserve::room_for;

#[derive(Debug, Clone, Copy)]
pub struct BootstrapSpec {
    pub n_reps: usize,
    pub seed: u64,
}

/// The replicates of k estimates.
#[derive(Debug, Clone)]
pub struct Replicates {
    /// `n_reps` by k; NaN where a replicate could not be estimated.
    pub estimates: Array2<f64>,
    /// Of each of the k, the replicates in which it could not be estimated.
    pub n_failed: Vec<usize>,
}

/// Estimate `width` numbers on each of the replicates, on all threads of the current pool, each thread
/// with scratch memory of its own. A replicate that `replicate` fails on keeps the NaN it left.
///
/// # Errors
/// [`Error::Stopped`], [`Error::Memory`], or [`Error::AllReplicatesFailed`] with the reason of the first.
pub fn run<S>(
    spec: &BootstrapSpec,
    width: usize,
    monitor: &Monitor,
    scratch: impl Fn() -> S + Sync,
    replicate: impl Fn(Stream, &mut S, &mut [f64]) -> Result<()> + Sync,
) -> Result<Replicates> {
    run_together(spec, width, 1, monitor, scratch, |replicates, scratch| {
        for Replicate { stream, estimates, outcome } in replicates {
            *outcome = replicate(stream.clone(), scratch, estimates);
        }
    })
}

/// A replicate to be estimated.
#[derive(Debug)]
pub struct Replicate {
    pub stream: Stream,
    /// NaN to begin with.
    pub estimates: Vec<f64>,
    pub outcome: Result<()>,
}

/// As [`run`], with up to `most` replicates handed over at a time. Towards the end they are fewer, so that no
/// thread is left without work while another has many.
///
/// # Errors
/// Those of [`run`].
pub fn run_together<S>(
    spec: &BootstrapSpec,
    width: usize,
    most: usize,
    monitor: &Monitor,
    scratch: impl Fn() -> S + Sync,
    estimate: impl Fn(&mut [Replicate], &mut S) + Sync,
) -> Result<Replicates> {
    // Each replicate's numbers, twice for a moment, and what it takes to keep them apart.
    let kept_apart = size_of::<(usize, Vec<f64>, Result<()>)>();
    room_for(spec.n_reps, 2 * size_of::<f64>() * width + kept_apart)?;
    let next = AtomicUsize::new(0);
    let work = |context: rayon::BroadcastContext<'_>| {
        let (mut scratch, mut done) = (scratch(), Vec::new());
        let share = |first: usize| {
            let left = spec.n_reps - first;
            left.div_ceil(2 * context.num_threads()).min(most)
        };
        let take = |first: usize| (first < spec.n_reps).then(|| first + share(first));
        while monitor.check().is_ok() {
            let Ok(first) = next.fetch_update(Relaxed, Relaxed, take) else { break };
            let fresh = |number| Replicate {
                stream: Stream::new(spec.seed, number),
                estimates: vec![f64::NAN; width],
                outcome: Ok(()),
            };
            let numbers = first..first + share(first);
            let mut replicates: Vec<Replicate> = numbers.clone().map(fresh).collect();
            estimate(&mut replicates, &mut scratch);
            for (number, replicate) in numbers.zip(replicates) {
                done.push((number, replicate.estimates, replicate.outcome));
                monitor.advance();
            }
        }
        done
    };
    let mut done: Vec<_> = rayon::broadcast(work).into_iter().flatten().collect();
    monitor.check()?;
    done.sort_unstable_by_key(|(number, ..)| *number);
    let mut estimates = Array2::from_elem((spec.n_reps, width), f64::NAN);
    let (mut usable, mut first) = (0, None);
    for (number, values, outcome) in done {
        estimates.row_mut(number).iter_mut().zip(&values).for_each(|(slot, v)| *slot = *v);
        usable += usize::from(values.iter().any(|value| value.is_finite()));
        if let Err(error) = outcome {
            first.get_or_insert(error);
        }
    }
    match first {
        Some(first) if usable == 0 => {
            Err(Error::AllReplicatesFailed { n_reps: spec.n_reps, first: Box::new(first) })
        }
        _ => {
            let failed = |column: ArrayView1<'_, f64>| column.iter().filter(|v| v.is_nan()).count();
            let n_failed = estimates.columns().into_iter().map(failed).collect();
            Ok(Replicates { estimates, n_failed })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_says_why_when_every_replicate_fails() {
        let spec = BootstrapSpec { n_reps: 3, seed: 0 };
        let error = Error::Separation { columns: vec![1] };
        let failed = run(&spec, 1, &Monitor::default(), || (), |_, (), _| Err(error.clone()));
        let expected = Error::AllReplicatesFailed { n_reps: 3, first: Box::new(error) };
        assert_eq!(failed.unwrap_err(), expected);
    }
}
