//! The lasso, as functions of arrays for Python.

use numpy::PyArray1;
use pyo3::prelude::*;

use super::{arrays, call, needs, options};
use crate::design::covariates::CHUNK;
use crate::error::{Error, Result};
use crate::reserve;
use crate::selection::{self, Loadings};

/// A lasso of one response on d columns.
///
/// Attributes
/// ----------
/// coefficients : (d,) float64
///     Slopes on the scale of ``x``; exactly 0 for columns that are not chosen.
/// intercept : float
/// loadings : (d,) float64
///     What the penalty of each column was multiplied with, for a standard deviation of the column.
/// rounds : int
///     How often the loadings were made.
#[pyclass(frozen, get_all, module = "propensity.core")]
pub struct LassoFit {
    coefficients: Py<PyArray1<f64>>,
    intercept: f64,
    loadings: Py<PyArray1<f64>>,
    rounds: usize,
}

/// Fit the lasso of each response on the columns of ``x``, an intercept beside them.
///
/// Each minimises mean(w (y - b0 - z b)^2) / 2 + penalty * sum(loading * |b|), z the columns standardized, w the
/// weights over their mean.
///
/// Parameters
/// ----------
/// x : (n, d) array
/// responses : list of (n,) arrays, or (n, k) array
/// penalty : float
///     At least 0. With robust loadings free of units: 1.1 / sqrt(n) times the 1 - .05 / (d log n) quantile of the
///     normal distribution leaves columns that are noise at zero.
/// loadings : {"robust", "unit"}, default "robust"
///     "robust": how noisy a column's product with the response is, the root of mean(w^2 z^2 e^2), e what least squares
///     on the columns chosen leave, made again until these stay the same. "unit": 1, with a penalty in units of the
///     response; on standardized columns scikit-learn's ``Lasso(alpha=penalty)``.
/// sample_weight : (n,) array, optional
///     None negative; rows of weight 0 are not there.
/// n_threads : int, optional
///     By default the processors this process may use. The numbers do not depend on it.
///
/// Returns
/// -------
/// list of LassoFit
///
/// Raises
/// ------
/// InvalidInputError
///     Lengths that differ, missing values, fewer than two rows.
/// ConvergenceError
///     Columns repeat each other so nearly that the descent does not end.
///
/// References
/// ----------
/// Tibshirani (1996), Journal of the Royal Statistical Society B 58:267; Friedman, Hastie and Tibshirani (2010), Journal
/// of Statistical Software 33:1; loadings: Belloni, Chen, Chernozhukov and Hansen (2012), Econometrica 80:2369,
/// algorithm A.1.
#[pyfunction]
#[pyo3(signature = (x, responses, *, penalty, loadings="robust", sample_weight=None, n_threads=None))]
pub fn lasso(
    py: Python<'_>,
    x: &Bound<'_, PyAny>,
    responses: &Bound<'_, PyAny>,
    #[pyo3(from_py_with = options::penalty)] penalty: f64,
    loadings: &str,
    sample_weight: Option<&Bound<'_, PyAny>>,
    n_threads: Option<&Bound<'_, PyAny>>,
) -> PyResult<Vec<LassoFit>> {
    let x = arrays::floats("x", x)?;
    let responses = arrays::columns("responses", responses)?;
    let weight = sample_weight.map(|weight| arrays::column("sample_weight", weight)).transpose()?;
    let loadings = parse_loadings(loadings)?;
    let (x, weight) = (x.as_array(), weight.as_ref().map(|w| w.as_slice()).transpose()?);
    let responses = responses.iter().map(|y| y.as_slice()).collect::<Result<Vec<_>, _>>()?;
    let found = call::run(py, n_threads, None, |monitor| {
        reserve::room_for(x.nrows(), needs::FIT)?;
        let chunks = x.nrows().div_ceil(CHUNK) * needs::LASSO_A_PAIR_AND_CHUNK;
        reserve::room_for(x.ncols().saturating_pow(2), needs::LASSO_A_PAIR + chunks)?;
        selection::lassos(x, weight, &responses, penalty, loadings, monitor)
    })?;
    let array = |values: Vec<f64>| PyArray1::from_vec(py, values).unbind();
    let fit = |found: selection::LassoFit| LassoFit {
        coefficients: array(found.coefficients),
        intercept: found.intercept,
        loadings: array(found.loadings),
        rounds: found.rounds,
    };
    Ok(found.into_iter().map(fit).collect())
}

fn parse_loadings(loadings: &str) -> Result<Loadings> {
    match loadings {
        "unit" => Ok(Loadings::Unit),
        "robust" => Ok(Loadings::Robust),
        _ => {
            let found = format!("{loadings:?}");
            Err(Error::Argument { name: "loadings", found, allowed: "\"robust\" or \"unit\"" })
        }
    }
}
