//! The inner loops over a block of rows, in SIMD. Plain loops over fixed-size arrays, compiled by `pulp` for
//! the baseline processor, for AVX2 and for AVX-512; `instructions` picks at run time.
//!
//! A block is always full: rows past the end are padded with zeros and weight nothing, so that every
//! row goes through the same instructions and equal rows give equal bits. Fused multiply-add is used
//! where the processor has it: instruction sets agree to rounding, not to the last bit.

#![allow(clippy::inline_always)] // inlining carries the wider instruction set into the loops

mod anchored;
mod bend;
mod exponential;
mod instructions;
mod outcome;
mod pairs;
mod softplus;
mod source;
mod together;

use pulp::{Simd, WithSimd};

use crate::weighting::estimand::Estimand;

pub use anchored::{
    ArmSums, AtAnchor, Blocks, Buffers, NearAnchor, REACH, Whereabouts, at_anchor, near_anchor,
};
pub use bend::{Bend, bend};
pub use exponential::exponential;
pub use instructions::instruction_set;
pub use outcome::{ArmProducts, Weighing, arm_counts, arm_products, fitted_sums};
pub use pairs::{Bits, Company, company, drawn, extremes, least_gap, positive};
pub use softplus::log_likelihood;
pub use source::{Room, RoughLane, Source, round};
pub use together::{
    Beginning, Member, ResampledRows, Rough, begin_together, near_together, rough_together,
};

use anchored::{vectors, vectors_mut};
use instructions::dispatch;

/// Rows in a block: one column of it is 2 KiB, so a dozen columns stay in the first-level cache.
pub const BLOCK: usize = 256;

/// One value for each row of a block.
pub type Lane = [f64; BLOCK];

/// Values in blocks, padded with zeros.
#[must_use]
pub fn padded(values: impl ExactSizeIterator<Item = f64>) -> Vec<Lane> {
    let mut lanes = vec![[0.0; BLOCK]; values.len().div_ceil(BLOCK)];
    lanes.as_flattened_mut().iter_mut().zip(values).for_each(|(slot, value)| *slot = value);
    lanes
}

/// Compile a loop for each instruction set and run the widest that this processor has: a struct of its
/// arguments, since a closure would not be inlined into the code for the wider one.
macro_rules! dispatched {
    ($name:ident { $($field:ident: $type:ty),* $(,)? } -> $output:ty, |$simd:ident| $body:expr) => {
        struct $name<'a> { $($field: $type),* }

        impl<'a> WithSimd for $name<'a> {
            type Output = $output;

            #[inline(always)]
            fn with_simd<S: Simd>(self, $simd: S) -> $output {
                let Self { $($field),* } = self;
                $body
            }
        }
    };
}

