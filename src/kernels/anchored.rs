//! Passes over the blocks of a resample whose scores are known at an anchor, the full sample's fit.
//!
//! With o the odds against treatment and d the change of the linear predictor since, the odds become
//! o exp(-d), and those for it exp(d) / o. A replicate's d is small, so that the exponentials are short polynomials;
//! one division then gives the score.

#![allow(clippy::inline_always)] // inlining carries the wider instruction set into the loops
#![allow(clippy::needless_range_loop)] // one index into several arrays

use pulp::{Simd, WithSimd};

use super::arithmetic::{add_dots, linear_predictor_block, vectors, vectors_mut};
use super::instructions::dispatch;
use super::source::{Room, RoughLane, round_lane};
use super::{BLOCK, Lane, ScoreEquations, Tallies};

/// The farthest from the anchor that the polynomial reaches: sixteen times the quarter within which its
/// remainder, (1/4)^12 / 12!, is under a unit in the last place.
pub const REACH: f64 = 4.0;

/// Blocks of a resample, one after the other.
pub trait Blocks: Sync {
    /// The standardized columns and the tallies of a block; a source that has them lying ready lends them,
    /// another fills the buffers. Tallies of outcomes only where they are wanted.
    fn block<'a>(
        &'a self,
        index: usize,
        wants_outcome: bool,
        buffers: &'a mut Buffers,
    ) -> (&'a [Lane], &'a Tallies);
}

/// Room for one block.
#[derive(Debug, Clone)]
pub struct Buffers {
    pub room: Room,
    pub tallies: Box<Tallies>,
}

impl Buffers {
    #[must_use]
    pub fn new(n_columns: usize) -> Self {
        Self { room: Room::new(n_columns), tallies: Box::new(Tallies::EMPTY) }
    }
}

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

/// What a pass at the anchor finds.
#[derive(Debug, Clone)]
pub struct AtAnchor {
    pub equations: ScoreEquations,
    /// The rows of each arm, control first.
    pub rows: [f64; 2],
}

/// What a pass away from the anchor finds.
#[derive(Debug, Clone, Default)]
pub struct NearAnchor {
    pub gradient: Vec<f64>,
    /// The farthest that any linear predictor has moved, as far as that had to be found out; beyond
    /// [`REACH`] nothing else is right.
    pub farthest: f64,
    /// Control first.
    pub sums: [ArmSums; 2],
    /// The sum of outcomes of each arm, likewise.
    pub outcome: [f64; 2],
}

/// What passes over a resample leave for one another, unit by unit.
#[derive(Debug, Clone, Default)]
pub struct Whereabouts {
    /// The weight times p (1 - p) at the anchor.
    pub spread: Vec<RoughLane>,
    pub scores: Vec<Lane>,
    /// Whether all scores are inside (0, 1).
    pub is_inside: bool,
}

/// Gradient and, if wanted, information at the anchor, whose scores are given block by block; leaves the
/// spreads.
pub fn at_anchor(
    blocks: &dyn Blocks,
    n_columns: usize,
    scores: &[Lane],
    wants_information: bool,
    spread: &mut Vec<RoughLane>,
) -> AtAnchor {
    spread.resize(scores.len(), [0.0; BLOCK]);
    match (n_columns, wants_information) {
        (1, true) => dispatch(AtAnchorOfFew::<1> { blocks, scores, spread }),
        (2, true) => dispatch(AtAnchorOfFew::<2> { blocks, scores, spread }),
        (3, true) => dispatch(AtAnchorOfFew::<3> { blocks, scores, spread }),
        (4, true) => dispatch(AtAnchorOfFew::<4> { blocks, scores, spread }),
        _ => dispatch(AtAnchorPass { blocks, n_columns, scores, wants_information, spread }),
    }
}

/// The gradient, and what the weights are made of, `step` away from the anchor, whose odds against treatment, and
/// for it, are given; leaves the scores there. No linear predictor moves by more than `most`.
pub fn near_anchor(
    blocks: &dyn Blocks,
    step: &[f64],
    most: f64,
    wants_overlap: bool,
    odds: [&[Lane]; 2],
    scores: &mut Vec<Lane>,
) -> NearAnchor {
    scores.resize(odds[0].len(), [0.0; BLOCK]);
    let pass = Move { blocks, step, odds, scores };
    match (most <= NEAR, wants_overlap) {
        (true, false) => pass.dispatch::<false, false>(),
        (true, true) => pass.dispatch::<false, true>(),
        (false, false) => pass.dispatch::<true, false>(),
        (false, true) => pass.dispatch::<true, true>(),
    }
}

