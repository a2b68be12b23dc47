//! The contrast of means under balancing weights, and its error by stacked equations.
//!
//! With weights w, residuals e and spread q of the fit, and m an arm's weighted mean of the outcome, a row moves that
//! mean by
//!
//! ```text
//! psi_i = [own arm] w_i (y_i - m) + e_i z_i' H^-1 sum over the arm of dw (y - m) z
//! ```
//!
//! over the sum of the arm's weights, where H = sum of q z z' + ridge and dw = g q is how fast a weight rises with its
//! linear predictor. A fit follows its own rows the more, the fewer there are for each term: psi is too small by
//! 1 - h there, h = q z' H^-1 z. Dividing by it is the HC3 of MacKinnon and White (1985) for the regression on the
//! terms, arm by arm and with these weights, which has the same contrast.

use ndarray::ArrayView2;
use rayon::prelude::*;

use super::BalancingSpec;
use super::dual::Dual;
use crate::checks;
use crate::design::covariates::{CHUNK, Covariates};
use crate::error::{self, Error, Result};
use crate::monitor::Monitor;
use crate::outcome::origin::Measured;
use crate::units::tally::Rows;
use crate::weighting::influence::{ArmMeans, ScoreModel, by_row, center, sum_by_row};

/// A row with more leverage tells its own fit alone, so that nothing is left of it to divide.
const ALONE: f64 = 1.0 - 1e-6;

/// A weighted contrast.
#[derive(Debug, Clone)]
pub struct BalancedEffect {
    /// With the influence of each row divided by 1 - h (HC3).
    pub means: ArmMeans,
    /// Without (HC0), as Stata and R's WeightIt have it.
    pub std_error_hc0: f64,
    /// The h of each row, at most just below 1.
    pub leverage: Vec<f64>,
}

/// A fit of rows that are weighed.
struct Fitted<'x> {
    dual: Dual,
    spread: Vec<f64>,
    model: ScoreModel<'x>,
}

/// The effect on `outcome` of rows with these weights, which are those of [`super::fit_weights`] for `spec` and the
/// columns of `x`.
///
/// # Errors
/// Lengths that differ, values that are not finite, an arm empty or weightless.
pub fn balanced_effect(
    outcome: &[f64],
    weights: &[f64],
    x: ArrayView2<'_, f64>,
    rows: &Rows<'_>,
    spec: &BalancingSpec,
    monitor: &Monitor,
) -> Result<BalancedEffect> {
    check(outcome, weights, x, rows, spec)?;
    let covariates = &Covariates::standardized_among(x, rows.sample_weight)?;
    let ridge = spec.ridge(rows.sample_weight);
    effect_of_rows(
        outcome,
        weights,
        covariates,
        rows,
        &BalancingSpec { penalty: ridge, ..*spec },
        monitor,
    )
}

