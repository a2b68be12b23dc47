//! The logistic score of numbers and factors, by Newton's method over a coded design: the steps are those of
//! [`super::newton`], for Newton's method does not depend on the columns that span a design.

mod likelihood;
mod lone;
mod refits;
#[cfg(test)]
mod slopes_tests;
#[cfg(test)]
mod tests;

use ndarray::Array2;

use super::{check_users, fit_with_scores, log_likelihood, to_scores};
use crate::checks;
use crate::design::arrow::ArrowFactor;
use crate::design::coded::{Coded, NumbersAndFactors, Sums};
use crate::design::factors::Factor;
use crate::error::{Error, Result};
use crate::linalg::{add, go_halfway_back, largest};
use crate::monitor::Monitor;
use crate::reserve;
use crate::score::covariance::Covariance;
use crate::score::fitted::PropensityFit;
use crate::score::links::Link;
use crate::score::newton::{LONG_STEP, RUNAWAY, separates};
use crate::score::spec::{PropensitySpec, penalty_on_users};
use crate::units::frequency::{RowWeights, users_of};
use crate::units::tally::Rows;
use crate::weighting::influence::by_row;
use likelihood::{CodedLikelihood, Equations};
pub(crate) use refits::{Refits, Refitted};

/// The score of `treatment` given numbers and factors, and the scores of these rows: the fit of the matrix that
/// [`NumbersAndFactors::matrix`] makes, which is made only where a number may be collinear with other terms.
///
/// # Errors
/// Those of [`fit_with_scores`]; [`Error::Memory`].
pub fn fit_coded_with_scores(
    given: &NumbersAndFactors<'_>,
    treatment: &[bool],
    row_weights: RowWeights<'_>,
    spec: &PropensitySpec,
    monitor: &Monitor,
) -> Result<(PropensityFit, Vec<f64>)> {
    given.check()?;
    checks::same_length("treatment", treatment.len(), given.x.nrows())?;
    check_users(treatment, row_weights, given.n_terms() + 1, spec)?;
    let rows = Rows { treatment, sample_weight: row_weights.total };
    let penalty = penalty_on_users(row_weights.total, row_weights.frequency, spec.penalty);
    let found = fit_coded(given, &rows, penalty, monitor, |likelihood, first| {
        finish(likelihood, first, row_weights, spec, monitor)
    })?;
    let by_matrix = || {
        reserve::room_for(treatment.len(), 8 * given.n_terms())?;
        fit_with_scores(given.matrix().view(), treatment, row_weights, spec, monitor)
    };
    let (mut fit, scores) = found.map_or_else(by_matrix, Ok)?;
    fit.factors = given.factors.iter().map(Factor::shape).collect();
    fit.after = given.after.to_vec();
    Ok((fit, scores))
}

/// A fit over codes: its design, without the levels that earlier ones explain, and its coefficients there.
#[derive(Debug)]
pub(crate) struct CodedFit<'x> {
    pub design: Coded<'x>,
    pub theta: Vec<f64>,
    /// Terms whose coefficients grow without bound.
    pub diverging: Vec<usize>,
}

/// The coefficients of rows that were checked, with a penalty on all of them together; `None` where codes cannot tell what
/// is collinear.
///
/// # Errors
/// Those of [`fit_coded_with_scores`].
pub(crate) fn fit_codes<'x>(
    given: &NumbersAndFactors<'x>,
    rows: &Rows<'_>,
    spec: &PropensitySpec,
    monitor: &Monitor,
) -> Result<Option<CodedFit<'x>>> {
    fit_coded(given, rows, spec.penalty, monitor, |likelihood, first| {
        let Optimum { theta, diverging, .. } = maximize(likelihood, first, spec, monitor)?;
        Ok(CodedFit { design: likelihood.design.clone(), theta, diverging })
    })
}

