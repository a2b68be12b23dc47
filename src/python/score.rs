//! The score model, as functions of arrays for Python.

mod state;

use numpy::{PyArray1, PyArray2, ToPyArray};
use pyo3::prelude::*;

use super::codes::{Codes, of_model};
use super::{arrays, call, needs, options, row_weights, words};
use crate::checks;
use crate::design::coded::NumbersAndFactors;
use crate::reserve;
use crate::score::covariance::Covariance;
use crate::score::spec::PropensitySpec;
use crate::score::{fitted, linked};
use crate::weighting::influence;

/// A fitted propensity score of d covariates and n rows, whose linear predictor has a coefficient for each.
///
/// Attributes
/// ----------
/// coefficients : (d + 1,) float64
///     Intercept first, on the scale of ``x``.
/// covariance : (d + 1, d + 1) float64
///     Inverse of the (penalized) information; made when it is asked for.
/// sandwich : (d + 1, d + 1) float64, or None
///     Where there are sample weights: V M V, with V the inverse information and M the sum of
///     (w r)^2 x x', r being T - e, or what stands for it in the equations of another model; what standard
///     errors are made of (HC0, no factor).
/// variances : (d + 1,) float64
///     The diagonal of ``sandwich``, or of ``covariance`` where there are no weights, without the rest of it.
/// factors : (k,) int64
///     How many levels each factor has, of which all but the first have a term.
/// center : (d,) float64
///     The point the linear predictor is measured from: it keeps its digits far from zero.
/// intercept_at_center : float
/// scores : (n,) float64
///     Estimated probability of treatment of the rows fitted on; equal rows have equal bits. Read-only.
/// aliased : (a,) int64
///     Columns of ``x`` that earlier ones explain; their coefficient is 0.
/// diverging : (b,) int64
///     Columns whose coefficients grow without bound (quasi-complete separation): some of their rows are
///     treated all, or none.
/// log_likelihood : float
/// iterations : int
///     Newton steps taken.
/// gradient_norm : float
///     Largest entry of the gradient on standardized covariates, over n; at most 1e-10.
/// penalty : float
/// score_model : {"logistic", "probit", "cloglog"}
#[pyclass(frozen, module = "propensity.core")]
pub struct PropensityFit {
    fit: fitted::PropensityFit,
    #[pyo3(get)]
    scores: Py<PyArray1<f64>>,
}

