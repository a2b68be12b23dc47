//! What estimating the scores does to the variance of a matched effect (Abadie and Imbens 2016).
//!
//! With h the estimand's tilting function and h' its derivative in the log odds, x the covariates of the
//! logistic model, its intercept among them, V_b the covariance of its coefficients, and m_t and C_t the
//! mean of the outcome and its covariance with x among the rows of arm t at the same score, the variance
//! is V - c' V_b c + d' V_b d, where, summing over all rows,
//!
//! N c = sum h' x (m_1 - m_0 - tau) + h ((1 - e) C_1 + e C_0),
//! N d = sum h' (x (m_1 - m_0 - tau) + C_1 - C_0).
//!
//! For the ATE h is 1, and d is 0. In general d is the derivative of the effect in the coefficients, the
//! mean of h' x (mu_1(x) - mu_0(x) - tau). The paper estimates mu_t(x) by matching on the covariates. But
//! at a given score x does not depend on the treatment (Rosenbaum and Rubin 1983), so that there the mean
//! of x mu_t(x) is the mean of x times m_t, plus C_t: d needs nothing that c does not, neither distances
//! between covariates nor a choice of their units.
//!
//! Of another link h' is the derivative in its linear predictor, and the covariances are times how fast the log odds grow
//! with that.
//!
//! C_t is a sum over rows of x times a factor that does not involve x. So are c and d, and one pass over
//! the covariates at the end gives each.

use super::matched_arm::{MatchedArm, MatchedRows};
use super::neighbors::Found;
use super::outcome_variance::neighborhoods;
use crate::design::covariates::CHUNK;
use crate::error::Result;
use crate::monitor::Monitor;
use crate::score::links::Link;
use crate::weighting::estimand::Estimand;
use crate::weighting::influence::{ScoreFit, ScoreModel};

/// d' V_b d - c' V_b c, with the score model.
pub fn correction(
    arms: &[MatchedArm; 2],
    rows: &MatchedRows<'_>,
    estimand: Estimand,
    tau: f64,
    model: ScoreFit<'_, '_>,
    n_others: usize,
    monitor: &Monitor,
) -> Result<f64> {
    let (near, link) = (near(arms, n_others, monitor)?, model.link);
    let local = Local { arms, rows, near, estimand, tau, link };
    let of_c = |e| [estimand.tilt(e) * e, estimand.tilt(e) * (1.0 - e)];
    let of_d = |e| [-estimand.tilt_slope(e), estimand.tilt_slope(e)];
    let (c, d) = rayon::join(|| local.factors(of_c, monitor), || local.factors(of_d, monitor));
    let (c, d) = (c?, d?);
    monitor.check()?;
    let model = ScoreModel::new(model, rows.treatment, rows.scores, None)?;
    let matched: f64 = arms.iter().map(MatchedArm::n_matched).sum();
    Ok((model.variance(&d) - model.variance(&c)) / (matched * matched))
}

/// For the groups of each arm, the groups of each arm at the same score; the control arm comes first.
fn near(
    arms: &[MatchedArm; 2],
    n_others: usize,
    monitor: &Monitor,
) -> Result<[[Vec<Found>; 2]; 2]> {
    let [control, treated] = arms.each_ref().map(|arm| &arm.scores);
    let near = |at, arm| neighborhoods(at, arm, n_others, monitor);
    let near_both = |at| rayon::join(|| near(at, control), || near(at, treated));
    let ((cc, ct), (tc, tt)) = rayon::join(|| near_both(control), || near_both(treated));
    Ok([[cc?, ct?], [tc?, tt?]])
}

/// Outcomes around every score.
struct Local<'a> {
    arms: &'a [MatchedArm; 2],
    rows: &'a MatchedRows<'a>,
    near: [[Vec<Found>; 2]; 2],
    estimand: Estimand,
    tau: f64,
    link: Link,
}

impl Local<'_> {
    /// The factors r for which sum r x = sum h' x (m_1 - m_0 - tau) + `covariance`(e) . (C_0, C_1).
    ///
    /// C_t of n rows with mean outcome m_t is the sum of x (y - m_t) / (n - 1), and in its own arm a
    /// row's m_t leaves out the row itself, whose outcome goes with its x: it is m_t - (y - m_t) / (n - 1).
    /// So the factor of a row is a sum of multiples of y - m_t = (y - mean of its group) + (mean of its
    /// group - m_t): slope (y - mean of its group) + level, with sums for each group.
    fn factors(&self, covariance: impl Fn(f64) -> [f64; 2], monitor: &Monitor) -> Result<Vec<f64>> {
        let zeros = || [0, 1].map(|arm: usize| vec![0.0; self.arms[arm].outcome.len()]);
        let (mut slope, mut level) = (zeros(), zeros());
        for (at, own) in self.arms.iter().enumerate() {
            for group in 0..own.scores.n_groups() {
                let rows = own.scores.rows_of(group);
                if group.is_multiple_of(CHUNK) {
                    monitor.check()?;
                }
                let e = self.rows.scores[rows[0]];
                // At this score, and not at those of the rows near it.
                let of_log_odds = self.link.log_odds_slope_at(e);
                let found = [0, 1].map(|arm: usize| &self.near[at][arm][group]);
                let pooled = [0, 1].map(|arm: usize| self.arms[arm].pooled(found[arm]));
                let mut add = |arm: usize, group: usize, multiple: f64| {
                    let share = multiple / (pooled[arm].weight - 1.0);
                    slope[arm][group] += share;
                    level[arm][group] +=
                        share * (self.arms[arm].outcome[group].mean - pooled[arm].mean);
                };
                let multiples = covariance(e).map(|multiple| multiple * of_log_odds);
                for (arm, multiple) in multiples.into_iter().enumerate() {
                    found[arm].groups().for_each(|g| add(arm, g, multiple * rows.len() as f64));
                }
                let base = self.estimand.tilt_slope(e) * of_log_odds;
                add(at, group, if own.treated { -base } else { base });
                level[at][group] += base * (pooled[1].mean - pooled[0].mean - self.tau);
            }
        }
        Ok(self.by_row(&slope, &level))
    }

    fn by_row(&self, slope: &[Vec<f64>; 2], level: &[Vec<f64>; 2]) -> Vec<f64> {
        let mut factors = vec![0.0; self.rows.outcome.len()];
        for (arm, own) in self.arms.iter().enumerate() {
            for group in 0..own.scores.n_groups() {
                for row in own.scores.rows_of(group) {
                    let rest = self.rows.outcome[*row] - own.outcome[group].mean;
                    factors[*row] = slope[arm][group] * rest + level[arm][group];
                }
            }
        }
        factors
    }
}
