//! Factors as callers give them, where what they stand for is asked.

use numpy::ndarray::{Array1, Array2};

use crate::design::coded::NumbersAndFactors;
use crate::error::Result;
use crate::reserve;

/// How many terms a factor of these levels has.
pub fn n_terms(levels: &Array1<i64>) -> usize {
    levels.iter().copied().max().and_then(|most| usize::try_from(most).ok()).unwrap_or(0)
}

/// The matrix that factors stand for; none where there are none.
pub fn matrix(given: &NumbersAndFactors<'_>) -> Result<Option<Array2<f64>>> {
    if given.factors.is_empty() {
        return Ok(None);
    }
    given.check()?;
    reserve::room_for(given.x.nrows(), size_of::<f64>().saturating_mul(given.n_terms()))?;
    Ok(Some(given.matrix()))
}
