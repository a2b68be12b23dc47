//! The weighted contrasts of several outcomes of the same rows: what these weigh, the model of their scores and each pass
//! over its covariates are shared.

use crate::checks;
use crate::design::vectors::filled;
use crate::error::Result;
use crate::outcome::origin::Measured;
use crate::units::frequency::{RowWeights, users_of, whole};
use crate::weighting::coded_influence::FittedScoreModel;
use crate::weighting::influence::{ArmMeans, ScoreFit, ScoreModel, by_row, of_one_user};
use crate::weighting::ipw::{
    Bounds, Contrast, IpwData, IpwSpec, WeightedEstimate, Weighting, bounds_of_rows, check,
    effective_size_of, shared_out, total_weights,
};

/// Weighted contrasts of n rows, one an outcome, and what is the same for all of them.
#[derive(Debug, Clone)]
pub struct WeightedEstimates {
    pub means: Vec<ArmMeans>,
    pub weighting: Weighting,
    /// Users whose weights were bounded, of the controls first.
    pub n_truncated: [usize; 2],
}

impl WeightedEstimates {
    /// The first of them, by itself.
    #[must_use]
    pub fn of_first(mut self) -> WeightedEstimate {
        let Weighting { weights, ess: [ess_control, ess_treated] } = self.weighting;
        let (means, n_truncated) = (self.means.swap_remove(0), self.n_truncated);
        WeightedEstimate { means, ess_treated, ess_control, weights, n_truncated }
    }
}

impl From<WeightedEstimate> for WeightedEstimates {
    fn from(found: WeightedEstimate) -> Self {
        let WeightedEstimate { means, ess_treated, ess_control, weights, n_truncated } = found;
        let weighting = Weighting { weights, ess: [ess_control, ess_treated] };
        Self { means: vec![means], weighting, n_truncated }
    }
}

/// The effects on several outcomes, as [`crate::weighting::ipw::ipw`] gives that on one: `data` has the first of them,
/// `others` the rest.
///
/// # Errors
/// Those of that.
pub fn ipw_of_outcomes(
    data: &IpwData<'_>,
    others: &[&[f64]],
    spec: IpwSpec,
    score_model: Option<ScoreFit<'_, '_>>,
) -> Result<WeightedEstimates> {
    check(data)?;
    if let Some(model) = score_model {
        checks::same_length("x", model.covariates.n_rows(), data.outcome.len())?;
        checks::penalty(model.penalty)?;
    }
    let IpwData { treatment, scores, row_weights, .. } = *data;
    let model = score_model
        .map(|model| ScoreModel::new(model, treatment, scores, row_weights.total))
        .transpose()?;
    contrasts(data, others, spec, model.as_ref().map(|model| model as &dyn FittedScoreModel))
}

/// As [`ipw_of_outcomes`], with the model of the scores, of data that were checked.
///
/// # Errors
/// Those of that.
pub(super) fn contrasts(
    data: &IpwData<'_>,
    others: &[&[f64]],
    spec: IpwSpec,
    model: Option<&dyn FittedScoreModel>,
) -> Result<WeightedEstimates> {
    spec.check()?;
    let IpwData { outcome, treatment, scores, row_weights } = *data;
    let RowWeights { total: sample_weight, frequency, .. } = row_weights;
    for outcome in others {
        checks::outcome(outcome, treatment.len())?;
    }
    let bounds = bounds_of_rows(data, spec);
    let estimand = spec.estimand;
    let weights = total_weights(treatment, Some((scores, estimand)), sample_weight, bounds);
    let outcomes = [outcome].into_iter().chain(others.iter().copied());
    let measured: Vec<_> =
        outcomes.map(|own| Measured::from_their_middle(own, sample_weight)).collect();
    let found = measured.iter().map(|own| {
        let contrast =
            Contrast::of_rows(&IpwData { outcome: &own.values, ..*data }, estimand, bounds);
        let (mean_treated, mean_control) = contrast.means()?;
        Ok(Found {
            origin: own.origin,
            values: &own.values,
            contrast,
            means: [mean_control, mean_treated],
        })
    });
    let found = found.collect::<Result<Vec<_>>>()?;
    let weighed = WeighedRows { data, spec, bounds, weights: &weights };
    let means = weighed.means(&found, model)?;
    let n_truncated = weighed.n_truncated();
    let ess = [false, true].map(|arm| effective_size_of(arm, treatment, &weights, frequency));
    let weights = shared_out(weights, frequency);
    Ok(WeightedEstimates { means, weighting: Weighting { weights, ess }, n_truncated })
}

