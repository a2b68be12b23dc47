//! The columns of a model: a matrix of covariates read in place and standardized, factors as codes beside it, and which
//! of their terms are collinear.

pub mod arrow;
pub mod chunks;
pub mod coded;
pub mod covariates;
pub mod factors;
pub mod least_squares;
pub mod moments;
pub mod rank;
pub mod vectors;
