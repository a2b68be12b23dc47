//! The donors of a focal value among sorted values: the one search on a line.

use std::hint::select_unpredictable;
use std::ops::Range;

use super::caliper::TIE;
use super::spec::NearestSpec;

/// The lesser of two numbers, the second where one is NaN: an instruction, which `f64::min` is not.
#[inline]
pub fn lesser(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}

/// How many donors a focal value looks for, and how far.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    /// Rows of donors.
    pub n_neighbors: f64,
    /// Nothing farther than this is ever a donor.
    pub reach: f64,
}

/// The donor groups `first..last` of a focal value: how many rows they have, and how far the
/// farthest is. There are as many of these as rows, and no more than 2^32 groups.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    first: u32,
    last: u32,
    pub rows: f64,
    pub reach: f64,
}

impl Search {
    /// As a specification asks, with a caliper of this width (infinite for none): a distance that only rounding
    /// puts beyond it is within, as one that rounding keeps from being equal to another ties with it.
    pub fn new(spec: &NearestSpec, width: f64) -> Self {
        Self { n_neighbors: spec.n_neighbors as f64, reach: width + TIE }
    }

    /// The donors of `value` among groups with these values, ascending, the first not below it being `above`, and
    /// so many rows each: widen to the nearer side until there are enough rows, then take in whatever ties with
    /// the last.
    #[inline]
    pub fn around(
        &self,
        value: f64,
        above: usize,
        donors: &[f64],
        rows: impl Fn(usize) -> f64,
    ) -> Found {
        let below = |first: u32| {
            if first == 0 { f64::INFINITY } else { value - donors[first as usize - 1] }
        };
        let beyond = |last: u32| donors.get(last as usize).map_or(f64::INFINITY, |d| d - value);
        #[allow(clippy::cast_possible_truncation)] // rows, and so groups, are numbered in u32
        let above = above as u32;
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
    pub const NOTHING: Self = Self { first: 0, last: 0, rows: 0.0, reach: 0.0 };

    pub fn is_empty(&self) -> bool {
        self.first == self.last
    }

    pub fn groups(&self) -> Range<usize> {
        self.first as usize..self.last as usize
    }

    /// Take in the next group on one side.
    #[inline]
    fn take(&mut self, left: bool, distance: f64, rows: impl Fn(usize) -> f64) {
        self.first -= u32::from(left);
        self.last += u32::from(!left);
        let group = select_unpredictable(left, self.first, self.last.max(1) - 1);
        self.rows += rows(group as usize);
        self.reach = self.reach.max(distance);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(n_neighbors: f64, reach: f64, value: f64, rows: &[f64; 4]) -> Range<usize> {
        let donors = [0.1, 0.3, 0.5, 0.9];
        let above = donors.partition_point(|donor| *donor < value);
        Search { n_neighbors, reach }.around(value, above, &donors, |donor| rows[donor]).groups()
    }

    #[test]
    fn around_keeps_both_sides_of_a_tie() {
        let rows = [1.0, 2.0, 1.0, 1.0];
        assert_eq!(found(1.0, f64::INFINITY, 0.4, &rows), 1..3);
        assert_eq!(found(1.0, f64::INFINITY, 0.31, &rows), 1..2);
        assert_eq!(found(3.0, f64::INFINITY, 0.31, &rows), 1..3);
    }

    #[test]
    fn around_never_goes_beyond_the_caliper() {
        assert_eq!(found(4.0, 0.15, 0.4, &[1.0; 4]), 1..3);
        assert!(found(1.0, 0.05, 0.7, &[1.0; 4]).is_empty());
    }
}
