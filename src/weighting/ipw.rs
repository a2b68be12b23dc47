//! The inverse-probability-weighted contrast: the difference of two weighted means (Hajek 1971), never
//! Horvitz-Thompson's sums over n, which move when a constant is added to the outcome.

use std::ops::Range;

use crate::checks;
use crate::design::chunks::by_chunk;
use crate::error::{Error, Result};
use crate::kernels::{ArmSums, BLOCK, Tallies, contrast_sums};
use crate::units::frequency::{RowWeights, users_of};
use crate::units::tally::{Outcomes, Units};
use crate::weighting::estimand::Estimand;
use crate::weighting::influence::{ArmMeans, ScoreFit, by_row};
use crate::weighting::ipw_outcomes::ipw_of_outcomes;
use crate::weighting::sizes::WeightSums;
use crate::weighting::truncation::{Weighed, bounds};

/// Whom an effect is for, and from which quantile of their arm's weights are bounded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IpwSpec {
    pub estimand: Estimand,
    /// From 0 to 1; none leaves the weights as they are.
    pub truncate: Option<f64>,
}

impl IpwSpec {
    /// Weights as they are.
    #[must_use]
    pub const fn of(estimand: Estimand) -> Self {
        Self { estimand, truncate: None }
    }

    /// # Errors
    /// [`Error::Argument`].
    pub fn check(&self) -> Result<()> {
        match self.truncate {
            Some(q) if !(q > 0.0 && q <= 1.0) => {
                let found = q.to_string();
                let allowed = "a quantile above 0 and up to 1, or none";
                Err(Error::Argument { name: "truncate", found, allowed })
            }
            _ => Ok(()),
        }
    }
}

/// The rows of a contrast, and what is known of their scores.
#[derive(Debug, Clone, Copy)]
pub struct IpwData<'a> {
    pub outcome: &'a [f64],
    pub treatment: &'a [bool],
    pub scores: &'a [f64],
    pub row_weights: RowWeights<'a>,
}

/// What n rows weigh, and what is left of either arm.
#[derive(Debug, Clone)]
pub struct Weighting {
    /// The balancing weight times the sample weight, of one user.
    pub weights: Vec<f64>,
    /// Kish's effective sample size, of the controls first.
    pub ess: [f64; 2],
}

/// The balancing weights for `estimand` at these scores; the sample weights alone without.
///
/// # Errors
/// Lengths that differ, values that are not finite, scores outside (0, 1), an arm empty or weightless.
pub fn weighting(
    treatment: &[bool],
    scores: Option<(&[f64], Estimand)>,
    row_weights: RowWeights<'_>,
) -> Result<Weighting> {
    row_weights.check(treatment.len())?;
    let RowWeights { total: sample_weight, frequency, .. } = row_weights;
    checks::two_users_in_each_arm(treatment, frequency)?;
    if let Some((scores, _)) = scores {
        checks::same_length("scores", scores.len(), treatment.len())?;
        checks::scores(scores)?;
    }
    let weights = total_weights(treatment, scores, sample_weight, UNBOUNDED);
    let ess = [false, true].map(|arm| effective_size_of(arm, treatment, &weights, frequency));
    match ess.map(|size| size > 0.0) {
        [true, true] => Ok(Weighting { weights: shared_out(weights, frequency), ess }),
        [is_control, _] => {
            Err(Error::WeightlessArm { arm: if is_control { "treated" } else { "control" } })
        }
    }
}

/// Bounds on the weights of both arms, controls first.
pub(super) type Bounds = [f64; 2];

const UNBOUNDED: Bounds = [f64::INFINITY; 2];

/// The balancing weights times the sample weights.
pub(super) fn total_weights(
    treatment: &[bool],
    scores: Option<(&[f64], Estimand)>,
    sample_weight: Option<&[f64]>,
    bounds: Bounds,
) -> Vec<f64> {
    by_row(treatment.len(), |i| {
        let own = sample_weight.map_or(1.0, |weights| weights[i]);
        let weight =
            scores.map_or(1.0, |(scores, estimand)| estimand.weight(treatment[i], scores[i]));
        own * weight.min(bounds[usize::from(treatment[i])])
    })
}