/// Fit a propensity score by Newton's method.
///
/// Parameters
/// ----------
/// x : (n, d) array, or list of d columns
///     Covariates, without an intercept column: one is always added. Columns are read in place where they are float64,
///     float32, int64 or bool; ``(codes, level)``, of int8 codes, is the column that is 1 where the code is the level.
/// treatment : (n,) array
///     Boolean, or 0 and 1.
/// penalty : float, default 0.0
///     L2 strength on all coefficients but the intercept, in
///     ``sum(log-loss) + penalty / 2 * ||slopes||^2``, per unit of ``x``, and of the mean weight where
///     there are weights. The default is maximum likelihood: a penalty biases a probability model.
///     scikit-learn's default is 1.0 (its C is 1 / penalty).
/// score_model : {"logistic", "probit", "cloglog"}, default "logistic"
///     How the score e follows from the linear predictor eta: ``1 / (1 + exp(-eta))``, the normal distribution
///     function of eta, or ``1 - exp(-exp(eta))``.
/// sample_weight : (n,) array, optional
///     How much of the population a row stands for, none negative: coefficients are those of a weight of 2
///     as the row twice, ``sandwich`` counts the rows that there are. Their scale says nothing.
/// frequency : (n,) array, optional
///     How many users a row stands for, all alike: whole numbers of at least 1. The fit is that of the users one by one.
/// factors : list of (n,) arrays, or (n, k) array, of integers, optional
///     Levels, counted from 0, none missing. A factor stands for a term for each of its levels but the first, as dummies
///     in ``x`` would, and the fit is the same; but time and memory are those of k columns, however many levels
///     there are. Of the widest factor there may be 100,000, with a penalty. A logistic model alone takes them. An item
///     of a list may be a pair ``(levels, numbers)`` of (n,) arrays, a factor with slopes: it stands for these dummies
///     times the number of each row.
/// after : (k,) array of integers, optional
///     How many columns of ``x`` stand before the terms of each factor, ascending; by default all. Of collinear terms the
///     later ones are left out.
/// n_levels : (k,) array of integers, optional
///     How many levels each factor has, some of which no row may be of; by default those up to the highest that a row has.
/// n_threads : int, optional
///     By default the processors this process may use.
///
/// Returns
/// -------
/// PropensityFit
///
/// Raises
/// ------
/// InvalidInputError
///     Lengths that differ, missing values, an empty arm.
/// SeparationError
///     The covariates predict the treatment perfectly.
/// ConvergenceError
///     The gradient stayed above 1e-10 n.
///
/// References
/// ----------
/// McCullagh and Nelder (1989), Generalized Linear Models, section 4.4.
#[pyfunction]
#[pyo3(signature = (
    x, treatment, *, penalty=0.0, score_model="logistic", sample_weight=None, frequency=None, factors=None,
    after=None, n_levels=None, n_threads=None
))]
#[allow(clippy::too_many_arguments)] // the keyword arguments of a Python function
pub fn fit_propensity(
    py: Python<'_>,
    x: &Bound<'_, PyAny>,
    treatment: &Bound<'_, PyAny>,
    #[pyo3(from_py_with = options::penalty)] penalty: f64,
    score_model: &str,
    sample_weight: Option<&Bound<'_, PyAny>>,
    frequency: Option<&Bound<'_, PyAny>>,
    factors: Option<&Bound<'_, PyAny>>,
    after: Option<&Bound<'_, PyAny>>,
    n_levels: Option<&Bound<'_, PyAny>>,
    n_threads: Option<&Bound<'_, PyAny>>,
) -> PyResult<PropensityFit> {
    let given_x = arrays::given("x", x)?;
    let treatment = arrays::treatment(treatment)?;
    let given = row_weights::given(sample_weight, frequency)?;
    let (x, row_weights) = (given_x.matrix("x")?, given.row_weights()?);
    let link = words::score_model(score_model)?;
    let levels = Codes::read(factors, after, n_levels, x.ncols())?;
    let spec = PropensitySpec { link, penalty, ..PropensitySpec::default() };
    if levels.is_empty() {
        let (fit, scores) = call::run(py, n_threads, None, |monitor| {
            reserve::room_for(treatment.len(), needs::FIT)?;
            linked::fit_with_scores(x, &treatment, row_weights, &spec, monitor)
        })?;
        return Ok(PropensityFit { fit, scores: arrays::locked(PyArray1::from_vec(py, scores)) });
    }
    let x = given_x.doubles("x")?;
    let (fit, scores) = call::run(py, n_threads, None, |monitor| {
        reserve::room_for(treatment.len(), needs::FIT)?;
        let coded = NumbersAndFactors { x, factors: &levels.factors, after: &levels.after };
        linked::fit_coded_with_scores(&coded, &treatment, row_weights, &spec, monitor)
    })?;
    Ok(PropensityFit { fit, scores: arrays::locked(PyArray1::from_vec(py, scores)) })
}

/// What n rows add to the equations of the model that gave their scores.
///
/// Attributes
/// ----------
/// residual : (n,) float64
///     The derivative of the log-likelihood in the linear predictor: T - e with a logistic model.
/// spread : (n,) float64
///     How fast that falls: e (1 - e) with a logistic model.
/// log_odds_slope : (n,) float64
///     How fast the log odds of the score grow with the linear predictor: 1 with a logistic model.
#[pyclass(frozen, get_all, module = "propensity.core")]
pub struct ScoreTerms {
    residual: Py<PyArray1<f64>>,
    spread: Py<PyArray1<f64>>,
    log_odds_slope: Py<PyArray1<f64>>,
}

/// Give what rows add to the equations of the model that gave their scores.
///
/// Parameters
/// ----------
/// treatment : (n,) array
///     Boolean, or 0 and 1.
/// scores : (n,) array
///     Probabilities of treatment, strictly between 0 and 1.
/// score_model : {"logistic", "probit", "cloglog"}
///     As for `fit_propensity`.
/// n_threads : int, optional
///     By default the processors this process may use.
///
/// Returns
/// -------
/// ScoreTerms
///
/// Raises
/// ------
/// InvalidInputError, OverlapError
///     Lengths that differ, missing values, scores outside (0, 1).
#[pyfunction]
#[pyo3(signature = (treatment, scores, *, score_model, n_threads=None))]
pub fn score_terms(
    py: Python<'_>,
    treatment: &Bound<'_, PyAny>,
    scores: &Bound<'_, PyAny>,
    score_model: &str,
    n_threads: Option<&Bound<'_, PyAny>>,
) -> PyResult<ScoreTerms> {
    let treatment = arrays::treatment(treatment)?;
    let scores = arrays::column("scores", scores)?;
    let (scores, link) = (scores.as_slice()?, words::score_model(score_model)?);
    let found = call::run(py, n_threads, None, |_| {
        reserve::room_for(scores.len(), needs::FIT)?;
        checks::same_length("scores", scores.len(), treatment.len())?;
        checks::scores(scores)?;
        Ok(influence::ScoreTerms::new(&treatment, scores, link))
    })?;
    let array = |values: Vec<f64>| PyArray1::from_vec(py, values).unbind();
    let [residual, spread, log_odds_slope] =
        [found.residual, found.spread, found.log_odds_slope].map(array);
    Ok(ScoreTerms { residual, spread, log_odds_slope })
}

