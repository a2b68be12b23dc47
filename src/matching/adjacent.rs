//! The one nearest neighbour of units whose values ascend: the next unit with rows of the other arm on the left or on
//! the right, found among bits. A replicate of counted patterns, whose scores ascend, takes half the instructions
//! that it takes with a search among sorted donors.

use super::ascent::Ascent;
use super::bits::{contains, first_from, for_each, last_before};
use super::caliper::TIE;
use super::neighbors::lesser;
use crate::error::Result;
use crate::monitor::Monitor;
use crate::units::tally::Units;

/// Words of 64 units between two looks at whether to stop: a few milliseconds.
pub const CHECKED: usize = 1024;

/// Where units find rows of the other arm.
pub struct Adjacent<'a, U> {
    pub values: &'a [f64],
    pub units: &'a U,
    pub ascent: &'a Ascent,
    /// Which units have rows of the donors' arm.
    pub donors: &'a [u64],
    pub donor: bool,
    pub width: f64,
}

impl<U: Units> Adjacent<'_, U> {
    /// Visit units of the other arm that are `seeking`, ascending, with the mean outcome of their donors.
    ///
    /// # Errors
    /// [`crate::error::Error::Stopped`].
    pub fn each(
        &self,
        seeking: &[u64],
        monitor: &Monitor,
        mut visit: impl FnMut(usize, f64),
    ) -> Result<()> {
        let (Some(first), Some(last)) =
            (first_from(self.donors, 0), last_before(self.donors, 64 * self.donors.len()))
        else {
            return Ok(());
        };
        // The last donor of the words before, and the first of those behind. Ahead of all donors the first
        // stands on both sides, behind them the last.
        let (mut before, mut behind) = (first, first);
        for (word, (seeking, donors)) in seeking.iter().zip(self.donors).enumerate() {
            if word % CHECKED == 0 {
                monitor.check()?;
            }
            let start = 64 * word;
            if behind < start + 64 && *seeking != 0 {
                behind = if last < start + 64 { last } else { self.from(start + 64, last) };
            }
            for_each(&[*seeking], |bit| {
                let below = donors & !(u64::MAX << bit);
                let above = donors & (u64::MAX << bit);
                let left = start | 63 ^ below.leading_zeros() as usize;
                let right = start | above.trailing_zeros() as usize;
                let left = if below == 0 { before } else { left };
                let right = if above == 0 { behind } else { right };
                if let Some(mean) = self.mean(start | bit, [left, right]) {
                    visit(start | bit, mean);
                }
            });
            if *donors != 0 {
                before = start + 63 - donors.leading_zeros() as usize;
            }
        }
        Ok(())
    }

    fn from(&self, place: usize, otherwise: usize) -> usize {
        first_from(self.donors, place).unwrap_or(otherwise)
    }

    /// The mean outcome of the nearer of two donors, of both where they tie. Which is the nearer is anybody's
    /// guess, so that both are read and weighed by 0 or 1.
    #[inline]
    fn mean(&self, unit: usize, beside: [usize; 2]) -> Option<f64> {
        if let Some(close) = self.ascent.close()
            && beside.iter().any(|donor| contains(close, *donor))
        {
            return self.mean_of_close(unit);
        }
        let distances = beside.map(|donor| (self.values[donor] - self.values[unit]).abs());
        let nearest = lesser(distances[0], distances[1]);
        if !(nearest <= self.width) {
            return None;
        }
        let limit = lesser(self.width, nearest + TIE);
        let (mut rows, mut outcome) = (0.0, 0.0);
        for (donor, distance) in beside.into_iter().zip(distances) {
            let share = f64::from(u8::from(distance <= limit));
            let (more_rows, more) = self.units.arm_there(donor, self.donor);
            rows += share * more_rows;
            outcome += share * more;
        }
        Some(outcome / rows)
    }

    /// The mean outcome of all donors that tie with the nearest, the unit's own other arm among them.
    #[cold]
    pub fn mean_of_close(&self, unit: usize) -> Option<f64> {
        let distance = |donor: usize| (self.values[donor] - self.values[unit]).abs();
        let down = |place| last_before(self.donors, place);
        let up = |place| first_from(self.donors, place);
        let beside = [down(unit + 1), up(unit + 1)].into_iter().flatten();
        let nearest = beside.map(distance).fold(f64::INFINITY, f64::min);
        if !(nearest <= self.width && nearest < f64::INFINITY) {
            return None;
        }
        let limit = (nearest + TIE).min(self.width);
        let left = std::iter::successors(down(unit + 1), |donor| down(*donor));
        let right = std::iter::successors(up(unit + 1), |donor| up(donor + 1));
        let near = |donor: &usize| distance(*donor) <= limit;
        let (mut rows, mut outcome) = (0.0, 0.0);
        for donor in left.take_while(near).chain(right.take_while(near)) {
            let (more_rows, more) = self.units.arm_there(donor, self.donor);
            rows += more_rows;
            outcome += more;
        }
        Some(outcome / rows)
    }
}