dispatched!(
    LinearPredictor { beta: &'a [f64], columns: &'a [Lane], eta: &'a mut Lane } -> (),
    |simd| linear_predictor_block(simd, beta, columns, eta)
);
dispatched!(
    Standardize { values: &'a [f64], center: f64, per_scale: f64, into: &'a mut [f64] } -> (),
    |_simd| standardize_block(values, center, per_scale, into)
);
dispatched!(Sigmoid { eta: &'a mut [f64] } -> (), |_simd| sigmoid_block(eta));
dispatched!(
    AddBlock {
        equations: &'a mut ScoreEquations,
        beta: &'a [f64],
        columns: &'a [Lane],
        trials: &'a Lane,
        successes: &'a Lane,
    } -> (),
    |simd| equations.add_block(simd, beta, columns, trials, successes)
);
dispatched!(
    AddProducts {
        equations: &'a mut ScoreEquations,
        columns: &'a [Lane],
        residual: &'a Lane,
        spread: &'a Lane,
    } -> (),
    |simd| equations.add_products_block(simd, columns, residual, spread)
);
dispatched!(
    AddGradient { columns: &'a [Lane], residual: &'a Lane, sums: &'a mut [f64] } -> (),
    |simd| add_dots(simd, residual, columns, sums)
);
dispatched!(
    ContrastSums { estimand: Estimand, scores: &'a Lane, tallies: &'a Tallies } -> [[f64; 2]; 2],
    |simd| contrast_sums_block(simd, estimand, scores, tallies)
);

/// The linear predictor, intercept first: eta = b0 + sum over k of `b_k` `x_k`.
pub fn linear_predictor(beta: &[f64], columns: &[Lane], eta: &mut Lane) {
    dispatch(LinearPredictor { beta, columns, eta });
}

/// Add the sum of the residuals, then of their products with each column, to `sums`.
pub fn add_gradient(columns: &[Lane], residual: &Lane, sums: &mut [f64]) {
    dispatch(AddGradient { columns, residual, sums });
}

/// Fill `into` with (value - center) times `per_scale`.
pub fn standardize(values: &[f64], center: f64, per_scale: f64, into: &mut [f64]) {
    dispatch(Standardize { values, center, per_scale, into });
}

/// The logistic function of each entry, in place.
pub fn sigmoid(eta: &mut [f64]) {
    dispatch(Sigmoid { eta });
}

/// The tallies of a block of units, lane by lane, the control arm first.
#[derive(Debug, Clone)]
pub struct Tallies {
    pub rows: [Lane; 2],
    /// The sums of their outcomes.
    pub outcome: [Lane; 2],
}

/// What a row of some plane of counts adds to the tallies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Label {
    pub treated: bool,
    pub weight: f64,
    pub outcome: f64,
}

impl Tallies {
    /// Count a block anew from its planes, one for each label.
    pub fn add_up<W: Copy + Into<f64>>(&mut self, labels: &[Label], counts: &[W]) {
        dispatch(AddUp { tallies: self, labels, counts });
    }

    /// Tally the rows of a block, each by itself and counted as often as `counts` says; outcomes only where
    /// they are wanted.
    pub fn tally<W: Copy + Default + Into<f64>>(
        &mut self,
        rows: &RowLanes,
        weight: Option<&Lane>,
        counts: &[W],
        wants_outcome: bool,
    ) {
        dispatch(TallyRows { tallies: self, rows, weight, counts, wants_outcome });
    }

    pub const EMPTY: Self = Self { rows: [[0.0; BLOCK]; 2], outcome: [[0.0; BLOCK]; 2] };
}

/// A block of rows as they are, lane by lane.
#[derive(Debug, Clone)]
pub struct RowLanes {
    /// 1 or 0.
    pub treated: [u8; BLOCK],
    /// The same, a bit each.
    pub treated_bits: Bits,
    pub outcome: Lane,
}

impl RowLanes {
    pub const EMPTY: Self =
        Self { treated: [0; BLOCK], treated_bits: [0; BLOCK / 64], outcome: [0.0; BLOCK] };
}

struct TallyRows<'a, W> {
    tallies: &'a mut Tallies,
    rows: &'a RowLanes,
    weight: Option<&'a Lane>,
    counts: &'a [W],
    wants_outcome: bool,
}

impl<W: Copy + Default + Into<f64>> WithSimd for TallyRows<'_, W> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { tallies, rows, weight, counts, wants_outcome } = self;
        let padded: [W; BLOCK];
        let counts = if let Ok(whole) = <&[W; BLOCK]>::try_from(counts) {
            whole
        } else {
            padded = std::array::from_fn(|lane| counts.get(lane).copied().unwrap_or_default());
            &padded
        };
        let [control, treated] = &mut tallies.rows;
        let y = &rows.outcome;
        for lane in 0..BLOCK {
            let count: f64 = counts[lane].into();
            treated[lane] = count * f64::from(rows.treated[lane]);
            control[lane] = count - treated[lane];
        }
        if let Some(weight) = weight {
            for rows in &mut tallies.rows {
                rows.iter_mut().zip(weight).for_each(|(rows, weight)| *rows *= weight);
            }
        }
        if wants_outcome {
            for (rows, outcome) in tallies.rows.iter().zip(&mut tallies.outcome) {
                for lane in 0..BLOCK {
                    outcome[lane] = rows[lane] * y[lane];
                }
            }
        }
    }
}

