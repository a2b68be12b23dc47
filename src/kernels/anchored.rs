//! Passes over the blocks of a resample whose scores are known at an anchor, the full sample's fit.
//!
//! With o the odds against treatment at the anchor and d the change of the linear predictor since, the
//! score is p = 1 / (1 + o exp(-d)). A replicate's d is small, so that exp(-d) is a short polynomial, and
//! one division gives p, 1 - p and the odds both ways.

#![allow(clippy::inline_always)] // inlining carries the wider instruction set into the loops

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
    /// another fills the buffers.
    fn block<'a>(&'a self, index: usize, buffers: &'a mut Buffers) -> (&'a [Lane], &'a Tallies);
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
    /// Rows and sum of outcomes of each arm, control first.
    pub totals: [[f64; 2]; 2],
}

/// What a pass away from the anchor finds.
#[derive(Debug, Clone)]
pub struct NearAnchor {
    pub gradient: Vec<f64>,
    /// Control first.
    pub sums: [ArmSums; 2],
    /// The farthest that any linear predictor is from the anchor; beyond [`REACH`] nothing else is right.
    pub farthest: f64,
}

/// Gradient and, if wanted, information at the anchor, whose scores are given block by block.
pub fn at_anchor(
    blocks: &impl Blocks,
    n_columns: usize,
    scores: &[Lane],
    wants_information: bool,
) -> AtAnchor {
    dispatch(AtAnchorPass { blocks, n_columns, scores, wants_information })
}

/// The gradient, and what the weights are made of, `step` away from the anchor; leaves the scores.
/// `odds` are those against treatment at the anchor.
pub fn near_anchor(
    blocks: &impl Blocks,
    step: &[f64],
    odds: &[Lane],
    wants_overlap: bool,
    scores: &mut [Lane],
) -> NearAnchor {
    let pass = NearAnchorPass { blocks, step, odds, scores };
    if wants_overlap { dispatch(Overlapping(pass)) } else { dispatch(pass) }
}

struct AtAnchorPass<'a, B> {
    blocks: &'a B,
    n_columns: usize,
    scores: &'a [Lane],
    wants_information: bool,
}

impl<B: Blocks> WithSimd for AtAnchorPass<'_, B> {
    type Output = AtAnchor;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> AtAnchor {
        let mut buffers = Buffers::new(self.n_columns);
        let mut found =
            AtAnchor { equations: ScoreEquations::new(self.n_columns + 1), totals: [[0.0; 2]; 2] };
        let (mut residual, mut spread) = ([0.0; BLOCK], [0.0; BLOCK]);
        let mut totals = [[simd.splat_f64s(0.0); 2]; 2];
        for (index, scores) in self.scores.iter().enumerate().take(self.blocks.n_blocks()) {
            let (columns, tallies) = self.blocks.block(index, &mut buffers);
            let p = vectors::<S>(scores);
            let [rows, outcome] = [&tallies.rows, &tallies.outcome];
            let [control, treated] = [vectors::<S>(&rows[0]), vectors::<S>(&rows[1])];
            let [y0, y1] = [vectors::<S>(&outcome[0]), vectors::<S>(&outcome[1])];
            let (r, s) = (vectors_mut::<S>(&mut residual), vectors_mut::<S>(&mut spread));
            for i in 0..r.len() {
                let trials = simd.add_f64s(control[i], treated[i]);
                let expected = simd.mul_f64s(trials, p[i]);
                r[i] = simd.sub_f64s(treated[i], expected);
                s[i] = simd.sub_f64s(expected, simd.mul_f64s(expected, p[i]));
                for (arm, terms) in
                    [[control[i], y0[i]], [treated[i], y1[i]]].into_iter().enumerate()
                {
                    for k in 0..2 {
                        totals[arm][k] = simd.add_f64s(totals[arm][k], terms[k]);
                    }
                }
            }
            if self.wants_information {
                found.equations.add_products_block(simd, columns, &residual, &spread);
            } else {
                super::add_dots(simd, &residual, columns, &mut found.equations.gradient);
            }
        }
        found.totals = totals.map(|arm| arm.map(|sum| simd.reduce_sum_f64s(sum)));
        found
    }
}

struct NearAnchorPass<'a, B> {
    blocks: &'a B,
    step: &'a [f64],
    odds: &'a [Lane],
    scores: &'a mut [Lane],
}

impl<B: Blocks> WithSimd for NearAnchorPass<'_, B> {
    type Output = NearAnchor;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> NearAnchor {
        self.pass::<S, false>(simd)
    }
}

/// The same with the sums that only the overlap's estimands need.
struct Overlapping<'a, B>(NearAnchorPass<'a, B>);

impl<B: Blocks> WithSimd for Overlapping<'_, B> {
    type Output = NearAnchor;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> NearAnchor {
        self.0.pass::<S, true>(simd)
    }
}

