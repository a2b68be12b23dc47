//! Balancing weights, and the contrast of weighted means with its error.

pub mod balancing;
pub mod estimand;
pub mod influence;
pub mod ipw;
pub mod sizes;
