//! What is settled before anything is estimated: that the data are sound, what their columns are, and from where their
//! outcomes are measured.

use std::borrow::Cow;

use super::{Data, Estimator, adjustments, has_matching};
use crate::checks;
use crate::design::covariates::Covariates;
use crate::design::rank::presence;
use crate::error::{Error, Result};
use crate::outcome::adjustment::AdjustmentSpec;
use crate::outcome::origin::Measured;
use crate::score::spec::PropensitySpec;
use crate::units::cells::Cells;
use crate::units::frequency::{n_users, whole};
use crate::units::tally::Units;

/// The designs of the score and of the outcome models, their collinear columns left out: decided once, on patterns
/// where there are such, for the full sample and every resample. A penalized score keeps its columns.
pub(super) fn designs<'a>(
    data: &Data<'a>,
    covariates: &Covariates<'a>,
    cells: Option<&Cells>,
    estimators: &[Estimator],
    penalty: f64,
) -> Result<[Covariates<'a>; 2]> {
    let (patterns, weight) = match cells {
        None => (data.x, presence(data.x.nrows(), data.sample_weight)),
        Some(cells) => {
            let totals = cells.totals();
            let rows = |unit| totals.tally(unit).treated + totals.tally(unit).control;
            let rows: Vec<f64> = (0..totals.len()).map(rows).collect();
            (cells.patterns.view(), presence(rows.len(), Some(&rows)))
        }
    };
    let settled = |columns: &[usize]| {
        let design = covariates.subset(columns).with_rows(patterns).settled(&weight)?;
        Ok::<_, Error>(design.with_rows(data.x))
    };
    let [score, outcome] = [data.score_columns, data.outcome_columns];
    let has_score = penalty == 0.0 && estimators.iter().any(Estimator::needs_score);
    let has_outcome = adjustments(estimators).next().is_some();
    let score_design = if has_score { settled(score)? } else { covariates.subset(score) };
    let outcome_design = match has_outcome {
        false => covariates.subset(outcome),
        true if has_score && score == outcome => score_design.clone(),
        true => settled(outcome)?,
    };
    Ok([score_design, outcome_design])
}

/// The outcomes as sums over resamples take them: as they are where a model asks how far they are from zero.
pub(super) fn measured<'a>(data: &Data<'a>, estimators: &[Estimator]) -> Cow<'a, [f64]> {
    let asks_for_zero = |spec: &AdjustmentSpec| !spec.outcome_model.takes_any_origin();
    if adjustments(estimators).any(asks_for_zero) {
        return Measured::from_zero(data.outcome).values;
    }
    Measured::from_their_middle(data.outcome, data.sample_weight).values
}

pub(super) fn check(
    data: &Data<'_>,
    estimators: &[Estimator],
    spec: &PropensitySpec,
) -> Result<()> {
    checks::same_length("treatment", data.treatment.len(), data.x.nrows())?;
    checks::outcome(data.outcome, data.x.nrows())?;
    checks::frequency(data.frequency, data.x.nrows())?;
    checks::sample_weight(data.sample_weight, data.x.nrows())?;
    checks::two_users_in_each_arm(data.treatment, data.frequency)?;
    checks::penalty(spec.penalty)?;
    if estimators.iter().any(Estimator::needs_score) {
        let terms = data.score_columns.len() + 1;
        let users = n_users(data.frequency, data.x.nrows());
        checks::enough_rows("score model", whole(users), terms, spec.penalty)?;
    }
    if adjustments(estimators).next().is_some() {
        let n_terms = data.outcome_columns.len() + 1;
        checks::enough_users_in_each_arm(data.treatment, data.frequency, n_terms)?;
    }
    let is_weighted = data.sample_weight.is_some() && data.sample_weight != data.frequency;
    if is_weighted && has_matching(estimators) {
        let found = "given with nearest neighbours".into();
        let allowed = "left out: matching counts whole rows";
        return Err(Error::Argument { name: "sample_weight", found, allowed });
    }
    if estimators.is_empty() {
        let found = "an empty list".into();
        return Err(Error::Argument { name: "estimators", found, allowed: "at least one" });
    }
    estimators.iter().try_for_each(|estimator| match estimator {
        Estimator::Nearest(nearest) => nearest.check(),
        Estimator::Adjusted(adjusted) => {
            adjusted.check()?;
            match data.frequency {
                None => adjusted.outcome_model.check(data.outcome, data.sample_weight),
                Some(_) => Ok(()), // values that stand for others may lie beyond them
            }
        }
        Estimator::Ipw(ipw) => {
            if ipw.truncate.is_some() && data.frequency.is_some() {
                let found = "given with frequency".into();
                let allowed = "left out where rows stand for several users";
                return Err(Error::Argument { name: "truncate", found, allowed });
            }
            ipw.check()
        }
        Estimator::Balanced { spec, .. } => spec.check(),
    })
}
