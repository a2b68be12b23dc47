//! Bounds under hidden confounding, as functions of arrays for Python.

use numpy::ndarray::{Array2, ArrayView2, Axis};
use numpy::{PyArray1, PyArray2, ToPyArray};
use pyo3::prelude::*;

use super::bootstrap::resample;
use super::options::chosen;
use super::{arrays, call, needs, options, words};
use crate::checks;
use crate::error::{Error, Result};
use crate::pipeline::{Bounds, BoundsSpec, Data, Estimator, Pipeline};
use crate::resampling::bootstrap::BootstrapSpec;
use crate::reserve;
use crate::score::spec::{PropensitySpec, penalty_on};
use crate::weighting::ipw::IpwSpec;

/// Bounds on an effect under hidden confounding of g strengths.
///
/// Attributes
/// ----------
/// bounds : (g, 2) float64
///     The least and the largest effect at each gamma.
/// critical : (2,) float64
///     The gamma at which the least effect is none, and that at which the largest is: 1 where it is beyond none
///     without any confounding, infinite where no confounder is strong enough, NaN with ``losses``.
/// replicates : (n_reps, g, 2) float64
///     The bounds of each replicate; NaN where it could not be estimated.
/// critical_replicates : (n_reps, 2) float64
/// n_failed : int
///     Replicates that could not be estimated.
#[pyclass(frozen, get_all, module = "propensity.core")]
pub struct SensitivityBounds {
    bounds: Py<PyArray2<f64>>,
    critical: Py<PyArray1<f64>>,
    replicates: Py<PyAny>,
    critical_replicates: Py<PyArray2<f64>>,
    n_failed: usize,
}

/// Bound the effect by inverse-probability weighting where hidden confounders change the odds of treatment by a
/// factor of up to gamma, and bootstrap the bounds, the score refitted in every replicate.
///
/// Parameters
/// ----------
/// x : (n, d) array
///     Covariates of the score, without an intercept column.
/// treatment : (n,) array
///     Boolean, or 0 and 1.
/// outcome : (n,) array
/// gammas : (g,) array
///     Strengths of confounding, each at least 1.
/// estimand : {"ATE", "ATT", "ATC"}, default "ATE"
/// penalty : float, default 0.0
///     L2 strength of the score model, as in `fit_propensity`.
/// score_model : {"logistic", "probit", "cloglog"}, default "logistic"
///     As in `fit_propensity`.
/// fitted : (n,) array, optional
///     For AIPW what the outcome model of a row's own arm predicts, which is taken off.
/// offset : (n,) array, optional
///     For AIPW the effect that the outcome models predict for each row.
/// losses : (n, 2 g) array, optional
///     For sharp bounds: by gamma, the check losses of the rows in a quantile regression of their arm, at
///     gamma / (1 + gamma) and then at 1 / (1 + gamma).
/// sample_weight : (n,) array, optional
///     Row weights, none negative.
/// resampling, cluster, strata, n_reps, seed, n_threads, progress
///     As in `bootstrap`; ``n_reps`` may be 0.
/// score_columns : list of int, optional
///     Which columns of ``x`` the score uses; all by default.
///
/// Returns
/// -------
/// SensitivityBounds
///
/// Raises
/// ------
/// InvalidInputError
///     As `bootstrap`; a gamma below 1, an estimand that has no such bounds; an offset or losses that differ
///     between rows which are alike.
/// SeparationError, ConvergenceError
///     The full sample, or every replicate, could not be estimated.
///
/// References
/// ----------
/// Zhao, Small and Bhattacharya (2019), Journal of the Royal Statistical Society B 81:735. With losses Dorn and Guo
/// (2023), Journal of the American Statistical Association 118:2645.
#[pyfunction]
#[pyo3(signature = (
    x, treatment, outcome, *, gammas, estimand="ATE", penalty=0.0, score_model="logistic", fitted=None, offset=None, losses=None, sample_weight=None,
    resampling="multinomial", cluster=None, strata=None, score_columns=None, n_reps=500, seed=0, n_threads=None,
    progress=None
))]
#[allow(clippy::too_many_arguments)] // the keyword arguments of a Python function
pub fn sensitivity_bounds(
    py: Python<'_>,
    x: &Bound<'_, PyAny>,
    treatment: &Bound<'_, PyAny>,
    outcome: &Bound<'_, PyAny>,
    gammas: &Bound<'_, PyAny>,
    estimand: &str,
    #[pyo3(from_py_with = options::penalty)] penalty: f64,
    score_model: &str,
    fitted: Option<&Bound<'_, PyAny>>,
    offset: Option<&Bound<'_, PyAny>>,
    losses: Option<&Bound<'_, PyAny>>,
    sample_weight: Option<&Bound<'_, PyAny>>,
    resampling: &str,
    cluster: Option<&Bound<'_, PyAny>>,
    strata: Option<&Bound<'_, PyAny>>,
    #[pyo3(from_py_with = options::score_columns)] score_columns: Option<Vec<usize>>,
    #[pyo3(from_py_with = options::n_reps_or_none)] n_reps: usize,
    #[pyo3(from_py_with = options::seed)] seed: u64,
    n_threads: Option<&Bound<'_, PyAny>>,
    progress: Option<Py<PyAny>>,
) -> PyResult<SensitivityBounds> {
    let x = arrays::floats("x", x)?;
    let treatment = arrays::treatment(treatment)?;
    let outcome = arrays::column("outcome", outcome)?;
    let weight = sample_weight.map(|weight| arrays::column("sample_weight", weight)).transpose()?;
    let gammas = arrays::own_column("gammas", gammas)?;
    let (fitted, offset) = (optional_column("fitted", fitted)?, optional_column("offset", offset)?);
    let losses = losses.map(|losses| arrays::floats("losses", losses)).transpose()?;
    let estimand = words::estimand(estimand)?;
    let (x, estimators) = (x.as_array(), [Estimator::Ipw(IpwSpec::of(estimand))]);
    let score_columns = chosen("score_columns", score_columns, x.ncols())?;
    let data = Data {
        x,
        treatment: &treatment,
        outcome: outcome.as_slice()?,
        sample_weight: weight.as_ref().map(|w| w.as_slice()).transpose()?,
        frequency: None,
        score_columns: &score_columns,
        outcome_columns: &score_columns,
        balanced_columns: &[],
    };
    let losses = losses.as_ref().map(|losses| by_column(losses.as_array(), &gammas)).transpose()?;
    let spec = BoundsSpec {
        estimand,
        gammas: &gammas,
        fitted: fitted.as_deref(),
        offset: offset.as_deref(),
        losses: losses.as_deref(),
    };
    check(&spec, treatment.len())?;
    let of_score = score_spec(score_model, penalty_on(data.sample_weight, penalty))?;
    let resample = resample(resampling, treatment.len(), cluster, strata)?;
    let replicates = (n_reps > 0).then_some(BootstrapSpec { n_reps, seed });
    let found = call::run(py, n_threads, progress.as_ref(), |monitor| {
        require_room(treatment.len(), n_reps, gammas.len())?;
        let pipeline = Pipeline::new(data, &estimators, of_score, monitor)?;
        pipeline.bounds(spec, &resample, replicates.as_ref())
    })?;
    converted(py, found, gammas.len())
}

