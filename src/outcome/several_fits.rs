//! Outcome models of both arms for several outcomes of the same rows. Vectors go by outcome, and of each that of the
//! controls first.

use crate::design::covariates::Covariates;
use crate::design::least_squares::{MOST_CORRECTIONS, WORTH_ANOTHER};
use crate::error::{Error, Result};
use crate::linalg::{Cholesky, RANK_TOLERANCE, add, largest};
use crate::monitor::Monitor;
use crate::outcome::adjustment::Modelled;
use crate::outcome::kinds::OutcomeModel;
use crate::outcome::model::{ArmFit, arm_name};
use crate::outcome::several::Rows;
use crate::units::tally::Outcomes;
use crate::weighting::influence::sum_by_row;

/// The models of both arms for each of the outcomes.
///
/// # Errors
/// Those of [`ArmFit::new`]; [`Error::Outside`].
pub(super) fn fits(
    rows: &Rows<'_>,
    covariates: &Covariates<'_>,
    outcomes: &[&[f64]],
    information: Option<&[Cholesky; 2]>,
    monitor: &Monitor,
) -> Result<Vec<ArmFit>> {
    let is_target = |unit: usize| rows.target(unit) > 0.0;
    if let Some(information) = information {
        return least_squares(rows, covariates, outcomes, information, monitor);
    }
    let mut fits = Vec::with_capacity(2 * outcomes.len());
    for outcome in outcomes {
        let (treatment, sample_weight) = (rows.treatment, rows.sample_weight);
        let units = Outcomes { treatment, outcome, sample_weight, counts: None::<&[u32]> };
        let modelled = Modelled { covariates, units: &units, scores: rows.scores };
        for arm in [false, true] {
            monitor.check()?;
            let own = modelled.rows_of(arm, rows.spec);
            let fit = ArmFit::new(&own, rows.spec.outcome_model, None, monitor)?;
            fit.require_inside(covariates, arm, is_target)?;
            fits.push(fit);
        }
    }
    Ok(fits)
}

/// The information of the least squares of both arms, which is that of all outcomes.
///
/// # Errors
/// An arm without weight; [`Error::Outside`].
pub(super) fn information(rows: &Rows<'_>, covariates: &Covariates<'_>) -> Result<[Cholesky; 2]> {
    let fill = |which: usize, first: usize, lane: &mut [f64]| {
        for (weight, i) in lane.iter_mut().zip(first..) {
            let is_own = usize::from(rows.treatment[i]) == which;
            *weight = if is_own { rows.fitting(i) } else { 0.0 };
        }
    };
    let [of_control, of_treated] = covariates.informations(&fill);
    let of_arm = |arm: bool, products: &[f64]| {
        // The first is the sum of the weights.
        if !(products[0] > 0.0) {
            return Err(Error::WeightlessArm { arm: arm_name(arm) });
        }
        let terms = covariates.n_columns() + 1;
        let found = Cholesky::factor(products, terms, RANK_TOLERANCE, &[])?;
        let fit = ArmFit::of(OutcomeModel::Linear, vec![0.0; terms], found.clone());
        fit.require_inside(covariates, arm, |unit| rows.target(unit) > 0.0)?;
        Ok(found)
    };
    Ok([of_arm(false, &of_control)?, of_arm(true, &of_treated)?])
}

/// Solve X'WX b = X'W (y - c) for each outcome and arm, c the weighted mean of y, and again for what rounding left over:
/// as `design::least_squares` does for one.
fn least_squares(
    rows: &Rows<'_>,
    covariates: &Covariates<'_>,
    outcomes: &[&[f64]],
    information: &[Cholesky; 2],
    monitor: &Monitor,
) -> Result<Vec<ArmFit>> {
    let n = rows.treatment.len();
    let of_arm = |arm: bool, number: &(dyn Fn(usize) -> f64 + Sync)| {
        sum_by_row(n, |i| if rows.treatment[i] == arm { number(i) } else { 0.0 })
    };
    let weights = [false, true].map(|arm| of_arm(arm, &|i| rows.fitting(i)));
    let mean = |which: usize| {
        let outcome = outcomes[which / 2];
        of_arm(which % 2 == 1, &|i| rows.fitting(i) * outcome[i]) / weights[which % 2]
    };
    let start = |which: usize| [&[mean(which)], &vec![0.0; covariates.n_columns()][..]].concat();
    let mut coefficients: Vec<Vec<f64>> = (0..2 * outcomes.len()).map(start).collect();
    let mut moved: Vec<Vec<f64>> = coefficients.iter().map(|own| vec![0.0; own.len()]).collect();
    let left = |which: usize, first: usize, lane: &mut [f64]| {
        let (outcome, arm) = (outcomes[which / 2], which % 2 == 1);
        for (value, i) in lane.iter_mut().zip(first..) {
            let own = if rows.treatment[i] == arm { rows.fitting(i) } else { 0.0 };
            *value = own * (outcome[i] - *value);
        }
    };
    // None is corrected on account of the others: what comes of an outcome does not hang on its company.
    let mut is_done = vec![false; coefficients.len()];
    for _ in 0..=MOST_CORRECTIONS {
        monitor.check()?;
        let mut steps = covariates.gradients_at(&coefficients, &left);
        for (which, step) in steps.iter_mut().enumerate() {
            if is_done[which] {
                continue;
            }
            information[which % 2].solve(step);
            is_done[which] = largest(step) <= WORTH_ANOTHER * largest(&moved[which]);
            add(&mut moved[which], 1.0, step);
            add(&mut coefficients[which], 1.0, step);
        }
        if !is_done.contains(&false) {
            break;
        }
    }
    let fit = |(which, own): (usize, Vec<f64>)| {
        ArmFit::of(OutcomeModel::Linear, own, information[which % 2].clone())
    };
    Ok(coefficients.into_iter().enumerate().map(fit).collect())
}
