//! Models of the propensity score.

pub mod forest;
pub mod logistic;
