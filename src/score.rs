//! Models of the propensity score.

pub mod boosting;
pub mod forest;
pub mod logistic;
