//! Identical rows collapsed to one, with counts. Product data are mostly discrete: 50,000 users may
//! share 16,000 covariate patterns, and a fit that passes over patterns gives the fit over rows.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use ndarray::{Array2, ArrayView2, ShapeBuilder};
use rayon::prelude::*;

use crate::covariates::{CHUNK, stretch};
use crate::kernels::{BLOCK, Label};
use crate::tally::{Count, Totals};

/// Collapsing pays when at most one row in this many brings a new pattern; beyond that, reading the
/// rows where they lie is as fast and needs less memory.
const ROWS_PER_PATTERN: usize = 2;

/// Rows grouped into cells of equal covariates, treatment, outcome and weight, and cells into patterns of equal
/// covariates. Neither the patterns' order nor the cells' depends on the order of the rows.
#[derive(Debug, Clone)]
pub struct Cells {
    /// One row a pattern, column-major.
    pub patterns: Array2<f64>,
    /// What each cell is; the cells of a pattern stand together, by arm, outcome and weight.
    list: Vec<Cell>,
    /// The number of each row's cell: its place in the list, or in the planes.
    cell_of_row: Vec<u32>,
    planes: Option<Planes>,
}

/// Cells in planes, one for each label (arm, outcome, weight) where these are few: a block of patterns in one
/// plane, then the same patterns in the next, so that counts are added up lane by lane. A pattern without
/// a cell of some label has a place without rows.
#[derive(Debug, Clone)]
struct Planes {
    labels: Vec<Label>,
    sizes: Vec<u32>,
}

/// More labels than this, or more places than this many times the cells, are not worth their empty places.
const MOST_LABELS: usize = 8;
const MOST_PLACES: usize = 4;