/// Kish's effective sample size of an arm, by what the users of each row weigh together. Summed by chunks, in their order.
#[must_use]
pub fn effective_size_of(
    arm: bool,
    treatment: &[bool],
    weights: &[f64],
    frequency: Option<&[f64]>,
) -> f64 {
    let of_rows = |rows: Range<usize>| {
        let own = rows.filter(|row| treatment[*row] == arm);
        WeightSums::of(own.map(|row| (weights[row], users_of(frequency, row))))
    };
    by_chunk(weights.len(), of_rows).into_iter().sum::<WeightSums>().effective_size()
}

/// What the users of each row weigh together, shared out among them.
#[must_use]
pub fn shared_out(mut weights: Vec<f64>, frequency: Option<&[f64]>) -> Vec<f64> {
    if let Some(frequency) = frequency {
        weights.iter_mut().zip(frequency).for_each(|(weight, users)| *weight /= users);
    }
    weights
}

/// A weighted contrast of n rows.
#[derive(Debug, Clone)]
pub struct WeightedEstimate {
    pub means: ArmMeans,
    pub ess_treated: f64,
    pub ess_control: f64,
    /// n weights: the balancing weight times the sample weight, of one user.
    pub weights: Vec<f64>,
    /// Users whose weights were bounded, of the controls first.
    pub n_truncated: [usize; 2],
}

/// The effect for an estimand. With the model that gave the scores
/// the influence of each row counts what it does to that model (Lunceford and Davidian 2004,
/// section 3); without, the scores are taken as known. So are bounds on the weights: a row beyond them weighs what it
/// does whatever its score.
///
/// # Errors
/// Lengths that differ, values that are not finite, scores outside (0, 1), an arm empty or weightless.
pub fn ipw(
    data: &IpwData<'_>,
    spec: IpwSpec,
    score_model: Option<ScoreFit<'_, '_>>,
) -> Result<WeightedEstimate> {
    Ok(ipw_of_outcomes(data, &[], spec, score_model)?.of_first())
}

/// The bounds on the weights of rows; none where the weights are to be left as they are.
pub(super) fn bounds_of_rows(data: &IpwData<'_>, spec: IpwSpec) -> Bounds {
    let Some(q) = spec.truncate else { return UNBOUNDED };
    let IpwData { outcome, treatment, scores, row_weights } = *data;
    let RowWeights { total: sample_weight, frequency, .. } = row_weights;
    let rows = Outcomes { treatment, outcome, sample_weight, counts: None::<&[u32]> };
    let is_there = |i: &usize| sample_weight.is_none_or(|weight| weight[*i] > 0.0);
    let users = |arm: bool| {
        let there = (0..treatment.len()).filter(is_there).filter(|i| treatment[*i] == arm);
        there.map(|i| users_of(frequency, i)).sum::<f64>()
    };
    let n_rows = [false, true].map(users);
    bounds(spec.estimand, q, scores, &rows, n_rows, &mut Vec::new())
}

pub(super) fn check(data: &IpwData<'_>) -> Result<()> {
    let n = data.outcome.len();
    checks::same_length("treatment", data.treatment.len(), n)?;
    checks::same_length("scores", data.scores.len(), n)?;
    checks::outcome(data.outcome, n)?;
    checks::scores(data.scores)?;
    data.row_weights.check(n)?;
    checks::two_users_in_each_arm(data.treatment, data.row_weights.frequency)
}

/// The sums behind the two weighted means, control arm first: an accumulator over blocks of units.
#[derive(Debug, Clone, Copy)]
pub struct Contrast {
    estimand: Estimand,
    bounds: Bounds,
    pub(super) weight: [f64; 2],
    total: [f64; 2],
}

impl Contrast {
    #[must_use]
    pub fn new(estimand: Estimand) -> Self {
        Self { estimand, bounds: UNBOUNDED, weight: [0.0; 2], total: [0.0; 2] }
    }

    /// With weights bounded at a quantile of their arm's; `n_rows` are in either arm, controls first.
    pub fn truncated<U: Units>(
        estimand: Estimand,
        q: f64,
        scores: &[f64],
        units: &U,
        n_rows: [f64; 2],
        room: &mut Vec<Weighed>,
    ) -> Self {
        let bounds = bounds(estimand, q, scores, units, n_rows, room);
        let mut contrast = Self { bounds, ..Self::new(estimand) };
        contrast.add(scores, units);
        contrast
    }

