use numpy::prelude::*;
use numpy::{PyArray1, PyArray2};
use pyo3::prelude::*;

use super::ipw::parse_estimand;
use super::match_spec::Words;
use super::{arrays, call, needs, options};
use crate::design::covariates::Covariates;
use crate::error::{Error, Result};
use crate::matching::{
    self, Candidates, Focal, MatchedRows, NearestSpec, Neighborhood, Pairs, Quantity,
};
use crate::reserve;

/// Which rows of one arm stand for each of m focal rows of the other, among n rows.
///
/// Attributes
/// ----------
/// weights : (n,) float64
///     Sample weights: a matched focal row's own, plus for each use as a donor that of the focal row, shared
///     by its donors in proportion to their own. Without, 1 and 1 / (donors of the focal row).
/// focal : (m,) int64
///     Matched focal rows, ascending: treated for the ATT, controls for the ATC, both for the ATE.
/// donors : (n_donors,) int64
///     Rows that serve; one may stand here several times.
/// first, last : (m,) int64
///     The donors of ``focal[i]`` are ``donors[first[i]:last[i]]``, each with the same share.
/// n_matched, n_unmatched, n_discarded, n_pairs : int
///     Focal rows with and without a donor (the discarded among them); rows discarded, of either arm.
/// drawn : bool
///     Whether a draw decided who is matched with whom.
/// max_distance : float
///     The farthest that any donor is.
/// caliper_width : float
///     The caliper on the quantity matched on, in its units; infinite without one.
/// caliper_widths : list of float
///     All calipers in the units of their values: ``caliper`` first, if any, then ``calipers``.
/// coordinates : (n, d) float64 or None
///     Where distances are between covariates: places whose Euclidean distance it is.
#[pyclass(frozen, get_all, module = "propensity.core")]
pub struct Matches {
    weights: Py<PyArray1<f64>>,
    focal: Py<PyArray1<i64>>,
    donors: Py<PyArray1<i64>>,
    first: Py<PyArray1<i64>>,
    last: Py<PyArray1<i64>>,
    n_matched: usize,
    n_unmatched: usize,
    n_discarded: usize,
    n_pairs: usize,
    drawn: bool,
    max_distance: f64,
    caliper_width: f64,
    caliper_widths: Vec<f64>,
    coordinates: Option<Py<PyArray2<f64>>>,
}

