//! The donors of a focal value among sorted values.

use std::hint::select_unpredictable;
use std::ops::Range;

use rayon::prelude::*;

use super::arm::Arm;
use crate::error::Result;
use crate::monitor::Monitor;

/// Two distances tie when they differ by no more than this: wide enough for rounding, far narrower
/// than the gaps between neighbours.
pub const TIE: f64 = 1e-12;

/// The lesser of two numbers, the second where one is NaN: an instruction, which `f64::min` is not.
#[inline]
pub fn lesser(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}

/// Focal groups a thread takes at a time.
const CHUNK: usize = 8192;

#[derive(Debug, Clone, Copy)]
pub struct Search {
    pub n_neighbors: f64,
    /// Nothing farther than this is ever a donor.
    pub reach: f64,
}

/// The donor groups `first..last` of a focal value: how many rows they have, and how far the
/// farthest is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    pub first: usize,
    pub last: usize,
    pub rows: f64,
    pub reach: f64,
}

impl Found {
    pub const NOTHING: Self = Self { first: 0, last: 0, rows: 0.0, reach: 0.0 };

    pub fn is_empty(&self) -> bool {
        self.first == self.last
    }

    pub fn groups(&self) -> Range<usize> {
        self.first..self.last
    }
}

impl Search {
    /// What every focal group finds, in parallel.
    pub fn all(&self, focal: &Arm, donors: &Arm, monitor: &Monitor) -> Result<Vec<Found>> {
        let chunks: Vec<Vec<Found>> = (0..focal.len().div_ceil(CHUNK))
            .into_par_iter()
            .map(|chunk| {
                monitor.check()?;
                let groups = chunk * CHUNK..focal.len().min((chunk + 1) * CHUNK);
                let mut found = Vec::with_capacity(groups.len());
                self.each(focal, donors, groups, |_, one| found.push(one));
                Ok(found)
            })
            .collect::<Result<_>>()?;
        Ok(chunks.concat())
    }

    /// Visit the focal `groups` in ascending order with what each finds.
    pub fn each(
        &self,
        focal: &Arm,
        donors: &Arm,
        groups: Range<usize>,
        mut visit: impl FnMut(usize, Found),
    ) {
        let Some(lowest) = focal.value.get(groups.start) else { return };
        let mut above = donors.value.partition_point(|value| value < lowest);
        for group in groups {
            let value = focal.value[group];
            while donors.value.get(above).is_some_and(|donor| *donor < value) {
                above += 1;
            }
            visit(group, self.around(value, above, &donors.value, |donor| donors.rows[donor]));
        }
    }

    /// The donors of `value` among groups with these values, the first not below it being `above`, and so
    /// many rows each: widen to the nearer side until there are enough rows, then take in whatever ties with
    /// the last.
    #[inline]
    pub(super) fn around(
        &self,
        value: f64,
        above: usize,
        donors: &[f64],
        rows: impl Fn(usize) -> f64,
    ) -> Found {
        let below = |first: usize| {
            if first == 0 { f64::INFINITY } else { value - donors[first - 1] }
        };
        let beyond = |last: usize| donors.get(last).map_or(f64::INFINITY, |d| d - value);
        let mut found = Found { first: above, last: above, rows: 0.0, reach: 0.0 };
        while found.rows < self.n_neighbors {
            let (left, right) = (below(found.first), beyond(found.last));
            let nearest = left.min(right);
            if nearest > self.reach || nearest == f64::INFINITY {
                break;
            }
            found.take(left <= right, nearest, &rows);
        }
        if found.is_empty() {
            return found;
        }
        let limit = (found.reach + TIE).min(self.reach);
        while below(found.first) <= limit {
            found.take(true, below(found.first), &rows);
        }
        while beyond(found.last) <= limit {
            found.take(false, beyond(found.last), &rows);
        }
        found
    }
}

impl Found {
    /// Take in the next group on one side.
    #[inline]
    fn take(&mut self, left: bool, distance: f64, rows: impl Fn(usize) -> f64) {
        self.first -= usize::from(left);
        self.last += usize::from(!left);
        self.rows += rows(select_unpredictable(left, self.first, self.last.max(1) - 1));
        self.reach = self.reach.max(distance);
    }
}

/// For each of `n_donors` donor groups, the sum of `share` over all focal rows that found it.
pub fn totals_by_donor(
    focal: &Arm,
    n_donors: usize,
    found: &[Found],
    share: impl Fn(&Found) -> f64,
) -> Vec<f64> {
    let mut totals = vec![0.0; n_donors];
    for (rows, found) in focal.rows.iter().zip(found).filter(|(_, found)| !found.is_empty()) {
        let share = rows * share(found);
        totals[found.groups()].iter_mut().for_each(|total| *total += share);
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arm(value: &[f64], rows: &[f64]) -> Arm {
        Arm { value: value.to_vec(), rows: rows.to_vec(), outcome: vec![0.0; value.len()] }
    }

    fn found(n_neighbors: f64, reach: f64, value: f64, donors: &Arm) -> Range<usize> {
        let mut groups = 0..0;
        let search = Search { n_neighbors, reach };
        search.each(&arm(&[value], &[1.0]), donors, 0..1, |_, found| groups = found.groups());
        groups
    }

    #[test]
    fn each_keeps_both_sides_of_a_tie() {
        let donors = arm(&[0.1, 0.3, 0.5, 0.9], &[1.0, 2.0, 1.0, 1.0]);
        assert_eq!(found(1.0, f64::INFINITY, 0.4, &donors), 1..3);
        assert_eq!(found(1.0, f64::INFINITY, 0.31, &donors), 1..2);
        assert_eq!(found(3.0, f64::INFINITY, 0.31, &donors), 1..3);
    }

    #[test]
    fn each_never_goes_beyond_the_caliper() {
        let donors = arm(&[0.1, 0.3, 0.5, 0.9], &[1.0, 1.0, 1.0, 1.0]);
        assert_eq!(found(4.0, 0.15, 0.4, &donors), 1..3);
        assert!(found(1.0, 0.05, 0.7, &donors).is_empty());
    }
}
