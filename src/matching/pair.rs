//! From a specification to pairs, in whichever space and however often a donor may serve.

use std::ops::Range;

use super::draws::draws;
use super::in_turn::Turn;
use super::matches::{Matches, Pairs};
use super::on_scores;
use super::optimal;
use super::places::Places;
use super::present::Present;
use super::space::{Space, kept};
use super::spec::{Candidates, MatchSpec, Method, argument};
use super::with_replacement::{self, Near};
use crate::error::{Error, Result};
use crate::monitor::Monitor;

/// Match the rows of one arm, or of both, with rows of the other.
///
/// # Errors
/// Arrays that do not fit, a specification that contradicts itself, fewer donors than neighbours asked for
/// (with replacement), nobody within the calipers, [`Error::Stopped`].
pub fn pair(candidates: &Candidates<'_>, spec: &MatchSpec, monitor: &Monitor) -> Result<Pairs> {
    spec.check(candidates)?;
    if let Some(present) = Present::among(candidates) {
        let calipers = present.calipers();
        let pairs = pair(&present.candidates(&calipers), spec, monitor)?;
        return Ok(present.spread_pairs(pairs));
    }
    let has_limits = candidates.exact.is_some() || !candidates.calipers.is_empty();
    let (plain, Candidates { treatment, sample_weight, .. }) =
        (spec.on_scores_alone().zip(candidates.scores), *candidates);
    let Some((plain, scores)) = plain.filter(|_| !has_limits) else {
        return pair_in_space(candidates, spec, monitor);
    };
    let mut matches = on_scores::found(scores, treatment, &plain, monitor)?;
    matches.weigh(sample_weight, monitor)?;
    let caliper_widths = plain.caliper.iter().map(|_| matches.caliper_width).collect();
    let (n_discarded, drawn, coordinates) = (0, false, vec![]);
    Ok(Pairs { matches, caliper_widths, n_discarded, drawn, coordinates })
}

fn pair_in_space(
    candidates: &Candidates<'_>,
    spec: &MatchSpec,
    monitor: &Monitor,
) -> Result<Pairs> {
    let keep = kept(candidates, spec.discard);
    let space = Space::new(candidates, spec, &keep, monitor)?;
    monitor.check()?;
    let n_rows = candidates.treatment.len();
    let lots = draws(candidates.ids, n_rows, spec.seed);
    let job = Job { candidates, spec, space: &space, draws: &lots, keep: &keep };
    let (mut matches, drawn) = job.matches(monitor)?;
    matches.weigh(candidates.sample_weight, monitor)?;
    let mut coordinates = vec![];
    if spec.metric.needs_covariates() {
        coordinates.extend((0..n_rows).flat_map(|row| &space.point(row)[..space.metric]));
    }
    let n_discarded = keep.iter().filter(|keep| !**keep).count();
    Ok(Pairs { matches, caliper_widths: space.caliper_widths, n_discarded, drawn, coordinates })
}

struct Job<'a, 'c> {
    candidates: &'a Candidates<'c>,
    spec: &'a MatchSpec,
    space: &'a Space,
    draws: &'a [u64],
    keep: &'a [bool],
}

impl Job<'_, '_> {
    /// The matches, not weighed yet, and whether a draw decided anything.
    fn matches(&self, monitor: &Monitor) -> Result<(Matches, bool)> {
        let (treatment, mut found) = (self.candidates.treatment, Entries::new(self));
        let (mut n_focal, mut drawn) = (0, false);
        for focal_arm in [true, false].into_iter().filter(|arm| self.spec.focal.includes(*arm)) {
            n_focal += treatment.iter().filter(|arm| **arm == focal_arm).count();
            let (focal, donors) = (self.rows(focal_arm), self.rows(!focal_arm));
            self.enough_donors(!focal_arm, &donors)?;
            match self.spec.method {
                Method::WithReplacement => {
                    self.with_replacement(&focal, &donors, &mut found, monitor)?;
                }
                Method::InTurn { uses, order } => {
                    let (scores, n_neighbors) = (self.candidates.scores, self.spec.n_neighbors);
                    let Self { space, draws, .. } = *self;
                    let order = order.of_arm(focal_arm);
                    let turn = Turn { space, draws, scores, n_neighbors, uses, order };
                    let taken = turn.assign(&focal, &donors, monitor)?;
                    drawn |= taken.drawn;
                    for (place, row) in focal.iter().enumerate() {
                        found.enter(*row as usize, taken.of(place).iter().map(|row| *row as usize));
                    }
                }
                Method::Optimal | Method::Full => {
                    let where_they_are = (self.space, self.draws, self.keep);
                    let pairs = optimal::pairs(self.spec, treatment, where_they_are, monitor)?;
                    drawn |= pairs.drawn;
                    for same in pairs.pairs.chunk_by(|a, b| a.0 == b.0) {
                        found.enter(same[0].0, same.iter().map(|(_, donor)| *donor));
                    }
                }
            }
        }
        Ok((found.close(n_focal)?, drawn))
    }

