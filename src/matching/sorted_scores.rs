//! The rows of one arm, sorted by value, and the neighbours that values find among them.

use std::hint::select_unpredictable;
use std::ops::Range;

use rayon::prelude::*;

use super::grid::{Grid, Keyed, Part, value};
use super::neighbors::{Found, Search};
use crate::error::Result;
use crate::kernels::BLOCK;
use crate::monitor::Monitor;

/// Groups that a thread seeks neighbours for at a time.
const SOUGHT: usize = 8192;

#[derive(Debug)]
pub struct SortedScores {
    grid: Grid,
    /// Their distinct values, ascending: the groups.
    pub value: Vec<f64>,
    /// The rows of group g are `rows[first_row[g]..first_row[g + 1]]`; empty where no value repeats, which
    /// spares a look into memory that is not near.
    first_row: Vec<u32>,
    /// By value, ties by row number.
    pub rows: Vec<usize>,
    /// The groups of cell c are `first_group[c]..first_group[c + 1]`.
    first_group: Vec<u32>,
}

impl SortedScores {
    /// Sort the `count` rows for which `is_there` holds. The order is that of values and row numbers alone,
    /// however many threads there are.
    pub fn new(values: &[f64], count: usize, is_there: impl Fn(usize) -> bool + Sync) -> Self {
        let grid = Grid::over(values, count);
        let parts = grid.drop_rows(values, is_there);
        // There are no more groups than rows, and as many where no value repeats.
        let mut sorted = Self {
            grid,
            value: vec![0.0; count],
            first_row: vec![0; count + 1],
            rows: vec![0; count],
            first_group: vec![0; grid.cells + 1],
        };
        let groups: Vec<Range<usize>> =
            sorted.stretches(&parts).into_par_iter().map(|stretch| stretch.sort(&parts)).collect();
        sorted.close_ranks(&groups);
        sorted
    }

    /// Room for every stretch of cells, where its rows belong.
    fn stretches(&mut self, parts: &[Part]) -> Vec<Stretch<'_>> {
        let (mut value, mut rows) = (&mut self.value[..], &mut self.rows[..]);
        let (mut last_row, mut last_group) = (&mut self.first_row[1..], &mut self.first_group[1..]);
        let mut first_row = 0;
        let cells = self.grid.stretches();
        let stretches = cells.map(|cells| {
            let count = parts.iter().map(|part| part.count(&cells)).sum();
            first_row += count;
            Stretch {
                first_row: first_row - count,
                value: cut(&mut value, count),
                rows: cut(&mut rows, count),
                last_row: cut(&mut last_row, count),
                last_group: cut(&mut last_group, cells.len()),
                cells,
            }
        });
        stretches.collect()
    }

    /// Move the groups of all stretches together, where ties left gaps.
    #[allow(clippy::cast_possible_truncation)] // rows, and so groups, are numbered in u32
    fn close_ranks(&mut self, groups: &[Range<usize>]) {
        let mut end = 0;
        for (cells, groups) in self.grid.stretches().zip(groups) {
            let last_groups = &mut self.first_group[cells.start + 1..=cells.end];
            for last in last_groups {
                *last += end;
            }
            end += groups.len() as u32;
        }
        if end as usize == self.rows.len() {
            self.first_row = Vec::new();
            return;
        }
        close_ranks(&mut self.value, groups.iter().cloned());
        let ends = groups.iter().map(|groups| groups.start + 1..groups.end + 1);
        close_ranks(&mut self.first_row, std::iter::once(0..1).chain(ends));
    }

    /// Where the rows of a group begin, and those of the one before end.
    #[inline]
    pub fn first_row(&self, group: usize) -> usize {
        if self.first_row.is_empty() { group } else { self.first_row[group] as usize }
    }

    pub fn n_groups(&self) -> usize {
        self.value.len()
    }

    /// The rows of a group.
    #[inline]
    pub fn rows_of(&self, group: usize) -> &[usize] {
        &self.rows[self.first_row(group)..self.first_row(group + 1)]
    }

    /// How many rows a group has.
    #[inline]
    pub fn count(&self, group: usize) -> f64 {
        (self.first_row(group + 1) - self.first_row(group)) as f64
    }

    /// What a value finds of which `seek` gave the place.
    #[inline]
    pub fn around(&self, search: &Search, value: f64, place: usize) -> Found {
        search.around(value, place, &self.value, |group| self.count(group))
    }

    /// What each of these values finds, in parallel; they ascend, so that places are found by moving on.
    ///
    /// # Errors
    /// [`crate::error::Error::Stopped`].
    pub fn around_each(
        &self,
        search: &Search,
        values: &[f64],
        monitor: &Monitor,
    ) -> Result<Vec<Found>> {
        let mut found = vec![Found::NOTHING; values.len()];
        let chunks = found.par_chunks_mut(SOUGHT).zip(values.par_chunks(SOUGHT));
        chunks.try_for_each(|(found, values)| -> Result<()> {
            monitor.check()?;
            found.iter_mut().zip(self.found_by(search, values)).for_each(|(slot, own)| *slot = own);
            Ok(())
        })?;
        Ok(found)
    }

    /// The same of a few values, one after the other.
    pub fn found_by<'s>(
        &'s self,
        search: &'s Search,
        values: &'s [f64],
    ) -> impl Iterator<Item = Found> + use<'s> {
        let first = values.first().copied().unwrap_or_default();
        let mut place = self.value.partition_point(|donor| *donor < first);
        values.iter().map(move |value| {
            while self.value.get(place).is_some_and(|donor| donor < value) {
                place += 1;
            }
            self.around(search, *value, place)
        })
    }
}

