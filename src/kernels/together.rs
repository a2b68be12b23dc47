//! The passes of `anchored` for several resamples of the same rows at once. With many covariates a pass of one
//! resample waits for the columns, which come from far away in the memory; here a block of them is fetched once,
//! and what it holds is multiplied with the numbers of all resamples while it is near: two small matrix products
//! with sums in registers.
//!
//! While a search is far from its end the products are in single precision, of a copy of the columns that is half
//! as long: on n rows the gradient is then off by about 1e-7 / sqrt(n) a row.
//!
//! A resample's sums have an order of their own, whoever its company is: they are the same to the last bit in
//! any company.

#![allow(clippy::inline_always)] // inlining carries the wider instruction set into the loops

use pulp::{Simd, WithSimd};

use super::anchored::exp_both;
use super::arithmetic::{vectors, vectors_mut};
use super::instructions::dispatch;
use super::source::{Room, RoughLane, Source, round_lane};
use super::{ArmSums, BLOCK, Lane, NearAnchor};

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

/// A resample's part in a pass away from the anchor.
#[derive(Debug)]
pub struct Member<'a> {
    pub resample: usize,
    /// How far from the anchor, a number a term.
    pub step: &'a [f64],
    /// Left by a pass that is not rough.
    pub scores: &'a mut [Lane],
}

/// What a resample finds at the anchor.
#[derive(Debug, Clone)]
pub struct Beginning {
    pub gradient: Vec<f64>,
    /// The sum of p (1 - p), the intercept's information.
    pub spread: f64,
    /// Rows and sum of outcomes of each arm, control first.
    pub totals: [[f64; 2]; 2],
}

/// What a resample finds in a rough pass.
#[derive(Debug, Clone)]
pub struct Rough {
    pub gradient: Vec<f64>,
    /// As in [`NearAnchor`].
    pub farthest: f64,
}

/// The gradient of each resample at the anchor, in single precision; its scores are given.
pub fn begin_together<W: Copy + Into<f64>>(
    source: &impl Source,
    rows: &ResampledRows<'_, W>,
    n_columns: usize,
    scores: &[Lane],
) -> Vec<Beginning> {
    dispatch(BeginPass { source, rows, n_columns, scores })
}

/// The gradient of each member, in single precision. `scores` are the anchor's.
pub fn rough_together<W: Copy + Into<f64>>(
    source: &impl Source,
    rows: &ResampledRows<'_, W>,
    members: &[Member<'_>],
    scores: &[Lane],
) -> Vec<Rough> {
    dispatch(RoughPass { source, rows, members, scores })
}

/// As `near_anchor`, for each member. `odds` are those against treatment at the anchor.
pub fn near_together<W: Copy + Into<f64>>(
    source: &impl Source,
    rows: &ResampledRows<'_, W>,
    members: &mut [Member<'_>],
    odds: &[Lane],
    wants_overlap: bool,
) -> Vec<NearAnchor> {
    let pass = NearPass { source, rows, members, odds };
    if wants_overlap { dispatch(Overlapping(pass)) } else { dispatch(pass) }
}

struct BeginPass<'a, T, W> {
    source: &'a T,
    rows: &'a ResampledRows<'a, W>,
    n_columns: usize,
    scores: &'a [Lane],
}

impl<T: Source, W: Copy + Into<f64>> WithSimd for BeginPass<'_, T, W> {
    type Output = Vec<Beginning>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<Beginning> {
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
                let [mut spread, mut n, mut y, mut n1, mut y1] = *totals;
                for i in 0..w.len() {
                    let (own, expected) = (w[i], simd.mul_f64s(w[i], p[i]));
                    let square = simd.mul_f64s(expected, p[i]);
                    let of_treated = simd.mul_f64s(own, treated[i]);
                    spread = simd.add_f64s(spread, simd.sub_f64s(expected, square));
                    n = simd.add_f64s(n, own);
                    y = simd.mul_add_e_f64s(own, outcome[i], y);
                    n1 = simd.add_f64s(n1, of_treated);
                    y1 = simd.mul_add_e_f64s(of_treated, outcome[i], y1);
                    w[i] = simd.sub_f64s(of_treated, expected);
                }
                *totals = [spread, n, y, n1, y1];
                round_lane(&weights, rounded);
            }
            gradients.add(simd, source.rough_columns(index, &mut room), &residuals);
        }
        let found = totals.into_iter().zip(gradients.finish::<S>());
        found
            .map(|(totals, gradient)| {
                let [spread, n, y, n1, y1] = totals.map(|sum| simd.reduce_sum_f64s(sum));
                Beginning { gradient, spread, totals: [[n - n1, y - y1], [n1, y1]] }
            })
            .collect()
    }
}

