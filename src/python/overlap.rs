//! Where scores lie, as a function of arrays for Python.

use numpy::{PyArray1, PyArray3, PyArrayMethods};
use pyo3::prelude::*;

use super::{arrays, call, needs};
use crate::balance::{WeightSums, overlap as describe};
use crate::reserve;

/// Where the scores of both arms lie, and what weighting by them would rest on.
///
/// Attributes
/// ----------
/// treated, control : (n1,), (n0,) float64
///     The scores of either arm, ascending.
/// ks : float
///     The largest distance of their distribution functions; 0 where an arm is empty.
/// weights : (5, 2, 4) float64
///     By estimand (ATE, ATT, ATC, ATO, ATM) and arm (control, treated), of the balancing weights of its rows: their sum,
///     that of their squares, the largest, and the sum of the heaviest hundredth.
#[pyclass(frozen, get_all, module = "propensity.core")]
pub struct Overlap {
    treated: Py<PyArray1<f64>>,
    control: Py<PyArray1<f64>>,
    ks: f64,
    weights: Py<PyArray3<f64>>,
}

/// Describe where the scores of both arms lie, of which one may be empty.
///
/// Parameters
/// ----------
/// scores : (n,) array
///     Probabilities of treatment, strictly between 0 and 1.
/// treatment : (n,) array
///     Boolean, or 0 and 1.
/// n_threads : int, optional
///     By default the processors this process may use.
///
/// Returns
/// -------
/// Overlap
///
/// Raises
/// ------
/// InvalidInputError
///     Lengths that differ, missing values, scores outside (0, 1).
///
/// References
/// ----------
/// Weights of Li, Morgan and Zaslavsky (2018), Journal of the American Statistical Association 113:390, Table 1.
#[pyfunction]
#[pyo3(signature = (scores, treatment, *, n_threads=None))]
pub fn overlap(
    py: Python<'_>,
    scores: &Bound<'_, PyAny>,
    treatment: &Bound<'_, PyAny>,
    n_threads: Option<&Bound<'_, PyAny>>,
) -> PyResult<Overlap> {
    let treatment = arrays::treatment(treatment)?;
    let scores = arrays::column("scores", scores)?;
    let scores = scores.as_slice()?;
    let found = call::run(py, n_threads, None, |_| {
        reserve::room_for(treatment.len(), needs::OVERLAP)?;
        describe(scores, &treatment)
    })?;
    let [control, treated] = found.scores.map(|own| PyArray1::from_vec(py, own).unbind());
    let of_arm = |sums: &WeightSums| [sums.total, sums.squares, sums.largest, sums.heaviest];
    let sums = found.weights.iter().flatten().flat_map(of_arm);
    let weights = PyArray1::from_iter(py, sums).reshape([found.weights.len(), 2, 4])?.unbind();
    Ok(Overlap { treated, control, ks: found.ks, weights })
}