/// For each value the first group not below it, among the donors with its number. Searches halve in step, so
/// that one goes on while another waits for memory, and without branches, which would mostly be guessed wrong.
pub fn seek(donors: &[&SortedScores], wanted: &[(f64, usize)]) -> [usize; BLOCK] {
    let (mut place, mut left) = ([0; BLOCK], [0; BLOCK]);
    for (i, (value, number)) in wanted.iter().enumerate() {
        let SortedScores { grid, first_group, .. } = donors[*number];
        let cell = grid.cell(*value);
        place[i] = first_group[cell] as usize;
        left[i] = first_group[cell + 1] as usize - place[i];
    }
    while left.iter().any(|left| *left > 0) {
        for (i, (value, number)) in wanted.iter().enumerate() {
            let half = left[i].div_ceil(2);
            let last = (place[i] + half).max(1) - 1;
            let is_below = donors[*number].value[last] < *value;
            place[i] += select_unpredictable(is_below, half, 0);
            left[i] -= half;
        }
    }
    place
}

/// Cut the first `count` off what is left.
#[allow(clippy::mut_mut)] // what is left is a borrow, and changes
pub fn cut<'a, T>(left: &mut &'a mut [T], count: usize) -> &'a mut [T] {
    let (first, rest) = std::mem::take(left).split_at_mut(count);
    *left = rest;
    first
}

/// Keep these parts of a list, ascending, and nothing between them.
pub fn close_ranks<T: Copy>(list: &mut Vec<T>, parts: impl Iterator<Item = Range<usize>>) {
    let mut end = 0;
    for part in parts {
        let (start, length) = (part.start, part.len());
        if start != end {
            list.copy_within(part, end);
        }
        end += length;
    }
    list.truncate(end);
}

/// Some neighbouring cells, and room for their rows.
struct Stretch<'a> {
    cells: Range<usize>,
    /// How many rows lie in lower cells.
    first_row: usize,
    value: &'a mut [f64],
    rows: &'a mut [usize],
    /// Where the rows of each group end.
    last_row: &'a mut [u32],
    /// Where the groups of each cell end, counted from here.
    last_group: &'a mut [u32],
}

