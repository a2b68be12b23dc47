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

use std::ops::Range;

use rayon::prelude::*;

use super::groups::{Additions, add_up, zeros};
use super::matched_arm::{MatchedArm, MatchedRows};
use super::neighbors::{Found, Search};
use super::outcome_variance::neighborhood;
use crate::error::Result;
use crate::moments::Moments;
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
    let (near, link) = (neighborhood(n_others), model.link);
    let local = Local { arms, rows, near, estimand, tau, link };
    let factors = local.factors(monitor)?;
    let by_row = local.by_row(&factors);
    drop(factors);
    monitor.check()?;
    let model = ScoreModel::new(model, rows.treatment, rows.scores, None)?;
    let matched: f64 = arms.iter().map(MatchedArm::n_matched).sum();
    let fill = |which: usize, first: usize, lane: &mut [f64]| {
        lane.iter_mut().zip(&by_row[first..]).for_each(|(slot, factors)| *slot = factors[which]);
    };
    let of_both = model.variances(2, &fill);
    Ok((of_both[1] - of_both[0]) / (matched * matched))
}

/// Outcomes around every score.
struct Local<'a> {
    arms: &'a [MatchedArm; 2],
    rows: &'a MatchedRows<'a>,
    /// Who is at a score, in either arm.
    near: Search,
    estimand: Estimand,
    tau: f64,
    link: Link,
}

/// By arm, control first, and group: slopes, then levels, of c and of d.
type Factors = [Vec<[f64; 4]>; 2];

impl Local<'_> {
    /// The factors r for which sum r x = sum h' x (m_1 - m_0 - tau) + covariance(e) . (C_0, C_1), which is h (e, 1 - e)
    /// for c, and h' (-1, 1) for d.
    ///
    /// C_t of n rows with mean outcome m_t is the sum of x (y - m_t) / (n - 1), and in its own arm a
    /// row's m_t leaves out the row itself, whose outcome goes with its x: it is m_t - (y - m_t) / (n - 1).
    /// So the factor of a row is a sum of multiples of y - m_t = (y - mean of its group) + (mean of its
    /// group - m_t): slope (y - mean of its group) + level, with sums for each group.
    fn factors(&self, monitor: &Monitor) -> Result<Factors> {
        let mut sums = self.arms.each_ref().map(|arm| zeros(arm.outcome.len()));
        for (at, own) in self.arms.iter().enumerate() {
            let [control, treated] = &mut sums;
            let [of_control, of_treated] = self.arms.each_ref().map(|arm| &arm.scores.value[..]);
            let lines = [(of_control, &mut control[..]), (of_treated, &mut treated[..])];
            add_up(&own.scores.value, lines, |groups, added| {
                monitor.check()?;
                self.add(at, groups, added);
                Ok(())
            })?;
        }
        Ok(sums)
    }

    /// What some groups of an arm add to the factors of the groups around them.
    fn add(&self, at: usize, groups: Range<usize>, added: &mut [Additions<'_, 4>; 2]) {
        let own = &self.arms[at];
        let values = &own.scores.value[groups.clone()];
        let [control, treated] =
            self.arms.each_ref().map(|arm| arm.scores.found_by(&self.near, values));
        for (group, near) in groups.zip(control.zip(treated)) {
            let near: [Found; 2] = near.into();
            let e = own.score(group, self.rows.scores);
            // At this score, and not at those of the rows near it.
            let of_log_odds = self.link.log_odds_slope_at(e);
            let pooled = [0, 1].map(|arm: usize| self.arms[arm].pooled(&near[arm]));
            let mut add = |arm: usize, group: usize, [c, d]: [f64; 2]| {
                let [c, d] = [c, d].map(|multiple| multiple / (pooled[arm].weight - 1.0));
                let beyond = self.arms[arm].outcome[group].mean - pooled[arm].mean;
                added[arm].add(group, [c, d, c * beyond, d * beyond]);
            };
            let (tilt, tilt_slope) = (self.estimand.tilt(e), self.estimand.tilt_slope(e));
            let multiples = [[tilt * e, -tilt_slope], [tilt * (1.0 - e), tilt_slope]];
            for (arm, multiples) in multiples.into_iter().enumerate() {
                let of_rows = multiples.map(|x| x * of_log_odds * own.scores.count(group));
                near[arm].groups().for_each(|other| add(arm, other, of_rows));
            }
            let base = tilt_slope * of_log_odds;
            add(at, group, [if own.treated { -base } else { base }; 2]);
            let level = base * (pooled[1].mean - pooled[0].mean - self.tau);
            added[at].add(group, [0.0, 0.0, level, level]);
        }
    }

    /// The factors of the rows, for c and for d. Each thread goes through all groups for some of the rows: a row's place is
    /// anywhere, and to look for it costs more than to pass by those of others.
    fn by_row(&self, of_groups: &Factors) -> Vec<[f64; 2]> {
        let n = self.rows.outcome.len();
        let mut factors = vec![[0.0; 2]; n];
        let size = n.div_ceil(rayon::current_num_threads()).max(1);
        factors.par_chunks_mut(size).enumerate().for_each(|(part, factors)| {
            for (own, of_groups) in self.arms.iter().zip(of_groups) {
                for (group, of_group) in of_groups.iter().enumerate() {
                    let rows = own.scores.rows_of(group);
                    for row in rows {
                        if let Some(slot) = factors.get_mut(row.wrapping_sub(part * size)) {
                            *slot = self.of_row(*row, rows.len(), &own.outcome[group], of_group);
                        }
                    }
                }
            }
        });
        factors
    }

    /// The factors of a row, for c and for d, by those of its group.
    #[inline]
    fn of_row(
        &self,
        row: usize,
        n_rows: usize,
        outcome: &Moments,
        [slope_c, slope_d, level_c, level_d]: &[f64; 4],
    ) -> [f64; 2] {
        if n_rows == 1 {
            return [*level_c, *level_d]; // its outcome is the mean of its group
        }
        let rest = self.rows.outcome[row] - outcome.mean;
        [slope_c * rest + level_c, slope_d * rest + level_d]
    }
}
