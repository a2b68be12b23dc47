//! The passes of `full_fit` and `step` for several resamples of the same rows at once. With many covariates a pass of
//! one resample waits for the columns, which come from far away in the memory; here a block of them is fetched once,
//! and what it holds is multiplied with the numbers of all resamples while it is in the cache.
//!
//! While a search is far from its end the products are in single precision, of a copy of the columns that is half
//! as long: on n rows the gradient is then off by about 1e-7 / sqrt(n) a row.
//!
//! A resample's sums have an order of their own, whoever its company is: they are the same to the last bit in
//! any company.

use pulp::{Simd, WithSimd};

use super::arithmetic::{vectors, vectors_mut};
use super::blocks::{Room, SingleLane, Source, round_lane};
use super::instructions::dispatch;
use super::products::{Gradients, Real, Slopes};
use super::step::{Sums, exp_both};
use super::{AtStep, BLOCK, Lane};

/// Rows, and how often each was drawn in each of several resamples.
#[derive(Debug, Clone, Copy)]
pub struct ResampledRows<'a, W> {
    /// 1 where a row is treated, else 0; padded with zeros, as is the outcome.
    pub treated: &'a [Lane],
    pub outcome: &'a [Lane],
    pub sample_weight: Option<&'a [f64]>,
    /// A number a row for each resample.
    pub counts: &'a [&'a [W]],
}

impl<W: Copy + Into<f64>> ResampledRows<'_, W> {
    /// The weights of a block's rows in a resample, padded with zeros.
    #[inline(always)]
    fn weights<T: Real>(&self, resample: usize, index: usize, into: &mut [T; BLOCK]) {
        let counts = self.counts[resample];
        let rows = index * BLOCK..counts.len().min((index + 1) * BLOCK);
        let (own, padding) = into.split_at_mut(rows.len());
        padding.fill(T::default());
        let counts = &counts[rows.clone()];
        if let Some(sample_weight) = self.sample_weight {
            let weights = counts.iter().zip(&sample_weight[rows]);
            let weights = weights.map(|(count, factor)| (*count).into() * factor);
            own.iter_mut().zip(weights).for_each(|(own, weight)| *own = T::rounded(weight));
        } else {
            own.iter_mut().zip(counts).for_each(|(own, c)| *own = T::rounded((*c).into()));
        }
    }
}

/// A resample's part in a pass away from the full sample's fit.
#[derive(Debug)]
pub struct Member<'a> {
    pub resample: usize,
    /// How far from the full sample's fit, a number a term.
    pub step: &'a [f64],
    /// Left by a pass in double precision, where they are wanted.
    pub scores: Option<&'a mut [Lane]>,
}

