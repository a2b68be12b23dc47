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
        let donors = Donors { sorted: self, units, arm: !focal, search };
        let mut gap = Gap::default();
        for (chunk, words) in self.present[usize::from(focal)].chunks(CHECKED).enumerate() {
            monitor.check()?;
            bits::for_each(words, |bit| {
                let unit = 64 * CHECKED * chunk + bit;
                let (donor_rows, donated) = donors.around(values[unit]);
                if donor_rows > 0.0 {
                    let (rows, outcome) = units.arm_there(unit, focal);
                    gap.rows += rows;
                    gap.sum += outcome - rows * (donated / donor_rows);
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

struct Donors<'a, U> {
    sorted: &'a SortedDonors,
    units: &'a U,
    arm: bool,
    search: Search,
}

impl<U: Units> Donors<'_, U> {
    /// The rows of a value's donors, and the sum of their outcomes; none where nobody is within reach. Which
    /// of the two donors beside it is nearer is anybody's guess, so that both are read and weighed by 0 or 1.
    #[inline]
    fn around(&self, value: f64) -> (f64, f64) {
        let among = self.sorted.donors.among(value);
        let after = self.first_not_below(value, among);
        // Two on either side tell whether more than the nearest of each side tie.
        let values = &self.sorted.donors.values[after + PADDING - 2..after + PADDING + 2];
        let (left, right) = (value - values[1], values[2] - value);
        let nearest = lesser(left, right);
        let limit = lesser(self.search.reach, nearest + TIE);
        if !(nearest <= limit && nearest < f64::INFINITY) {
            return (0.0, 0.0);
        }
        if self.search.n_neighbors > 1.0 || lesser(value - values[0], values[3] - value) <= limit {
            return self.several_around(value, after);
        }
        let share = |distance: f64| f64::from(u8::from(distance <= limit));
        let (left, right) = (share(left), share(right));
        let last = self.sorted.donors.order.len() - 1;
        let (left_rows, left_outcome) = self.donor(after.max(1) - 1);
        let (right_rows, right_outcome) = self.donor(after.min(last));
        (left * left_rows + right * right_rows, left * left_outcome + right * right_outcome)
    }

    /// The first of some places, in order, whose value is not below; the end of them where there is none. Of few
    /// places those below are counted, since where they end is anybody's guess; all places behind are above.
    #[inline]
    fn first_not_below(&self, value: f64, among: Range<usize>) -> usize {
        let values = &self.sorted.donors.values[PADDING + among.start..];
        if among.len() > FEW {
            return among.start + values[..among.len()].partition_point(|donor| *donor < value);
        }
        let below = values[..FEW].iter().map(|donor| usize::from(*donor < value));
        among.start + below.fold(0, usize::wrapping_add)
    }

    /// The same of more than the nearest on each side.
    #[cold]
    fn several_around(&self, value: f64, after: usize) -> (f64, f64) {
        let Sorted { order, values, .. } = &self.sorted.donors;
        let values = &values[PADDING..PADDING + order.len()];
        let found = self.search.around(value, after, values, |place| self.donor(place).0);
        let donors = found.groups().map(|place| self.donor(place));
        donors.fold((0.0, 0.0), |(rows, sum), (more, outcome)| (rows + more, sum + outcome))
    }

    #[inline]
    fn donor(&self, place: usize) -> (f64, f64) {
        self.units.arm_there(self.sorted.donors.order[place] as usize, self.arm)
    }
}
