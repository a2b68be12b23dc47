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

use super::arm::Arm;
use super::correction::correction;
use super::matcher::{FoundByArm, Matcher};
use super::search::{Found, Search, totals_by_donor};
use super::{NearestSpec, match_rows};
use crate::checks;
use crate::design::covariates::Covariates;
use crate::error::Result;
use crate::moments::Moments;
use crate::monitor::Monitor;

/// Rows to be matched, with what came of them.
#[derive(Debug, Clone, Copy)]
pub struct MatchedRows<'a> {
    pub outcome: &'a [f64],
    pub treatment: &'a [bool],
    pub scores: &'a [f64],
}

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

/// The matched effect. With the covariates and the penalty of the logistic model that gave the scores,
/// its variance counts that they were estimated (Abadie and Imbens 2016): not where some focal row is
/// unmatched, for which there is no theory, nor where, in tiny samples, no variance would be left.
///
/// # Errors
/// Those of [`super::nearest`], outcomes that are not finite, an arm of a single row.
pub fn effect(
    rows: &MatchedRows<'_>,
    spec: &NearestSpec,
    score_model: Option<(&Covariates<'_>, f64)>,
    monitor: &Monitor,
) -> Result<MatchedEffect> {
    check(rows, score_model)?;
    let MatchedRows { outcome, treatment, scores } = *rows;
    let (matcher, found) = match_rows(scores, treatment, spec, monitor)?;
    let [control, treated] = matcher.rows_by_arm(treatment);
    monitor.check()?;
    let sides = [
        Side::new(false, control, &matcher, &found, outcome),
        Side::new(true, treated, &matcher, &found, outcome),
    ];
    monitor.check()?;
    let mut effect = contrast(&sides, monitor)?;
    let all_matched =
        sides.iter().all(|side| !spec.focal.includes(side.treated) || side.is_matched());
    if let Some(model) = score_model.filter(|_| all_matched) {
        let (estimand, tau) = (spec.focal.estimand(), effect.estimate());
        let added = correction(&sides, rows, estimand, tau, model, monitor)?;
        effect.correction = Some(added).filter(|added| effect.variance + added > 0.0);
    }
    Ok(effect)
}

fn check(rows: &MatchedRows<'_>, score_model: Option<(&Covariates<'_>, f64)>) -> Result<()> {
    let MatchedRows { outcome, treatment, scores } = *rows;
    checks::outcome(outcome, scores.len())?;
    checks::two_in_each_arm(treatment)?;
    if let Some((covariates, penalty)) = score_model {
        checks::same_length("x", covariates.n_rows(), outcome.len())?;
        checks::penalty(penalty)?;
    }
    Ok(())
}

