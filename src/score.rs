//! Models of the propensity score.

pub mod boosting;
pub mod forest;
pub(crate) mod generalized;
pub mod logistic;
pub(crate) mod newton;
