//! Full matching of a stratum: which pairs save most, on a line and in space.
//!
//! On a line, a pair (u, v) saves something only where no unit in between is nearer to either than the other
//! arm's nearest: u and v are in neighbouring runs of one arm. The saving c(u) + c(v) - (v - u) is then a sum
//! of one term of u and one of v, and both grow towards the gap between the runs, so that k pairs
//! across a gap are best made of the k units next to it on either side. What is left is to choose k for
//! every gap, where the two gaps of a run share its units: a table over runs, linear in the number of units
//! (Colannino et al. 2007 have the same bound by another road).

use ndarray::ArrayView2;
use rayon::prelude::*;

use super::assignment::{Cost, NONE, NodeCosts};
use super::auction;
use super::holdings::InSpace;
use super::layout::{Layout, Stratum};
use super::line::Grid;
use super::stars::{Cover, Nearest, Units, stars};
use super::tree::Tree;
use super::whole::Measure;
use crate::error::Result;
use crate::monitor::Monitor;

/// The stars of a stratum; units without a partner within `width` are in none.
///
/// # Errors
/// [`crate::error::Error::Stopped`].
pub fn cover(
    layout: &Layout<'_>,
    stratum: &Stratum,
    width: f64,
    monitor: &Monitor,
) -> Result<Cover> {
    monitor.check()?;
    let (x, on_a_line) = (layout.points.x, layout.points.on_a_line());
    let mut units = units(layout, stratum);
    let find = |units: &Units| {
        if on_a_line {
            Ok(nearest_on_a_line(x, units))
        } else {
            nearest_in_space(layout, units, monitor)
        }
    };
    let mut nearest = find(&units)?;
    monitor.check()?;
    if nearest.iter().any(|near| near.is_beyond(width)) {
        units = without_the_far(&units, &nearest, width);
        // The nearest of those that stay have themselves somebody near, and stay.
        nearest = find(&units)?;
    }
    if units.rows.is_empty() {
        return Ok(Cover::default());
    }
    let partner = if on_a_line {
        pairs_on_a_line(x, &units, width)
    } else {
        pairs_in_space(layout, &units, &nearest, width, monitor)?
    };
    let distance = |a: usize, b: usize| layout.distance(units.rows[a], units.rows[b]);
    Ok(stars(&units, partner, &nearest, distance))
}

/// Both arms merged, control first at the same point.
fn units(layout: &Layout<'_>, stratum: &Stratum) -> Units {
    let mut found = Units::default();
    let [mut control, mut treated] =
        [0, 1].map(|arm| stratum.arms[arm].chunk_by(|a, b| layout.same_point(*a, *b)).peekable());
    loop {
        let next = [control.peek(), treated.peek()].map(|cell| cell.map(|rows| rows[0]));
        let from = match next {
            [Some(control), Some(treated)] => {
                usize::from(layout.compare_points(control, treated).is_gt())
            }
            [None, Some(_)] => 1,
            [Some(_), None] => 0,
            [None, None] => return found,
        };
        let cell = if from == 1 { treated.next() } else { control.next() };
        let start = found.rows.len();
        found.rows.extend(cell.into_iter().flatten());
        found.treated.resize(found.rows.len(), from == 1);
        found.cells.push(start..found.rows.len());
    }
}

fn without_the_far(units: &Units, nearest: &[Nearest], width: f64) -> Units {
    let mut kept = Units::default();
    for (cell, _) in units.cells.iter().zip(nearest).filter(|(_, near)| !near.is_beyond(width)) {
        let start = kept.rows.len();
        kept.rows.extend(&units.rows[cell.clone()]);
        kept.treated.extend(&units.treated[cell.clone()]);
        kept.cells.push(start..kept.rows.len());
    }
    kept
}

// On a line

/// The nearest cell of the other arm on either side; of two as near, the one below.
fn nearest_on_a_line(x: ArrayView2<'_, f64>, units: &Units) -> Vec<Nearest> {
    let value = |cell: usize| x[[units.rows[units.cells[cell].start], 0]];
    let arm = |cell: usize| usize::from(units.treated[units.cells[cell].start]);
    let nowhere = Nearest { cell: NONE, distance: f64::INFINITY };
    let mut found = vec![nowhere; units.cells.len()];
    let mut look = |cells: &mut dyn Iterator<Item = usize>| {
        let mut last = [None; 2];
        for cell in cells {
            if let Some(other) = last[1 - arm(cell)] {
                let distance = (value(cell) - value(other)).abs();
                if distance < found[cell].distance {
                    found[cell] = Nearest { cell: other, distance };
                }
            }
            last[arm(cell)] = Some(cell);
        }
    };
    look(&mut (0..units.cells.len()));
    look(&mut (0..units.cells.len()).rev());
    found
}

