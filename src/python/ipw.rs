//! Weighting by scores, as functions of arrays for Python.

use numpy::PyArray1;
use pyo3::prelude::*;

use super::codes::Codes;
use super::{arrays, call, needs, options, row_weights, words};
use crate::design::coded::NumbersAndFactors;
use crate::design::covariates::Covariates;
use crate::error::Error;
use crate::matrix::Matrix;
use crate::reserve;
use crate::score::spec::penalty_on_users;
use crate::units::frequency::RowWeights;
use crate::weighting::coded_ipw::{CodedScoreFit, ipw_of_factors};
use crate::weighting::influence::ScoreFit;
use crate::weighting::ipw::{IpwData, IpwSpec};
use crate::weighting::ipw_outcomes::{WeightedEstimates as Found, ipw_of_outcomes};

/// A weighted contrast of n rows.
///
/// Attributes
/// ----------
/// estimate : float
///     ``mean_treated - mean_control``.
/// mean_treated, mean_control : float
///     The weighted means of the outcome.
/// std_error : float
///     By stacked estimating equations, divisor n.
/// ess_treated, ess_control : float
///     Kish's effective sample sizes, (sum w)^2 / sum w^2.
/// weights : (n,) float64
///     Balancing weight times sample weight.
/// influence_treated, influence_control : (n,) float64
///     Each row's influence on the two means: their covariance is the sum of products over n^2.
/// n_truncated_treated, n_truncated_control : int
///     Rows whose weights were bounded.
/// others : list of WeightedEstimate
///     Those of the further outcomes, where several were asked for.
#[pyclass(frozen, get_all, module = "propensity.core")]
pub struct WeightedEstimate {
    estimate: f64,
    mean_treated: f64,
    mean_control: f64,
    std_error: f64,
    ess_treated: f64,
    ess_control: f64,
    weights: Py<PyArray1<f64>>,
    influence_treated: Py<PyArray1<f64>>,
    influence_control: Py<PyArray1<f64>>,
    n_truncated_treated: usize,
    n_truncated_control: usize,
    others: Vec<Py<WeightedEstimate>>,
}

impl WeightedEstimate {
    /// The first of several estimates, with the others beside it; they share their weights.
    fn of(py: Python<'_>, found: Found, row_weights: RowWeights<'_>) -> PyResult<Self> {
        let weights = PyArray1::from_vec(py, found.weighting.weights).unbind();
        let [ess_control, ess_treated] = found.weighting.ess;
        let [n_truncated_control, n_truncated_treated] = found.n_truncated;
        let mut each = found.means.into_iter().map(|means| {
            let (estimate, [mean_control, mean_treated]) = (means.difference(), means.mean());
            let std_error = means.std_error_of_users(row_weights.frequency);
            let [influence_control, influence_treated] = means.influence;
            Self {
                estimate,
                mean_treated,
                mean_control,
                std_error,
                ess_treated,
                ess_control,
                weights: weights.clone_ref(py),
                influence_treated: PyArray1::from_vec(py, influence_treated).unbind(),
                influence_control: PyArray1::from_vec(py, influence_control).unbind(),
                n_truncated_treated,
                n_truncated_control,
                others: Vec::new(),
            }
        });
        let first = each.next().ok_or(Error::Overflow)?;
        let others = each.map(|own| Py::new(py, own)).collect::<PyResult<_>>()?;
        Ok(Self { others, ..first })
    }
}