/// What `finish` makes of the equations at the fit of the intercept alone; `None` where codes cannot tell what is collinear.
fn fit_coded<'x, T>(
    given: &NumbersAndFactors<'x>,
    rows: &Rows<'_>,
    penalty: f64,
    monitor: &Monitor,
    finish: impl Fn(&CodedLikelihood<'_, 'x>, Equations) -> Result<T>,
) -> Result<Option<T>> {
    let mut design = Coded::new(given, rows.sample_weight)?;
    if penalty == 0.0 {
        let Some(own) = design.unpenalized(rows.sample_weight) else { return Ok(None) };
        design = own;
    }
    let likelihood = CodedLikelihood::new(&design, rows, penalty)?;
    if let Some(first) = likelihood.without_doubt(monitor)? {
        return finish(&likelihood, first).map(Some);
    }
    let collinear = design.collinear_levels(&likelihood.counts()?)?;
    let design = design.without(&collinear).apart(rows.sample_weight);
    let Some(design) = design else { return Ok(None) };
    let likelihood = CodedLikelihood::new(&design, rows, penalty)?;
    let first = likelihood.without_doubt(monitor)?;
    first.map(|first| finish(&likelihood, first)).transpose()
}

/// The fit from the equations at that of the intercept alone.
fn finish(
    likelihood: &CodedLikelihood<'_, '_>,
    first: Equations,
    row_weights: RowWeights<'_>,
    spec: &PropensitySpec,
    monitor: &Monitor,
) -> Result<(PropensityFit, Vec<f64>)> {
    let (design, rows) = (likelihood.design, likelihood.rows);
    let optimum = maximize(likelihood, first, spec, monitor)?;
    let mut scores = design.linear(&optimum.theta);
    let log_likelihood = log_likelihood(&scores, rows);
    to_scores(&mut scores);
    let mut fit = fitted(design, &optimum, spec.penalty, log_likelihood);
    if row_weights.is_survey {
        monitor.check()?;
        fit.sandwich = Some(sandwich(likelihood, &optimum, row_weights, &scores)?);
    }
    Ok((fit, scores))
}

/// Where Newton's method ended.
struct Optimum {
    theta: Vec<f64>,
    information: ArrowFactor,
    gradient_norm: f64,
    iterations: usize,
    diverging: Vec<usize>,
}

fn fitted(
    design: &Coded<'_>,
    optimum: &Optimum,
    penalty: f64,
    log_likelihood: f64,
) -> PropensityFit {
    let (own, half) = optimum.information.inverse();
    let theta = Array2::from_shape_vec((optimum.theta.len(), 1), optimum.theta.clone());
    let coefficients = theta.map(|theta| design.to_callers(&theta)).unwrap_or_default();
    let coefficients: Vec<f64> = coefficients.iter().copied().collect();
    let slopes = coefficients[1..].iter().zip(&design.center);
    let half = design.to_callers(&half);
    PropensityFit {
        link: Link::Logit,
        intercept_at_center: coefficients[0] + slopes.map(|(slope, c)| slope * c).sum::<f64>(),
        covariance: Covariance::of_halves(design.by_term(&own), half.clone() * 0.5, half),
        sandwich: None, // where there are sample weights, for the caller to fill in
        coefficients,
        center: design.center.clone(),
        aliased: design.dropped(),
        diverging: optimum.diverging.clone(),
        log_likelihood,
        iterations: optimum.iterations,
        gradient_norm: optimum.gradient_norm,
        penalty,
        factors: Vec::new(), // these are what the caller knows
        after: Vec::new(),
    }
}