impl Stretch<'_> {
    /// Sort the cells, and give the places of their groups.
    #[allow(clippy::cast_possible_truncation)] // rows, and so groups, are numbered in u32
    fn sort(self, parts: &[Part]) -> Range<usize> {
        let mut sorted: Vec<Keyed> = Vec::new();
        let (mut groups, mut rows) = (0, 0);
        for (cell, last_group) in self.cells.zip(self.last_group) {
            sorted.clear();
            for part in parts {
                sorted.extend_from_slice(part.cell(cell));
            }
            sorted.sort_unstable();
            for group in sorted.chunk_by(|a, b| a.0 == b.0) {
                for (slot, (_, row)) in self.rows[rows..].iter_mut().zip(group) {
                    *slot = *row as usize;
                }
                rows += group.len();
                self.value[groups] = value(group[0].0);
                self.last_row[groups] = (self.first_row + rows) as u32;
                groups += 1;
            }
            *last_group = groups as u32;
        }
        self.first_row..self.first_row + groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every third row is none.
    fn is_donor(row: usize) -> bool {
        !row.is_multiple_of(3)
    }

    fn donors(values: &[f64]) -> SortedScores {
        SortedScores::new(values, (0..values.len()).filter(|row| is_donor(*row)).count(), is_donor)
    }

    fn worlds() -> [Vec<f64>; 4] {
        let waves: Vec<f64> = (0..5000).map(|i| (f64::from(i) * 0.7).sin()).collect();
        let tied = waves.iter().map(|x| (x * 4.0).round() * 0.25 + 0.0).collect();
        let crowded = waves.iter().map(|x| x.powi(41)).collect();
        [waves, tied, crowded, vec![0.5; 300]]
    }

    #[test]
    fn donors_are_sorted_by_value_then_row() {
        for values in worlds() {
            let donors = donors(&values);
            let mut rows: Vec<usize> = (0..values.len()).filter(|row| is_donor(*row)).collect();
            rows.sort_by(|a, b| values[*a].total_cmp(&values[*b]).then(a.cmp(b)));
            assert_eq!(donors.rows, rows);
            assert!(donors.value.windows(2).all(|pair| pair[0] < pair[1]));
            assert_eq!(donors.first_row(donors.value.len()), rows.len());
            for (group, value) in donors.value.iter().enumerate() {
                let own = donors.rows_of(group);
                assert!(own.iter().all(|row| values[*row].to_bits() == value.to_bits()));
                assert!((donors.count(group) - own.len() as f64).abs() < f64::EPSILON);
            }
        }
    }

    #[test]
    fn donors_do_not_depend_on_the_number_of_threads() {
        let [values, tied, ..] = worlds();
        let on = |values: &[f64], n_threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            let SortedScores { rows, value, first_group, .. } = pool.install(|| donors(values));
            (rows, value, first_group)
        };
        assert_eq!(on(&values, 1), on(&values, 5));
        assert_eq!(on(&tied, 1), on(&tied, 5));
    }

    #[test]
    fn seek_agrees_with_values_that_ascend() {
        for mut values in worlds() {
            values.extend([-9.0, 9.0, 0.3]); // the first and last of these are donors
            let donors = donors(&values);
            let mut ascending = values.clone();
            ascending.extend([-10.0, 10.0]);
            ascending.sort_by(f64::total_cmp);
            for (n_neighbors, reach) in [(1.0, f64::INFINITY), (3.0, 0.01)] {
                let search = Search { n_neighbors, reach };
                let expected =
                    donors.around_each(&search, &ascending, &Monitor::default()).unwrap();
                let wanted: Vec<_> = ascending.iter().map(|value| (*value, 0)).collect();
                let places = wanted
                    .chunks(BLOCK)
                    .flat_map(|few| seek(&[&donors], few).into_iter().take(few.len()));
                for ((value, place), expected) in ascending.iter().zip(places).zip(expected) {
                    assert_eq!(donors.around(&search, *value, place), expected);
                }
            }
        }
    }
}