/// The same for columns that were standardized; the penalty is that on all rows together.
///
/// # Errors
/// An arm weightless, [`Error::Overflow`].
pub fn effect_of_rows(
    outcome: &[f64],
    weights: &[f64],
    covariates: &Covariates<'_>,
    rows: &Rows<'_>,
    spec: &BalancingSpec,
    monitor: &Monitor,
) -> Result<BalancedEffect> {
    let n = outcome.len();
    let measured = Measured::from_their_middle(outcome, rows.sample_weight);
    let fits: Vec<Fitted<'_>> = (spec.duals()?.into_iter())
        .map(|dual| Fitted::new(dual, weights, covariates, rows, spec.penalty))
        .collect::<Result<_>>()?;
    monitor.check()?;
    let mut means =
        ArmMeans { origin: measured.origin, above: [0.0; 2], influence: [vec![], vec![]] };
    for arm in [false, true] {
        monitor.check()?;
        let own = |i: usize| if rows.treatment[i] == arm { weights[i] } else { 0.0 };
        let weight = sum_by_row(n, own);
        if !(weight > 0.0) {
            return Err(Error::WeightlessArm { arm: if arm { "treated" } else { "control" } });
        }
        let mean = sum_by_row(n, |i| own(i) * measured.values[i]) / weight;
        let beyond = |i: usize| measured.values[i] - mean;
        let mut influence = match fits.iter().find(|fit| fit.dual.moves(arm)) {
            Some(fit) => fit.influence(rows, beyond, arm),
            None => vec![0.0; n],
        };
        let per_mean = n as f64 / weight;
        let whole = influence.par_iter_mut().enumerate().with_min_len(CHUNK);
        whole.for_each(|(i, psi)| *psi = (*psi + own(i) * beyond(i)) * per_mean);
        center(&mut influence, rows.sample_weight);
        means.above[usize::from(arm)] = mean;
        means.influence[usize::from(arm)] = influence;
    }
    let std_error_hc0 = means.std_error();
    if !std_error_hc0.is_finite() {
        return Err(Error::Overflow);
    }
    monitor.check()?;
    let mut leverage = leverage(&fits, n);
    for h in &mut leverage {
        *h = h.min(ALONE);
    }
    for influence in &mut means.influence {
        let corrected = influence.par_iter_mut().zip(&leverage).with_min_len(CHUNK);
        corrected.for_each(|(psi, h)| *psi /= 1.0 - h);
        center(influence, rows.sample_weight);
    }
    Ok(BalancedEffect { means, std_error_hc0, leverage })
}

fn check(
    outcome: &[f64],
    weights: &[f64],
    x: ArrayView2<'_, f64>,
    rows: &Rows<'_>,
    spec: &BalancingSpec,
) -> Result<()> {
    let n = outcome.len();
    checks::outcome(outcome, n)?;
    let lengths =
        [("treatment", rows.treatment.len()), ("weights", weights.len()), ("x", x.nrows())];
    for (name, length) in lengths {
        checks::same_length(name, length, n)?;
    }
    checks::two_in_each_arm(rows.treatment)?;
    checks::sample_weight(rows.sample_weight, n)?;
    checks::penalty(spec.penalty)?;
    checks::finite("weights", weights)?;
    match error::Rows::matching(weights, |weight| *weight < 0.0) {
        Some(rows) => Err(Error::OutOfRange { name: "weights", allowed: "the numbers >= 0", rows }),
        None => Ok(()),
    }
}

impl<'x> Fitted<'x> {
    fn new(
        dual: Dual,
        weights: &[f64],
        covariates: &Covariates<'x>,
        rows: &Rows<'_>,
        ridge: f64,
    ) -> Result<Self> {
        let s = |i: usize| rows.sample_weight.map_or(1.0, |weights| weights[i]);
        let of = |i: usize| dual.read_weight(rows.treatment[i], s(i), weights[i]);
        let spread = by_row(weights.len(), |i| of(i)[1]);
        let residual = by_row(weights.len(), |i| of(i)[0]);
        let ridge = vec![ridge; covariates.n_columns()];
        let model = ScoreModel::of(covariates, residual, &spread, &ridge, rows.sample_weight)?;
        Ok(Self { dual, spread, model })
    }

    /// Each row's influence, through the weights of an arm, on the sum of these times `values` in it.
    fn influence(
        &self,
        rows: &Rows<'_>,
        values: impl Fn(usize) -> f64 + Send + Sync,
        arm: bool,
    ) -> Vec<f64> {
        let slope = |i: usize| {
            let is_own = rows.treatment[i] == arm;
            let slope = || self.dual.weight_slope(arm, self.spread[i]);
            if is_own { slope() * values(i) } else { 0.0 }
        };
        self.model.influence(&by_row(self.spread.len(), slope))
    }
}

/// The leverage of each row in the fit that weighs it.
fn leverage(fits: &[Fitted<'_>], n: usize) -> Vec<f64> {
    let mut own = fits.iter().map(|fit| fit.model.leverage(&fit.spread));
    let mut total = own.next().unwrap_or_else(|| vec![0.0; n]);
    for more in own {
        let sums = total.par_iter_mut().zip(more).with_min_len(CHUNK);
        sums.for_each(|(total, more)| *total += more);
    }
    total
}
