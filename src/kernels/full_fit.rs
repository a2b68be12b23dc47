//! The pass over a resample at the full sample's fit, whose scores are known: no exponential is taken.

#![allow(clippy::needless_range_loop)] // one index into several arrays

use pulp::{Simd, WithSimd};

use super::arithmetic::{add_dots, vectors, vectors_mut};
use super::blocks::{Blocks, Buffers, SingleLane, round_lane};
use super::few_columns::{Dots, Squares, columns_of};
use super::instructions::{dispatch, dispatched};
use super::{BLOCK, Lane, ScoreEquations};

/// What the pass finds.
#[derive(Debug, Clone)]
pub struct AtFullFit {
    /// Its information is zero where none was wanted.
    pub equations: ScoreEquations,
    /// The sum of n p (1 - p), the intercept's own information.
    pub variance: f64,
    /// The rows of each arm, control first.
    pub rows: [f64; 2],
}

/// Gradient and, if wanted, information of a resample at the full sample's fit, whose scores are given block by block.
/// Of at most [`FEW_COLUMNS`](super::FEW_COLUMNS) it leaves each unit's n p (1 - p), for [`remainder`](super::remainder).
pub fn at_full_fit(
    blocks: &dyn Blocks,
    n_columns: usize,
    scores: &[Lane],
    wants_information: bool,
    variances: &mut Vec<SingleLane>,
) -> AtFullFit {
    variances.resize(scores.len(), [0.0; BLOCK]);
    match (n_columns, wants_information) {
        (0, true) => dispatch(OfFew::<0> { blocks, scores, variances }),
        (1, true) => dispatch(OfFew::<1> { blocks, scores, variances }),
        (2, true) => dispatch(OfFew::<2> { blocks, scores, variances }),
        (3, true) => dispatch(OfFew::<3> { blocks, scores, variances }),
        (4, true) => dispatch(OfFew::<4> { blocks, scores, variances }),
        _ => of_many(blocks, n_columns, scores, wants_information),
    }
}

dispatched!(
    fn of_many<'a>(
        blocks: &'a dyn Blocks,
        n_columns: usize,
        scores: &'a [Lane],
        wants_information: bool,
    ) -> AtFullFit,
    |simd| pass(simd, blocks, n_columns, scores, wants_information)
);

#[inline(always)]
fn pass<S: Simd>(
    simd: S,
    blocks: &dyn Blocks,
    n_columns: usize,
    scores: &[Lane],
    wants_information: bool,
) -> AtFullFit {
    let mut buffers = Buffers::new(n_columns);
    let mut equations = ScoreEquations::new(n_columns + 1);
    let (mut residual, mut variance) = ([0.0; BLOCK], [0.0; BLOCK]);
    let (mut rows, mut total) = ([simd.splat_f64s(0.0); 2], simd.splat_f64s(0.0));
    for (index, scores) in scores.iter().enumerate() {
        let (columns, tallies) = blocks.block(index, false, &mut buffers);
        let p = vectors::<S>(scores);
        let counts = tallies.rows.each_ref().map(vectors::<S>);
        let (r, v) = (vectors_mut::<S>(&mut residual), vectors_mut::<S>(&mut variance));
        for i in 0..r.len() {
            let n = simd.add_f64s(counts[0][i], counts[1][i]);
            let expected = simd.mul_f64s(n, p[i]);
            r[i] = simd.sub_f64s(counts[1][i], expected);
            v[i] = simd.sub_f64s(expected, simd.mul_f64s(expected, p[i]));
            total = simd.add_f64s(total, v[i]);
            rows = [0, 1].map(|arm| simd.add_f64s(rows[arm], counts[arm][i]));
        }
        if wants_information {
            equations.add_products_block(simd, columns, &residual, &variance);
        } else {
            add_dots(simd, &residual, columns, &mut equations.gradient);
        }
    }
    let sum = |sum| simd.reduce_sum_f64s(sum);
    AtFullFit { equations, variance: sum(total), rows: rows.map(sum) }
}

/// The same for so few columns that all sums stay in registers; leaves the variances.
struct OfFew<'a, const N: usize> {
    blocks: &'a dyn Blocks,
    scores: &'a [Lane],
    variances: &'a mut [SingleLane],
}

impl<const N: usize> WithSimd for OfFew<'_, N> {
    type Output = AtFullFit;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> AtFullFit {
        let mut buffers = Buffers::new(N);
        let mut kept = [0.0; BLOCK];
        let mut rows = [simd.splat_f64s(0.0); 2];
        let (mut gradient, mut information) = (Dots::<S, N>::new(simd), Squares::<S, N>::new(simd));
        for (index, (scores, variances)) in self.scores.iter().zip(self.variances).enumerate() {
            let (columns, tallies) = self.blocks.block(index, false, &mut buffers);
            let p = vectors::<S>(scores);
            let v = &mut vectors_mut::<S>(&mut kept)[..p.len()];
            let columns: [&[S::f64s]; N] = columns_of::<S, N>(columns, p.len());
            let counts = tallies.rows.each_ref().map(|lane| &vectors::<S>(lane)[..p.len()]);
            for i in 0..p.len() {
                let x: [S::f64s; N] = std::array::from_fn(|k| columns[k][i]);
                let n = simd.add_f64s(counts[0][i], counts[1][i]);
                let expected = simd.mul_f64s(n, p[i]);
                v[i] = simd.sub_f64s(expected, simd.mul_f64s(expected, p[i]));
                rows = [0, 1].map(|arm| simd.add_f64s(rows[arm], counts[arm][i]));
                gradient.add(simd, simd.sub_f64s(counts[1][i], expected), x);
                information.add(simd, v[i], x);
            }
            round_lane(&kept, variances);
        }
        let equations = ScoreEquations {
            gradient: gradient.reduced(simd),
            information: information.reduced(simd),
        };
        let variance = equations.information[0];
        AtFullFit { equations, variance, rows: rows.map(|sum| simd.reduce_sum_f64s(sum)) }
    }
}
