//! The bootstrap of effects whose models are of numbers and factors, and are refitted over codes: a pass costs a row its
//! columns, however many levels there are.

mod refitting;
mod rows;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::{Estimator, Terms, adjustments};
use crate::checks;
use crate::design::coded::{Coded, NumbersAndFactors, Passes};
use crate::error::Result;
use crate::kernels::padded;
use crate::monitor::Monitor;
use crate::outcome::adjusted_rows::AdjustmentData;
use crate::outcome::coded::{CodedOutcomes, CodedScore, adjusted_means_of_codes, settled};
use crate::outcome::coded::{Resampled, is_open_to_codes};
use crate::resampling::bootstrap::{BootstrapSpec, Replicates};
use crate::resampling::resample::Resample;
use crate::resampling::weighted_bootstrap::Analytic;
use crate::score::links::Link;
use crate::score::logistic::{CodedFit, CodedRefits, fit_codes, to_scores};
use crate::score::spec::PropensitySpec;
use crate::units::frequency::RowWeights;
use crate::units::tally::Rows;
use crate::weighting::coded_ipw::{CodedScoreFit, ipw_of_factors};
use crate::weighting::ipw::IpwData;
use refitting::Refitting;
use rows::{Copies, by_content};

/// The rows of an analysis whose covariates are numbers and factors, in the order they come in.
#[derive(Debug, Clone, Copy)]
pub struct CodedData<'a> {
    pub given: NumbersAndFactors<'a>,
    pub treatment: &'a [bool],
    pub outcome: &'a [f64],
    pub sample_weight: Option<&'a [f64]>,
}

/// What a bootstrap finds.
#[derive(Debug)]
pub struct Bootstrapped {
    pub estimates: Vec<f64>,
    pub terms: Terms,
    pub replicates: Replicates,
    /// Where it was asked for.
    pub analytic: Option<Vec<Analytic>>,
}

/// What is asked of it; `analytic`, whether for what can be said without resampling.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub resample: &'a Resample,
    pub bootstrap: BootstrapSpec,
    pub analytic: bool,
}

/// Whether replicates of all these estimators can be refitted over codes.
#[must_use]
pub fn are_open_to_codes(estimators: &[Estimator], spec: &PropensitySpec) -> bool {
    let is_open = |estimator: &Estimator| match estimator {
        Estimator::Ipw(_) => true,
        Estimator::Adjusted(spec) => is_open_to_codes(spec),
        Estimator::Nearest(_) | Estimator::Balanced { .. } => false,
    };
    spec.link == Link::Logit && !estimators.is_empty() && estimators.iter().all(is_open)
}

/// Estimate effects on the data, and on resamples of them; `None` where codes cannot tell what is collinear, in an arm or
/// altogether.
///
/// # Errors
/// Those of [`super::Pipeline`].
pub fn bootstrap_of_codes(
    data: &CodedData<'_>,
    estimators: &[Estimator],
    spec: &PropensitySpec,
    asked: &Asked<'_>,
    monitor: &Monitor,
) -> Result<Option<Bootstrapped>> {
    check(data, estimators, spec)?;
    // 1. The rows by arm and by level, and the models' designs; the score.
    let copies = Copies::by_arm_and_level(data, estimators)?;
    let given = copies.given(data.given.after);
    let (rows, weight) = (copies.score_rows(), copies.weights());
    let has_score = estimators.iter().any(Estimator::needs_score);
    let score = if has_score { fit_codes(&given, &rows, spec, monitor)? } else { None };
    let has_outcomes = adjustments(estimators).next().is_some();
    let outcome_design = if has_outcomes { settled(&given, rows.sample_weight)? } else { None };
    if score.is_some() != has_score || outcome_design.is_some() != has_outcomes {
        return Ok(None);
    }
    let scores = score.as_ref().map_or_else(
        || Ok(vec![0.5; weight.len()]),
        |fit| {
            let mut scores = fit.design.linear(&fit.theta);
            to_scores(&mut scores);
            checks::scores(&copies.as_they_came(&scores)).map(|()| scores)
        },
    )?;
    let terms = terms(score.as_ref(), outcome_design.as_ref());

    // 2. The estimates, and what can be said of them without resampling.
    let refits = score.as_ref().map(|fit| refits_of_score(fit, &rows, spec));
    let of_rows = copies.adjustment_data();
    let mut outcomes =
        outcome_design.as_ref().map(|design| CodedOutcomes::new(design, of_rows, &weight));
    let full = Resampled { weight: &weight, scores: &scores };
    if let Some(outcomes) = &mut outcomes
        && !outcomes.prepare(adjustments(estimators), full, monitor)?
    {
        return Ok(None);
    }
    let refitting =
        Refitting::new(&copies, &given, (refits, outcomes), (estimators, spec), &scores, monitor);
    let estimates = refitting.full_sample()?;
    let mut found = None;
    if asked.analytic {
        let scores = copies.as_they_came(&scores);
        found = analytic(data, estimators, spec, &scores, asked.resample, monitor)?;
        if found.is_none() {
            return Ok(None);
        }
    }

    // 3. The replicates.
    let replicates = refitting.replicates(&asked.resample_by_content(data), &asked.bootstrap)?;
    Ok(Some(Bootstrapped { estimates, terms, replicates, analytic: found }))
}

