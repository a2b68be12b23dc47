//! Pairs of least total distance, none beyond a caliper.
//!
//! On a line, gaps wider than the caliper cut the units into clusters that have nothing to do with each
//! other. Within one, the pairs of least sum without a caliper are found in n log n; where none of them is
//! longer than the caliper they are the answer, for no set of pairs is larger. Else the cluster is cut into
//! the regions in which one side or the other is scarce, whose pairs mostly are short enough; what is left
//! goes to the sparse assignment.
//!
//! Where units may be in several pairs, all of them come into a first before any comes into a second. That
//! costs no pair: whoever is in one stays in one while a set of pairs is made larger along augmenting paths,
//! so that among the largest sets are some with as many units as any set has. It is to save a second step,
//! beside that of the pair; and without a caliper, to take each place once in any case where seekers suffice
//! for that, and else at most once.

use std::ops::Range;

use super::assignment::{Cost, NONE, NodeCosts};
use super::auction;
use super::holdings::InSpace;
use super::layout::{Layout, Stratum};
use super::line::{self, Grid, Uses};
use super::regions::{self, Region};
use super::sparse::{self, OnALine};
use crate::error::Result;
use crate::monitor::Monitor;

/// What is asked of pairs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OptimalSpec {
    /// The longest distance allowed; infinite for any.
    pub caliper_width: f64,
    /// How often a row of each arm may be in a pair, control first; one of them is 1.
    pub uses: [usize; 2],
}

/// The two sides of a matching: all of the smaller one look for a place in the other.
struct Sides {
    seekers: Side,
    places: Side,
    treated_seek: bool,
}

/// Units by ascending value, and how often each may be in a pair.
#[derive(Debug, Clone)]
struct Side {
    rows: Vec<usize>,
    values: Vec<f64>,
    uses: usize,
}

impl Side {
    fn capacity(&self) -> usize {
        self.rows.len() * self.uses
    }

    fn filter(&self, keep: impl Fn(usize) -> bool) -> Self {
        let units = (0..self.rows.len()).filter(|unit| keep(*unit));
        let (rows, values) = units.map(|unit| (self.rows[unit], self.values[unit])).unzip();
        Self { rows, values, uses: self.uses }
    }

    fn part(&self, range: Range<usize>) -> Self {
        Self {
            rows: self.rows[range.clone()].to_vec(),
            values: self.values[range].to_vec(),
            uses: self.uses,
        }
    }

    /// Each unit as often as it may be used.
    fn copies(&self) -> impl Iterator<Item = usize> {
        (0..self.rows.len()).flat_map(|unit| std::iter::repeat_n(unit, self.uses))
    }
}

/// Treated and control rows of the pairs of a stratum.
pub fn pairs_on_a_line(
    layout: &Layout<'_>,
    stratum: &Stratum,
    spec: &OptimalSpec,
    monitor: &Monitor,
) -> Result<Vec<(usize, usize)>> {
    let width = spec.caliper_width;
    let [control, treated] = [0, 1].map(|arm| {
        let rows = stratum.arms[arm].clone();
        Side { values: layout.values(&rows), rows, uses: spec.uses[arm] }
    });
    let [control, treated] = [within(&control, &treated, width), within(&treated, &control, width)];
    let mut pairs = Vec::new();
    for [control, treated] in clusters(&[control, treated], width) {
        monitor.check()?;
        let sides = Sides::new(control, treated);
        if let Some(found) = sides.shortest_pairs(width) {
            pairs.extend(found);
            continue;
        }
        for region in sides.regions(width) {
            monitor.check()?;
            match region.shortest_pairs(width) {
                Some(found) => pairs.extend(found),
                None => pairs.extend(region.assigned_pairs(width, monitor)?),
            }
        }
    }
    Ok(pairs)
}

/// The units of a side that have one of the other side within the caliper.
fn within(side: &Side, other: &Side, width: f64) -> Side {
    if width.is_infinite() {
        return side.clone();
    }
    let mut next = 0;
    let mut kept = Side { rows: Vec::new(), values: Vec::new(), uses: side.uses };
    for (row, value) in side.rows.iter().zip(&side.values) {
        while next < other.values.len() && other.values[next] < *value {
            next += 1;
        }
        let beside = [next.checked_sub(1), Some(next)].into_iter().flatten();
        let mut gaps =
            beside.filter_map(|at| other.values.get(at)).map(|near| (near - value).abs());
        if gaps.any(|gap| gap <= width) {
            kept.rows.push(*row);
            kept.values.push(*value);
        }
    }
    kept
}