/// The effect of the treatment by inverse-probability weighting: a difference of weighted means.
///
/// Parameters
/// ----------
/// outcome : (n,) array
/// treatment : (n,) array
///     Boolean, or 0 and 1.
/// scores : (n,) array
///     Probabilities of treatment, strictly between 0 and 1.
/// estimand : {"ATE", "ATT", "ATC", "ATO", "ATM"}, default "ATE"
///     Whom the effect is for: everybody, the treated, the controls, those where the arms overlap, those
///     whom pair matching would keep.
/// truncate : float, optional
///     The quantile of their arm's weights above which weights are set to it; ``sample_weight`` counts in it. The
///     standard error takes it as known.
/// x : (n, d) array or list of d columns, optional
///     The covariates of the model that gave the scores. With them the standard error counts
///     that the scores were estimated; without, they are taken as known.
/// factors, after, n_levels
///     Its factors beside ``x``, as in `fit_propensity`.
/// penalty : float, default 0.0
///     That model's L2 strength; used with ``x`` only.
/// score_model : {"logistic", "probit", "cloglog"}, default "logistic"
///     That model; used with ``x`` only.
/// sample_weight : (n,) array, optional
///     Row weights, none negative.
/// frequency : (n,) array, optional
///     How many users a row stands for, all alike: whole numbers of at least 1. Estimates, errors and effective sizes
///     are those of the users one by one; weights and influence are of one of them.
/// n_threads : int, optional
///     By default the processors this process may use.
/// others : list of (n,) arrays, optional
///     Further outcomes of the same rows, which share weights, the model of the scores and the passes over its covariates.
///
/// Returns
/// -------
/// WeightedEstimate
///
/// Raises
/// ------
/// InvalidInputError
///     Lengths that differ, missing values, scores outside (0, 1), an empty arm.
///
/// References
/// ----------
/// Hajek (1971); weights of Li, Morgan and Zaslavsky (2018), Journal of the American Statistical
/// Association 113:390, Table 1; standard error of Lunceford and Davidian (2004), Statistics in Medicine
/// 23:2937, section 3.
#[pyfunction]
#[pyo3(name = "ipw", signature = (
    outcome, treatment, scores, *, estimand="ATE", truncate=None, x=None, penalty=0.0,
    score_model="logistic", sample_weight=None, frequency=None, factors=None, after=None, n_levels=None,
    n_threads=None, others=None
))]
#[allow(clippy::too_many_arguments)] // the keyword arguments of a Python function
pub fn ipw(
    py: Python<'_>,
    outcome: &Bound<'_, PyAny>,
    treatment: &Bound<'_, PyAny>,
    scores: &Bound<'_, PyAny>,
    estimand: &str,
    #[pyo3(from_py_with = options::truncate)] truncate: Option<f64>,
    x: Option<&Bound<'_, PyAny>>,
    #[pyo3(from_py_with = options::penalty)] penalty: f64,
    score_model: &str,
    sample_weight: Option<&Bound<'_, PyAny>>,
    frequency: Option<&Bound<'_, PyAny>>,
    factors: Option<&Bound<'_, PyAny>>,
    after: Option<&Bound<'_, PyAny>>,
    n_levels: Option<&Bound<'_, PyAny>>,
    n_threads: Option<&Bound<'_, PyAny>>,
    others: Option<&Bound<'_, PyAny>>,
) -> PyResult<WeightedEstimate> {
    let outcome = arrays::column("outcome", outcome)?;
    let others = others.map(|others| arrays::columns("others", others)).transpose()?;
    let others = others.unwrap_or_default();
    let others = others.iter().map(|other| other.as_slice()).collect::<Result<Vec<_>, _>>()?;
    let treatment = arrays::treatment(treatment)?;
    let link = words::score_model(score_model)?;
    let scores = arrays::column("scores", scores)?;
    let spec = IpwSpec { estimand: words::estimand(estimand)?, truncate };
    let x = x.map(|x| arrays::given("x", x)).transpose()?;
    let given = row_weights::given(sample_weight, frequency)?;
    let row_weights = given.row_weights()?;
    let terms = x.as_ref().map(|x| x.matrix("x")).transpose()?;
    let data = IpwData {
        outcome: outcome.as_slice()?,
        treatment: &treatment,
        scores: scores.as_slice()?,
        row_weights,
    };
    let penalty = penalty_on_users(row_weights.total, row_weights.frequency, penalty);
    let codes = Codes::read(factors, after, n_levels, terms.as_ref().map_or(0, Matrix::ncols))?;
    let beside = x.as_ref().filter(|_| !codes.is_empty());
    let beside = beside.map(|x| x.doubles("x")).transpose()?;
    let found = call::run(py, n_threads, None, |_| {
        let bytes = needs::IPW + others.len() * needs::IPW_AN_OUTCOME;
        reserve::room_for(treatment.len(), bytes)?;
        if let Some(x) = beside {
            let given = NumbersAndFactors { x, factors: &codes.factors, after: &codes.after };
            return ipw_of_factors(&data, &others, spec, CodedScoreFit { given, penalty, link });
        }
        let among = |x| Covariates::standardized_among(x, row_weights.total);
        let covariates = terms.map(among).transpose()?;
        let model = covariates.as_ref().map(|covariates| ScoreFit { covariates, penalty, link });
        ipw_of_outcomes(&data, &others, spec, model)
    })?;
    WeightedEstimate::of(py, found, row_weights)
}

