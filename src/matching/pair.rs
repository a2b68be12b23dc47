//! From a specification to pairs, in whichever space and however often a donor may serve.

use std::ops::Range;

use super::carry::Present;
use super::draws::draws;
use super::greedy::{Taken, Turn};
use super::optimum;
use super::rows::Matches;
use super::shared::{self, Near};
use super::sites::Sites;
use super::space::{Space, kept};
use super::spec::{Candidates, MatchSpec, Metric, Order, Reuse, argument};
use super::{NearestSpec, nearest};
use crate::error::{Error, Result};
use crate::monitor::Monitor;

/// Pairs, and what they were made by.
#[derive(Debug, Clone)]
pub struct Pairs {
    pub matches: Matches,
    /// The width of every caliper in the units of its values, that on the quantity (or on the score) first.
    pub caliper_widths: Vec<f64>,
    /// Focal and donor rows that were left out for the range of their scores.
    pub n_discarded: usize,
    /// Whether a draw decided anything.
    pub drawn: bool,
    /// Row-major, n by d, between which distances are Euclid's; empty on a line.
    pub coordinates: Vec<f64>,
}

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
    let mut pairs = pair_rows(candidates, spec, monitor)?;
    if let Some(sample_weight) = candidates.sample_weight {
        pairs.matches.carry(sample_weight);
    }
    Ok(pairs)
}

fn pair_rows(candidates: &Candidates<'_>, spec: &MatchSpec, monitor: &Monitor) -> Result<Pairs> {
    if let (true, Metric::Line(quantity), Some(scores)) =
        (spec.is_plain(candidates), spec.metric, candidates.scores)
    {
        let MatchSpec { focal, n_neighbors, caliper, .. } = *spec;
        let plain = NearestSpec { focal, n_neighbors, caliper, quantity };
        let matches = nearest(scores, candidates.treatment, &plain, monitor)?;
        let caliper_widths = caliper.iter().map(|_| matches.caliper_width).collect();
        let (n_discarded, drawn, coordinates) = (0, false, vec![]);
        return Ok(Pairs { matches, caliper_widths, n_discarded, drawn, coordinates });
    }
    let keep = kept(candidates, spec.discard);
    let space = Space::new(candidates, spec, &keep, monitor)?;
    monitor.check()?;
    let lots = draws(candidates.ids, candidates.treatment.len(), spec.seed);
    let caliper_widths = space.caliper_widths.clone();
    let job = Job { candidates, spec, space: &space, draws: &lots, keep: &keep };
    let (matches, drawn) = job.matches(caliper_widths.first().copied(), monitor)?;
    let n_discarded = keep.iter().filter(|keep| !**keep).count();
    let coordinates = if spec.metric.needs_covariates() {
        let rows = 0..candidates.treatment.len();
        rows.flat_map(|row| &space.point(row)[..space.metric]).copied().collect()
    } else {
        vec![]
    };
    Ok(Pairs { matches, caliper_widths, n_discarded, drawn, coordinates })
}

struct Job<'a, 'c> {
    candidates: &'a Candidates<'c>,
    spec: &'a MatchSpec,
    space: &'a Space,
    draws: &'a [u64],
    keep: &'a [bool],
}

impl Job<'_, '_> {
    /// The matches, and whether a draw decided anything.
    fn matches(&self, caliper_width: Option<f64>, monitor: &Monitor) -> Result<(Matches, bool)> {
        let mut ledger = Ledger::new(self.candidates.treatment.len());
        let (mut n_focal, mut drawn) = (0, false);
        for focal_arm in [true, false].into_iter().filter(|arm| self.spec.focal.includes(*arm)) {
            n_focal += self.candidates.treatment.iter().filter(|arm| **arm == focal_arm).count();
            self.enough_donors(!focal_arm)?;
            if self.spec.order == Order::AllAtOnce {
                let Self { spec, space, draws, keep, .. } = *self;
                let treatment = self.candidates.treatment;
                let found = optimum::pairs(spec, treatment, (space, draws, keep), monitor)?;
                drawn |= found.drawn;
                ledger.enter_pairs(&found.pairs, space);
                continue;
            }
            let (focal, donors) = (self.rows(focal_arm), self.rows(!focal_arm));
            match self.spec.reuse {
                Reuse::Unlimited => self.shared(&focal, &donors, &mut ledger, monitor)?,
                Reuse::AtMost(uses) => {
                    let scores = self.candidates.scores;
                    let Self { space, draws, spec, .. } = *self;
                    let turn = Turn { space, draws, scores, spec, uses, treated: focal_arm };
                    let taken = turn.assign(&focal, &donors, monitor)?;
                    drawn |= taken.drawn;
                    ledger.enter_taken(&focal, &taken, space);
                }
            }
        }
        let matches = ledger.close(n_focal, caliper_width.unwrap_or(f64::INFINITY))?;
        Ok((matches, drawn))
    }

