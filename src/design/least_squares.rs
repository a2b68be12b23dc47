//! Weighted least squares on a design, by the normal equations, and again for what rounding left over.

use super::covariates::Covariates;
use crate::error::Result;
use crate::linalg::{Cholesky, add, largest};
use crate::monitor::Monitor;

/// Corrections of a solution, at most, and the share of it from which one is worth another: with each the share falls
/// by as much as with the first.
pub const MOST_CORRECTIONS: usize = 5;
pub const WORTH_ANOTHER: f64 = 1e-8;

/// Coefficients, and the last step to them.
#[derive(Debug)]
pub struct Solution {
    pub beta: Vec<f64>,
    pub last: Vec<f64>,
}

/// Solve X'WX b = X'r, with `gradient` = X'r and `left` = r what weighted values leave; leaves what they do before the
/// last step.
///
/// # Errors
/// [`crate::error::Error::Stopped`].
pub fn solve(
    design: &Covariates<'_>,
    information: &Cholesky,
    gradient: Vec<f64>,
    weight: &[f64],
    left: &mut [f64],
    monitor: &Monitor,
) -> Result<Solution> {
    let (mut beta, mut step) = (vec![0.0; gradient.len()], gradient);
    for _ in 0..=MOST_CORRECTIONS {
        monitor.check()?;
        information.solve(&mut step);
        let is_small = largest(&step) <= WORTH_ANOTHER * largest(&beta);
        add(&mut beta, 1.0, &step);
        if is_small {
            break;
        }
        take_off(left, weight, &design.linear(&step));
        step = design.gradient(left);
    }
    Ok(Solution { beta, last: step })
}

/// Take weighted fitted values off weighted values.
pub fn take_off(left: &mut [f64], weight: &[f64], fitted: &[f64]) {
    left.iter_mut().zip(weight).zip(fitted).for_each(|((left, w), m)| *left -= w * m);
}
