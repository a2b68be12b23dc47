//! Cells one by one, where labels are many.

use rayon::prelude::*;

use super::groups::{Groups, finish, inverse, mix};
use super::labels::{content, key};
use crate::design::covariates::CHUNK;
use crate::kernels::Label;
use crate::units::tally::Outcomes;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    pub label: Label,
    pub pattern: u32,
    pub size: u32,
}

/// The label of a row.
pub fn label(rows: &Outcomes<'_>, row: usize) -> Label {
    Label {
        treated: rows.treatment[row],
        outcome: rows.outcome[row],
        weight: rows.sample_weight.map_or(1.0, |weights| weights[row]),
    }
}

/// A hash of a row's label on top of that of its covariates.
pub fn label_hash(rows: &Outcomes<'_>, row: usize, of_covariates: u64) -> u64 {
    let (treated, outcome, weight) = key(&label(rows, row));
    finish([u64::from(treated), outcome, weight].into_iter().fold(of_covariates, mix))
}

/// The cells of rows in groups of equal patterns and labels, by pattern, then by label, and each row's; `None`
/// where rows of a group differ.
pub fn cells(
    rows: &Outcomes<'_>,
    mut groups: Groups,
    patterns: &Groups,
) -> Option<(Vec<Cell>, Vec<u32>)> {
    let cell =
        |row: usize| Cell { label: label(rows, row), pattern: patterns.of_row[row], size: 0 };
    let first = |group: u32| cell(groups.first_row[group as usize] as usize);
    let same = |row: usize| {
        let (own, first) = (cell(row), first(groups.of_row[row]));
        own.pattern == first.pattern && key(&own.label) == key(&first.label)
    };
    let n = rows.treatment.len();
    if !(0..n).into_par_iter().with_min_len(CHUNK).all(same) {
        return None; // two of one hash
    }
    let order = by_pattern(groups.first_row.len(), patterns.first_row.len(), first);
    groups.number_by(&order);
    let mut cells: Vec<Cell> = groups.first_row.iter().map(|row| cell(*row as usize)).collect();
    groups.of_row.iter().for_each(|cell| cells[*cell as usize].size += 1);
    Some((cells, groups.of_row))
}

/// Pattern p goes to `place[p]`: the cells then, and the number that each had got.
pub fn moved(cells: &[Cell], place: &[u32]) -> (Vec<Cell>, Vec<u32>) {
    let moved = |cell: u32| {
        let cell = cells[cell as usize];
        Cell { pattern: place[cell.pattern as usize], ..cell }
    };
    let order = by_pattern(cells.len(), place.len(), moved);
    (order.iter().map(|cell| moved(*cell)).collect(), inverse(&order))
}

/// The cells in the order in which `patterns` has theirs, those of a pattern by outcome, weight and arm.
pub fn by_content(cells: &[Cell], patterns: &[u32]) -> Vec<u32> {
    let place = inverse(patterns);
    let mut order: Vec<u32> = (0..).take(cells.len()).collect();
    order.par_sort_unstable_by(|a, b| {
        let (a, b) = (&cells[*a as usize], &cells[*b as usize]);
        let patterns = place[a.pattern as usize].cmp(&place[b.pattern as usize]);
        patterns.then_with(|| content(&a.label, &b.label))
    });
    order
}

/// The cells by pattern, then by label.
fn by_pattern(n_cells: usize, n_patterns: usize, cell: impl Fn(u32) -> Cell) -> Vec<u32> {
    let all = || (0_u32..).take(n_cells);
    let mut first = vec![0_u32; n_patterns + 1];
    all().for_each(|number| first[cell(number).pattern as usize + 1] += 1);
    (0..n_patterns).for_each(|pattern| first[pattern + 1] += first[pattern]);
    let (mut next, mut order) = (first.clone(), vec![0; n_cells]);
    for number in all() {
        let slot = &mut next[cell(number).pattern as usize];
        order[*slot as usize] = number;
        *slot += 1;
    }
    for ends in first.windows(2) {
        order[ends[0] as usize..ends[1] as usize]
            .sort_unstable_by_key(|number| key(&cell(*number).label));
    }
    order
}