/// V M V on the caller's scale, see [`PropensityFit::sandwich`]: with V = diag(e) + Y Y' it is e M e + e K Y' + Y K' e +
/// Y (Y' K) Y', where K = M Y, and e M e is diagonal.
fn sandwich(
    likelihood: &CodedLikelihood<'_, '_>,
    optimum: &Optimum,
    row_weights: RowWeights<'_>,
    scores: &[f64],
) -> Result<Covariance> {
    let weight = row_weights.total.unwrap_or_default();
    // Weights are divided by the largest, whose square may be out of range, and so is the information.
    let (design, treatment) = (likelihood.design, likelihood.rows.treatment);
    let largest = weight.iter().fold(0.0_f64, |most, w| most.max(*w));
    let square = |i: usize| {
        let residual = f64::from(u8::from(treatment[i])) - scores[i];
        (weight[i] / largest * residual).powi(2) / users_of(row_weights.frequency, i)
    };
    let squares = by_row(scores.len(), square);
    let meat = Sums::of(design, &squares, &squares)?.arrow(design);
    let (mut own, mut half) = optimum.information.inverse();
    for entry in &mut own {
        *entry *= largest;
    }
    half *= largest.sqrt();
    let product = meat.times(&half);
    let inner = half.t().dot(&product);
    let mut left = half.dot(&inner) * 0.5;
    for ((mut row, entry), product) in left.rows_mut().into_iter().zip(&own).zip(product.rows()) {
        row.scaled_add(*entry, &product);
    }
    let n_corner = own.len() - meat.diagonal.len();
    for (entry, diagonal) in own[n_corner..].iter_mut().zip(&meat.diagonal) {
        *entry = entry.powi(2) * diagonal;
    }
    let (left, half) = (design.to_callers(&left), design.to_callers(&half));
    Ok(Covariance::of_halves(design.by_term(&own), left, half))
}

/// Newton's method from the fit of the intercept alone, but for levels that no coefficient can say; see
/// [`super::newton::maximize_keeping`].
fn maximize(
    likelihood: &CodedLikelihood<'_, '_>,
    first: Equations,
    spec: &PropensitySpec,
    monitor: &Monitor,
) -> Result<Optimum> {
    let (mut theta, mut known) = match lone::start(likelihood, spec.tolerance)? {
        Some(theta) => (theta, None),
        None => (likelihood.intercept_only(), Some(first)),
    };
    let mut previous: Option<(Vec<f64>, f64)> = None;
    let mut gradient_norm = f64::INFINITY;
    for iterations in 1..=spec.max_iterations {
        // 1. Gradient and information.
        let Equations { gradient: mut step, norm, information, remaining_variance } =
            known.take().map_or_else(|| likelihood.equations(&theta, monitor), Ok)?;
        let information = information.factor()?;
        gradient_norm = norm / likelihood.total;

        // 2. A step to where a pivot vanishes overshot, unless all is done there, which is separation; one that made
        //    the gradient larger may have: go half the way back.
        let vanished = information.least_pivot <= f64::EPSILON && gradient_norm > spec.tolerance;
        if let Some((from, norm)) = &previous
            && (vanished || (!(gradient_norm < *norm) && likelihood.fell(from, &theta)?))
        {
            go_halfway_back(&mut theta, from);
            continue;
        }

        // 3. The step.
        information.solve(&mut step);
        let from = theta.clone();
        add(&mut theta, 1.0, &step);

        // 4. Done: the step just taken comes on top of a gradient that was small enough.
        if gradient_norm <= spec.tolerance {
            let diverging = diverging(likelihood, &step, remaining_variance)?;
            return Ok(Optimum { theta, information, gradient_norm, iterations, diverging });
        }
        previous = Some((from, gradient_norm));
    }
    let (iterations, tolerance) = (spec.max_iterations, spec.tolerance);
    Err(Error::NotConverged { iterations, gradient_norm, tolerance })
}

/// The terms that a last step moves most, where it still moves somebody's log odds; see [`super::newton`].
fn diverging(
    likelihood: &CodedLikelihood<'_, '_>,
    step: &[f64],
    remaining_variance: f64,
) -> Result<Vec<usize>> {
    let CodedLikelihood { design, rows, total, treated, .. } = likelihood;
    let changes = design.by_standard_deviation(step);
    let most = largest(&changes);
    let mut columns = Vec::new();
    if most > LONG_STEP && design.largest_move(step, rows.sample_weight) > RUNAWAY {
        columns = (0..changes.len()).filter(|term| changes[*term].abs() > most / 2.0).collect();
    }
    if !likelihood.is_penalized() && separates(*treated, *total, remaining_variance) {
        return Err(Error::Separation { columns });
    }
    Ok(columns)
}
