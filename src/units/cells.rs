//! Identical rows collapsed to one, with counts. Product data are mostly discrete: 50,000 users may
//! share 16,000 covariate patterns, and a fit that passes over patterns gives the fit over rows.

pub mod groups;
mod labels;
mod list;
mod planes;

use std::cmp::Ordering;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use ndarray::{Array2, ArrayView2, ShapeBuilder};
use rayon::prelude::*;

use crate::design::covariates::{CHUNK, stretch};
use crate::kernels::{BLOCK, Label};
use crate::units::tally::{Count, Outcomes, Totals};
use groups::{Groups, inverse, row_hashes};
use labels::Labels;
use list::{Cell, label_hash};
use planes::Planes;

/// Collapsing pays when at most one row in this many brings a new pattern; beyond that, reading the
/// rows where they lie is as fast and needs less memory.
const ROWS_PER_PATTERN: usize = 2;

/// Rows grouped into cells of equal covariates, treatment, outcome and weight, and cells into patterns of equal
/// covariates. Neither the patterns' order nor the cells' depends on the order of the rows.
#[derive(Debug, Clone)]
pub struct Cells {
    /// One row a pattern, column-major.
    pub patterns: Array2<f64>,
    layout: Layout,
    /// The number of each row's cell: its place in the planes, or in the list.
    cell_of_row: Vec<u32>,
}

/// What each cell is.
#[derive(Debug, Clone, PartialEq)]
enum Layout {
    Planes(Planes),
    /// The cells of a pattern stand together, by arm, outcome and weight.
    List(Vec<Cell>),
}

