//! Every focal row with its donors, row by row.

use std::ops::Range;

use rayon::prelude::*;

use super::donors::{Donors, close_ranks, cut, seek};
use super::search::{Found, Search};
use super::{Focal, NearestSpec};
use crate::design::covariates::CHUNK;
use crate::error::{Error, Result};
use crate::kernels::BLOCK;
use crate::monitor::Monitor;

/// The matches of n rows, m of them focal with at least one donor.
#[derive(Debug, Clone)]
pub struct Matches {
    /// n: 1 for a matched focal row, plus the sum of its uses as a donor.
    pub weights: Vec<f64>,
    /// m row numbers, ascending.
    pub focal: Vec<usize>,
    /// Every row of the arms that donate, the control arm first, each sorted by the quantity, ties by
    /// row number.
    pub donors: Vec<usize>,
    /// m each: the donors of `focal[i]` are `donors[first[i]..last[i]]`.
    pub first: Vec<usize>,
    pub last: Vec<usize>,
    pub n_unmatched: usize,
    pub max_distance: f64,
    /// The caliper in units of the quantity; infinite without one.
    pub caliper_width: f64,
}

/// Match the rows by their `values`, whose standard deviation is needed with a caliper only.
///
/// # Errors
/// Fewer donors than neighbours asked for, nobody within the caliper, [`Error::Stopped`].
pub fn match_rows(
    values: &[f64],
    treatment: &[bool],
    spec: &NearestSpec,
    deviation: f64,
    monitor: &Monitor,
) -> Result<Matches> {
    let (search, caliper_width) = (&spec.search(deviation), spec.width(deviation));
    let mut markets = Markets { focal: spec.focal, list: Vec::new() };
    let mut offset = 0;
    // The treated's donors are the controls, who come first.
    for focal in [true, false].into_iter().filter(|focal| spec.focal.includes(*focal)) {
        let count = treatment.iter().map(|arm| usize::from(*arm != focal)).sum();
        spec.check_donors(focal, count as f64)?;
        let donors = Donors::new(values, count, |row| treatment[row] != focal);
        monitor.check()?;
        markets.list.push(Market { donors, offset });
        offset += count;
    }
    let mut matches = Matches {
        weights: vec![0.0; values.len()],
        focal: Vec::new(),
        donors: Vec::new(),
        first: Vec::new(),
        last: Vec::new(),
        n_unmatched: 0,
        max_distance: 0.0,
        caliper_width,
    };
    let finds = matches.find(values, treatment, &markets, search, monitor)?;
    if matches.focal.is_empty() {
        return Err(Error::NoMatches { caliper_width });
    }
    for (number, market) in markets.list.into_iter().enumerate() {
        monitor.check()?;
        market.add_uses(&finds, number, &mut matches.weights, monitor)?;
        if matches.donors.is_empty() {
            matches.donors = market.donors.rows;
        } else {
            matches.donors.extend(market.donors.rows);
        }
    }
    Ok(matches)
}

/// First and last group of a run, in u32 as rows are numbered.
type Run = (u32, u32);

/// Where the focal rows of one arm search.
struct Market {
    donors: Donors,
    /// How many donors of the other arm are listed before these.
    offset: usize,
}

struct Markets {
    focal: Focal,
    list: Vec<Market>,
}

impl Markets {
    /// Whether rows of an arm search, controls first.
    fn is_focal(&self) -> [bool; 2] {
        [false, true].map(|arm| self.focal.includes(arm))
    }

    /// Where the rows of a focal arm search.
    fn number(&self, arm: bool) -> usize {
        usize::from(!arm).min(self.list.len() - 1)
    }
}

/// Some rows, and room for what the focal ones among them find.
struct Piece<'a> {
    start: usize,
    values: &'a [f64],
    treatment: &'a [bool],
    weights: &'a mut [f64],
    focal: &'a mut [usize],
    first: &'a mut [usize],
    last: &'a mut [usize],
}

/// What the focal rows of a piece found.
#[derive(Default)]
struct Finds {
    n_focal: usize,
    n_matched: usize,
    max_distance: f64,
    /// For each market the groups that were all that a row found, and runs of several.
    alone: [Vec<u32>; 2],
    several: [Vec<Run>; 2],
}

impl Matches {
    /// Let all focal rows find their donors.
    fn find(
        &mut self,
        values: &[f64],
        treatment: &[bool],
        markets: &Markets,
        search: &Search,
        monitor: &Monitor,
    ) -> Result<Vec<Finds>> {
        let pieces = self.pieces(values, treatment, markets).into_par_iter();
        let pieces = pieces.map(|piece| piece.search(markets, search, monitor));
        let finds: Vec<Finds> = pieces.collect::<Result<_>>()?;
        let starts = finds.iter().scan(0, |end, finds| {
            *end += finds.n_focal;
            Some(*end - finds.n_focal)
        });
        let matched = starts.zip(&finds).map(|(start, finds)| start..start + finds.n_matched);
        let matched: Vec<Range<usize>> = matched.collect();
        self.n_unmatched = finds.iter().map(|finds| finds.n_focal - finds.n_matched).sum();
        self.max_distance = finds.iter().fold(0.0, |most, finds| most.max(finds.max_distance));
        for list in [&mut self.focal, &mut self.first, &mut self.last] {
            close_ranks(list, matched.iter().cloned());
        }
        Ok(finds)
    }

