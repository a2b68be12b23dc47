//! What may be asked of matching: who looks for whom, by which distance, who may serve how often, whose turn it
//! is. Types alone, which all of the wing reads.

use ndarray::ArrayView2;

use crate::checks;
use crate::error::{Error, Result};
use crate::weighting::estimand::Estimand;

/// What distances are measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quantity {
    /// The score itself.
    Score,
    /// Its log odds, which spread the ends out.
    Logit,
}

/// The log odds of a score.
#[must_use]
pub fn logit(score: f64) -> f64 {
    (score / (1.0 - score)).ln()
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
            other => {
                let found = format!("\"{other:?}\"").to_uppercase();
                Err(argument("estimand", &found, "\"ATE\", \"ATT\" or \"ATC\" for matching"))
            }
        }
    }
}

/// Nearest neighbours on the score, with replacement, every tie kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NearestSpec {
    pub focal: Focal,
    pub n_neighbors: usize,
    /// The farthest a neighbour may be, in standard deviations (all rows, n - 1) of the quantity.
    pub caliper: Option<f64>,
    pub quantity: Quantity,
    /// How many others of its arm show how much the outcome of a row varies.
    pub variance_neighbors: usize,
}

/// The least there is a variance with.
pub const ONE_OTHER: usize = 1;

impl NearestSpec {
    /// # Errors
    /// [`Error::Argument`] for no neighbours or a caliper that is not positive.
    pub fn check(&self) -> Result<()> {
        check_counts(self.n_neighbors, self.caliper)
    }

    /// # Errors
    /// [`Error::Argument`] for more neighbours than there are donors for a focal arm.
    pub(super) fn check_donors(&self, focal: bool, n_donors: usize) -> Result<()> {
        if self.n_neighbors <= n_donors {
            return Ok(());
        }
        let arm = if focal { "control" } else { "treated" };
        let found = format!("{} with {n_donors} {arm} rows", self.n_neighbors);
        Err(argument("n_neighbors", &found, "at most the number of rows to choose from"))
    }
}

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
    pub method: Method,
    pub metric: Metric,
    /// On the quantity matched on; on the score where that is covariates.
    pub caliper: Option<f64>,
    pub unit: CaliperUnit,
    pub discard: Discard,
    pub seed: u64,
}

/// How donors are given to the focal rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Each to any number of them; donors that tie share the weight.
    WithReplacement,
    /// Each to at most so many, who choose in this order: once is matching without replacement.
    InTurn { uses: u32, order: Order },
    /// Nobody chooses: of all sets of as many pairs as can be, that with the least sum of distances.
    Optimal,
    /// Every row with a partner in a star, one row of an arm and some of the other, with the least sum of
    /// distances.
    Full,
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
    /// What is asked for, where the arms sorted by score tell everything: with replacement on a line, with a
    /// caliper on that at most. Of rows with further calipers, or labels that must agree, they do not.
    #[must_use]
    pub fn on_scores_alone(&self) -> Option<NearestSpec> {
        let Self { focal, n_neighbors, method, metric, caliper, unit, discard, .. } = *self;
        match (method, metric, discard) {
            (Method::WithReplacement, Metric::Line(quantity), Discard::Nobody)
                if caliper.is_none() || unit == CaliperUnit::All =>
            {
                let variance_neighbors = ONE_OTHER;
                Some(NearestSpec { focal, n_neighbors, caliper, quantity, variance_neighbors })
            }
            _ => None,
        }
    }

    /// # Errors
    /// [`Error::Argument`] for what contradicts itself or the rows; the errors of the arrays.
    pub fn check(&self, candidates: &Candidates<'_>) -> Result<()> {
        check_arrays(candidates)?;
        check_counts(self.n_neighbors, self.caliper)?;
        candidates.calipers.iter().try_for_each(|(_, width)| check_caliper(*width))?;
        let serves_once = match self.method {
            Method::InTurn { uses: 0, .. } => return Err(argument("max_reuse", "0", "at least 1")),
            Method::InTurn { uses, .. } => uses == 1,
            Method::Optimal => true,
            Method::WithReplacement | Method::Full => false,
        };
        if self.focal == Focal::Both && serves_once {
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
        let (by_score, method) = ([Order::Scarcest, Order::Largest, Order::Smallest], self.method);
        !self.metric.needs_covariates()
            || self.caliper.is_some()
            || self.discard != Discard::Nobody
            || matches!(method, Method::InTurn { order, .. } if by_score.contains(&order))
    }
}

fn check_counts(n_neighbors: usize, caliper: Option<f64>) -> Result<()> {
    if n_neighbors == 0 {
        return Err(argument("n_neighbors", "0", "at least 1"));
    }
    caliper.map_or(Ok(()), check_caliper)
}

fn check_caliper(width: f64) -> Result<()> {
    if width > 0.0 && width.is_finite() {
        return Ok(());
    }
    Err(argument("caliper", &format!("{width:?}"), "a number > 0, or none"))
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