struct AddUp<'a, W> {
    tallies: &'a mut Tallies,
    labels: &'a [Label],
    counts: &'a [W],
}

impl<W: Copy + Into<f64>> WithSimd for AddUp<'_, W> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        /// Units whose sums stay in registers.
        const ABREAST: usize = 32;
        let Self { tallies, labels, counts } = self;
        let planes = counts.as_chunks::<BLOCK>().0;
        for (arm, (rows, outcome)) in tallies.rows.iter_mut().zip(&mut tallies.outcome).enumerate()
        {
            let (rows, outcome) =
                (rows.as_chunks_mut::<ABREAST>().0, outcome.as_chunks_mut::<ABREAST>().0);
            for (group, (rows, outcome)) in rows.iter_mut().zip(outcome).enumerate() {
                let (mut n, mut y) = ([0.0; ABREAST], [0.0; ABREAST]);
                for (label, plane) in labels.iter().zip(planes) {
                    if usize::from(label.treated) == arm {
                        let counts = &plane.as_chunks::<ABREAST>().0[group];
                        for k in 0..ABREAST {
                            let more = counts[k].into() * label.weight;
                            n[k] += more;
                            y[k] += more * label.outcome;
                        }
                    }
                }
                (*rows, *outcome) = (n, y);
            }
        }
    }
}

/// What a Newton step needs from the rows: with p the logistic function of the linear predictor,
/// the gradient sum x (successes - trials p) and the information sum x x' trials p (1 - p).
#[derive(Debug, Clone)]
pub struct ScoreEquations {
    pub gradient: Vec<f64>,
    /// Row-major; only the upper triangle is filled.
    pub information: Vec<f64>,
}

impl ScoreEquations {
    #[must_use]
    pub fn new(terms: usize) -> Self {
        Self { gradient: vec![0.0; terms], information: vec![0.0; terms * terms] }
    }

    pub fn clear(&mut self) {
        self.gradient.fill(0.0);
        self.information.fill(0.0);
    }

    pub fn add(&mut self, beta: &[f64], columns: &[Lane], trials: &Lane, successes: &Lane) {
        dispatch(AddBlock { equations: self, beta, columns, trials, successes });
    }

    /// Add sum x r to the gradient and sum x x' s to the information, for any r and s.
    pub fn add_products(&mut self, columns: &[Lane], residual: &Lane, spread: &Lane) {
        dispatch(AddProducts { equations: self, columns, residual, spread });
    }

    pub fn merge(&mut self, other: &Self) {
        let pairs =
            [(&mut self.gradient, &other.gradient), (&mut self.information, &other.information)];
        for (mine, theirs) in pairs {
            mine.iter_mut().zip(theirs).for_each(|(a, b)| *a += b);
        }
    }

    #[inline(always)]
    fn add_block<S: Simd>(
        &mut self,
        simd: S,
        beta: &[f64],
        columns: &[Lane],
        trials: &Lane,
        successes: &Lane,
    ) {
        let mut eta = [0.0; BLOCK];
        linear_predictor_block(simd, beta, columns, &mut eta);
        let (mut residual, mut spread) = ([0.0; BLOCK], [0.0; BLOCK]);
        for row in 0..BLOCK {
            let (p, q) = probability(eta[row]);
            residual[row] = successes[row] - trials[row] * p;
            spread[row] = trials[row] * (p * q);
        }
        self.add_products_block(simd, columns, &residual, &spread);
    }

