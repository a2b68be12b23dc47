//! Newton's method on the likelihood of any generalized linear model.

use crate::design::covariates::Covariates;
use crate::error::{Error, Result};
use crate::kernels::ScoreEquations;
use crate::linalg::{
    Cholesky, RANK_TOLERANCE, add, correct_step, go_halfway_back, hold_still, largest,
};
use crate::monitor::Monitor;

/// Scores that leave less than this share of the treatment's variance separate the arms.
const SEPARATED: f64 = 1e-6;

/// A last step that moves a coefficient by more than this, in log odds a standard deviation, is looked
/// at: next to an optimum it is under 1e-8.
pub(super) const LONG_STEP: f64 = 1e-3;

/// A last step that moves somebody's log odds by more than this is on its way to infinity, where a level
/// has only treated or only controls: each step then adds about 1.
pub(super) const RUNAWAY: f64 = 0.1;

/// From a gradient this small, over the sum of the weights, a step may lead to the optimum: there the linear
/// predictors are kept, which spares a pass over the units.
const NEAR: f64 = 1e-4;

/// A last step that moves no coefficient by more than this, in log odds a standard deviation, is not taken
/// where the linear predictors without it were kept.
const NEGLIGIBLE: f64 = 1e-11;

/// When Newton's method ends.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The largest entry of the gradient, on standardized covariates, over [`Objective::total`].
    pub tolerance: f64,
    pub max_iterations: usize,
}

/// A log-likelihood of units, with a penalty or without, as a function of the coefficients of their linear predictor.
pub trait Objective {
    /// How many coefficients there are, the intercept included.
    fn n_terms(&self) -> usize;

    /// Each column's coefficient, intercept left out, in terms of a standard deviation of it.
    fn by_standard_deviation(&self, beta: &[f64]) -> Vec<f64>;

    /// What the gradient is measured by: it grows with the weights as its entries do.
    fn total(&self) -> f64;

    /// The linear predictor that is the best of those that are the same for all units.
    fn intercept(&self) -> f64;

    /// The information there of the intercept, where fitted probabilities may run to 0 and 1 until next to nothing of
    /// it is left; none where they cannot.
    fn variance(&self) -> Option<f64>;

    /// Gradient and information; `kept`, unless empty, is filled with the linear predictors of all units.
    ///
    /// # Errors
    /// [`Error::Stopped`], as in all of these.
    fn equations(
        &self,
        beta: &[f64],
        kept: &mut [f64],
        monitor: &Monitor,
    ) -> Result<ScoreEquations>;

    /// What is maximized.
    fn penalized(&self, beta: &[f64], monitor: &Monitor) -> Result<f64>;

    /// The most that a change of the coefficients moves the linear predictor of any unit that counts; of probabilities
    /// their log odds, in which `from` the coefficients before it decide too.
    fn largest_move(&self, from: &[f64], step: &[f64], monitor: &Monitor) -> Result<f64>;
}

/// Where Newton's method ended, on standardized covariates.
#[derive(Debug, Default)]
pub struct Optimum {
    pub beta: Vec<f64>,
    pub information: Cholesky,
    pub gradient_norm: f64,
    pub iterations: usize,
    /// Columns, by their places among those that the design was asked for, whose coefficients were still running off
    /// to infinity: their rows are treated all, or none (quasi-complete separation, Albert and Anderson 1984).
    pub diverging: Vec<usize>,
    /// Whether linear predictors were kept, of these very coefficients.
    pub is_kept: bool,
}

impl Optimum {
    /// Columns that earlier ones explain, by their places likewise.
    pub fn aliased(&self, design: &Covariates<'_>) -> Vec<usize> {
        let columns = self.information.aliased()[1..].iter().enumerate();
        let own =
            columns.filter(|(_, aliased)| **aliased).map(|(column, _)| design.places()[column]);
        let mut aliased: Vec<usize> = own.chain(design.dropped().iter().copied()).collect();
        aliased.sort_unstable();
        aliased
    }
}

/// What takes a step to how the information changes along it.
pub type ThirdDerivative<'a> = dyn Fn(&[f64]) -> Result<Vec<f64>> + 'a;

/// Where to start, and how.
#[derive(Default)]
pub struct Start<'a> {
    pub beta: Vec<f64>,
    /// What [`Objective::equations`] finds there, where that is known already.
    pub equations: Option<ScoreEquations>,
    /// An estimate of how the information changes at these coefficients along a step, times the step.
    pub third: Option<&'a ThirdDerivative<'a>>,
    /// To be added to the units' information where steps are made of it: nothing along what they tell, and all there is
    /// along what they do not, so that nothing moves there.
    pub hold: Option<Vec<f64>>,
}

impl Start<'_> {
    /// The fit of the intercept alone.
    pub fn intercept_only(likelihood: &impl Objective) -> Self {
        let mut beta = vec![0.0; likelihood.n_terms()];
        beta[0] = likelihood.intercept();
        Self { beta, ..Self::default() }
    }
}

/// Maximise from `start`, or from the intercept-only fit.
///
/// # Errors
/// [`Error::Separation`], [`Error::NotConverged`], [`Error::Stopped`].
pub fn maximize(
    likelihood: &impl Objective,
    start: Option<&[f64]>,
    limits: Limits,
    monitor: &Monitor,
) -> Result<Optimum> {
    let start = match start {
        Some(beta) => Start { beta: beta.to_vec(), ..Start::default() },
        None => Start::intercept_only(likelihood),
    };
    maximize_keeping(likelihood, start, &mut [], limits, monitor)
}

