//! The exponential of each entry, in SIMD.

use pulp::{Simd, WithSimd};

use super::exp;
use super::instructions::dispatch;

struct Exponential<'a>(&'a mut [f64]);

impl WithSimd for Exponential<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for value in self.0 {
            *value = exp(*value);
        }
    }
}

/// exp(x) of each entry, in place, x held between -700 and 700.
pub fn exponential(values: &mut [f64]) {
    dispatch(Exponential(values));
}
