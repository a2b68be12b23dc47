//! The bootstrap of effects whose models are of numbers and factors, and are refitted over codes: a pass costs a row its
//! columns, however many levels there are.

mod errors;
mod refitting;
mod rows;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::arm_errors::{ArmMoments, influence_on_ratio};
use super::arm_means::{Beside, BootstrappedMeans, numbered};
use super::{Estimator, Terms, adjustments};
use crate::checks;
use crate::design::coded::{Coded, NumbersAndFactors, Passes};
use crate::error::Result;
use crate::kernels::padded;
use crate::monitor::Monitor;
use crate::outcome::adjusted_rows::AdjustmentData;
use crate::outcome::adjustment::AdjustmentSpec;
use crate::outcome::coded::{CodedOutcomes, CodedScore, adjusted_means_of_codes, settled};
use crate::outcome::coded::{Resampled, is_open_to_codes};
use crate::outcome::origin::Measured;
use crate::resampling::bootstrap::{BootstrapSpec, Replicates};
use crate::resampling::resample::Resample;
use crate::resampling::weighted_bootstrap::Analytic;
use crate::score::links::Link;
use crate::score::logistic::{CodedFit, CodedRefits, fit_codes, to_scores};
use crate::score::spec::PropensitySpec;
use crate::units::frequency::RowWeights;
use crate::units::tally::Rows;
use crate::weighting::coded_ipw::{CodedScoreFit, ipw_of_factors};
use crate::weighting::influence::ArmMeans;
use crate::weighting::ipw::IpwData;
use refitting::{Refitting, Wanted};
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

/// What is asked of it; `analytic`, whether for what can be said without resampling, and `studentized`, whether for errors
/// within each replicate.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub resample: &'a Resample,
    pub bootstrap: BootstrapSpec,
    pub analytic: bool,
    pub studentized: bool,
}

