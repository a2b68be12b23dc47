//! Factors as callers give them, where what they stand for is asked.

use numpy::ndarray::{Array1, Array2};
use pyo3::prelude::*;

use super::arrays;
use crate::design::coded::NumbersAndFactors;
use crate::design::factors::Factor;
use crate::error::Result;
use crate::reserve;

/// The levels of factors beside a matrix, and where these stand.
pub struct Codes {
    levels: Vec<Array1<i64>>,
    pub after: Vec<usize>,
    /// How many terms the matrix and the factors have together.
    pub n_terms: usize,
}

impl Codes {
    /// Of factors beside so many columns; by default there are none, and they stand behind all columns.
    pub fn read(
        factors: Option<&Bound<'_, PyAny>>,
        after: Option<&Bound<'_, PyAny>>,
        n_columns: usize,
    ) -> PyResult<Self> {
        let levels = factors.map(arrays::factors).transpose()?.unwrap_or_default();
        let after = arrays::places("after", after, n_columns, levels.len())?;
        let highest = |levels: &Array1<i64>| levels.iter().copied().max().unwrap_or(0);
        let of_factor = |levels| usize::try_from(highest(levels)).unwrap_or(0);
        let n_terms = n_columns.saturating_add(levels.iter().map(of_factor).sum());
        Ok(Self { levels, after, n_terms })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    pub fn factors(&self) -> Result<Vec<Factor>> {
        Factor::all(&self.levels)
    }
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
