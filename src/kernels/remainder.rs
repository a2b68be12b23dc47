//! The higher-order remainder of the gradient of a resample: what is left of its change between the full sample's fit,
//! where its gradient G and its information H are known, and a place a step s away, when H s is taken off. For few
//! columns, in single precision.
//!
//! With n the weight of a unit, p its score at the full sample's fit, q = 1 - p, d the change of its linear predictor and
//! t = exp(d) - 1, the score becomes p + p q t / (1 + p t). What the information does not tell of that is
//!
//! ```text
//! n p q (t / (1 + p t) - d) = n p q (u - p t d) / (1 + p t),   u = t - d = d^2 / 2 + d^3 / 6 + ...
//! ```
//!
//! which is of the order d^2, and is worked out without a difference of larger numbers. Rounded to single precision
//! it is off by 1e-7 d^2: on n rows, d being of the order n^-1/2, the gradient by less than 1e-10 a row.

#![allow(clippy::needless_range_loop)] // one index into several arrays

use pulp::{Simd, WithSimd};

use super::blocks::{Room, SingleLane, Source};
use super::few_columns::FEW_COLUMNS;
use super::instructions::dispatch;
use super::step::SHORT_MOVE;

/// What such a pass finds.
#[derive(Debug, Clone)]
pub struct Remainder {
    /// What to take off the gradient G - H s.
    pub gradient: Vec<f64>,
    /// The longest move of a linear predictor, as far as that had to be found out; beyond
    /// [`LONGEST_MOVE`](super::LONGEST_MOVE) nothing else is right.
    pub longest_move: f64,
}

/// The remainder `step` away from the full sample's fit, of at most [`FEW_COLUMNS`]: of its scores, and of the variances
/// n p q there, single precision is enough. No linear predictor moves by more than `most`.
pub fn remainder(
    source: &dyn Source,
    step: &[f64],
    most: f64,
    scores: &[SingleLane],
    variances: &[SingleLane],
) -> Remainder {
    let pass = Pass { source, step, scores, variances };
    if most <= SHORT_MOVE { pass.dispatch::<false>() } else { pass.dispatch::<true>() }
}

struct Pass<'a> {
    source: &'a dyn Source,
    step: &'a [f64],
    scores: &'a [SingleLane],
    variances: &'a [SingleLane],
}

impl Pass<'_> {
    fn dispatch<const LONG: bool>(self) -> Remainder {
        match self.step.len() - 1 {
            0 => dispatch(OfFew::<0, LONG>(self)),
            1 => dispatch(OfFew::<1, LONG>(self)),
            2 => dispatch(OfFew::<2, LONG>(self)),
            3 => dispatch(OfFew::<3, LONG>(self)),
            _ => dispatch(OfFew::<FEW_COLUMNS, LONG>(self)),
        }
    }
}

struct OfFew<'a, const N: usize, const LONG: bool>(Pass<'a>);

impl<const N: usize, const LONG: bool> WithSimd for OfFew<'_, N, LONG> {
    type Output = Remainder;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Remainder {
        let Self(Pass { source, step, scores, variances }) = self;
        let shift = simd.splat_f32s(rounded(step[0]));
        let slopes: [S::f32s; N] = std::array::from_fn(|k| simd.splat_f32s(rounded(step[k + 1])));
        let zero = simd.splat_f32s(0.0);
        let mut room = Room::new(N);
        let (mut gradient, mut longest_move) = (vec![0.0; N + 1], zero);
        for (index, (p, variance)) in scores.iter().zip(variances).enumerate() {
            let columns = source.single_columns(index, &mut room);
            let p = vectors::<S>(p);
            let variance = &vectors::<S>(variance)[..p.len()];
            let columns: [&[S::f32s]; N] =
                std::array::from_fn(|k| &vectors::<S>(&columns[k])[..p.len()]);
            let (mut total, mut products) = (zero, [zero; N]);
            for i in 0..p.len() {
                let x: [S::f32s; N] = std::array::from_fn(|k| columns[k][i]);
                let d = (0..N).fold(shift, |d, k| simd.mul_add_e_f32s(slopes[k], x[k], d));
                if LONG {
                    longest_move = simd.max_f32s(longest_move, simd.abs_f32s(d));
                }
                let r = simd.mul_f32s(variance[i], of_unit::<S, LONG>(simd, p[i], d));
                total = simd.add_f32s(total, r);
                for k in 0..N {
                    products[k] = simd.mul_add_e_f32s(r, x[k], products[k]);
                }
            }
            // Longer sums would lose digits.
            for (sum, more) in gradient.iter_mut().zip(std::iter::once(total).chain(products)) {
                *sum += f64::from(simd.reduce_sum_f32s(more));
            }
        }
        Remainder { gradient, longest_move: simd.reduce_max_f32s(longest_move).into() }
    }
}

