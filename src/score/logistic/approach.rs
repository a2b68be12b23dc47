//! The way to the optimum where covariates are many: an information takes as many times as long as a gradient as there
//! are columns, so that one of them, that at the start, serves for all steps but the last.
//!
//! Steps made of it alone would close a fixed share of the gap each; mixed so that they make the most of all gradients so
//! far (`anderson`) they do as conjugate gradients would with this information for a preconditioner, ten to twenty in
//! all. What they end in is not trusted: Newton's method goes on from there, finds the gradient small and the
//! information that the covariance is made of, or takes the steps that are missing.

use super::likelihood::Likelihood;
use super::warm_start::Anderson;
use crate::error::Result;
use crate::kernels::ScoreEquations;
use crate::linalg::{Cholesky, RANK_TOLERANCE, add, hold_still, largest};
use crate::monitor::Monitor;
use crate::score::newton::Start;
use crate::score::spec::PropensitySpec;
use crate::units::tally::Units;

/// Columns from which on this is the shorter way.
pub const WIDE: usize = 64;

/// Steps, at most, and how many in a row may leave a larger gradient than the least so far: arms that are separated
/// have no optimum to go to.
const MOST_STEPS: usize = 40;
const PATIENCE: usize = 3;

/// Where the gradient is least on the way from `beta`, at which the equations are known, and how many steps it took.
///
/// # Errors
/// [`crate::error::Error::Stopped`], and sums that are no numbers.
pub fn approach<'a, U: Units>(
    likelihood: &Likelihood<'_, '_, U>,
    mut beta: Vec<f64>,
    equations: ScoreEquations,
    spec: &PropensitySpec,
    monitor: &Monitor,
) -> Result<(Start<'a>, usize)> {
    let ScoreEquations { mut gradient, information } = equations;
    let factor = Cholesky::factor(&information, beta.len(), RANK_TOLERANCE, &[])?;
    let (mut mixing, mut steps) = (Anderson::default(), 0);
    let (mut least, mut best, mut best_step) = (f64::INFINITY, beta.clone(), 0);
    loop {
        // 1. How far it is still.
        hold_still(&mut gradient, factor.aliased());
        let norm = largest(&gradient) / likelihood.total;
        if norm < least {
            (least, best_step) = (norm, steps);
            best.clone_from(&beta);
        }
        let is_lost = steps - best_step >= PATIENCE || !norm.is_finite();
        if norm <= spec.tolerance || is_lost || steps == MOST_STEPS {
            return Ok((Start { beta: best, ..Start::default() }, steps));
        }

        // 2. The next step, and the gradient there.
        let mut newton = gradient.clone();
        factor.solve(&mut newton);
        add(&mut beta, 1.0, &mixing.change(gradient, newton));
        gradient = likelihood.gradient(&beta, monitor)?;
        steps += 1;
    }
}
