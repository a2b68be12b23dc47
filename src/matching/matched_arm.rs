//! The arms of a matching on scores, group by group: what a row's outcome weighs, and varies around.

use super::neighbors::{Found, Search};
use super::on_scores;
use super::outcome_variance::neighborhoods;
use super::sorted_scores::SortedScores;
use super::spec::NearestSpec;
use crate::error::{Error, Result};
use crate::moments::Moments;
use crate::monitor::Monitor;
use crate::units::tally::Rows;

/// Rows to be matched, with what came of them.
#[derive(Debug, Clone, Copy)]
pub struct MatchedRows<'a> {
    pub outcome: &'a [f64],
    pub treatment: &'a [bool],
    pub scores: &'a [f64],
}

/// One arm's rows in groups of one value: what they found in the other arm, and what they are used for.
pub struct MatchedArm {
    pub treated: bool,
    pub scores: SortedScores,
    /// The outcomes of each group.
    pub outcome: Vec<Moments>,
    found: Vec<Found>,
    /// W of each row of a group.
    weight: Vec<f64>,
    /// K' of each row of a group.
    squares: Vec<f64>,
}

/// Sort both arms, control first, and let the focal one (or both) find their donors.
///
/// # Errors
/// Those of [`super::nearest`].
pub fn matched_arms(
    rows: &MatchedRows<'_>,
    spec: &NearestSpec,
    monitor: &Monitor,
) -> Result<[MatchedArm; 2]> {
    let MatchedRows { outcome, treatment, scores } = *rows;
    on_scores::check(scores, treatment, spec)?;
    let logits = on_scores::logits(scores, spec.quantity);
    let values = logits.as_deref().unwrap_or(scores);
    monitor.check()?;
    let caliper_width = spec.width(values, &Rows { treatment, sample_weight: None });
    let search = Search::new(spec, caliper_width);
    let sort = |arm: bool| {
        let count = treatment.iter().filter(|own| **own == arm).count();
        SortedScores::new(values, count, |row| treatment[row] == arm)
    };
    let sorted: [SortedScores; 2] = rayon::join(|| sort(false), || sort(true)).into();
    monitor.check()?;
    let find = |treated: bool| {
        let (own, other) = (&sorted[usize::from(treated)], &sorted[usize::from(!treated)]);
        if !spec.focal.includes(treated) {
            return Ok(vec![Found::NOTHING; own.n_groups()]);
        }
        spec.check_donors(treated, other.rows.len())?;
        other.around_each(&search, &own.value, monitor)
    };
    let (of_control, of_treated) = rayon::join(|| find(false), || find(true));
    let (of_control, of_treated) = (of_control?, of_treated?);
    if of_control.iter().chain(&of_treated).all(Found::is_empty) {
        return Err(Error::NoMatches { caliper_width });
    }
    let [control, treated] = sorted;
    let (uses_of_control, uses_of_treated) = rayon::join(
        || Uses::of(&control, &treated, &of_treated),
        || Uses::of(&treated, &control, &of_control),
    );
    let arms = rayon::join(
        || MatchedArm::new(false, control, of_control, uses_of_control, outcome),
        || MatchedArm::new(true, treated, of_treated, uses_of_treated, outcome),
    );
    Ok(arms.into())
}

/// K and K' of each row of a group.
struct Uses {
    sum: Vec<f64>,
    squares: Vec<f64>,
}

impl Uses {
    fn of(donors: &SortedScores, focal: &SortedScores, found: &[Found]) -> Self {
        let n_donors = donors.n_groups();
        let mut uses = Self { sum: vec![0.0; n_donors], squares: vec![0.0; n_donors] };
        for (group, found) in found.iter().enumerate().filter(|(_, found)| !found.is_empty()) {
            let rows = focal.count(group);
            let (share, square) =
                (rows * (1.0 / found.rows), rows * (1.0 / (found.rows * found.rows)));
            uses.sum[found.groups()].iter_mut().for_each(|sum| *sum += share);
            uses.squares[found.groups()].iter_mut().for_each(|sum| *sum += square);
        }
        uses
    }
}

impl MatchedArm {
    fn new(
        treated: bool,
        scores: SortedScores,
        found: Vec<Found>,
        uses: Uses,
        outcome: &[f64],
    ) -> Self {
        let mut of_group = Vec::new();
        let outcome = (0..scores.n_groups()).map(|group| {
            of_group.clear();
            of_group.extend(scores.rows_of(group).iter().map(|row| outcome[*row]));
            Moments::of(&of_group)
        });
        let outcome = outcome.collect();
        let weight = uses.sum.iter().zip(&found).map(|(uses, found)| uses + own_share(found));
        let weight = weight.collect();
        Self { treated, scores, outcome, found, weight, squares: uses.squares }
    }

    pub fn is_matched(&self) -> bool {
        !self.found.iter().any(Found::is_empty)
    }

    /// The sum of w over rows.
    pub fn n_matched(&self) -> f64 {
        let groups = self.outcome.iter().zip(&self.found);
        groups.map(|(outcome, found)| outcome.weight * own_share(found)).sum()
    }

    /// The mean of the outcome, weighted by W, and the effective sample size of W.
    pub fn mean(&self) -> (f64, f64) {
        let (mut weight, mut squares, mut total) = (0.0, 0.0, 0.0);
        for (w, outcome) in self.weight.iter().zip(&self.outcome) {
            let rows = outcome.weight;
            weight += rows * w;
            squares += rows * w * w;
            total += rows * w * outcome.mean;
        }
        (total / weight, weight * weight / squares)
    }

    /// Sum w (y - mean of the donors - `gap`)^2 over rows.
    pub fn spread(&self, donors: &Self, gap: f64) -> f64 {
        let groups = self.outcome.iter().zip(&self.found).filter(|(_, found)| !found.is_empty());
        let squares = groups.map(|(own, found)| {
            let rest = own.mean - donors.pooled(found).mean - gap;
            own.deviation + own.weight * rest * rest
        });
        squares.sum()
    }

    /// Sum s2 (W^2 - w - K') over rows.
    pub fn sampling(&self, n_others: usize, monitor: &Monitor) -> Result<f64> {
        let neighbors = neighborhoods(&self.scores, &self.scores, n_others, monitor)?;
        let groups = neighbors.iter().zip(&self.found).zip(&self.weight).zip(&self.squares);
        let terms =
            groups.zip(&self.outcome).map(|((((near, found), weight), squares), outcome)| {
                let factor = weight * weight - own_share(found) - squares;
                outcome.weight * self.pooled(near).sample_variance() * factor
            });
        Ok(terms.sum())
    }

    /// The outcomes of all rows found.
    pub fn pooled(&self, found: &Found) -> Moments {
        let mut pooled = Moments::default();
        self.outcome[found.groups()].iter().for_each(|outcome| pooled.merge(outcome));
        pooled
    }
}

/// w: 1 for a focal row that is matched, else 0.
fn own_share(found: &Found) -> f64 {
    if found.is_empty() { 0.0 } else { 1.0 }
}