    #[inline(always)]
    fn add_products_block<S: Simd>(
        &mut self,
        simd: S,
        columns: &[Lane],
        residual: &Lane,
        spread: &Lane,
    ) {
        let terms = columns.len() + 1;
        add_dots(simd, residual, columns, &mut self.gradient);
        add_dots(simd, spread, columns, &mut self.information[..terms]);
        let mut weighted = [0.0; BLOCK];
        for (k, column) in columns.iter().enumerate() {
            let (into, w, x) =
                (vectors_mut::<S>(&mut weighted), vectors::<S>(spread), vectors::<S>(column));
            for row in 0..into.len() {
                into[row] = simd.mul_f64s(w[row], x[row]);
            }
            let first = (k + 1) * terms + k + 1;
            let sums = &mut self.information[first..(k + 2) * terms];
            add_products_with(simd, &weighted, &columns[k..], sums);
        }
    }
}

/// Sums over a block for a weighted contrast: of the weights and of the weighted outcomes, control arm
/// first. A unit without rows in an arm has no weight there, even where its score rounds to 0 or 1.
#[must_use]
pub fn contrast_sums(estimand: Estimand, scores: &Lane, tallies: &Tallies) -> [[f64; 2]; 2] {
    dispatch(ContrastSums { estimand, scores, tallies })
}

/// One loop for each estimand: with the choice inside it, the loop would not be vectorised.
#[inline(always)]
fn contrast_sums_block<S: Simd>(
    simd: S,
    estimand: Estimand,
    scores: &Lane,
    tallies: &Tallies,
) -> [[f64; 2]; 2] {
    match estimand {
        Estimand::Ate => {
            weighted_sums(simd, |arm, e| Estimand::Ate.weight(arm, e), scores, tallies)
        }
        Estimand::Att => {
            weighted_sums(simd, |arm, e| Estimand::Att.weight(arm, e), scores, tallies)
        }
        Estimand::Atc => {
            weighted_sums(simd, |arm, e| Estimand::Atc.weight(arm, e), scores, tallies)
        }
        Estimand::Ato => {
            weighted_sums(simd, |arm, e| Estimand::Ato.weight(arm, e), scores, tallies)
        }
        Estimand::Atm => {
            weighted_sums(simd, |arm, e| Estimand::Atm.weight(arm, e), scores, tallies)
        }
    }
}

#[inline(always)]
fn weighted_sums<S: Simd>(
    simd: S,
    weight: impl Fn(bool, f64) -> f64,
    scores: &Lane,
    tallies: &Tallies,
) -> [[f64; 2]; 2] {
    let [mut control, mut treated] = [[0.0; BLOCK]; 2];
    for row in 0..BLOCK {
        let of_arm = [weight(false, scores[row]), weight(true, scores[row])];
        control[row] = if tallies.rows[0][row] > 0.0 { of_arm[0] } else { 0.0 };
        treated[row] = if tallies.rows[1][row] > 0.0 { of_arm[1] } else { 0.0 };
    }
    let [rows, outcome] = [&tallies.rows, &tallies.outcome];
    [
        [dot(simd, &control, &rows[0]), dot(simd, &treated, &rows[1])],
        [dot(simd, &control, &outcome[0]), dot(simd, &treated, &outcome[1])],
    ]
}

#[inline(always)]
fn standardize_block(values: &[f64], center: f64, per_scale: f64, into: &mut [f64]) {
    into.iter_mut().zip(values).for_each(|(z, x)| *z = (x - center) * per_scale);
}

#[inline(always)]
fn sigmoid_block(eta: &mut [f64]) {
    for value in eta {
        *value = probability(*value).0;
    }
}

/// Columns that a pass over a block takes together, their sums in registers: enough to hide the latency
/// of an addition, few enough for sixteen registers.
const TOGETHER: usize = 4;

#[inline(always)]
fn linear_predictor_block<S: Simd>(simd: S, beta: &[f64], columns: &[Lane], eta: &mut Lane) {
    eta.fill(beta[0]);
    let groups = columns.chunks_exact(TOGETHER);
    let slopes = beta[1..].chunks_exact(TOGETHER);
    let (last, rest) = (slopes.remainder(), groups.remainder());
    for (group, slopes) in groups.zip(slopes) {
        add_scaled::<S, TOGETHER>(simd, group, slopes, eta);
    }
    match rest.len() {
        1 => add_scaled::<S, 1>(simd, rest, last, eta),
        2 => add_scaled::<S, 2>(simd, rest, last, eta),
        3 => add_scaled::<S, 3>(simd, rest, last, eta),
        _ => {}
    }
}

