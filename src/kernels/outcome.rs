//! What the outcome models of a resample's arms, and the means that they lead to, are made of: sums over its
//! blocks.

#![allow(clippy::needless_range_loop)] // one index into several arrays

use pulp::{Simd, WithSimd};

use super::arithmetic::{add_dots, sum, vectors, vectors_mut};
use super::blocks::{Blocks, Buffers};
use super::instructions::{dispatch, dispatched};
use super::{BLOCK, Lane, ScoreEquations, Tallies};
use crate::weighting::estimand::Estimand;

/// What the balancing weights of an estimand weigh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weighing {
    Nothing,
    /// The rows that an outcome model is fitted to.
    Rows(Estimand),
    /// What is left of their outcomes.
    Residuals(Estimand),
}

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

dispatched!(
    /// One arm's outcomes as binomial counts, successes in the place of the treated: of a block of units, its rows
    /// weighed as `weighing` says.
    pub fn arm_counts<'a>(
        tallies: &'a Tallies,
        arm: usize,
        scores: &'a Lane,
        weighing: Weighing,
        into: &'a mut Tallies,
    ) -> (),
    |_| {
        let (rows, outcome) = (&tallies.rows[arm], &tallies.outcome[arm]);
        let [failures, successes] = &mut into.rows;
        for row in 0..BLOCK {
            failures[row] = rows[row] - outcome[row];
            successes[row] = outcome[row];
        }
        if let Weighing::Rows(_) = weighing {
            let mut weights = [[0.0; BLOCK]; 2];
            balancing_weights(weighing, scores, &mut weights);
            for row in 0..BLOCK {
                failures[row] *= weights[arm][row];
                successes[row] *= weights[arm][row];
            }
        }
    }
);

dispatched!(
    /// The sums of g m + k (y - r m) and of g over the units of a block: y the sum of one arm's outcomes, `fitted`
    /// holding what is expected of each, g those whom the effect averages over.
    #[must_use]
    pub fn fitted_sums<'a>(
        tallies: &'a Tallies,
        arm: usize,
        scores: &'a Lane,
        fitted: &'a Lane,
        weighing: Weighing,
        over: [bool; 2],
    ) -> [f64; 2],
    |simd| {
        let shares = over.map(|counts| f64::from(u8::from(counts)));
        let (mut target, mut total, mut weights) = ([0.0; BLOCK], [0.0; BLOCK], [[0.0; BLOCK]; 2]);
        for row in 0..BLOCK {
            target[row] = shares[0] * tallies.rows[0][row] + shares[1] * tallies.rows[1][row];
            total[row] = target[row] * fitted[row];
        }
        if let Weighing::Residuals(_) = weighing {
            balancing_weights(weighing, scores, &mut weights);
            let (rows, outcome) = (&tallies.rows[arm], &tallies.outcome[arm]);
            for row in 0..BLOCK {
                total[row] += weights[arm][row] * (outcome[row] - rows[row] * fitted[row]);
            }
        }
        [sum(simd, &total), sum(simd, &target)]
    }
);

/// The balancing weights of both arms, control first: finite, so that no rows weigh nothing.
#[inline(always)]
fn balancing_weights(weighing: Weighing, scores: &Lane, into: &mut [Lane; 2]) {
    let (Weighing::Rows(estimand) | Weighing::Residuals(estimand)) = weighing else { return };
    // One loop for each estimand: with the choice inside it, the loop would not be vectorised.
    match estimand {
        Estimand::Ate => by_arm(|e| Estimand::Ate.weights(e), scores, into),
        Estimand::Att => by_arm(|e| Estimand::Att.weights(e), scores, into),
        Estimand::Atc => by_arm(|e| Estimand::Atc.weights(e), scores, into),
        Estimand::Ato => by_arm(|e| Estimand::Ato.weights(e), scores, into),
        Estimand::Atm => by_arm(|e| Estimand::Atm.weights(e), scores, into),
    }
}

#[inline(always)]
fn by_arm(weights: impl Fn(f64) -> [f64; 2], scores: &Lane, into: &mut [Lane; 2]) {
    let [control, treated] = into;
    for row in 0..BLOCK {
        [control[row], treated[row]] = weights(scores[row]);
    }
}

