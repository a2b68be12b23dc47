//! Factors as callers give them, where what they stand for is asked.

use numpy::ndarray::Array2;
use numpy::{PyReadonlyArray1, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::arrays;
use crate::checks;
use crate::design::coded::NumbersAndFactors;
use crate::design::factors::{Factor, Shape};
use crate::error::{Error, Result};
use crate::reserve;

/// Factors beside a matrix, and where these stand.
pub struct Codes {
    pub factors: Vec<Factor>,
    pub after: Vec<usize>,
    /// How many terms the matrix and the factors have together.
    pub n_terms: usize,
}

impl Codes {
    /// Of factors beside so many columns; by default there are none, they stand behind all columns, and have as many
    /// levels as the highest says.
    pub fn read(
        factors: Option<&Bound<'_, PyAny>>,
        after: Option<&Bound<'_, PyAny>>,
        n_levels: Option<&Bound<'_, PyAny>>,
        n_columns: usize,
    ) -> PyResult<Self> {
        let columns = factors.map(arrays::factors).transpose()?.unwrap_or_default();
        let n_levels = n_levels
            .map(|given| arrays::places("n_levels", Some(given), n_columns, columns.len()))
            .transpose()?;
        if let Some(n_levels) = &n_levels {
            checks::same_length("n_levels", n_levels.len(), columns.len())?;
        }
        let n_levels = |k: usize| n_levels.as_ref().map(|n_levels| n_levels[k]);
        let read = columns.iter().enumerate().map(|(k, column)| factor(column, n_levels(k)));
        let factors = read.collect::<PyResult<Vec<Factor>>>()?;
        let after = arrays::places("after", after, n_columns, factors.len())?;
        let of_factors = factors.iter().map(|factor| factor.n_levels() - 1).sum();
        Ok(Self { factors, after, n_terms: n_columns.saturating_add(of_factors) })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.factors.is_empty()
    }
}

/// Factors of a model that was fitted on such ones.
pub fn of_model(factors: &Bound<'_, PyAny>, shapes: &[Shape]) -> PyResult<Vec<Factor>> {
    let columns = arrays::factors(factors)?;
    if columns.len() != shapes.len() {
        let found = format!("{} factors", columns.len());
        let allowed = "as many as the model was fitted on";
        return Err(Error::Argument { name: "factors", found, allowed }.into());
    }
    let read = columns.iter().zip(shapes).map(|(column, shape)| {
        let own = factor(column, Some(shape.n_levels))?;
        if own.shape() == *shape {
            return Ok(own);
        }
        let found = if shape.has_slopes { "levels alone" } else { "levels with numbers" };
        let allowed =
            "pairs of levels and numbers where the model has slopes, and levels elsewhere";
        Err(Error::Argument { name: "factors", found: found.to_owned(), allowed }.into())
    });
    read.collect()
}

/// A factor, beside the numbers that its dummies are multiplied by where it is given in a pair.
fn factor(column: &Bound<'_, PyAny>, n_levels: Option<usize>) -> PyResult<Factor> {
    let pair = column.cast::<PyTuple>().ok().filter(|pair| pair.len() == 2);
    let Some(pair) = pair else { return levels(column, n_levels) };
    let (codes, numbers) = (pair.get_item(0)?, pair.get_item(1)?);
    if codes.len().is_err() {
        return levels(column, n_levels); // of two rows
    }
    let numbers = arrays::column("factors", &numbers)?;
    reserve::room_for(numbers.as_slice()?.len(), size_of::<f64>())?;
    Ok(levels(&codes, n_levels)?.times(numbers.as_slice()?.to_vec())?)
}

/// A factor of the integers that an array holds, read where they are.
fn levels(column: &Bound<'_, PyAny>, n_levels: Option<usize>) -> PyResult<Factor> {
    macro_rules! in_place {
        ($($integer:ty),*) => {$(
            if let Ok(levels) = column.extract::<PyReadonlyArray1<'_, $integer>>() {
                reserve::room_for(levels.len(), size_of::<u32>())?;
                return Ok(Factor::new(levels.as_array(), n_levels)?);
            }
        )*};
    }
    let is_plain = column.cast::<PyUntypedArray>().is_ok() && !arrays::is_masked(column);
    if is_plain {
        in_place!(i8, i16, i32, i64, u8, u16, u32);
    }
    Ok(Factor::new(arrays::integers("factors", column)?.view(), n_levels)?)
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
