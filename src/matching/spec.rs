//! What may be asked of matching: which distance, which pairs are allowed, who may serve how often, whose
//! turn it is.

use ndarray::ArrayView2;

use super::{Focal, Quantity};
use crate::checks;
use crate::error::{Error, Result};

/// The rows to be matched; n of each.
#[derive(Debug, Clone, Copy)]
pub struct Candidates<'a> {
    pub treatment: &'a [bool],
    pub scores: Option<&'a [f64]>,
    /// n by d, for the distances between covariates.
    pub covariates: Option<ArrayView2<'a, f64>>,
    /// Only rows with equal labels are ever paired.
    pub exact: Option<&'a [i64]>,
    /// Further calipers: the values, and how far apart a pair's may be.
    pub calipers: &'a [(&'a [f64], f64)],
    /// What each row counts for; rows that count for nothing are not there.
    pub sample_weight: Option<&'a [f64]>,
    /// What the draws that break ties belong to; None for the row's number.
    pub ids: Option<&'a [i64]>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MatchSpec {
    pub focal: Focal,
    pub n_neighbors: usize,
    pub metric: Metric,
    pub reuse: Reuse,
    pub order: Order,
    /// On the quantity matched on; on the score where that is covariates.
    pub caliper: Option<f64>,
    pub unit: CaliperUnit,
    pub discard: Discard,
    pub seed: u64,
}

/// What the distance of two rows is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// The absolute difference of the score, or of its logit.
    Line(Quantity),
    /// Mahalanobis's, by the covariance of the covariates pooled within the arms.
    Mahalanobis,
    /// The same of ranks, whose variance is set to that of ranks without ties (Rosenbaum 2010, section 8.3).
    RobustMahalanobis,
    /// Euclid's, of covariates divided by their standard deviation pooled within the arms.
    Euclidean,
}

impl Metric {
    /// Whether distances are between covariates.
    #[must_use]
    pub fn needs_covariates(self) -> bool {
        !matches!(self, Self::Line(_))
    }
}

/// For how many focal rows one row may be a donor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reuse {
    /// Any number; donors that tie share the weight.
    Unlimited,
    /// At most so many; one is matching without replacement.
    AtMost(u32),
}

/// In which order the focal rows choose, where they take donors from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// By the score, those with the fewest donors nearby first: treated rows from the largest, controls from
    /// the smallest.
    Scarcest,
    Largest,
    Smallest,
    /// The closest pair of all is made first, then the next.
    Closest,
    /// By a draw that belongs to the row's id.
    Random,
    /// As the rows come: the one order that depends on it.
    Data,
    /// Nobody does: of all sets of as many pairs as can be, that with the least sum of distances.
    AllAtOnce,
}

/// What a caliper is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CaliperUnit {
    /// The units of the values.
    Raw,
    /// Standard deviations over all rows, n - 1.
    All,
    /// sqrt((s1^2 + s0^2) / 2), the standard deviations within the arms (Austin 2011).
    Pooled,
}

/// Rows that are left out because their score lies outside the range of the other arm's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Discard {
    Nobody,
    Treated,
    Control,
    Both,
}

impl MatchSpec {
    /// Whether the arms sorted once tell everything: with replacement on a line, at most one caliper.
    #[must_use]
    pub fn is_plain(&self, candidates: &Candidates<'_>) -> bool {
        !self.metric.needs_covariates()
            && self.reuse == Reuse::Unlimited
            && (self.caliper.is_none() || self.unit == CaliperUnit::All)
            && self.discard == Discard::Nobody
            && candidates.exact.is_none()
            && candidates.calipers.is_empty()
    }

    /// # Errors
    /// [`Error::Argument`] for what contradicts itself or the rows; the errors of the arrays.
    pub fn check(&self, candidates: &Candidates<'_>) -> Result<()> {
        check_arrays(candidates)?;
        if self.n_neighbors == 0 {
            return Err(argument("n_neighbors", "0", "at least 1"));
        }
        let calipers =
            self.caliper.iter().chain(candidates.calipers.iter().map(|(_, width)| width));
        if let Some(bad) = calipers.into_iter().find(|width| !(**width > 0.0 && width.is_finite()))
        {
            return Err(argument("caliper", &bad.to_string(), "a number > 0, or none"));
        }
        if self.order == Order::AllAtOnce && self.reuse != Reuse::AtMost(1) {
            let allowed = "False for optimal pairs, which use a row once";
            return Err(argument("replace", "True", allowed));
        }
        if self.reuse == Reuse::AtMost(0) {
            return Err(argument("max_reuse", "0", "at least 1"));
        }
        if self.focal == Focal::Both && self.reuse == Reuse::AtMost(1) {
            let allowed =
                "\"ATT\" or \"ATC\" without replacement, for nobody is left to stand for the rest";
            return Err(argument("estimand", "\"ATE\"", allowed));
        }
        if self.metric.needs_covariates() != candidates.covariates.is_some() {
            let found = if candidates.covariates.is_some() { "an array" } else { "none" };
            let allowed = "given for the distances between covariates, and only for them";
            return Err(argument("covariates", found, allowed));
        }
        if candidates.scores.is_none() && self.needs_scores() {
            let allowed = "given where distance, caliper, discard or order need them";
            return Err(argument("scores", "none", allowed));
        }
        Ok(())
    }

    fn needs_scores(&self) -> bool {
        let ordered = self.reuse != Reuse::Unlimited
            && matches!(self.order, Order::Scarcest | Order::Largest | Order::Smallest);
        !self.metric.needs_covariates()
            || self.caliper.is_some()
            || self.discard != Discard::Nobody
            || ordered
    }
}

fn check_arrays(candidates: &Candidates<'_>) -> Result<()> {
    let n_rows = candidates.treatment.len();
    checks::both_arms(candidates.treatment)?;
    checks::sample_weight(candidates.sample_weight, n_rows)?;
    if let Some(scores) = candidates.scores {
        checks::same_length("scores", scores.len(), n_rows)?;
        checks::scores(scores)?;
    }
    if let Some(covariates) = candidates.covariates {
        checks::same_length("covariates", covariates.nrows(), n_rows)?;
        checks::squarable_columns("covariates", covariates)?;
    }
    for (values, _) in candidates.calipers {
        checks::same_length("calipers", values.len(), n_rows)?;
        checks::finite("calipers", values)?;
    }
    for (name, labels) in [("exact", candidates.exact), ("ids", candidates.ids)] {
        labels.map_or(Ok(()), |labels| checks::same_length(name, labels.len(), n_rows))?;
    }
    Ok(())
}

pub fn argument(name: &'static str, found: &str, allowed: &'static str) -> Error {
    Error::Argument { name, found: found.into(), allowed }
}
