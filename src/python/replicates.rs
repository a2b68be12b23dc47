//! What a bootstrap gives, for Python.

use numpy::ndarray::Axis;
use numpy::{PyArray1, PyArray2, ToPyArray};
use pyo3::prelude::*;

use super::arrays;
use super::replicated_means::ReplicatedMeans;
use crate::pipeline::Bootstrapped;
use crate::resampling::weighted_bootstrap::Analytic;

/// Bootstrap replicates of k estimators.
///
/// Attributes
/// ----------
/// estimates : (k,) float64
///     On the full sample.
/// replicates : (n_reps, k) float64
///     NaN where a replicate could not be estimated.
/// std_errors : (n_reps, k) float64, or None
///     Of each replicate by itself, by influence values, where asked for; NaN for nearest neighbours.
/// analytic_std_error : (k,) float64
///     On the full sample, by influence values, or of Abadie and Imbens (2016) for nearest neighbours; NaN
///     for these with clusters, and where not asked for.
/// acceleration : (k,) float64
///     Of Efron's BCa interval, from the influence of what is drawn; NaN for nearest neighbours.
/// n_failed : (k,) int64
///     Of each estimator, the replicates in which it could not be estimated.
/// aliased, diverging : (a,), (b,) int64
///     As of `PropensityFit`, of the score model; numbers among the score's columns.
/// outcome_aliased : (c,) int64
///     Columns of the outcome models that earlier ones explain; numbers among theirs.
/// balanced_aliased : list of (b,) int64
///     The same of each estimator that balances, in their order.
/// means : ReplicatedMeans, or None
///     Of either arm, where asked for; the other numbers are then those of their difference.
/// others : list of Replicates
///     Of the further outcomes, in their order.
#[pyclass(frozen, get_all, module = "propensity.core")]
#[allow(clippy::struct_field_names)] // the names Python sees
pub struct Replicates {
    estimates: Py<PyArray1<f64>>,
    replicates: Py<PyArray2<f64>>,
    std_errors: Option<Py<PyArray2<f64>>>,
    analytic_std_error: Py<PyArray1<f64>>,
    acceleration: Py<PyArray1<f64>>,
    n_failed: Py<PyArray1<i64>>,
    aliased: Py<PyArray1<i64>>,
    diverging: Py<PyArray1<i64>>,
    outcome_aliased: Py<PyArray1<i64>>,
    balanced_aliased: Vec<Py<PyArray1<i64>>>,
    means: Option<Py<ReplicatedMeans>>,
    pub(super) others: Vec<Py<Replicates>>,
}

impl Replicates {
    /// Of one outcome. Where errors within replicates were asked for, they stand behind the estimates.
    pub fn of(
        py: Python<'_>,
        found: Bootstrapped,
        studentized: bool,
        means: Option<Py<ReplicatedMeans>>,
    ) -> Self {
        let Bootstrapped { estimates, terms, replicates, analytic } = found;
        let k = estimates.len();
        let analytic = analytic.unwrap_or_else(|| vec![Analytic::NONE; k]);
        let errors = analytic.iter().map(|found| found.std_error);
        let accelerations = analytic.iter().map(|found| found.acceleration.unwrap_or(f64::NAN));
        let (of_each, errors_within) = replicates.estimates.view().split_at(Axis(1), k);
        Self {
            estimates: PyArray1::from_vec(py, estimates).unbind(),
            replicates: of_each.to_pyarray(py).unbind(),
            std_errors: studentized.then(|| errors_within.to_pyarray(py).unbind()),
            analytic_std_error: PyArray1::from_iter(py, errors).unbind(),
            acceleration: PyArray1::from_iter(py, accelerations).unbind(),
            n_failed: numbers(py, replicates.n_failed.into_iter().take(k)),
            aliased: numbers(py, terms.aliased.into_iter()),
            diverging: numbers(py, terms.diverging.into_iter()),
            outcome_aliased: numbers(py, terms.outcome_aliased.into_iter()),
            balanced_aliased: terms
                .balanced_aliased
                .into_iter()
                .map(|dropped| numbers(py, dropped.into_iter()))
                .collect(),
            means,
            others: Vec::new(),
        }
    }
}

fn numbers(py: Python<'_>, found: impl ExactSizeIterator<Item = usize>) -> Py<PyArray1<i64>> {
    arrays::row_numbers(py, found).unbind()
}
