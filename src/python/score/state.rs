//! What a pickled fit is made of.

use numpy::prelude::*;
use numpy::{PyArray1, PyArray2, ToPyArray};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;

use crate::design::factors::Shape;
use crate::python::errors::InvalidInputError;
use crate::python::{arrays, words};
use crate::score::covariance::Covariance;
use crate::score::fitted::PropensityFit;

type State<'py> = (
    Bound<'py, PyArray1<f64>>,
    Matrix<'py>,
    Bound<'py, PyArray1<f64>>,
    f64,
    Bound<'py, PyArray1<f64>>,
    Vec<usize>,
    Vec<usize>,
    f64,
    usize,
    f64,
    f64,
    (Option<Matrix<'py>>, Vec<(usize, bool)>, Vec<usize>, String),
);

/// A covariance matrix: the diagonal, and two halves of a product, or nothing and the matrix itself.
type Matrix<'py> = (Option<Bound<'py, PyArray1<f64>>>, Vec<Bound<'py, PyArray2<f64>>>);

/// A fit and its scores, from their parts.
pub fn read(state: &Bound<'_, PyAny>) -> PyResult<(PropensityFit, Py<PyArray1<f64>>)> {
    let broken =
        || InvalidInputError::new_err("PropensityFit: this is not the state of a pickled fit");
    let state: State<'_> = state.extract().map_err(|_| broken())?;
    let (sandwich, factors, after, link) = state.11;
    let fit = PropensityFit {
        link: words::score_model(&link).map_err(|_| broken())?,
        coefficients: state.0.to_owned_array().to_vec(),
        covariance: covariance(&state.1).ok_or_else(broken)?,
        center: state.2.to_owned_array().to_vec(),
        intercept_at_center: state.3,
        aliased: state.5,
        diverging: state.6,
        log_likelihood: state.7,
        iterations: state.8,
        gradient_norm: state.9,
        penalty: state.10,
        sandwich: sandwich.map(|found| covariance(&found).ok_or_else(broken)).transpose()?,
        factors: (factors.into_iter())
            .map(|(n_levels, has_slopes)| Shape { n_levels, has_slopes })
            .collect(),
        after,
    };
    if !fit.is_whole() {
        return Err(broken());
    }
    Ok((fit, arrays::locked(state.4)))
}

/// The parts of a fit.
pub fn written<'py>(
    py: Python<'py>,
    fit: &PropensityFit,
    scores: &Bound<'py, PyArray1<f64>>,
) -> PyResult<Bound<'py, PyAny>> {
    let state: State<'py> = (
        fit.coefficients.to_pyarray(py),
        parts(py, &fit.covariance),
        fit.center.to_pyarray(py),
        fit.intercept_at_center,
        scores.clone(),
        fit.aliased.clone(),
        fit.diverging.clone(),
        fit.log_likelihood,
        fit.iterations,
        fit.gradient_norm,
        fit.penalty,
        (
            fit.sandwich.as_ref().map(|found| parts(py, found)),
            fit.factors.iter().map(|own| (own.n_levels, own.has_slopes)).collect(),
            fit.after.clone(),
            words::score_model_name(fit.link).to_owned(),
        ),
    );
    state.into_bound_py_any(py)
}

fn covariance((own, matrices): &Matrix<'_>) -> Option<Covariance> {
    let found: Vec<_> = matrices.iter().map(PyArrayMethods::to_owned_array).collect();
    match (own, found.as_slice()) {
        (None, [matrix]) => Some(Covariance::Full(matrix.clone())),
        (Some(own), [left, right]) => {
            let own = own.to_owned_array().to_vec();
            Some(Covariance::of_halves(own, left.clone(), right.clone()))
        }
        _ => None,
    }
}

fn parts<'py>(py: Python<'py>, found: &Covariance) -> Matrix<'py> {
    match found {
        Covariance::Full(matrix) => (None, vec![matrix.to_pyarray(py)]),
        Covariance::Halves { own, left, right } => {
            (Some(own.to_pyarray(py)), vec![left.to_pyarray(py), right.to_pyarray(py)])
        }
    }
}
