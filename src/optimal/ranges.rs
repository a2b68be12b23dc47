//! Ranges of coordinates: how far a value is from one, for boxes of trees.

/// How far a value is from a range.
#[inline]
pub(crate) fn outside(value: f64, low: f64, high: f64) -> f64 {
    greater(greater(low - value, value - high), 0.0)
}

/// One instruction, as `f64::max` is not, for that looks after NaN.
#[inline]
pub(crate) fn greater(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

/// As [`greater`].
#[inline]
pub(crate) fn lesser(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}