struct AtAnchorPass<'a> {
    blocks: &'a dyn Blocks,
    n_columns: usize,
    scores: &'a [Lane],
    wants_information: bool,
    spread: &'a mut [RoughLane],
}

impl WithSimd for AtAnchorPass<'_> {
    type Output = AtAnchor;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> AtAnchor {
        let mut buffers = Buffers::new(self.n_columns);
        let mut found =
            AtAnchor { equations: ScoreEquations::new(self.n_columns + 1), rows: [0.0; 2] };
        let (mut residual, mut spread) = ([0.0; BLOCK], [0.0; BLOCK]);
        let mut totals = [simd.splat_f64s(0.0); 2];
        for (index, (scores, left)) in self.scores.iter().zip(self.spread).enumerate() {
            let (columns, tallies) = self.blocks.block(index, false, &mut buffers);
            let p = vectors::<S>(scores);
            let rows = tallies.rows.each_ref().map(vectors::<S>);
            let (r, s) = (vectors_mut::<S>(&mut residual), vectors_mut::<S>(&mut spread));
            for i in 0..r.len() {
                let trials = simd.add_f64s(rows[0][i], rows[1][i]);
                let expected = simd.mul_f64s(trials, p[i]);
                r[i] = simd.sub_f64s(rows[1][i], expected);
                s[i] = simd.sub_f64s(expected, simd.mul_f64s(expected, p[i]));
                totals = [0, 1].map(|arm| simd.add_f64s(totals[arm], rows[arm][i]));
            }
            round_lane(&spread, left);
            if self.wants_information {
                found.equations.add_products_block(simd, columns, &residual, &spread);
            } else {
                add_dots(simd, &residual, columns, &mut found.equations.gradient);
            }
        }
        found.rows = totals.map(|sum| simd.reduce_sum_f64s(sum));
        found
    }
}

/// The same for so few columns that all sums stay in registers.
struct AtAnchorOfFew<'a, const N: usize> {
    blocks: &'a dyn Blocks,
    scores: &'a [Lane],
    spread: &'a mut [RoughLane],
}

impl<const N: usize> WithSimd for AtAnchorOfFew<'_, N> {
    type Output = AtAnchor;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> AtAnchor {
        let zero = simd.splat_f64s(0.0);
        let mut buffers = Buffers::new(N);
        let (mut totals, mut gradient, mut slopes) = ([zero; 2], zero, [zero; N]);
        let (mut spread, mut beside, mut products) = (zero, [zero; N], [[zero; N]; N]);
        let mut spreads = [0.0; BLOCK];
        for (index, (scores, left)) in self.scores.iter().zip(self.spread).enumerate() {
            let (columns, tallies) = self.blocks.block(index, false, &mut buffers);
            let p = vectors::<S>(scores);
            let kept = &mut vectors_mut::<S>(&mut spreads)[..p.len()];
            let columns: [&[S::f64s]; N] =
                std::array::from_fn(|k| &vectors::<S>(&columns[k])[..p.len()]);
            let rows = tallies.rows.each_ref().map(|lane| &vectors::<S>(lane)[..p.len()]);
            for i in 0..p.len() {
                let x: [S::f64s; N] = std::array::from_fn(|k| columns[k][i]);
                let trials = simd.add_f64s(rows[0][i], rows[1][i]);
                let expected = simd.mul_f64s(trials, p[i]);
                let r = simd.sub_f64s(rows[1][i], expected);
                let s = simd.sub_f64s(expected, simd.mul_f64s(expected, p[i]));
                kept[i] = s;
                totals = [0, 1].map(|arm| simd.add_f64s(totals[arm], rows[arm][i]));
                gradient = simd.add_f64s(gradient, r);
                spread = simd.add_f64s(spread, s);
                for j in 0..N {
                    slopes[j] = simd.mul_add_e_f64s(r, x[j], slopes[j]);
                    let weighted = simd.mul_f64s(s, x[j]);
                    beside[j] = simd.add_f64s(beside[j], weighted);
                    for k in j..N {
                        products[j][k] = simd.mul_add_e_f64s(weighted, x[k], products[j][k]);
                    }
                }
            }
            round_lane(&spreads, left);
        }
        let sum = |sum| simd.reduce_sum_f64s(sum);
        let mut equations = ScoreEquations::new(N + 1);
        equations.gradient[0] = sum(gradient);
        equations.information[0] = sum(spread);
        for j in 0..N {
            equations.gradient[j + 1] = sum(slopes[j]);
            equations.information[j + 1] = sum(beside[j]);
            for k in j..N {
                equations.information[(j + 1) * (N + 1) + k + 1] = sum(products[j][k]);
            }
        }
        AtAnchor { equations, rows: totals.map(sum) }
    }
}