/// A gap between two runs, and what k pairs across it are worth, together with the best of the runs
/// before.
struct Gap {
    /// The first unit of the run above.
    at: usize,
    /// The best sum with k pairs across the gap.
    sums: Vec<i128>,
    /// The best number of pairs of at most k.
    best: Vec<usize>,
}

/// The partner of each unit in the matching that saves most; of as good ones, with most pairs.
fn pairs_on_a_line(x: ArrayView2<'_, f64>, units: &Units, width: f64) -> Vec<usize> {
    let values: Vec<f64> = units.rows.iter().map(|row| x[[*row, 0]]).collect();
    let grid = Grid::new(&values);
    let position: Vec<i64> = values.iter().map(|value| grid.place(*value)).collect();
    let reach = reach_on_a_line(&position, &units.treated);
    let mut gaps: Vec<Gap> = Vec::new();
    let mut run_start = 0;
    let run_ends = (1..values.len()).filter(|unit| units.treated[*unit] != units.treated[unit - 1]);
    for at in run_ends {
        let above = (at..values.len()).take_while(|unit| units.treated[*unit] == units.treated[at]);
        let n_above = above.count();
        let n_below = at - run_start;
        let saved = |k: usize| {
            let (u, v) = (at - 1 - k, at + k);
            reach[u] + reach[v] - (position[v] - position[u])
        };
        let mut savings: Vec<i64> =
            (0..n_below.min(n_above)).map(saved).take_while(|saved| *saved >= 0).collect();
        savings.truncate(within_the_caliper(&values, at, savings.len(), width));
        gaps.push(Gap::after(gaps.last(), at, n_below, &savings));
        run_start = at;
    }
    partners(&gaps, values.len())
}

/// How far each unit is from its nearest of the other arm, on the grid.
fn reach_on_a_line(position: &[i64], treated: &[bool]) -> Vec<i64> {
    let mut reach = vec![i64::MAX / 4; position.len()];
    let mut look = |units: &mut dyn Iterator<Item = usize>| {
        let mut last: [Option<i64>; 2] = [None; 2];
        for unit in units {
            if let Some(other) = last[usize::from(!treated[unit])] {
                reach[unit] = reach[unit].min((position[unit] - other).abs());
            }
            last[usize::from(treated[unit])] = Some(position[unit]);
        }
    };
    look(&mut (0..position.len()));
    look(&mut (0..position.len()).rev());
    reach
}

/// The largest number of pairs across a gap, paired in order, none of which is longer than the caliper.
/// Fewer pairs are shorter, each of them.
fn within_the_caliper(values: &[f64], at: usize, most: usize, width: f64) -> usize {
    let fits = |k: usize| (0..k).all(|j| values[at + j] - values[at - k + j] <= width);
    if width.is_infinite() || most == 0 || values[at + most - 1] - values[at - most] <= width {
        return most;
    }
    let (mut low, mut high) = (0, most + 1);
    while high - low > 1 {
        let middle = usize::midpoint(low, high);
        if fits(middle) { low = middle } else { high = middle }
    }
    low
}

impl Gap {
    /// The run below has `n_below` units, which this gap shares with the gap before.
    fn after(before: Option<&Self>, at: usize, n_below: usize, savings: &[i64]) -> Self {
        let mut sums = Vec::with_capacity(savings.len() + 1);
        let mut sum = 0;
        for k in 0..=savings.len() {
            sums.push(sum + before.map_or(0, |before| before.sums[before.most(n_below - k)]));
            sum += savings.get(k).map_or(0, |saving| i128::from(*saving));
        }
        let mut best = Vec::with_capacity(sums.len());
        let mut most = 0;
        for (k, sum) in sums.iter().enumerate() {
            if *sum >= sums[most] {
                most = k;
            }
            best.push(most);
        }
        Self { at, sums, best }
    }