/// Add N columns times their slopes, one after the other.
#[inline(always)]
fn add_scaled<S: Simd, const N: usize>(simd: S, columns: &[Lane], slopes: &[f64], eta: &mut Lane) {
    let columns: [&[S::f64s]; N] = std::array::from_fn(|k| vectors::<S>(&columns[k]));
    let slopes: [S::f64s; N] = std::array::from_fn(|k| simd.splat_f64s(slopes[k]));
    for (row, eta) in vectors_mut::<S>(eta).iter_mut().enumerate() {
        for k in 0..N {
            *eta = simd.mul_add_e_f64s(slopes[k], columns[k][row], *eta);
        }
    }
}

/// Add the sum of `a`, then its products with each column, to `sums`.
#[inline(always)]
fn add_dots<S: Simd>(simd: S, a: &Lane, columns: &[Lane], sums: &mut [f64]) {
    sums[0] += sum(simd, a);
    add_products_with(simd, a, columns, &mut sums[1..]);
}

/// Add the products of `a` with each column to `sums`.
#[inline(always)]
fn add_products_with<S: Simd>(simd: S, a: &Lane, columns: &[Lane], sums: &mut [f64]) {
    let groups = columns.chunks_exact(TOGETHER);
    let rest = groups.remainder();
    let (whole, last) = sums.split_at_mut(columns.len() - rest.len());
    for (group, sums) in groups.zip(whole.chunks_exact_mut(TOGETHER)) {
        add_products::<S, TOGETHER>(simd, a, group, sums);
    }
    match rest.len() {
        1 => add_products::<S, 1>(simd, a, rest, last),
        2 => add_products::<S, 2>(simd, a, rest, last),
        3 => add_products::<S, 3>(simd, a, rest, last),
        _ => {}
    }
}

/// The products of `a` with N columns, each in two strands.
#[inline(always)]
fn add_products<S: Simd, const N: usize>(simd: S, a: &Lane, columns: &[Lane], sums: &mut [f64]) {
    let a = vectors::<S>(a);
    let columns: [&[S::f64s]; N] = std::array::from_fn(|k| &vectors::<S>(&columns[k])[..a.len()]);
    let mut strands = [[simd.splat_f64s(0.0); 2]; N];
    for pair in 0..a.len() / 2 {
        for k in 0..N {
            for (half, strand) in strands[k].iter_mut().enumerate() {
                let row = 2 * pair + half;
                *strand = simd.mul_add_e_f64s(a[row], columns[k][row], *strand);
            }
        }
    }
    for (sum, [even, odd]) in sums.iter_mut().zip(strands) {
        *sum += simd.reduce_sum_f64s(simd.add_f64s(even, odd));
    }
}

#[inline(always)]
fn sum<S: Simd>(simd: S, a: &Lane) -> f64 {
    let mut strands = [simd.splat_f64s(0.0); 4];
    for group in vectors::<S>(a).chunks_exact(4) {
        for k in 0..4 {
            strands[k] = simd.add_f64s(strands[k], group[k]);
        }
    }
    let [a, b, c, d] = strands;
    simd.reduce_sum_f64s(simd.add_f64s(simd.add_f64s(a, b), simd.add_f64s(c, d)))
}

#[inline(always)]
fn dot<S: Simd>(simd: S, a: &Lane, b: &Lane) -> f64 {
    let mut sum = [0.0];
    add_products::<S, 1>(simd, a, std::slice::from_ref(b), &mut sum);
    sum[0]
}

/// p = 1 / (1 + exp(-eta)) and 1 - p, each to full relative precision: 1 - p is exp(-eta) p, not a
/// difference that cancels.
#[inline(always)]
fn probability(eta: f64) -> (f64, f64) {
    let odds_against = exp(-eta);
    let p = 1.0 / (1.0 + odds_against);
    (p, odds_against * p)
}

