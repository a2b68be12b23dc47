//! The weighted contrast of rows whose scores are of a model of numbers and factors.

use crate::checks;
use crate::design::coded::NumbersAndFactors;
use crate::design::covariates::Covariates;
use crate::error::Result;
use crate::reserve::room_for;
use crate::score::links::Link;
use crate::weighting::coded_influence::CodedScoreModel;
use crate::weighting::influence::{ScoreFit, ScoreRows};
use crate::weighting::ipw::{IpwData, IpwSpec, check};
use crate::weighting::ipw_outcomes::{WeightedEstimates, contrasts, ipw_of_outcomes};

/// The model of numbers and factors that gave scores.
#[derive(Debug, Clone, Copy)]
pub struct CodedScoreFit<'a> {
    pub given: NumbersAndFactors<'a>,
    /// L2 strength on the caller's scale.
    pub penalty: f64,
    pub link: Link,
}

/// As [`ipw_of_outcomes`], where the scores are of a model of numbers and factors.
///
/// # Errors
/// Those of [`ipw_of_outcomes`]; [`crate::error::Error::Memory`].
pub fn ipw_of_factors(
    data: &IpwData<'_>,
    others: &[&[f64]],
    spec: IpwSpec,
    CodedScoreFit { given, penalty, link }: CodedScoreFit<'_>,
) -> Result<WeightedEstimates> {
    check(data)?;
    given.check()?;
    checks::same_length("x", given.x.nrows(), data.outcome.len())?;
    checks::penalty(penalty)?;
    let IpwData { treatment, scores, row_weights, .. } = *data;
    let sample_weight = row_weights.total;
    let rows = ScoreRows { treatment, scores, weight: sample_weight, link };
    if let Some(model) = CodedScoreModel::new(&given, &rows, penalty)? {
        return contrasts(data, others, spec, Some(&model));
    }
    room_for(scores.len(), size_of::<f64>() * given.n_terms())?;
    let matrix = given.matrix();
    let covariates = Covariates::standardized_among(matrix.view(), sample_weight)?;
    ipw_of_outcomes(data, others, spec, Some(ScoreFit { covariates: &covariates, penalty, link }))
}