/// The move up to which six terms of either part of the exponential do; see [`exp_both`].
pub(super) const NEAR: f64 = 0.25;

struct Move<'a> {
    blocks: &'a dyn Blocks,
    step: &'a [f64],
    /// The anchor's odds.
    odds: [&'a [Lane]; 2],
    scores: &'a mut [Lane],
}

impl Move<'_> {
    fn dispatch<const FAR: bool, const OVERLAP: bool>(self) -> NearAnchor {
        match self.step.len() - 1 {
            1 => dispatch(MoveOfFew::<1, FAR, OVERLAP>(self)),
            2 => dispatch(MoveOfFew::<2, FAR, OVERLAP>(self)),
            3 => dispatch(MoveOfFew::<3, FAR, OVERLAP>(self)),
            4 => dispatch(MoveOfFew::<4, FAR, OVERLAP>(self)),
            _ => dispatch(MoveOfMany::<FAR, OVERLAP>(self)),
        }
    }
}

/// Any number of columns: the linear predictors of a block first, then its residuals.
struct MoveOfMany<'a, const FAR: bool, const OVERLAP: bool>(Move<'a>);

impl<const FAR: bool, const OVERLAP: bool> WithSimd for MoveOfMany<'_, FAR, OVERLAP> {
    type Output = NearAnchor;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> NearAnchor {
        let Self(Move { blocks, step, odds, scores }) = self;
        let mut buffers = Buffers::new(step.len() - 1);
        let (mut changes, mut residual) = ([0.0; BLOCK], [0.0; BLOCK]);
        let mut gradient = vec![0.0; step.len()];
        let mut sums = Sums::<S>::new(simd);
        for (index, scores) in scores.iter_mut().enumerate() {
            let (columns, tallies) = blocks.block(index, true, &mut buffers);
            linear_predictor_block(simd, step, columns, &mut changes);
            let mut at = At::<S>::new(odds.map(|odds| &odds[index]), scores, tallies);
            let (change, r) = (vectors::<S>(&changes), vectors_mut::<S>(&mut residual));
            for i in 0..r.len() {
                r[i] = at.go::<FAR, OVERLAP>(simd, i, change[i], &mut sums);
            }
            add_dots(simd, &residual, columns, &mut gradient);
        }
        NearAnchor { gradient, ..sums.reduced(simd) }
    }
}

/// Few columns: everything in registers.
struct MoveOfFew<'a, const N: usize, const FAR: bool, const OVERLAP: bool>(Move<'a>);

impl<const N: usize, const FAR: bool, const OVERLAP: bool> WithSimd
    for MoveOfFew<'_, N, FAR, OVERLAP>
{
    type Output = NearAnchor;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> NearAnchor {
        let Self(Move { blocks, step, odds, scores }) = self;
        let mut buffers = Buffers::new(N);
        let shift = simd.splat_f64s(step[0]);
        let slopes: [S::f64s; N] = std::array::from_fn(|k| simd.splat_f64s(step[k + 1]));
        let (mut intercept, mut gradient) = (simd.splat_f64s(0.0), [simd.splat_f64s(0.0); N]);
        let mut sums = Sums::<S>::new(simd);
        for (index, scores) in scores.iter_mut().enumerate() {
            let (columns, tallies) = blocks.block(index, true, &mut buffers);
            let mut at = At::<S>::new(odds.map(|odds| &odds[index]), scores, tallies);
            let length = at.scores.len();
            let columns: [&[S::f64s]; N] =
                std::array::from_fn(|k| &vectors::<S>(&columns[k])[..length]);
            for i in 0..length {
                let x: [S::f64s; N] = std::array::from_fn(|k| columns[k][i]);
                let change =
                    (0..N).fold(shift, |change, k| simd.mul_add_e_f64s(slopes[k], x[k], change));
                let r = at.go::<FAR, OVERLAP>(simd, i, change, &mut sums);
                intercept = simd.add_f64s(intercept, r);
                for k in 0..N {
                    gradient[k] = simd.mul_add_e_f64s(r, x[k], gradient[k]);
                }
            }
        }
        let slopes = gradient.map(|sum| simd.reduce_sum_f64s(sum));
        let gradient = std::iter::once(simd.reduce_sum_f64s(intercept)).chain(slopes).collect();
        NearAnchor { gradient, ..sums.reduced(simd) }
    }
}