impl Planes {
    /// The planes, and the place of each cell of the list.
    #[allow(clippy::cast_possible_truncation)] // counted before
    fn of(list: &[Cell], n_patterns: usize) -> Option<(Self, Vec<u32>)> {
        let mut labels: Vec<Cell> = Vec::new();
        for cell in list {
            if !labels.iter().any(|known| known.label() == cell.label()) {
                labels.push(*cell);
            }
            if labels.len() > MOST_LABELS {
                return None;
            }
        }
        labels.sort_unstable_by_key(Cell::label);
        let n_places = n_patterns.next_multiple_of(BLOCK) * labels.len();
        if n_places > MOST_PLACES * list.len() + BLOCK * labels.len()
            || u32::try_from(n_places).is_err()
        {
            return None;
        }
        let place = |cell: &Cell| {
            let plane = labels.iter().position(|known| known.label() == cell.label())?;
            let pattern = cell.pattern as usize;
            Some((pattern / BLOCK * labels.len() + plane) * BLOCK + pattern % BLOCK)
        };
        let places: Vec<u32> = list.iter().filter_map(place).map(|place| place as u32).collect();
        let mut sizes = vec![0; n_places];
        places.iter().zip(list).for_each(|(place, cell)| sizes[*place as usize] = cell.size);
        let labels = labels
            .into_iter()
            .map(|Cell { outcome, weight, treated, .. }| Label { treated, weight, outcome })
            .collect();
        Some((Self { labels, sizes }, places))
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Cell {
    outcome: f64,
    weight: f64,
    pattern: u32,
    size: u32,
    treated: bool,
}

impl Cell {
    /// What the cells of a pattern are sorted by; numbers by their bits, which is an order like any other.
    fn label(&self) -> (bool, u64, u64) {
        (self.treated, bits(self.outcome), bits(self.weight))
    }
}

impl Cells {
    /// Collapse the rows, or `None` where too few of them are alike.
    #[must_use]
    pub fn collapse(
        x: ArrayView2<'_, f64>,
        treatment: &[bool],
        outcome: &[f64],
        sample_weight: Option<&[f64]>,
    ) -> Option<Self> {
        let n = x.nrows();
        u32::try_from(n).ok()?;
        let weight = |row: usize| sample_weight.map_or(1.0, |weights| weights[row]);
        let by_row = row_hashes(x);
        let by_label = |row: usize| {
            let words = [u64::from(treatment[row]), bits(outcome[row]), bits(weight(row))];
            finish(words.into_iter().fold(by_row[row], mix))
        };
        let too_many = AtomicBool::new(false);
        let (patterns, groups) = rayon::join(
            || {
                let patterns = Groups::of(n, |row| by_row[row], n / ROWS_PER_PATTERN, &too_many);
                too_many.fetch_or(patterns.is_none(), Relaxed);
                patterns
            },
            || Groups::of(n, by_label, n, &too_many),
        );
        let (mut patterns, mut groups) = (patterns?, groups?);
        if !patterns.hold_equal_rows(x) {
            return None; // two patterns of one hash
        }
        patterns.number_by(&by_hash(&patterns));
        let cell = |row: usize| Cell {
            outcome: outcome[row],
            weight: weight(row),
            pattern: patterns.of_row[row],
            size: 0,
            treated: treatment[row],
        };
        let first = |group: u32| cell(groups.first_row[group as usize] as usize);
        let same = |row: usize| {
            let (own, first) = (cell(row), first(groups.of_row[row]));
            own.pattern == first.pattern && own.label() == first.label()
        };
        if !(0..n).into_par_iter().with_min_len(CHUNK).all(same) {
            return None;
        }
        let order = by_pattern(groups.first_row.len(), patterns.first_row.len(), first);
        groups.number_by(&order);
        let mut cells: Vec<Cell> = groups.first_row.iter().map(|row| cell(*row as usize)).collect();
        groups.of_row.iter().for_each(|cell| cells[*cell as usize].size += 1);
        let shape = (patterns.first_row.len(), x.ncols()).f();
        Some(Self {
            patterns: Array2::from_shape_fn(shape, |(p, k)| x[(patterns.first_row[p] as usize, k)]),
            list: cells,
            cell_of_row: groups.of_row,
            planes: None,
        })
    }

    /// Give the patterns the order of `values`, one each.
    #[must_use]
    pub fn sorted_by(self, values: &[f64]) -> Self {
        let mut order: Vec<u32> = (0..).take(values.len()).collect();
        let value = |pattern: u32| values[pattern as usize];
        order.sort_unstable_by(|a, b| value(*a).total_cmp(&value(*b)).then(a.cmp(b)));
        let shape = (values.len(), self.patterns.ncols()).f();
        let patterns = Array2::from_shape_fn(shape, |(p, k)| self.patterns[(order[p] as usize, k)]);
        let place = inverse(&order);
        let moved = |cell: u32| {
            let cell = self.list[cell as usize];
            Cell { pattern: place[cell.pattern as usize], ..cell }
        };
        let order = by_pattern(self.list.len(), values.len(), moved);
        let number = inverse(&order);
        let list: Vec<Cell> = order.iter().map(|cell| moved(*cell)).collect();
        let (planes, numbers) = Planes::of(&list, values.len()).unzip();
        let renumbered: Vec<u32> = match numbers {
            None => number,
            Some(own) => number.into_iter().map(|number| own[number as usize]).collect(),
        };
        let mut cell_of_row = self.cell_of_row;
        let renumber = |cell: &mut u32| *cell = renumbered[*cell as usize];
        cell_of_row.par_iter_mut().with_min_len(CHUNK).for_each(renumber);
        Self { patterns, list, cell_of_row, planes }
    }

    /// How many cells there are to count, some of them perhaps without rows.
    #[must_use]
    pub fn n_cells(&self) -> usize {
        self.planes.as_ref().map_or(self.list.len(), |planes| planes.sizes.len())
    }

    /// The cell of a row.
    #[must_use]
    pub fn of(&self, row: usize) -> usize {
        self.cell_of_row[row] as usize
    }

    /// Add up each pattern's cells, the cells counted as often as `counts` says.
    pub fn total<W: Count>(&self, counts: &[W], totals: &mut Totals) {
        if let Some(planes) = &self.planes {
            return totals.add_up_planes(self.patterns.nrows(), &planes.labels, counts);
        }
        totals.clear(self.patterns.nrows());
        for (cell, count) in self.list.iter().zip(counts) {
            let rows = (*count).into() * cell.weight;
            totals.add(cell.pattern as usize, cell.treated, rows, rows * cell.outcome);
        }
    }

    /// The cells in the order of their first rows.
    #[must_use]
    pub fn in_order_of_appearance(&self) -> Vec<u32> {
        let (mut seen, mut order) =
            (vec![false; self.n_cells()], Vec::with_capacity(self.n_cells()));
        for cell in &self.cell_of_row {
            if !std::mem::replace(&mut seen[*cell as usize], true) {
                order.push(*cell);
            }
        }
        order
    }

    /// How many rows each cell holds in the data themselves.
    #[must_use]
    pub fn sizes(&self) -> Vec<u32> {
        match &self.planes {
            Some(planes) => planes.sizes.clone(),
            None => self.list.iter().map(|cell| cell.size).collect(),
        }
    }
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
            .sort_unstable_by_key(|number| cell(*number).label());
    }
    order
}

fn inverse(order: &[u32]) -> Vec<u32> {
    let mut place = vec![0; order.len()];
    (0..).zip(order).for_each(|(new, old)| place[*old as usize] = new);
    place
}

/// Rows grouped by their hashes.
struct Groups {
    of_row: Vec<u32>,
    first_row: Vec<u32>,
    hash: Vec<u64>,
}

impl Groups {
    /// Group rows by their hashes in an open table that grows with the groups; `None` as soon as there are
    /// more than `limit`, or somebody else says that there are `too_many`.
    fn of(
        n_rows: usize,
        hash: impl Fn(usize) -> u64,
        limit: usize,
        too_many: &AtomicBool,
    ) -> Option<Self> {
        const FREE: u32 = u32::MAX;
        let mut table = vec![(0, FREE); 1 << 10];
        let mut groups =
            Self { of_row: Vec::with_capacity(n_rows), first_row: vec![], hash: vec![] };
        for (row, hash) in (0..).zip((0..n_rows).map(hash)) {
            if (row as usize).is_multiple_of(CHUNK) && too_many.load(Relaxed) {
                return None;
            }
            if 2 * groups.hash.len() >= table.len() {
                table = vec![(0, FREE); 4 * table.len()];
                for (group, hash) in (0..).zip(&groups.hash) {
                    let slot = Self::find(&table, *hash);
                    table[slot] = (*hash, group);
                }
            }
            let slot = Self::find(&table, hash);
            if table[slot].1 == FREE {
                if groups.hash.len() == limit {
                    return None;
                }
                #[allow(clippy::cast_possible_truncation)] // no more than rows, which fit
                let group = groups.hash.len() as u32;
                table[slot] = (hash, group);
                groups.first_row.push(row);
                groups.hash.push(hash);
            }
            groups.of_row.push(table[slot].1);
        }
        Some(groups)
    }