struct RoughPass<'a, 'm, T, W> {
    source: &'a T,
    rows: &'a ResampledRows<'a, W>,
    members: &'a [Member<'m>],
    scores: &'a [Lane],
}

impl<T: Source, W: Copy + Into<f64>> WithSimd for RoughPass<'_, '_, T, W> {
    type Output = Vec<Rough>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<Rough> {
        let Self { source, rows, members, scores } = self;
        let slopes = Slopes::<f32>::new(members);
        let mut room = Room::new(slopes.terms - 1);
        let [mut weights, mut p, mut residual] = [[0.0_f32; BLOCK]; 3];
        let mut changes = vec![[0.0; BLOCK]; members.len()];
        let mut gradients = Gradients::<f32>::new::<S>(members.len(), slopes.terms);
        let mut farthest = vec![simd.splat_f32s(0.0); members.len()];
        for (index, scores) in scores.iter().enumerate() {
            let columns = source.rough_columns(index, &mut room);
            slopes.linear(simd, columns, &mut changes);
            for (row, (score, treated)) in scores.iter().zip(&rows.treated[index]).enumerate() {
                p[row] = f32::rounded(*score);
                residual[row] = f32::rounded(treated - score);
            }
            for ((member, changes), farthest) in members.iter().zip(&mut changes).zip(&mut farthest)
            {
                rows.weights(member.resample, index, &mut weights);
                leave_residuals(simd, [&p, &residual, &weights], changes, farthest);
            }
            gradients.add(simd, columns, &changes);
        }
        let found = farthest.into_iter().zip(gradients.finish::<S>());
        found
            .map(|(most, gradient)| {
                let farthest = simd.reduce_max_f32s(most).into();
                Rough { gradient, farthest }
            })
            .collect()
    }
}

/// Turn the changes of the linear predictor into residuals. The block: scores p and residuals at the anchor, and
/// weights. With m = exp(-d) - 1 and q = 1 - p the score is p - p q m / (1 + q m): single precision rounds the
/// change of the score, which is small, and not the score.
#[inline(always)]
fn leave_residuals<S: Simd>(
    simd: S,
    block: [&RoughLane; 3],
    changes: &mut RoughLane,
    farthest: &mut S::f32s,
) {
    let one = simd.splat_f32s(1.0);
    let [p, anchor, weights] = block.map(|lane| S::as_simd_f32s(lane).0);
    let r = S::as_mut_simd_f32s(changes).0;
    let mut most = *farthest;
    for i in 0..r.len() {
        most = simd.max_f32s(most, simd.abs_f32s(r[i]));
        let m = exp_of_minus_less_one(simd, r[i]);
        let of_q = simd.mul_f32s(simd.sub_f32s(one, p[i]), m);
        let share = simd.div_f32s(of_q, simd.add_f32s(one, of_q));
        let residual = simd.mul_add_e_f32s(p[i], share, anchor[i]);
        r[i] = simd.mul_f32s(weights[i], residual);
    }
    *farthest = most;
}

/// exp(-d) - 1 for |d| up to `REACH`, to about 1e-6 of itself: a polynomial at -d / 16 whose remainder is under a
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

struct NearPass<'a, 'm, T, W> {
    source: &'a T,
    rows: &'a ResampledRows<'a, W>,
    members: &'a mut [Member<'m>],
    odds: &'a [Lane],
}