fn steps<'m>(members: &'m [Member<'_>]) -> Vec<&'m [f64]> {
    members.iter().map(|member| member.step).collect()
}

/// What a resample finds at the full sample's fit.
#[derive(Debug, Clone)]
pub struct AtStart {
    pub gradient: Vec<f64>,
    /// As in [`super::AtFullFit`].
    pub variance: f64,
    /// Rows and sum of outcomes of each arm, control first.
    pub totals: [[f64; 2]; 2],
}

/// What a resample finds in a pass in single precision.
#[derive(Debug, Clone)]
pub struct InSingle {
    pub gradient: Vec<f64>,
    /// As in [`AtStep`].
    pub longest_move: f64,
}

/// The gradient of each resample at the full sample's fit, in single precision; its scores are given.
pub fn batch_at_full_fit<W: Copy + Into<f64>>(
    source: &impl Source,
    rows: &ResampledRows<'_, W>,
    n_columns: usize,
    scores: &[Lane],
) -> Vec<AtStart> {
    dispatch(FullFitPass { source, rows, n_columns, scores })
}

/// The gradient of each member, in single precision. `scores` are those of the full sample's fit.
pub fn batch_in_single<W: Copy + Into<f64>>(
    source: &impl Source,
    rows: &ResampledRows<'_, W>,
    members: &[Member<'_>],
    scores: &[Lane],
) -> Vec<InSingle> {
    dispatch(SinglePass { source, rows, members, scores })
}

/// As `at_step`, for each member. `odds` are those against treatment at the full sample's fit.
pub fn batch_at_step<W: Copy + Into<f64>>(
    source: &impl Source,
    rows: &ResampledRows<'_, W>,
    members: &mut [Member<'_>],
    odds: &[Lane],
    wants_overlap: bool,
) -> Vec<AtStep> {
    if wants_overlap {
        dispatch(StepPass::<_, _, true> { source, rows, members, odds })
    } else {
        dispatch(StepPass::<_, _, false> { source, rows, members, odds })
    }
}

struct FullFitPass<'a, T, W> {
    source: &'a T,
    rows: &'a ResampledRows<'a, W>,
    n_columns: usize,
    scores: &'a [Lane],
}

impl<T: Source, W: Copy + Into<f64>> WithSimd for FullFitPass<'_, T, W> {
    type Output = Vec<AtStart>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<AtStart> {
        let Self { source, rows, n_columns, scores } = self;
        let n_resamples = rows.counts.len();
        let (mut room, mut weights) = (Room::new(n_columns), [0.0; BLOCK]);
        let mut residuals = vec![[0.0; BLOCK]; n_resamples];
        let mut gradients = Gradients::<f32>::new::<S>(n_resamples, n_columns + 1);
        let mut totals = vec![[simd.splat_f64s(0.0); 5]; n_resamples];
        for (index, scores) in scores.iter().enumerate() {
            let treated = vectors::<S>(&rows.treated[index]);
            let (outcome, p) = (vectors::<S>(&rows.outcome[index]), vectors::<S>(scores));
            for ((resample, rounded), totals) in residuals.iter_mut().enumerate().zip(&mut totals) {
                rows.weights(resample, index, &mut weights);
                let w = vectors_mut::<S>(&mut weights);
                let [mut variance, mut n, mut y, mut n1, mut y1] = *totals;
                for i in 0..w.len() {
                    let (own, expected) = (w[i], simd.mul_f64s(w[i], p[i]));
                    let square = simd.mul_f64s(expected, p[i]);
                    let of_treated = simd.mul_f64s(own, treated[i]);
                    variance = simd.add_f64s(variance, simd.sub_f64s(expected, square));
                    n = simd.add_f64s(n, own);
                    y = simd.mul_add_e_f64s(own, outcome[i], y);
                    n1 = simd.add_f64s(n1, of_treated);
                    y1 = simd.mul_add_e_f64s(of_treated, outcome[i], y1);
                    w[i] = simd.sub_f64s(of_treated, expected);
                }
                *totals = [variance, n, y, n1, y1];
                round_lane(&weights, rounded);
            }
            gradients.add(simd, source.single_columns(index, &mut room), &residuals);
        }
        let found = totals.into_iter().zip(gradients.finish::<S>());
        found
            .map(|(totals, gradient)| {
                let [variance, n, y, n1, y1] = totals.map(|sum| simd.reduce_sum_f64s(sum));
                AtStart { gradient, variance, totals: [[n - n1, y - y1], [n1, y1]] }
            })
            .collect()
    }
}

struct SinglePass<'a, 'm, T, W> {
    source: &'a T,
    rows: &'a ResampledRows<'a, W>,
    members: &'a [Member<'m>],
    scores: &'a [Lane],
}

impl<T: Source, W: Copy + Into<f64>> WithSimd for SinglePass<'_, '_, T, W> {
    type Output = Vec<InSingle>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<InSingle> {
        let Self { source, rows, members, scores } = self;
        let slopes = Slopes::<f32>::new(&steps(members));
        let mut room = Room::new(slopes.terms - 1);
        let [mut weights, mut p, mut residual] = [[0.0_f32; BLOCK]; 3];
        let mut changes = vec![[0.0; BLOCK]; members.len()];
        let mut gradients = Gradients::<f32>::new::<S>(members.len(), slopes.terms);
        let mut longest_move = vec![simd.splat_f32s(0.0); members.len()];
        for (index, scores) in scores.iter().enumerate() {
            let columns = source.single_columns(index, &mut room);
            slopes.linear(simd, columns, &mut changes);
            for (row, (score, treated)) in scores.iter().zip(&rows.treated[index]).enumerate() {
                p[row] = f32::rounded(*score);
                residual[row] = f32::rounded(treated - score);
            }
            for ((member, changes), longest_move) in
                members.iter().zip(&mut changes).zip(&mut longest_move)
            {
                rows.weights(member.resample, index, &mut weights);
                leave_residuals(simd, [&p, &residual, &weights], changes, longest_move);
            }
            gradients.add(simd, columns, &changes);
        }
        let found = longest_move.into_iter().zip(gradients.finish::<S>());
        found
            .map(|(most, gradient)| {
                let longest_move = simd.reduce_max_f32s(most).into();
                InSingle { gradient, longest_move }
            })
            .collect()
    }
}

/// Turn the changes of the linear predictor into residuals. The block: scores p and residuals at the full sample's fit, and
/// weights. With m = exp(-d) - 1 and q = 1 - p the score is p - p q m / (1 + q m): single precision rounds the
/// change of the score, which is small, and not the score.
#[inline(always)]
fn leave_residuals<S: Simd>(
    simd: S,
    block: [&SingleLane; 3],
    changes: &mut SingleLane,
    longest_move: &mut S::f32s,
) {
    let one = simd.splat_f32s(1.0);
    let [p, residuals, weights] = block.map(|lane| S::as_simd_f32s(lane).0);
    let r = S::as_mut_simd_f32s(changes).0;
    let mut most = *longest_move;
    for i in 0..r.len() {
        most = simd.max_f32s(most, simd.abs_f32s(r[i]));
        let m = exp_of_minus_less_one(simd, r[i]);
        let of_q = simd.mul_f32s(simd.sub_f32s(one, p[i]), m);
        let share = simd.div_f32s(of_q, simd.add_f32s(one, of_q));
        let residual = simd.mul_add_e_f32s(p[i], share, residuals[i]);
        r[i] = simd.mul_f32s(weights[i], residual);
    }
    *longest_move = most;
}

