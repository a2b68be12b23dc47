//! The effect of a matching, and its error, as functions of arrays for Python.

use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::match_spec::Options;
use super::{arrays, call, needs, options, words};
use crate::design::covariates::Covariates;
use crate::error::Error;
use crate::matching::{self, MatchedRows, Neighborhood};
use crate::reserve;
use crate::weighting::influence::ScoreFit;

/// How much outcomes vary among rows of one arm in one place.
///
/// Parameters
/// ----------
/// outcome : (n,) array
/// treatment : (n,) array
///     Boolean, or 0 and 1; at least two of each.
/// coordinates : (n, d) array
///     Places; distances are Euclidean.
/// exact : (n,) array of int, optional
///     Groups: neighbours are of the own one, but for a row that is alone of its arm there.
/// variance_neighbors : int, default 1
///     How many others a row is compared with.
/// n_threads : int, optional
///     By default the processors this process may use.
///
/// Returns
/// -------
/// (n,) float64
///     The variance (n - 1) of the outcomes of a row and its nearest others in its arm, more where they tie.
///
/// References
/// ----------
/// Abadie and Imbens (2006), Econometrica 74:235, section 4.
#[pyfunction]
#[pyo3(signature = (
    outcome, treatment, coordinates, *, exact=None, variance_neighbors=1, n_threads=None
))]
pub fn outcome_variance<'py>(
    py: Python<'py>,
    outcome: &Bound<'py, PyAny>,
    treatment: &Bound<'py, PyAny>,
    coordinates: &Bound<'py, PyAny>,
    exact: Option<&Bound<'py, PyAny>>,
    #[pyo3(from_py_with = options::variance_neighbors)] variance_neighbors: usize,
    n_threads: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let outcome = arrays::column("outcome", outcome)?;
    let treatment = arrays::treatment(treatment)?;
    let coordinates = arrays::floats("coordinates", coordinates)?.as_array().to_owned();
    let exact = exact.map(|labels| arrays::labels("exact", labels)).transpose()?;
    let near = Neighborhood {
        treatment: &treatment,
        coordinates: coordinates.view(),
        exact: exact.as_deref(),
        n_others: variance_neighbors,
    };
    let outcome = outcome.as_slice()?;
    let variance = call::run(py, n_threads, None, |monitor| {
        let bytes = needs::MATCHES + coordinates.ncols() * needs::MATCHES_A_COLUMN;
        reserve::room_for(treatment.len(), bytes)?;
        matching::outcome_variance(outcome, &near, monitor)
    })?;
    Ok(PyArray1::from_vec(py, variance))
}

/// The effect on m matched rows, and its standard error.
///
/// Attributes
/// ----------
/// estimate : float
///     ``mean_treated - mean_control``.
/// mean_treated, mean_control : float
///     Means of the outcome, weighted as in `Matches.weights`.
/// ess_treated, ess_control : float
///     Kish's effective sample sizes of these weights.
/// std_error : float
/// correction : float or None
///     What estimating the scores adds to the square of it, mostly negative. None where they are taken as
///     known: without ``x``, where a row is unmatched, and where nothing would be left.
#[pyclass(frozen, get_all, module = "propensity.core")]
pub struct MatchedEffect {
    estimate: f64,
    mean_treated: f64,
    mean_control: f64,
    ess_treated: f64,
    ess_control: f64,
    std_error: f64,
    correction: Option<f64>,
}

/// The effect of the treatment by matching as `match_nn` does, with its standard error.
///
/// Parameters
/// ----------
/// outcome : (n,) array
/// treatment : (n,) array
///     Boolean, or 0 and 1; at least two of each.
/// scores : (n,) array
///     Probabilities of treatment, strictly between 0 and 1.
/// estimand, n_neighbors, caliper, on, spec
///     As for `match_nn`.
/// variance_neighbors : int, default 1
///     How many others of its arm show how much the outcome of a row varies, ties beside them: R's ``Var.calc``.
/// x : (n, d) array or list of d columns, optional
///     The covariates of the model that gave the scores. With them the standard error counts
///     that the scores were estimated; without, they are taken as known.
/// penalty : float, default 0.0
///     That model's L2 strength; used with ``x`` only.
/// score_model : {"logistic", "probit", "cloglog"}, default "logistic"
///     That model; used with ``x`` only.
/// n_threads : int, optional
///     By default the processors this process may use.
///
/// Returns
/// -------
/// MatchedEffect
///
/// Raises
/// ------
/// NoMatchesError
///     Nobody has a neighbour within the caliper.
/// InvalidInputError
///     Lengths that differ, missing values, scores outside (0, 1), an arm of fewer than two rows, more
///     neighbours than donors.
///
/// References
/// ----------
/// Abadie and Imbens (2006), Econometrica 74:235, section 4, with the variance of outcomes at a score
/// from a row and its nearest of the same arm; Abadie and Imbens (2016), Econometrica 84:781, for scores
/// that were estimated.
#[pyfunction]
#[pyo3(
    signature = (
        outcome, treatment, scores, *, x=None, penalty=0.0, score_model="logistic", n_threads=None, **options
    ),
    text_signature = "(outcome, treatment, scores, *, estimand='ATT', n_neighbors=1, caliper=None, on='score', \
        variance_neighbors=1, x=None, penalty=0.0, score_model='logistic', spec=None, n_threads=None)"
)]
#[allow(clippy::too_many_arguments)] // the keyword arguments of a Python function
pub fn matching_effect<'py>(
    py: Python<'py>,
    outcome: &Bound<'py, PyAny>,
    treatment: &Bound<'py, PyAny>,
    scores: &Bound<'py, PyAny>,
    x: Option<&Bound<'py, PyAny>>,
    #[pyo3(from_py_with = options::penalty)] penalty: f64,
    score_model: &str,
    n_threads: Option<&Bound<'py, PyAny>>,
    options: Option<&Bound<'py, PyDict>>,
) -> PyResult<MatchedEffect> {
    let outcome = arrays::column("outcome", outcome)?;
    let treatment = arrays::treatment(treatment)?;
    let scores = arrays::own_column("scores", scores)?;
    let link = words::score_model(score_model)?;
    let spec = Options::of_matching_effect(options)?.on_scores_alone()?;
    let spec = spec.ok_or_else(|| Error::Argument {
        name: "on",
        found: "another distance, or with limits".into(),
        allowed: "\"score\" or \"logit\"",
    })?;
    let x = x.map(|x| arrays::given("x", x)).transpose()?;
    let x = x.as_ref().map(|x| x.matrix("x")).transpose()?;
    let rows = MatchedRows { outcome: outcome.as_slice()?, treatment: &treatment, scores: &scores };
    let found = call::run(py, n_threads, None, |monitor| {
        reserve::room_for(treatment.len(), needs::MATCHED_EFFECT)?;
        let covariates = x.map(Covariates::standardized).transpose()?;
        let model = covariates.as_ref().map(|covariates| ScoreFit { covariates, penalty, link });
        matching::effect(&rows, &spec, model, monitor)
    })?;
    Ok(MatchedEffect {
        estimate: found.estimate(),
        mean_treated: found.mean_treated,
        mean_control: found.mean_control,
        ess_treated: found.ess_treated,
        ess_control: found.ess_control,
        std_error: found.std_error(),
        correction: found.correction,
    })
}
