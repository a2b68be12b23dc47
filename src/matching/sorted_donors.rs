//! The effect of nearest neighbours on units in whatever order: the donors are sorted by value, and each focal
//! unit looks among them to its left and right.

use std::ops::Range;

use super::bits;
use super::bucket_sort::{PADDING, Sorted};
use super::caliper::TIE;
use super::neighbors::{Search, lesser};
use crate::error::Result;
use crate::monitor::Monitor;
use crate::units::tally::Units;

/// Donors in the order of their values; kept from one resample to the next for its memory.
#[derive(Debug, Default)]
pub struct SortedDonors {
    /// Which units have rows, control first.
    present: [Vec<u64>; 2],
    donors: Sorted,
}

/// Rows that found donors, and the sum over them of the outcome's difference to their donors' mean, treated
/// minus control.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gap {
    pub rows: f64,
    pub sum: f64,
}

impl Gap {
    #[inline]
    pub fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.sum += other.sum;
    }
}

impl SortedDonors {
    /// What the units of the focal arm find.
    pub fn gap<U: Units>(
        &mut self,
        (values, units): (&[f64], &U),
        focal: bool,
        search: Search,
        monitor: &Monitor,
    ) -> Result<Gap> {
        bits::note(units, &mut self.present);
        self.donors.sort(values, &self.present[usize::from(!focal)], monitor)?;
        let Sorted { order, values: sorted, .. } = &self.donors;
        let donor = |place: usize| units.arm_there(order[place] as usize, !focal);
        let donors = Beside { values: sorted, search, donor };
        let mut gap = Gap::default();
        for (chunk, words) in self.present[usize::from(focal)].chunks(CHECKED).enumerate() {
            monitor.check()?;
            bits::for_each(words, |bit| {
                let unit = 64 * CHECKED * chunk + bit;
                let value = values[unit];
                let found = donors.around(value, self.donors.among(value));
                if found.rows > 0.0 {
                    let (rows, outcome) = units.arm_there(unit, focal);
                    gap.rows += rows;
                    gap.sum += outcome - rows * (found.outcome / found.rows);
                }
            });
        }
        if !focal {
            gap.sum = -gap.sum;
        }
        Ok(gap)
    }
}

/// Words of 64 units between two looks at whether to stop: a few milliseconds.
const CHECKED: usize = 1024;

/// Among no more places than this, each is looked at; no more than stand behind the last donor.
const FEW: usize = PADDING;

/// Donors that stand between [`PADDING`] infinities on either side, and what each has: its rows, and the sum of their
/// outcomes.
pub struct Beside<'a, D> {
    pub values: &'a [f64],
    pub search: Search,
    pub donor: D,
}

/// A value's donors: their rows and the sum of their outcomes, none where nobody is within reach; and how far it looked.
#[derive(Debug, Clone, Copy)]
pub struct Near {
    pub rows: f64,
    pub outcome: f64,
    pub reach: f64,
}

impl<D: Fn(usize) -> (f64, f64)> Beside<'_, D> {
    /// The donors of a value that falls among some places. Which of the two beside it is nearer is anybody's guess, so
    /// that both are read and weighed by 0 or 1.
    #[inline]
    pub fn around(&self, value: f64, among: Range<usize>) -> Near {
        let after = self.first_not_below(value, among);
        // Two on either side tell whether more than the nearest of each side tie.
        let values = &self.values[after + PADDING - 2..after + PADDING + 2];
        let (left, right) = (value - values[1], values[2] - value);
        let nearest = lesser(left, right);
        let limit = lesser(self.search.reach, nearest + TIE);
        if !(nearest <= limit && nearest < f64::INFINITY) {
            return Near { rows: 0.0, outcome: 0.0, reach: self.search.reach };
        }
        if self.search.n_neighbors > 1.0 || lesser(value - values[0], values[3] - value) <= limit {
            return self.several_around(value, after);
        }
        let share = |distance: f64| f64::from(u8::from(distance <= limit));
        let (left, right) = (share(left), share(right));
        let last = self.values.len() - 2 * PADDING - 1;
        let (left_rows, left_outcome) = (self.donor)(after.max(1) - 1);
        let (right_rows, right_outcome) = (self.donor)(after.min(last));
        Near {
            rows: left * left_rows + right * right_rows,
            outcome: left * left_outcome + right * right_outcome,
            reach: limit,
        }
    }

    /// The first of some places, in order, whose value is not below; the end of them where there is none. Of few
    /// places those below are counted, since where they end is anybody's guess; all places behind are above.
    #[inline]
    fn first_not_below(&self, value: f64, among: Range<usize>) -> usize {
        let values = &self.values[PADDING + among.start..];
        if among.len() > FEW {
            return among.start + values[..among.len()].partition_point(|donor| *donor < value);
        }
        let below = values[..FEW].iter().map(|donor| usize::from(*donor < value));
        among.start + below.fold(0, usize::wrapping_add)
    }

    /// The same of more than the nearest on each side.
    #[cold]
    fn several_around(&self, value: f64, after: usize) -> Near {
        let values = &self.values[PADDING..self.values.len() - PADDING];
        let found = self.search.around(value, after, values, |place| (self.donor)(place).0);
        let is_enough = found.rows >= self.search.n_neighbors;
        let reach = if is_enough { found.reach + TIE } else { self.search.reach };
        let nothing = Near { rows: 0.0, outcome: 0.0, reach };
        found.groups().map(&self.donor).fold(nothing, |near, (rows, outcome)| Near {
            rows: near.rows + rows,
            outcome: near.outcome + outcome,
            reach,
        })
    }
}