impl<B: Blocks> NearAnchorPass<'_, B> {
    #[inline(always)]
    fn pass<S: Simd, const OVERLAP: bool>(self, simd: S) -> NearAnchor {
        let zero = simd.splat_f64s(0.0);
        let one = simd.splat_f64s(1.0);
        let mut buffers = Buffers::new(self.step.len() - 1);
        let (mut changes, mut residual) = ([0.0; BLOCK], [0.0; BLOCK]);
        let mut gradient = vec![0.0; self.step.len()];
        let mut sums = [[[zero; 2]; 3]; 2];
        let mut farthest = zero;
        for (index, scores) in self.scores.iter_mut().enumerate().take(self.blocks.n_blocks()) {
            let (columns, tallies) = self.blocks.block(index, &mut buffers);
            super::linear_predictor_block(simd, self.step, columns, &mut changes);
            let change = vectors::<S>(&changes);
            let anchor = vectors::<S>(&self.odds[index]);
            let rows = [vectors::<S>(&tallies.rows[0]), vectors::<S>(&tallies.rows[1])];
            let outcome = [vectors::<S>(&tallies.outcome[0]), vectors::<S>(&tallies.outcome[1])];
            let (p, r) = (vectors_mut::<S>(scores), vectors_mut::<S>(&mut residual));
            for i in 0..r.len() {
                farthest = simd.max_f64s(farthest, simd.abs_f64s(change[i]));
                // With o the odds against: p = o / (o (1 + o)), the odds for = (1 + o) / (o (1 + o)).
                let against = simd.mul_f64s(anchor[i], exp_of_minus(simd, change[i]));
                let beside = simd.add_f64s(one, against);
                let inverse = simd.div_f64s(one, simd.mul_f64s(against, beside));
                let odds = [simd.mul_f64s(inverse, beside), against];
                p[i] = simd.mul_f64s(inverse, against);
                let trials = simd.add_f64s(rows[0][i], rows[1][i]);
                r[i] = simd.sub_f64s(rows[1][i], simd.mul_f64s(trials, p[i]));
                for arm in 0..2 {
                    let [own_rows, own_outcome] = [rows[arm][i], outcome[arm][i]];
                    let mut add = |kind: usize, weight| {
                        let [n, y] = &mut sums[arm][kind];
                        *n = simd.mul_add_e_f64s(weight, own_rows, *n);
                        *y = simd.mul_add_e_f64s(weight, own_outcome, *y);
                    };
                    add(0, odds[arm]);
                    if OVERLAP {
                        let other = if arm == 0 { p[i] } else { simd.mul_f64s(against, p[i]) };
                        add(1, other);
                        add(2, simd.min_f64s(one, odds[arm]));
                    }
                }
            }
            super::add_dots(simd, &residual, columns, &mut gradient);
        }
        let sums = sums.map(|arm| arm.map(|kind| kind.map(|sum| simd.reduce_sum_f64s(sum))));
        let sums = sums.map(|[odds, overlap, smaller]| ArmSums { odds, overlap, smaller });
        NearAnchor { gradient, sums, farthest: simd.reduce_max_f64s(farthest) }
    }
}

/// exp(-d) for |d| up to [`REACH`]: the Taylor polynomial of exp(-d / 16), squared four times, which leaves
/// a relative error under 16 units in the last place.
#[inline(always)]
pub(super) fn exp_of_minus<S: Simd>(simd: S, d: S::f64s) -> S::f64s {
    const COEFFICIENTS: [f64; 12] = {
        let (mut coefficients, mut k) = ([1.0; 12], 1);
        while k < 12 {
            coefficients[k] = coefficients[k - 1] / k as f64;
            k += 1;
        }
        coefficients
    };
    let h = simd.mul_f64s(d, simd.splat_f64s(-1.0 / 16.0));
    let h2 = simd.mul_f64s(h, h);
    let h4 = simd.mul_f64s(h2, h2);
    let linear = |k: usize| {
        let (low, high) = (COEFFICIENTS[k], COEFFICIENTS[k + 1]);
        simd.mul_add_e_f64s(simd.splat_f64s(high), h, simd.splat_f64s(low))
    };
    let cubic = |k: usize| simd.mul_add_e_f64s(linear(k + 2), h2, linear(k));
    let root = simd.mul_add_e_f64s(cubic(8), h4, cubic(4));
    let root = simd.mul_add_e_f64s(root, h4, cubic(0));
    (0..4).fold(root, |power, _| simd.mul_f64s(power, power))
}

#[inline(always)]
pub(super) fn vectors<S: Simd>(lane: &Lane) -> &[S::f64s] {
    S::as_simd_f64s(lane).0
}

#[inline(always)]
pub(super) fn vectors_mut<S: Simd>(lane: &mut Lane) -> &mut [S::f64s] {
    S::as_mut_simd_f64s(lane).0
}