/// The weighted means of an outcome, control first, and the sums behind them; values are measured from an origin.
struct Found<'a> {
    origin: f64,
    values: &'a [f64],
    contrast: Contrast,
    means: [f64; 2],
}

/// Rows, and what they weigh.
struct WeighedRows<'a> {
    data: &'a IpwData<'a>,
    spec: IpwSpec,
    bounds: Bounds,
    weights: &'a [f64],
}

impl WeighedRows<'_> {
    /// Whether a row's weight is bounded.
    fn is_bounded(&self, i: usize) -> bool {
        let IpwData { treatment, scores, .. } = *self.data;
        let weight = || self.spec.estimand.weight(treatment[i], scores[i]);
        self.spec.truncate.is_some() && weight() > self.bounds[usize::from(treatment[i])]
    }

    /// How fast what a row weighs grows with the log odds of its score.
    fn slope(&self, i: usize) -> f64 {
        let IpwData { treatment, scores, row_weights, .. } = *self.data;
        let slope = row_weights.total(i) * self.spec.estimand.weight_slope(treatment[i], scores[i]);
        if self.is_bounded(i) { 0.0 } else { slope }
    }

    /// Users whose weights are bounded, of the controls first.
    fn n_truncated(&self) -> [usize; 2] {
        let IpwData { treatment, row_weights, .. } = *self.data;
        if self.spec.truncate.is_none() {
            return [0; 2];
        }
        let is_cut = |i: &usize| self.is_bounded(*i) && row_weights.total(*i) > 0.0;
        [false, true].map(|arm| {
            let cut = (0..treatment.len()).filter(|i| treatment[*i] == arm).filter(is_cut);
            whole(cut.map(|i| users_of(row_weights.frequency, i)).sum())
        })
    }

    /// The means with the influence of each row: w (y - mean) in its own arm, and what it does through the scores.
    fn means(
        &self,
        found: &[Found<'_>],
        model: Option<&dyn FittedScoreModel>,
    ) -> Result<Vec<ArmMeans>> {
        let IpwData { treatment, row_weights, .. } = *self.data;
        let (n, weights) = (treatment.len(), self.weights);
        // Vectors go by outcome, and of each that of the controls first.
        let own = |which: usize, i: usize| {
            let (Found { values, means, .. }, arm) = (&found[which / 2], which % 2);
            if usize::from(treatment[i]) == arm { values[i] - means[arm] } else { 0.0 }
        };
        let add_own = |which: usize, first: usize, influence: &mut [f64]| {
            let rows = first..;
            influence.iter_mut().zip(rows).for_each(|(x, i)| *x += weights[i] * own(which, i));
        };
        let added = if let Some(model) = model {
            let slopes = by_row(n, |i| self.slope(i));
            let fill = |which: usize, first: usize, lane: &mut [f64]| {
                lane.iter_mut().zip(first..).for_each(|(x, i)| *x = slopes[i] * own(which, i));
            };
            model.influences(n, 2 * found.len(), &fill, &add_own)?
        } else {
            (0..2 * found.len()).map(|which| filled(n, which, &add_own)).collect()
        };
        let RowWeights { total, frequency, .. } = row_weights;
        let mut means = Vec::with_capacity(found.len());
        let mut added = added.into_iter();
        for Found { origin, contrast, means: above, .. } in found {
            let mut influence = [vec![], vec![]];
            for (arm, added) in added.by_ref().take(2).enumerate() {
                influence[arm] = of_one_user(added, contrast.weight[arm], total, frequency);
            }
            means.push(ArmMeans { origin: *origin, above: *above, influence });
        }
        Ok(means)
    }
}
