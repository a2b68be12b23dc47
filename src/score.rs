//! Models of the propensity score.

pub mod logistic;