    /// The slot of a hash, or the free one where it belongs.
    #[allow(clippy::cast_possible_truncation)] // the low bits are all that is wanted
    fn find(table: &[(u64, u32)], hash: u64) -> usize {
        let mask = table.len() - 1;
        let mut slot = hash as usize & mask;
        while table[slot].1 != u32::MAX && table[slot].0 != hash {
            slot = (slot + 1) & mask;
        }
        slot
    }

    /// Whether each row equals the first of its group, of which equal hashes are no proof.
    fn hold_equal_rows(&self, x: ArrayView2<'_, f64>) -> bool {
        (0..x.nrows().div_ceil(CHUNK)).into_par_iter().all(|chunk| {
            let rows = chunk * CHUNK..x.nrows().min((chunk + 1) * CHUNK);
            (0..x.ncols()).all(|k| {
                let column = x.column(k);
                let first = |row: usize| column[self.first_row[self.of_row[row] as usize] as usize];
                rows.clone().all(|row| bits(column[row]) == bits(first(row)))
            })
        })
    }

    /// Number the groups anew: the group `order[k]` becomes group k.
    fn number_by(&mut self, order: &[u32]) {
        let number = inverse(order);
        self.of_row.par_iter_mut().with_min_len(CHUNK).for_each(|g| *g = number[*g as usize]);
        self.first_row = order.iter().map(|group| self.first_row[*group as usize]).collect();
        self.hash = order.iter().map(|group| self.hash[*group as usize]).collect();
    }
}

fn by_hash(groups: &Groups) -> Vec<u32> {
    let mut keyed: Vec<(u64, u32)> = groups.hash.iter().copied().zip(0..).collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, group)| group).collect()
}

