//! How far the gradient of a resample bends away from a straight line between the anchor, where its gradient and
//! its information are known, and a place near by.
//!
//! With n the weight of a unit, p its score at the anchor, q = 1 - p, s the change of its linear predictor and
//! t = exp(s) - 1, the score becomes p + p q t / (1 + p t). What the information does not tell of that is
//!
//! ```text
//! n p q (t / (1 + p t) - s) = n p q (u - p t s) / (1 + p t),   u = t - s = s^2 / 2 + s^3 / 6 + ...
//! ```
//!
//! which is of the order s^2, and is worked out without a difference of larger numbers. Rounded to single precision
//! it is off by 1e-7 s^2: on n rows, s being of the order n^-1/2, the gradient by less than 1e-10 a row.

#![allow(clippy::inline_always)] // inlining carries the wider instruction set into the loops
#![allow(clippy::needless_range_loop)] // one index into several arrays

use pulp::{Simd, WithSimd};

use super::BLOCK;
use super::anchored::NEAR;
use super::arithmetic::{add_dots, linear_predictor_block};
use super::instructions::dispatch;
use super::source::{Room, RoughLane, Source, round_lane};

/// What such a pass finds.
#[derive(Debug, Clone)]
pub struct Bend {
    /// What to take off the gradient G - H s.
    pub gradient: Vec<f64>,
    /// The farthest that any linear predictor has moved, as far as that had to be found out; beyond
    /// [`super::REACH`] nothing else is right.
    pub farthest: f64,
}

/// The bend `step` away from the anchor, of whose scores, and of the spreads n p q there, single precision is
/// enough. No linear predictor moves by more than `most`.
pub fn bend(
    source: &dyn Source,
    step: &[f64],
    most: f64,
    scores: &[RoughLane],
    spread: &[RoughLane],
) -> Bend {
    let pass = Pass { source, step, scores, spread };
    if most <= NEAR { pass.dispatch::<false>() } else { pass.dispatch::<true>() }
}

struct Pass<'a> {
    source: &'a dyn Source,
    step: &'a [f64],
    scores: &'a [RoughLane],
    spread: &'a [RoughLane],
}

impl Pass<'_> {
    fn dispatch<const FAR: bool>(self) -> Bend {
        match self.step.len() - 1 {
            1 => dispatch(OfFew::<1, FAR>(self)),
            2 => dispatch(OfFew::<2, FAR>(self)),
            3 => dispatch(OfFew::<3, FAR>(self)),
            4 => dispatch(OfFew::<4, FAR>(self)),
            _ => dispatch(OfMany::<FAR>(self)),
        }
    }
}

/// Few columns: rounded as well, and all sums in registers.
struct OfFew<'a, const N: usize, const FAR: bool>(Pass<'a>);

impl<const N: usize, const FAR: bool> WithSimd for OfFew<'_, N, FAR> {
    type Output = Bend;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Bend {
        let Self(Pass { source, step, scores, spread }) = self;
        let shift = simd.splat_f32s(rounded(step[0]));
        let slopes: [S::f32s; N] = std::array::from_fn(|k| simd.splat_f32s(rounded(step[k + 1])));
        let zero = simd.splat_f32s(0.0);
        let mut room = Room::new(N);
        let (mut intercept, mut gradient, mut farthest) = (0.0, [0.0; N], zero);
        for (index, (p, spread)) in scores.iter().zip(spread).enumerate() {
            let columns = source.rough_columns(index, &mut room);
            let (p, spread) = (vectors::<S>(p), vectors::<S>(spread));
            let columns: [&[S::f32s]; N] =
                std::array::from_fn(|k| &vectors::<S>(&columns[k])[..p.len()]);
            let spread = &spread[..p.len()];
            let (mut sum, mut sums) = (zero, [zero; N]);
            for i in 0..p.len() {
                let x: [S::f32s; N] = std::array::from_fn(|k| columns[k][i]);
                let s = (0..N).fold(shift, |s, k| simd.mul_add_e_f32s(slopes[k], x[k], s));
                if FAR {
                    farthest = simd.max_f32s(farthest, simd.abs_f32s(s));
                }
                let r = simd.mul_f32s(spread[i], of_unit::<S, FAR>(simd, p[i], s));
                sum = simd.add_f32s(sum, r);
                for k in 0..N {
                    sums[k] = simd.mul_add_e_f32s(r, x[k], sums[k]);
                }
            }
            // Longer sums would lose digits.
            intercept += f64::from(simd.reduce_sum_f32s(sum));
            for k in 0..N {
                gradient[k] += f64::from(simd.reduce_sum_f32s(sums[k]));
            }
        }
        let gradient = std::iter::once(intercept).chain(gradient).collect();
        Bend { gradient, farthest: simd.reduce_max_f32s(farthest).into() }
    }
}

/// Any number of columns, in double precision: the linear predictors of a block first, then what becomes of them.
struct OfMany<'a, const FAR: bool>(Pass<'a>);