impl<T: Source, W: Copy + Into<f64>> WithSimd for NearPass<'_, '_, T, W> {
    type Output = Vec<NearAnchor>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<NearAnchor> {
        self.pass::<S, false>(simd)
    }
}

/// The same with the sums that only the overlap's estimands need.
struct Overlapping<'a, 'm, T, W>(NearPass<'a, 'm, T, W>);

impl<T: Source, W: Copy + Into<f64>> WithSimd for Overlapping<'_, '_, T, W> {
    type Output = Vec<NearAnchor>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<NearAnchor> {
        self.0.pass::<S, true>(simd)
    }
}

impl<T: Source, W: Copy + Into<f64>> NearPass<'_, '_, T, W> {
    #[inline(always)]
    fn pass<S: Simd, const OVERLAP: bool>(self, simd: S) -> Vec<NearAnchor> {
        let Self { source, rows, members, odds } = self;
        let slopes = Slopes::<f64>::new(members);
        let (mut room, mut weights) = (Room::new(slopes.terms - 1), [0.0; BLOCK]);
        let mut changes = vec![[0.0; BLOCK]; members.len()];
        let mut gradients = Gradients::<f64>::new::<S>(members.len(), slopes.terms);
        let mut sums = vec![Sums::<S>::new(simd); members.len()];
        for (index, odds) in odds.iter().enumerate() {
            let columns = source.columns(index, &mut room);
            slopes.linear(simd, columns, &mut changes);
            for ((member, change), sums) in members.iter_mut().zip(&mut changes).zip(&mut sums) {
                rows.weights(member.resample, index, &mut weights);
                let block = [odds, &rows.treated[index], &rows.outcome[index], &weights];
                sums.add::<OVERLAP>(simd, block, change, &mut member.scores[index]);
            }
            gradients.add(simd, columns, &changes);
        }
        let found = sums.into_iter().zip(gradients.finish::<S>());
        found.map(|(sums, gradient)| sums.finish(simd, gradient)).collect()
    }
}

/// What a resample sums up over its rows, beside the gradient.
#[derive(Clone)]
struct Sums<S: Simd> {
    arms: [[[S::f64s; 2]; 3]; 2],
    farthest: S::f64s,
}

impl<S: Simd> Sums<S> {
    fn new(simd: S) -> Self {
        let zero = simd.splat_f64s(0.0);
        Self { arms: [[[zero; 2]; 3]; 2], farthest: zero }
    }

    /// Turn the changes of the linear predictor into residuals, and leave the scores. The block: odds against
    /// treatment at the anchor, who is treated, outcomes and weights.
    #[inline(always)]
    fn add<const OVERLAP: bool>(
        &mut self,
        simd: S,
        block: [&Lane; 4],
        changes: &mut Lane,
        scores: &mut Lane,
    ) {
        let one = simd.splat_f64s(1.0);
        let [anchor, treated, outcome, weights] = block;
        let (anchor, treated) = (vectors::<S>(anchor), vectors::<S>(treated));
        let (outcome, weights) = (vectors::<S>(outcome), vectors::<S>(weights));
        let (p, r) = (vectors_mut::<S>(scores), vectors_mut::<S>(changes));
        let Self { mut arms, mut farthest } = *self;
        for i in 0..r.len() {
            farthest = simd.max_f64s(farthest, simd.abs_f64s(r[i]));
            // With o the odds against: p = o / (o (1 + o)), the odds for = (1 + o) / (o (1 + o)).
            let [fall, _] = exp_both::<S, true>(simd, r[i]);
            let against = simd.mul_f64s(anchor[i], fall);
            let beside = simd.add_f64s(one, against);
            let inverse = simd.div_f64s(one, simd.mul_f64s(against, beside));
            let odds = [simd.mul_f64s(inverse, beside), against];
            p[i] = simd.mul_f64s(inverse, against);
            let of_treated = simd.mul_f64s(weights[i], treated[i]);
            r[i] = simd.sub_f64s(of_treated, simd.mul_f64s(weights[i], p[i]));
            let rows = [simd.sub_f64s(weights[i], of_treated), of_treated];
            for arm in 0..2 {
                let mut add = |kind: usize, weight| {
                    let [n, y] = &mut arms[arm][kind];
                    let weight = simd.mul_f64s(weight, rows[arm]);
                    *n = simd.add_f64s(*n, weight);
                    *y = simd.mul_add_e_f64s(weight, outcome[i], *y);
                };
                add(0, odds[arm]);
                if OVERLAP {
                    add(1, if arm == 0 { p[i] } else { simd.mul_f64s(against, p[i]) });
                    add(2, simd.min_f64s(one, odds[arm]));
                }
            }
        }
        *self = Self { arms, farthest };
    }