/// What tells the rows of a pattern apart.
enum Beside {
    Labels(Labels),
    Groups(Groups),
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
        let rows = Outcomes { treatment, outcome, sample_weight, counts: None };
        let hashes = row_hashes(x);
        let by_label = |row: usize| label_hash(&rows, row, hashes[row]);
        let too_many = AtomicBool::new(false);
        let (patterns, beside) = rayon::join(
            || {
                let patterns = Groups::of(n, |row| hashes[row], n / ROWS_PER_PATTERN, &too_many);
                too_many.fetch_or(patterns.is_none(), Relaxed);
                patterns
            },
            || match Labels::of(&rows) {
                Some(labels) => Some(Beside::Labels(labels)),
                None => Groups::of(n, by_label, n, &too_many).map(Beside::Groups),
            },
        );
        let (mut groups, beside) = (patterns?, beside?);
        drop(hashes);
        let as_they_came = gathered(x, &groups.first_row);
        let (order, are_equal) =
            rayon::join(|| groups.by_hash(), || are_equal(x, as_they_came.view(), &groups.of_row));
        if !are_equal {
            return None; // two patterns of one hash
        }
        groups.number_by(&order);
        let (patterns, layout) = rayon::join(
            || gathered(as_they_came.view(), &order),
            || Layout::of(&rows, groups, beside),
        );
        let (layout, cell_of_row) = layout?;
        Some(Self { patterns, layout, cell_of_row })
    }

    /// The same with the patterns in another order.
    #[must_use]
    pub fn in_order(&self, order: &[u32]) -> Self {
        let place = inverse(order);
        let (layout, went) = match &self.layout {
            Layout::Planes(planes) => {
                let (planes, went) = planes.moved(&place);
                (Layout::Planes(planes), went)
            }
            Layout::List(cells) => {
                let (cells, went) = list::moved(cells, &place);
                (Layout::List(cells), went)
            }
        };
        let cell_of_row = renumbered(self.cell_of_row.clone(), &went);
        let patterns = gathered(self.patterns.view(), order);
        Self { patterns, layout, cell_of_row }
    }

    /// The same with other outcomes, equal for rows of a cell; what cells are numbered and ordered by stays.
    #[must_use]
    pub fn with_outcomes(&self, outcome: &[f64]) -> Self {
        let mut cells = self.clone();
        for (cell, outcome) in self.cell_of_row.iter().zip(outcome) {
            match &mut cells.layout {
                Layout::Planes(planes) => planes.set_outcome(*cell as usize, *outcome),
                Layout::List(list) => list[*cell as usize].label.outcome = *outcome,
            }
        }
        cells
    }

    /// How many cells there are to count, some of them perhaps without rows.
    #[must_use]
    pub fn n_cells(&self) -> usize {
        match &self.layout {
            Layout::Planes(planes) => planes.sizes.len(),
            Layout::List(cells) => cells.len(),
        }
    }

    /// The cell of a row.
    #[must_use]
    pub fn of(&self, row: usize) -> usize {
        self.cell_of_row[row] as usize
    }

    /// The pattern of a cell.
    #[must_use]
    pub fn pattern_of(&self, cell: usize) -> usize {
        match &self.layout {
            Layout::Planes(planes) => planes.pattern_of(cell),
            Layout::List(cells) => cells[cell].pattern as usize,
        }
    }

    /// Add up each pattern's cells, the cells counted as often as `counts` says.
    pub fn total<W: Count>(&self, counts: &[W], totals: &mut Totals) {
        let cells = match &self.layout {
            Layout::Planes(planes) => {
                return totals.add_up_planes(self.patterns.nrows(), &planes.labels, counts);
            }
            Layout::List(cells) => cells,
        };
        totals.clear(self.patterns.nrows());
        for (Cell { label, pattern, .. }, count) in cells.iter().zip(counts) {
            let rows = (*count).into() * label.weight;
            totals.add(*pattern as usize, label.treated, rows, rows * label.outcome);
        }
    }

    /// How many rows of either arm there are, controls first, the cells counted as often as `counts` says; a row of
    /// weight 0 is not there.
    #[must_use]
    pub fn rows_by_arm<W: Count>(&self, counts: &[W]) -> [f64; 2] {
        let mut rows = [0.0; 2];
        let mut add = |label: &Label, counts: &[W]| {
            if label.weight > 0.0 {
                let more: f64 = counts.iter().map(|count| (*count).into()).sum();
                rows[usize::from(label.treated)] += more;
            }
        };
        match &self.layout {
            Layout::Planes(planes) => {
                let labels = planes.labels.iter().cycle();
                labels.zip(counts.chunks(BLOCK)).for_each(|(label, counts)| add(label, counts));
            }
            Layout::List(cells) => {
                cells.iter().zip(counts.chunks(1)).for_each(|(cell, one)| add(&cell.label, one));
            }
        }
        rows
    }

    /// The same of every row once.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.total(&self.sizes(), &mut totals);
        totals
    }

    /// The cells that have rows, by what these hold: by covariates, then by outcome, weight and arm.
    #[must_use]
    pub fn in_order_of_content(&self) -> Vec<u32> {
        let columns: Vec<_> = self.patterns.columns().into_iter().collect();
        let compared = |a: &u32, b: &u32| {
            let pairs = columns.iter().map(|column| (column[*a as usize], column[*b as usize]));
            pairs.into_iter().map(|(a, b)| by_size(a, b)).find(|order| order.is_ne())
        };
        let mut patterns: Vec<u32> = (0..).take(self.patterns.nrows()).collect();
        patterns.par_sort_unstable_by(|a, b| compared(a, b).unwrap_or(Ordering::Equal));
        match &self.layout {
            Layout::Planes(planes) => planes.by_pattern(&patterns),
            Layout::List(cells) => list::by_content(cells, &patterns),
        }
    }

    /// The rows in the order of their cells' content.
    #[must_use]
    pub fn rows_in_order_of_content(&self) -> Vec<u32> {
        let mut rank = vec![0_u32; self.n_cells()];
        (0..).zip(self.in_order_of_content()).for_each(|(place, cell)| rank[cell as usize] = place);
        let mut rows: Vec<u32> = (0..).take(self.cell_of_row.len()).collect();
        rows.par_sort_by_key(|row| rank[self.cell_of_row[*row as usize] as usize]);
        rows
    }

    /// How many rows each cell holds in the data themselves.
    #[must_use]
    pub fn sizes(&self) -> Vec<u32> {
        match &self.layout {
            Layout::Planes(planes) => planes.sizes.clone(),
            Layout::List(cells) => cells.iter().map(|cell| cell.size).collect(),
        }
    }
}

