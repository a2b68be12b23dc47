use numpy::ndarray::{ArrayView2, ArrayViewD, Axis, Ix2};
use numpy::{IxDyn, PyArray1};
use pyo3::prelude::*;

use super::ipw::parse_estimand;
use super::{arrays, call, options};
use crate::error::{Error, Result};
use crate::matching::Focal;
use crate::optimal::{self, OptimalSpec, Points};

/// m pairs without replacement whose distances have the least sum.
///
/// Attributes
/// ----------
/// treated, control : (m,) int64
///     Rows, ascending by treated row, then by control row.
/// distance : (m,) float64
#[pyclass(frozen, get_all, module = "propensity.core")]
pub struct OptimalPairs {
    treated: Py<PyArray1<i64>>,
    control: Py<PyArray1<i64>>,
    distance: Py<PyArray1<f64>>,
}

/// Subclasses of n rows, each a star: one row of an arm, and some of the other.
///
/// Attributes
/// ----------
/// subclass : (n,) int64
///     1 to ``n_subclasses``; 0 for rows without a partner within the caliper.
/// n_subclasses : int
/// total_distance : float
///     From the middle of each star to its rays.
#[pyclass(frozen, get_all, module = "propensity.core")]
pub struct FullMatch {
    subclass: Py<PyArray1<i64>>,
    n_subclasses: usize,
    total_distance: f64,
}

/// Pair rows of both arms without replacement: as many pairs as there can be, and of these the least sum
/// of distances.
///
/// Parameters
/// ----------
/// points : (n,) or (n, d) array
///     What distances are measured on, Euclidean: scores, their log odds, or covariates scaled to taste
///     (those of Mahalanobis once multiplied by the inverse of a root of the covariance). One dimension
///     takes n log n; several compare every row with every other.
/// treatment : (n,) array
///     Boolean, or 0 and 1.
/// estimand : {"ATT", "ATC", "ATE"}, default "ATT"
///     Which arm's rows get ``n_neighbors``; with one neighbour the pairs are the same for all.
/// n_neighbors : int, default 1
///     Pairs that a row of that arm may be in; fewer where donors do not suffice.
/// caliper : float, optional
///     The longest distance allowed, in units of ``points``.
/// exact : (n,) array of int, optional
///     Only rows with the same label are paired.
/// rank : (n,) array of int, optional
///     Which of rows at the same point comes first. By default the first in the array: then the order of
///     rows decides, but only who of those at the same point is whose partner.
/// n_threads : int, optional
///     By default the processors this process may use.
///
/// Returns
/// -------
/// OptimalPairs
///
/// Raises
/// ------
/// NoMatchesError
///     There is no pair within the caliper, and of the same label.
/// InvalidInputError
///     Lengths that differ, missing values, an empty arm, several neighbours for an ATE.
///
/// References
/// ----------
/// Rosenbaum (1989), Journal of the American Statistical Association 84:1024.
#[pyfunction]
#[pyo3(signature = (
    points, treatment, *, estimand="ATT", n_neighbors=1, caliper=None, exact=None, rank=None,
    n_threads=None
))]
#[allow(clippy::too_many_arguments)] // the keyword arguments of a Python function
pub fn match_optimal(
    py: Python<'_>,
    points: &Bound<'_, PyAny>,
    treatment: &Bound<'_, PyAny>,
    estimand: &str,
    #[pyo3(from_py_with = options::n_neighbors)] n_neighbors: usize,
    #[pyo3(from_py_with = options::caliper)] caliper: Option<f64>,
    exact: Option<&Bound<'_, PyAny>>,
    rank: Option<&Bound<'_, PyAny>>,
    n_threads: Option<&Bound<'_, PyAny>>,
) -> PyResult<OptimalPairs> {
    let points = arrays::floats::<IxDyn>("points", points)?;
    let treatment = arrays::treatment(treatment)?;
    let strata = exact.map(|labels| arrays::labels("exact", labels)).transpose()?;
    let rank = rank.map(|rank| arrays::labels("rank", rank)).transpose()?;
    let caliper_width = caliper.unwrap_or(f64::INFINITY);
    let spec = OptimalSpec { caliper_width, uses: uses(estimand, n_neighbors)? };
    let points = Points {
        x: in_columns(points.as_array())?,
        treatment: &treatment,
        strata: strata.as_deref(),
        rank: rank.as_deref(),
    };
    let found = call::run(py, n_threads, None, |monitor| optimal::pairs(&points, &spec, monitor))?;
    Ok(OptimalPairs {
        treated: arrays::row_numbers(py, found.treated.into_iter()).unbind(),
        control: arrays::row_numbers(py, found.control.into_iter()).unbind(),
        distance: PyArray1::from_vec(py, found.distance).unbind(),
    })
}

