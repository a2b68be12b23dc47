//! The pass over a resample a step away from the full sample's fit, whose odds are known.
//!
//! With o the odds against treatment there and d the change of the linear predictor since, the odds become
//! o exp(-d), and those for it exp(d) / o. A replicate's d is small, so that the exponentials are short polynomials;
//! one division then gives the score.

#![allow(clippy::needless_range_loop)] // one index into several arrays

use pulp::{Simd, WithSimd};

use super::arithmetic::{add_dots, linear_predictor_block, vectors, vectors_mut};
use super::blocks::{Blocks, Buffers, SingleLane};
use super::few_columns::{Dots, columns_of};
use super::instructions::dispatch;
use super::{BLOCK, Lane, Tallies};

/// The longest move of a linear predictor that the polynomial covers: sixteen times the quarter within which its
/// remainder, (1/4)^12 / 12!, is under a unit in the last place.
pub const LONGEST_MOVE: f64 = 4.0;

/// The move up to which six terms of either part of the exponential do; see [`exp_both`].
pub(super) const SHORT_MOVE: f64 = 0.25;

/// What balancing weights are made of, summed over one arm: first over its rows, then over their outcomes.
/// With u the odds of the other arm, the weights are 1 + u for everybody, 1 for this arm's own effect,
/// u for the other arm's, u / (1 + u) for the overlap, min(1, u) for matching weights.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ArmSums {
    pub odds: [f64; 2],
    pub overlap: [f64; 2],
    pub smaller: [f64; 2],
}

impl ArmSums {
    /// Add these sums so many times.
    pub fn add(&mut self, times: f64, more: &Self) {
        for (own, more) in
            self.entries_mut().into_iter().zip([more.odds, more.overlap, more.smaller])
        {
            own.iter_mut().zip(more).for_each(|(own, more)| *own += times * more);
        }
    }

    fn entries_mut(&mut self) -> [&mut [f64; 2]; 3] {
        [&mut self.odds, &mut self.overlap, &mut self.smaller]
    }
}

/// What the pass finds.
#[derive(Debug, Clone, Default)]
pub struct AtStep {
    pub gradient: Vec<f64>,
    /// The longest move of a linear predictor, as far as that had to be found out; beyond
    /// [`LONGEST_MOVE`] nothing else is right.
    pub longest_move: f64,
    /// Control first.
    pub sums: [ArmSums; 2],
    /// The sum of outcomes of each arm, likewise.
    pub outcome: [f64; 2],
}

/// The scores of a fit, and whether all of them are inside (0, 1).
#[derive(Debug, Clone, Default)]
pub struct FittedScores {
    pub values: Vec<Lane>,
    pub are_inside: bool,
    /// What one pass of a refit leaves for another, see [`at_full_fit`](super::at_full_fit).
    pub variances: Vec<SingleLane>,
}

/// The gradient, and what the weights are made of, `step` away from the full sample's fit, whose odds against
/// treatment, and for it, are given; leaves the scores there. No linear predictor moves by more than `most`.
pub fn at_step(
    blocks: &dyn Blocks,
    step: &[f64],
    most: f64,
    wants_overlap: bool,
    odds: [&[Lane]; 2],
    scores: &mut Vec<Lane>,
) -> AtStep {
    scores.resize(odds[0].len(), [0.0; BLOCK]);
    let pass = Pass { blocks, step, odds, scores };
    match (most <= SHORT_MOVE, wants_overlap) {
        (true, false) => pass.dispatch::<false, false>(),
        (true, true) => pass.dispatch::<false, true>(),
        (false, false) => pass.dispatch::<true, false>(),
        (false, true) => pass.dispatch::<true, true>(),
    }
}

struct Pass<'a> {
    blocks: &'a dyn Blocks,
    step: &'a [f64],
    /// Of the full sample's fit.
    odds: [&'a [Lane]; 2],
    scores: &'a mut [Lane],
}

impl Pass<'_> {
    fn dispatch<const LONG: bool, const OVERLAP: bool>(self) -> AtStep {
        match self.step.len() - 1 {
            1 => dispatch(OfFew::<1, LONG, OVERLAP>(self)),
            2 => dispatch(OfFew::<2, LONG, OVERLAP>(self)),
            3 => dispatch(OfFew::<3, LONG, OVERLAP>(self)),
            4 => dispatch(OfFew::<4, LONG, OVERLAP>(self)),
            _ => dispatch(OfMany::<LONG, OVERLAP>(self)),
        }
    }
}

/// Any number of columns: the linear predictors of a block first, then its residuals.
struct OfMany<'a, const LONG: bool, const OVERLAP: bool>(Pass<'a>);

