//! Balancing weights, and the contrast of weighted means with its error.

pub mod balancing;
pub mod coded_influence;
pub mod coded_ipw;
pub mod estimand;
pub mod given;
pub mod influence;
pub mod ipw;
pub mod ipw_outcomes;
pub mod sizes;
pub mod truncation;
