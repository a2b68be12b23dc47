//! The columns of a model: a matrix of covariates read in place and standardized, and which of its columns are
//! collinear.

pub mod chunks;
pub mod covariates;
pub mod least_squares;
pub mod moments;
pub mod rank;
