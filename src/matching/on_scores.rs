//! With replacement on the score, every tie kept: each focal row with its donors.
//!
//! A focal unit i (treated for the ATT, control for the ATC, any for the ATE) is compared with
//! Omega(i): all units of the other arm no farther than its k-th nearest (Abadie and Imbens 2006,
//! section 2), each with the same share 1 / |Omega(i)|. In one dimension Omega(i) is a run of the sorted
//! donors, so a match is two numbers, however many donors tie, and nothing depends on the order of the
//! rows.

use std::ops::Range;

use rayon::prelude::*;

use super::matches::Matches;
use super::neighbors::{Found, Search};
use super::sorted_scores::{SortedScores, close_ranks, cut, seek};
use super::spec::{Focal, NearestSpec, Quantity, logit};
use crate::checks;
use crate::design::covariates::CHUNK;
use crate::error::{Error, Result};
use crate::kernels::BLOCK;
use crate::monitor::Monitor;
use crate::units::tally::Rows;

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
    let mut matches = found(scores, treatment, spec, monitor)?;
    matches.weigh(None, monitor)?;
    Ok(matches)
}

/// The same, not weighed yet.
///
/// # Errors
/// As for [`nearest`].
pub fn found(
    scores: &[f64],
    treatment: &[bool],
    spec: &NearestSpec,
    monitor: &Monitor,
) -> Result<Matches> {
    check(scores, treatment, spec)?;
    let logits = logits(scores, spec.quantity);
    let values = logits.as_deref().unwrap_or(scores);
    monitor.check()?;
    let caliper_width = spec.width(values, &Rows { treatment, sample_weight: None });
    let donors = Donors::new(values, treatment, spec, monitor)?;
    let search = &Search::new(spec, caliper_width);
    let mut matches = Matches::none(values.len(), caliper_width);
    matches.find((values, treatment), &donors, search, monitor)?;
    if matches.focal.is_empty() {
        return Err(Error::NoMatches { caliper_width });
    }
    let mut arms = donors.arms.into_iter().map(|arm| arm.rows);
    matches.donors = arms.next().unwrap_or_default();
    matches.donors.extend(arms.flatten());
    monitor.check()?;
    Ok(matches)
}

/// # Errors
/// As [`nearest`] has them of the rows.
pub fn check(scores: &[f64], treatment: &[bool], spec: &NearestSpec) -> Result<()> {
    checks::same_length("treatment", treatment.len(), scores.len())?;
    checks::scores(scores)?;
    checks::both_arms(treatment)?;
    spec.check()
}

/// The log odds of all scores, where these are what is matched on.
pub fn logits(scores: &[f64], quantity: Quantity) -> Option<Vec<f64>> {
    let on_logit = quantity == Quantity::Logit;
    on_logit.then(|| scores.par_iter().map(|score| logit(*score)).collect())
}

/// The rows of the arms that donate, control arm first.
struct Donors {
    focal: Focal,
    arms: Vec<SortedScores>,
}

impl Donors {
    fn new(
        values: &[f64],
        treatment: &[bool],
        spec: &NearestSpec,
        monitor: &Monitor,
    ) -> Result<Self> {
        let mut arms = Vec::new();
        // The treated's donors are the controls, who come first.
        for focal in [true, false].into_iter().filter(|focal| spec.focal.includes(*focal)) {
            let count = treatment.iter().map(|arm| usize::from(*arm != focal)).sum();
            spec.check_donors(focal, count)?;
            arms.push(SortedScores::new(values, count, |row| treatment[row] != focal));
            monitor.check()?;
        }
        Ok(Self { focal: spec.focal, arms })
    }

    /// Whether rows of an arm search, controls first.
    fn is_focal(&self) -> [bool; 2] {
        [false, true].map(|arm| self.focal.includes(arm))
    }

    /// Among which arm's rows those of a focal arm search.
    fn number(&self, arm: bool) -> usize {
        usize::from(!arm).min(self.arms.len() - 1)
    }

    /// Where the first row of a group stands among those of all arms.
    fn place(&self, number: usize, group: usize) -> usize {
        let before: usize = self.arms[..number].iter().map(|arm| arm.rows.len()).sum();
        before + self.arms[number].first_row(group)
    }
}

/// Some rows, and room for what the focal ones among them find.
struct Piece<'a> {
    start: usize,
    values: &'a [f64],
    treatment: &'a [bool],
    focal: &'a mut [usize],
    first: &'a mut [usize],
    last: &'a mut [usize],
}

