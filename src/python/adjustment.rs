//! Estimators with an outcome model, as functions of arrays for Python.

use numpy::PyArray1;
use pyo3::prelude::*;

use super::codes::{Codes, matrix};
use super::{arrays, call, needs, options, row_weights, words};
use crate::design::coded::NumbersAndFactors;
use crate::design::covariates::Covariates;
use crate::matrix::Matrix;
use crate::outcome::adjusted_rows::AdjustmentData;
use crate::outcome::coded::{CodedScore, adjusted_means_of_codes};
use crate::outcome::doubly_robust::{Adjusted, AdjustedOutcomes, OtherOutcome, ScoreSpec};
use crate::outcome::several::adjusted_means_of_outcomes;
use crate::reserve;
use crate::score::spec::{PropensitySpec, penalty_on_users};
use crate::units::frequency::RowWeights;

/// The means of both arms over n rows, by an outcome model.
///
/// Attributes
/// ----------
/// estimate : float
///     ``mean_treated - mean_control``.
/// mean_treated, mean_control : float
/// std_error : float
///     By the full stacked estimating equations (score, outcome models, means), divisor n.
/// influence_treated, influence_control : (n,) float64
///     Each row's influence on the two means: their covariance is the sum of products over n^2.
/// scores : (n,) float64, or None
///     The fitted or given scores; none for regression adjustment.
/// aliased, diverging : (a,), (b,) int64
///     As of `PropensityFit`, of the score model fitted here; numbers among the score's columns.
/// outcome_aliased : (c,) int64
///     Columns of the outcome models that earlier ones explain; numbers among theirs.
/// leverage : (n,) float64, or None
///     How much each row holds its own prediction by the outcome model of its arm, from 0 to 1; none where it was not
///     asked for.
/// residual_influence : (n,) float64, or None
///     The part of each row's influence on the mean of its own arm that its residual makes, directly and through the
///     outcome model; like `leverage` on request.
/// others : list of AdjustedEstimate
///     Those of the further outcomes, where several were asked for.
#[pyclass(frozen, get_all, module = "propensity.core")]
pub struct AdjustedEstimate {
    estimate: f64,
    mean_treated: f64,
    mean_control: f64,
    std_error: f64,
    influence_treated: Py<PyArray1<f64>>,
    influence_control: Py<PyArray1<f64>>,
    scores: Option<Py<PyArray1<f64>>>,
    aliased: Py<PyArray1<i64>>,
    diverging: Py<PyArray1<i64>>,
    outcome_aliased: Py<PyArray1<i64>>,
    leverage: Option<Py<PyArray1<f64>>>,
    residual_influence: Option<Py<PyArray1<f64>>>,
    others: Vec<Py<AdjustedEstimate>>,
}

