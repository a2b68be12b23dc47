//! How far a hidden confounder could move an estimate.

pub mod fractional;
