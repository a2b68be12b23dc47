//! The arms of a matching on scores, group by group: what a row's outcome weighs, and varies around.

use std::ops::Range;

use rayon::prelude::*;

use super::groups::{PIECE, add_up, sums, zeros};
use super::neighbors::{Found, Search};
use super::on_scores;
use super::outcome_variance::neighborhood;
use super::sorted_scores::SortedScores;
use super::spec::{NearestSpec, Quantity};
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
    quantity: Quantity,
    /// The outcomes of each group.
    pub outcome: Vec<Moments>,
    /// By group; empty where the arm is not focal.
    found: Vec<Found>,
    /// K and K' of each row of a group.
    uses: Vec<[f64; 2]>,
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
    let find = |treated: bool| {
        let (own, other) = (&sorted[usize::from(treated)], &sorted[usize::from(!treated)]);
        if !spec.focal.includes(treated) {
            return Ok(Vec::new());
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
    let uses_of_control = uses(&control, &treated, &of_treated)?;
    let uses_of_treated = uses(&treated, &control, &of_control)?;
    let new = |treated, scores: SortedScores, found, uses| {
        let outcome = outcomes(&scores, outcome);
        MatchedArm { treated, scores, quantity: spec.quantity, outcome, found, uses }
    };
    Ok([
        new(false, control, of_control, uses_of_control),
        new(true, treated, of_treated, uses_of_treated),
    ])
}

/// K and K' of each row of a group of donors.
fn uses(donors: &SortedScores, focal: &SortedScores, found: &[Found]) -> Result<Vec<[f64; 2]>> {
    let mut uses = zeros(donors.n_groups());
    let line = (&donors.value[..], &mut uses[..]);
    add_up(&focal.value[..found.len()], [line], |groups, [added]| {
        for (group, found) in groups.clone().zip(&found[groups]) {
            let (rows, share) = (focal.count(group), 1.0 / found.rows);
            let more = [rows * share, rows * (share / found.rows)];
            found.groups().for_each(|donor| added.add(donor, more));
        }
        Ok(())
    })?;
    Ok(uses)
}

/// The outcomes of each group.
fn outcomes(scores: &SortedScores, outcome: &[f64]) -> Vec<Moments> {
    let of_group = |group: usize| match scores.rows_of(group) {
        [row] => Moments { weight: 1.0, mean: outcome[*row], deviation: 0.0 },
        rows => Moments::of(&rows.iter().map(|row| outcome[*row]).collect::<Vec<f64>>()),
    };
    (0..scores.n_groups()).into_par_iter().with_min_len(PIECE).map(of_group).collect()
}

impl MatchedArm {
    fn n_groups(&self) -> usize {
        self.outcome.len()
    }

    /// What a group found.
    fn found(&self, group: usize) -> Found {
        self.found.get(group).copied().unwrap_or(Found::NOTHING)
    }

    /// W of each row of a group: w + K.
    fn weight(&self, group: usize) -> f64 {
        self.uses[group][0] + own_share(&self.found(group))
    }

    /// The score of a group, these being those of all rows.
    pub fn score(&self, group: usize, scores: &[f64]) -> f64 {
        match self.quantity {
            Quantity::Score => self.scores.value[group],
            Quantity::Logit => scores[self.scores.rows_of(group)[0]],
        }
    }

    pub fn is_matched(&self) -> bool {
        !self.found.iter().any(Found::is_empty)
    }

    /// The sum of w over rows.
    pub fn n_matched(&self) -> f64 {
        let rows = |group: usize| self.outcome[group].weight * own_share(&self.found(group));
        let [sum] = sums(self.found.len(), |groups| [groups.map(rows).sum()]);
        sum
    }

    /// The mean of the outcome, weighted by W, and the effective sample size of W.
    pub fn mean(&self) -> (f64, f64) {
        let [weight, squares, total] = sums(self.n_groups(), |groups| {
            groups.fold([0.0; 3], |[weight, squares, total], group| {
                let (w, outcome) = (self.weight(group), &self.outcome[group]);
                let rows = outcome.weight;
                [weight + rows * w, squares + rows * w * w, total + rows * w * outcome.mean]
            })
        });
        (total / weight, weight * weight / squares)
    }

    /// Sum w (y - mean of the donors - `gap`)^2 over rows.
    pub fn spread(&self, donors: &Self, gap: f64) -> f64 {
        let square = |group: usize| {
            let (own, found) = (&self.outcome[group], &self.found[group]);
            if found.is_empty() {
                return 0.0;
            }
            let rest = own.mean - donors.pooled(found).mean - gap;
            own.deviation + own.weight * rest * rest
        };
        let [sum] = sums(self.found.len(), |groups| [groups.map(square).sum()]);
        sum
    }

    /// Sum s2 (W^2 - w - K') over rows.
    pub fn sampling(&self, n_others: usize) -> f64 {
        let search = neighborhood(n_others);
        let of_groups = |groups: Range<usize>| {
            let near = self.scores.found_by(&search, &self.scores.value[groups.clone()]);
            let terms = groups.zip(near).map(|(group, near)| {
                let weight = self.weight(group);
                let factor = weight * weight - own_share(&self.found(group)) - self.uses[group][1];
                self.outcome[group].weight * self.pooled(&near).sample_variance() * factor
            });
            [terms.sum()]
        };
        let [sum] = sums(self.n_groups(), of_groups);
        sum
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
