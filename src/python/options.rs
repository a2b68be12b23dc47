//! Numbers that are no arrays: each is named in its error, and a bool is none, though Python takes one for 0
//! or 1.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt};

use crate::error::{Error, Result};

pub fn penalty(object: &Bound<'_, PyAny>) -> PyResult<f64> {
    number("penalty", object, "a finite number >= 0")
}

pub fn caliper(object: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
    let caliper = || number("caliper", object, "a number > 0, or none");
    if object.is_none() { Ok(None) } else { caliper().map(Some) }
}

pub fn truncate(object: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
    let quantile = || number("truncate", object, "a quantile above 0 and up to 1, or none");
    if object.is_none() { Ok(None) } else { quantile().map(Some) }
}

pub fn n_neighbors(object: &Bound<'_, PyAny>) -> PyResult<usize> {
    count("n_neighbors", object)
}

pub fn variance_neighbors(object: &Bound<'_, PyAny>) -> PyResult<usize> {
    count("variance_neighbors", object)
}

pub fn depth(object: &Bound<'_, PyAny>) -> PyResult<usize> {
    count("depth", object)
}

pub fn max_trees(object: &Bound<'_, PyAny>) -> PyResult<usize> {
    count("max_trees", object)
}

pub fn min_leaf(object: &Bound<'_, PyAny>) -> PyResult<usize> {
    count("min_leaf", object)
}

pub fn learning_rate(object: &Bound<'_, PyAny>) -> PyResult<f64> {
    number("learning_rate", object, "more than 0, at most 1")
}

pub fn n_trees(object: &Bound<'_, PyAny>) -> PyResult<usize> {
    count("n_trees", object)
}

pub fn forest_min_leaf(object: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
    if object.is_none() { Ok(None) } else { count("min_leaf", object).map(Some) }
}

/// Whatever is more than rows can be is as good as no limit.
pub fn max_reuse(object: &Bound<'_, PyAny>) -> PyResult<Option<u32>> {
    if object.is_none() {
        return Ok(None);
    }
    let most = count("max_reuse", object)?;
    Ok(Some(u32::try_from(most).unwrap_or(u32::MAX)))
}

/// A number of replicates, or 0 where only what takes none is wanted.
pub fn n_reps_or_none(object: &Bound<'_, PyAny>) -> PyResult<usize> {
    if !object.is_instance_of::<PyBool>() && matches!(object.extract(), Ok(0_usize)) {
        return Ok(0);
    }
    n_reps(object)
}

pub fn n_reps(object: &Bound<'_, PyAny>) -> PyResult<usize> {
    at_least("n_reps", object, 2, "a whole number of at least 2")
}

/// A whole number of at least 1.
pub fn count(name: &'static str, object: &Bound<'_, PyAny>) -> PyResult<usize> {
    at_least(name, object, 1, "a whole number of at least 1")
}

pub fn seed(object: &Bound<'_, PyAny>) -> PyResult<u64> {
    whole(object).ok_or_else(|| refused("seed", object, "a whole number from 0 to 2**64 - 1"))
}

pub fn score_columns(object: &Bound<'_, PyAny>) -> PyResult<Option<Vec<usize>>> {
    columns("score_columns", object)
}

pub fn outcome_columns(object: &Bound<'_, PyAny>) -> PyResult<Option<Vec<usize>>> {
    columns("outcome_columns", object)
}

pub fn balanced_columns(object: &Bound<'_, PyAny>) -> PyResult<Option<Vec<Vec<usize>>>> {
    if object.is_none() {
        return Ok(None);
    }
    let one = |item: &Bound<'_, PyAny>| columns("balanced_columns", item).ok()?;
    let lists: Option<Vec<Vec<usize>>> =
        object.try_iter().ok().and_then(|items| items.map(|item| one(&item.ok()?)).collect());
    let allowed = "None or a list of lists of column numbers";
    lists.map(Some).ok_or_else(|| refused("balanced_columns", object, allowed))
}

/// Pairs of column numbers.
pub fn pairs(object: &Bound<'_, PyAny>) -> PyResult<Vec<[usize; 2]>> {
    let one = |item: &Bound<'_, PyAny>| {
        let two = columns("pairs", item).ok()??;
        <[usize; 2]>::try_from(two).ok()
    };
    let pairs: Option<Vec<[usize; 2]>> =
        object.try_iter().ok().and_then(|items| items.map(|item| one(&item.ok()?)).collect());
    pairs.ok_or_else(|| refused("pairs", object, "a list of pairs of column numbers"))
}

fn columns(name: &'static str, object: &Bound<'_, PyAny>) -> PyResult<Option<Vec<usize>>> {
    if object.is_none() {
        return Ok(None);
    }
    let columns: Option<Vec<usize>> = object
        .try_iter()
        .ok()
        .and_then(|items| items.map(|item| whole(&item.ok()?)?.try_into().ok()).collect());
    columns.map(Some).ok_or_else(|| refused(name, object, "None or a list of column numbers"))
}

/// The chosen columns of a matrix of `width`, all by default.
pub fn chosen(name: &'static str, columns: Option<Vec<usize>>, width: usize) -> Result<Vec<usize>> {
    let columns = columns.unwrap_or_else(|| (0..width).collect());
    match columns.iter().find(|column| **column >= width) {
        Some(column) => {
            let found = format!("column {column} of {width}");
            Err(Error::Argument { name, found, allowed: "columns that x has" })
        }
        None => Ok(columns),
    }
}

fn at_least(
    name: &'static str,
    object: &Bound<'_, PyAny>,
    minimum: usize,
    allowed: &'static str,
) -> PyResult<usize> {
    let number =
        whole(object).and_then(|number| usize::try_from(number).ok()).or_else(|| huge(object));
    number.filter(|number| *number >= minimum).ok_or_else(|| refused(name, object, allowed))
}

/// A whole number too large for the machine: more than there can be of anything, which whoever counts says.
fn huge(object: &Bound<'_, PyAny>) -> Option<usize> {
    let positive = object.is_instance_of::<PyInt>() && object.gt(usize::MAX).ok()?;
    positive.then_some(usize::MAX)
}

fn number(name: &'static str, object: &Bound<'_, PyAny>, allowed: &'static str) -> PyResult<f64> {
    let number = if object.is_instance_of::<PyBool>() { None } else { object.extract().ok() };
    number.ok_or_else(|| refused(name, object, allowed))
}

fn whole(object: &Bound<'_, PyAny>) -> Option<u64> {
    if object.is_instance_of::<PyBool>() { None } else { object.extract().ok() }
}

fn refused(name: &'static str, object: &Bound<'_, PyAny>, allowed: &'static str) -> PyErr {
    match object.repr() {
        Ok(found) => Error::Argument { name, found: found.to_string(), allowed }.into(),
        Err(error) => error,
    }
}
