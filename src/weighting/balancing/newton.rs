//! Newton's method on the dual of balancing weights, and what it means where it runs away.
//!
//! Weights that balance exist where the target's mean is a mean of the rows that are to be weighed. Otherwise a plane
//! parts the two, and across it the dual rises for ever: its normal names the terms. The method is on its way there
//! when a pivot vanishes, for the weight then lies on rows of one plane, or when its steps stay long; whether a
//! direction is such a normal is then asked of the rows.

use super::dual::{At, Problem};
use crate::design::rank::{in_doubt, presence};
use crate::error::{Error, Result};
use crate::linalg::{
    Cholesky, RANK_TOLERANCE, add, correct_step, dot, go_halfway_back, hold_still, largest,
};
use crate::monitor::Monitor;
use crate::score::logistic::Sample;

/// The largest gradient, over the weights, before the last step: that squares it, and leaves rounding. Whether it did is
/// seen in the weights.
const TOLERANCE: f64 = 1e-7;

/// The same of many rows, of which each look costs the more: it leaves less than anybody will see.
const TOLERANCE_OF_MANY: f64 = 2e-6;

/// Under a penalty, where the weights do not tell.
const TOLERANCE_OF_PENALIZED: f64 = 1e-10;

/// Of the fit of a sample, which is off by 1e-3 or so.
const TOLERANCE_OF_SAMPLE: f64 = 1e-4;

/// Ordinary data take under 10 steps, and those where a level is to weigh nothing about 30.
const MOST_STEPS: usize = 100;

/// From this step on, one that is longer than `LONG` (of a log weight, a standard deviation of some term) may be on its
/// way to infinity.
const PATIENCE: usize = 6;
const LONG: f64 = 1.0;

/// Where it ended, and on which columns.
#[derive(Debug)]
pub struct Optimum<'a, 'x> {
    pub beta: Vec<f64>,
    pub problem: Problem<'a, 'x>,
    pub iterations: usize,
}

/// The fit of all rows, from that of a sample of many.
///
/// # Errors
/// [`Error::Infeasible`], [`Error::NotConverged`], [`Error::Overflow`], [`Error::Stopped`].
pub fn fit<'a, 'x>(
    mut problem: Problem<'a, 'x>,
    sample: Option<&Sample>,
    monitor: &Monitor,
) -> Result<Optimum<'a, 'x>> {
    let tolerance = match (problem.ridge > 0.0, sample) {
        (true, _) => TOLERANCE_OF_PENALIZED,
        (false, None) => TOLERANCE,
        (false, Some(_)) => TOLERANCE_OF_MANY,
    };
    let start = sample.and_then(|sample| start(&problem, sample, monitor));
    let is_warm = start.is_some();
    let beta = start.unwrap_or_else(|| cold(&problem));
    let first = problem.at(&beta, monitor)?;
    // Columns that are collinear over all rows are so over those that are weighed.
    let is_open = problem.ridge == 0.0 && !problem.covariates.is_settled();
    if is_open && in_doubt(&first.equations.information, beta.len()) {
        let there = presence(problem.rows.treatment.len(), problem.rows.sample_weight);
        problem.covariates = problem.covariates.settle(&there)?;
        return fit(problem, sample, monitor);
    }
    let some = sample
        .filter(|_| is_warm)
        .and_then(|sample| Some((problem.sampled(sample)?, sample.share())));
    let found = match maximize(&problem, beta, first, some.as_ref(), tolerance, monitor) {
        // A sample may be parted where all rows are not, and start too far out.
        Err(Error::Infeasible { .. } | Error::NotConverged { .. }) if is_warm => {
            let beta = cold(&problem);
            let first = problem.at(&beta, monitor)?;
            maximize(&problem, beta, first, None, tolerance, monitor)
        }
        found => found,
    };
    let (beta, iterations) = found?;
    Ok(Optimum { beta, problem, iterations })
}

/// The same, up to a smaller gradient: where a level is to weigh nothing each step makes it smaller by a factor alone.
///
/// # Errors
/// Those of [`fit`].
pub fn finish<'a, 'x>(
    found: Optimum<'a, 'x>,
    tolerance: f64,
    monitor: &Monitor,
) -> Result<Optimum<'a, 'x>> {
    let Optimum { beta, problem, iterations } = found;
    let first = problem.at(&beta, monitor)?;
    let (beta, more) = maximize(&problem, beta, first, None, tolerance, monitor)?;
    Ok(Optimum { beta, problem, iterations: iterations + more })
}

/// The sample's fit, itself from that of a part of it; none where it has none.
fn start(problem: &Problem<'_, '_>, sample: &Sample, monitor: &Monitor) -> Option<Vec<f64>> {
    let part = sample.part()?;
    let mut beta = cold(problem);
    for rows in [&part, sample] {
        let some = problem.sampled(rows)?;
        let first = some.at(&beta, monitor).ok()?;
        (beta, _) = maximize(&some, beta, first, None, TOLERANCE_OF_SAMPLE, monitor).ok()?;
    }
    Some(beta)
}

fn cold(problem: &Problem<'_, '_>) -> Vec<f64> {
    let mut beta = vec![0.0; problem.covariates.n_columns() + 1];
    beta[0] = problem.intercept;
    beta
}