/// Estimate an effect with an outcome model for each arm, alone or together with a score model.
///
/// Parameters
/// ----------
/// x : (n, d) array, or list of d columns
///     Covariates, without an intercept column.
/// treatment : (n,) array
///     Boolean, or 0 and 1.
/// outcome : (n,) array
/// method : {"aipw", "ipwra", "regression"}
///     Augmented weighting (Robins, Rotnitzky and Zhao 1994), weighted regression adjustment
///     (Wooldridge 2007), both right if either model is; or regression adjustment alone.
/// estimand : {"ATE", "ATT", "ATC"}, default "ATE"
/// outcome_model : {"linear", "logistic", "poisson", "gamma"}, default "linear"
///     Fitted in each arm on its own; "logistic" for outcomes from 0 to 1, with a logarithm that is linear
///     "poisson" for those that are not negative, "gamma" for positive ones.
/// penalty : float, default 0.0
///     L2 strength of the score model, as in `fit_propensity`.
/// score_model : {"logistic", "probit", "cloglog"}, default "logistic"
///     As in `fit_propensity`.
/// score_columns, outcome_columns : list of int, optional
///     Which columns of ``x`` either model uses; all by default.
/// sample_weight : (n,) array, optional
///     Row weights, none negative.
/// frequency : (n,) array, optional
///     How many users a row stands for, all alike: whole numbers of at least 1. Estimates, errors and effective sizes
///     are those of the users one by one; weights and influence are of one of them.
/// scores : (n,) array, optional
///     Those of `fit_propensity` with the same columns, penalty and weights, where it is fitted already;
///     by default it is fitted here.
/// factors, after, n_levels
///     Factors beside ``x``, as in `fit_propensity`, of all models; the lists of columns then number those of the matrix
///     that ``x`` and the factors stand for.
/// leverage : bool, default False
///     Whether to say how much each row (one user of it) holds its own prediction, and what its residual adds, which
///     takes a further pass.
/// n_threads : int, optional
///     By default the processors this process may use.
/// others : list of (n,) arrays, optional
///     Further outcomes of the same rows, which share the design, the scores and their model, and of linear outcome models
///     the sums of products.
///
/// Returns
/// -------
/// AdjustedEstimate
///
/// Raises
/// ------
/// InvalidInputError, SeparationError, ConvergenceError
///     See `fit_propensity`; also an outcome outside [0, 1] with a logistic model, or one that is always 0 or
///     always 1 in an arm; negative outcomes, or 0 in all of an arm, with a Poisson model; outcomes that are
///     not positive with a gamma model.
/// OverlapError
///     A row lies outside the space that the rows of the other arm span, whose outcome model has no answer
///     for it.
#[pyfunction]
#[pyo3(signature = (
    x, treatment, outcome, *, method, estimand="ATE", outcome_model="linear", penalty=0.0,
    score_model="logistic", score_columns=None, outcome_columns=None, sample_weight=None, frequency=None,
    scores=None, factors=None, after=None, n_levels=None, leverage=false, n_threads=None, others=None
))]
#[allow(clippy::too_many_arguments)] // the keyword arguments of a Python function
pub fn adjust(
    py: Python<'_>,
    x: &Bound<'_, PyAny>,
    treatment: &Bound<'_, PyAny>,
    outcome: &Bound<'_, PyAny>,
    method: &str,
    estimand: &str,
    outcome_model: &str,
    #[pyo3(from_py_with = options::penalty)] penalty: f64,
    score_model: &str,
    #[pyo3(from_py_with = options::score_columns)] score_columns: Option<Vec<usize>>,
    #[pyo3(from_py_with = options::outcome_columns)] outcome_columns: Option<Vec<usize>>,
    sample_weight: Option<&Bound<'_, PyAny>>,
    frequency: Option<&Bound<'_, PyAny>>,
    scores: Option<&Bound<'_, PyAny>>,
    factors: Option<&Bound<'_, PyAny>>,
    after: Option<&Bound<'_, PyAny>>,
    n_levels: Option<&Bound<'_, PyAny>>,
    leverage: bool,
    n_threads: Option<&Bound<'_, PyAny>>,
    others: Option<&Bound<'_, PyAny>>,
) -> PyResult<AdjustedEstimate> {
    let given_x = arrays::given("x", x)?;
    let treatment = arrays::treatment(treatment)?;
    let outcome = arrays::column("outcome", outcome)?;
    let others = others.map(|others| arrays::columns("others", others)).transpose()?;
    let others = others.unwrap_or_default();
    let others = others.iter().map(|other| other.as_slice()).collect::<Result<Vec<_>, _>>()?;
    let given = row_weights::given(sample_weight, frequency)?;
    let row_weights = given.row_weights()?;
    let scores = scores.map(|scores| arrays::column("scores", scores)).transpose()?;
    let scores = scores.as_ref().map(|scores| scores.as_slice()).transpose()?;
    let spec = words::adjustment(method, estimand, outcome_model)?;
    let x = given_x.matrix("x")?;
    let levels = Codes::read(factors, after, n_levels, x.ncols())?;
    let width = levels.n_terms;
    let is_plain = score_columns.is_none() && outcome_columns.is_none();
    let score_columns = options::chosen("score_columns", score_columns, width)?;
    let outcome_columns = options::chosen("outcome_columns", outcome_columns, width)?;
    let data = AdjustmentData {
        treatment: &treatment,
        outcome: outcome.as_slice()?,
        row_weights,
        are_points: row_weights.frequency.is_some(),
        with_leverage: leverage,
    };
    let penalty = penalty_on_users(row_weights.total, row_weights.frequency, penalty);
    let link = words::score_model(score_model)?;
    let of_score = PropensitySpec { link, penalty, ..PropensitySpec::default() };
    let beside = if levels.is_empty() { None } else { Some(given_x.doubles("x")?) };
    let found = call::run(py, n_threads, None, |monitor| {
        let bytes = needs::ADJUST + others.len() * needs::ADJUST_AN_OUTCOME;
        reserve::room_for(treatment.len(), bytes)?;
        let by_matrix = |x: Matrix<'_>| {
            let covariates = Covariates::standardized_among(x, row_weights.total)?;
            let score = &covariates.subset(&score_columns);
            let score = ScoreSpec { covariates: score, spec: of_score, scores };
            let outcome = covariates.subset(&outcome_columns);
            adjusted_means_of_outcomes(&data, &others, &score, &outcome, spec, monitor)
        };
        let Some(numbers) = beside else { return by_matrix(x) };
        let given =
            NumbersAndFactors { x: numbers, factors: &levels.factors, after: &levels.after };
        let coded = CodedScore { spec: of_score, scores };
        if is_plain
            && let Some(found) =
                adjusted_means_of_codes(&data, &others, &given, &coded, spec, monitor)?
        {
            return Ok(found);
        }
        match matrix(&given)? {
            Some(matrix) => by_matrix(matrix.view().into()),
            None => by_matrix(x),
        }
    })?;
    let AdjustedOutcomes { first, others } = found;
    let first = converted(py, first, row_weights, leverage);
    let others = others.into_iter().map(|own| Py::new(py, first.beside(py, own, row_weights)));
    let others = others.collect::<PyResult<_>>()?;
    Ok(AdjustedEstimate { others, ..first })
}