/// Runs of units that no gap wider than the caliper cuts.
fn clusters(sides: &[Side; 2], width: f64) -> Vec<[Side; 2]> {
    let [one, other] = [&sides[0].values, &sides[1].values];
    let mut found = Vec::new();
    let (mut start, mut at) = ((0, 0), (0, 0));
    let mut before = f64::NEG_INFINITY;
    let mut cut = |start: (usize, usize), end: (usize, usize)| {
        if start.0 < end.0 && start.1 < end.1 {
            found.push([sides[0].part(start.0..end.0), sides[1].part(start.1..end.1)]);
        }
    };
    while at.0 < one.len() || at.1 < other.len() {
        let next = [one.get(at.0), other.get(at.1)];
        let first = matches!(next, [Some(a), Some(b)] if a <= b) || next[1].is_none();
        let value = *next[usize::from(!first)].unwrap_or(&before);
        if value - before > width && at != start {
            cut(start, at);
            start = at;
        }
        before = value;
        if first { at.0 += 1 } else { at.1 += 1 }
    }
    cut(start, at);
    found
}

impl Sides {
    fn new(control: Side, treated: Side) -> Self {
        let treated_seek = treated.capacity() <= control.capacity();
        let (seekers, places) = if treated_seek { (treated, control) } else { (control, treated) };
        Self { seekers, places, treated_seek }
    }

    /// Treated and control row of a seeker and its place.
    fn pair(&self, (seeker, place): (usize, usize)) -> (usize, usize) {
        let (seeker, place) = (self.seekers.rows[seeker], self.places.rows[place]);
        if self.treated_seek { (seeker, place) } else { (place, seeker) }
    }

    /// The pairs of least sum, where none is longer than the caliper.
    fn shortest_pairs(&self, width: f64) -> Option<Vec<(usize, usize)>> {
        let pairs: Vec<(usize, usize)> = self.seekers.copies().zip(self.take_places()).collect();
        let (from, to) = (&self.seekers.values, &self.places.values);
        let fits = pairs.iter().all(|(i, j)| (from[*i] - to[*j]).abs() <= width);
        fits.then(|| pairs.into_iter().map(|pair| self.pair(pair)).collect())
    }

    /// The places of the pairs of least sum, ascending, without a caliper.
    fn take_places(&self) -> Vec<usize> {
        let Self { seekers, places, .. } = self;
        let grid = Grid::new(seekers.values.iter().chain(&places.values));
        let of_places = self.uses_of_places();
        let grouped = |side: &Side, uses: Uses| {
            let positions: Vec<i64> = side.values.iter().map(|value| grid.place(*value)).collect();
            line::groups(&positions, uses)
        };
        let groups = grouped(places, of_places);
        let seekers = grouped(seekers, Uses { at_least: 0, at_most: seekers.uses });
        let counts = line::choose(&seekers, &groups);
        let mut taken = Vec::with_capacity(self.seekers.capacity());
        let mut first = 0;
        for (group, used) in groups.iter().zip(counts) {
            // Evenly among units at the same value, those that come first before the others.
            let n_units = group.count / of_places.at_most;
            for unit in 0..n_units {
                let share = used / n_units + usize::from(unit < used % n_units);
                taken.extend(std::iter::repeat_n(first + unit, share));
            }
            first += n_units;
        }
        taken
    }

    /// Every place once before any twice.
    fn uses_of_places(&self) -> Uses {
        let (n_seekers, n_places) = (self.seekers.capacity(), self.places.rows.len());
        if n_seekers <= n_places {
            Uses { at_least: 0, at_most: 1 }
        } else {
            Uses { at_least: 1, at_most: self.places.uses }
        }
    }

    /// The clusters of each region.
    fn regions(&self, width: f64) -> Vec<Self> {
        let sides = if self.treated_seek {
            [&self.places, &self.seekers]
        } else {
            [&self.seekers, &self.places]
        };
        let values =
            sides.map(|side| side.copies().map(|unit| side.values[unit]).collect::<Vec<f64>>());
        let found = regions::regions(&values[0], &values[1], width);
        [Region::One, Region::Other, Region::Neither]
            .into_iter()
            .flat_map(|region| {
                // The copies of a unit have the same edges, and are in the same region.
                let part = |arm: usize| {
                    let side = sides[arm];
                    side.filter(|unit| found[arm][unit * side.uses] == region)
                };
                clusters(&[part(0), part(1)], width)
            })
            .map(|[control, treated]| Self::new(control, treated))
            .collect()
    }

