//! The effect of one nearest neighbour on units that lie in order: a donor is the unit's own other arm, or
//! the next one with rows on the left or on the right, found among bits.

use super::NearestSpec;
use super::lineup::{Gap, Lineup};
use super::matcher::deviation;
use super::presence::for_each;
use super::search::TIE;
use crate::error::{Error, Result};
use crate::kernels::{company, least_gap};
use crate::monitor::Monitor;
use crate::tally::{Totals, Units};

/// Units to be matched; kept from one resample to the next for its memory.
#[derive(Debug, Default)]
pub struct Line {
    /// Which units have rows, control first.
    present: [Vec<u64>; 2],
    lineup: Lineup,
}

impl Line {
    /// The effect on the focal units of a resample: the mean over their matched rows of the difference to
    /// the mean of their donors, treated minus control.
    ///
    /// # Errors
    /// [`Error::NoMatches`] where nobody has a donor within the caliper, [`Error::Stopped`].
    pub fn effect<U: Units>(
        &mut self,
        values: &[f64],
        units: &U,
        spec: &NearestSpec,
        monitor: &Monitor,
    ) -> Result<f64> {
        let width = spec.caliper.map_or(f64::INFINITY, |width| width * deviation(values, units));
        // Wide enough for no donor to tie with the one behind it.
        let in_order = units.as_totals().filter(|_| spec.n_neighbors == 1);
        let in_order = in_order.filter(|_| least_gap(values) > 2.0 * TIE);
        let mut all = Gap::default();
        for focal in [false, true].into_iter().filter(|arm| spec.focal.includes(*arm)) {
            let gap = match in_order {
                Some(totals) => nearest(values, totals, &mut self.present, focal, width),
                None => self.lineup.gap((values, units), focal, spec, width, monitor)?,
            };
            all.rows += gap.rows;
            all.sum += gap.sum;
        }
        if all.rows > 0.0 {
            Ok(all.sum / all.rows)
        } else {
            Err(Error::NoMatches { caliper_width: width })
        }
    }
}

fn nearest(
    values: &[f64],
    totals: &Totals,
    present: &mut [Vec<u64>; 2],
    focal: bool,
    width: f64,
) -> Gap {
    present.iter_mut().for_each(Vec::clear);
    let mut gap = Gap::default();
    for tallies in totals.blocks() {
        let found = company(tallies, focal);
        gap.rows += found.rows;
        gap.sum += found.gap;
        present.iter_mut().zip(&found.present).for_each(|(all, own)| all.extend(own));
    }
    let [own, donors] = if focal { [&present[1], &present[0]] } else { [&present[0], &present[1]] };
    let seeker = Seeker { values, totals, donors, donor: !focal, width };
    for (word, (own, donors)) in own.iter().zip(donors).enumerate() {
        for_each(&[own & !donors], |place| {
            let unit = 64 * word + place;
            if let Some(mean) = seeker.mean_beside(unit) {
                let (count, outcome) = totals.arm(unit, focal);
                gap.rows += count;
                gap.sum += outcome - count * mean;
            }
        });
    }
    if !focal {
        gap.sum = -gap.sum;
    }
    gap
}

/// Where a unit without rows of the other arm finds some.
struct Seeker<'a> {
    values: &'a [f64],
    totals: &'a Totals,
    /// Which units have rows of the donors' arm.
    donors: &'a [u64],
    donor: bool,
    width: f64,
}

impl Seeker<'_> {
    /// The mean outcome of the nearest donors, of both sides where they tie. Which side is the nearer is
    /// anybody's guess, so that both are read and weighed by 0 or 1.
    fn mean_beside(&self, unit: usize) -> Option<f64> {
        let beside = [self.before(unit), self.after(unit)];
        let distance = |donor: Option<usize>| {
            donor.map_or(f64::INFINITY, |donor| (self.values[donor] - self.values[unit]).abs())
        };
        let distances = beside.map(distance);
        let nearest = distances[0].min(distances[1]);
        if !(nearest <= self.width && nearest < f64::INFINITY) {
            return None;
        }
        let limit = (nearest + TIE).min(self.width);
        let (mut rows, mut outcome) = (0.0, 0.0);
        for (donor, distance) in beside.into_iter().zip(distances) {
            let share = f64::from(u8::from(distance <= limit));
            let (more_rows, more) = self.totals.arm(donor.unwrap_or(unit), self.donor);
            rows += share * more_rows;
            outcome += share * more;
        }
        Some(outcome / rows)
    }

    fn before(&self, unit: usize) -> Option<usize> {
        let (mut word, bit) = (unit / 64, unit % 64);
        let mut left = self.donors[word] & ((1 << bit) - 1);
        while left == 0 {
            word = word.checked_sub(1)?;
            left = self.donors[word];
        }
        Some(64 * word + 63 - left.leading_zeros() as usize)
    }

    fn after(&self, unit: usize) -> Option<usize> {
        let (mut word, bit) = (unit / 64, unit % 64);
        let mut left = self.donors[word] & (u64::MAX << bit);
        while left == 0 {
            word += 1;
            left = *self.donors.get(word)?;
        }
        Some(64 * word + left.trailing_zeros() as usize)
    }
}
