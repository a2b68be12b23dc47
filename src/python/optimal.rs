use numpy::PyArray1;
use pyo3::prelude::*;

use super::match_spec::Words;
use super::{arrays, call, needs, options};
use crate::matching::{self, Candidates};
use crate::reserve;

/// Subclasses of n rows, each a star: one row of an arm, and some of the other.
///
/// Attributes
/// ----------
/// subclass : (n,) int64
///     1 to ``n_subclasses``; 0 for rows without a partner within the calipers.
/// n_subclasses : int
/// drawn : bool
///     Whether a draw decided between rows of an arm in one place.
/// total_distance : float
///     From the middle of each star to its rays.
#[pyclass(frozen, get_all, module = "propensity.core")]
pub struct FullMatch {
    subclass: Py<PyArray1<i64>>,
    n_subclasses: usize,
    drawn: bool,
    total_distance: f64,
}

/// Put every row with a partner into a star, one row of an arm and some of the other: the least sum of
/// distances between the middle of a star and its rays.
///
/// Which of the rows in one place is in whose star is settled by a draw that belongs to the row's id, so that
/// the order of the rows decides nothing. On the score or logit it takes n log n; among covariates, or with
/// further calipers, every row is compared with every other.
///
/// Parameters
/// ----------
/// scores, treatment, covariates, on, caliper, calipers, caliper_unit, caliper_sd, exact, discard, ids, seed
///     As for `match_nn`.
/// sample_weight : (n,) array, optional
///     Rows of weight 0 are not there; else it decides nothing.
/// n_threads : int, optional
///     By default the processors this process may use.
///
/// Returns
/// -------
/// FullMatch
///
/// Raises
/// ------
/// NoMatchesError
///     Nobody has a partner within the calipers.
/// InvalidInputError
///     As for `match_nn`.
///
/// References
/// ----------
/// Rosenbaum (1991), Journal of the Royal Statistical Society B 53:597. Hansen and Klopfer (2006), Journal
/// of Computational and Graphical Statistics 15:609.
#[pyfunction]
#[pyo3(signature = (
    scores, treatment, *, covariates=None, on="score", caliper=None, calipers=None, caliper_unit="sd",
    caliper_sd="all", exact=None, discard=None, sample_weight=None, ids=None, seed=0,
    n_threads=None
))]
#[allow(clippy::too_many_arguments)] // the keyword arguments of a Python function
pub fn match_full(
    py: Python<'_>,
    scores: Option<&Bound<'_, PyAny>>,
    treatment: &Bound<'_, PyAny>,
    covariates: Option<&Bound<'_, PyAny>>,
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
) -> PyResult<FullMatch> {
    let words = Words {
        estimand: "ATT",
        n_neighbors: 1,
        replace: true,
        max_reuse: None,
        method: "nearest",
        order: None,
        on,
        caliper,
        caliper_unit,
        caliper_sd,
        discard,
        seed,
        has_scores: scores.is_some(),
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
    let found = call::run(py, n_threads, None, |monitor| {
        reserve::room_for(treatment.len(), needs::OPTIMAL)?;
        matching::full(&candidates, &spec, monitor)
    })?;
    Ok(FullMatch {
        subclass: arrays::row_numbers(py, found.subclass.into_iter()).unbind(),
        n_subclasses: found.n_subclasses,
        drawn: found.drawn,
        total_distance: found.total_distance,
    })
}
