//! What rows count for, as it comes from Python: sample weights of users, and how many users a row stands for.

use numpy::PyReadonlyArray1;
use pyo3::prelude::*;

use super::arrays;
use crate::checks;
use crate::reserve::room_for;
use crate::units::frequency::RowWeights;

/// Arrays that a `RowWeights` reads.
pub struct Given<'py> {
    sample_weight: Option<PyReadonlyArray1<'py, f64>>,
    frequency: Option<Vec<f64>>,
    /// Their product, where there are both.
    total: Option<Vec<f64>>,
}

/// Read the arguments `sample_weight` and `frequency`.
pub fn given<'py>(
    sample_weight: Option<&Bound<'py, PyAny>>,
    frequency: Option<&Bound<'py, PyAny>>,
) -> PyResult<Given<'py>> {
    let sample_weight =
        sample_weight.map(|weight| arrays::column("sample_weight", weight)).transpose()?;
    let frequency = frequency.map(|users| arrays::own_column("frequency", users)).transpose()?;
    let total = match (&sample_weight, &frequency) {
        (Some(weight), Some(users)) => {
            checks::same_length("frequency", users.len(), weight.len()?)?;
            room_for(users.len(), size_of::<f64>())?;
            Some(weight.as_slice()?.iter().zip(users).map(|(own, users)| own * users).collect())
        }
        _ => None,
    };
    Ok(Given { sample_weight, frequency, total })
}

impl Given<'_> {
    /// What the core reads.
    pub fn row_weights(&self) -> PyResult<RowWeights<'_>> {
        let frequency = self.frequency.as_deref();
        let own = self.sample_weight.as_ref().map(|weight| weight.as_slice()).transpose()?;
        let total = self.total.as_deref().or(own).or(frequency);
        Ok(RowWeights { total, frequency, is_survey: own.is_some() })
    }
}