/// As [`maximize`]; `kept`, unless empty, holds the linear predictors of all units where the optimum says so.
///
/// # Errors
/// Those of [`maximize`].
pub fn maximize_keeping(
    likelihood: &impl Objective,
    start: Start<'_>,
    kept: &mut [f64],
    limits: Limits,
    monitor: &Monitor,
) -> Result<Optimum> {
    let Start { mut beta, equations: mut known, third, hold } = start;
    let (mut aliased, mut pivots) = (Vec::new(), RANK_TOLERANCE);
    let (mut previous, mut gradient_norm) = (None::<(Vec<f64>, f64)>, f64::INFINITY);
    for iterations in 1..=limits.max_iterations {
        // 1. Gradient and information. Which columns are collinear is settled at the start, where the information is that
        //    of the covariates. A pivot that vanishes later tells of scores at 0 or 1: its gradient still counts.
        let is_near = matches!(previous, Some((_, norm)) if norm <= NEAR);
        let keep = if is_near { &mut *kept } else { &mut [] };
        let equations = known.take().map_or_else(|| likelihood.equations(&beta, keep, monitor), Ok);
        let mut equations = equations?;
        let remaining_variance = equations.information[0];
        add(&mut equations.information, 1.0, hold.as_deref().unwrap_or_default());
        let information = Cholesky::factor(&equations.information, beta.len(), pivots, &aliased);
        if let (Err(_), Some((from, _))) = (&information, &previous) {
            // A step to where an exponential is out of range.
            go_halfway_back(&mut beta, from);
            continue;
        }
        let information = information?;
        if iterations == 1 {
            (aliased, pivots) = (information.aliased().to_vec(), f64::EPSILON);
        }
        hold_still(&mut equations.gradient, &aliased);
        gradient_norm = largest(&equations.gradient) / likelihood.total();

        // 2. A step that overshot is half undone. One to where a pivot vanishes did, unless all is done there, which is
        //    separation.
        let vanished = information.aliased() != aliased && gradient_norm > limits.tolerance;
        if let Some((from, norm)) = &previous
            && (vanished || overshot(likelihood, (from, *norm), (&beta, gradient_norm), monitor)?)
        {
            go_halfway_back(&mut beta, from);
            continue;
        }

        // 3. The step; aliased coefficients stay where they are.
        let third = third.filter(|_| iterations == 1);
        let step = newton_step(&information, equations.gradient, third)?;
        let from = beta.clone();
        add(&mut beta, 1.0, &step);

        // 4. Done: the step just taken comes on top of a gradient that was small enough.
        if gradient_norm <= limits.tolerance {
            let diverging = diverging(likelihood, &from, &step, remaining_variance, monitor)?;
            let is_kept = !kept.is_empty() && largest(&step) <= NEGLIGIBLE;
            let beta = if is_kept { from } else { beta };
            let at = Optimum { beta, information, gradient_norm, iterations, diverging, is_kept };
            return Ok(at);
        }
        previous = Some((from, gradient_norm));
    }
    Err(not_converged(limits, gradient_norm))
}

fn not_converged(limits: Limits, gradient_norm: f64) -> Error {
    let (iterations, tolerance) = (limits.max_iterations, limits.tolerance);
    Error::NotConverged { iterations, gradient_norm, tolerance }
}

/// The step that the information makes of a gradient, by Chebyshev's method where its change along it is known.
fn newton_step(
    information: &Cholesky,
    gradient: Vec<f64>,
    third: Option<&ThirdDerivative<'_>>,
) -> Result<Vec<f64>> {
    let mut step = gradient;
    information.solve(&mut step);
    if let Some(third) = third {
        correct_step(information, third(&step)?, &mut step);
    }
    Ok(step)
}

/// Whether a step made the gradient larger, and the likelihood lower, beyond rounding.
fn overshot(
    likelihood: &impl Objective,
    (from, norm_before): (&[f64], f64),
    (to, norm_after): (&[f64], f64),
    monitor: &Monitor,
) -> Result<bool> {
    if norm_after < norm_before {
        return Ok(false);
    }
    let (before, after) =
        (likelihood.penalized(from, monitor)?, likelihood.penalized(to, monitor)?);
    Ok(!(after >= before - 1e-12 * before.abs()))
}

/// Whether the fitted scores leave next to nothing of the treatment's variance. A penalized optimum
/// always exists.
fn separated(likelihood: &impl Objective, remaining_variance: f64) -> bool {
    likelihood.variance().is_some_and(|variance| remaining_variance < SEPARATED * variance)
}

/// Whether this variance is next to nothing of the treatment's.
pub(super) fn separates(treated: f64, total: f64, remaining_variance: f64) -> bool {
    remaining_variance < SEPARATED * (treated * (total - treated) / total)
}

/// The columns that a last step moves most, where it still moves somebody's log odds.
///
/// # Errors
/// [`Error::Separation`] where scores leave next to nothing of the treatment's variance.
fn diverging(
    likelihood: &impl Objective,
    from: &[f64],
    step: &[f64],
    remaining_variance: f64,
    monitor: &Monitor,
) -> Result<Vec<usize>> {
    let columns = running_off(likelihood, from, step, monitor)?;
    if separated(likelihood, remaining_variance) {
        Err(Error::Separation { columns })
    } else {
        Ok(columns)
    }
}

fn running_off(
    likelihood: &impl Objective,
    from: &[f64],
    step: &[f64],
    monitor: &Monitor,
) -> Result<Vec<usize>> {
    if largest(&step[1..]) <= LONG_STEP || likelihood.largest_move(from, step, monitor)? <= RUNAWAY
    {
        return Ok(Vec::new());
    }
    let changes = likelihood.by_standard_deviation(step);
    let most = largest(&changes);
    let moved = changes.iter().enumerate().filter(|(_, change)| change.abs() > most / 2.0);
    Ok(moved.map(|(column, _)| column).collect())
}