fn optional_column(name: &str, given: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Vec<f64>>> {
    given.map(|given| arrays::own_column(name, given)).transpose()
}

fn score_spec(score_model: &str, penalty: f64) -> PyResult<PropensitySpec> {
    let link = words::score_model(score_model)?;
    Ok(PropensitySpec { link, penalty, ..PropensitySpec::default() })
}

fn require_room(n: usize, n_reps: usize, n_gammas: usize) -> Result<()> {
    reserve::room_for(n_reps.saturating_mul(2 * n_gammas + 2), needs::REPLICATE)?;
    let by_thread = rayon::current_num_threads() * needs::BOUNDS_A_THREAD;
    reserve::room_for(n, needs::BOOTSTRAP + needs::BOUNDS + by_thread)
}

fn converted(py: Python<'_>, found: Bounds, g: usize) -> PyResult<SensitivityBounds> {
    let (ends, critical) = found.found.split_at(2 * g);
    let n_failed = found.replicates.as_ref().map_or(0, |replicates| replicates.n_failed[0]);
    let estimates = found
        .replicates
        .map_or_else(|| Array2::zeros((0, 2 * g + 2)), |replicates| replicates.estimates);
    let (of_ends, of_critical) = estimates.view().split_at(Axis(1), 2 * g);
    Ok(SensitivityBounds {
        bounds: PyArray1::from_slice(py, ends).call_method1("reshape", (g, 2))?.extract()?,
        critical: PyArray1::from_slice(py, critical).unbind(),
        replicates: of_ends
            .to_pyarray(py)
            .call_method1("reshape", (of_ends.nrows(), g, 2))?
            .unbind(),
        critical_replicates: of_critical.to_pyarray(py).unbind(),
        n_failed,
    })
}

/// The losses, column by column.
fn by_column(losses: ArrayView2<'_, f64>, gammas: &[f64]) -> Result<Vec<Vec<f64>>> {
    checks::same_length("columns of losses", losses.ncols(), 2 * gammas.len())?;
    reserve::room_for(losses.len(), size_of::<f64>())?;
    Ok(losses.columns().into_iter().map(|column| column.to_vec()).collect())
}

fn check(spec: &BoundsSpec<'_>, n_rows: usize) -> Result<()> {
    check_gammas(spec.gammas)?;
    check_rows("fitted", spec.fitted, n_rows)?;
    check_rows("offset", spec.offset, n_rows)?;
    for losses in spec.losses.into_iter().flatten() {
        check_rows("losses", Some(losses), n_rows)?;
    }
    Ok(())
}

fn check_gammas(gammas: &[f64]) -> Result<()> {
    match gammas.iter().find(|gamma| !(**gamma >= 1.0 && gamma.is_finite())) {
        Some(gamma) => {
            let (found, allowed) = (gamma.to_string(), "finite numbers of at least 1");
            Err(Error::Argument { name: "gammas", found, allowed })
        }
        None => Ok(()),
    }
}

/// Require one finite number for each row.
fn check_rows(name: &'static str, values: Option<&[f64]>, n_rows: usize) -> Result<()> {
    let Some(values) = values else { return Ok(()) };
    checks::same_length(name, values.len(), n_rows)?;
    checks::finite(name, values)
}
