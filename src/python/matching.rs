use std::ops::Range;

use numpy::PyArray1;
use pyo3::prelude::*;

use super::ipw::parse_estimand;
use super::{arrays, call, options};
use crate::covariates::Covariates;
use crate::error::{Error, Result};
use crate::matching::{self, Focal, MatchedRows, NearestSpec, Quantity};

/// Nearest neighbours of m focal rows among n rows, with replacement, ties averaged.
///
/// Attributes
/// ----------
/// weights : (n,) float64
///     1 for a matched focal row, plus the sum of a row's uses as a donor.
/// focal : (m,) int64
///     Matched focal rows, ascending: treated for the ATT, controls for the ATC, both for the ATE.
/// donors : (n_donors,) int64
///     Every row of the arms that donate, controls first, each arm sorted by the quantity matched on.
/// first, last : (m,) int64
///     The donors of ``focal[i]`` are ``donors[first[i]:last[i]]``, each with the same share.
/// n_matched, n_unmatched, n_pairs : int
/// max_distance : float
///     The farthest that any donor is.
/// caliper_width : float
///     The caliper in units of the quantity matched on; infinite without one.
#[pyclass(frozen, get_all, module = "propensity.core")]
pub struct Matches {
    weights: Py<PyArray1<f64>>,
    focal: Py<PyArray1<i64>>,
    donors: Py<PyArray1<i64>>,
    first: Py<PyArray1<i64>>,
    last: Py<PyArray1<i64>>,
    n_matched: usize,
    n_unmatched: usize,
    n_pairs: usize,
    max_distance: f64,
    caliper_width: f64,
}

/// Match each row of one arm, or of both, to its nearest in the other, with replacement.
///
/// Every donor no farther than the k-th nearest is kept, with equal shares, so the result does not
/// depend on the order of the rows; distances within 1e-12 of each other tie.
///
/// Parameters
/// ----------
/// scores : (n,) array
///     Probabilities of treatment, strictly between 0 and 1.
/// treatment : (n,) array
///     Boolean, or 0 and 1.
/// estimand : {"ATT", "ATC", "ATE"}, default "ATT"
///     Whose rows are matched: the treated, the controls, everybody's.
/// n_neighbors : int, default 1
///     k: one neighbour has the least bias, 3 to 5 less variance.
/// caliper : float, optional
///     The farthest a neighbour may be, in standard deviations (all rows, n - 1) of the quantity matched
///     on. None by default: a caliper changes whom the effect is for.
/// on : {"score", "logit"}, default "score"
///     What distances are measured on.
/// n_threads : int, optional
///     By default the processors this process may use.
///
/// Returns
/// -------
/// Matches
///
/// Raises
/// ------
/// NoMatchesError
///     Nobody has a neighbour within the caliper.
/// InvalidInputError
///     Lengths that differ, scores outside (0, 1), an empty arm, more neighbours than donors.
///
/// References
/// ----------
/// Abadie and Imbens (2006), Econometrica 74:235, section 2.
#[pyfunction]
#[pyo3(signature = (
    scores, treatment, *, estimand="ATT", n_neighbors=1, caliper=None, on="score", n_threads=None
))]
#[allow(clippy::too_many_arguments)] // the keyword arguments of a Python function
pub fn match_nn(
    py: Python<'_>,
    scores: &Bound<'_, PyAny>,
    treatment: &Bound<'_, PyAny>,
    estimand: &str,
    #[pyo3(from_py_with = options::n_neighbors)] n_neighbors: usize,
    #[pyo3(from_py_with = options::caliper)] caliper: Option<f64>,
    on: &str,
    n_threads: Option<&Bound<'_, PyAny>>,
) -> PyResult<Matches> {
    let scores = arrays::column("scores", scores)?;
    let treatment = arrays::treatment(treatment)?;
    let spec = nearest_spec(estimand, n_neighbors, caliper, on)?;
    let scores = scores.as_slice()?;
    let found = call::run(py, n_threads, None, |monitor| {
        matching::nearest(scores, &treatment, &spec, monitor)
    })?;
    let n_matched = found.focal.len();
    let rows = |rows| arrays::row_numbers_in_place(py, rows).unbind();
    let ends = |end: fn(&Range<usize>) -> usize| {
        arrays::row_numbers(py, found.runs.iter().map(end)).unbind()
    };
    Ok(Matches {
        focal: rows(found.focal),
        donors: rows(found.donors),
        first: ends(|run| run.start),
        last: ends(|run| run.end),
        n_matched,
        n_unmatched: found.n_unmatched,
        n_pairs: found.runs.iter().map(Range::len).sum(),
        max_distance: found.max_distance,
        caliper_width: found.caliper_width,
        weights: PyArray1::from_vec(py, found.weights).unbind(),
    })
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
/// estimand, n_neighbors, caliper, on
///     As for `match_nn`.
/// x : (n, d) array, optional
///     The covariates of the logistic model that gave the scores. With them the standard error counts
///     that the scores were estimated; without, they are taken as known.
/// penalty : float, default 0.0
///     That model's L2 strength; used with ``x`` only.
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
#[pyo3(signature = (
    outcome, treatment, scores, *, estimand="ATT", n_neighbors=1, caliper=None, on="score", x=None,
    penalty=0.0, n_threads=None
))]
#[allow(clippy::too_many_arguments)] // the keyword arguments of a Python function
pub fn matching_effect(
    py: Python<'_>,
    outcome: &Bound<'_, PyAny>,
    treatment: &Bound<'_, PyAny>,
    scores: &Bound<'_, PyAny>,
    estimand: &str,
    #[pyo3(from_py_with = options::n_neighbors)] n_neighbors: usize,
    #[pyo3(from_py_with = options::caliper)] caliper: Option<f64>,
    on: &str,
    x: Option<&Bound<'_, PyAny>>,
    #[pyo3(from_py_with = options::penalty)] penalty: f64,
    n_threads: Option<&Bound<'_, PyAny>>,
) -> PyResult<MatchedEffect> {
    let outcome = arrays::column("outcome", outcome)?;
    let treatment = arrays::treatment(treatment)?;
    let scores = arrays::column("scores", scores)?;
    let spec = nearest_spec(estimand, n_neighbors, caliper, on)?;
    let x = x.map(|x| arrays::floats("x", x)).transpose()?;
    let x = x.as_ref().map(|x| x.as_array());
    let rows = MatchedRows {
        outcome: outcome.as_slice()?,
        treatment: &treatment,
        scores: scores.as_slice()?,
    };
    let found = call::run(py, n_threads, None, |monitor| {
        let covariates = x.map(Covariates::standardized).transpose()?;
        let model = covariates.as_ref().map(|covariates| (covariates, penalty));
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

pub fn nearest_spec(
    estimand: &str,
    n_neighbors: usize,
    caliper: Option<f64>,
    on: &str,
) -> Result<NearestSpec> {
    let focal = Focal::try_from(parse_estimand(estimand)?)?;
    let quantity = match on {
        "score" => Quantity::Score,
        "logit" => Quantity::Logit,
        _ => {
            let found = format!("{on:?}");
            return Err(Error::Argument { name: "on", found, allowed: "\"score\" or \"logit\"" });
        }
    };
    Ok(NearestSpec { focal, n_neighbors, caliper, quantity })
}
