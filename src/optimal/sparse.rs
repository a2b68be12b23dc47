//! An assignment on a line along very many edges, of which few are ever looked at.
//!
//! The least assignment along the shortest edges of each row is found; then the edges that its potentials
//! do not rule out are added, and it is found again. Where there are none left, it is the least along all
//! edges: potentials that are feasible on every edge prove it.

use std::collections::VecDeque;
use std::ops::Range;

use rayon::prelude::*;

use super::assignment::{Assignment, Cost, Edges, NodeCosts, assign};
use crate::error::Result;
use crate::monitor::Monitor;

/// Shortest edges that each row begins with: enough for nearly all rows where partners are plenty.
const BEGINNING: usize = 12;

/// By how little an edge may undercut its potentials, as a share of the longest: rounding.
const ROUNDING: f64 = 1e-13;

/// The least assignment along all edges.
///
/// # Errors
/// [`crate::error::Error::Stopped`].
pub fn grow(
    candidates: &OnALine,
    node_costs: NodeCosts<'_>,
    monitor: &Monitor,
) -> Result<Assignment> {
    let mut edges = Edges {
        by_row: (0..candidates.rows.len())
            .into_par_iter()
            .map(|row| candidates.shortest(row, BEGINNING))
            .collect(),
        n_columns: candidates.columns.len(),
    };
    loop {
        let found = assign(&edges, node_costs, monitor)?;
        let mut grown = false;
        for (row, column, length) in candidates.improving(&found) {
            let known = &mut edges.by_row[row];
            if known.iter().all(|(other, _)| *other != column) {
                known.push((column, length));
                grown = true;
            }
        }
        if !grown {
            return Ok(found);
        }
    }
}

fn undercuts(length: f64, u: Cost, v: Cost, longest: f64) -> bool {
    let gap = Cost::length(length) - u - v;
    gap < Cost::length(-ROUNDING * longest)
}

/// Rows and columns on a line, both ascending.
pub struct OnALine {
    pub rows: Vec<f64>,
    pub columns: Vec<f64>,
    /// No edge is longer.
    pub width: f64,
}

impl OnALine {
    /// The `count` shortest edges of a row.
    fn shortest(&self, row: usize, count: usize) -> Vec<(usize, f64)> {
        let value = self.rows[row];
        let middle = self.columns.partition_point(|column| *column < value);
        let (mut low, mut high) = (middle, middle);
        let gap = |column: usize| (self.columns[column] - value).abs();
        let mut found = Vec::with_capacity(count);
        while found.len() < count {
            let below = low.checked_sub(1).map(gap).filter(|gap| *gap <= self.width);
            let above = (high < self.columns.len()).then(|| gap(high));
            let above = above.filter(|gap| *gap <= self.width);
            match (below, above) {
                (Some(length), other) if other.is_none_or(|other| length <= other) => {
                    low -= 1;
                    found.push((low, length));
                }
                (_, Some(length)) => {
                    found.push((high, length));
                    high += 1;
                }
                _ => break,
            }
        }
        found
    }

    /// Edges (row, column, length) that cost less than their potentials, the least of each row among them: on either
    /// side the cheapest column in reach is the least of a window that only moves on.
    fn improving(&self, found: &Assignment) -> Vec<(usize, usize, f64)> {
        let (mut left, mut right) = (Window::default(), Window::default());
        let mut improving = Vec::new();
        let longest = self.width.min(self.span());
        for (row, value) in self.rows.iter().enumerate() {
            let in_reach = |column: &f64| (column - value).abs() <= self.width;
            // On the left from the first in reach to the first not below; on the right from there on.
            let middle = self.columns.partition_point(|column| column < value);
            let start = self.columns.partition_point(|c| c < value && !in_reach(c));
            let end = middle + self.columns[middle..].partition_point(in_reach);
            let cost = |column: usize, sign: f64| {
                Cost::length(sign * self.columns[column]) - found.v[column]
            };
            let nearest = [
                left.least(start..middle, |column| cost(column, -1.0)),
                right.least(middle..end, |column| cost(column, 1.0)),
            ];
            for column in nearest.into_iter().flatten() {
                let length = (self.columns[column] - value).abs();
                if undercuts(length, found.u[row], found.v[column], longest) {
                    improving.push((row, column, length));
                }
            }
        }
        improving
    }

    fn span(&self) -> f64 {
        let ends = [&self.rows, &self.columns].map(|side| (side.first(), side.last()));
        let low = ends.iter().filter_map(|end| end.0).fold(f64::INFINITY, |a, b| a.min(*b));
        let high = ends.iter().filter_map(|end| end.1).fold(f64::NEG_INFINITY, |a, b| a.max(*b));
        high - low
    }
}

/// The least of a range whose ends only move up.
#[derive(Debug, Default)]
struct Window {
    /// Numbers ascending, costs too: each is the least of what is from it on.
    least: VecDeque<(usize, Cost)>,
    end: usize,
}

impl Window {
    fn least(&mut self, range: Range<usize>, cost: impl Fn(usize) -> Cost) -> Option<usize> {
        for number in self.end.max(range.start)..range.end {
            let cost = cost(number);
            while self.least.back().is_some_and(|(_, other)| *other > cost) {
                self.least.pop_back();
            }
            self.least.push_back((number, cost));
        }
        self.end = self.end.max(range.end);
        while self.least.front().is_some_and(|(number, _)| *number < range.start) {
            self.least.pop_front();
        }
        self.least.front().map(|(number, _)| *number)
    }
}
