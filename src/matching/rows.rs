//! Every focal row with its donors, found cell by cell.

use std::ops::Range;

use rayon::prelude::*;

use super::NearestSpec;
use super::donors::Donors;
use super::grid::{Part, value};
use super::search::Search;
use crate::covariates::CHUNK;
use crate::error::{Error, Result};
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
    /// m ranges: the donors of `focal[i]` are `donors[runs[i]]`.
    pub runs: Vec<Range<usize>>,
    pub n_unmatched: usize,
    pub max_distance: f64,
    /// The caliper in units of the quantity; infinite without one.
    pub caliper_width: f64,
}

/// Match the rows by their `values`.
///
/// # Errors
/// Fewer donors than neighbours asked for, nobody within the caliper, [`Error::Stopped`].
pub fn match_rows(
    values: &[f64],
    treatment: &[bool],
    spec: &NearestSpec,
    search: &Search,
    monitor: &Monitor,
) -> Result<Matches> {
    let mut matches = Matches {
        weights: vec![0.0; values.len()],
        focal: Vec::new(),
        donors: Vec::new(),
        runs: Vec::new(),
        n_unmatched: 0,
        max_distance: 0.0,
        caliper_width: search.caliper_width,
    };
    let mut run_of_row = vec![NOBODY; values.len()];
    // The treated's donors are the controls, who come first.
    for focal in [true, false] {
        if spec.focal.includes(focal) {
            let donors = Donors::new(values, |row| treatment[row] != focal);
            spec.check_donors(focal, donors.rows.len() as f64)?;
            monitor.check()?;
            let parts = donors.grid.drop_rows(values, |row| treatment[row] == focal);
            let stretches = find(&donors, &parts, search, monitor)?;
            matches.add(donors, &stretches, &mut run_of_row);
        }
    }
    matches.list(&run_of_row);
    if matches.focal.is_empty() {
        return Err(Error::NoMatches { caliper_width: search.caliper_width });
    }
    Ok(matches)
}

/// First and last of a run, in u32 as rows are numbered.
type Run = (u32, u32);

/// The run of a row that is not focal, or found nobody.
const NOBODY: Run = (0, 0);

/// What the focal rows of some neighbouring cells found.
#[derive(Default)]
struct Stretch {
    rows: Vec<u32>,
    /// Their donors among all donors.
    runs: Vec<Run>,
    /// The same in groups of donors.
    groups: Vec<Run>,
    n_unmatched: usize,
    max_distance: f64,
}

/// Let all focal rows find their donors.
fn find(
    donors: &Donors,
    focal: &[Part],
    search: &Search,
    monitor: &Monitor,
) -> Result<Vec<Stretch>> {
    let stretches = donors.grid.stretches().map(|cells| {
        monitor.check()?;
        let mut stretch = Stretch::default();
        for cell in cells {
            for (key, row) in focal.iter().flat_map(|part| part.cell(cell)) {
                stretch.add(*row, value(*key), cell, donors, search);
            }
        }
        Ok(stretch)
    });
    stretches.collect()
}

impl Stretch {
    #[allow(clippy::cast_possible_truncation)] // rows, and so groups, are numbered in u32
    fn add(&mut self, row: u32, value: f64, cell: usize, donors: &Donors, search: &Search) {
        let found = donors.find(search, cell, value);
        if found.is_empty() {
            self.n_unmatched += 1;
            return;
        }
        self.rows.push(row);
        self.runs.push((donors.first_row[found.first], donors.first_row[found.last]));
        self.groups.push((found.first as u32, found.last as u32));
        self.max_distance = self.max_distance.max(found.reach);
    }
}

impl Matches {
    /// Add what the focal rows of one arm found among the donors of the other.
    #[allow(clippy::cast_possible_truncation)] // rows are numbered in u32
    fn add(&mut self, donors: Donors, stretches: &[Stretch], run_of_row: &mut [Run]) {
        let offset = self.donors.len() as u32;
        let groups = stretches.iter().flat_map(|stretch| &stretch.groups);
        rayon::join(
            || add_uses(&donors, groups, &mut self.weights),
            || {
                for stretch in stretches {
                    for (row, (first, last)) in stretch.rows.iter().zip(&stretch.runs) {
                        run_of_row[*row as usize] = (offset + first, offset + last);
                    }
                }
            },
        );
        for stretch in stretches {
            self.n_unmatched += stretch.n_unmatched;
            self.max_distance = self.max_distance.max(stretch.max_distance);
        }
        if self.donors.is_empty() {
            self.donors = donors.rows;
        } else {
            self.donors.extend(donors.rows);
        }
    }

    /// List the focal rows that found somebody, and what they found.
    fn list(&mut self, run_of_row: &[Run]) {
        let chunks = self.weights.par_chunks_mut(CHUNK).zip(run_of_row.par_chunks(CHUNK));
        let lists: Vec<(Vec<usize>, Vec<Range<usize>>)> = chunks
            .enumerate()
            .map(|(chunk, (weights, runs))| {
                let rows = weights.iter_mut().zip(runs).enumerate();
                rows.filter(|(_, (_, run))| **run != NOBODY)
                    .map(|(row, (weight, run))| {
                        *weight += 1.0;
                        (chunk * CHUNK + row, run.0 as usize..run.1 as usize)
                    })
                    .unzip()
            })
            .collect();
        let n_matched = lists.iter().map(|(focal, _)| focal.len()).sum();
        self.focal.reserve_exact(n_matched);
        self.runs.reserve_exact(n_matched);
        for (focal, runs) in lists {
            self.focal.extend(focal);
            self.runs.extend(runs);
        }
    }
}

/// Add to each donor's weight its share of every run of groups that has it. Runs of one group are counted
/// first, those of several sorted: no sum then depends on the order of the rows.
fn add_uses<'a>(donors: &Donors, runs: impl Iterator<Item = &'a Run>, weights: &mut [f64]) {
    let (mut alone, mut several) = (vec![0_u32; donors.groups.len()], Vec::new());
    for (first, last) in runs {
        if last - first == 1 {
            alone[*first as usize] += 1;
        } else {
            several.push((*first, *last));
        }
    }
    let per_row = alone.iter().zip(&donors.groups.rows);
    let mut uses: Vec<f64> = per_row.map(|(count, rows)| f64::from(*count) / rows).collect();
    several.par_sort_unstable();
    for equal in several.chunk_by(|a, b| a == b) {
        let groups = equal[0].0 as usize..equal[0].1 as usize;
        let rows: f64 = donors.groups.rows[groups.clone()].iter().sum();
        uses[groups].iter_mut().for_each(|uses| *uses += equal.len() as f64 / rows);
    }
    let bounds = donors.first_row.iter().zip(&donors.first_row[1..]);
    for ((first, last), uses) in bounds.zip(uses).filter(|(_, uses)| *uses > 0.0) {
        for row in &donors.rows[*first as usize..*last as usize] {
            weights[*row] += uses;
        }
    }
}