/// All of a covariance matrix, where there is room for it.
fn matrix<'py>(py: Python<'py>, found: &Covariance) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let terms = found.n_terms();
    reserve::room_for(terms.saturating_mul(terms), 3 * size_of::<f64>())?;
    Ok(found.matrix().to_pyarray(py))
}

impl PropensityFit {
    /// The linear predictor of each row, or its score.
    fn by_row<'py>(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyAny>,
        factors: Option<&Bound<'py, PyAny>>,
        n_threads: Option<&Bound<'_, PyAny>>,
        is_score: bool,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let given = arrays::given("x", x)?;
        let x = given.matrix("x")?;
        let factors = factors.map(|own| of_model(own, &self.fit.factors)).transpose()?;
        let beside = factors.as_ref().map(|_| given.doubles("x")).transpose()?;
        let found = call::run(py, n_threads, None, |_| {
            reserve::room_for(x.nrows(), needs::PREDICT)?;
            checks::finite_columns("x", x.clone())?;
            let mut found = match factors.as_ref().zip(beside) {
                None => self.fit.linear_predictor(x)?,
                Some((factors, x)) => self.fit.coded_linear_predictor(x, factors)?,
            };
            if is_score {
                self.fit.to_scores(&mut found);
            }
            Ok(found)
        })?;
        Ok(PyArray1::from_vec(py, found))
    }
}

#[pymethods]
impl PropensityFit {
    /// Put a fit together again from its parts: what unpickling calls.
    #[new]
    fn new(state: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (fit, scores) = state::read(state)?;
        Ok(Self { fit, scores })
    }

    fn __getnewargs__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>,)> {
        Ok((state::written(py, &self.fit, self.scores.bind(py))?,))
    }

    #[getter]
    fn coefficients<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.fit.coefficients.to_pyarray(py)
    }

    #[getter]
    fn covariance<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        matrix(py, &self.fit.covariance)
    }

    #[getter]
    fn sandwich<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyArray2<f64>>>> {
        self.fit.sandwich.as_ref().map(|sandwich| matrix(py, sandwich)).transpose()
    }

    #[getter]
    fn variances<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        let found = self.fit.sandwich.as_ref().unwrap_or(&self.fit.covariance);
        PyArray1::from_vec(py, found.variances())
    }

    #[getter]
    fn factors<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        arrays::row_numbers(py, self.fit.factors.iter().map(|own| own.n_levels))
    }

    #[getter]
    fn center<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.fit.center.to_pyarray(py)
    }

    #[getter]
    fn intercept_at_center(&self) -> f64 {
        self.fit.intercept_at_center
    }

    #[getter]
    fn aliased<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        arrays::row_numbers(py, self.fit.aliased.iter().copied())
    }

    #[getter]
    fn diverging<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        arrays::row_numbers(py, self.fit.diverging.iter().copied())
    }

    #[getter]
    fn log_likelihood(&self) -> f64 {
        self.fit.log_likelihood
    }

    #[getter]
    fn iterations(&self) -> usize {
        self.fit.iterations
    }

    #[getter]
    fn gradient_norm(&self) -> f64 {
        self.fit.gradient_norm
    }

    #[getter]
    fn score_model(&self) -> &'static str {
        words::score_model_name(self.fit.link)
    }

    #[getter]
    fn penalty(&self) -> f64 {
        self.fit.penalty
    }

    /// Scores of rows, (n,): of ``x`` (n, d) the terms, or beside ``factors`` as at the fit the numbers.
    #[pyo3(signature = (x, n_threads=None, *, factors=None))]
    fn predict<'py>(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyAny>,
        n_threads: Option<&Bound<'_, PyAny>>,
        factors: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        self.by_row(py, x, factors, n_threads, true)
    }

    /// Linear predictors (log odds of a logistic model) of rows, (n,), which are given as for ``predict``.
    #[pyo3(signature = (x, n_threads=None, *, factors=None))]
    fn linear_predictor<'py>(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyAny>,
        n_threads: Option<&Bound<'_, PyAny>>,
        factors: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        self.by_row(py, x, factors, n_threads, false)
    }

    fn __repr__(&self) -> String {
        let (terms, fit) = (self.fit.coefficients.len(), &self.fit);
        let (iterations, likelihood) = (fit.iterations, fit.log_likelihood);
        format!(
            "PropensityFit({terms} terms, log-likelihood {likelihood:.2}, {iterations} iterations)"
        )
    }
}