/// A hash of each row of x, made column by column.
fn row_hashes(x: ArrayView2<'_, f64>) -> Vec<u64> {
    let mut hashes = vec![0; x.nrows()];
    hashes.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, hashes)| {
        let start = chunk * CHUNK;
        for k in 0..x.ncols() {
            let column = stretch(x, k, start..start + hashes.len());
            hashes.iter_mut().zip(column).for_each(|(hash, x)| *hash = mix(*hash, bits(*x)));
        }
        for hash in hashes {
            *hash = finish(*hash);
        }
    });
    hashes
}

/// The bits of a value, zero and minus zero alike.
fn bits(value: f64) -> u64 {
    (value + 0.0).to_bits()
}

/// A multiplicative hash.
fn mix(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(29) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Let the low bits, which choose the slot, depend on all of the input.
fn finish(hash: u64) -> u64 {
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ (mixed >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::{Tally, Units};
    use ndarray::array;

    #[test]
    fn collapse_keeps_every_row() {
        let x = array![[0.0, 1.0], [2.0, 1.0], [-0.0, 1.0], [0.0, 1.0], [2.0, 1.0], [2.0, 1.0]];
        let treatment = [true, false, true, false, false, true];
        let outcome = [1.0, 2.0, 1.0, 3.0, 2.0, 4.0];
        let cells = Cells::collapse(x.view(), &treatment, &outcome, None).unwrap();
        let values = cells.patterns.column(0).to_vec();
        let cells = cells.sorted_by(&values);
        assert_eq!(cells.patterns, array![[0.0, 1.0], [2.0, 1.0]]);
        assert_eq!(cells.sizes().iter().filter(|size| **size > 0).count(), 4);
        let mut totals = Totals::default();
        cells.total(&cells.sizes(), &mut totals);
        let expected = [(2.0, 1.0, 2.0, 3.0), (1.0, 2.0, 4.0, 4.0)];
        for (pattern, (treated, control, outcome_treated, outcome_control)) in
            expected.into_iter().enumerate()
        {
            let expected = Tally { treated, control, outcome_treated, outcome_control };
            assert_eq!(totals.tally(pattern), expected);
        }
    }

    #[test]
    fn collapse_does_not_depend_on_the_order_of_the_rows() {
        let x = Array2::from_shape_fn((60, 2), |(row, k)| ((row * 7 + k) % (5 + 2 * k)) as f64);
        let treatment: Vec<bool> = (0..60).map(|row| row % 7 < 3).collect();
        let outcome: Vec<f64> = (0..60).map(|row| f64::from(row % 3)).collect();
        let order: Vec<usize> = (0..60).map(|row| row * 11 % 60).collect();
        let moved = x.select(ndarray::Axis(0), &order);
        let treatment_moved: Vec<bool> = order.iter().map(|row| treatment[*row]).collect();
        let outcome_moved: Vec<f64> = order.iter().map(|row| outcome[*row]).collect();
        let cells = Cells::collapse(x.view(), &treatment, &outcome, None).unwrap();
        let other = Cells::collapse(moved.view(), &treatment_moved, &outcome_moved, None).unwrap();
        assert_eq!((&cells.patterns, &cells.list), (&other.patterns, &other.list));
        for (new, old) in order.into_iter().enumerate() {
            assert_eq!(other.of(new), cells.of(old));
        }
    }

    #[test]
    fn collapse_gives_up_where_rows_differ() {
        let x = array![[0.0], [1.0], [2.0]];
        assert!(Cells::collapse(x.view(), &[true, false, true], &[0.0; 3], None).is_none());
    }
}