    /// The pairs of least sum within the caliper, by the sparse assignment.
    fn assigned_pairs(&self, width: f64, monitor: &Monitor) -> Result<Vec<(usize, usize)>> {
        let (rows, columns): (Vec<usize>, Vec<usize>) =
            (self.seekers.copies().collect(), self.places.copies().collect());
        let candidates = OnALine {
            rows: rows.iter().map(|unit| self.seekers.values[*unit]).collect(),
            columns: columns.iter().map(|unit| self.places.values[*unit]).collect(),
            width,
        };
        let (without, used) =
            node_costs(rows.len(), self.seekers.uses, columns.len(), self.places.uses);
        let node_costs = NodeCosts { without: &without, used: &used };
        let found = sparse::grow(&candidates, node_costs, monitor)?;
        let pairs = found.column_of.iter().enumerate().filter(|(_, column)| **column != NONE);
        Ok(pairs.map(|(row, column)| self.pair((rows[row], columns[*column]))).collect())
    }
}

/// What rows cost without a column, and what columns save: a step for each pair, and one for each unit of
/// which there are several copies, all put on the first of these.
fn node_costs(
    n_rows: usize,
    row_uses: usize,
    n_columns: usize,
    column_uses: usize,
) -> (Vec<Cost>, Vec<Cost>) {
    let of_unit = |copy: usize, uses: usize| {
        if uses > 1 && copy.is_multiple_of(uses) { Cost::STEP } else { Cost::default() }
    };
    (
        (0..n_rows).map(|copy| Cost::STEP + of_unit(copy, row_uses)).collect(),
        (0..n_columns).map(|copy| of_unit(copy, column_uses)).collect(),
    )
}

/// Treated and control rows of the pairs of a stratum in several dimensions.
pub fn pairs_in_space(
    layout: &Layout<'_>,
    stratum: &Stratum,
    spec: &OptimalSpec,
    monitor: &Monitor,
) -> Result<Vec<(usize, usize)>> {
    let [control, treated] = [0, 1].map(|arm| {
        let units = stratum.arms[arm].iter();
        let copies = units.flat_map(|row| std::iter::repeat_n(*row, spec.uses[arm]));
        copies.collect::<Vec<usize>>()
    });
    let treated_seek = treated.len() <= control.len();
    let (rows, columns) = if treated_seek { (&treated, &control) } else { (&control, &treated) };
    let sides = InSpace {
        rows: layout.coordinates(rows.iter().copied()),
        columns: layout.coordinates(columns.iter().copied()),
        reach: spec.caliper_width,
    };
    let [of_rows, of_columns] = if treated_seek { [spec.uses[1], spec.uses[0]] } else { spec.uses };
    let (without, used) = node_costs(rows.len(), of_rows, columns.len(), of_columns);
    let node_costs = NodeCosts { without: &without, used: &used };
    let column_of = auction::assign(&sides, node_costs, monitor)?;
    let pairs = column_of.iter().enumerate().filter(|(_, column)| **column != NONE);
    Ok(pairs
        .map(|(row, column)| (rows[row], columns[*column]))
        .map(|(row, column)| if treated_seek { (row, column) } else { (column, row) })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(values: &[f64]) -> Side {
        Side { rows: (0..values.len()).collect(), values: values.to_vec(), uses: 1 }
    }

    #[test]
    fn clusters_are_cut_where_the_gap_is_wider_than_the_caliper() {
        let sides = [side(&[0.0, 1.0, 5.0, 9.0]), side(&[0.5, 1.5, 5.5, 6.5])];
        let found = clusters(&sides, 1.0);
        let rows: Vec<[&[usize]; 2]> =
            found.iter().map(|[one, other]| [&one.rows[..], &other.rows[..]]).collect();
        assert_eq!(rows, [[&[0, 1][..], &[0, 1][..]], [&[2][..], &[2, 3][..]]]);
        assert_eq!(clusters(&[side(&[0.0]), side(&[9.0])], f64::INFINITY).len(), 1);
        assert!(clusters(&[side(&[0.0]), side(&[9.0])], 1.0).is_empty());
    }
}
