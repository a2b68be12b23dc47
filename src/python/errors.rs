//! One error of the core to one Python exception.

use pyo3::PyErr;
use pyo3::exceptions::{PyKeyboardInterrupt, PyMemoryError};
use pyo3::import_exception;

use crate::error::Error;

import_exception!(propensity.errors, ConvergenceError);
import_exception!(propensity.errors, InfeasibleError);
import_exception!(propensity.errors, InternalError);
import_exception!(propensity.errors, InvalidInputError);
import_exception!(propensity.errors, NoMatchesError);
import_exception!(propensity.errors, OutOfBagError);
import_exception!(propensity.errors, OverlapError);
import_exception!(propensity.errors, SeparationError);

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Argument { .. }
            | Error::Length { .. }
            | Error::NotFinite { .. }
            | Error::NotFiniteColumns { .. }
            | Error::Infinite { .. }
            | Error::Extreme { .. }
            | Error::Levels { .. }
            | Error::OutOfRange { .. }
            | Error::TooFewRows { .. }
            | Error::NoEvents { .. }
            | Error::Overflow
            | Error::EmptyArm { .. }
            | Error::WeightlessArm { .. } => InvalidInputError::new_err(message),
            Error::CertainScores { .. } => OverlapError::new_err(message),
            Error::Outside { arm, columns, rows } => {
                OverlapError::new_err((message, columns, rows, arm == "treated"))
            }
            Error::InEveryBag { rows, enough, .. } => {
                OutOfBagError::new_err((message, rows, enough))
            }
            Error::Separation { columns } => SeparationError::new_err((message, columns)),
            Error::Infeasible { arm, columns } => {
                InfeasibleError::new_err((message, columns, arm.map(|arm| arm == "treated")))
            }
            Error::NotConverged { .. } => ConvergenceError::new_err(message),
            Error::NoMatches { .. } => NoMatchesError::new_err(message),
            // Which columns separate differs from one replicate to the next.
            Error::AllReplicatesFailed { first, .. } => match *first {
                Error::Separation { .. } => SeparationError::new_err(message),
                Error::NoMatches { .. } => NoMatchesError::new_err(message),
                Error::NotConverged { .. } => ConvergenceError::new_err(message),
                _ => InvalidInputError::new_err(message),
            },
            Error::Memory { .. } => PyMemoryError::new_err(message),
            Error::Stopped => PyKeyboardInterrupt::new_err(message),
        }
    }
}
