//! Full matching, as functions of arrays for Python.

use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::candidates::CandidateArrays;
use super::match_spec::Options;
use super::{arrays, call, needs};
use crate::matching;
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
/// further calipers, rows bid for those near them, until potentials prove that no other pairs of all have a lesser
/// sum: 200,000 rows take seconds to a minute, the longer the fewer rows of the one arm are near the other.
///
/// Parameters
/// ----------
/// scores, treatment, covariates, on, caliper, calipers, caliper_unit, caliper_sd, exact, discard, ids, seed, spec
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
#[pyo3(
    signature = (scores, treatment, *, n_threads=None, **options),
    text_signature = "(scores, treatment, *, covariates=None, on='score', caliper=None, calipers=None, \
        caliper_unit='sd', caliper_sd='all', exact=None, discard=None, sample_weight=None, ids=None, seed=0, \
        spec=None, n_threads=None)"
)]
pub fn match_full<'py>(
    py: Python<'py>,
    scores: Option<&Bound<'py, PyAny>>,
    treatment: &Bound<'py, PyAny>,
    n_threads: Option<&Bound<'py, PyAny>>,
    options: Option<&Bound<'py, PyDict>>,
) -> PyResult<FullMatch> {
    let options = Options::of_match_full(options)?;
    let spec = options.full()?;
    let arrays = CandidateArrays::new(scores, treatment, &options)?;
    let (n_rows, calipers) = (arrays.n_rows(), arrays.calipers()?);
    let candidates = arrays.candidates(&calipers)?;
    let found = call::run(py, n_threads, None, |monitor| {
        reserve::room_for(n_rows, needs::OPTIMAL)?;
        matching::full(&candidates, &spec, monitor)
    })?;
    Ok(FullMatch {
        subclass: arrays::row_numbers(py, found.subclass.into_iter()).unbind(),
        n_subclasses: found.n_subclasses,
        drawn: found.drawn,
        total_distance: found.total_distance,
    })
}
