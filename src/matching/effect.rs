//! A matched effect and its standard error (Abadie and Imbens 2006), worked out group by group.
//!
//! Row i weighs W_i = w_i + K_i: w_i is 1 where it is focal and matched, else 0; K_i is the sum of the
//! shares 1 / |Omega(j)| in which focal rows j have it as a donor, K'_i the sum of the squares of these
//! shares. With N the sum of the w_i, tau_i the difference, treated minus control, between row i and the
//! mean of its donors, tau the mean of tau_i over matched focal rows, and s2_i the variance of outcomes
//! at row i's value in its own arm,
//!
//! N^2 V = sum w_i (tau_i - tau)^2 + sum s2_i (W_i^2 - w_i - K'_i).
//!
//! For the ATE the last factor is K_i^2 + 2 K_i - K'_i; for the ATT it is K_i^2 - K'_i for the controls
//! and 0 for the treated (their section 4, where nothing ties and K'_i is K_i over the number of
//! neighbours).

use super::estimated_scores::correction;
use super::matched_arm::{MatchedArm, MatchedRows, matched_arms};
use super::outcome_variance::check_others;
use super::spec::NearestSpec;
use crate::checks;
use crate::error::Result;
use crate::monitor::Monitor;
use crate::weighting::influence::ScoreFit;

/// The difference of two weighted means, row i weighing W_i.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MatchedEffect {
    pub mean_treated: f64,
    pub mean_control: f64,
    pub ess_treated: f64,
    pub ess_control: f64,
    /// V, the scores taken as known.
    pub variance: f64,
    /// What estimating the scores adds to V, mostly negative; None where they are taken as known.
    pub correction: Option<f64>,
}

impl MatchedEffect {
    /// `mean_treated - mean_control`.
    #[must_use]
    pub fn estimate(&self) -> f64 {
        self.mean_treated - self.mean_control
    }

    #[must_use]
    pub fn std_error(&self) -> f64 {
        (self.variance + self.correction.unwrap_or(0.0)).sqrt()
    }
}

/// The matched effect. With the model that gave the scores its variance counts that they were estimated (Abadie and Imbens 2016): not where some focal row is
/// unmatched, for which there is no theory, nor where, in tiny samples, no variance would be left.
///
/// # Errors
/// Those of [`super::nearest`], outcomes that are not finite, an arm of a single row.
pub fn effect(
    rows: &MatchedRows<'_>,
    spec: &NearestSpec,
    score_model: Option<ScoreFit<'_, '_>>,
    monitor: &Monitor,
) -> Result<MatchedEffect> {
    check(rows, score_model)?;
    check_others(spec.variance_neighbors, rows.treatment)?;
    let arms = matched_arms(rows, spec, monitor)?;
    monitor.check()?;
    let mut effect = contrast(&arms, spec.variance_neighbors, monitor)?;
    let all_matched = arms.iter().all(|arm| !spec.focal.includes(arm.treated) || arm.is_matched());
    if let Some(model) = score_model.filter(|_| all_matched) {
        let (estimand, tau) = (spec.focal.estimand(), effect.estimate());
        let n_others = spec.variance_neighbors;
        let added = correction(&arms, rows, estimand, tau, model, n_others, monitor)?;
        effect.correction = Some(added).filter(|added| effect.variance + added > 0.0);
    }
    Ok(effect)
}

fn check(rows: &MatchedRows<'_>, score_model: Option<ScoreFit<'_, '_>>) -> Result<()> {
    let MatchedRows { outcome, treatment, scores } = *rows;
    checks::outcome(outcome, scores.len())?;
    checks::two_in_each_arm(treatment)?;
    if let Some(model) = score_model {
        checks::same_length("x", model.covariates.n_rows(), outcome.len())?;
        checks::penalty(model.penalty)?;
    }
    Ok(())
}

fn contrast(arms: &[MatchedArm; 2], n_others: usize, monitor: &Monitor) -> Result<MatchedEffect> {
    let [control, treated] = arms;
    let ((mean_control, ess_control), (mean_treated, ess_treated)) =
        (control.mean(), treated.mean());
    let tau = mean_treated - mean_control;
    let spread = treated.spread(control, tau) + control.spread(treated, -tau);
    monitor.check()?;
    let sampling = treated.sampling(n_others) + control.sampling(n_others);
    let matched = treated.n_matched() + control.n_matched();
    let variance = (spread + sampling) / (matched * matched);
    Ok(MatchedEffect {
        mean_treated,
        mean_control,
        ess_treated,
        ess_control,
        variance,
        correction: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::spec::{Focal, Quantity};

    #[test]
    fn effect_follows_the_formula_by_hand() {
        let rows = MatchedRows {
            outcome: &[3.0, 7.0, 1.0, 2.0],
            treatment: &[true, true, false, false],
            scores: &[0.2, 0.4, 0.2, 0.4],
        };
        // The pairs differ by 2 and 5; the variances within the arms are 8 and 1/2. Every row is used once,
        // which for the ATE makes the last factor 1 + 2 - 1.
        let everybody = (2.0 * (1.5 * 1.5) * 2.0 + 2.0 * (2.0 * 8.0 + 2.0 * 0.5)) / 16.0;
        let one_arm = (1.5 * 1.5) * 2.0 / 4.0;
        for (focal, variance) in
            [(Focal::Both, everybody), (Focal::Treated, one_arm), (Focal::Control, one_arm)]
        {
            let (n_neighbors, caliper, quantity) = (1, None, Quantity::Score);
            let variance_neighbors = 1;
            let spec = NearestSpec { focal, n_neighbors, caliper, quantity, variance_neighbors };
            let found = effect(&rows, &spec, None, &Monitor::default()).unwrap();
            assert!((found.estimate() - 3.5).abs() < 1e-14);
            assert!((found.variance - variance).abs() < 1e-14, "{focal:?}");
            assert!((found.ess_treated - 2.0).abs() < 1e-14);
        }
    }
}