/// Match each row of one arm, or of both, to its nearest in the other.
///
/// With replacement every donor no farther than the k-th nearest is kept, with equal shares; distances
/// within 1e-12 of each other tie. Where a donor may serve a limited number of times, focal rows choose in a
/// stated order, each gets a first donor before any gets a second, and among donors at the same distance (to
/// twelve decimals) a draw decides that belongs to the row's id. Neither depends on the order of the rows.
///
/// Parameters
/// ----------
/// scores : (n,) array or None
///     Probabilities of treatment, strictly between 0 and 1. None only where distances are between
///     covariates and nothing else needs them.
/// treatment : (n,) array
///     Boolean, or 0 and 1.
/// covariates : (n, d) array, optional
///     For the distances between covariates.
/// estimand : {"ATT", "ATC", "ATE"}, default "ATT"
///     Whose rows are matched: the treated, the controls, everybody's.
/// n_neighbors : int, default 1
///     k: one neighbour has the least bias, 3 to 5 less variance.
/// replace : bool, default True
///     Whether a donor may serve several focal rows. False uses each once.
/// max_reuse : int, optional
///     The most focal rows a donor may serve; any number by default.
/// method : {"nearest", "optimal"}, default "nearest"
///     "optimal", with ``replace=False`` only: of all sets with as many matched rows and as many pairs as there
///     can be, that with the least sum of distances (Rosenbaum 1989).
/// order : {"largest", "smallest", "closest", "random", "data"}, optional
///     Who chooses first where donors are limited: by the score, the closest pair of all, by a draw, as the
///     rows come. By default those with the fewest donors nearby: treated rows from the largest score, controls
///     from the smallest; "random" without scores.
/// on : {"score", "logit", "mahalanobis", "robust_mahalanobis", "euclidean"}, default "score"
///     What distances are measured on: the covariance pooled within the arms, that of ranks over all rows,
///     standard deviations pooled within the arms.
/// caliper : float, optional
///     The farthest a donor may be on the score or logit matched on; on the score where distances are
///     between covariates. None by default: a caliper changes whom the effect is for.
/// calipers : sequence of ((n,) array, float), optional
///     Further values, and how far apart a pair's may be.
/// caliper_unit : {"sd", "raw"}, default "sd"
///     Whether calipers count standard deviations of their values, or are in their units.
/// caliper_sd : {"all", "pooled"}, default "all"
///     Over all rows (n - 1), or sqrt((s1^2 + s0^2) / 2) of those within the arms.
/// exact : (n,) array of int, optional
///     Labels; only rows with equal ones are paired.
/// discard : {"treated", "control", "both"}, optional
///     Rows of this arm (or either) are left out whose score lies outside the range of the other arm's.
/// sample_weight : (n,) array, optional
///     What each row counts for. A focal row's weight goes to its donors, whose own weights only share it out
///     among them; who is matched with whom does not depend on it, but rows of weight 0 are not there.
/// ids : (n,) array of int, optional
///     What rows are called: draws belong to these. Row numbers by default.
/// seed : int, default 0
///     Of the draws.
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
///     Nobody has a neighbour within the calipers.
/// InvalidInputError
///     Lengths that differ, scores outside (0, 1), an empty arm, more neighbours than donors, an argument
///     that is not one of its words or contradicts another.
///
/// References
/// ----------
/// Abadie and Imbens (2006), Econometrica 74:235, section 2. Rosenbaum (2010), Design of Observational
/// Studies, section 8.3, for the robust distance.
#[pyfunction]
#[pyo3(signature = (
    scores, treatment, *, covariates=None, estimand="ATT", n_neighbors=1, replace=true, max_reuse=None,
    method="nearest", order=None, on="score", caliper=None, calipers=None, caliper_unit="sd", caliper_sd="all", exact=None,
    discard=None, sample_weight=None, ids=None, seed=0, n_threads=None
))]
#[allow(clippy::too_many_arguments)] // the keyword arguments of a Python function
pub fn match_nn(
    py: Python<'_>,
    scores: Option<&Bound<'_, PyAny>>,
    treatment: &Bound<'_, PyAny>,
    covariates: Option<&Bound<'_, PyAny>>,
    estimand: &str,
    #[pyo3(from_py_with = options::n_neighbors)] n_neighbors: usize,
    replace: bool,
    #[pyo3(from_py_with = options::max_reuse)] max_reuse: Option<u32>,
    method: &str,
    order: Option<&str>,
    on: &str,
    #[pyo3(from_py_with = options::caliper)] caliper: Option<f64>,
    calipers: Option<Vec<(Bound<'_, PyAny>, f64)>>,
    caliper_unit: &str,
    caliper_sd: &str,
    exact: Option<&Bound<'_, PyAny>>,
    discard: Option<&str>,
    sample_weight: Option<&Bound<'_, PyAny>>,
    ids: Option<&Bound<'_, PyAny>>,
    #[pyo3(from_py_with = options::seed)] seed: u64,
    n_threads: Option<&Bound<'_, PyAny>>,
) -> PyResult<Matches> {
    let has_scores = scores.is_some();
    let words = Words {
        estimand,
        n_neighbors,
        replace,
        max_reuse,
        method,
        order,
        on,
        caliper,
        caliper_unit,
        caliper_sd,
        discard,
        seed,
        has_scores,
    };
    let spec = words.read()?;
    let treatment = arrays::treatment(treatment)?;
    let scores = scores.map(|scores| arrays::own_column("scores", scores)).transpose()?;
    let covariates = covariates.map(|x| arrays::floats("covariates", x)).transpose()?;
    let exact = exact.map(|labels| arrays::labels("exact", labels)).transpose()?;
    let ids = ids.map(|labels| arrays::labels("ids", labels)).transpose()?;
    let weight = sample_weight.map(|w| arrays::column("sample_weight", w)).transpose()?;
    let weight = weight.as_ref().map(|w| w.as_slice()).transpose()?;
    let calipers = calipers.unwrap_or_default();
    let values: Vec<_> = calipers
        .iter()
        .map(|(values, _)| arrays::column("calipers", values))
        .collect::<PyResult<_>>()?;
    let slices: Vec<&[f64]> = values.iter().map(|v| v.as_slice()).collect::<Result<_, _>>()?;
    let calipers: Vec<(&[f64], f64)> =
        slices.into_iter().zip(&calipers).map(|(values, (_, width))| (values, *width)).collect();
    let candidates = Candidates {
        treatment: &treatment,
        scores: scores.as_deref(),
        covariates: covariates.as_ref().map(|x| x.as_array()),
        exact: exact.as_deref(),
        calipers: &calipers,
        sample_weight: weight,
        ids: ids.as_deref(),
    };
    let dims = covariates.as_ref().map_or(0, |x| x.as_array().ncols());
    let found = call::run(py, n_threads, None, |monitor| {
        reserve::room_for(treatment.len(), needs::MATCHES + dims * needs::MATCHES_A_COLUMN)?;
        matching::pair(&candidates, &spec, monitor)
    })?;
    converted(py, found, treatment.len())
}

fn converted(py: Python<'_>, pairs: Pairs, n_rows: usize) -> PyResult<Matches> {
    let found = pairs.matches;
    let n_matched = found.focal.len();
    let n_pairs = found.last.iter().zip(&found.first).map(|(last, first)| last - first).sum();
    let rows = |rows| arrays::row_numbers_in_place(py, rows).unbind();
    let coordinates = match pairs.coordinates.len() / n_rows {
        0 => None,
        dims => Some(PyArray1::from_vec(py, pairs.coordinates).reshape([n_rows, dims])?.unbind()),
    };
    Ok(Matches {
        focal: rows(found.focal),
        donors: rows(found.donors),
        first: rows(found.first),
        last: rows(found.last),
        n_matched,
        n_unmatched: found.n_unmatched,
        n_discarded: pairs.n_discarded,
        n_pairs,
        drawn: pairs.drawn,
        max_distance: found.max_distance,
        caliper_width: found.caliper_width,
        caliper_widths: pairs.caliper_widths,
        coordinates,
        weights: PyArray1::from_vec(py, found.weights).unbind(),
    })
}

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
/// n_threads : int, optional
///     By default the processors this process may use.
///
/// Returns
/// -------
/// (n,) float64
///     The variance (n - 1) of the outcomes of a row's two nearest in its arm, itself among them, more where
///     they tie.
///
/// References
/// ----------
/// Abadie and Imbens (2006), Econometrica 74:235, section 4.
#[pyfunction]
#[pyo3(signature = (outcome, treatment, coordinates, *, exact=None, n_threads=None))]
pub fn outcome_variance<'py>(
    py: Python<'py>,
    outcome: &Bound<'py, PyAny>,
    treatment: &Bound<'py, PyAny>,
    coordinates: &Bound<'py, PyAny>,
    exact: Option<&Bound<'py, PyAny>>,
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
    let scores = arrays::own_column("scores", scores)?;
    let spec = nearest_spec(estimand, n_neighbors, caliper, on)?;
    let x = x.map(|x| arrays::floats("x", x)).transpose()?;
    let x = x.as_ref().map(|x| x.as_array());
    let rows = MatchedRows { outcome: outcome.as_slice()?, treatment: &treatment, scores: &scores };
    let found = call::run(py, n_threads, None, |monitor| {
        reserve::room_for(treatment.len(), needs::MATCHED_EFFECT)?;
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
