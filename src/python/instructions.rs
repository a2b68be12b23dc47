//! Which instruction set the loops of this process run in.

use pyo3::prelude::*;

use crate::kernels;

/// The instruction set that the inner loops run in: the widest that the processor has, or the one named by
/// the environment variable `PROPENSITY_SIMD` when the first loop ran.
#[pyfunction]
pub fn instruction_set() -> PyResult<&'static str> {
    Ok(kernels::instruction_set()?)
}