    fn finish(self, simd: S, gradient: Vec<f64>) -> NearAnchor {
        let sums = self.arms.map(|arm| arm.map(|kind| kind.map(|sum| simd.reduce_sum_f64s(sum))));
        let sums = sums.map(|[odds, overlap, smaller]| ArmSums { odds, overlap, smaller });
        let farthest = simd.reduce_max_f64s(self.farthest);
        NearAnchor { gradient, farthest, sums, ..NearAnchor::default() }
    }
}

/// What the products are made of: numbers of either precision.
trait Real: Copy + Into<f64> + Default {
    type Vector<S: Simd>: Copy;

    /// Blocks whose products are added up before they are added to the rest, in double precision.
    const BLOCKS: usize;

    fn rounded(value: f64) -> Self;
    fn splat<S: Simd>(simd: S, value: Self) -> Self::Vector<S>;
    /// a b + c.
    fn mul_add<S: Simd>(
        simd: S,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
        c: Self::Vector<S>,
    ) -> Self::Vector<S>;
    fn add<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    fn vectors<S: Simd>(values: &[Self]) -> &[Self::Vector<S>];
    fn vectors_mut<S: Simd>(values: &mut [Self]) -> &mut [Self::Vector<S>];
    fn lanes<S: Simd>() -> usize;
}

macro_rules! real {
    ($name:ty, $vector:ident, $lanes:ident, $blocks:expr, $splat:ident, $mul_add:ident, $add:ident,
     $vectors:ident, $vectors_mut:ident) => {
        impl Real for $name {
            type Vector<S: Simd> = S::$vector;

            const BLOCKS: usize = $blocks;

            #[inline(always)]
            #[allow(clippy::cast_possible_truncation, clippy::unnecessary_cast)] // on purpose
            fn rounded(value: f64) -> Self {
                value as $name
            }

            #[inline(always)]
            fn splat<S: Simd>(simd: S, value: Self) -> S::$vector {
                simd.$splat(value)
            }

            #[inline(always)]
            fn mul_add<S: Simd>(
                simd: S,
                a: S::$vector,
                b: S::$vector,
                c: S::$vector,
            ) -> S::$vector {
                simd.$mul_add(a, b, c)
            }

            #[inline(always)]
            fn add<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$add(a, b)
            }

            #[inline(always)]
            fn vectors<S: Simd>(values: &[Self]) -> &[S::$vector] {
                S::$vectors(values).0
            }

            #[inline(always)]
            fn vectors_mut<S: Simd>(values: &mut [Self]) -> &mut [S::$vector] {
                S::$vectors_mut(values).0
            }

            #[inline(always)]
            fn lanes<S: Simd>() -> usize {
                S::$lanes
            }
        }
    };
}

real!(
    f64,
    f64s,
    F64_LANES,
    usize::MAX,
    splat_f64s,
    mul_add_e_f64s,
    add_f64s,
    as_simd_f64s,
    as_mut_simd_f64s
);
real!(
    f32,
    f32s,
    F32_LANES,
    4,
    splat_f32s,
    mul_add_e_f32s,
    add_f32s,
    as_simd_f32s,
    as_mut_simd_f32s
);