/// The maximum, and the steps it took, from where the dual is known. With a sample of the rows, and the share that it
/// is, the first step is corrected: it leaves the cube of what the start was off by, and not its square.
fn maximize(
    problem: &Problem<'_, '_>,
    mut beta: Vec<f64>,
    first: At,
    sample: Option<&(Problem<'_, '_>, f64)>,
    tolerance: f64,
    monitor: &Monitor,
) -> Result<(Vec<f64>, usize)> {
    let (mut known, mut aliased, mut pivots) = (Some(first), Vec::new(), RANK_TOLERANCE);
    let (mut step, mut previous) = (Vec::new(), None::<(Vec<f64>, f64, f64)>);
    for iterations in 1..=MOST_STEPS {
        // 1. The dual here; a step that lost is taken back by half.
        let at = known.take().map_or_else(|| problem.at(&beta, monitor), Ok)?;
        let mut gradient = at.equations.gradient;
        let norm = largest(&gradient) / problem.total;
        if let Some((from, value, before)) = &previous
            && !(norm < *before || at.value >= value - 1e-12 * value.abs())
        {
            go_halfway_back(&mut beta, from);
            continue;
        }

        // 2. Columns that are the same for all rows that are weighed: what is left to balance in them can be by none.
        let information =
            Cholesky::factor(&at.equations.information, beta.len(), pivots, &aliased)?;
        if iterations == 1 {
            (aliased, pivots) = (information.aliased().to_vec(), f64::EPSILON);
            require_within_reach(problem, &information, &gradient)?;
        }
        hold_still(&mut gradient, &aliased);
        let norm = largest(&gradient) / problem.total;

        // 3. A pivot that vanishes: all weight is on rows of one plane.
        if information.aliased() != aliased && norm > tolerance {
            require_off_planes(problem, &information, &aliased, &gradient, monitor)?;
            if let Some((from, ..)) = &previous {
                go_halfway_back(&mut beta, from);
                continue;
            }
        }

        // 4. The step, and done where it comes on top of a gradient that was small enough.
        step = gradient;
        information.solve(&mut step);
        if let (1, Some((some, share))) = (iterations, sample) {
            let third = some.third_derivative(&beta, &step, monitor)?;
            correct_step(&information, third.iter().map(|sum| sum / share).collect(), &mut step);
        }
        let from = beta.clone();
        add(&mut beta, 1.0, &step);
        if norm <= tolerance {
            return Ok((beta, iterations));
        }
        if iterations >= PATIENCE && largest(&step) > LONG {
            require_bounded(problem, &step, monitor)?;
        }
        previous = Some((from, at.value, norm));
    }
    Err(without_end(problem, &step, previous.map_or(f64::INFINITY, |(.., norm)| norm), tolerance))
}

/// What steps without end mean: under a penalty there is a maximum.
fn without_end(
    problem: &Problem<'_, '_>,
    step: &[f64],
    gradient_norm: f64,
    tolerance: f64,
) -> Error {
    if problem.ridge > 0.0 {
        return Error::NotConverged { iterations: MOST_STEPS, gradient_norm, tolerance };
    }
    infeasible(problem, step)
}

/// Require that the dual does not rise for ever across a plane on which all weight has come to lie.
fn require_off_planes(
    problem: &Problem<'_, '_>,
    information: &Cholesky,
    aliased: &[bool],
    gradient: &[f64],
    monitor: &Monitor,
) -> Result<()> {
    for column in (0..gradient.len()).filter(|k| information.aliased()[*k] && !aliased[*k]) {
        let mut normal = information.relation(column);
        if dot(&normal, gradient) < 0.0 {
            for slope in &mut normal {
                *slope = -*slope;
            }
        }
        require_bounded(problem, &normal, monitor)?;
    }
    Ok(())
}

/// Require that in a direction in which the weighed rows do not differ nothing is left to balance.
fn require_within_reach(
    problem: &Problem<'_, '_>,
    information: &Cholesky,
    gradient: &[f64],
) -> Result<()> {
    let mut columns: Vec<usize> = Vec::new();
    for column in (0..gradient.len()).filter(|k| information.aliased()[*k]) {
        let normal = information.relation(column);
        let size: f64 = normal.iter().map(|slope| slope.abs()).sum();
        // A pivot that is next to nothing leaves its root in the rows.
        if dot(&normal, gradient).abs() > 1e-5 * size * problem.total {
            columns.extend(moved_most(problem, &normal));
        }
    }
    columns.sort_unstable();
    columns.dedup();
    if columns.is_empty() { Ok(()) } else { Err(of_columns(problem, columns)) }
}

/// Require that the dual does not rise for ever along a direction.
fn require_bounded(problem: &Problem<'_, '_>, direction: &[f64], monitor: &Monitor) -> Result<()> {
    if problem.ridge == 0.0 && problem.rises_for_ever(direction, monitor)? {
        return Err(infeasible(problem, direction));
    }
    Ok(())
}

fn infeasible(problem: &Problem<'_, '_>, direction: &[f64]) -> Error {
    of_columns(problem, moved_most(problem, direction))
}

fn of_columns(problem: &Problem<'_, '_>, columns: Vec<usize>) -> Error {
    let arm = problem.weighs().map(|arm| if arm { "treated" } else { "control" });
    Error::Infeasible { arm, columns }
}

/// The columns that a direction moves most, a standard deviation each.
fn moved_most(problem: &Problem<'_, '_>, direction: &[f64]) -> Vec<usize> {
    let slopes = problem.covariates.by_standard_deviation(direction);
    let most = largest(&slopes);
    let moved = slopes.iter().enumerate().filter(|(_, slope)| slope.abs() > most / 2.0);
    moved.map(|(column, _)| column).collect()
}