/// t / (1 + p t) - d, with t = exp(d) - 1.
#[inline(always)]
fn of_unit<S: Simd, const LONG: bool>(simd: S, p: S::f32s, d: S::f32s) -> S::f32s {
    let one = simd.splat_f32s(1.0);
    let u = exp_beyond_line::<S, LONG>(simd, d);
    let t = simd.add_f32s(d, u);
    let of_p = simd.mul_f32s(p, t);
    let above = simd.sub_f32s(u, simd.mul_f32s(of_p, d));
    simd.div_f32s(above, simd.add_f32s(one, of_p))
}

/// exp(d) - 1 - d for |d| up to [`SHORT_MOVE`], where the sixth power's remainder is 4e-7 of the whole; where `LONG` for
/// |d| up to `LONGEST_MOVE`, from a sixteenth of d: twice d has u(2 d) = 2 u(d) + t(d)^2.
#[inline(always)]
fn exp_beyond_line<S: Simd, const LONG: bool>(simd: S, d: S::f32s) -> S::f32s {
    const FACTORS: [f32; 5] = [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 1.0 / 2.0];
    let scale = simd.splat_f32s(1.0 / 16.0);
    let mut h = if LONG { simd.mul_f32s(d, scale) } else { d };
    let mut sum = simd.splat_f32s(FACTORS[0]);
    for factor in &FACTORS[1..] {
        sum = simd.mul_add_e_f32s(sum, h, simd.splat_f32s(*factor));
    }
    let mut u = simd.mul_f32s(simd.mul_f32s(h, h), sum);
    if LONG {
        for _ in 0..4 {
            let t = simd.add_f32s(h, u);
            u = simd.mul_add_e_f32s(t, t, simd.add_f32s(u, u));
            h = simd.add_f32s(h, h);
        }
    }
    u
}

#[inline(always)]
#[allow(clippy::cast_possible_truncation)] // on purpose
fn rounded(value: f64) -> f32 {
    value as f32
}

#[inline(always)]
fn vectors<S: Simd>(lane: &SingleLane) -> &[S::f32s] {
    S::as_simd_f32s(lane).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{BLOCK, Lane, round};

    struct Lent(Vec<Lane>, Vec<SingleLane>);

    impl Source for Lent {
        fn columns<'a>(&'a self, _: usize, _: &'a mut Room) -> &'a [Lane] {
            &self.0
        }

        fn single_columns<'a>(&'a self, _: usize, _: &'a mut Room) -> &'a [SingleLane] {
            &self.1
        }
    }

    #[test]
    fn remainder_agrees_with_the_difference_it_stands_for() {
        for (n_columns, slope) in [(0, 0.01), (1, 0.01), (2, 0.7), (3, 0.02), (4, 0.9)] {
            let columns: Vec<Lane> = (0..n_columns)
                .map(|k| std::array::from_fn(|i| ((7 * i + 3 * k * k) as f64).sin()))
                .collect();
            let p: Lane = std::array::from_fn(|i| 0.5 + 0.49 * (i as f64 * 0.7).cos());
            let weight: Lane = std::array::from_fn(|i| (i % 4) as f64);
            let variance: Lane = std::array::from_fn(|i| weight[i] * p[i] * (1.0 - p[i]));
            let step: Vec<f64> = (0..=n_columns).map(|k| slope * (1.0 - 0.3 * k as f64)).collect();
            let change = |i: usize| {
                step[0] + step[1..].iter().zip(&columns).map(|(s, x)| s * x[i]).sum::<f64>()
            };
            let mut expected = vec![0.0; n_columns + 1];
            for i in 0..BLOCK {
                let odds = p[i] / (1.0 - p[i]) * change(i).exp();
                let moved = weight[i] * (odds / (1.0 + odds) - p[i]) - variance[i] * change(i);
                expected[0] += moved;
                columns.iter().zip(&mut expected[1..]).for_each(|(x, sum)| *sum += moved * x[i]);
            }
            let most = step.iter().map(|s| s.abs()).sum();
            let source = Lent(columns.clone(), columns.iter().map(round).collect());
            let found = remainder(&source, &step, most, &[round(&p)], &[round(&variance)]);
            let longest = (0..BLOCK).map(|i| change(i).abs()).fold(0.0, f64::max);
            assert!(most <= SHORT_MOVE || (found.longest_move - longest).abs() < 1e-5);
            let scale = longest * longest * weight.iter().sum::<f64>();
            for (a, b) in found.gradient.iter().zip(&expected) {
                assert!((a - b).abs() < 1e-7 * scale, "{n_columns} {slope}: {a} {b}");
            }
        }
    }
}
