//! The sums of products that linear outcome models of both arms are made of.

#![allow(clippy::needless_range_loop)] // one index into several arrays

use pulp::{Simd, WithSimd};

use super::gathered::Gathered;
use super::{NOTHING, RESIDUALS, ROWS, Weighing, balancing_weights};
use crate::kernels::arithmetic::{vectors, vectors_mut};
use crate::kernels::blocks::{Blocks, Buffers};
use crate::kernels::few_columns::{Dots, Squares, columns_of};
use crate::kernels::instructions::dispatch;
use crate::kernels::{BLOCK, Lane, ScoreEquations};

/// Sums over the rows of one arm, r of them (or their weight) in a unit, e the sum of their outcomes, each less
/// a constant. With w the balancing weight, f is w where rows are weighed and else 1, k is w where residuals are
/// weighed and else 0.
#[derive(Debug, Clone)]
pub struct ArmProducts {
    /// The sums of f e x, and of f r x x'.
    pub equations: ScoreEquations,
    /// The sum of r x.
    pub rows: Vec<f64>,
    /// The sums of k r x, and of k e.
    pub weighted: Vec<f64>,
    pub residual: f64,
}

/// The products of both arms, control first, whose outcomes are measured from `centers`.
pub fn arm_products(
    blocks: &dyn Blocks,
    n_columns: usize,
    scores: &[Lane],
    weighing: Weighing,
    centers: [f64; 2],
) -> [ArmProducts; 2] {
    match weighing {
        Weighing::Nothing => {
            ProductsPass::<NOTHING> { blocks, n_columns, scores, weighing, centers }.dispatch()
        }
        Weighing::Rows(_) => {
            ProductsPass::<ROWS> { blocks, n_columns, scores, weighing, centers }.dispatch()
        }
        Weighing::Residuals(_) => {
            ProductsPass::<RESIDUALS> { blocks, n_columns, scores, weighing, centers }.dispatch()
        }
    }
}

struct ProductsPass<'a, const WEIGHING: u8> {
    blocks: &'a dyn Blocks,
    n_columns: usize,
    scores: &'a [Lane],
    weighing: Weighing,
    centers: [f64; 2],
}

/// Some units of one arm: f r, f e, what stands beside them (r or k r), and k e.
struct Parts<S: Simd> {
    spread: S::f64s,
    slope: S::f64s,
    beside: S::f64s,
    residual: S::f64s,
}

impl<S: Simd> Parts<S> {
    #[inline(always)]
    fn of<const WEIGHING: u8>(
        simd: S,
        [rows, outcome, weight]: [S::f64s; 3],
        center: S::f64s,
    ) -> Self {
        let left = simd.sub_f64s(outcome, simd.mul_f64s(rows, center));
        let zero = simd.splat_f64s(0.0);
        if WEIGHING == NOTHING {
            return Self { spread: rows, slope: left, beside: zero, residual: zero };
        }
        let weighted = [rows, left].map(|plain| simd.mul_f64s(weight, plain));
        if WEIGHING == ROWS {
            return Self { spread: weighted[0], slope: weighted[1], beside: rows, residual: zero };
        }
        Self { spread: rows, slope: left, beside: weighted[0], residual: weighted[1] }
    }
}

/// What was found, from what stood beside the equations.
fn products<const WEIGHING: u8>(
    equations: ScoreEquations,
    beside: Vec<f64>,
    residual: f64,
) -> ArmProducts {
    let terms = equations.gradient.len();
    if WEIGHING == ROWS {
        return ArmProducts { equations, rows: beside, weighted: vec![0.0; terms], residual };
    }
    let rows = equations.information[..terms].to_vec();
    ArmProducts { equations, rows, weighted: beside, residual }
}

impl<const WEIGHING: u8> ProductsPass<'_, WEIGHING> {
    fn dispatch(self) -> [ArmProducts; 2] {
        match self.n_columns {
            1 => dispatch(OfFew::<1, WEIGHING>(self)),
            2 => dispatch(OfFew::<2, WEIGHING>(self)),
            3 => dispatch(OfFew::<3, WEIGHING>(self)),
            4 => dispatch(OfFew::<4, WEIGHING>(self)),
            _ => dispatch(self),
        }
    }
}

