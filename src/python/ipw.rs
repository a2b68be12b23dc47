use numpy::PyArray1;
use pyo3::prelude::*;

use super::{arrays, call};
use crate::error::{Error, Result};
use crate::estimand::Estimand;

/// An inverse-probability-weighted contrast of n rows.
///
/// Attributes
/// ----------
/// estimate : float
///     ``mean_treated - mean_control``.
/// mean_treated, mean_control : float
///     The weighted means of the outcome.
/// ess_treated, ess_control : float
///     Kish's effective sample sizes, (sum w)^2 / sum w^2.
/// weights : (n,) float64
#[pyclass(frozen, get_all, module = "propensity.core")]
pub struct IpwEstimate {
    estimate: f64,
    mean_treated: f64,
    mean_control: f64,
    ess_treated: f64,
    ess_control: f64,
    weights: Py<PyArray1<f64>>,
}

/// The effect of the treatment by inverse-probability weighting: a difference of weighted means.
///
/// Parameters
/// ----------
/// outcome : (n,) array
/// treatment : (n,) array
///     Boolean, or 0 and 1.
/// scores : (n,) array
///     Probabilities of treatment, strictly between 0 and 1.
/// estimand : {"ATE", "ATT", "ATC"}, default "ATE"
///     Whom the effect is for: everybody, the treated, the controls.
///
/// Returns
/// -------
/// IpwEstimate
///
/// Raises
/// ------
/// InvalidInputError
///     Lengths that differ, missing values, scores outside (0, 1), an empty arm.
///
/// References
/// ----------
/// Hajek (1971); weights of Li, Morgan and Zaslavsky (2018), Journal of the American Statistical
/// Association 113:390, Table 1.
#[pyfunction]
#[pyo3(name = "ipw", signature = (outcome, treatment, scores, *, estimand="ATE"))]
pub fn ipw(
    py: Python<'_>,
    outcome: &Bound<'_, PyAny>,
    treatment: &Bound<'_, PyAny>,
    scores: &Bound<'_, PyAny>,
    estimand: &str,
) -> PyResult<IpwEstimate> {
    let outcome = arrays::column("outcome", outcome)?;
    let treatment = arrays::treatment(treatment)?;
    let scores = arrays::column("scores", scores)?;
    let estimand = parse_estimand(estimand)?;
    let (outcome, scores) = (outcome.as_slice()?, scores.as_slice()?);
    let found =
        call::run(py, None, None, |_| crate::ipw::ipw(outcome, &treatment, scores, estimand))?;
    Ok(IpwEstimate {
        estimate: found.estimate,
        mean_treated: found.mean_treated,
        mean_control: found.mean_control,
        ess_treated: found.ess_treated,
        ess_control: found.ess_control,
        weights: PyArray1::from_vec(py, found.weights).unbind(),
    })
}

pub fn parse_estimand(name: &str) -> Result<Estimand> {
    match name {
        "ATE" => Ok(Estimand::Ate),
        "ATT" => Ok(Estimand::Att),
        "ATC" => Ok(Estimand::Atc),
        _ => Err(Error::Argument {
            name: "estimand",
            found: format!("{name:?}"),
            allowed: "\"ATE\", \"ATT\" or \"ATC\"",
        }),
    }
}
