//! What must hold of the arrays before anything is computed from them.

use crate::error::{Error, Result, Rows};

/// # Errors
/// [`Error::Length`] naming the array.
pub fn same_length(name: &'static str, found: usize, expected: usize) -> Result<()> {
    if found == expected { Ok(()) } else { Err(Error::Length { name, expected, found }) }
}

/// # Errors
/// [`Error::EmptyArm`] with both counts.
pub fn both_arms(treatment: &[bool]) -> Result<()> {
    let treated = treatment.iter().filter(|t| **t).count();
    let control = treatment.len() - treated;
    if treated > 0 && control > 0 { Ok(()) } else { Err(Error::EmptyArm { treated, control }) }
}

/// # Errors
/// [`Error::NotFinite`] with the rows.
pub fn finite(name: &'static str, values: &[f64]) -> Result<()> {
    match Rows::matching(values, |value| !value.is_finite()) {
        Some(rows) => Err(Error::NotFinite { name, column: None, rows }),
        None => Ok(()),
    }
}

/// # Errors
/// [`Error::OutOfRange`] with the rows whose weight is negative or not finite.
pub fn weights(name: &'static str, weights: &[f64]) -> Result<()> {
    match Rows::matching(weights, |weight| !(*weight >= 0.0 && weight.is_finite())) {
        Some(rows) => Err(Error::OutOfRange { name, allowed: "the finite numbers >= 0", rows }),
        None => Ok(()),
    }
}

/// Sample weights, where there are any: one a row, finite, none negative.
///
/// # Errors
/// [`Error::Length`], [`Error::OutOfRange`].
pub fn sample_weight(values: Option<&[f64]>, n_rows: usize) -> Result<()> {
    let Some(values) = values else { return Ok(()) };
    same_length("sample_weight", values.len(), n_rows)?;
    weights("sample_weight", values)
}

/// # Errors
/// [`Error::OutOfRange`] with the rows whose score is not strictly between 0 and 1.
pub fn scores(scores: &[f64]) -> Result<()> {
    match Rows::matching(scores, |score| !(*score > 0.0 && *score < 1.0)) {
        Some(rows) => Err(Error::OutOfRange { name: "scores", allowed: "(0, 1)", rows }),
        None => Ok(()),
    }
}

/// # Errors
/// [`Error::Argument`] for a penalty that is negative or not finite.
pub fn penalty(penalty: f64) -> Result<()> {
    if penalty >= 0.0 && penalty.is_finite() {
        return Ok(());
    }
    let found = penalty.to_string();
    Err(Error::Argument { name: "penalty", found, allowed: "a finite number >= 0" })
}
