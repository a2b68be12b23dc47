//! Sums over so few columns, at most four, that all of them stay in registers from the first row to the last.

#![allow(clippy::needless_range_loop)] // one index into several arrays

use pulp::Simd;

use super::Lane;
use super::arithmetic::vectors;

/// The most columns that are few.
pub const FEW_COLUMNS: usize = 4;

/// The columns of a block, as vectors of the instruction set.
#[inline(always)]
pub(super) fn columns_of<S: Simd, const N: usize>(
    columns: &[Lane],
    length: usize,
) -> [&[S::f64s]; N] {
    std::array::from_fn(|k| &vectors::<S>(&columns[k])[..length])
}

/// The sums of r and of r x.
#[derive(Clone, Copy)]
pub(super) struct Dots<S: Simd, const N: usize> {
    total: S::f64s,
    products: [S::f64s; N],
}

impl<S: Simd, const N: usize> Dots<S, N> {
    #[inline(always)]
    pub fn new(simd: S) -> Self {
        let zero = simd.splat_f64s(0.0);
        Self { total: zero, products: [zero; N] }
    }

    #[inline(always)]
    pub fn add(&mut self, simd: S, r: S::f64s, x: [S::f64s; N]) {
        self.total = simd.add_f64s(self.total, r);
        for k in 0..N {
            self.products[k] = simd.mul_add_e_f64s(r, x[k], self.products[k]);
        }
    }

    #[inline(always)]
    pub fn reduced(self, simd: S) -> Vec<f64> {
        let sums = std::iter::once(self.total).chain(self.products);
        sums.map(|sum| simd.reduce_sum_f64s(sum)).collect()
    }
}

/// The sums of s, of s x and of s x x'.
#[derive(Clone, Copy)]
pub(super) struct Squares<S: Simd, const N: usize> {
    total: S::f64s,
    products: [S::f64s; N],
    pairs: [[S::f64s; N]; N],
}

impl<S: Simd, const N: usize> Squares<S, N> {
    #[inline(always)]
    pub fn new(simd: S) -> Self {
        let zero = simd.splat_f64s(0.0);
        Self { total: zero, products: [zero; N], pairs: [[zero; N]; N] }
    }

    #[inline(always)]
    pub fn add(&mut self, simd: S, s: S::f64s, x: [S::f64s; N]) {
        self.total = simd.add_f64s(self.total, s);
        for j in 0..N {
            let weighted = simd.mul_f64s(s, x[j]);
            self.products[j] = simd.add_f64s(self.products[j], weighted);
            for k in j..N {
                self.pairs[j][k] = simd.mul_add_e_f64s(weighted, x[k], self.pairs[j][k]);
            }
        }
    }

    /// Row-major, only the upper triangle filled.
    #[inline(always)]
    pub fn reduced(self, simd: S) -> Vec<f64> {
        let mut found = vec![0.0; (N + 1) * (N + 1)];
        found[0] = simd.reduce_sum_f64s(self.total);
        for j in 0..N {
            found[j + 1] = simd.reduce_sum_f64s(self.products[j]);
            for k in j..N {
                found[(j + 1) * (N + 1) + k + 1] = simd.reduce_sum_f64s(self.pairs[j][k]);
            }
        }
        found
    }
}
