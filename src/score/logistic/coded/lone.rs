//! Levels, and combinations of levels, whose rows are treated all, or none: their coefficients grow without bound, which
//! their counts say before the first step. Newton's method would take some twenty steps there, each of which adds about 1
//! to their log odds.

use super::likelihood::CodedLikelihood;
use crate::design::coded::Nest;
use crate::error::{Error, Result};

/// Coefficients to start from: those of the intercept alone, and lone cells as far out as their rows' share of the
/// gradient asks for. `None` where there are no lone cells, or a penalty holds them.
///
/// # Errors
/// [`Error::Separation`] where every row is of a lone cell of one nest.
pub fn start(likelihood: &CodedLikelihood<'_, '_>, tolerance: f64) -> Result<Option<Vec<f64>>> {
    if likelihood.is_penalized() {
        return Ok(None);
    }
    let (mut theta, mut has_lone) = (likelihood.intercept_only(), false);
    for nest in likelihood.design.nests() {
        if let Some(by) = raises(likelihood, &nest, tolerance)? {
            nest.raise(likelihood.design, &mut theta, &by);
            has_lone = true;
        }
    }
    Ok(has_lone.then_some(theta))
}

/// By how much the linear predictor of each cell is raised; `None` where none is lone.
fn raises(
    likelihood: &CodedLikelihood<'_, '_>,
    nest: &Nest,
    tolerance: f64,
) -> Result<Option<Vec<f64>>> {
    let CodedLikelihood { design, rows, total, treated, .. } = likelihood;
    let lone = nest.cells.lone_levels(rows.treatment, rows.sample_weight);
    if lone.iter().all(Option::is_none) {
        return Ok(None);
    }
    let mut weights = vec![0.0; lone.len()];
    for row in 0..nest.cells.n_rows() {
        weights[nest.cells.level(row)] += rows.sample_weight.map_or(1.0, |weight| weight[row]);
    }
    if lone.iter().zip(&weights).all(|(lone, weight)| lone.is_some() || *weight == 0.0) {
        return Err(Error::Separation { columns: nest.terms(design) });
    }
    let log_odds = (treated / (total - treated)).ln();
    let by = |(lone, weight): (&Option<bool>, &f64)| {
        // Scores that leave weight / e^far = tolerance * total / e of the gradient.
        let far = (weight / (tolerance * total)).ln().max(0.0) + 1.0;
        lone.map_or(0.0, |is_treated| if is_treated { far } else { -far } - log_odds)
    };
    Ok(Some(lone.iter().zip(&weights).map(by).collect()))
}
