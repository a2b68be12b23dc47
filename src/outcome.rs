//! Outcome models, and the estimators made with them.

pub mod adjusted_rows;
pub mod adjustment;
pub mod coded;
pub mod doubly_robust;
pub mod fit;
pub mod kinds;
mod log_link;
pub mod model;
pub mod origin;
pub mod several;
mod several_fits;
