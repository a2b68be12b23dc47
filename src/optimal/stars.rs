//! From a matching to the stars of a cover.
//!
//! The cheapest edges that touch every unit: with c(u) the distance of a unit to its nearest of the other
//! arm, pair two units where that saves c(u) + c(v) - d(u, v), so as to save most, and let every other unit
//! join its nearest (the reduction of minimum edge cover to matching; Schrijver 2003, section 27.1). What is
//! joined is then in a pair itself, or at distance 0 of one of its own nearest, and the components are
//! stars.

use std::ops::Range;

use super::assignment::NONE;

/// Units of a stratum in the order of points, then of arms, then of ranks.
#[derive(Debug, Default)]
pub struct Units {
    pub rows: Vec<usize>,
    pub treated: Vec<bool>,
    /// Units of the same arm at the same point.
    pub cells: Vec<Range<usize>>,
}

impl Units {
    /// The cell of each unit.
    pub fn cell_of(&self) -> Vec<usize> {
        let numbered = self.cells.iter().enumerate();
        numbered.flat_map(|(cell, units)| units.clone().map(move |_| cell)).collect()
    }
}

/// The nearest cell of the other arm.
#[derive(Debug, Clone, Copy)]
pub struct Nearest {
    pub cell: usize,
    pub distance: f64,
}

impl Nearest {
    /// Whether there is nobody near enough.
    pub fn is_beyond(&self, width: f64) -> bool {
        self.cell == NONE || self.distance > width
    }
}

/// Stars of the rows of a stratum, numbered from 0 in the order of their first units.
#[derive(Debug, Default)]
pub struct Cover {
    pub stars: Vec<(usize, usize)>,
    pub n_stars: usize,
    pub total_distance: f64,
}

struct Joining<'a> {
    units: &'a Units,
    partner: Vec<usize>,
    /// Whom a unit joins.
    joined: Vec<usize>,
    /// How many join a unit.
    followers: Vec<usize>,
    /// Of each cell the units in a pair, and whose turn it is to be joined.
    paired: Vec<Vec<usize>>,
    turn: Vec<usize>,
    cell_of: Vec<usize>,
}

/// Let every unit without a partner join its nearest, and number the stars.
///
/// `partner` pairs units of the matching that saves most; `nearest` is by cell, `distance` of two units.
pub fn stars(
    units: &Units,
    partner: Vec<usize>,
    nearest: &[Nearest],
    distance: impl Fn(usize, usize) -> f64,
) -> Cover {
    let cell_of = units.cell_of();
    let mut paired = vec![Vec::new(); units.cells.len()];
    for (unit, cell) in cell_of.iter().enumerate().filter(|(unit, _)| partner[*unit] != NONE) {
        paired[*cell].push(unit);
    }
    let n = units.rows.len();
    let mut joining = Joining {
        units,
        joined: vec![NONE; n],
        followers: vec![0; n],
        turn: vec![0; units.cells.len()],
        partner,
        paired,
        cell_of,
    };
    for unit in 0..n {
        if joining.partner[unit] == NONE {
            joining.join(unit, nearest[joining.cell_of[unit]].cell);
        }
    }
    joining.number(nearest, distance)
}

impl Joining<'_> {
    /// Join the units of a cell in turn, so that stars are as even as they can be.
    fn join(&mut self, unit: usize, cell: usize) {
        if let Some(paired) = self.paired.get(cell).filter(|paired| !paired.is_empty()) {
            let center = paired[self.turn[cell] % paired.len()];
            self.turn[cell] += 1;
            self.joined[unit] = center;
            self.followers[center] += 1;
            return;
        }
        // Nobody there is in a pair. That unit is at distance 0 of its own nearest, whom it need not join:
        // a pair saves nothing, and costs nothing.
        let other = self.units.cells[cell].start;
        if self.joined[other] != NONE {
            self.followers[self.joined[other]] -= 1;
            self.joined[other] = NONE;
        }
        self.partner[unit] = other;
        self.partner[other] = unit;
        self.paired[cell].push(other);
        self.paired[self.cell_of[unit]].push(unit);
    }

    /// The first unit of a star. A pair both of whom are joined is two stars: its own edge is not needed.
    fn root(&self, unit: usize) -> usize {
        let center = if self.joined[unit] == NONE { unit } else { self.joined[unit] };
        let partner = self.partner[center];
        if self.is_split(center) { center } else { center.min(partner) }
    }

    fn is_split(&self, center: usize) -> bool {
        self.followers[center] > 0 && self.followers[self.partner[center]] > 0
    }

    fn number(&self, nearest: &[Nearest], distance: impl Fn(usize, usize) -> f64) -> Cover {
        let mut cover = Cover::default();
        let mut number = vec![NONE; self.units.rows.len()];
        for unit in 0..self.units.rows.len() {
            let root = self.root(unit);
            if number[root] == NONE {
                number[root] = cover.n_stars;
                cover.n_stars += 1;
            }
            cover.stars.push((self.units.rows[unit], number[root]));
            if self.joined[unit] != NONE {
                cover.total_distance += nearest[self.cell_of[unit]].distance;
            } else if unit < self.partner[unit] && !self.is_split(unit) {
                cover.total_distance += distance(unit, self.partner[unit]);
            }
        }
        cover
    }
}
