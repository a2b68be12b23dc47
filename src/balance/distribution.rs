//! How far apart the arms' weighted distribution functions are.

use std::array::from_fn;

use super::levels::{Levels, levels};
use super::radix_sort::{Scratch, Sortable, Visit, ascending};
use super::samples::Sample;
use crate::bands::Bands;

/// The most samples that are looked at together, one in each lane of SIMD registers.
const MOST: usize = 4;

/// Rows whose values and weights stay in a second-level cache as they are.
const FEW: usize = 1 << 17;

/// The distance of the arms' distribution functions F1 and F0 in one sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distance {
    /// Kolmogorov and Smirnov's: the largest |F1 - F0|.
    pub ks: f64,
    /// The mean of |F1 - F0| over the distinct values of all rows, each counting once, so that a weighting
    /// that leaves rows out is measured at the same places.
    pub mean: f64,
}

/// What rows weigh in a few samples.
#[derive(Debug)]
pub struct SignedWeights<'a> {
    treatment: &'a [bool],
    samples: &'a [Sample<'a>],
}

/// A column's values band by band, with what their rows weigh; kept from column to column for its memory.
#[derive(Debug, Default)]
pub struct Banded {
    pub singles: Vec<f32>,
    pub doubles: Vec<f64>,
    weights: Vec<f64>,
    scratch: Scratch,
}

impl<'a> SignedWeights<'a> {
    /// Those of all samples, a few at a time.
    pub fn of(treatment: &'a [bool], samples: &'a [Sample<'a>]) -> Vec<Self> {
        samples.chunks(MOST).map(|samples| Self { treatment, samples }).collect()
    }

    /// The distances of one column in these samples.
    pub fn distances<T: Sortable>(&self, values: &[T], banded: &mut Banded) -> Vec<Distance> {
        match self.samples.len() {
            1 => self.in_lanes::<T, 1>(values, banded),
            2 => self.in_lanes::<T, 2>(values, banded),
            3 => self.in_lanes::<T, 3>(values, banded),
            _ => self.in_lanes::<T, MOST>(values, banded),
        }
    }

    fn in_lanes<T: Sortable, const N: usize>(
        &self,
        values: &[T],
        banded: &mut Banded,
    ) -> Vec<Distance> {
        let mut sweep = Sweep::<N>::new(self.samples);
        if let Some(Levels { sorted, of_row }) = levels(values) {
            let mut by_level = vec![Weight::NONE; sorted.len()];
            for (row, level) in of_row.iter().enumerate() {
                by_level[usize::from(*level)].add(&self.signed(row));
            }
            for level in sorted {
                sweep.pass(&by_level[usize::from(level)]);
            }
        } else if values.len() <= FEW {
            let visits = ascending(values, &mut banded.scratch);
            sweep.visit(visits, |row| self.signed(row));
        } else {
            self.sweep_bands(values, banded, &mut sweep);
        }
        sweep.distances()
    }

    /// What a row weighs in each sample, a control's negative.
    #[inline]
    fn signed<const N: usize>(&self, row: usize) -> [f64; N] {
        let sign = if self.treatment[row] { 1.0 } else { -1.0 };
        from_fn(|lane| sign * self.samples[lane].weight(row))
    }

    /// Rows go into bands with what they weigh, so that each band is sorted, and its rows are looked up, within a cache.
    fn sweep_bands<T: Sortable, const N: usize>(
        &self,
        values: &[T],
        banded: &mut Banded,
        sweep: &mut Sweep<N>,
    ) {
        let bands = Bands::of(values);
        let (mut own, mut weights) =
            (std::mem::take(T::kept(banded)), std::mem::take(&mut banded.weights));
        own.resize(values.len(), T::default());
        weights.resize(values.len() * N, 0.0);
        let (by_row, _) = weights.as_chunks_mut::<N>();
        let mut next: Vec<usize> = bands.ranges().map(|rows| rows.start).collect();
        for (row, value) in values.iter().enumerate() {
            let place = &mut next[bands.band((*value).into())];
            (own[*place], by_row[*place]) = (*value, self.signed(row));
            *place += 1;
        }
        for rows in bands.ranges().filter(|rows| !rows.is_empty()) {
            let visits = ascending(&own[rows.clone()], &mut banded.scratch);
            let weights = &by_row[rows];
            sweep.visit(visits, |row| weights[row]);
        }
        *T::kept(banded) = own;
        banded.weights = weights;
    }
}

/// Rows looked up at a time: lookups that wait for nothing but the memory overlap.
const BATCH: usize = 64;

/// The weight of one distinct value, by arm.
#[derive(Debug, Clone, Copy)]
struct Weight<const N: usize> {
    treated: [f64; N],
    control: [f64; N],
}

impl<const N: usize> Weight<N> {
    const NONE: Self = Self { treated: [0.0; N], control: [0.0; N] };

    fn add(&mut self, signed: &[f64; N]) {
        for (lane, weight) in signed.iter().enumerate() {
            self.treated[lane] += weight.max(0.0);
            self.control[lane] -= weight.min(0.0);
        }
    }
}

/// From one distinct value to the next, in every sample.
#[derive(Debug)]
struct Sweep<const N: usize> {
    per_total: [[f64; N]; 2],
    below: Weight<N>,
    largest: [f64; N],
    sum: [f64; N],
    n_values: f64,
}

impl<const N: usize> Sweep<N> {
    fn new(samples: &[Sample]) -> Self {
        let per_total = |arm: usize| from_fn(|lane| 1.0 / samples[lane].totals[arm]);
        Self {
            per_total: [per_total(0), per_total(1)],
            below: Weight::NONE,
            largest: [0.0; N],
            sum: [0.0; N],
            n_values: 0.0,
        }
    }

    /// Go through rows, which weigh this, in the order of their values: from a value greater than any before.
    fn visit(
        &mut self,
        mut visits: impl Iterator<Item = Visit>,
        weights: impl Fn(usize) -> [f64; N],
    ) {
        let mut batch = [([0.0; N], false); BATCH];
        let mut here = Weight::NONE;
        loop {
            let mut length = 0;
            for (slot, visit) in batch.iter_mut().zip(&mut visits) {
                *slot = (weights(visit.row), visit.new);
                length += 1;
            }
            for (weights, new) in &batch[..length] {
                if *new {
                    self.pass(&std::mem::replace(&mut here, Weight::NONE));
                }
                here.add(weights);
            }
            if length < BATCH {
                break;
            }
        }
        self.pass(&here);
    }

    fn pass(&mut self, here: &Weight<N>) {
        for lane in 0..N {
            self.below.treated[lane] += here.treated[lane];
            self.below.control[lane] += here.control[lane];
            let treated = self.below.treated[lane] * self.per_total[1][lane];
            let control = self.below.control[lane] * self.per_total[0][lane];
            let gap = (treated - control).abs();
            self.largest[lane] = self.largest[lane].max(gap);
            self.sum[lane] += gap;
        }
        self.n_values += 1.0;
    }

    fn distances(&self) -> Vec<Distance> {
        let distance =
            |lane: usize| Distance { ks: self.largest[lane], mean: self.sum[lane] / self.n_values };
        (0..N).map(distance).collect()
    }
}
