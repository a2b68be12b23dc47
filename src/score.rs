//! Models of the propensity score.

pub mod boosting;
pub mod covariance;
pub mod fitted;
pub mod forest;
pub(crate) mod generalized;
pub mod linked;
pub mod links;
pub mod logistic;
pub(crate) mod newton;
pub mod spec;