    /// A unit cannot have more neighbours than there are donors. Where donors are used up some units find
    /// fewer than asked for anyway, so that those discarded count there too.
    fn enough_donors(&self, arm: bool) -> Result<()> {
        let donors = match self.spec.reuse {
            Reuse::Unlimited => self.rows(arm).len(),
            Reuse::AtMost(_) => self.candidates.treatment.iter().filter(|own| **own == arm).count(),
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

    fn shared(
        &self,
        focal: &[u32],
        donors: &[u32],
        ledger: &mut Ledger,
        monitor: &Monitor,
    ) -> Result<()> {
        let focal = Sites::new(self.space, focal.iter().copied(), self.draws);
        monitor.check()?;
        let donors = Sites::new(self.space, donors.iter().copied(), self.draws);
        let near = shared::nearest(self.space, &focal, &donors, self.spec.n_neighbors, monitor)?;
        ledger.enter_shared((&focal, &donors), &near);
        Ok(())
    }
}

/// Pairs as they are entered.
struct Ledger {
    weights: Vec<f64>,
    donors: Vec<usize>,
    /// Of every row that is focal and matched.
    runs: Vec<Option<Range<usize>>>,
    max_distance: f64,
}

impl Ledger {
    fn new(n_rows: usize) -> Self {
        let (weights, runs) = (vec![0.0; n_rows], vec![None; n_rows]);
        Self { weights, donors: Vec::new(), runs, max_distance: 0.0 }
    }

    fn enter_taken(&mut self, focal: &[u32], taken: &Taken, space: &Space) {
        for (place, row) in focal.iter().enumerate() {
            let (donors, row) = (taken.of(place), *row as usize);
            if donors.is_empty() {
                continue;
            }
            let start = self.donors.len();
            for donor in donors.iter().map(|donor| *donor as usize) {
                self.donors.push(donor);
                self.weights[donor] += 1.0 / donors.len() as f64;
                self.max_distance = self.max_distance.max(space.distance(row, donor));
            }
            self.weights[row] += 1.0;
            self.runs[row] = Some(start..self.donors.len());
        }
    }

    /// Focal row and donor, ascending.
    fn enter_pairs(&mut self, pairs: &[(usize, usize)], space: &Space) {
        for same in pairs.chunk_by(|a, b| a.0 == b.0) {
            let (row, start) = (same[0].0, self.donors.len());
            for (_, donor) in same {
                self.donors.push(*donor);
                self.weights[*donor] += 1.0 / same.len() as f64;
                self.max_distance = self.max_distance.max(space.distance(row, *donor));
            }
            self.weights[row] += 1.0;
            self.runs[row] = Some(start..self.donors.len());
        }
    }

    fn enter_shared(&mut self, (focal, donors): (&Sites, &Sites), near: &[Near]) {
        let mut uses = vec![0.0; donors.len()];
        for (site, near) in near.iter().enumerate().filter(|(_, near)| !near.is_empty()) {
            let start = self.donors.len();
            for (distance, donor) in near {
                self.donors.extend(donors.rows_at(*donor as usize).iter().map(|row| *row as usize));
                self.max_distance = self.max_distance.max(*distance);
            }
            let share = 1.0 / (self.donors.len() - start) as f64;
            let rows = focal.rows_at(site);
            for (_, donor) in near {
                uses[*donor as usize] += rows.len() as f64 * share;
            }
            for row in rows.iter().map(|row| *row as usize) {
                self.weights[row] += 1.0;
                self.runs[row] = Some(start..self.donors.len());
            }
        }
        for (site, uses) in uses.into_iter().enumerate() {
            donors.rows_at(site).iter().for_each(|row| self.weights[*row as usize] += uses);
        }
    }

    fn close(self, n_focal: usize, caliper_width: f64) -> Result<Matches> {
        let matched = self.runs.into_iter().enumerate();
        let matched = matched.filter_map(|(row, run)| run.map(|run| (row, (run.start, run.end))));
        let (focal, (first, last)): (Vec<usize>, (Vec<usize>, Vec<usize>)) = matched.unzip();
        if focal.is_empty() {
            return Err(Error::NoMatches { caliper_width });
        }
        Ok(Matches {
            weights: self.weights,
            n_unmatched: n_focal - focal.len(),
            focal,
            donors: self.donors,
            first,
            last,
            max_distance: self.max_distance,
            caliper_width,
        })
    }
}