/// What there is to say of the columns of both models.
fn terms(score: Option<&CodedFit<'_>>, outcome_design: Option<&Coded<'_>>) -> Terms {
    Terms {
        aliased: score.map(|fit| fit.design.dropped()).unwrap_or_default(),
        diverging: score.map(|fit| fit.diverging.clone()).unwrap_or_default(),
        outcome_aliased: outcome_design.map(Coded::dropped).unwrap_or_default(),
        ..Terms::default()
    }
}

fn refits_of_score<'d, 'x>(
    fit: &'d CodedFit<'x>,
    rows: &Rows<'d>,
    spec: &PropensitySpec,
) -> CodedRefits<'d, 'x> {
    let events = padded(rows.treatment.iter().map(|treated| f64::from(u8::from(*treated))));
    let passes = Arc::new(Passes::new(&fit.design));
    let start = fit.theta.clone();
    CodedRefits::over(passes, events, rows.sample_weight, start, spec.penalty, spec.tolerance)
}

fn check(data: &CodedData<'_>, estimators: &[Estimator], spec: &PropensitySpec) -> Result<()> {
    let CodedData { given, treatment, outcome, sample_weight } = *data;
    given.check()?;
    checks::same_length("treatment", treatment.len(), given.x.nrows())?;
    checks::outcome(outcome, treatment.len())?;
    checks::two_in_each_arm(treatment)?;
    checks::penalty(spec.penalty)?;
    checks::sample_weight(sample_weight, treatment.len())?;
    let terms = given.n_terms() + 1;
    if estimators.iter().any(Estimator::needs_score) {
        checks::enough_rows("score model", treatment.len(), terms, spec.penalty)?;
    }
    if adjustments(estimators).next().is_some() {
        checks::enough_rows_in_each_arm(treatment, terms)?;
    }
    estimators.iter().try_for_each(|estimator| match estimator {
        Estimator::Ipw(ipw) => ipw.check(),
        Estimator::Adjusted(adjusted) => {
            adjusted.check()?;
            adjusted.outcome_model.check(outcome, sample_weight)
        }
        Estimator::Nearest(_) | Estimator::Balanced { .. } => Ok(()),
    })
}

/// The standard error and the acceleration of each estimate; `None` where some are left to the matrix.
fn analytic(
    data: &CodedData<'_>,
    estimators: &[Estimator],
    score: &PropensitySpec,
    scores: &[f64],
    resample: &Resample,
    monitor: &Monitor,
) -> Result<Option<Vec<Analytic>>> {
    let CodedData { given, treatment, outcome, sample_weight } = *data;
    let PropensitySpec { penalty, link, .. } = *score;
    let each = estimators.iter().map(|estimator| {
        let means = if let Estimator::Adjusted(spec) = estimator {
            let rows = AdjustmentData::of_users(treatment, outcome, sample_weight);
            let score = CodedScore { spec: *score, scores: Some(scores) };
            let found = adjusted_means_of_codes(&rows, &[], &given, &score, *spec, monitor)?;
            let Some(found) = found else { return Ok(None) };
            found.first.means
        } else {
            let row_weights = RowWeights::of(sample_weight);
            let rows = IpwData { outcome, treatment, scores, row_weights };
            let fit = CodedScoreFit { given, penalty, link };
            ipw_of_factors(&rows, &[], estimator.weighting(), fit)?.of_first().means
        };
        let [control, treated] = means.influence;
        let influence: Vec<f64> = treated.iter().zip(&control).map(|(t, c)| t - c).collect();
        Ok(Some(Analytic::new(&influence, resample)))
    });
    each.collect()
}

impl Asked<'_> {
    /// Rows take their random numbers in the order of what they hold, as in [`super::Pipeline`].
    fn resample_by_content(&self, data: &CodedData<'_>) -> Resample {
        if self.resample.is_clustered() {
            return self.resample.clone();
        }
        self.resample.taking_rows_in(by_content(data))
    }
}
