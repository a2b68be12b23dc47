//! Who has which column, and what it costs: the state of an auction.

use super::assignment::{Cost, NONE, NodeCosts};
use super::layout::Coordinates;
use super::tree::Tree;
use super::whole::{Measure, Whole};

/// In place of a column: none yet, or none wanted.
pub const WAITS: u32 = u32::MAX;
pub const WITHOUT: u32 = u32::MAX - 1;
/// In place of a row.
pub const NOBODY: u32 = u32::MAX;

/// Rows and columns in a space.
pub struct InSpace<'a> {
    pub rows: Coordinates<'a>,
    pub columns: Coordinates<'a>,
    /// No pair is farther apart.
    pub reach: f64,
}

impl InSpace<'_> {
    /// Whether steps decide anything: where a row may have to go without a column, or one column counts more.
    pub fn count_steps(&self, node_costs: NodeCosts<'_>) -> bool {
        let counts = |costs: &[Cost]| costs.iter().any(|cost| cost.steps > 0.0);
        let limited = self.reach.is_finite()
            || !self.rows.widths.is_empty()
            || self.rows.len() > self.columns.len();
        limited && counts(node_costs.without) || counts(node_costs.used)
    }
}

/// Rows and columns are numbered by their places in the trees.
pub struct Holdings<'a> {
    /// At first, and in the forward auction, what rows save is not looked at.
    pub rows: Tree<'a>,
    /// A column saves at most what it is used for, and just that where nobody has it when the auction is over.
    pub columns: Tree<'a>,
    pub measure: Measure,
    pub without: Vec<Whole>,
    pub used: Vec<Whole>,
    pub column_of: Vec<u32>,
    pub row_of: Vec<u32>,
    /// What each row costs as it is: its distance from its column, less what that saves.
    pub costs: Vec<Whole>,
}

impl<'a> Holdings<'a> {
    pub fn new(sides: &InSpace<'a>, node_costs: NodeCosts<'_>) -> Self {
        let InSpace { rows, columns, reach } = sides;
        let (n_rows, n_columns) = (rows.len(), columns.len());
        let lengths = node_costs.without.iter().chain(node_costs.used).map(|cost| cost.length);
        let longest = lengths.fold(rows.longest(columns), f64::max);
        let measure = Measure::new(longest, n_rows + n_columns);
        let rows = Tree::new(rows, *reach, measure);
        let mut columns = Tree::new(columns, *reach, measure);
        let by_place = |tree: &Tree<'_>, costs: &[Cost]| -> Vec<Whole> {
            (0..tree.len()).map(|place| measure.cost(costs[tree.item(place)])).collect()
        };
        let without = by_place(&rows, node_costs.without);
        let used = by_place(&columns, node_costs.used);
        columns.set_all(used.iter().copied());
        Self {
            rows,
            columns,
            measure,
            without,
            used,
            column_of: vec![WAITS; n_rows],
            row_of: vec![NOBODY; n_columns],
            costs: vec![0; n_rows],
        }
    }

    /// A row takes a column at this distance, which saves as much from now on.
    #[allow(clippy::cast_possible_truncation)] // rows are numbered in u32
    pub fn take(&mut self, row: usize, (column, length): (usize, i64), saving: Whole) {
        self.columns.set(column, saving);
        self.row_of[column] = row as u32;
        self.column_of[row] = column as u32;
        self.costs[row] = self.measure.whole(length) - saving;
    }

    /// The column that a row had, now nobody's.
    pub fn leave(&mut self, row: usize) -> Option<u32> {
        let column = std::mem::replace(&mut self.column_of[row], WAITS);
        *self.row_of.get_mut(column as usize)? = NOBODY;
        Some(column)
    }

    /// Whether nobody has a column that saves less than it might.
    pub fn is_left(&self, column: u32) -> bool {
        let column = column as usize;
        self.row_of[column] == NOBODY && self.columns.saving(column) < self.used[column]
    }

    /// Whether a row would cost less than `limit` with another column, or without.
    pub fn is_cheaper_elsewhere(&self, row: usize, limit: Whole) -> bool {
        self.without[row] < limit || self.columns.any_below(self.rows.point(row), limit)
    }

    /// The column of each row, or [`NONE`], as they were numbered before they had places.
    pub fn assigned(&self) -> Vec<usize> {
        let mut column_of = vec![NONE; self.column_of.len()];
        for (row, column) in self.column_of.iter().enumerate().filter(|(_, at)| **at < WITHOUT) {
            column_of[self.rows.item(row)] = self.columns.item(*column as usize);
        }
        column_of
    }
}