/// Resamples that go through a product side by side: their sums fill the registers.
const SIDE_BY_SIDE: usize = 4;

/// Columns of a stretch: their sums stay in registers, and they in the cache until the next resamples want them.
const ABREAST: usize = 16;

/// Slopes of several resamples, those that go side by side next to each other, term by term.
struct Slopes<T> {
    terms: usize,
    values: Vec<T>,
}

impl<T: Real> Slopes<T> {
    fn new(members: &[Member<'_>]) -> Self {
        let terms = members.first().map_or(1, |member| member.step.len());
        let mut values = Vec::with_capacity(terms * members.len());
        for group in members.chunks(SIDE_BY_SIDE) {
            for k in 0..terms {
                values.extend(group.iter().map(|member| T::rounded(member.step[k])));
            }
        }
        Self { terms, values }
    }

    /// The linear predictors of a block.
    #[inline(always)]
    fn linear<S: Simd>(&self, simd: S, columns: &[[T; BLOCK]], into: &mut [[T; BLOCK]]) {
        let groups = into.chunks_mut(SIDE_BY_SIDE);
        for (into, slopes) in groups.zip(self.values.chunks(SIDE_BY_SIDE * self.terms)) {
            match into.len() {
                1 => linear::<S, T, 1, 4>(simd, columns, slopes, into),
                2 => linear::<S, T, 2, 4>(simd, columns, slopes, into),
                3 => linear::<S, T, 3, 2>(simd, columns, slopes, into),
                _ => linear::<S, T, 4, 2>(simd, columns, slopes, into),
            }
        }
    }
}

/// Linear predictors of R resamples, V vectors of rows at a time.
#[inline(always)]
fn linear<S: Simd, T: Real, const R: usize, const V: usize>(
    simd: S,
    columns: &[[T; BLOCK]],
    slopes: &[T],
    into: &mut [[T; BLOCK]],
) {
    let (slopes, _) = slopes.as_chunks::<R>();
    let Some((intercepts, slopes)) = slopes.split_first() else { return };
    for (into, intercept) in into.iter_mut().zip(intercepts) {
        into.fill(*intercept);
    }
    for (columns, slopes) in columns.chunks(ABREAST).zip(slopes.chunks(ABREAST)) {
        for first in (0..BLOCK / T::lanes::<S>()).step_by(V) {
            let mut sums = [[T::splat(simd, T::default()); V]; R];
            for (sums, into) in sums.iter_mut().zip(&*into) {
                let own = &T::vectors::<S>(into)[first..first + V];
                sums.iter_mut().zip(own).for_each(|(sum, own)| *sum = *own);
            }
            for (column, slopes) in columns.iter().zip(slopes) {
                let x = &T::vectors::<S>(column)[first..first + V];
                for (sums, slope) in sums.iter_mut().zip(slopes) {
                    let slope = T::splat(simd, *slope);
                    for (sum, x) in sums.iter_mut().zip(x) {
                        *sum = T::mul_add(simd, slope, *x, *sum);
                    }
                }
            }
            for (into, sums) in into.iter_mut().zip(sums) {
                let own = &mut T::vectors_mut::<S>(into)[first..first + V];
                own.iter_mut().zip(sums).for_each(|(own, sum)| *own = sum);
            }
        }
    }
}

/// Sums of x r of several resamples, a vector a term, whose lanes are added up at the end.
struct Gradients<T> {
    n_resamples: usize,
    terms: usize,
    /// Of the last blocks.
    recent: Vec<T>,
    blocks: usize,
    sums: Vec<f64>,
}

impl<T: Real> Gradients<T> {
    fn new<S: Simd>(n_resamples: usize, terms: usize) -> Self {
        let length = n_resamples * terms * T::lanes::<S>();
        let (recent, sums) = (vec![T::default(); length], vec![0.0; length]);
        Self { n_resamples, terms, recent, blocks: 0, sums }
    }

