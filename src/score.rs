//! Models of the propensity score.

pub mod boosting;
pub mod logistic;