/// The effect of the treatment under weights that are given: a difference of weighted means.
///
/// Parameters
/// ----------
/// outcome : (n,) array
/// treatment : (n,) array
///     Boolean, or 0 and 1.
/// weights : (n,) array
///     None negative; sample weights are not in them, but multiplied to them.
/// sample_weight : (n,) array, optional
///     Row weights, none negative.
/// frequency : (n,) array, optional
///     How many users a row stands for, all alike: whole numbers of at least 1. Estimates, errors and effective sizes
///     are those of the users one by one; weights and influence are of one of them.
/// n_threads : int, optional
///     By default the processors this process may use.
///
/// Returns
/// -------
/// WeightedEstimate
///     With errors that take the weights as known.
///
/// Raises
/// ------
/// InvalidInputError
///     Lengths that differ, missing values, negative weights, an arm that is empty or weighs nothing.
///
/// References
/// ----------
/// Hajek (1971); Stefanski and Boos (2002), American Statistician 56:29.
#[pyfunction]
#[pyo3(signature = (
    outcome, treatment, weights, *, sample_weight=None, frequency=None, n_threads=None
))]
pub fn weighted_effect(
    py: Python<'_>,
    outcome: &Bound<'_, PyAny>,
    treatment: &Bound<'_, PyAny>,
    weights: &Bound<'_, PyAny>,
    sample_weight: Option<&Bound<'_, PyAny>>,
    frequency: Option<&Bound<'_, PyAny>>,
    n_threads: Option<&Bound<'_, PyAny>>,
) -> PyResult<WeightedEstimate> {
    let outcome = arrays::column("outcome", outcome)?;
    let treatment = arrays::treatment(treatment)?;
    let weights = arrays::column("weights", weights)?;
    let given = row_weights::given(sample_weight, frequency)?;
    let row_weights = given.row_weights()?;
    let (outcome, weights) = (outcome.as_slice()?, weights.as_slice()?);
    let found = call::run(py, n_threads, None, |_| {
        reserve::room_for(treatment.len(), needs::IPW)?;
        crate::weighting::given::weighted_effect(outcome, &treatment, weights, row_weights)
    })?;
    WeightedEstimate::of(py, found.into(), row_weights)
}

/// What n rows weigh.
///
/// Attributes
/// ----------
/// weights : (n,) float64
///     Balancing weight times sample weight.
/// ess_treated, ess_control : float
///     Kish's effective sample sizes, (sum w)^2 / sum w^2.
#[pyclass(frozen, get_all, module = "propensity.core")]
pub struct Weighting {
    weights: Py<PyArray1<f64>>,
    ess_treated: f64,
    ess_control: f64,
}

/// Weigh rows by their scores, or by their sample weights alone.
///
/// Parameters
/// ----------
/// treatment : (n,) array
///     Boolean, or 0 and 1.
/// scores : (n,) array, optional
///     Probabilities of treatment, strictly between 0 and 1.
/// estimand : {"ATE", "ATT", "ATC", "ATO", "ATM"}, default "ATE"
///     As for `ipw`; without ``scores`` it does not matter.
/// sample_weight : (n,) array, optional
///     Row weights, none negative.
/// frequency : (n,) array, optional
///     How many users a row stands for, all alike: whole numbers of at least 1. Estimates, errors and effective sizes
///     are those of the users one by one; weights and influence are of one of them.
/// n_threads : int, optional
///     By default the processors this process may use.
///
/// Returns
/// -------
/// Weighting
///
/// Raises
/// ------
/// InvalidInputError
///     Lengths that differ, missing values, scores outside (0, 1), an arm that is empty or weighs nothing.
#[pyfunction]
#[pyo3(signature = (
    treatment, scores=None, *, estimand="ATE", sample_weight=None, frequency=None, n_threads=None
))]
pub fn balancing_weights(
    py: Python<'_>,
    treatment: &Bound<'_, PyAny>,
    scores: Option<&Bound<'_, PyAny>>,
    estimand: &str,
    sample_weight: Option<&Bound<'_, PyAny>>,
    frequency: Option<&Bound<'_, PyAny>>,
    n_threads: Option<&Bound<'_, PyAny>>,
) -> PyResult<Weighting> {
    let treatment = arrays::treatment(treatment)?;
    let scores = scores.map(|scores| arrays::column("scores", scores)).transpose()?;
    let estimand = words::estimand(estimand)?;
    let given = row_weights::given(sample_weight, frequency)?;
    let row_weights = given.row_weights()?;
    let scores = scores.as_ref().map(|scores| scores.as_slice()).transpose()?;
    let found = call::run(py, n_threads, None, |_| {
        reserve::room_for(treatment.len(), needs::IPW)?;
        crate::weighting::ipw::weighting(
            &treatment,
            scores.map(|scores| (scores, estimand)),
            row_weights,
        )
    })?;
    let [ess_control, ess_treated] = found.ess;
    let weights = PyArray1::from_vec(py, found.weights).unbind();
    Ok(Weighting { weights, ess_treated, ess_control })
}
