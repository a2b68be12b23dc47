//! Passes over the blocks of a resample whose scores are known at an anchor, the full sample's fit.
//!
//! With o the odds against treatment and d the change of the linear predictor since, the odds become
//! o exp(-d). A replicate's d is small, and smaller with each step, so that exp(-d) is a short polynomial;
//! one division then gives p, 1 - p and the odds both ways.

#![allow(clippy::inline_always)] // inlining carries the wider instruction set into the loops
#![allow(clippy::needless_range_loop)] // one index into several arrays

use pulp::{Simd, WithSimd};

use super::instructions::dispatch;
use super::{BLOCK, Lane, ScoreEquations, Tallies};

/// The farthest from the anchor that the polynomial reaches: sixteen times the quarter within which its
/// remainder, (1/4)^12 / 12!, is under a unit in the last place.
pub const REACH: f64 = 4.0;

/// Blocks of a resample, one after the other.
pub trait Blocks: Sync {
    fn n_blocks(&self) -> usize;

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
    pub columns: Vec<Lane>,
    pub tallies: Box<Tallies>,
}

impl Buffers {
    #[must_use]
    pub fn new(n_columns: usize) -> Self {
        Self { columns: vec![[0.0; BLOCK]; n_columns], tallies: Box::new(Tallies::EMPTY) }
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
    /// Nothing after a first pass. Control first.
    pub sums: [ArmSums; 2],
    /// The sum of outcomes of each arm, likewise.
    pub outcome: [f64; 2],
}

/// Where a resample's units have got to: the odds against treatment, and the scores.
#[derive(Debug, Default)]
pub struct Whereabouts {
    pub odds: Vec<Lane>,
    pub scores: Vec<Lane>,
}

/// Gradient and, if wanted, information at the anchor, whose scores are given block by block.
pub fn at_anchor(
    blocks: &dyn Blocks,
    n_columns: usize,
    scores: &[Lane],
    wants_information: bool,
) -> AtAnchor {
    match (n_columns, wants_information) {
        (1, true) => dispatch(AtAnchorOfFew::<1> { blocks, scores }),
        (2, true) => dispatch(AtAnchorOfFew::<2> { blocks, scores }),
        (3, true) => dispatch(AtAnchorOfFew::<3> { blocks, scores }),
        (4, true) => dispatch(AtAnchorOfFew::<4> { blocks, scores }),
        _ => dispatch(AtAnchorPass { blocks, n_columns, scores, wants_information }),
    }
}

/// The gradient `step` away from the anchor, whose odds against treatment are given; leaves the odds there.
/// No linear predictor moves by more than `most`.
pub fn leave_anchor(
    blocks: &dyn Blocks,
    step: &[f64],
    most: f64,
    anchor: &[Lane],
    there: &mut Whereabouts,
) -> NearAnchor {
    there.odds.resize(anchor.len(), [0.0; BLOCK]);
    there.scores.resize(anchor.len(), [0.0; BLOCK]);
    let pass = Move { blocks, step, from: Some(anchor), there };
    if most <= NEAR { pass.dispatch::<NEARBY, FIRST>() } else { pass.dispatch::<FAR, FIRST>() }
}

/// The gradient, and what the weights are made of, `step` away from where a resample had got to; leaves the
/// odds and the scores there.
pub fn move_on(
    blocks: &dyn Blocks,
    step: &[f64],
    most: f64,
    wants_overlap: bool,
    there: &mut Whereabouts,
) -> NearAnchor {
    let pass = Move { blocks, step, from: None, there };
    match (most <= TINY, wants_overlap) {
        (true, false) => pass.dispatch::<CLOSE, LATER>(),
        (true, true) => pass.dispatch::<CLOSE, OVERLAP>(),
        (false, false) => pass.dispatch::<FAR, LATER>(),
        (false, true) => pass.dispatch::<FAR, OVERLAP>(),
    }
}

struct AtAnchorPass<'a> {
    blocks: &'a dyn Blocks,
    n_columns: usize,
    scores: &'a [Lane],
    wants_information: bool,
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
        for (index, scores) in self.scores.iter().enumerate().take(self.blocks.n_blocks()) {
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
            if self.wants_information {
                found.equations.add_products_block(simd, columns, &residual, &spread);
            } else {
                super::add_dots(simd, &residual, columns, &mut found.equations.gradient);
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
}

impl<const N: usize> WithSimd for AtAnchorOfFew<'_, N> {
    type Output = AtAnchor;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> AtAnchor {
        let zero = simd.splat_f64s(0.0);
        let mut buffers = Buffers::new(N);
        let (mut totals, mut gradient, mut slopes) = ([zero; 2], zero, [zero; N]);
        let (mut spread, mut beside, mut products) = (zero, [zero; N], [[zero; N]; N]);
        for (index, scores) in self.scores.iter().enumerate().take(self.blocks.n_blocks()) {
            let (columns, tallies) = self.blocks.block(index, false, &mut buffers);
            let p = vectors::<S>(scores);
            let columns: [&[S::f64s]; N] =
                std::array::from_fn(|k| &vectors::<S>(&columns[k])[..p.len()]);
            let rows = tallies.rows.each_ref().map(|lane| &vectors::<S>(lane)[..p.len()]);
            for i in 0..p.len() {
                let x: [S::f64s; N] = std::array::from_fn(|k| columns[k][i]);
                let trials = simd.add_f64s(rows[0][i], rows[1][i]);
                let expected = simd.mul_f64s(trials, p[i]);
                let r = simd.sub_f64s(rows[1][i], expected);
                let s = simd.sub_f64s(expected, simd.mul_f64s(expected, p[i]));
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

/// How far linear predictors move, which says what the exponential takes; see [`exp_of_minus`].
const CLOSE: u8 = 0;
const NEARBY: u8 = 1;
pub(super) const FAR: u8 = 2;

/// The moves up to which that is [`CLOSE`], and [`NEARBY`].
const TINY: f64 = 1.0 / 4096.0;
const NEAR: f64 = 0.25;

/// What a pass leaves: the odds alone; scores and sums as well; those of the overlap's estimands, too.
const FIRST: u8 = 0;
const LATER: u8 = 1;
const OVERLAP: u8 = 2;

struct Move<'a> {
    blocks: &'a dyn Blocks,
    step: &'a [f64],
    /// The anchor's odds, in a first pass.
    from: Option<&'a [Lane]>,
    there: &'a mut Whereabouts,
}

impl Move<'_> {
    fn dispatch<const DISTANCE: u8, const PASS: u8>(self) -> NearAnchor {
        match self.step.len() - 1 {
            1 => dispatch(MoveOfFew::<1, DISTANCE, PASS>(self)),
            2 => dispatch(MoveOfFew::<2, DISTANCE, PASS>(self)),
            3 => dispatch(MoveOfFew::<3, DISTANCE, PASS>(self)),
            4 => dispatch(MoveOfFew::<4, DISTANCE, PASS>(self)),
            _ => dispatch(MoveOfMany::<DISTANCE, PASS>(self)),
        }
    }
}

/// Any number of columns: the linear predictors of a block first, then its residuals.
struct MoveOfMany<'a, const DISTANCE: u8, const PASS: u8>(Move<'a>);

impl<const DISTANCE: u8, const PASS: u8> WithSimd for MoveOfMany<'_, DISTANCE, PASS> {
    type Output = NearAnchor;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> NearAnchor {
        let Self(Move { blocks, step, from, there }) = self;
        let mut buffers = Buffers::new(step.len() - 1);
        let (mut changes, mut residual) = ([0.0; BLOCK], [0.0; BLOCK]);
        let mut gradient = vec![0.0; step.len()];
        let mut sums = Sums::<S>::new(simd);
        for index in 0..blocks.n_blocks() {
            let (columns, tallies) = blocks.block(index, PASS != FIRST, &mut buffers);
            super::linear_predictor_block(simd, step, columns, &mut changes);
            let mut at = At::<S>::new(index, from, there, tallies);
            let (change, r) = (vectors::<S>(&changes), vectors_mut::<S>(&mut residual));
            for i in 0..r.len() {
                r[i] = at.go::<DISTANCE, PASS>(simd, i, change[i], &mut sums);
            }
            super::add_dots(simd, &residual, columns, &mut gradient);
        }
        NearAnchor { gradient, ..sums.reduced(simd) }
    }
}

/// Few columns: everything in registers.
struct MoveOfFew<'a, const N: usize, const DISTANCE: u8, const PASS: u8>(Move<'a>);