impl<const LONG: bool, const OVERLAP: bool> WithSimd for OfMany<'_, LONG, OVERLAP> {
    type Output = AtStep;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> AtStep {
        let Self(Pass { blocks, step, odds, scores }) = self;
        let mut buffers = Buffers::new(step.len() - 1);
        let (mut changes, mut residual) = ([0.0; BLOCK], [0.0; BLOCK]);
        let mut gradient = vec![0.0; step.len()];
        let mut sums = Sums::<S>::new(simd);
        for (index, scores) in scores.iter_mut().enumerate() {
            let (columns, tallies) = blocks.block(index, true, &mut buffers);
            linear_predictor_block(simd, step, columns, &mut changes);
            let mut at = BlockAtStep::<S>::new(odds.map(|odds| &odds[index]), scores, tallies);
            let (change, r) = (vectors::<S>(&changes), vectors_mut::<S>(&mut residual));
            for i in 0..r.len() {
                r[i] = at.advance::<LONG, OVERLAP>(simd, i, change[i], &mut sums);
            }
            add_dots(simd, &residual, columns, &mut gradient);
        }
        AtStep { gradient, ..sums.reduced(simd) }
    }
}

/// Few columns: everything in registers.
struct OfFew<'a, const N: usize, const LONG: bool, const OVERLAP: bool>(Pass<'a>);

impl<const N: usize, const LONG: bool, const OVERLAP: bool> WithSimd
    for OfFew<'_, N, LONG, OVERLAP>
{
    type Output = AtStep;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> AtStep {
        let Self(Pass { blocks, step, odds, scores }) = self;
        let mut buffers = Buffers::new(N);
        let shift = simd.splat_f64s(step[0]);
        let slopes: [S::f64s; N] = std::array::from_fn(|k| simd.splat_f64s(step[k + 1]));
        let (mut gradient, mut sums) = (Dots::<S, N>::new(simd), Sums::<S>::new(simd));
        for (index, scores) in scores.iter_mut().enumerate() {
            let (columns, tallies) = blocks.block(index, true, &mut buffers);
            let mut at = BlockAtStep::<S>::new(odds.map(|odds| &odds[index]), scores, tallies);
            let columns: [&[S::f64s]; N] = columns_of::<S, N>(columns, at.scores.len());
            for i in 0..at.scores.len() {
                let x: [S::f64s; N] = std::array::from_fn(|k| columns[k][i]);
                let change =
                    (0..N).fold(shift, |change, k| simd.mul_add_e_f64s(slopes[k], x[k], change));
                let residual = at.advance::<LONG, OVERLAP>(simd, i, change, &mut sums);
                gradient.add(simd, residual, x);
            }
        }
        AtStep { gradient: gradient.reduced(simd), ..sums.reduced(simd) }
    }
}

