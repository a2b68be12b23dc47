//! Nearest neighbours, as functions of arrays for Python.

use numpy::prelude::*;
use numpy::{PyArray1, PyArray2};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::candidates::CandidateArrays;
use super::match_spec::Options;
use super::{arrays, call};
use crate::matching::{self, Pairs};
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
/// spec : object, optional
///     The options that are no arrays as the attributes of an object, such as ``propensity.NearestNeighbors``; of
///     its ``covariates``, its ``exact`` and its calipers on named columns the arrays are given here.
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
#[pyo3(
    signature = (scores, treatment, *, n_threads=None, **options),
    text_signature = "(scores, treatment, *, covariates=None, estimand='ATT', n_neighbors=1, replace=True, \
        max_reuse=None, method='nearest', order=None, on='score', caliper=None, calipers=None, \
        caliper_unit='sd', caliper_sd='all', exact=None, discard=None, sample_weight=None, ids=None, seed=0, \
        spec=None, n_threads=None)"
)]
pub fn match_nn<'py>(
    py: Python<'py>,
    scores: Option<&Bound<'py, PyAny>>,
    treatment: &Bound<'py, PyAny>,
    n_threads: Option<&Bound<'py, PyAny>>,
    options: Option<&Bound<'py, PyDict>>,
) -> PyResult<Matches> {
    let options = Options::of_match_nn(options)?;
    let spec = options.pairs(scores.is_some())?;
    let arrays = CandidateArrays::new(scores, treatment, &options)?;
    let (n_rows, bytes, calipers) = (arrays.n_rows(), arrays.bytes_a_row(), arrays.calipers()?);
    let candidates = arrays.candidates(&calipers)?;
    let found = call::run(py, n_threads, None, |monitor| {
        reserve::room_for(n_rows, bytes)?;
        matching::pair(&candidates, &spec, monitor)
    })?;
    converted(py, found, n_rows)
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
