//! Specifications of estimators, read by their attributes.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use super::match_spec::Options;
use super::{options, words};
use crate::error::Error;
use crate::pipeline::Estimator;
use crate::weighting::balancing::BalancingSpec;
use crate::weighting::ipw::IpwSpec;

/// A specification is any object with the attributes of `propensity.IPW` or, when it has `n_neighbors`,
/// of `propensity.NearestNeighbors`, or else, when it has `method`, of `propensity.AIPW` and its like, or of
/// `propensity.Balancing`.
pub fn estimator(object: &Bound<'_, PyAny>) -> PyResult<Estimator> {
    let estimand = object.getattr_opt("estimand")?.and_then(|name| name.extract::<String>().ok());
    let Some(estimand) = estimand else {
        let found = object.repr()?;
        let message = format!("estimators: {found} is no specification such as propensity.IPW()");
        return Err(PyTypeError::new_err(message));
    };
    if object.hasattr("n_neighbors")? {
        return nearest(object);
    }
    let Some(method) = object.getattr_opt("method")? else {
        let truncate = object.getattr_opt("truncate")?;
        let truncate = truncate.map_or(Ok(None), |truncate| options::truncate(&truncate))?;
        let estimand = words::estimand(&estimand)?;
        return Ok(Estimator::Ipw(IpwSpec { estimand, truncate }));
    };
    let method: String = method.extract()?;
    if let Ok(method) = words::balancing(&method) {
        let penalty = options::penalty(&object.getattr("penalty")?)?;
        let spec = BalancingSpec { estimand: words::estimand(&estimand)?, method, penalty };
        return Ok(Estimator::Balanced { spec, terms: 0 });
    }
    let model = object.getattr("outcome_model")?.extract::<String>().map_err(|_| {
        PyTypeError::new_err(
            "estimators: outcome_model must be \"linear\", \"logistic\", \"poisson\" or \"gamma\" in a bootstrap",
        )
    })?;
    Ok(Estimator::Adjusted(words::adjustment(&method, &estimand, &model)?))
}

fn nearest(object: &Bound<'_, PyAny>) -> PyResult<Estimator> {
    if let Some(spec) = Options::of_spec(object).on_scores_alone()? {
        return Ok(Estimator::Nearest(spec));
    }
    let found = object.getattr_opt("label")?.map_or_else(|| object.repr(), |label| label.str())?;
    let allowed = "with replacement on the score or logit, with one caliper, where they match";
    Err(Error::Argument { name: "estimators", found: found.to_string(), allowed }.into())
}
