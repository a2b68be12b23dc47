//! Score models by their link: the logistic one by its own likelihood, in SIMD, others by that of any generalized linear
//! model.

use crate::design::coded::NumbersAndFactors;
use crate::design::covariates::Covariates;
use crate::design::factors::Factor;
use crate::design::rank::presence;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::monitor::Monitor;
use crate::reserve::room_for;
use crate::score::covariance::Covariance;
use crate::score::fitted::{PropensityFit, sandwich, to_callers_scale};
use crate::score::generalized::{Family, Generalized, Terms};
use crate::score::links::Link;
use crate::score::logistic::{self, Likelihood, Sweep, standardized_penalty};
use crate::score::newton::{Optimum, maximize};
use crate::score::spec::{PropensitySpec, penalty_on_users};
use crate::units::frequency::RowWeights;
use crate::units::tally::{Rows, Units};
use crate::weighting::influence::sum_by_row;

/// An arm with no more than this share of the weight vanishes beside the other in sums of 53 bits.
const WEIGHTLESS: f64 = 1e-12;

/// Units of treated and controls, so many of each.
#[derive(Debug)]
pub struct Counts {
    link: Link,
    counts: Vec<[f64; 2]>,
}

impl Family for Counts {
    fn at(&self, unit: usize, eta: f64) -> Terms {
        let [control, treated] = self.counts[unit];
        let mut sum = Terms::default();
        for (count, arm) in [(control, false), (treated, true)] {
            if count > 0.0 {
                let Terms { value, slope, fall } = self.link.terms(arm, eta);
                sum.value += count * value;
                sum.slope += count * slope;
                sum.fall += count * fall;
            }
        }
        sum
    }

    fn counts(&self, unit: usize) -> bool {
        self.counts[unit].iter().any(|count| *count > 0.0)
    }

    fn log_odds_slope(&self, eta: f64) -> f64 {
        self.link.log_odds_slope(eta)
    }
}

/// The likelihood of a score model over standardized covariates.
///
/// # Errors
/// [`Error::WeightlessArm`].
fn likelihood<'a, 'x, U: Units>(
    covariates: &'a Covariates<'x>,
    units: &U,
    link: Link,
    penalty: f64,
) -> Result<Generalized<'a, 'x, Counts>> {
    let tallies = (0..units.len()).map(|unit| units.tally(unit));
    let counts: Vec<[f64; 2]> = tallies.map(|tally| [tally.control, tally.treated]).collect();
    let [control, treated] = counts.iter().fold([0.0; 2], |[c, t], own| [c + own[0], t + own[1]]);
    let total = control + treated;
    for (arm, weight) in [("treated", treated), ("control", control)] {
        if !(weight > WEIGHTLESS * total) {
            return Err(Error::WeightlessArm { arm });
        }
    }
    let intercept = link.linear_predictor(treated / total);
    let [of_control, of_treated] = [false, true].map(|arm| link.terms(arm, intercept).fall);
    let variance = control * of_control + treated * of_treated;
    Ok(Generalized {
        covariates,
        family: Counts { link, counts },
        ridge: standardized_penalty(covariates, penalty),
        total,
        intercept,
        variance: (penalty == 0.0).then_some(variance),
    })
}

/// The fit of units, from these coefficients or the intercept alone; `sweep` says whether logistic ones use all threads.
///
/// # Errors
/// Those of [`maximize`], [`Error::WeightlessArm`].
pub fn maximum<U: Units>(
    covariates: &Covariates<'_>,
    units: &U,
    start: Option<&[f64]>,
    spec: &PropensitySpec,
    sweep: Sweep,
    monitor: &Monitor,
) -> Result<Optimum> {
    if spec.link == Link::Logit {
        let likelihood = Likelihood::new(covariates, units, spec.penalty, sweep)?;
        return maximize(&likelihood, start, spec.limits(), monitor);
    }
    let likelihood = likelihood(covariates, units, spec.link, spec.penalty)?;
    maximize(&likelihood, start, spec.limits(), monitor)
}

/// The same given numbers and factors: by their codes where the link is the logistic one, and by the matrix that they stand
/// for where it is another.
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
    if spec.link == Link::Logit {
        return logistic::fit_coded_with_scores(given, treatment, row_weights, spec, monitor);
    }
    given.check()?;
    room_for(treatment.len(), size_of::<f64>() * given.n_terms())?;
    let x = given.matrix();
    let (mut fit, scores) = fit_with_scores(x.view(), treatment, row_weights, spec, monitor)?;
    fit.factors = given.factors.iter().map(Factor::shape).collect();
    fit.after = given.after.to_vec();
    Ok((fit, scores))
}

/// Fit the score of `treatment` given the rows of `x` (an intercept is always added); gives the scores of these rows as
/// well.
///
/// # Errors
/// Lengths that differ, values that are not finite, an empty arm, separation, no convergence.
pub fn fit_with_scores<'a>(
    x: impl Into<Matrix<'a>>,
    treatment: &[bool],
    row_weights: RowWeights<'_>,
    spec: &PropensitySpec,
    monitor: &Monitor,
) -> Result<(PropensityFit, Vec<f64>)> {
    let x = x.into();
    if spec.link == Link::Logit {
        return logistic::fit_with_scores(x, treatment, row_weights, spec, monitor);
    }
    logistic::check(&x, treatment, row_weights, spec)?;
    let sample_weight = row_weights.total;
    let mut design = Covariates::standardized_among(x.clone(), sample_weight)?;
    let center = design.center.clone();
    if spec.penalty == 0.0 {
        design = design.settled(&presence(x.nrows(), sample_weight))?;
    }
    let rows = Rows { treatment, sample_weight };
    let penalty = penalty_on_users(sample_weight, row_weights.frequency, spec.penalty);
    let of_units = PropensitySpec { penalty, ..*spec };
    let optimum = maximum(&design, &rows, None, &of_units, Sweep::Parallel, monitor)?;
    let (map, information) = (to_callers_scale(&center, &design), optimum.information.clone());
    let mut fit = PropensityFit::new(center, &design, &map, optimum, spec);
    let eta = fit.linear_predictor(x.clone())?;
    let of_row = |row: usize| spec.link.terms(treatment[row], eta[row]);
    let value = |row: usize| {
        let weight = row_weights.total(row);
        if weight > 0.0 { weight * of_row(row).value } else { 0.0 }
    };
    fit.log_likelihood = sum_by_row(eta.len(), value);
    if row_weights.is_survey {
        monitor.check()?;
        let is_there = |row: usize| row_weights.total(row) > 0.0;
        let residual = |row: usize| if is_there(row) { of_row(row).slope } else { 0.0 };
        fit.sandwich =
            Some(Covariance::Full(sandwich(&design, &map, &information, row_weights, residual)));
    }
    let scores = fit.predict(x)?;
    Ok((fit, scores))
}
