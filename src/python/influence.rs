//! The bootstrap of influence values, as functions of arrays for Python.

use numpy::PyArray1;
use pyo3::prelude::*;

use super::{arrays, call, needs, options};
use crate::resampling::bootstrap::BootstrapSpec;
use crate::resampling::weighted_bootstrap;
use crate::reserve;

/// Bootstrap an estimate by the influence values of its rows, without estimating anything again.
///
/// Each replicate is the mean over rows of (weight - 1) times influence, the first-order change of the
/// estimate: add the estimate to it. Its variance is that of the sandwich, sum of squared influence over
/// n^2. For matching, whose plain bootstrap fails, this one is valid (Otsu and Rai 2017).
///
/// Parameters
/// ----------
/// influence : (n,) array
///     n times the derivative of the estimate in each row's weight; measured from its mean.
/// resampling : {"multinomial", "poisson", "bayesian"}, default "multinomial"
///     As in `bootstrap`.
/// cluster, strata : (n,) array of integers, optional
///     As in `bootstrap`.
/// n_reps : int, default 2000
///     Replicates are cheap here: enough for a 95% percentile interval.
/// seed : int, default 0
///     As in `bootstrap`: replicate r of a seed weighs the rows as its replicate r does.
/// n_threads : int, optional
///     By default the processors this process may use.
/// progress : callable, optional
///     Called with the number of replicates done, at most 20 times a second, and at the end.
///
/// Returns
/// -------
/// (n_reps,) float64
///
/// Raises
/// ------
/// InvalidInputError
///     Lengths that differ, missing values, labels that cannot be drawn.
///
/// References
/// ----------
/// Otsu and Rai (2017), Journal of the American Statistical Association 112:1720.
#[pyfunction]
#[pyo3(signature = (
    influence, *, resampling="multinomial", cluster=None, strata=None, n_reps=2000, seed=0,
    n_threads=None, progress=None
))]
#[allow(clippy::too_many_arguments)] // the keyword arguments of a Python function
pub fn bootstrap_influence<'py>(
    py: Python<'py>,
    influence: &Bound<'py, PyAny>,
    resampling: &str,
    cluster: Option<&Bound<'py, PyAny>>,
    strata: Option<&Bound<'py, PyAny>>,
    #[pyo3(from_py_with = options::n_reps)] n_reps: usize,
    #[pyo3(from_py_with = options::seed)] seed: u64,
    n_threads: Option<&Bound<'py, PyAny>>,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let influence = arrays::column("influence", influence)?;
    let influence = influence.as_slice()?;
    let resample = super::bootstrap::resample(resampling, influence.len(), cluster, strata)?;
    let spec = BootstrapSpec { n_reps, seed };
    let found = call::run(py, n_threads, progress.as_ref(), |monitor| {
        reserve::room_for(n_reps, needs::REPLICATE)?;
        let threads = rayon::current_num_threads();
        reserve::room_for(influence.len(), needs::INFLUENCE + threads * needs::INFLUENCE_A_THREAD)?;
        weighted_bootstrap::bootstrap_influence(influence, &resample, &spec, monitor)
    })?;
    Ok(PyArray1::from_vec(py, found.estimates.into_raw_vec_and_offset().0))
}