    /// All rows, in pieces, with room for as many finds as they have focal rows.
    fn pieces<'a>(
        &'a mut self,
        values: &'a [f64],
        treatment: &'a [bool],
        markets: &Markets,
    ) -> Vec<Piece<'a>> {
        let is_focal = markets.is_focal();
        let count =
            |rows: &[bool]| rows.iter().map(|arm| usize::from(is_focal[usize::from(*arm)])).sum();
        let counts: Vec<usize> = treatment.chunks(CHUNK).map(count).collect();
        let n_focal = counts.iter().sum();
        for list in [&mut self.focal, &mut self.first, &mut self.last] {
            *list = vec![0; n_focal];
        }
        let (mut focal, mut first, mut last) =
            (&mut self.focal[..], &mut self.first[..], &mut self.last[..]);
        let rows = values.chunks(CHUNK).zip(treatment.chunks(CHUNK));
        let rows = rows.zip(self.weights.chunks_mut(CHUNK)).zip(counts).enumerate();
        let pieces = rows.map(|(index, (((values, treatment), weights), count))| Piece {
            start: index * CHUNK,
            values,
            treatment,
            weights,
            focal: cut(&mut focal, count),
            first: cut(&mut first, count),
            last: cut(&mut last, count),
        });
        pieces.collect()
    }
}

impl Piece<'_> {
    fn search(mut self, markets: &Markets, search: &Search, monitor: &Monitor) -> Result<Finds> {
        let mut finds = Finds { n_focal: self.focal.len(), ..Finds::default() };
        let is_focal = markets.is_focal();
        let donors: Vec<&Donors> = markets.list.iter().map(|market| &market.donors).collect();
        let (mut rows, mut wanted) = ([0; BLOCK], [(0.0, 0); BLOCK]);
        for start in (0..self.values.len()).step_by(BLOCK) {
            monitor.check()?;
            let mut count = 0;
            for row in start..self.values.len().min(start + BLOCK) {
                let arm = self.treatment[row];
                (rows[count], wanted[count]) = (row, (self.values[row], markets.number(arm)));
                count += usize::from(is_focal[usize::from(arm)]);
            }
            let places = seek(&donors, &wanted[..count]);
            for ((row, (value, number)), place) in rows.iter().zip(wanted).zip(places).take(count) {
                let found = donors[number].around(search, value, place);
                self.enter(*row, &found, number, &markets.list[number], &mut finds);
            }
        }
        Ok(finds)
    }

    /// Enter what a row found.
    #[allow(clippy::cast_possible_truncation)] // rows, and so groups, are numbered in u32
    fn enter(
        &mut self,
        row: usize,
        found: &Found,
        number: usize,
        market: &Market,
        finds: &mut Finds,
    ) {
        if found.is_empty() {
            return;
        }
        let (first, last) = (found.first as u32, found.last as u32);
        if last - first == 1 {
            finds.alone[number].push(first);
        } else {
            finds.several[number].push((first, last));
        }
        let first_row = |group: usize| market.offset + market.donors.first_row(group);
        self.weights[row] = 1.0;
        self.focal[finds.n_matched] = self.start + row;
        self.first[finds.n_matched] = first_row(found.first);
        self.last[finds.n_matched] = first_row(found.last);
        finds.n_matched += 1;
        finds.max_distance = finds.max_distance.max(found.reach);
    }
}

impl Market {
    /// Add to each donor's weight its share of every run of groups that has it. Runs of one group are
    /// counted first, those of several sorted: no sum then depends on the order of the rows.
    fn add_uses(
        &self,
        finds: &[Finds],
        number: usize,
        weights: &mut [f64],
        monitor: &Monitor,
    ) -> Result<()> {
        let donors = &self.donors;
        let mut alone = vec![0_u32; donors.value.len()];
        for group in finds.iter().flat_map(|finds| &finds.alone[number]) {
            alone[*group as usize] += 1;
        }
        let groups = alone.iter().enumerate();
        let mut uses: Vec<f64> =
            groups.map(|(group, count)| f64::from(*count) / donors.rows_of(group)).collect();
        let several = finds.iter().flat_map(|finds| &finds.several[number]);
        let mut several: Vec<Run> = several.copied().collect();
        several.par_sort_unstable();
        for equal in several.chunk_by(|a, b| a == b) {
            monitor.check()?;
            let groups = equal[0].0 as usize..equal[0].1 as usize;
            let rows: f64 = groups.clone().map(|group| donors.rows_of(group)).sum();
            uses[groups].iter_mut().for_each(|uses| *uses += equal.len() as f64 / rows);
        }
        // Zeros are added too: whether one is there would mostly be guessed wrong.
        for (group, uses) in uses.into_iter().enumerate() {
            for row in &donors.rows[donors.first_row(group)..donors.first_row(group + 1)] {
                weights[*row] += uses;
            }
        }
        Ok(())
    }
}
