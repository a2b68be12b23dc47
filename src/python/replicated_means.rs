//! The replicates of the two arms' means, for Python.

use numpy::ndarray::{Array2, Array3, ArrayView2, Axis};
use numpy::{PyArray2, PyArray3, ToPyArray};
use pyo3::prelude::*;

use crate::error::Result;
use crate::monitor::Monitor;
use crate::pipeline::{
    ArmMoments, ArmPipeline, Asked, Beside, Bootstrapped, BootstrappedMeans, Data, Estimator,
};
use crate::resampling::bootstrap::Replicates;
use crate::score::spec::PropensitySpec;

/// The means of both arms, control first, by k estimators: of the outcome, or of what it is per another.
///
/// Attributes
/// ----------
/// estimates : (k, 2) float64
///     On the full sample.
/// replicates : (n_reps, k, 2) float64
///     NaN where a replicate could not be estimated.
/// covariances : (n_reps, k, 3) float64, or None
///     Within each replicate, by influence values, where asked for (`studentized`): the variance of the control's mean,
///     the covariance, the variance of the treated's; NaN for nearest neighbours.
/// analytic_covariance : (k, 3) float64
///     The same of the full sample, where asked for (`analytic`); of Abadie and Imbens (2016) for nearest neighbours,
///     NaN for these with clusters.
/// products : (k, 7) float64
///     Sums over what is drawn of products of the influence c on the control's mean and t on the treated's: cc, ct, tt,
///     ccc, cct, ctt, ttt. What Efron's acceleration of any contrast is made of; NaN as above, and for nearest neighbours.
#[pyclass(frozen, get_all, module = "propensity.core")]
pub struct ReplicatedMeans {
    estimates: Py<PyArray2<f64>>,
    replicates: Py<PyArray3<f64>>,
    covariances: Option<Py<PyArray3<f64>>>,
    analytic_covariance: Py<PyArray2<f64>>,
    products: Py<PyArray2<f64>>,
}

impl BootstrappedMeans {
    /// Over the matrix of an analysis.
    pub(super) fn of_matrix<'a>(
        (data, beside): (Data<'a>, Beside<'a, '_>),
        estimators: &'a [Estimator],
        spec: PropensitySpec,
        asked: &Asked<'_>,
        monitor: &Monitor,
    ) -> Result<Self> {
        let Asked { resample, bootstrap, analytic, studentized } = asked;
        let pipeline = ArmPipeline::new(data, beside, estimators, spec, monitor)?;
        let none = || Ok(vec![ArmMoments::NONE; pipeline.estimates.len()]);
        let analytic = if *analytic { pipeline.analytic(resample) } else { none() }?;
        let replicates = if *studentized {
            pipeline.bootstrap_with_errors(resample, bootstrap)?
        } else {
            pipeline.bootstrap(resample, bootstrap)?
        };
        let ArmPipeline { estimates, terms, .. } = pipeline;
        Ok(Self { estimates, terms, replicates, analytic })
    }

    /// Those of each of so many outcomes.
    pub(super) fn by_outcome(self, n_outcomes: usize) -> Vec<Self> {
        let k = self.estimates.len() / n_outcomes;
        let own = &self.replicates.estimates;
        let covariances = own.ncols() - 2 * k * n_outcomes;
        let of_outcome = |outcome: usize| {
            let (first, behind) = (2 * k * outcome, covariances / n_outcomes);
            let width = 2 * k + behind;
            let estimates = Array2::from_shape_fn((own.nrows(), width), |(rep, column)| {
                let errors = 2 * k * n_outcomes + behind * outcome;
                own[(rep, if column < 2 * k { first + column } else { errors + column - 2 * k })]
            });
            let n_failed = self.replicates.n_failed[first..first + 2 * k].to_vec();
            Self {
                estimates: self.estimates[k * outcome..k * (outcome + 1)].to_vec(),
                terms: self.terms.clone(),
                replicates: Replicates { estimates, n_failed },
                analytic: self.analytic[k * outcome..k * (outcome + 1)].to_vec(),
            }
        };
        (0..n_outcomes).map(of_outcome).collect()
    }

    /// What there is to say of the differences of means.
    pub(super) fn differences(&self, studentized: bool) -> Bootstrapped {
        let k = self.estimates.len();
        let own = &self.replicates.estimates;
        let width = if studentized { 2 * k } else { k };
        let estimates = Array2::from_shape_fn((own.nrows(), width), |(rep, column)| {
            let place = column % k;
            if column < k {
                own[(rep, 2 * place + 1)] - own[(rep, 2 * place)]
            } else {
                let at = |part: usize| own[(rep, 2 * k + 3 * place + part)];
                (at(0) - 2.0 * at(1) + at(2)).sqrt()
            }
        });
        let n_failed = self.replicates.n_failed.iter().step_by(2).copied().collect();
        Bootstrapped {
            estimates: self.estimates.iter().map(|[control, treated]| treated - control).collect(),
            terms: self.terms.clone(),
            replicates: Replicates { estimates, n_failed },
            analytic: Some(self.analytic.iter().map(ArmMoments::of_difference).collect()),
        }
    }

    pub(super) fn means(&self, py: Python<'_>, studentized: bool) -> PyResult<Py<ReplicatedMeans>> {
        let k = self.estimates.len();
        let (means, covariances) = self.replicates.estimates.view().split_at(Axis(1), 2 * k);
        let rows = |own: &dyn Fn(&ArmMoments, usize) -> f64, width: usize| {
            Array2::from_shape_fn((k, width), |(place, column)| own(&self.analytic[place], column))
                .to_pyarray(py)
                .unbind()
        };
        let estimates = Array2::from_shape_fn((k, 2), |(place, arm)| self.estimates[place][arm]);
        let found = ReplicatedMeans {
            estimates: estimates.to_pyarray(py).unbind(),
            replicates: by_estimator(means, k).to_pyarray(py).unbind(),
            covariances: studentized.then(|| by_estimator(covariances, k).to_pyarray(py).unbind()),
            analytic_covariance: rows(&|own, column| own.covariance[column], 3),
            products: rows(&|own, column| own.products[column], 7),
        };
        Py::new(py, found)
    }
}

/// Numbers that stand side by side, those of each of k estimators together.
fn by_estimator(values: ArrayView2<'_, f64>, k: usize) -> Array3<f64> {
    let width = values.ncols() / k;
    let of = |(rep, place, column)| values[(rep, place * width + column)];
    Array3::from_shape_fn((values.nrows(), k, width), of)
}