/// A block on the move.
struct At<'a, S: Simd> {
    /// The anchor's odds.
    odds: [&'a [S::f64s]; 2],
    scores: &'a mut [S::f64s],
    rows: [&'a [S::f64s]; 2],
    outcome: [&'a [S::f64s]; 2],
}

impl<'a, S: Simd> At<'a, S> {
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
    fn go<const FAR: bool, const OVERLAP: bool>(
        &mut self,
        simd: S,
        i: usize,
        change: S::f64s,
        sums: &mut Sums<S>,
    ) -> S::f64s {
        if FAR {
            sums.farthest = simd.max_f64s(sums.farthest, simd.abs_f64s(change));
        }
        let one = simd.splat_f64s(1.0);
        let [fall, rise] = exp_both::<S, FAR>(simd, change);
        let against = simd.mul_f64s(self.odds[0][i], fall);
        let odds = [simd.mul_f64s(self.odds[1][i], rise), against];
        let p = simd.div_f64s(one, simd.add_f64s(one, against));
        self.scores[i] = p;
        let rows = [self.rows[0][i], self.rows[1][i]];
        for (arm, rows) in rows.into_iter().enumerate() {
            let outcome = self.outcome[arm][i];
            sums.outcome[arm] = simd.add_f64s(sums.outcome[arm], outcome);
            let mut add = |kind: usize, weight| {
                let [n, y] = &mut sums.by_weight[arm][kind];
                *n = simd.mul_add_e_f64s(weight, rows, *n);
                *y = simd.mul_add_e_f64s(weight, outcome, *y);
            };
            add(0, odds[arm]);
            if OVERLAP {
                let other = if arm == 0 { p } else { simd.mul_f64s(against, p) };
                add(1, other);
                add(2, simd.min_f64s(one, odds[arm]));
            }
        }
        let trials = simd.add_f64s(rows[0], rows[1]);
        simd.sub_f64s(rows[1], simd.mul_f64s(trials, p))
    }
}

/// Running sums, control arm first: by kind of weight, of the weights and the weighted outcomes.
struct Sums<S: Simd> {
    by_weight: [[[S::f64s; 2]; 3]; 2],
    outcome: [S::f64s; 2],
    farthest: S::f64s,
}

impl<S: Simd> Sums<S> {
    #[inline(always)]
    fn new(simd: S) -> Self {
        let zero = simd.splat_f64s(0.0);
        Self { by_weight: [[[zero; 2]; 3]; 2], outcome: [zero; 2], farthest: zero }
    }

    #[inline(always)]
    fn reduced(self, simd: S) -> NearAnchor {
        let of_arm = |arm: [[S::f64s; 2]; 3]| {
            let [odds, overlap, smaller] =
                arm.map(|kind| kind.map(|sum| simd.reduce_sum_f64s(sum)));
            ArmSums { odds, overlap, smaller }
        };
        NearAnchor {
            gradient: Vec::new(),
            farthest: simd.reduce_max_f64s(self.farthest),
            sums: self.by_weight.map(of_arm),
            outcome: self.outcome.map(|sum| simd.reduce_sum_f64s(sum)),
        }
    }
}

/// exp(-d) and exp(d): with C and S the even and the odd part of the exponential, C - S and C + S. Six terms of
/// either leave less than a unit in the last place for |d| <= [`NEAR`]; where `FAR`, up to [`REACH`], those of d / 16,
/// squared four times, less than 32 units.
#[inline(always)]
pub(super) fn exp_both<S: Simd, const FAR: bool>(simd: S, d: S::f64s) -> [S::f64s; 2] {
    const FACTORIALS: [f64; 12] = {
        let (mut factorials, mut k) = ([1.0; 12], 1);
        while k < 12 {
            factorials[k] = factorials[k - 1] * k as f64;
            k += 1;
        }
        factorials
    };
    let h = if FAR { simd.mul_f64s(d, simd.splat_f64s(1.0 / 16.0)) } else { d };
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
    if FAR {
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
            let Self([near, far], moves) = self;
            for (i, d) in vectors::<S>(moves).iter().enumerate() {
                let found = [exp_both::<S, false>(simd, *d), exp_both::<S, true>(simd, *d)];
                for (lanes, found) in [&mut *near, &mut *far].into_iter().zip(found) {
                    lanes.iter_mut().zip(found).for_each(|(l, f)| vectors_mut::<S>(l)[i] = f);
                }
            }
        }
    }

    #[test]
    fn exp_both_agrees_with_the_library() {
        for most in [NEAR, REACH] {
            let moves: Lane = std::array::from_fn(|i| most * (i as f64 / 127.5 - 1.0));
            let mut found = [[[0.0; BLOCK]; 2]; 2];
            dispatch(Both(&mut found, &moves));
            for (is_far, found) in found.iter().enumerate().skip(usize::from(most > NEAR)) {
                let units = [2.0, 32.0][is_far];
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
