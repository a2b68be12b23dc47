//! What all loops are made of: linear predictors, sums of products, the logistic function.

use pulp::Simd;

use super::Lane;
use super::instructions::dispatched;

dispatched!(
    /// The linear predictor, intercept first: eta = b0 + sum over k of `b_k` `x_k`.
    pub fn linear_predictor<'a>(beta: &'a [f64], columns: &'a [Lane], eta: &'a mut Lane) -> (),
    |simd| linear_predictor_block(simd, beta, columns, eta)
);
dispatched!(
    /// Add the sum of the residuals, then of their products with each column, to `sums`.
    pub fn add_gradient<'a>(columns: &'a [Lane], residual: &'a Lane, sums: &'a mut [f64]) -> (),
    |simd| add_dots(simd, residual, columns, sums)
);
dispatched!(
    /// Fill `into` with (value - center) times `per_scale`.
    pub fn standardize<'a>(
        values: &'a [f64],
        center: f64,
        per_scale: f64,
        into: &'a mut [f64],
    ) -> (),
    |_| into.iter_mut().zip(values).for_each(|(z, x)| *z = (x - center) * per_scale)
);
dispatched!(
    /// The logistic function of each entry, in place.
    pub fn sigmoid<'a>(eta: &'a mut [f64]) -> (),
    |_| {
        for value in eta {
            *value = probability(*value).0;
        }
    }
);
dispatched!(
    /// exp(x) of each entry, in place, x held between -700 and 700.
    pub fn exponential<'a>(values: &'a mut [f64]) -> (),
    |_| {
        for value in values {
            *value = exp(*value);
        }
    }
);

/// A lane as vectors of the instruction set.
#[inline(always)]
pub(super) fn vectors<S: Simd>(lane: &Lane) -> &[S::f64s] {
    S::as_simd_f64s(lane).0
}

#[inline(always)]
pub(super) fn vectors_mut<S: Simd>(lane: &mut Lane) -> &mut [S::f64s] {
    S::as_mut_simd_f64s(lane).0
}

/// Columns that a pass over a block takes together, their sums in registers: enough to hide the latency
/// of an addition, few enough for sixteen registers.
const TOGETHER: usize = 4;

#[inline(always)]
pub(super) fn linear_predictor_block<S: Simd>(
    simd: S,
    beta: &[f64],
    columns: &[Lane],
    eta: &mut Lane,
) {
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
pub(super) fn add_dots<S: Simd>(simd: S, a: &Lane, columns: &[Lane], sums: &mut [f64]) {
    sums[0] += sum(simd, a);
    add_products_with(simd, a, columns, &mut sums[1..]);
}

/// Add the products of `a` with each column to `sums`.
#[inline(always)]
pub(super) fn add_products_with<S: Simd>(simd: S, a: &Lane, columns: &[Lane], sums: &mut [f64]) {
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
pub(super) fn sum<S: Simd>(simd: S, a: &Lane) -> f64 {
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
pub(super) fn dot<S: Simd>(simd: S, a: &Lane, b: &Lane) -> f64 {
    let mut sum = [0.0];
    add_products::<S, 1>(simd, a, std::slice::from_ref(b), &mut sum);
    sum[0]
}

/// p = 1 / (1 + exp(-eta)) and 1 - p, each to full relative precision: 1 - p is exp(-eta) p, not a
/// difference that cancels.
#[inline(always)]
pub(super) fn probability(eta: f64) -> (f64, f64) {
    let odds_against = exp(-eta);
    let p = 1.0 / (1.0 + odds_against);
    (p, odds_against * p)
}

/// exp(x), |x| held under 700, to about one unit in the last place: x = n ln 2 + r with |r| <= ln 2 / 2
/// (Cody and Waite 1980, two-part ln 2), the Taylor polynomial of exp(r) to degree 13 (its
/// remainder, r^14/14!, is under 5e-18), then n added to the exponent bits.
#[inline(always)]
pub(super) fn exp(x: f64) -> f64 {
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
}
