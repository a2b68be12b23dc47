//! Outcome models, and the estimators made with them.

pub mod adjustment;
pub mod doubly_robust;
pub mod model;
pub mod origin;
