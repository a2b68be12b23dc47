//! Nearest neighbours on a score, with replacement, every tie kept.
//!
//! A focal unit i (treated for the ATT, control for the ATC, any for the ATE) is compared with
//! Omega(i): all units of the other arm no farther than its k-th nearest (Abadie and Imbens 2006,
//! section 2), each with the same share 1 / |Omega(i)|. In one dimension Omega(i) is a run of the sorted
//! donors, so a match is two numbers, however many donors tie, and nothing depends on the order of the
//! rows.

mod arm;
mod ascent;
mod beside;
mod carry;
mod correction;
mod donors;
mod draws;
mod greedy;
mod grid;
mod line;
mod lineup;
mod local;
mod matcher;
mod metric;
mod optimum;
mod order;
mod pair;
mod pool;
mod presence;
mod rows;
mod search;
mod shared;
mod sites;
mod space;
mod spec;
mod strip;
mod tree;
mod variance;

use rayon::prelude::*;

use crate::checks;
use crate::error::{Error, Result};
use crate::monitor::Monitor;
use crate::units::tally::Rows;
use crate::weighting::estimand::Estimand;

use matcher::FoundByArm;
use search::{Search, TIE};

pub use line::Line;
pub use local::{Neighborhood, outcome_variance};
pub use matcher::Matcher;
pub use optimum::full;
pub(crate) use order::Sorted;
pub use pair::{Pairs, pair};
pub use rows::Matches;
pub use spec::{CaliperUnit, Candidates, Discard, MatchSpec, Metric, Order, Reuse};
pub use variance::{MatchedEffect, MatchedRows, effect};

/// What distances are measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quantity {
    /// The score itself.
    Score,
    /// Its log odds, which spread the ends out.
    Logit,
}

/// Whose units look for neighbours in the other arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Focal {
    /// The treated: an effect for them, the ATT.
    Treated,
    /// The controls: the ATC.
    Control,
    /// Everybody: the ATE.
    Both,
}

impl Focal {
    /// Whether the units of an arm are focal.
    #[must_use]
    pub fn includes(self, treated: bool) -> bool {
        match self {
            Self::Treated => treated,
            Self::Control => !treated,
            Self::Both => true,
        }
    }

    #[must_use]
    pub fn estimand(self) -> Estimand {
        match self {
            Self::Treated => Estimand::Att,
            Self::Control => Estimand::Atc,
            Self::Both => Estimand::Ate,
        }
    }
}

impl TryFrom<Estimand> for Focal {
    type Error = Error;

    fn try_from(estimand: Estimand) -> Result<Self> {
        match estimand {
            Estimand::Att => Ok(Self::Treated),
            Estimand::Atc => Ok(Self::Control),
            Estimand::Ate => Ok(Self::Both),
            other => Err(Error::Argument {
                name: "estimand",
                found: format!("\"{other:?}\"").to_uppercase(),
                allowed: "\"ATE\", \"ATT\" or \"ATC\" for matching",
            }),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NearestSpec {
    pub focal: Focal,
    pub n_neighbors: usize,
    /// The farthest a neighbour may be, in standard deviations (all rows, n - 1) of the quantity.
    pub caliper: Option<f64>,
    pub quantity: Quantity,
}

impl NearestSpec {
    /// # Errors
    /// [`Error::Argument`] for no neighbours or a caliper that is not positive.
    pub fn check(&self) -> Result<()> {
        if self.n_neighbors == 0 {
            let found = "0".into();
            return Err(Error::Argument { name: "n_neighbors", found, allowed: "at least 1" });
        }
        match self.caliper {
            Some(caliper) if !(caliper > 0.0 && caliper.is_finite()) => {
                let found = format!("{caliper:?}");
                Err(Error::Argument { name: "caliper", found, allowed: "a number > 0, or none" })
            }
            _ => Ok(()),
        }
    }

    /// # Errors
    /// [`Error::Argument`] for more neighbours than there are donors for a focal arm.
    fn check_donors(&self, focal: bool, n_donors: f64) -> Result<()> {
        if self.n_neighbors as f64 <= n_donors {
            return Ok(());
        }
        let arm = if focal { "control" } else { "treated" };
        Err(Error::Argument {
            name: "n_neighbors",
            found: format!("{} with {n_donors} {arm} rows", self.n_neighbors),
            allowed: "at most the number of rows to choose from",
        })
    }

    /// The caliper in the units of the quantity; `deviation` is used with one only.
    fn width(&self, deviation: f64) -> f64 {
        self.caliper.map_or(f64::INFINITY, |caliper| caliper * deviation)
    }

    /// A distance that only rounding puts beyond the caliper is within it, as one that rounding keeps from
    /// being equal to another ties with it.
    fn search(&self, deviation: f64) -> Search {
        Search { n_neighbors: self.n_neighbors as f64, reach: self.width(deviation) + TIE }
    }
}

/// The log odds of a score.
#[must_use]
pub fn logit(score: f64) -> f64 {
    (score / (1.0 - score)).ln()
}

/// Match the rows of one arm, or of both, to their nearest in the other.
///
/// # Errors
/// Lengths that differ, scores outside (0, 1), an empty arm, fewer donors than neighbours asked for,
/// nobody within the caliper.
pub fn nearest(
    scores: &[f64],
    treatment: &[bool],
    spec: &NearestSpec,
    monitor: &Monitor,
) -> Result<Matches> {
    check_rows(scores, treatment, spec)?;
    let logits = logits(scores, spec.quantity);
    let values = logits.as_deref().unwrap_or(scores);
    monitor.check()?;
    // A pass over all rows that only a caliper needs.
    let deviation = match spec.caliper {
        Some(_) => matcher::deviation(values, &Rows { treatment, sample_weight: None }),
        None => f64::NAN,
    };
    rows::match_rows(values, treatment, spec, deviation, monitor)
}

fn check_rows(scores: &[f64], treatment: &[bool], spec: &NearestSpec) -> Result<()> {
    checks::same_length("treatment", treatment.len(), scores.len())?;
    checks::scores(scores)?;
    checks::both_arms(treatment)?;
    spec.check()
}

/// The log odds of all scores, where these are what is matched on.
fn logits(scores: &[f64], quantity: Quantity) -> Option<Vec<f64>> {
    let on_logit = quantity == Quantity::Logit;
    on_logit.then(|| scores.par_iter().map(|score| logit(*score)).collect())
}

/// Check the rows, sort them, and let the focal ones find their donors.
fn match_rows(
    scores: &[f64],
    treatment: &[bool],
    spec: &NearestSpec,
    monitor: &Monitor,
) -> Result<(Matcher, FoundByArm)> {
    check_rows(scores, treatment, spec)?;
    let logits = logits(scores, spec.quantity);
    let values = logits.as_deref().unwrap_or(scores);
    monitor.check()?;
    let mut matcher = Matcher::default();
    matcher.sort(values, &Rows { treatment, sample_weight: None }, monitor)?;
    monitor.check()?;
    let found = matcher.search(spec, monitor)?;
    Ok((matcher, found))
}