fn contrast(sides: &[Side<'_>; 2], monitor: &Monitor) -> Result<MatchedEffect> {
    let [control, treated] = sides;
    let ((mean_control, ess_control), (mean_treated, ess_treated)) =
        (control.mean(), treated.mean());
    let tau = mean_treated - mean_control;
    let spread = treated.spread(control, tau) + control.spread(treated, -tau);
    let sampling = treated.sampling(monitor)? + control.sampling(monitor)?;
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

/// One arm's groups: what they found, and what they are used for.
pub struct Side<'a> {
    pub treated: bool,
    pub arm: &'a Arm,
    /// Row numbers, in the order of the groups.
    pub rows: Vec<usize>,
    /// The outcomes of each group.
    pub outcome: Vec<Moments>,
    found: &'a [Found],
    /// W of each row of a group.
    weight: Vec<f64>,
    /// K' of each row of a group.
    squares: Vec<f64>,
}

impl<'a> Side<'a> {
    fn new(
        treated: bool,
        rows: Vec<usize>,
        matcher: &'a Matcher,
        found: &'a FoundByArm,
        outcome: &[f64],
    ) -> Self {
        let (own, other) = (usize::from(treated), usize::from(!treated));
        let (arm, focal) = (&matcher.arms[own], &matcher.arms[other]);
        let uses =
            |share: fn(&Found) -> f64| totals_by_donor(focal, arm.len(), &found[other], share);
        let mut weight = uses(|found| 1.0 / found.rows);
        for (weight, found) in weight.iter_mut().zip(&found[own]) {
            *weight += own_share(found);
        }
        let sorted: Vec<f64> = rows.iter().map(|row| outcome[*row]).collect();
        Self {
            treated,
            arm,
            rows,
            outcome: arm.row_ranges().map(|rows| Moments::of(&sorted[rows])).collect(),
            found: &found[own],
            weight,
            squares: uses(|found| 1.0 / (found.rows * found.rows)),
        }
    }

    fn is_matched(&self) -> bool {
        !self.found.iter().any(Found::is_empty)
    }

    /// The sum of w over rows.
    pub fn n_matched(&self) -> f64 {
        self.arm.rows.iter().zip(self.found).map(|(rows, found)| rows * own_share(found)).sum()
    }

    /// The mean of the outcome, weighted by W, and the effective sample size of W.
    fn mean(&self) -> (f64, f64) {
        let (mut weight, mut squares, mut total) = (0.0, 0.0, 0.0);
        for ((rows, w), outcome) in self.arm.rows.iter().zip(&self.weight).zip(&self.outcome) {
            weight += rows * w;
            squares += rows * w * w;
            total += rows * w * outcome.mean;
        }
        (total / weight, weight * weight / squares)
    }

    /// Sum w (y - mean of the donors - `gap`)^2 over rows.
    fn spread(&self, donors: &Side<'_>, gap: f64) -> f64 {
        let groups = self.outcome.iter().zip(self.found).filter(|(_, found)| !found.is_empty());
        let squares = groups.map(|(own, found)| {
            let rest = own.mean - donors.pooled(found).mean - gap;
            own.deviation + own.weight * rest * rest
        });
        squares.sum()
    }

    /// Sum s2 (W^2 - w - K') over rows.
    fn sampling(&self, monitor: &Monitor) -> Result<f64> {
        let neighbors = neighborhoods(self.arm, self.arm, monitor)?;
        let groups = neighbors.iter().zip(self.found).zip(&self.weight).zip(&self.squares);
        let terms = groups.zip(&self.arm.rows).map(|((((near, found), weight), squares), rows)| {
            let factor = weight * weight - own_share(found) - squares;
            rows * self.pooled(near).sample_variance() * factor
        });
        Ok(terms.sum())
    }

    /// The outcomes of all rows found.
    pub fn pooled(&self, found: &Found) -> Moments {
        let mut pooled = Moments::default();
        self.outcome[found.groups()].iter().for_each(|outcome| pooled.merge(outcome));
        pooled
    }
}

/// w: 1 for a focal row that is matched, else 0.
fn own_share(found: &Found) -> f64 {
    if found.is_empty() { 0.0 } else { 1.0 }
}

/// For each group of `at` the rows of `arm` at its value: its two nearest, more where they tie. In its
/// own arm a row is one of its two nearest. Two are the least that have a variance, and what Stata takes
/// (`vce(robust, nn(2))`).
pub fn neighborhoods(at: &Arm, arm: &Arm, monitor: &Monitor) -> Result<Vec<Found>> {
    Search { n_neighbors: 2.0, reach: f64::INFINITY }.all(at, arm, monitor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::{Focal, Quantity};

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
            let spec = NearestSpec { focal, n_neighbors, caliper, quantity };
            let found = effect(&rows, &spec, None, &Monitor::default()).unwrap();
            assert!((found.estimate() - 3.5).abs() < 1e-14);
            assert!((found.variance - variance).abs() < 1e-14, "{focal:?}");
            assert!((found.ess_treated - 2.0).abs() < 1e-14);
        }
    }
}