/// A block on its way.
struct BlockAtStep<'a, S: Simd> {
    /// Of the full sample's fit.
    odds: [&'a [S::f64s]; 2],
    scores: &'a mut [S::f64s],
    rows: [&'a [S::f64s]; 2],
    outcome: [&'a [S::f64s]; 2],
}

impl<'a, S: Simd> BlockAtStep<'a, S> {
    #[inline(always)]
    fn new(odds: [&'a Lane; 2], scores: &'a mut Lane, tallies: &'a Tallies) -> Self {
        let scores = vectors_mut::<S>(scores);
        let length = scores.len();
        Self {
            odds: odds.map(|lane| &vectors::<S>(lane)[..length]),
            scores,
            rows: tallies.rows.each_ref().map(|lane| &vectors::<S>(lane)[..length]),
            outcome: tallies.outcome.each_ref().map(|lane| &vectors::<S>(lane)[..length]),
        }
    }

    /// Move the linear predictors of some units by `change`; gives their residuals.
    #[inline(always)]
    fn advance<const LONG: bool, const OVERLAP: bool>(
        &mut self,
        simd: S,
        i: usize,
        change: S::f64s,
        sums: &mut Sums<S>,
    ) -> S::f64s {
        if LONG {
            sums.longest_move = simd.max_f64s(sums.longest_move, simd.abs_f64s(change));
        }
        let one = simd.splat_f64s(1.0);
        let [fall, rise] = exp_both::<S, LONG>(simd, change);
        let against = simd.mul_f64s(self.odds[0][i], fall);
        let odds = [simd.mul_f64s(self.odds[1][i], rise), against];
        let p = simd.div_f64s(one, simd.add_f64s(one, against));
        self.scores[i] = p;
        let rows = [self.rows[0][i], self.rows[1][i]];
        let outcome = [self.outcome[0][i], self.outcome[1][i]];
        sums.outcome = [0, 1].map(|arm| simd.add_f64s(sums.outcome[arm], outcome[arm]));
        sums.add::<OVERLAP>(simd, odds, p, [rows, outcome]);
        let trials = simd.add_f64s(rows[0], rows[1]);
        simd.sub_f64s(rows[1], simd.mul_f64s(trials, p))
    }
}

/// Running sums, control arm first: by kind of weight, of the weights and the weighted outcomes.
#[derive(Clone, Copy)]
pub(super) struct Sums<S: Simd> {
    by_weight: [[[S::f64s; 2]; 3]; 2],
    outcome: [S::f64s; 2],
    pub longest_move: S::f64s,
}

impl<S: Simd> Sums<S> {
    #[inline(always)]
    pub fn new(simd: S) -> Self {
        let zero = simd.splat_f64s(0.0);
        Self { by_weight: [[[zero; 2]; 3]; 2], outcome: [zero; 2], longest_move: zero }
    }

    /// Add some units of score `p`: `odds` of the other arm, rows and outcomes of both arms.
    #[inline(always)]
    pub fn add<const OVERLAP: bool>(
        &mut self,
        simd: S,
        odds: [S::f64s; 2],
        p: S::f64s,
        [rows, outcome]: [[S::f64s; 2]; 2],
    ) {
        for arm in 0..2 {
            let mut add = |kind: usize, weight| {
                let [n, y] = &mut self.by_weight[arm][kind];
                *n = simd.mul_add_e_f64s(weight, rows[arm], *n);
                *y = simd.mul_add_e_f64s(weight, outcome[arm], *y);
            };
            add(0, odds[arm]);
            if OVERLAP {
                add(1, if arm == 0 { p } else { simd.mul_f64s(odds[1], p) });
                add(2, simd.min_f64s(simd.splat_f64s(1.0), odds[arm]));
            }
        }
    }

    #[inline(always)]
    pub fn reduced(self, simd: S) -> AtStep {
        let of_arm = |arm: [[S::f64s; 2]; 3]| {
            let [odds, overlap, smaller] =
                arm.map(|kind| kind.map(|sum| simd.reduce_sum_f64s(sum)));
            ArmSums { odds, overlap, smaller }
        };
        AtStep {
            gradient: Vec::new(),
            longest_move: simd.reduce_max_f64s(self.longest_move),
            sums: self.by_weight.map(of_arm),
            outcome: self.outcome.map(|sum| simd.reduce_sum_f64s(sum)),
        }
    }
}

/// exp(-d) and exp(d): with C and S the even and the odd part of the exponential, C - S and C + S. Six terms of
/// either leave less than a unit in the last place for |d| <= [`SHORT_MOVE`]; where `LONG`, up to [`LONGEST_MOVE`], those of d / 16,
/// squared four times, less than 32 units.
#[inline(always)]
pub(super) fn exp_both<S: Simd, const LONG: bool>(simd: S, d: S::f64s) -> [S::f64s; 2] {
    const FACTORIALS: [f64; 12] = {
        let (mut factorials, mut k) = ([1.0; 12], 1);
        while k < 12 {
            factorials[k] = factorials[k - 1] * k as f64;
            k += 1;
        }
        factorials
    };
    let h = if LONG { simd.mul_f64s(d, simd.splat_f64s(1.0 / 16.0)) } else { d };
    let square = simd.mul_f64s(h, h);
    let mut parts = [10, 11].map(|last| simd.splat_f64s(1.0 / FACTORIALS[last]));
    for power in [8, 6, 4, 2, 0] {
        for (odd, part) in parts.iter_mut().enumerate() {
            let term = simd.splat_f64s(1.0 / FACTORIALS[power + odd]);
            *part = simd.mul_add_e_f64s(*part, square, term);
        }
    }
    let (even, odd) = (parts[0], simd.mul_f64s(h, parts[1]));
    let mut both = [simd.sub_f64s(even, odd), simd.add_f64s(even, odd)];
    if LONG {
        for _ in 0..4 {
            both = [simd.mul_f64s(both[0], both[0]), simd.mul_f64s(both[1], both[1])];
        }
    }
    both
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Both<'a>(&'a mut [[Lane; 2]; 2], &'a Lane);

    impl WithSimd for Both<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let Self([short, long], moves) = self;
            for (i, d) in vectors::<S>(moves).iter().enumerate() {
                let found = [exp_both::<S, false>(simd, *d), exp_both::<S, true>(simd, *d)];
                for (lanes, found) in [&mut *short, &mut *long].into_iter().zip(found) {
                    lanes.iter_mut().zip(found).for_each(|(l, f)| vectors_mut::<S>(l)[i] = f);
                }
            }
        }
    }

    #[test]
    fn exp_both_agrees_with_the_library() {
        for most in [SHORT_MOVE, LONGEST_MOVE] {
            let moves: Lane = std::array::from_fn(|i| most * (i as f64 / 127.5 - 1.0));
            let mut found = [[[0.0; BLOCK]; 2]; 2];
            dispatch(Both(&mut found, &moves));
            for (is_long, found) in found.iter().enumerate().skip(usize::from(most > SHORT_MOVE)) {
                let units = [2.0, 32.0][is_long];
                for (i, d) in moves.iter().enumerate() {
                    for (found, expected) in found.iter().zip([(-d).exp(), d.exp()]) {
                        let error = (found[i] / expected - 1.0).abs();
                        assert!(error <= units * f64::EPSILON, "{d}: {error:e}");
                    }
                }
            }
        }
    }
}