impl Layout {
    /// The cells of rows in groups of equal patterns, and each row's.
    fn of(rows: &Outcomes<'_>, patterns: Groups, beside: Beside) -> Option<(Self, Vec<u32>)> {
        let labels = match beside {
            Beside::Labels(labels) => labels,
            Beside::Groups(groups) => {
                let (cells, of_row) = list::cells(rows, groups, &patterns)?;
                return Some((Self::List(cells), of_row));
            }
        };
        let (planes, of_row) = Planes::of(labels, patterns.of_row, patterns.first_row.len())?;
        if !planes.are_sparse() {
            return Some((Self::Planes(planes), of_row));
        }
        let (cells, number) = planes.listed();
        Some((Self::List(cells), renumbered(of_row, &number)))
    }
}

/// Some rows of x, column-major.
fn gathered(x: ArrayView2<'_, f64>, rows: &[u32]) -> Array2<f64> {
    let mut found = Array2::zeros((rows.len(), x.ncols()).f());
    for (mut found, column) in found.columns_mut().into_iter().zip(x.columns()) {
        found.iter_mut().zip(rows).for_each(|(value, row)| *value = column[*row as usize]);
    }
    found
}

/// Whether each row equals its pattern, of which equal hashes are no proof.
fn are_equal(
    x: ArrayView2<'_, f64>,
    patterns: ArrayView2<'_, f64>,
    pattern_of_row: &[u32],
) -> bool {
    pattern_of_row.par_chunks(CHUNK).enumerate().all(|(chunk, own)| {
        let start = chunk * CHUNK;
        patterns.columns().into_iter().enumerate().all(|(k, pattern)| {
            let mut pairs = stretch(x, k, start..start + own.len()).into_iter().zip(own);
            pairs.all(|(value, own)| bits(*value) == bits(pattern[*own as usize]))
        })
    })
}

fn renumbered(mut numbers: Vec<u32>, new: &[u32]) -> Vec<u32> {
    numbers.par_iter_mut().with_min_len(CHUNK).for_each(|number| *number = new[*number as usize]);
    numbers
}

/// The bits of a value, zero and minus zero alike.
fn bits(value: f64) -> u64 {
    (value + 0.0).to_bits()
}

/// The order of numbers, none of which is a NaN; 0 and -0 are equal.
#[must_use]
pub fn by_size(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::tally::{Tally, Units};
    use ndarray::array;

    #[test]
    fn collapse_keeps_every_row() {
        let x = array![[0.0, 1.0], [2.0, 1.0], [-0.0, 1.0], [0.0, 1.0], [2.0, 1.0], [2.0, 1.0]];
        let treatment = [true, false, true, false, false, true];
        let outcome = [1.0, 2.0, 1.0, 3.0, 2.0, 4.0];
        let cells = Cells::collapse(x.view(), &treatment, &outcome, None).unwrap();
        let order = if cells.patterns[(0, 0)] < 1.0 { [0, 1] } else { [1, 0] };
        let cells = cells.in_order(&order);
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
        assert_eq!((&cells.patterns, &cells.layout), (&other.patterns, &other.layout));
        for (new, old) in order.into_iter().enumerate() {
            assert_eq!(other.of(new), cells.of(old));
            assert_eq!(cells.patterns.row(cells.pattern_of(cells.of(old))), x.row(old));
        }
    }

    #[test]
    fn collapse_gives_up_where_rows_differ() {
        let x = array![[0.0], [1.0], [2.0]];
        assert!(Cells::collapse(x.view(), &[true, false, true], &[0.0; 3], None).is_none());
    }
}
