//! The pass over a resample at the full sample's fit, whose scores are known: no exponential is taken.

use pulp::Simd;

use super::arithmetic::{add_dots, vectors, vectors_mut};
use super::blocks::{Blocks, Buffers};
use super::instructions::dispatched;
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

dispatched!(
    /// Gradient and, if wanted, information of a resample at the full sample's fit, whose scores are given block by
    /// block.
    pub fn at_full_fit<'a>(
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
