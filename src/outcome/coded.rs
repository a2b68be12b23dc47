//! Estimators with outcome models over numbers and factors: least squares and logistic regression in each arm, by the
//! sums that codes give.

mod arm;
mod inside;
mod refits;

use crate::checks;
use crate::design::coded::{Coded, NO_DOUBT, NumbersAndFactors, Sums};
use crate::design::rank::presence;
use crate::error::Result;
use crate::monitor::Monitor;
use crate::outcome::adjusted_rows::{AdjustedRows, AdjustmentData, ArmInfluence, ArmMean};
use crate::outcome::adjustment::AdjustmentSpec;
use crate::outcome::doubly_robust::{Adjusted, check};
use crate::outcome::kinds::OutcomeModel;
use crate::outcome::origin::Measured;
use crate::reserve::room_for;
use crate::score::spec::PropensitySpec;
use crate::units::frequency::RowWeights;
use crate::weighting::coded_influence::{CodedScoreModel, FittedScoreModel};
use crate::weighting::influence::{ArmMeans, ScoreRows};
use crate::weighting::ipw::shared_out;

pub use arm::CodedArm;
pub use inside::inside_of_codes;
pub use refits::{CodedOutcomes, Resampled, is_open_to_codes};

/// The score model of an analysis, with a penalty on all rows together.
#[derive(Debug, Clone, Copy)]
pub struct CodedScore<'a> {
    pub spec: PropensitySpec,
    /// Its scores, where it was fitted already.
    pub scores: Option<&'a [f64]>,
}

/// As [`crate::outcome::doubly_robust::adjusted_means`], where all models are of the same numbers and factors; `None`
/// where that is left to their matrix: other models than linear and logistic ones, and whatever may be collinear, in an
/// arm or altogether.
///
/// # Errors
/// Those of that.
pub fn adjusted_means_of_codes(
    data: &AdjustmentData<'_>,
    given: &NumbersAndFactors<'_>,
    score: &CodedScore<'_>,
    spec: AdjustmentSpec,
    monitor: &Monitor,
) -> Result<Option<Adjusted>> {
    let is_known = matches!(spec.outcome_model, OutcomeModel::Linear | OutcomeModel::Logistic);
    let is_open = spec.needs_score() && score.scores.is_none();
    if !is_known || is_open {
        return Ok(None);
    }
    given.check()?;
    check(data, given.x.nrows(), spec)?;
    let AdjustmentData { treatment, outcome, row_weights, .. } = *data;
    let RowWeights { total: sample_weight, frequency, .. } = row_weights;
    checks::enough_users_in_each_arm(treatment, frequency, given.n_terms() + 1)?;
    let measured = if spec.outcome_model.takes_any_origin() {
        Measured::from_their_middle(outcome, sample_weight)
    } else {
        Measured::from_zero(outcome)
    };
    let data = &AdjustmentData { outcome: &measured.values, ..*data };
    let Some(design) = settled(given, sample_weight)? else { return Ok(None) };
    let unknown = vec![0.5; treatment.len()];
    let scores = score.scores.filter(|_| spec.needs_score()).unwrap_or(&unknown);
    checks::same_length("scores", scores.len(), treatment.len())?;
    checks::scores(scores)?;
    let PropensitySpec { penalty, link, .. } = score.spec;
    let rows = ScoreRows { treatment, scores, weight: sample_weight, link };
    let mut model = None;
    if spec.needs_score() {
        model = CodedScoreModel::new(given, &rows, penalty)?;
        if model.is_none() {
            return Ok(None);
        }
    }
    monitor.check()?;
    let weight = sample_weight.map_or_else(|| vec![1.0; treatment.len()], <[f64]>::to_vec);
    let rows = AdjustedRows { data, weight: &weight, scores, spec };
    let arms = Arms { design: &design, rows, score_model: model.as_ref(), monitor };
    let (Some(control), Some(treated)) = (arms.mean(false)?, arms.mean(true)?) else {
        return Ok(None);
    };
    let above = [control.mean, treated.mean];
    let leverage = added(control.leverage, &treated.leverage);
    let of_residuals = added(control.influence.of_residuals, &treated.influence.of_residuals);
    let influence = [control.influence.whole, treated.influence.whole];
    Ok(Some(Adjusted {
        means: ArmMeans { origin: measured.origin, above, influence },
        scores: spec.needs_score().then(|| scores.to_vec()),
        aliased: Vec::new(),
        diverging: Vec::new(),
        outcome_aliased: design.dropped(),
        leverage,
        residual_influence: if data.with_leverage { of_residuals } else { Vec::new() },
    }))
}

fn added(mut to: Vec<f64>, other: &[f64]) -> Vec<f64> {
    to.iter_mut().zip(other).for_each(|(sum, own)| *sum += own);
    to
}

/// What both arms are estimated from.
struct Arms<'a, 'x> {
    design: &'a Coded<'x>,
    rows: AdjustedRows<'a>,
    score_model: Option<&'a CodedScoreModel<'x>>,
    monitor: &'a Monitor,
}

/// An arm's mean, and what each row does to it; the leverage of its rows, where that was asked for.
struct Estimated {
    mean: f64,
    influence: ArmInfluence,
    leverage: Vec<f64>,
}

impl Arms<'_, '_> {
    fn mean(&self, arm: bool) -> Result<Option<Estimated>> {
        let Self { design, rows, score_model, monitor } = self;
        let Some(fit) = CodedArm::new(design, rows, arm, monitor)? else { return Ok(None) };
        let [mean, target] = rows.mean(arm, &fit.fitted);
        let model = rows.spec.outcome_model;
        let estimate = ArmMean { arm, model, fitted: &fit.fitted, mean, target };
        monitor.check()?;
        let score_model = score_model.map(|model| model as &dyn FittedScoreModel);
        let moved = |slopes: &[f64]| fit.moved(design, slopes);
        let influence = rows.influence(&estimate, &moved, score_model)?;
        let leverage = if rows.data.with_leverage {
            let of_rows = fit.leverage(design, &rows.expected_spread(&estimate));
            shared_out(of_rows, rows.data.row_weights.frequency)
        } else {
            Vec::new()
        };
        Ok(Some(Estimated { mean, influence, leverage }))
    }
}

/// The design without the levels that earlier ones explain; `None` where codes cannot tell what is collinear.
///
/// # Errors
/// [`crate::error::Error::Overflow`], [`crate::error::Error::Memory`].
pub fn settled<'x>(
    given: &NumbersAndFactors<'x>,
    sample_weight: Option<&[f64]>,
) -> Result<Option<Coded<'x>>> {
    let design = Coded::new(given, sample_weight)?.unpenalized(sample_weight);
    let Some(design) = design else { return Ok(None) };
    room_for(Sums::entries(&design), size_of::<f64>() * (rayon::current_num_threads() + 1))?;
    let there = presence(given.x.nrows(), sample_weight);
    let counts = Sums::of(&design, &there, &there)?;
    if counts.arrow(&design).factor()?.least_pivot > NO_DOUBT {
        return Ok(Some(design));
    }
    let collinear = design.collinear_levels(&counts)?;
    let Some(design) = design.without(&collinear).apart(sample_weight) else { return Ok(None) };
    let counts = Sums::of(&design, &there, &there)?;
    let is_clear = counts.arrow(&design).factor()?.least_pivot > NO_DOUBT;
    Ok(is_clear.then_some(design))
}
