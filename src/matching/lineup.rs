//! The effect of nearest neighbours on units in whatever order: the donors are lined up by value, and each
//! focal unit looks among them to its left and right.

use std::ops::Range;

use super::NearestSpec;
use super::order::{BESIDE, Sorted};
use super::presence;
use super::search::{TIE, lesser};
use crate::error::Result;
use crate::monitor::Monitor;
use crate::units::tally::Units;

/// Donors in the order of their values; kept from one resample to the next for its memory.
#[derive(Debug, Default)]
pub struct Lineup {
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

impl Lineup {
    /// What the units of the focal arm find within `width`.
    pub fn gap<U: Units>(
        &mut self,
        (values, units): (&[f64], &U),
        focal: bool,
        spec: &NearestSpec,
        width: f64,
        monitor: &Monitor,
    ) -> Result<Gap> {
        presence::note(units, &mut self.present);
        self.donors.sort(values, &self.present[usize::from(!focal)], monitor)?;
        let n_neighbors = spec.n_neighbors as f64;
        let donors = Donors { lineup: self, units, arm: !focal, n_neighbors, width };
        let mut gap = Gap::default();
        for (chunk, words) in self.present[usize::from(focal)].chunks(CHECKED).enumerate() {
            monitor.check()?;
            presence::for_each(words, |bit| {
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
const FEW: usize = BESIDE;

struct Donors<'a, U> {
    lineup: &'a Lineup,
    units: &'a U,
    arm: bool,
    n_neighbors: f64,
    width: f64,
}

impl<U: Units> Donors<'_, U> {
    /// The rows of a value's donors, and the sum of their outcomes; none where nobody is within reach. Which
    /// of the two donors beside it is nearer is anybody's guess, so that both are read and weighed by 0 or 1.
    #[inline]
    fn around(&self, value: f64) -> (f64, f64) {
        let among = self.lineup.donors.among(value);
        let after = self.first_not_below(value, among);
        // Two on either side tell whether more than the nearest of each side tie.
        let values = &self.lineup.donors.values[after + BESIDE - 2..after + BESIDE + 2];
        let (left, right) = (value - values[1], values[2] - value);
        let nearest = lesser(left, right);
        let limit = lesser(self.width, nearest + TIE);
        if !(nearest <= limit && nearest < f64::INFINITY) {
            return (0.0, 0.0);
        }
        if self.n_neighbors > 1.0 || lesser(value - values[0], values[3] - value) <= limit {
            return self.several_around(value, after);
        }
        let share = |distance: f64| f64::from(u8::from(distance <= limit));
        let (left, right) = (share(left), share(right));
        let last = self.lineup.donors.order.len() - 1;
        let (left_rows, left_outcome) = self.donor(after.max(1) - 1);
        let (right_rows, right_outcome) = self.donor(after.min(last));
        (left * left_rows + right * right_rows, left * left_outcome + right * right_outcome)
    }

    /// The first of some places, in order, whose value is not below; the end of them where there is none. Of few
    /// places those below are counted, since where they end is anybody's guess; all places behind are above.
    #[inline]
    fn first_not_below(&self, value: f64, among: Range<usize>) -> usize {
        let values = &self.lineup.donors.values[BESIDE + among.start..];
        if among.len() > FEW {
            return among.start + values[..among.len()].partition_point(|donor| *donor < value);
        }
        let below = values[..FEW].iter().map(|donor| usize::from(*donor < value));
        among.start + below.fold(0, usize::wrapping_add)
    }

    /// Widen to the nearer side until there are enough rows, then take in whatever ties with the last.
    #[cold]
    fn several_around(&self, value: f64, after: usize) -> (f64, f64) {
        let (mut first, mut last) = (after, after);
        let (mut rows, mut outcome, mut reach) = (0.0, 0.0, 0.0);
        loop {
            let left = if first > 0 { value - self.value(first - 1) } else { f64::INFINITY };
            let right = self.value(last) - value;
            let nearest = left.min(right);
            let limit = if rows < self.n_neighbors { f64::INFINITY } else { reach + TIE };
            if nearest > limit.min(self.width) || nearest == f64::INFINITY {
                return (rows, outcome);
            }
            if rows < self.n_neighbors {
                reach = nearest;
            }
            let place = if left <= right { first - 1 } else { last };
            (first, last) = (first.min(place), last.max(place + 1));
            let (own_rows, own_outcome) = self.donor(place);
            rows += own_rows;
            outcome += own_outcome;
        }
    }

    #[inline]
    fn value(&self, place: usize) -> f64 {
        self.lineup.donors.values[place + BESIDE]
    }

    #[inline]
    fn donor(&self, place: usize) -> (f64, f64) {
        self.units.arm_there(self.lineup.donors.order[place] as usize, self.arm)
    }
}
