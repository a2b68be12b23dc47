//! The pass over a resample at the full sample's fit, whose scores are known: no exponential is taken.

#![allow(clippy::needless_range_loop)] // one index into several arrays

use pulp::{Simd, WithSimd};

use super::arithmetic::{add_dots, vectors, vectors_mut};
use super::blocks::{Blocks, Buffers};
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
pub fn at_full_fit(
    blocks: &dyn Blocks,
    n_columns: usize,
    scores: &[Lane],
    wants_information: bool,
) -> AtFullFit {
    match (n_columns, wants_information) {
        (1, true) => dispatch(OfFew::<1> { blocks, scores }),
        (2, true) => dispatch(OfFew::<2> { blocks, scores }),
        (3, true) => dispatch(OfFew::<3> { blocks, scores }),
        (4, true) => dispatch(OfFew::<4> { blocks, scores }),
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

/// The same for so few columns that all sums stay in registers.
struct OfFew<'a, const N: usize> {
    blocks: &'a dyn Blocks,
    scores: &'a [Lane],
}

impl<const N: usize> WithSimd for OfFew<'_, N> {
    type Output = AtFullFit;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> AtFullFit {
        let zero = simd.splat_f64s(0.0);
        let mut buffers = Buffers::new(N);
        let (mut totals, mut gradient, mut slopes) = ([zero; 2], zero, [zero; N]);
        let (mut spread, mut beside, mut products) = (zero, [zero; N], [[zero; N]; N]);
        for (index, scores) in self.scores.iter().enumerate() {
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
        AtFullFit { equations, variance: sum(spread), rows: totals.map(sum) }
    }
}
