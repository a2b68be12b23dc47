use numpy::PyArray1;
use pyo3::prelude::*;

use super::{arrays, call};
use crate::balance::{self, Denominator};
use crate::error::{Error, Result};

/// Standardized mean differences, treated minus control, of each column.
///
/// Parameters
/// ----------
/// x : (n, d) array
/// treatment : (n,) array
///     Boolean, or 0 and 1.
/// weights : (n,) array, optional
///     Weights of the means, none negative. The denominator is never weighted.
/// denominator : {"pooled", "treated", "control", "all"}, default "pooled"
///     Whose standard deviation: the root of the mean of the arms' variances, one arm's, or that of all
///     rows. Columns of zeros and ones have the variance p (1 - p), others that with divisor n - 1.
/// n_threads : int, optional
///     By default the processors this process may use.
///
/// Returns
/// -------
/// (d,) float64
///     In standard deviations.
///
/// Raises
/// ------
/// InvalidInputError
///     Lengths that differ, missing values, an arm empty or without weight.
///
/// References
/// ----------
/// Austin (2009), Statistics in Medicine 28:3083.
#[pyfunction]
#[pyo3(signature = (x, treatment, *, weights=None, denominator="pooled", n_threads=None))]
pub fn smd<'py>(
    py: Python<'py>,
    x: &Bound<'_, PyAny>,
    treatment: &Bound<'_, PyAny>,
    weights: Option<&Bound<'_, PyAny>>,
    denominator: &str,
    n_threads: Option<&Bound<'_, PyAny>>,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let x = arrays::floats("x", x)?;
    let treatment = arrays::treatment(treatment)?;
    let weights = weights.map(|weights| arrays::column("weights", weights)).transpose()?;
    let denominator = parse_denominator(denominator)?;
    let (x, weights) = (x.as_array(), weights.as_ref().map(|w| w.as_slice()).transpose()?);
    let found =
        call::run(py, n_threads, None, |_| balance::smd(x, &treatment, weights, denominator))?;
    Ok(PyArray1::from_vec(py, found))
}

fn parse_denominator(name: &str) -> Result<Denominator> {
    match name {
        "pooled" => Ok(Denominator::Pooled),
        "treated" => Ok(Denominator::Treated),
        "control" => Ok(Denominator::Control),
        "all" => Ok(Denominator::All),
        _ => Err(Error::Argument {
            name: "denominator",
            found: format!("{name:?}"),
            allowed: "\"pooled\", \"treated\", \"control\" or \"all\"",
        }),
    }
}
