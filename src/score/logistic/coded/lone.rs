//! Levels whose rows are treated all, or none: their coefficients grow without bound, which their counts say before the
//! first step. Newton's method would take some twenty steps there, each of which adds about 1 to their log odds.

use super::likelihood::CodedLikelihood;
use crate::error::{Error, Result};

/// A level whose rows are of one arm alone.
#[derive(Debug)]
struct Lone {
    factor: usize,
    level: usize,
    treated: bool,
    /// What its rows weigh.
    weight: f64,
}

/// Coefficients to start from: those of the intercept alone, and lone levels as far out as their rows' share of the
/// gradient asks for. `None` where there are no lone levels, or a penalty holds them.
///
/// # Errors
/// [`Error::Separation`] where every row is of a lone level of one factor.
pub fn start(likelihood: &CodedLikelihood<'_, '_>, tolerance: f64) -> Result<Option<Vec<f64>>> {
    if likelihood.is_penalized() {
        return Ok(None);
    }
    let found = lone_levels(likelihood)?;
    if found.is_empty() {
        return Ok(None);
    }
    let CodedLikelihood { design, total, treated, .. } = likelihood;
    let mut theta = likelihood.intercept_only();
    let log_odds = (treated / (total - treated)).ln();
    for lone in found {
        // Scores that leave weight / e^far = tolerance * total / e of the gradient.
        let far = (lone.weight / (tolerance * total)).ln().max(0.0) + 1.0;
        let far = if lone.treated { far } else { -far };
        design.raise(&mut theta, lone.factor, lone.level, far - log_odds);
    }
    Ok(Some(theta))
}

fn lone_levels(likelihood: &CodedLikelihood<'_, '_>) -> Result<Vec<Lone>> {
    let (design, rows) = (likelihood.design, likelihood.rows);
    let mut found = Vec::new();
    for (factor, codes) in design.plain_factors().iter().enumerate() {
        let lone = codes.lone_levels(rows.treatment, rows.sample_weight);
        if lone.iter().all(Option::is_none) {
            continue;
        }
        let mut weights = vec![0.0; lone.len()];
        for row in 0..codes.n_rows() {
            weights[codes.level(row)] += rows.sample_weight.map_or(1.0, |weight| weight[row]);
        }
        let is_lone_or_empty = |level: usize| lone[level].is_some() || weights[level] == 0.0;
        if (0..lone.len()).all(is_lone_or_empty) {
            return Err(Error::Separation { columns: design.terms_of(factor).to_vec() });
        }
        found.extend(lone.iter().enumerate().filter_map(|(level, treated)| {
            treated.map(|treated| Lone { factor, level, treated, weight: weights[level] })
        }));
    }
    Ok(found)
}