/// exp(-d) - 1 for |d| up to `LONGEST_MOVE`, to about 1e-6 of itself: a polynomial at -d / 16 whose remainder is under a
/// unit in the last place, then m (m + 2) four times.
#[inline(always)]
fn exp_of_minus_less_one<S: Simd>(simd: S, d: S::f32s) -> S::f32s {
    const FACTORS: [f32; 5] = [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 1.0 / 2.0];
    let h = simd.mul_f32s(d, simd.splat_f32s(-1.0 / 16.0));
    let mut sum = simd.splat_f32s(FACTORS[0]);
    for factor in &FACTORS[1..] {
        sum = simd.mul_add_e_f32s(sum, h, simd.splat_f32s(*factor));
    }
    let root = simd.mul_add_e_f32s(simd.mul_f32s(h, h), sum, h);
    (0..4).fold(root, |m, _| simd.mul_add_e_f32s(m, m, simd.add_f32s(m, m)))
}

struct StepPass<'a, 'm, T, W, const OVERLAP: bool> {
    source: &'a T,
    rows: &'a ResampledRows<'a, W>,
    members: &'a mut [Member<'m>],
    odds: &'a [Lane],
}

impl<T: Source, W: Copy + Into<f64>, const OVERLAP: bool> WithSimd
    for StepPass<'_, '_, T, W, OVERLAP>
{
    type Output = Vec<AtStep>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<AtStep> {
        let Self { source, rows, members, odds } = self;
        let slopes = Slopes::<f64>::new(&steps(members));
        let mut room = Room::new(slopes.terms - 1);
        let [mut weights, mut unwanted] = [[0.0; BLOCK]; 2];
        let mut changes = vec![[0.0; BLOCK]; members.len()];
        let mut gradients = Gradients::<f64>::new::<S>(members.len(), slopes.terms);
        let mut sums = vec![Sums::<S>::new(simd); members.len()];
        for (index, odds) in odds.iter().enumerate() {
            let columns = source.columns(index, &mut room);
            slopes.linear(simd, columns, &mut changes);
            for ((member, change), sums) in members.iter_mut().zip(&mut changes).zip(&mut sums) {
                rows.weights(member.resample, index, &mut weights);
                let block = [odds, &rows.treated[index], &rows.outcome[index], &weights];
                let kept = member.scores.as_mut().map(|scores| &mut scores[index]);
                let scores = kept.unwrap_or(&mut unwanted);
                advance::<S, OVERLAP>(simd, block, change, scores, sums);
            }
            gradients.add(simd, columns, &changes);
        }
        let found = sums.into_iter().zip(gradients.finish::<S>());
        found.map(|(sums, gradient)| AtStep { gradient, ..sums.reduced(simd) }).collect()
    }
}

/// Turn the changes of the linear predictor into residuals, leave the scores, and add up what weights are made of. The
/// block: odds against treatment at the full sample's fit, who is treated, outcomes and weights.
#[inline(always)]
fn advance<S: Simd, const OVERLAP: bool>(
    simd: S,
    block: [&Lane; 4],
    changes: &mut Lane,
    scores: &mut Lane,
    sums: &mut Sums<S>,
) {
    let one = simd.splat_f64s(1.0);
    let [odds, treated, outcome, weights] = block.map(|lane| vectors::<S>(lane));
    let (p, r) = (vectors_mut::<S>(scores), vectors_mut::<S>(changes));
    let mut own = *sums;
    for i in 0..r.len() {
        own.longest_move = simd.max_f64s(own.longest_move, simd.abs_f64s(r[i]));
        // With o the odds against: p = o / (o (1 + o)), the odds for = (1 + o) / (o (1 + o)).
        let [fall, _] = exp_both::<S, true>(simd, r[i]);
        let against = simd.mul_f64s(odds[i], fall);
        let beside = simd.add_f64s(one, against);
        let inverse = simd.div_f64s(one, simd.mul_f64s(against, beside));
        p[i] = simd.mul_f64s(inverse, against);
        let of_treated = simd.mul_f64s(weights[i], treated[i]);
        r[i] = simd.sub_f64s(of_treated, simd.mul_f64s(weights[i], p[i]));
        let rows = [simd.sub_f64s(weights[i], of_treated), of_treated];
        let outcomes = rows.map(|rows| simd.mul_f64s(rows, outcome[i]));
        let odds = [simd.mul_f64s(inverse, beside), against];
        own.add::<OVERLAP>(simd, odds, p[i], [rows, outcomes]);
    }
    *sums = own;
}