    /// A unit cannot have more neighbours than there are donors. Where donors are used up some units find
    /// fewer than asked for anyway, so that those discarded count there too.
    fn enough_donors(&self, arm: bool, kept: &[u32]) -> Result<()> {
        let donors = match self.spec.method {
            Method::WithReplacement => kept.len(),
            _ => self.candidates.treatment.iter().filter(|own| **own == arm).count(),
        };
        if self.spec.n_neighbors <= donors {
            return Ok(());
        }
        let found = format!("{} with {donors} donors", self.spec.n_neighbors);
        Err(argument("n_neighbors", &found, "at most the number of rows to choose from"))
    }

    #[allow(clippy::cast_possible_truncation)] // rows are numbered in u32
    fn rows(&self, arm: bool) -> Vec<u32> {
        let rows = self.candidates.treatment.iter().zip(self.keep).enumerate();
        rows.filter(|(_, (own, keep))| **own == arm && **keep).map(|(row, _)| row as u32).collect()
    }

    fn with_replacement(
        &self,
        focal: &[u32],
        donors: &[u32],
        found: &mut Entries<'_>,
        monitor: &Monitor,
    ) -> Result<()> {
        let focal = Places::new(self.space, focal.iter().copied(), self.draws);
        monitor.check()?;
        let donors = Places::new(self.space, donors.iter().copied(), self.draws);
        let n_neighbors = self.spec.n_neighbors;
        let near = with_replacement::nearest(self.space, &focal, &donors, n_neighbors, monitor)?;
        for (place, near) in near.iter().enumerate() {
            found.enter_sharing(focal.rows_at(place), &donors, near);
        }
        Ok(())
    }
}

/// Matches as they are entered.
struct Entries<'a> {
    space: &'a Space,
    donors: Vec<usize>,
    /// Of every row that is focal and matched.
    runs: Vec<Option<Range<usize>>>,
    max_distance: f64,
}

impl<'a> Entries<'a> {
    fn new(job: &Job<'a, '_>) -> Self {
        let runs = vec![None; job.candidates.treatment.len()];
        Self { space: job.space, donors: Vec::new(), runs, max_distance: 0.0 }
    }

    /// A focal row with its donors, or with none.
    fn enter(&mut self, row: usize, donors: impl Iterator<Item = usize>) {
        let start = self.donors.len();
        for donor in donors {
            self.donors.push(donor);
            self.max_distance = self.max_distance.max(self.space.distance(row, donor));
        }
        if self.donors.len() > start {
            self.runs[row] = Some(start..self.donors.len());
        }
    }

    /// Focal rows in one place with the donors that are near it, all of whom they share.
    fn enter_sharing(&mut self, rows: &[u32], donors: &Places, near: &Near) {
        let start = self.donors.len();
        for (distance, place) in near {
            self.donors.extend(donors.rows_at(*place as usize).iter().map(|row| *row as usize));
            self.max_distance = self.max_distance.max(*distance);
        }
        for row in rows.iter().filter(|_| !near.is_empty()) {
            self.runs[*row as usize] = Some(start..self.donors.len());
        }
    }

    fn close(self, n_focal: usize) -> Result<Matches> {
        let caliper_width = self.space.caliper_widths.first().copied().unwrap_or(f64::INFINITY);
        let mut matches = Matches::none(self.runs.len(), caliper_width);
        for (row, run) in
            self.runs.into_iter().enumerate().filter_map(|(row, run)| Some((row, run?)))
        {
            matches.focal.push(row);
            matches.first.push(run.start);
            matches.last.push(run.end);
        }
        if matches.focal.is_empty() {
            return Err(Error::NoMatches { caliper_width });
        }
        let n_unmatched = n_focal - matches.focal.len();
        Ok(Matches { donors: self.donors, n_unmatched, max_distance: self.max_distance, ..matches })
    }
}
