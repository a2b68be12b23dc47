//! How far apart the arms' weighted distribution functions are.

use std::array::from_fn;

use rayon::prelude::*;

use super::levels::{Levels, levels};
use super::radix_sort::{Scratch, Sortable, Visit, ascending};
use super::samples::Sample;
use crate::design::chunks::CHUNK;

/// Samples looked at together, one in each lane of SIMD registers.
const LANES: usize = 4;

/// One number for each of a few samples.
type Lanes = [f64; LANES];

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
    signed: Signed<'a>,
    totals: Vec<[f64; 2]>,
}

/// The weights of rows, the controls' negative.
#[derive(Debug)]
enum Signed<'a> {
    /// One, in a single sample: who was treated says it, which stays in the caches.
    Ones(&'a [bool]),
    /// Of one row after the other, so that a visit touches the memory once; lanes without a sample weigh nothing.
    Lanes(Vec<Lanes>),
}

impl Signed<'_> {
    #[inline]
    fn of(&self, row: usize) -> Lanes {
        match self {
            Self::Ones(treatment) => [if treatment[row] { 1.0 } else { -1.0 }, 0.0, 0.0, 0.0],
            Self::Lanes(weights) => weights[row],
        }
    }
}

impl<'a> SignedWeights<'a> {
    /// Those of all samples, a few at a time.
    pub fn of(treatment: &'a [bool], samples: &[Sample]) -> Vec<Self> {
        samples.chunks(LANES).map(|few| Self::new(treatment, few)).collect()
    }

    fn new(treatment: &'a [bool], samples: &[Sample]) -> Self {
        let totals = samples.iter().map(|sample| sample.totals).collect();
        if let [Sample { weights: None, .. }] = samples {
            return Self { signed: Signed::Ones(treatment), totals };
        }
        let rows = treatment.par_iter().with_min_len(CHUNK).enumerate();
        let signed = rows.map(|(row, treated)| {
            let sign = if *treated { 1.0 } else { -1.0 };
            from_fn(|lane| samples.get(lane).map_or(0.0, |sample| sign * sample.weight(row)))
        });
        Self { signed: Signed::Lanes(signed.collect()), totals }
    }

    /// The distances of one column in these samples.
    pub fn distances<T: Sortable>(&self, values: &[T], scratch: &mut Scratch) -> Vec<Distance> {
        let mut sweep = Sweep::new(&self.totals);
        if let Some(Levels { sorted, of_row }) = levels(values) {
            let mut by_level = vec![Weight::default(); sorted.len()];
            for (row, level) in of_row.iter().enumerate() {
                by_level[usize::from(*level)].add(&self.signed.of(row));
            }
            for level in sorted {
                sweep.pass(&by_level[usize::from(level)]);
            }
        } else {
            self.sweep_sorted(&mut ascending(values, scratch), &mut sweep);
        }
        sweep.distances(self.totals.len())
    }

    fn sweep_sorted(&self, visits: &mut impl Iterator<Item = Visit>, sweep: &mut Sweep) {
        let mut batch = [([0.0; LANES], false); BATCH];
        let mut here = Weight::default();
        loop {
            let mut length = 0;
            for (slot, visit) in batch.iter_mut().zip(&mut *visits) {
                *slot = (self.signed.of(visit.row), visit.new);
                length += 1;
            }
            for (weights, new) in &batch[..length] {
                if *new {
                    sweep.pass(&std::mem::take(&mut here));
                }
                here.add(weights);
            }
            if length < BATCH {
                break;
            }
        }
        sweep.pass(&here);
    }
}

/// Rows looked up at a time: lookups that wait for nothing but the memory overlap, and a miss of the caches
/// is most of what a row costs.
const BATCH: usize = 64;

/// The weight of one distinct value, by arm.
#[derive(Debug, Clone, Copy, Default)]
struct Weight {
    treated: Lanes,
    control: Lanes,
}

impl Weight {
    fn add(&mut self, signed: &Lanes) {
        for (lane, weight) in signed.iter().enumerate() {
            self.treated[lane] += weight.max(0.0);
            self.control[lane] -= weight.min(0.0);
        }
    }
}

/// From one distinct value to the next, in every sample.
#[derive(Debug)]
struct Sweep {
    per_total: [Lanes; 2],
    below: Weight,
    largest: Lanes,
    sum: Lanes,
    n_values: f64,
}

impl Sweep {
    fn new(totals: &[[f64; 2]]) -> Self {
        let per_total =
            |arm: usize| from_fn(|lane| totals.get(lane).map_or(0.0, |totals| 1.0 / totals[arm]));
        Self {
            per_total: [per_total(0), per_total(1)],
            below: Weight::default(),
            largest: [0.0; LANES],
            sum: [0.0; LANES],
            n_values: 0.0,
        }
    }

    fn pass(&mut self, here: &Weight) {
        for lane in 0..LANES {
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

    fn distances(&self, n_samples: usize) -> Vec<Distance> {
        let distance =
            |lane: usize| Distance { ks: self.largest[lane], mean: self.sum[lane] / self.n_values };
        (0..n_samples).map(distance).collect()
    }
}
