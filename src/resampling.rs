//! The bootstrap: how a replicate weighs the rows, and the parallel run over replicates.

pub mod bootstrap;
pub mod crowd;
pub mod resample;
pub mod stream;
pub mod urn;
pub mod variates;
pub mod weighted_bootstrap;
