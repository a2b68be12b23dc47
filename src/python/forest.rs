//! Scores of a forest, as functions of arrays for Python.

use numpy::PyArray1;
use pyo3::prelude::*;

use super::{arrays, call, needs, options};
use crate::reserve;
use crate::score::forest::{self, ForestSpec};
use crate::units::tally::Rows;

/// Propensity scores of a random forest, each row's by the trees that have not seen it (out of bag).
///
/// Parameters
/// ----------
/// x : (n, d) array
///     Covariates, at least one, without a constant.
/// treatment : (n,) array
///     Boolean, or 0 and 1.
/// n_trees : int, default 300
///     At most 100,000. Half of a score's spread over seeds is gone with four times as many.
/// min_leaf : int, optional
///     Rows that a leaf holds at least, each as often as it was drawn; by default the larger of 10 and n / 500.
/// sample_weight : (n,) array, optional
///     None negative; trees draw their rows in proportion to it. Rows of weight 0 are scored by all trees.
/// seed : int, default 0
///     From 0 to 2**64 - 1. What a tree draws hangs on the places of the rows.
/// n_threads : int, optional
///     By default the processors this process may use. The scores are the same on any number.
/// progress : callable, optional
///     Called now and then with the number of trees grown.
///
/// Returns
/// -------
/// (n,) float64
///     From 0 to 1, both included: leaves of few rows can be all treated.
///
/// Raises
/// ------
/// InvalidInputError
///     Lengths that differ, missing values, an empty arm, no columns, leaves of more than half of the rows.
/// OutOfBagError
///     Every tree has seen some row; ``n_trees`` of the error would do.
///
/// References
/// ----------
/// Breiman (2001), Machine Learning 45:5; out-of-bag means are his section 3.1.
#[pyfunction]
#[pyo3(signature = (
    x, treatment, *, n_trees=300, min_leaf=None, sample_weight=None, seed=0, n_threads=None, progress=None
))]
#[allow(clippy::too_many_arguments)] // the keyword arguments of a Python function
pub fn forest_scores(
    py: Python<'_>,
    x: &Bound<'_, PyAny>,
    treatment: &Bound<'_, PyAny>,
    #[pyo3(from_py_with = options::n_trees)] n_trees: usize,
    #[pyo3(from_py_with = options::forest_min_leaf)] min_leaf: Option<usize>,
    sample_weight: Option<&Bound<'_, PyAny>>,
    #[pyo3(from_py_with = options::seed)] seed: u64,
    n_threads: Option<&Bound<'_, PyAny>>,
    progress: Option<Py<PyAny>>,
) -> PyResult<Py<PyArray1<f64>>> {
    let x = arrays::floats("x", x)?;
    let treatment = arrays::treatment(treatment)?;
    let weight = sample_weight.map(|weight| arrays::column("sample_weight", weight)).transpose()?;
    let (x, weight) = (x.as_array(), weight.as_ref().map(|w| w.as_slice()).transpose()?);
    let rows = Rows { treatment: &treatment, sample_weight: weight };
    let spec = ForestSpec { n_trees, min_leaf, seed };
    let found = call::run(py, n_threads, progress.as_ref(), |monitor| {
        let forests = rayon::current_num_threads().min(n_trees);
        reserve::room_for(x.len(), needs::FOREST + forests * needs::FOREST_A_THREAD)?;
        forest::forest_scores(x, &rows, &spec, monitor)
    })?;
    Ok(PyArray1::from_vec(py, found).unbind())
}