/// Put every row with a partner into a star, one row of an arm and some of the other: the least sum of
/// distances between the middle of a star and its rays.
///
/// Parameters
/// ----------
/// points, treatment, caliper, exact, rank, n_threads
///     As for `match_optimal`.
///
/// Returns
/// -------
/// FullMatch
///
/// Raises
/// ------
/// NoMatchesError
///     There is no pair within the caliper, and of the same label.
/// InvalidInputError
///     Lengths that differ, missing values, an empty arm.
///
/// References
/// ----------
/// Rosenbaum (1991), Journal of the Royal Statistical Society B 53:597. Hansen and Klopfer (2006), Journal
/// of Computational and Graphical Statistics 15:609.
#[pyfunction]
#[pyo3(signature = (
    points, treatment, *, caliper=None, exact=None, rank=None, n_threads=None
))]
pub fn match_full(
    py: Python<'_>,
    points: &Bound<'_, PyAny>,
    treatment: &Bound<'_, PyAny>,
    #[pyo3(from_py_with = options::caliper)] caliper: Option<f64>,
    exact: Option<&Bound<'_, PyAny>>,
    rank: Option<&Bound<'_, PyAny>>,
    n_threads: Option<&Bound<'_, PyAny>>,
) -> PyResult<FullMatch> {
    let points = arrays::floats::<IxDyn>("points", points)?;
    let treatment = arrays::treatment(treatment)?;
    let strata = exact.map(|labels| arrays::labels("exact", labels)).transpose()?;
    let rank = rank.map(|rank| arrays::labels("rank", rank)).transpose()?;
    let width = caliper.unwrap_or(f64::INFINITY);
    let points = Points {
        x: in_columns(points.as_array())?,
        treatment: &treatment,
        strata: strata.as_deref(),
        rank: rank.as_deref(),
    };
    let found = call::run(py, n_threads, None, |monitor| optimal::full(&points, width, monitor))?;
    Ok(FullMatch {
        subclass: arrays::row_numbers(py, found.subclass.into_iter()).unbind(),
        n_subclasses: found.n_subclasses,
        total_distance: found.total_distance,
    })
}

/// n numbers as one column.
fn in_columns(points: ArrayViewD<'_, f64>) -> Result<ArrayView2<'_, f64>> {
    let found = format!("of {} dimensions", points.ndim());
    let points = if points.ndim() == 1 { points.insert_axis(Axis(1)) } else { points };
    points.into_dimensionality::<Ix2>().map_err(|_| Error::Argument {
        name: "points",
        found,
        allowed: "(n,) or (n, d)",
    })
}

/// How often a row of each arm may be in a pair, control first.
fn uses(estimand: &str, n_neighbors: usize) -> Result<[usize; 2]> {
    match Focal::try_from(parse_estimand(estimand)?)? {
        Focal::Treated => Ok([1, n_neighbors]),
        Focal::Control => Ok([n_neighbors, 1]),
        Focal::Both if n_neighbors == 1 => Ok([1, 1]),
        Focal::Both => Err(Error::Argument {
            name: "n_neighbors",
            found: n_neighbors.to_string(),
            allowed: "1 for optimal pairs for an ATE",
        }),
    }
}