    /// From the sums that a refit leaves: `totals` are each arm's rows and outcomes.
    #[must_use]
    pub fn of_sums(estimand: Estimand, totals: &[[f64; 2]; 2], sums: &[ArmSums; 2]) -> Self {
        let arm = |arm: usize| {
            let (ArmSums { odds, overlap, smaller }, [rows, outcome]) = (sums[arm], totals[arm]);
            match (estimand, arm) {
                (Estimand::Ate, _) => [rows + odds[0], outcome + odds[1]],
                (Estimand::Att, 1) | (Estimand::Atc, 0) => [rows, outcome],
                (Estimand::Att | Estimand::Atc, _) => odds,
                (Estimand::Ato, _) => overlap,
                (Estimand::Atm, _) => smaller,
            }
        };
        let [[weight_control, control], [weight_treated, treated]] = [arm(0), arm(1)];
        let (weight, total) = ([weight_control, weight_treated], [control, treated]);
        Self { weight, total, ..Self::new(estimand) }
    }

    /// Of rows as they are: by chunks, merged in their order.
    pub(super) fn of_rows(data: &IpwData<'_>, estimand: Estimand, bounds: Bounds) -> Self {
        let of_rows = |rows: Range<usize>| {
            let units = Outcomes {
                treatment: &data.treatment[rows.clone()],
                outcome: &data.outcome[rows.clone()],
                sample_weight: data.row_weights.total.map(|weights| &weights[rows.clone()]),
                counts: None::<&[u32]>,
            };
            let mut contrast = Self { bounds, ..Self::new(estimand) };
            contrast.add(&data.scores[rows], &units);
            contrast
        };
        let mut total = Self::new(estimand);
        for chunk in &by_chunk(data.outcome.len(), of_rows) {
            total.merge(chunk);
        }
        total
    }

    /// Add all units, whose scores are given.
    pub fn add<U: Units>(&mut self, scores: &[f64], units: &U) {
        let (mut lane, mut room) = ([0.5; BLOCK], Tallies::EMPTY);
        for (block, scores) in scores.chunks(BLOCK).enumerate() {
            lane[..scores.len()].copy_from_slice(scores);
            let tallies = units.block(block * BLOCK, true, &mut room);
            let [weight, total] = if self.bounds[0].min(self.bounds[1]) < f64::INFINITY {
                self.bounded_sums(scores, tallies)
            } else {
                contrast_sums(self.estimand, &lane, tallies)
            };
            self.merge(&Self { weight, total, ..*self });
        }
    }

    /// What a block adds where weights are bounded.
    fn bounded_sums(&self, scores: &[f64], tallies: &Tallies) -> [[f64; 2]; 2] {
        let mut sums = [[0.0; 2]; 2];
        for (slot, score) in scores.iter().enumerate() {
            for (arm, bound) in self.bounds.iter().enumerate() {
                let rows = tallies.rows[arm][slot];
                if rows > 0.0 {
                    let weight = self.estimand.weight(arm == 1, *score).min(*bound);
                    sums[0][arm] += weight * rows;
                    sums[1][arm] += weight * tallies.outcome[arm][slot];
                }
            }
        }
        sums
    }

    pub fn merge(&mut self, other: &Self) {
        for arm in 0..2 {
            self.weight[arm] += other.weight[arm];
            self.total[arm] += other.total[arm];
        }
    }

    /// The weighted means of the treated and of the controls.
    ///
    /// # Errors
    /// [`Error::WeightlessArm`] where an arm has no weight, [`Error::Argument`] where one weighs without bound.
    pub fn means(&self) -> Result<(f64, f64)> {
        for (arm, weight) in ["control", "treated"].into_iter().zip(self.weight) {
            if weight <= 0.0 {
                return Err(Error::WeightlessArm { arm });
            }
            // A score that rounds to 0 or 1 in the arm it speaks against weighs without bound.
            if !weight.is_finite() {
                let found = format!("0 or 1 for {arm} rows, to rounding");
                return Err(Error::Argument { name: "scores", found, allowed: "inside (0, 1)" });
            }
        }
        Ok((self.total[1] / self.weight[1], self.total[0] / self.weight[0]))
    }
}

#[cfg(test)]
mod tests;