/// Whether replicates of all these estimators can be refitted over codes, and have errors of their own where these are
/// asked for.
#[must_use]
pub fn are_open_to_codes(
    estimators: &[Estimator],
    spec: &PropensitySpec,
    studentized: bool,
) -> bool {
    let is_open = |estimator: &Estimator| match estimator {
        Estimator::Ipw(_) => true,
        Estimator::Adjusted(spec) => !studentized && is_open_to_codes(spec),
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
    check(data, data.outcome, estimators, spec)?;
    let CodedData { outcome, sample_weight, .. } = *data;
    let asks_for_zero = |spec: &AdjustmentSpec| !spec.outcome_model.takes_any_origin();
    let measured = if adjustments(estimators).any(asks_for_zero) {
        Measured::from_zero(outcome)
    } else {
        Measured::from_their_middle(outcome, sample_weight)
    };
    let measured = [measured.values];
    let (data, outcomes, wanted) = (*data, &measured[..], Wanted::Differences);
    let analysis = Analysis { data, outcomes, wanted, estimators, spec, asked, monitor };
    let Some(found) = analysis.bootstrap(outcome, |means, _| {
        let [control, treated] = &means[0].influence;
        let influence: Vec<f64> = treated.iter().zip(control).map(|(t, c)| t - c).collect();
        Analytic::new(&influence, asked.resample)
    })?
    else {
        return Ok(None);
    };
    let Found { estimates, terms, replicates, analytic } = found;
    Ok(Some(Bootstrapped { estimates, terms, replicates, analytic }))
}

/// The same of the means of both arms, as of [`super::ArmPipeline`].
///
/// # Errors
/// Those of [`super::ArmPipeline`].
pub fn means_of_codes(
    data: &CodedData<'_>,
    beside: Beside<'_, '_>,
    estimators: &[Estimator],
    spec: &PropensitySpec,
    asked: &Asked<'_>,
    monitor: &Monitor,
) -> Result<Option<BootstrappedMeans>> {
    check(data, data.outcome, estimators, spec)?;
    for (name, other) in beside.columns() {
        checks::same_length(name, other.len(), data.treatment.len())?;
        checks::finite(name, other)?;
        check(data, other, estimators, spec)?;
    }
    let others = beside.columns().map(|(_, other)| other);
    let outcomes: Vec<&[f64]> = std::iter::once(data.outcome).chain(others).collect();
    let n_outcomes = 1 + beside.others.len();
    let wanted = Wanted::Means { n_outcomes };
    let data = *data;
    let analysis = Analysis { data, outcomes: &outcomes, wanted, estimators, spec, asked, monitor };
    let found = analysis.bootstrap(&numbered(&outcomes), |means, outcome| {
        let influence = influence_on_ratio(&means[outcome], means.get(n_outcomes));
        ArmMoments::of(&influence, asked.resample)
    })?;
    Ok(found.map(|Found { estimates, terms, replicates, analytic }| {
        let estimates: Vec<[f64; 2]> = estimates.as_chunks().0.to_vec();
        let none = || vec![ArmMoments::NONE; estimates.len()];
        let analytic = analytic.unwrap_or_else(none);
        BootstrappedMeans { estimates, terms, replicates, analytic }
    }))
}

/// An analysis that was checked: its rows, their outcomes, and what is wanted of them.
struct Analysis<'a, 'd, O> {
    data: CodedData<'d>,
    outcomes: &'a [O],
    wanted: Wanted,
    estimators: &'a [Estimator],
    spec: &'a PropensitySpec,
    asked: &'a Asked<'a>,
    monitor: &'a Monitor,
}

struct Found<A> {
    estimates: Vec<f64>,
    terms: Terms,
    replicates: Replicates,
    analytic: Option<Vec<A>>,
}

impl<O: AsRef<[f64]>> Analysis<'_, '_, O> {
    /// Rows that hold the same in all else are drawn in the order of `outcome`; `told` makes what is to be said without
    /// resampling of the means of every outcome, for one of them.
    fn bootstrap<A>(
        &self,
        outcome: &[f64],
        told: impl Fn(&[ArmMeans], usize) -> A,
    ) -> Result<Option<Found<A>>> {
        let Self { data, wanted, estimators, spec, asked, monitor, .. } = *self;
        // 1. The rows by arm and by level, and the models' designs; the score.
        let copies = Copies::by_arm_and_level(&data, self.outcomes)?;
        let given = copies.given(data.given.after);
        let (rows, weight) = (copies.score_rows(), copies.weights());
        let has_score = estimators.iter().any(Estimator::needs_score);
        let score = if has_score { fit_codes(&given, &rows, spec, monitor)? } else { None };
        let has_outcomes = adjustments(estimators).next().is_some();
        let design = if has_outcomes { settled(&given, rows.sample_weight)? } else { None };
        if score.is_some() != has_score || design.is_some() != has_outcomes {
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
        let terms = terms(score.as_ref(), design.as_ref());

        // 2. The estimates, and what can be said of them without resampling.
        let refits = score.as_ref().map(|fit| refits_of_score(fit, &rows, spec));
        let full = Resampled { weight: &weight, scores: &scores };
        let outcomes = match &design {
            Some(design) => outcome_models(&copies, design, estimators, full, monitor)?,
            None => Some(Vec::new()),
        };
        let Some(outcomes) = outcomes else { return Ok(None) };
        let models = (refits, outcomes);
        let wanted = (wanted, asked.studentized);
        let refitting =
            Refitting::new(&copies, &given, models, wanted, (estimators, spec), &scores, monitor);
        let estimates = refitting.full_sample()?;
        let mut analytic = None;
        if asked.analytic {
            analytic = self.analytic(&copies.as_they_came(&scores), told)?;
            if analytic.is_none() {
                return Ok(None);
            }
        }

        // 3. The replicates.
        let resample = asked.resample_by_content(&data, outcome);
        let replicates = refitting.replicates(&resample, &asked.bootstrap)?;
        Ok(Some(Found { estimates, terms, replicates, analytic }))
    }

    /// What is said without resampling, outcome by outcome; `None` where some is left to the matrix.
    fn analytic<A>(
        &self,
        scores: &[f64],
        told: impl Fn(&[ArmMeans], usize) -> A,
    ) -> Result<Option<Vec<A>>> {
        let n_outcomes =
            if let Wanted::Means { n_outcomes } = self.wanted { n_outcomes } else { 1 };
        let mut each: Vec<Vec<A>> = (0..n_outcomes).map(|_| Vec::new()).collect();
        for estimator in self.estimators {
            let Some(means) = self.means_with_influence(estimator, scores)? else {
                return Ok(None);
            };
            for (outcome, own) in each.iter_mut().enumerate() {
                own.push(told(&means, outcome));
            }
        }
        Ok(Some(each.into_iter().flatten().collect()))
    }

    /// The means of every outcome by an estimator, and each row's influence on them.
    fn means_with_influence(
        &self,
        estimator: &Estimator,
        scores: &[f64],
    ) -> Result<Option<Vec<ArmMeans>>> {
        let CodedData { given, treatment, sample_weight, .. } = self.data;
        let PropensitySpec { penalty, link, .. } = *self.spec;
        let mut outcomes = self.outcomes.iter().map(AsRef::as_ref);
        let outcome = outcomes.next().unwrap_or_default();
        let others: Vec<&[f64]> = outcomes.collect();
        if let Estimator::Adjusted(spec) = estimator {
            let rows = AdjustmentData::of_users(treatment, outcome, sample_weight);
            let score = CodedScore { spec: *self.spec, scores: Some(scores) };
            let found =
                adjusted_means_of_codes(&rows, &others, &given, &score, *spec, self.monitor)?;
            let Some(found) = found else { return Ok(None) };
            let others = found.others.into_iter().map(|other| other.means);
            return Ok(Some(std::iter::once(found.first.means).chain(others).collect()));
        }
        let row_weights = RowWeights::of(sample_weight);
        let rows = IpwData { outcome, treatment, scores, row_weights };
        let fit = CodedScoreFit { given, penalty, link };
        Ok(Some(ipw_of_factors(&rows, &others, estimator.weighting(), fit)?.means))
    }
}

/// The full sample's models of each outcome; `None` where some are left to the matrix.
fn outcome_models<'p, 'x>(
    copies: &'p Copies,
    design: &'p Coded<'x>,
    estimators: &[Estimator],
    full: Resampled<'_>,
    monitor: &Monitor,
) -> Result<Option<Vec<CodedOutcomes<'p, 'x>>>> {
    let passes = Arc::new(Passes::new(design));
    let mut each = Vec::new();
    for rows in copies.adjustment_data() {
        let mut models = CodedOutcomes::new(design, passes.clone(), rows, full.weight);
        if !models.prepare(adjustments(estimators), full, monitor)? {
            return Ok(None);
        }
        each.push(models);
    }
    Ok(Some(each))
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

fn check(
    data: &CodedData<'_>,
    outcome: &[f64],
    estimators: &[Estimator],
    spec: &PropensitySpec,
) -> Result<()> {
    let CodedData { given, treatment, sample_weight, .. } = *data;
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

impl Asked<'_> {
    /// Rows take their random numbers in the order of what they hold, as in [`super::Pipeline`].
    fn resample_by_content(&self, data: &CodedData<'_>, outcome: &[f64]) -> Resample {
        if self.resample.is_clustered() {
            return self.resample.clone();
        }
        self.resample.taking_rows_in(by_content(data, outcome))
    }
}