    /// Add the products of a block's columns with the residuals.
    #[inline(always)]
    fn add<S: Simd>(&mut self, simd: S, columns: &[[T; BLOCK]], residuals: &[[T; BLOCK]]) {
        let sums = T::vectors_mut::<S>(&mut self.recent).chunks_mut(SIDE_BY_SIDE * self.terms);
        for (sums, residuals) in sums.zip(residuals.chunks(SIDE_BY_SIDE)) {
            match residuals.len() {
                1 => add_all::<S, T, 1, 4>(simd, columns, residuals, sums),
                2 => add_all::<S, T, 2, 4>(simd, columns, residuals, sums),
                3 => add_all::<S, T, 3, 2>(simd, columns, residuals, sums),
                _ => add_all::<S, T, 4, 2>(simd, columns, residuals, sums),
            }
        }
        self.blocks += 1;
        if self.blocks == T::BLOCKS {
            self.flush();
        }
    }

    #[inline(always)]
    fn flush(&mut self) {
        for (sum, recent) in self.sums.iter_mut().zip(&mut self.recent) {
            *sum += (*recent).into();
            *recent = T::default();
        }
        self.blocks = 0;
    }

    fn finish<S: Simd>(mut self) -> Vec<Vec<f64>> {
        self.flush();
        let lanes = T::lanes::<S>();
        let mut gradients = Vec::with_capacity(self.n_resamples);
        for group in self.sums.chunks(SIDE_BY_SIDE * self.terms * lanes) {
            let together = group.len() / (self.terms * lanes);
            for resample in 0..together {
                let own = group.chunks(lanes).skip(resample).step_by(together);
                gradients.push(own.map(|lanes| lanes.iter().sum()).collect());
            }
        }
        gradients
    }
}

/// The products of R residuals with 1 and with all columns, K columns at a time.
#[inline(always)]
fn add_all<S: Simd, T: Real, const R: usize, const K: usize>(
    simd: S,
    columns: &[[T; BLOCK]],
    residuals: &[[T; BLOCK]],
    sums: &mut [T::Vector<S>],
) {
    let (sums, _) = sums.as_chunks_mut::<R>();
    let Some((totals, sums)) = sums.split_first_mut() else { return };
    let mut own = [T::vectors::<S>(&residuals[0]); R];
    own.iter_mut().zip(residuals).for_each(|(own, residual)| *own = T::vectors::<S>(residual));
    for (total, residual) in totals.iter_mut().zip(own) {
        for r in residual {
            *total = T::add(simd, *total, *r);
        }
    }
    let whole = columns.len() / K * K;
    for (columns, sums) in columns.chunks_exact(K).zip(sums.chunks_exact_mut(K)) {
        add_products::<S, T, R, K>(simd, columns, own, sums);
    }
    for (column, sums) in columns[whole..].iter().zip(&mut sums[whole..]) {
        let (column, sums) = (std::slice::from_ref(column), std::slice::from_mut(sums));
        add_products::<S, T, R, 1>(simd, column, own, sums);
    }
}

#[inline(always)]
fn add_products<S: Simd, T: Real, const R: usize, const K: usize>(
    simd: S,
    columns: &[[T; BLOCK]],
    residuals: [&[T::Vector<S>]; R],
    sums: &mut [[T::Vector<S>; R]],
) {
    let lanes = BLOCK / T::lanes::<S>();
    let mut abreast = [residuals[0]; K];
    for (own, column) in abreast.iter_mut().zip(columns) {
        *own = &T::vectors::<S>(column)[..lanes];
    }
    let mut own = [[T::splat(simd, T::default()); R]; K];
    for k in 0..K {
        for r in 0..R {
            own[k][r] = sums[k][r];
        }
    }
    for i in 0..lanes {
        for k in 0..K {
            let x = abreast[k][i];
            for r in 0..R {
                own[k][r] = T::mul_add(simd, x, residuals[r][i], own[k][r]);
            }
        }
    }
    for k in 0..K {
        for r in 0..R {
            sums[k][r] = own[k][r];
        }
    }
}