fn converted(
    py: Python<'_>,
    found: Adjusted,
    row_weights: RowWeights<'_>,
    leverage: bool,
) -> AdjustedEstimate {
    let array = |values: Vec<f64>| PyArray1::from_vec(py, values).unbind();
    let std_error = found.means.std_error_of_users(row_weights.frequency);
    let estimate = found.means.difference();
    let [mean_control, mean_treated] = found.means.mean();
    let [influence_control, influence_treated] = found.means.influence.map(array);
    AdjustedEstimate {
        estimate,
        mean_treated,
        mean_control,
        std_error,
        influence_treated,
        influence_control,
        aliased: arrays::row_numbers(py, found.aliased.into_iter()).unbind(),
        diverging: arrays::row_numbers(py, found.diverging.into_iter()).unbind(),
        outcome_aliased: arrays::row_numbers(py, found.outcome_aliased.into_iter()).unbind(),
        scores: found.scores.map(array),
        leverage: leverage.then(|| array(found.leverage)),
        residual_influence: leverage.then(|| array(found.residual_influence)),
        others: Vec::new(),
    }
}

impl AdjustedEstimate {
    /// A further outcome: with what is the same for all in the arrays of the first.
    fn beside(&self, py: Python<'_>, own: OtherOutcome, row_weights: RowWeights<'_>) -> Self {
        let OtherOutcome { means, leverage, residual_influence } = own;
        let array = |values: Vec<f64>| PyArray1::from_vec(py, values).unbind();
        let (estimate, [mean_control, mean_treated]) = (means.difference(), means.mean());
        let std_error = means.std_error_of_users(row_weights.frequency);
        let [influence_control, influence_treated] = means.influence.map(array);
        let shared = self.leverage.as_ref().map(|shared| shared.clone_ref(py));
        let residual_influence = shared.is_some().then(|| array(residual_influence));
        Self {
            estimate,
            mean_treated,
            mean_control,
            std_error,
            influence_treated,
            influence_control,
            aliased: self.aliased.clone_ref(py),
            diverging: self.diverging.clone_ref(py),
            outcome_aliased: self.outcome_aliased.clone_ref(py),
            scores: self.scores.as_ref().map(|scores| scores.clone_ref(py)),
            leverage: shared.map(|shared| leverage.map_or(shared, array)),
            residual_influence,
            others: Vec::new(),
        }
    }
}