impl<const FAR: bool> WithSimd for OfMany<'_, FAR> {
    type Output = Bend;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Bend {
        let Self(Pass { source, step, scores, spread }) = self;
        let mut room = Room::new(step.len() - 1);
        let (mut changes, mut rough) = ([0.0; BLOCK], [0.0; BLOCK]);
        let mut gradient = vec![0.0; step.len()];
        let mut farthest = simd.splat_f32s(0.0);
        for (index, (p, spread)) in scores.iter().zip(spread).enumerate() {
            let columns = source.columns(index, &mut room);
            linear_predictor_block(simd, step, columns, &mut changes);
            round_lane(&changes, &mut rough);
            let (p, spread) = (vectors::<S>(p), vectors::<S>(spread));
            let s = S::as_mut_simd_f32s(&mut rough).0;
            for i in 0..s.len() {
                if FAR {
                    farthest = simd.max_f32s(farthest, simd.abs_f32s(s[i]));
                }
                s[i] = simd.mul_f32s(spread[i], of_unit::<S, FAR>(simd, p[i], s[i]));
            }
            changes.iter_mut().zip(&rough).for_each(|(to, from)| *to = f64::from(*from));
            add_dots(simd, &changes, columns, &mut gradient);
        }
        Bend { gradient, farthest: simd.reduce_max_f32s(farthest).into() }
    }
}

/// t / (1 + p t) - s, with t = exp(s) - 1.
#[inline(always)]
fn of_unit<S: Simd, const FAR: bool>(simd: S, p: S::f32s, s: S::f32s) -> S::f32s {
    let one = simd.splat_f32s(1.0);
    let u = exp_beyond_line::<S, FAR>(simd, s);
    let t = simd.add_f32s(s, u);
    let of_p = simd.mul_f32s(p, t);
    let above = simd.sub_f32s(u, simd.mul_f32s(of_p, s));
    simd.div_f32s(above, simd.add_f32s(one, of_p))
}

/// exp(s) - 1 - s for |s| up to [`NEAR`], where the sixth power's remainder is 4e-7 of the whole; where `FAR` for
/// |s| up to `REACH`, from a sixteenth of s: twice s has u(2 s) = 2 u(s) + t(s)^2.
#[inline(always)]
fn exp_beyond_line<S: Simd, const FAR: bool>(simd: S, s: S::f32s) -> S::f32s {
    const FACTORS: [f32; 5] = [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 1.0 / 2.0];
    let scale = simd.splat_f32s(1.0 / 16.0);
    let mut h = if FAR { simd.mul_f32s(s, scale) } else { s };
    let mut sum = simd.splat_f32s(FACTORS[0]);
    for factor in &FACTORS[1..] {
        sum = simd.mul_add_e_f32s(sum, h, simd.splat_f32s(*factor));
    }
    let mut u = simd.mul_f32s(simd.mul_f32s(h, h), sum);
    if FAR {
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
fn vectors<S: Simd>(lane: &RoughLane) -> &[S::f32s] {
    S::as_simd_f32s(lane).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Lane, round};

    struct Lent(Vec<Lane>, Vec<RoughLane>);

    impl Source for Lent {
        fn columns<'a>(&'a self, _: usize, _: &'a mut Room) -> &'a [Lane] {
            &self.0
        }

        fn rough_columns<'a>(&'a self, _: usize, _: &'a mut Room) -> &'a [RoughLane] {
            &self.1
        }
    }

    #[test]
    fn bend_agrees_with_the_difference_it_stands_for() {
        for (n_columns, slope) in [(1, 0.01), (3, 0.02), (4, 0.9), (7, 0.01), (7, 0.5)] {
            let columns: Vec<Lane> = (0..n_columns)
                .map(|k| std::array::from_fn(|i| ((7 * i + 3 * k * k) as f64).sin()))
                .collect();
            let p: Lane = std::array::from_fn(|i| 0.5 + 0.49 * (i as f64 * 0.7).cos());
            let weight: Lane = std::array::from_fn(|i| (i % 4) as f64);
            let spread: Lane = std::array::from_fn(|i| weight[i] * p[i] * (1.0 - p[i]));
            let step: Vec<f64> = (0..=n_columns).map(|k| slope * (1.0 - 0.3 * k as f64)).collect();
            let change = |i: usize| {
                step[0] + step[1..].iter().zip(&columns).map(|(s, x)| s * x[i]).sum::<f64>()
            };
            let mut expected = vec![0.0; n_columns + 1];
            for i in 0..BLOCK {
                let odds = p[i] / (1.0 - p[i]) * change(i).exp();
                let moved = weight[i] * (odds / (1.0 + odds) - p[i]) - spread[i] * change(i);
                expected[0] += moved;
                columns.iter().zip(&mut expected[1..]).for_each(|(x, sum)| *sum += moved * x[i]);
            }
            let most = step.iter().map(|s| s.abs()).sum();
            let source = Lent(columns.clone(), columns.iter().map(round).collect());
            let found = bend(&source, &step, most, &[round(&p)], &[round(&spread)]);
            let farthest = (0..BLOCK).map(|i| change(i).abs()).fold(0.0, f64::max);
            assert!(most <= NEAR || (found.farthest - farthest).abs() < 1e-5);
            let scale = farthest * farthest * weight.iter().sum::<f64>();
            for (a, b) in found.gradient.iter().zip(&expected) {
                assert!((a - b).abs() < 1e-7 * scale, "{n_columns} {slope}: {a} {b}");
            }
        }
    }
}