/// exp(x), |x| held under 700, to about one unit in the last place: x = n ln 2 + r with |r| <= ln 2 / 2
/// (Cody and Waite 1980, two-part ln 2), the Taylor polynomial of exp(r) to degree 13 (its
/// remainder, r^14/14!, is under 5e-18), then n added to the exponent bits.
#[inline(always)]
fn exp(x: f64) -> f64 {
    const LIMIT: f64 = 700.0;
    const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52: adding it rounds to an integer
    const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    let x = x.clamp(-LIMIT, LIMIT);
    let shifted = x * std::f64::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN2_HIGH) - n * LN2_LOW;
    let polynomial = taylor(r);
    f64::from_bits((shifted.to_bits() << 52).wrapping_add(polynomial.to_bits()))
}

/// Estrin's scheme: short chains of dependent operations.
#[inline(always)]
#[allow(clippy::many_single_char_names)]
fn taylor(r: f64) -> f64 {
    let r2 = r * r;
    let r4 = r2 * r2;
    let r8 = r4 * r4;
    let a = (1.0 + r) + r2 * (1.0 / 2.0 + r * (1.0 / 6.0));
    let b = (1.0 / 24.0 + r * (1.0 / 120.0)) + r2 * (1.0 / 720.0 + r * (1.0 / 5_040.0));
    let c = (1.0 / 40_320.0 + r * (1.0 / 362_880.0))
        + r2 * (1.0 / 3_628_800.0 + r * (1.0 / 39_916_800.0));
    let d = 1.0 / 479_001_600.0 + r * (1.0 / 6_227_020_800.0);
    (a + r4 * b) + r8 * (c + r4 * d)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_agrees_with_the_library() {
        let mut worst = 0.0_f64;
        for step in -70_000..=70_000 {
            let x = f64::from(step) * 0.009_987_654_321;
            let expected = x.exp();
            worst = worst.max((exp(x) - expected).abs() / expected);
        }
        assert!(worst <= 2.0 * f64::EPSILON, "{worst:e}");
    }

    #[test]
    fn probability_keeps_both_tails() {
        let (p, q) = probability(40.0);
        assert!((p - 1.0).abs() < f64::EPSILON);
        assert!((q / (-40.0_f64).exp() - 1.0).abs() < 1e-15);
        let (p, _) = probability(-650.0);
        assert!((p / (-650.0_f64).exp() - 1.0).abs() < 1e-15);
    }

    #[test]
    fn score_equations_agree_with_plain_sums() {
        let column: Lane = std::array::from_fn(|row| (row as f64 * 0.37).sin());
        let other: Lane = std::array::from_fn(|row| (row as f64 * 0.11).cos());
        let trials: Lane = std::array::from_fn(|row| (row % 4) as f64);
        let successes: Lane = std::array::from_fn(|row| (row % 4 / 2) as f64);
        let beta = [0.3, -1.2, 0.8];
        let mut equations = ScoreEquations::new(3);
        equations.add(&beta, &[column, other], &trials, &successes);
        let (mut gradient, mut information) = ([0.0; 3], [0.0; 9]);
        for row in 0..BLOCK {
            let x = [1.0, column[row], other[row]];
            let eta: f64 = beta.iter().zip(x).map(|(b, x)| b * x).sum();
            let p = 1.0 / (1.0 + (-eta).exp());
            for k in 0..3 {
                gradient[k] += x[k] * (successes[row] - trials[row] * p);
                for l in k..3 {
                    information[k * 3 + l] += x[k] * x[l] * trials[row] * p * (1.0 - p);
                }
            }
        }
        for (found, expected) in equations.gradient.iter().zip(gradient) {
            assert!((found - expected).abs() < 1e-12);
        }
        for (found, expected) in equations.information.iter().zip(information) {
            assert!((found - expected).abs() < 1e-12);
        }
    }
}
