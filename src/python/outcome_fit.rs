//! Outcome models by themselves, as functions of arrays for Python.

use numpy::PyArray1;
use numpy::ndarray::Ix2;
use pyo3::prelude::*;

use super::codes::{Codes, matrix, of_model};
use super::{arrays, call, needs, words};
use crate::design::coded::NumbersAndFactors;
use crate::design::covariates::Covariates;
use crate::matrix::Matrix;
use crate::outcome::coded::inside_of_codes;
use crate::outcome::{fit, model};
use crate::reserve;

/// Coefficients of an outcome model of d covariates, and how to predict with them.
///
/// Attributes
/// ----------
/// coefficients : (d + 1,) float64
///     Intercept first, on the scale of ``x``, of the linear predictor; 0 for columns that earlier ones explain.
/// aliased : (a,) int64
///     These columns.
#[pyclass(frozen, module = "propensity.core")]
pub struct OutcomeFit {
    fit: fit::OutcomeFit,
}

#[pymethods]
impl OutcomeFit {
    #[getter]
    fn coefficients<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_slice(py, &self.fit.coefficients)
    }

    #[getter]
    fn aliased<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        arrays::row_numbers(py, self.fit.aliased.iter().copied())
    }

    /// Expected outcomes of rows, (n,): of ``x`` (n, d) the terms, or beside ``factors`` as at the fit the numbers.
    #[pyo3(signature = (x, n_threads=None, *, factors=None))]
    fn predict<'py>(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyAny>,
        n_threads: Option<&Bound<'_, PyAny>>,
        factors: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let x = arrays::floats::<Ix2>("x", x)?;
        let x = x.as_array();
        let factors = factors.map(|own| of_model(own, &self.fit.factors)).transpose()?;
        let found = call::run(py, n_threads, None, |_| {
            reserve::room_for(x.nrows(), needs::PREDICT)?;
            factors
                .map_or_else(|| self.fit.predict(x), |factors| self.fit.predict_codes(x, &factors))
        })?;
        Ok(PyArray1::from_vec(py, found))
    }
}

/// Fit an outcome model to all rows.
///
/// Parameters
/// ----------
/// x : (n, d) array
///     Covariates, without an intercept column.
/// outcome : (n,) array
/// outcome_model : {"linear", "logistic", "poisson", "gamma"}
///     As for `adjust`.
/// sample_weight : (n,) array, optional
///     Row weights, none negative.
/// factors, after, n_levels
///     Factors beside ``x``, as in `fit_propensity`.
/// n_threads : int, optional
///     By default the processors this process may use.
///
/// Returns
/// -------
/// OutcomeFit
///
/// Raises
/// ------
/// InvalidInputError, SeparationError, ConvergenceError
///     As for `adjust`.
#[pyfunction]
#[pyo3(signature = (
    x, outcome, *, outcome_model, sample_weight=None, factors=None, after=None, n_levels=None,
    n_threads=None
))]
#[allow(clippy::too_many_arguments)] // the keyword arguments of a Python function
pub fn fit_outcome(
    py: Python<'_>,
    x: &Bound<'_, PyAny>,
    outcome: &Bound<'_, PyAny>,
    outcome_model: &str,
    sample_weight: Option<&Bound<'_, PyAny>>,
    factors: Option<&Bound<'_, PyAny>>,
    after: Option<&Bound<'_, PyAny>>,
    n_levels: Option<&Bound<'_, PyAny>>,
    n_threads: Option<&Bound<'_, PyAny>>,
) -> PyResult<OutcomeFit> {
    let x = arrays::floats::<Ix2>("x", x)?;
    let outcome = arrays::column("outcome", outcome)?;
    let weight = sample_weight.map(|weight| arrays::column("sample_weight", weight)).transpose()?;
    let weight = weight.as_ref().map(|w| w.as_slice()).transpose()?;
    let (outcome, model) = (outcome.as_slice()?, words::outcome_model(outcome_model)?);
    let x = x.as_array();
    let levels = Codes::read(factors, after, n_levels, x.ncols())?;
    let fit = call::run(py, n_threads, None, |monitor| {
        reserve::room_for(outcome.len(), needs::ADJUST)?;
        if levels.is_empty() {
            return fit::OutcomeFit::new(x, outcome, weight, model, monitor);
        }
        let given = NumbersAndFactors { x, factors: &levels.factors, after: &levels.after };
        fit::OutcomeFit::of_factors(&given, outcome, weight, model, monitor)
    })?;
    Ok(OutcomeFit { fit })
}

/// Require that some rows lie in the space that others span, as an outcome model's predictions do.
///
/// Parameters
/// ----------
/// x : (n, d) array
///     Covariates, without an intercept column.
/// fitted_to, wanted : (n,) array of bool
///     The rows that a model is fitted to, and those for which it is asked.
/// factors, after, n_levels
///     Factors beside ``x``, as in `fit_propensity`.
/// n_threads : int, optional
///     By default the processors this process may use.
///
/// Returns
/// -------
/// (a,) int64
///     Columns that earlier ones explain, among all of these rows.
///
/// Raises
/// ------
/// OverlapError
///     Some do not; with their numbers as ``rows``, and the ``columns`` in which they do not.
#[pyfunction]
#[pyo3(signature = (
    x, fitted_to, wanted, *, factors=None, after=None, n_levels=None, n_threads=None
))]
#[allow(clippy::too_many_arguments)] // the keyword arguments of a Python function
pub fn require_inside(
    py: Python<'_>,
    x: &Bound<'_, PyAny>,
    fitted_to: &Bound<'_, PyAny>,
    wanted: &Bound<'_, PyAny>,
    factors: Option<&Bound<'_, PyAny>>,
    after: Option<&Bound<'_, PyAny>>,
    n_levels: Option<&Bound<'_, PyAny>>,
    n_threads: Option<&Bound<'_, PyAny>>,
) -> PyResult<Py<PyArray1<i64>>> {
    let given = arrays::given("x", x)?;
    let (fitted_to, wanted) = (arrays::treatment(fitted_to)?, arrays::treatment(wanted)?);
    let x = given.matrix("x")?;
    let levels = Codes::read(factors, after, n_levels, x.ncols())?;
    let beside = if levels.is_empty() { None } else { Some(given.doubles("x")?) };
    let collinear = call::run(py, n_threads, None, |_| {
        reserve::room_for(fitted_to.len(), needs::ADJUST)?;
        let inside = |x: Matrix<'_>| {
            model::require_inside(Covariates::standardized(x)?, &fitted_to, &wanted)
        };
        let Some(numbers) = beside else { return inside(x) };
        let given =
            NumbersAndFactors { x: numbers, factors: &levels.factors, after: &levels.after };
        if let Some(columns) = inside_of_codes(&given, &fitted_to, &wanted)? {
            return Ok(columns);
        }
        let matrix = matrix(&given)?;
        inside(matrix.as_ref().map_or(numbers, |matrix| matrix.view()).into())
    })?;
    Ok(arrays::row_numbers(py, collinear.into_iter()).unbind())
}
