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
//! linear predictor. A fit follows its own rows the more, the fewer there are for each term. Without the row its
//! coefficients move by e H^-1 z / (1 - h), h = q z' H^-1 z its leverage (Newton's step from here), and the sum over
//! the arm that they act on lacks the row's own part:
//!
//! ```text
//! psi_i = [own arm] w_i (y_i - m) + e_i (z_i'f - [own arm] g h_i (y_i - m)) / (1 - h_i),   f = H^-1 sum of dw (y - m) z
//! ```
//!
//! It is the jackknife in one step, which HC3 is for a regression (MacKinnon and White 1985). For rows weighed by
//! exp(eta) that stand for what they are besides (s c), with r = y - m - z'f the residual of the regression on the
//! terms, arm by arm and with these weights, it is (q - s c) r / (1 - h) + s c (y - m): the residual alone is divided,
//! so that a row which has a term to itself (h = 1, r = 0) adds what it adds to a plain mean.

use ndarray::ArrayView2;

use super::BalancingSpec;
use super::dual::Dual;
use crate::checks;
use crate::design::covariates::Covariates;
use crate::error::{self, Error, Result};
use crate::monitor::Monitor;
use crate::outcome::origin::Measured;
use crate::units::frequency::users_of;
use crate::units::tally::Rows;
use crate::weighting::influence::{ArmMeans, ScoreModel, by_row, of_one_user, sum_by_row};

/// A row with more leverage tells its own fit alone: of its residual rounding is left, which is divided by no less.
const ALONE: f64 = 1.0 - 1e-6;

/// A weighted contrast.
#[derive(Debug, Clone)]
pub struct BalancedEffect {
    /// With what leaving each row out would do (HC3).
    pub means: ArmMeans,
    /// With its influence alone (HC0), as Stata and R's WeightIt have it.
    pub std_error_hc0: f64,
}

/// A fit of rows that are weighed.
struct Fitted<'x> {
    dual: Dual,
    spread: Vec<f64>,
    leverage: Vec<f64>,
    model: ScoreModel<'x>,
}

/// What each row adds to an arm's mean: by its influence, and by being there or not.
struct Added {
    influence: Vec<f64>,
    left_out: Vec<f64>,
}

/// The effect on `outcome` of rows with these weights, which are those of [`super::fit_weights`] for `spec` and the
/// columns of `x`. Where rows stand for several users, weights are those of all of them together, and influence is of one.
///
/// # Errors
/// Lengths that differ, values that are not finite, an arm empty or weightless.
pub fn balanced_effect(
    outcome: &[f64],
    weights: &[f64],
    x: ArrayView2<'_, f64>,
    (rows, frequency): (&Rows<'_>, Option<&[f64]>),
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
        (rows, frequency),
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
    (rows, frequency): (&Rows<'_>, Option<&[f64]>),
    spec: &BalancingSpec,
    monitor: &Monitor,
) -> Result<BalancedEffect> {
    let n = outcome.len();
    let measured = Measured::from_their_middle(outcome, rows.sample_weight);
    let fits: Vec<Fitted<'_>> = (spec.duals()?.into_iter())
        .map(|dual| Fitted::new(dual, weights, covariates, (rows, frequency), spec.penalty))
        .collect::<Result<_>>()?;
    monitor.check()?;
    let nothing = || [vec![], vec![]];
    let mut means = ArmMeans { origin: measured.origin, above: [0.0; 2], influence: nothing() };
    let mut left_out = nothing();
    for arm in [false, true] {
        monitor.check()?;
        let own = |i: usize| if rows.treatment[i] == arm { weights[i] } else { 0.0 };
        let weight = sum_by_row(n, own);
        if !(weight > 0.0) {
            return Err(Error::WeightlessArm { arm: if arm { "treated" } else { "control" } });
        }
        let mean = sum_by_row(n, |i| own(i) * measured.values[i]) / weight;
        let beyond = |i: usize| measured.values[i] - mean;
        let fit = fits.iter().find(|fit| fit.dual.moves(arm));
        let through = fit.map(|fit| fit.added(rows, beyond, arm));
        let whole = |part: fn(&Added) -> &Vec<f64>| {
            let through = through.as_ref().map(part);
            let of_row = |i: usize| through.map_or(0.0, |added| added[i]) + own(i) * beyond(i);
            of_one_user(by_row(n, of_row), weight, rows.sample_weight, frequency)
        };
        means.above[usize::from(arm)] = mean;
        means.influence[usize::from(arm)] = whole(|added| &added.influence);
        left_out[usize::from(arm)] = whole(|added| &added.left_out);
    }
    let std_error_hc0 = means.std_error_of_users(frequency);
    if !std_error_hc0.is_finite() {
        return Err(Error::Overflow);
    }
    Ok(BalancedEffect { means: ArmMeans { influence: left_out, ..means }, std_error_hc0 })
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
        (rows, frequency): (&Rows<'_>, Option<&[f64]>),
        ridge: f64,
    ) -> Result<Self> {
        let s = |i: usize| rows.sample_weight.map_or(1.0, |weights| weights[i]);
        let of = |i: usize| dual.read_weight(rows.treatment[i], s(i), weights[i]);
        let spread = by_row(weights.len(), |i| of(i)[1]);
        let residual = by_row(weights.len(), |i| of(i)[0]);
        let ridge = vec![ridge; covariates.n_columns()];
        let model = ScoreModel::of(covariates, residual, &spread, &ridge, rows.sample_weight)?;
        let mut leverage = model.leverage(&spread);
        for (row, leverage) in leverage.iter_mut().enumerate() {
            *leverage /= users_of(frequency, row); // of one user, who is what is left out
        }
        Ok(Self { dual, spread, leverage, model })
    }

    /// What each row adds, through the weights of an arm, to the sum of these times `values` in it.
    fn added(
        &self,
        rows: &Rows<'_>,
        values: impl Fn(usize) -> f64 + Send + Sync,
        arm: bool,
    ) -> Added {
        let n = self.spread.len();
        let of_own = |i: usize, by: f64| {
            let is_own = rows.treatment[i] == arm;
            if is_own { self.dual.weight_slope(arm, by) * values(i) } else { 0.0 }
        };
        let influence = self.model.influence(&by_row(n, |i| of_own(i, self.spread[i])));
        let left_out = by_row(n, |i| {
            let h = self.leverage[i].min(ALONE);
            (influence[i] - self.model.residual()[i] * of_own(i, h)) / (1.0 - h)
        });
        Added { influence, left_out }
    }
}
