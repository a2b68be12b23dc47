//! Identical rows collapsed to one, with counts. Product data are mostly discrete: 50,000 users may
//! share 16,000 covariate patterns, and a fit that passes over patterns gives the fit over rows.

use std::cmp::Ordering;

use ndarray::{Array2, ArrayView2, ShapeBuilder};

use crate::tally::{Count, Tally};

/// Collapsing pays when at most one row in this many brings a new pattern; beyond that, reading the
/// rows where they lie is as fast and needs less memory.
const ROWS_PER_PATTERN: usize = 2;

/// Rows grouped into cells of equal covariates, treatment, outcome and weight, and cells into patterns of equal
/// covariates.
#[derive(Debug, Clone)]
pub struct Cells {
    /// One row a pattern, column-major.
    pub patterns: Array2<f64>,
    /// The cells of pattern p are `first_cell[p]..first_cell[p + 1]`.
    first_cell: Vec<u32>,
    /// What one row of each cell adds.
    row: Vec<Tally>,
    cell_of_row: Vec<u32>,
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
        let key = |row: usize| x.row(row).into_iter().map(|value| bits(*value));
        let patterns =
            Groups::of(n, n / ROWS_PER_PATTERN, |row| hash(key(row)), |a, b| key(a).eq(key(b)))?
                .in_order(|a, b| key(a).cmp(key(b)));
        let weight = |row: usize| sample_weight.map_or(1.0, |weights| weights[row]);
        let label = |row: usize| {
            let pattern = u64::from(patterns.of_row[row]);
            [pattern, u64::from(treatment[row]), bits(outcome[row]), bits(weight(row))]
        };
        let cells =
            Groups::of(n, n, |row| hash(label(row).into_iter()), |a, b| label(a) == label(b))?
                .in_order(|a, b| label(a).cmp(&label(b)));

        let mut first_cell = vec![0_u32; patterns.first_row.len() + 1];
        for row in &cells.first_row {
            first_cell[patterns.of_row[*row as usize] as usize + 1] += 1;
        }
        for pattern in 1..first_cell.len() {
            first_cell[pattern] += first_cell[pattern - 1];
        }
        let first_rows = cells.first_row.iter().map(|row| *row as usize);
        let shape = (patterns.first_row.len(), x.ncols()).f();
        Some(Self {
            patterns: Array2::from_shape_fn(shape, |(p, k)| x[(patterns.first_row[p] as usize, k)]),
            first_cell,
            row: first_rows
                .map(|row| Tally::row(treatment[row], outcome[row], weight(row)))
                .collect(),
            cell_of_row: cells.of_row,
        })
    }

    #[must_use]
    pub fn n_cells(&self) -> usize {
        self.row.len()
    }

    /// The cell of a row.
    #[must_use]
    pub fn of(&self, row: usize) -> usize {
        self.cell_of_row[row] as usize
    }

    /// Add up each pattern's cells, the cells counted as often as `counts` says.
    pub fn total<W: Count>(&self, counts: &[W], totals: &mut Vec<Tally>) {
        totals.clear();
        totals.extend(self.first_cell.windows(2).map(|bounds| {
            let cells = bounds[0] as usize..bounds[1] as usize;
            let mut total = Tally::default();
            for (row, count) in self.row[cells.clone()].iter().zip(&counts[cells]) {
                total.add(row.times((*count).into()));
            }
            total
        }));
    }

    /// How many rows each cell holds in the data themselves.
    #[must_use]
    pub fn sizes(&self) -> Vec<u32> {
        let mut sizes = vec![0; self.n_cells()];
        self.cell_of_row.iter().for_each(|cell| sizes[*cell as usize] += 1);
        sizes
    }
}

/// Rows grouped by a key: the group of each row, and the first row of each group.
struct Groups {
    of_row: Vec<u32>,
    first_row: Vec<u32>,
}

impl Groups {
    /// Group rows by hashing into an open table; `None` as soon as there are more than `limit` groups.
    fn of(
        n: usize,
        limit: usize,
        hash: impl Fn(usize) -> u64,
        same: impl Fn(usize, usize) -> bool,
    ) -> Option<Self> {
        const FREE: u32 = u32::MAX;
        if u32::try_from(n).is_err() {
            return None;
        }
        let mut table = vec![FREE; (2 * limit + 2).next_power_of_two()];
        let mask = table.len() - 1;
        let mut groups = Self { of_row: Vec::with_capacity(n), first_row: Vec::new() };
        for row in 0..n {
            #[allow(clippy::cast_possible_truncation)] // the low bits are all that is wanted
            let mut slot = hash(row) as usize & mask;
            let group = loop {
                match table[slot] {
                    FREE => {
                        #[allow(clippy::cast_possible_truncation)] // n fits in u32
                        let group = groups.first_row.len() as u32;
                        if groups.first_row.len() == limit {
                            return None;
                        }
                        table[slot] = group;
                        #[allow(clippy::cast_possible_truncation)]
                        groups.first_row.push(row as u32);
                        break group;
                    }
                    group if same(groups.first_row[group as usize] as usize, row) => break group,
                    _ => slot = (slot + 1) & mask,
                }
            };
            groups.of_row.push(group);
        }
        Some(groups)
    }

    /// Number the groups in the order of their first rows' keys. Neighbours in memory are then alike,
    /// which the caches like, and no sum over groups depends on the order of the rows.
    fn in_order(self, compare: impl Fn(usize, usize) -> Ordering) -> Self {
        let mut first_row = self.first_row.clone();
        first_row.sort_unstable_by(|a, b| compare(*a as usize, *b as usize));
        let mut number = vec![0; first_row.len()];
        for (new, row) in (0..).zip(&first_row) {
            number[self.of_row[*row as usize] as usize] = new;
        }
        let of_row = self.of_row.iter().map(|group| number[*group as usize]).collect();
        Self { of_row, first_row }
    }
}

/// The bits of a value, zero and minus zero alike.
fn bits(value: f64) -> u64 {
    (value + 0.0).to_bits()
}

/// A multiplicative hash whose low bits depend on all of the input.
fn hash(words: impl Iterator<Item = u64>) -> u64 {
    let mixed = words
        .fold(0_u64, |hash, word| (hash.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed ^ (mixed >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn collapse_keeps_every_row() {
        let x = array![[0.0, 1.0], [2.0, 1.0], [-0.0, 1.0], [0.0, 1.0], [2.0, 1.0], [2.0, 1.0]];
        let treatment = [true, false, true, false, false, true];
        let outcome = [1.0, 2.0, 1.0, 3.0, 2.0, 4.0];
        let cells = Cells::collapse(x.view(), &treatment, &outcome, None).unwrap();
        assert_eq!(cells.patterns, array![[0.0, 1.0], [2.0, 1.0]]);
        assert_eq!(cells.n_cells(), 4);
        let mut totals = Vec::new();
        cells.total(&cells.sizes(), &mut totals);
        let expected = [(2.0, 1.0, 2.0, 3.0), (1.0, 2.0, 4.0, 4.0)];
        for (total, (treated, control, outcome_treated, outcome_control)) in
            totals.into_iter().zip(expected)
        {
            let expected = Tally { treated, control, outcome_treated, outcome_control };
            assert_eq!(total, expected);
        }
    }

    #[test]
    fn collapse_gives_up_where_rows_differ() {
        let x = array![[0.0], [1.0], [2.0]];
        assert!(Cells::collapse(x.view(), &[true, false, true], &[0.0; 3], None).is_none());
    }
}
