//! Rows assigned to columns at the least cost, along the edges there are.
//!
//! Shortest augmenting paths with potentials (Jonker and Volgenant 1987), one row after the other, in
//! Dijkstra's order on a heap. A row may stay without a column, at a cost of its own; where that cost is a
//! whole step above every length, the assignment is the largest there is, and of these the shortest. A
//! column may save something by being used.
//!
//! Potentials u (rows) and v (columns, none above what it saves, equal to it where it is free) keep u + v at
//! most the cost of an edge, equal to it on chosen edges, and u at most the cost of staying without: which
//! proves the optimum (the dual program).

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::{Add, AddAssign, Sub, SubAssign};

use crate::error::Result;
use crate::monitor::Monitor;

pub const NONE: usize = usize::MAX;

/// Steps come before lengths.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Cost {
    /// Whole numbers, exact in floating point.
    pub steps: f64,
    pub length: f64,
}

impl Cost {
    pub const STEP: Self = Self { steps: 1.0, length: 0.0 };
    const BEYOND: Self = Self { steps: f64::INFINITY, length: 0.0 };

    pub fn length(length: f64) -> Self {
        Self { steps: 0.0, length }
    }
}

impl Add for Cost {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { steps: self.steps + other.steps, length: self.length + other.length }
    }
}

impl Sub for Cost {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self { steps: self.steps - other.steps, length: self.length - other.length }
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Cost {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

/// The edges of each row.
#[derive(Debug, Clone, Default)]
pub struct Edges {
    pub by_row: Vec<Vec<(usize, f64)>>,
    pub n_columns: usize,
}

/// What rows and columns cost or save beside the lengths of edges.
#[derive(Debug, Clone, Copy)]
pub struct NodeCosts<'a> {
    /// What each row costs without a column.
    pub without: &'a [Cost],
    /// What each column saves where it is used.
    pub used: &'a [Cost],
}

/// The least assignment, and the potentials that prove it.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// The column of each row, or [`NONE`].
    pub column_of: Vec<usize>,
    pub u: Vec<Cost>,
    pub v: Vec<Cost>,
}

/// A column and how far it is from the row that is being assigned.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Reached {
    distance: Cost,
    column: usize,
}

impl Eq for Reached {}

impl Ord for Reached {
    /// The nearest first, of equals the one with the lower number.
    fn cmp(&self, other: &Self) -> Ordering {
        let steps = other.distance.steps.total_cmp(&self.distance.steps);
        let length = other.distance.length.total_cmp(&self.distance.length);
        steps.then(length).then(other.column.cmp(&self.column))
    }
}

impl PartialOrd for Reached {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Where an augmenting path ends.
#[derive(Debug, Clone, Copy)]
enum End {
    /// At a column that was free.
    Free(usize),
    /// With this row, which is left without a column.
    Without(usize),
}

struct Solver<'a> {
    edges: &'a Edges,
    without: &'a [Cost],
    found: Assignment,
    row_of: Vec<usize>,
    /// From the row that is being assigned; [`Cost::BEYOND`] where not reached.
    distance: Vec<Cost>,
    /// Columns whose distance is final: rounding must not send a path in circles.
    settled: Vec<bool>,
    /// The row before a column on the path.
    parent: Vec<usize>,
    reached: Vec<usize>,
    heap: BinaryHeap<Reached>,
}

/// Assign rows to columns.
///
/// # Errors
/// [`crate::error::Error::Stopped`].
pub fn assign(edges: &Edges, node_costs: NodeCosts<'_>, monitor: &Monitor) -> Result<Assignment> {
    let (n_rows, n_columns) = (edges.by_row.len(), edges.n_columns);
    let mut solver = Solver {
        edges,
        without: node_costs.without,
        found: Assignment {
            column_of: vec![NONE; n_rows],
            u: vec![Cost::default(); n_rows],
            v: node_costs.used.to_vec(),
        },
        row_of: vec![NONE; n_columns],
        distance: vec![Cost::BEYOND; n_columns],
        settled: vec![false; n_columns],
        parent: vec![NONE; n_columns],
        reached: Vec::new(),
        heap: BinaryHeap::new(),
    };
    for row in 0..n_rows {
        monitor.check()?;
        if !solver.assign_at_once(row) {
            solver.assign_by_path(row);
        }
    }
    Ok(solver.found)
}

impl Solver<'_> {
    /// Give a row its best column where that is free: no path is shorter.
    fn assign_at_once(&mut self, row: usize) -> bool {
        let mut best = Reached { distance: self.without[row], column: NONE };
        for (column, length) in &self.edges.by_row[row] {
            let distance = Cost::length(*length) - self.found.v[*column];
            if distance < best.distance {
                best = Reached { distance, column: *column };
            }
        }
        if best.column != NONE && self.row_of[best.column] != NONE {
            return false;
        }
        self.found.u[row] = best.distance;
        if best.column != NONE {
            self.found.column_of[row] = best.column;
            self.row_of[best.column] = row;
        }
        true
    }

    fn assign_by_path(&mut self, row: usize) {
        // 1. The nearest end: a free column, or a row that had better go without.
        let (mut shortest, mut end) = (self.without[row], End::Without(row));
        self.relax(row, Cost::default(), shortest);
        while let Some(Reached { distance, column }) = self.heap.pop() {
            if distance >= shortest {
                break;
            }
            if std::mem::replace(&mut self.settled[column], true) {
                continue;
            }
            let owner = self.row_of[column];
            if owner == NONE {
                (shortest, end) = (distance, End::Free(column));
                break;
            }
            let through = distance - self.found.u[owner];
            let without = through + self.without[owner];
            if without < shortest {
                (shortest, end) = (without, End::Without(owner));
            }
            self.relax(owner, through, shortest);
        }
        // 2. Potentials: every column nearer than the end comes up to it.
        self.found.u[row] = shortest;
        for column in self.reached.drain(..) {
            let behind = shortest - self.distance[column];
            if std::mem::replace(&mut self.settled[column], false) && behind > Cost::default() {
                self.found.v[column] -= behind;
                self.found.u[self.row_of[column]] += behind;
            }
            self.distance[column] = Cost::BEYOND;
        }
        self.heap.clear();
        // 3. Along the path each row moves on to the next column.
        let mut column = match end {
            End::Free(column) => column,
            End::Without(owner) => std::mem::replace(&mut self.found.column_of[owner], NONE),
        };
        while column != NONE {
            let owner = self.parent[column];
            self.row_of[column] = owner;
            column = std::mem::replace(&mut self.found.column_of[owner], column);
        }
    }

    /// Look along the edges of a row at this distance (less its potential).
    fn relax(&mut self, row: usize, through: Cost, shortest: Cost) {
        for (column, length) in &self.edges.by_row[row] {
            let distance = through + Cost::length(*length) - self.found.v[*column];
            if !self.settled[*column] && distance < self.distance[*column] && distance < shortest {
                if self.distance[*column] == Cost::BEYOND {
                    self.reached.push(*column);
                }
                self.distance[*column] = distance;
                self.parent[*column] = row;
                self.heap.push(Reached { distance, column: *column });
            }
        }
    }
}