impl<const N: usize, const DISTANCE: u8, const PASS: u8> WithSimd
    for MoveOfFew<'_, N, DISTANCE, PASS>
{
    type Output = NearAnchor;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> NearAnchor {
        let Self(Move { blocks, step, from, there }) = self;
        let mut buffers = Buffers::new(N);
        let shift = simd.splat_f64s(step[0]);
        let slopes: [S::f64s; N] = std::array::from_fn(|k| simd.splat_f64s(step[k + 1]));
        let (mut intercept, mut gradient) = (simd.splat_f64s(0.0), [simd.splat_f64s(0.0); N]);
        let mut sums = Sums::<S>::new(simd);
        for index in 0..blocks.n_blocks() {
            let (columns, tallies) = blocks.block(index, PASS != FIRST, &mut buffers);
            let mut at = At::<S>::new(index, from, there, tallies);
            let length = at.odds.len();
            let columns: [&[S::f64s]; N] =
                std::array::from_fn(|k| &vectors::<S>(&columns[k])[..length]);
            for i in 0..length {
                let x: [S::f64s; N] = std::array::from_fn(|k| columns[k][i]);
                let change =
                    (0..N).fold(shift, |change, k| simd.mul_add_e_f64s(slopes[k], x[k], change));
                let r = at.go::<DISTANCE, PASS>(simd, i, change, &mut sums);
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
    /// The anchor's odds; nothing after a first pass.
    from: &'a [S::f64s],
    odds: &'a mut [S::f64s],
    scores: &'a mut [S::f64s],
    rows: [&'a [S::f64s]; 2],
    outcome: [&'a [S::f64s]; 2],
}

impl<'a, S: Simd> At<'a, S> {
    #[inline(always)]
    fn new(
        index: usize,
        from: Option<&'a [Lane]>,
        there: &'a mut Whereabouts,
        tallies: &'a Tallies,
    ) -> Self {
        let odds = vectors_mut::<S>(&mut there.odds[index]);
        let length = odds.len();
        Self {
            from: from.map_or(&[], |from| &vectors::<S>(&from[index])[..length]),
            odds,
            scores: &mut vectors_mut::<S>(&mut there.scores[index])[..length],
            rows: tallies.rows.each_ref().map(|lane| &vectors::<S>(lane)[..length]),
            outcome: tallies.outcome.each_ref().map(|lane| &vectors::<S>(lane)[..length]),
        }
    }

    /// Move the linear predictors of some units by `change`; gives their residuals.
    #[inline(always)]
    fn go<const DISTANCE: u8, const PASS: u8>(
        &mut self,
        simd: S,
        i: usize,
        change: S::f64s,
        sums: &mut Sums<S>,
    ) -> S::f64s {
        if DISTANCE == FAR {
            sums.farthest = simd.max_f64s(sums.farthest, simd.abs_f64s(change));
        }
        let one = simd.splat_f64s(1.0);
        let before = if PASS == FIRST { self.from[i] } else { self.odds[i] };
        let against = simd.mul_f64s(before, exp_of_minus::<S, DISTANCE>(simd, change));
        self.odds[i] = against;
        let beside = simd.add_f64s(one, against);
        let [control, treated] = [self.rows[0][i], self.rows[1][i]];
        let trials = simd.add_f64s(control, treated);
        if PASS == FIRST {
            return simd.sub_f64s(treated, simd.div_f64s(trials, beside));
        }
        // With o the odds against: p = o / (o (1 + o)), the odds for = (1 + o) / (o (1 + o)).
        let inverse = simd.div_f64s(one, simd.mul_f64s(against, beside));
        let odds = [simd.mul_f64s(inverse, beside), against];
        let p = simd.mul_f64s(inverse, against);
        self.scores[i] = p;
        for (arm, rows) in [control, treated].into_iter().enumerate() {
            let outcome = self.outcome[arm][i];
            sums.outcome[arm] = simd.add_f64s(sums.outcome[arm], outcome);
            let mut add = |kind: usize, weight| {
                let [n, y] = &mut sums.by_weight[arm][kind];
                *n = simd.mul_add_e_f64s(weight, rows, *n);
                *y = simd.mul_add_e_f64s(weight, outcome, *y);
            };
            add(0, odds[arm]);
            if PASS == OVERLAP {
                let other = if arm == 0 { p } else { simd.mul_f64s(against, p) };
                add(1, other);
                add(2, simd.min_f64s(one, odds[arm]));
            }
        }
        simd.sub_f64s(treated, simd.mul_f64s(trials, p))
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

/// exp(-d) by its Taylor polynomial, which leaves less than a unit in the last place: four terms for
/// |d| <= [`TINY`], twelve for |d| <= [`NEAR`]; up to [`REACH`] the twelve of exp(-d / 16), squared four times,
/// which leaves under 16 units.
#[inline(always)]
pub(super) fn exp_of_minus<S: Simd, const DISTANCE: u8>(simd: S, d: S::f64s) -> S::f64s {
    const COEFFICIENTS: [f64; 12] = {
        let (mut coefficients, mut k) = ([1.0; 12], 1);
        while k < 12 {
            coefficients[k] = coefficients[k - 1] / k as f64;
            k += 1;
        }
        coefficients
    };
    let scale = if DISTANCE == FAR { -1.0 / 16.0 } else { -1.0 };
    let h = simd.mul_f64s(d, simd.splat_f64s(scale));
    let h2 = simd.mul_f64s(h, h);
    let linear = |k: usize| {
        let (low, high) = (COEFFICIENTS[k], COEFFICIENTS[k + 1]);
        simd.mul_add_e_f64s(simd.splat_f64s(high), h, simd.splat_f64s(low))
    };
    let cubic = |k: usize| simd.mul_add_e_f64s(linear(k + 2), h2, linear(k));
    if DISTANCE == CLOSE {
        return cubic(0);
    }
    let h4 = simd.mul_f64s(h2, h2);
    let root = simd.mul_add_e_f64s(cubic(8), h4, cubic(4));
    let root = simd.mul_add_e_f64s(root, h4, cubic(0));
    let squarings = if DISTANCE == FAR { 4 } else { 0 };
    (0..squarings).fold(root, |power, _| simd.mul_f64s(power, power))
}

#[inline(always)]
pub(super) fn vectors<S: Simd>(lane: &Lane) -> &[S::f64s] {
    S::as_simd_f64s(lane).0
}

#[inline(always)]
pub(super) fn vectors_mut<S: Simd>(lane: &mut Lane) -> &mut [S::f64s] {
    S::as_mut_simd_f64s(lane).0
}
