//! The weighted contrast of rows whose scores are of a model of numbers and factors.

use crate::checks;
use crate::design::coded::NumbersAndFactors;
use crate::design::covariates::Covariates;
use crate::error::Result;
use crate::reserve::room_for;
use crate::score::links::Link;
use crate::weighting::coded_influence::CodedScoreModel;
use crate::weighting::influence::{ScoreFit, ScoreRows};
use crate::weighting::ipw::{IpwData, IpwSpec, WeightedEstimate, check, ipw, ipw_by_model};

/// The model of numbers and factors that gave scores.
#[derive(Debug, Clone, Copy)]
pub struct CodedScoreFit<'a> {
    pub given: NumbersAndFactors<'a>,
    /// L2 strength on the caller's scale.
    pub penalty: f64,
    pub link: Link,
}

/// As [`ipw`], where the scores are of a model of numbers and factors.
///
/// # Errors
/// Those of [`ipw`]; [`crate::error::Error::Memory`].
pub fn ipw_of_factors(
    data: &IpwData<'_>,
    spec: IpwSpec,
    CodedScoreFit { given, penalty, link }: CodedScoreFit<'_>,
) -> Result<WeightedEstimate> {
    check(data)?;
    given.check()?;
    checks::same_length("x", given.x.nrows(), data.outcome.len())?;
    checks::penalty(penalty)?;
    let IpwData { treatment, scores, row_weights, .. } = *data;
    let sample_weight = row_weights.total;
    let rows = ScoreRows { treatment, scores, weight: sample_weight, link };
    if let Some(model) = CodedScoreModel::new(&given, &rows, penalty)? {
        return ipw_by_model(data, spec, Some(&model));
    }
    room_for(scores.len(), size_of::<f64>() * given.n_terms())?;
    let matrix = given.matrix();
    let covariates = Covariates::standardized_among(matrix.view(), sample_weight)?;
    ipw(data, spec, Some(ScoreFit { covariates: &covariates, penalty, link }))
}