impl<const WEIGHING: u8> WithSimd for ProductsPass<'_, WEIGHING> {
    type Output = [ArmProducts; 2];

    /// The parts of a block first, then their products.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [ArmProducts; 2] {
        let Self { blocks, n_columns, scores, weighing, centers } = self;
        let mut buffers = Buffers::new(n_columns);
        let (mut weights, mut parts) = ([[0.0; BLOCK]; 2], [[0.0; BLOCK]; 3]);
        let mut arms = [0, 1].map(|_| Gathered::<WEIGHING>::new(n_columns));
        let mut residual = [simd.splat_f64s(0.0); 2];
        for (index, scores) in scores.iter().enumerate() {
            let (columns, tallies) = blocks.block(index, true, &mut buffers);
            balancing_weights(weighing, scores, &mut weights);
            for (arm, gathered) in arms.iter_mut().enumerate() {
                let center = simd.splat_f64s(centers[arm]);
                let [spread, slope, other] = parts.each_mut().map(|lane| vectors_mut::<S>(lane));
                let lanes = [&tallies.rows[arm], &tallies.outcome[arm], &weights[arm]];
                let lanes = lanes.map(|lane| &vectors::<S>(lane)[..spread.len()]);
                for i in 0..spread.len() {
                    let found = Parts::of::<WEIGHING>(simd, lanes.map(|lane| lane[i]), center);
                    (spread[i], slope[i], other[i]) = (found.spread, found.slope, found.beside);
                    residual[arm] = simd.add_f64s(residual[arm], found.residual);
                }
                gathered.add(simd, &tallies.rows[arm], columns, &parts);
            }
        }
        let [control, treated] = arms;
        let [left_control, left_treated] = residual.map(|sum| simd.reduce_sum_f64s(sum));
        [(control, left_control), (treated, left_treated)].map(|(arm, residual)| {
            let (equations, beside) = arm.finish(simd);
            products::<WEIGHING>(equations, beside, residual)
        })
    }
}

/// Few columns: everything in registers.
struct OfFew<'a, const N: usize, const WEIGHING: u8>(ProductsPass<'a, WEIGHING>);

impl<const N: usize, const WEIGHING: u8> WithSimd for OfFew<'_, N, WEIGHING> {
    type Output = [ArmProducts; 2];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [ArmProducts; 2] {
        let Self(ProductsPass { blocks, scores, weighing, centers, .. }) = self;
        let mut buffers = Buffers::new(N);
        let mut weights = [[0.0; BLOCK]; 2];
        let mut sums = [Sums::<S, N>::new(simd); 2];
        for (index, scores) in scores.iter().enumerate() {
            let (columns, tallies) = blocks.block(index, true, &mut buffers);
            balancing_weights(weighing, scores, &mut weights);
            let n = vectors::<S>(scores).len();
            let columns: [&[S::f64s]; N] = columns_of::<S, N>(columns, n);
            for arm in 0..2 {
                let center = simd.splat_f64s(centers[arm]);
                let lanes = [&tallies.rows[arm], &tallies.outcome[arm], &weights[arm]];
                let lanes = lanes.map(|lane| &vectors::<S>(lane)[..n]);
                let mut of_arm = sums[arm];
                for i in 0..n {
                    let parts = Parts::of::<WEIGHING>(simd, lanes.map(|lane| lane[i]), center);
                    of_arm.add::<WEIGHING>(simd, std::array::from_fn(|k| columns[k][i]), &parts);
                }
                sums[arm] = of_arm;
            }
        }
        sums.map(|sums| sums.reduced::<WEIGHING>(simd))
    }
}

/// Running sums of one arm.
#[derive(Clone, Copy)]
struct Sums<S: Simd, const N: usize> {
    spread: Squares<S, N>,
    slope: Dots<S, N>,
    beside: Dots<S, N>,
    residual: S::f64s,
}

impl<S: Simd, const N: usize> Sums<S, N> {
    #[inline(always)]
    fn new(simd: S) -> Self {
        let (spread, none) = (Squares::new(simd), Dots::new(simd));
        Self { spread, slope: none, beside: none, residual: simd.splat_f64s(0.0) }
    }

    #[inline(always)]
    fn add<const WEIGHING: u8>(&mut self, simd: S, x: [S::f64s; N], parts: &Parts<S>) {
        self.spread.add(simd, parts.spread, x);
        self.slope.add(simd, parts.slope, x);
        if WEIGHING != NOTHING {
            self.beside.add(simd, parts.beside, x);
        }
        if WEIGHING == RESIDUALS {
            self.residual = simd.add_f64s(self.residual, parts.residual);
        }
    }

    #[inline(always)]
    fn reduced<const WEIGHING: u8>(self, simd: S) -> ArmProducts {
        let Self { spread, slope, beside, residual } = self;
        let equations =
            ScoreEquations { gradient: slope.reduced(simd), information: spread.reduced(simd) };
        products::<WEIGHING>(equations, beside.reduced(simd), simd.reduce_sum_f64s(residual))
    }
}
