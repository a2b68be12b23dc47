//! Products of the columns of a block with the numbers of several resamples, in either precision: two small matrix
//! products whose sums stay in registers.

use pulp::Simd;

use super::BLOCK;

/// What the products are made of: numbers of either precision.
pub(super) trait Real: Copy + Into<f64> + Default {
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
    /// Of all its lanes.
    fn sum<S: Simd>(simd: S, vector: Self::Vector<S>) -> f64;
    fn vectors<S: Simd>(values: &[Self]) -> &[Self::Vector<S>];
    fn vectors_mut<S: Simd>(values: &mut [Self]) -> &mut [Self::Vector<S>];
    fn lanes<S: Simd>() -> usize;
}

macro_rules! real {
    ($name:ty, $vector:ident, $lanes:ident, $blocks:expr, $splat:ident, $mul_add:ident, $add:ident,
     $sum:ident, $vectors:ident, $vectors_mut:ident) => {
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
            #[allow(clippy::useless_conversion)] // of single precision it is none
            fn sum<S: Simd>(simd: S, vector: S::$vector) -> f64 {
                simd.$sum(vector).into()
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
    reduce_sum_f64s,
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
    reduce_sum_f32s,
    as_simd_f32s,
    as_mut_simd_f32s
);

/// Resamples that go through a product side by side: their sums fill the registers.
const SIDE_BY_SIDE: usize = 4;

/// Columns of a stretch: their sums stay in registers, and they in the cache until the next resamples want them.
const ABREAST: usize = 16;

/// Slopes of several resamples, those that go side by side next to each other, term by term.
pub(super) struct Slopes<T> {
    pub terms: usize,
    values: Vec<T>,
}

impl<T: Real> Slopes<T> {
    /// Of steps of as many terms each.
    pub fn new(steps: &[&[f64]]) -> Self {
        let terms = steps.first().map_or(1, |step| step.len());
        let mut values = Vec::with_capacity(terms * steps.len());
        for group in steps.chunks(SIDE_BY_SIDE) {
            for k in 0..terms {
                values.extend(group.iter().map(|step| T::rounded(step[k])));
            }
        }
        Self { terms, values }
    }

    /// The linear predictors of a block.
    #[inline(always)]
    pub fn linear<S: Simd>(&self, simd: S, columns: &[[T; BLOCK]], into: &mut [[T; BLOCK]]) {
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
pub(super) struct Gradients<T> {
    n_resamples: usize,
    terms: usize,
    /// Of the last blocks.
    recent: Vec<T>,
    blocks: usize,
    sums: Vec<f64>,
}

impl<T: Real> Gradients<T> {
    pub fn new<S: Simd>(n_resamples: usize, terms: usize) -> Self {
        let length = n_resamples * terms * T::lanes::<S>();
        let (recent, sums) = (vec![T::default(); length], vec![0.0; length]);
        Self { n_resamples, terms, recent, blocks: 0, sums }
    }

    /// Add the products of a block's columns with the residuals.
    #[inline(always)]
    pub fn add<S: Simd>(&mut self, simd: S, columns: &[[T; BLOCK]], residuals: &[[T; BLOCK]]) {
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

    pub fn finish<S: Simd>(mut self) -> Vec<Vec<f64>> {
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