    /// The best number of pairs where there can be no more than `limit`.
    fn most(&self, limit: usize) -> usize {
        self.best[limit.min(self.best.len() - 1)]
    }
}

/// Go back through the table.
fn partners(gaps: &[Gap], n_units: usize) -> Vec<usize> {
    let mut partner = vec![NONE; n_units];
    let mut limit = usize::MAX;
    for (number, gap) in gaps.iter().enumerate().rev() {
        let k = gap.most(limit);
        for j in 0..k {
            let (u, v) = (gap.at - k + j, gap.at + j);
            partner[u] = v;
            partner[v] = u;
        }
        let run_start = number.checked_sub(1).map_or(0, |before| gaps[before].at);
        limit = gap.at - run_start - k;
    }
    partner
}

// In space

/// The nearest cell of the other arm; of several as near, the first.
fn nearest_in_space(layout: &Layout<'_>, units: &Units, monitor: &Monitor) -> Result<Vec<Nearest>> {
    let arms = cells_by_arm(units);
    let mut found = vec![Nearest { cell: NONE, distance: f64::INFINITY }; units.cells.len()];
    let points = arms.each_ref().map(|cells| {
        layout.coordinates(cells.iter().map(|cell| units.rows[units.cells[*cell].start]))
    });
    for (arm, [own, other]) in
        [[&points[0], &points[1]], [&points[1], &points[0]]].iter().enumerate()
    {
        let tree = Tree::new(other, f64::INFINITY, Measure::new(0.0, 0));
        let nearest = |number: usize| {
            monitor.check()?;
            let nearest = tree.nearest(own.point(number));
            Ok(nearest.map(|(at, distance)| Nearest { cell: arms[1 - arm][at], distance }))
        };
        let nearest: Vec<Option<Nearest>> =
            (0..own.len()).into_par_iter().map(nearest).collect::<Result<_>>()?;
        for (cell, near) in arms[arm].iter().zip(nearest) {
            found[*cell] = near.unwrap_or(found[*cell]);
        }
    }
    Ok(found)
}

/// The cells of each arm, control first.
fn cells_by_arm(units: &Units) -> [Vec<usize>; 2] {
    let treated = |cell: &usize| units.treated[units.cells[*cell].start];
    let (treated, control) = (0..units.cells.len()).partition(treated);
    [control, treated]
}

/// The partner of each unit in the matching that saves most.
fn pairs_in_space(
    layout: &Layout<'_>,
    units: &Units,
    nearest: &[Nearest],
    width: f64,
    monitor: &Monitor,
) -> Result<Vec<usize>> {
    let mut partner = pairs_at_one_point(layout, units);
    // Units at distance 0 of their nearest save nothing with anybody else.
    let cell_of = units.cell_of();
    let reach = |unit: usize| nearest[cell_of[unit]].distance;
    let free = (0..units.rows.len()).filter(|unit| reach(*unit) > 0.0);
    let (rows, columns): (Vec<usize>, Vec<usize>) = free.partition(|unit| units.treated[*unit]);
    let [rows_at, columns_at] =
        [&rows, &columns].map(|side| layout.coordinates(side.iter().map(|u| units.rows[*u])));
    let sides = InSpace { rows: rows_at, columns: columns_at, reach: width };
    let [without, used] = [&rows, &columns]
        .map(|side| side.iter().map(|unit| Cost::length(reach(*unit))).collect::<Vec<Cost>>());
    let node_costs = NodeCosts { without: &without, used: &used };
    let column_of = auction::assign(&sides, node_costs, monitor)?;
    for (row, column) in column_of.iter().enumerate().filter(|(_, column)| **column != NONE) {
        partner[rows[row]] = columns[*column];
        partner[columns[*column]] = rows[row];
    }
    Ok(partner)
}

/// As many pairs as there can be of units at the same point, whose cells follow each other.
fn pairs_at_one_point(layout: &Layout<'_>, units: &Units) -> Vec<usize> {
    let mut partner = vec![NONE; units.rows.len()];
    for cells in units.cells.windows(2) {
        let (control, treated) = (cells[0].clone(), cells[1].clone());
        if layout.same_point(units.rows[control.start], units.rows[treated.start]) {
            for (a, b) in control.zip(treated) {
                partner[a] = b;
                partner[b] = a;
            }
        }
    }
    partner
}