const NOTHING: u8 = 0;
const ROWS: u8 = 1;
const RESIDUALS: u8 = 2;

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
        let mut equations = [0, 1].map(|_| ScoreEquations::new(n_columns + 1));
        let mut beside = [0, 1].map(|_| vec![0.0; n_columns + 1]);
        let mut residual = [simd.splat_f64s(0.0); 2];
        for (index, scores) in scores.iter().enumerate() {
            let (columns, tallies) = blocks.block(index, true, &mut buffers);
            balancing_weights(weighing, scores, &mut weights);
            for arm in 0..2 {
                let center = simd.splat_f64s(centers[arm]);
                let [spread, slope, other] = parts.each_mut().map(|lane| vectors_mut::<S>(lane));
                let lanes = [&tallies.rows[arm], &tallies.outcome[arm], &weights[arm]];
                let lanes = lanes.map(|lane| &vectors::<S>(lane)[..spread.len()]);
                for i in 0..spread.len() {
                    let found = Parts::of::<WEIGHING>(simd, lanes.map(|lane| lane[i]), center);
                    (spread[i], slope[i], other[i]) = (found.spread, found.slope, found.beside);
                    residual[arm] = simd.add_f64s(residual[arm], found.residual);
                }
                let [spread, slope, other] = &parts;
                equations[arm].add_products_block(simd, columns, slope, spread);
                if WEIGHING != NOTHING {
                    add_dots(simd, other, columns, &mut beside[arm]);
                }
            }
        }
        let [control, treated] = equations;
        let [beside_control, beside_treated] = beside;
        let [left_control, left_treated] = residual.map(|sum| simd.reduce_sum_f64s(sum));
        [
            products::<WEIGHING>(control, beside_control, left_control),
            products::<WEIGHING>(treated, beside_treated, left_treated),
        ]
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
            let columns: [&[S::f64s]; N] = std::array::from_fn(|k| &vectors::<S>(&columns[k])[..n]);
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
    /// Of the slopes, of what stands beside, and of the spread, times the intercept and times each column.
    slope: (S::f64s, [S::f64s; N]),
    beside: (S::f64s, [S::f64s; N]),
    spread: (S::f64s, [S::f64s; N]),
    /// Of the spread times pairs of columns.
    pairs: [[S::f64s; N]; N],
    residual: S::f64s,
}

impl<S: Simd, const N: usize> Sums<S, N> {
    #[inline(always)]
    fn new(simd: S) -> Self {
        let zero = simd.splat_f64s(0.0);
        let none = (zero, [zero; N]);
        Self { slope: none, beside: none, spread: none, pairs: [[zero; N]; N], residual: zero }
    }

    #[inline(always)]
    fn add<const WEIGHING: u8>(&mut self, simd: S, x: [S::f64s; N], parts: &Parts<S>) {
        let Parts { spread, slope, beside, residual } = *parts;
        self.spread.0 = simd.add_f64s(self.spread.0, spread);
        self.slope.0 = simd.add_f64s(self.slope.0, slope);
        if WEIGHING != NOTHING {
            self.beside.0 = simd.add_f64s(self.beside.0, beside);
        }
        if WEIGHING == RESIDUALS {
            self.residual = simd.add_f64s(self.residual, residual);
        }
        for j in 0..N {
            self.slope.1[j] = simd.mul_add_e_f64s(slope, x[j], self.slope.1[j]);
            if WEIGHING != NOTHING {
                self.beside.1[j] = simd.mul_add_e_f64s(beside, x[j], self.beside.1[j]);
            }
            let weighted = simd.mul_f64s(spread, x[j]);
            self.spread.1[j] = simd.add_f64s(self.spread.1[j], weighted);
            for k in j..N {
                self.pairs[j][k] = simd.mul_add_e_f64s(weighted, x[k], self.pairs[j][k]);
            }
        }
    }

    #[inline(always)]
    fn reduced<const WEIGHING: u8>(self, simd: S) -> ArmProducts {
        let sum = |sum: S::f64s| simd.reduce_sum_f64s(sum);
        let all = |(first, rest): (S::f64s, [S::f64s; N])| -> Vec<f64> {
            std::iter::once(first).chain(rest).map(sum).collect()
        };
        let mut information = all(self.spread);
        information.resize((N + 1) * (N + 1), 0.0);
        for j in 0..N {
            for k in j..N {
                information[(j + 1) * (N + 1) + k + 1] = sum(self.pairs[j][k]);
            }
        }
        let equations = ScoreEquations { gradient: all(self.slope), information };
        products::<WEIGHING>(equations, all(self.beside), sum(self.residual))
    }
}