/// What came of a piece.
#[derive(Default)]
struct Outcome {
    n_focal: usize,
    n_matched: usize,
    max_distance: f64,
}

impl Matches {
    /// Let all focal rows find their donors.
    fn find(
        &mut self,
        (values, treatment): (&[f64], &[bool]),
        donors: &Donors,
        search: &Search,
        monitor: &Monitor,
    ) -> Result<()> {
        let pieces = self.pieces(values, treatment, donors).into_par_iter();
        let pieces = pieces.map(|piece| piece.search(donors, search, monitor));
        let outcomes: Vec<Outcome> = pieces.collect::<Result<_>>()?;
        let starts = outcomes.iter().scan(0, |end, piece| {
            *end += piece.n_focal;
            Some(*end - piece.n_focal)
        });
        let matched = starts.zip(&outcomes).map(|(start, piece)| start..start + piece.n_matched);
        let matched: Vec<Range<usize>> = matched.collect();
        self.n_unmatched = outcomes.iter().map(|piece| piece.n_focal - piece.n_matched).sum();
        self.max_distance = outcomes.iter().fold(0.0, |most, piece| most.max(piece.max_distance));
        for list in [&mut self.focal, &mut self.first, &mut self.last] {
            close_ranks(list, matched.iter().cloned());
        }
        Ok(())
    }

    /// All rows, in pieces, with room for as many finds as they have focal rows.
    fn pieces<'a>(
        &'a mut self,
        values: &'a [f64],
        treatment: &'a [bool],
        donors: &Donors,
    ) -> Vec<Piece<'a>> {
        let is_focal = donors.is_focal();
        let count =
            |rows: &[bool]| rows.iter().map(|arm| usize::from(is_focal[usize::from(*arm)])).sum();
        let counts: Vec<usize> = treatment.chunks(CHUNK).map(count).collect();
        let n_focal = counts.iter().sum();
        for list in [&mut self.focal, &mut self.first, &mut self.last] {
            *list = vec![0; n_focal];
        }
        let (mut focal, mut first, mut last) =
            (&mut self.focal[..], &mut self.first[..], &mut self.last[..]);
        let rows = values.chunks(CHUNK).zip(treatment.chunks(CHUNK)).zip(counts).enumerate();
        let pieces = rows.map(|(index, ((values, treatment), count))| Piece {
            start: index * CHUNK,
            values,
            treatment,
            focal: cut(&mut focal, count),
            first: cut(&mut first, count),
            last: cut(&mut last, count),
        });
        pieces.collect()
    }
}

impl Piece<'_> {
    fn search(mut self, donors: &Donors, search: &Search, monitor: &Monitor) -> Result<Outcome> {
        let mut outcome = Outcome { n_focal: self.focal.len(), ..Outcome::default() };
        let is_focal = donors.is_focal();
        let arms: Vec<&SortedScores> = donors.arms.iter().collect();
        let (mut rows, mut wanted) = ([0; BLOCK], [(0.0, 0); BLOCK]);
        for start in (0..self.values.len()).step_by(BLOCK) {
            monitor.check()?;
            let mut count = 0;
            for row in start..self.values.len().min(start + BLOCK) {
                let arm = self.treatment[row];
                (rows[count], wanted[count]) = (row, (self.values[row], donors.number(arm)));
                count += usize::from(is_focal[usize::from(arm)]);
            }
            let places = seek(&arms, &wanted[..count]);
            for ((row, (value, number)), place) in rows.iter().zip(wanted).zip(places).take(count) {
                let found = arms[number].around(search, value, place);
                self.enter(*row, &found, (donors, number), &mut outcome);
            }
        }
        Ok(outcome)
    }

    /// Enter what a row found.
    #[inline]
    fn enter(
        &mut self,
        row: usize,
        found: &Found,
        (donors, number): (&Donors, usize),
        outcome: &mut Outcome,
    ) {
        if found.is_empty() {
            return;
        }
        self.focal[outcome.n_matched] = self.start + row;
        self.first[outcome.n_matched] = donors.place(number, found.groups().start);
        self.last[outcome.n_matched] = donors.place(number, found.groups().end);
        outcome.n_matched += 1;
        outcome.max_distance = outcome.max_distance.max(found.reach);
    }
}
