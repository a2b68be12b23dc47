//! The effect of one nearest neighbour on units that lie in order: a donor is the unit's own other arm, or
//! the next one with rows on the left or on the right, found among bits.

use super::NearestSpec;
use super::matcher::{Matcher, deviation};
use super::order::sort_by_value;
use super::search::TIE;
use crate::error::{Error, Result};
use crate::kernels::{BLOCK, Tallies, company, least_gap};
use crate::tally::{Totals, Units};

/// Units to be matched; kept from one resample to the next for its memory.
#[derive(Debug, Default)]
pub struct Line {
    /// Which units have rows.
    drawn: Vec<bool>,
    order: Vec<u32>,
    values: Vec<f64>,
    totals: Totals,
    /// Control first.
    present: [Vec<u64>; 2],
    matcher: Matcher,
}

impl Line {
    /// The effect on the focal units of a resample: the mean over their matched rows of the difference to
    /// the mean of their donors, treated minus control.
    ///
    /// # Errors
    /// [`Error::NoMatches`] where nobody has a donor within the caliper.
    pub fn effect<U: Units>(
        &mut self,
        values: &[f64],
        units: &U,
        spec: &NearestSpec,
    ) -> Result<f64> {
        if spec.n_neighbors > 1 {
            return self.general(values, units, spec);
        }
        // Wide enough for no donor to tie with the one behind it.
        let is_ready = |values: &[f64]| least_gap(values) > 2.0 * TIE;
        let width = spec.caliper.map_or(f64::INFINITY, |width| width * deviation(values, units));
        if let Some(totals) = units.as_totals()
            && is_ready(values)
        {
            return nearest(values, totals, &mut self.present, spec, width);
        }
        self.sort(values, units);
        if is_ready(&self.values) {
            return nearest(&self.values, &self.totals, &mut self.present, spec, width);
        }
        self.general(values, units, spec)
    }

    fn general<U: Units>(&mut self, values: &[f64], units: &U, spec: &NearestSpec) -> Result<f64> {
        self.matcher.sort(values, units);
        self.matcher.effect(spec)
    }

    /// Put the units that have rows in order, those of equal value together.
    fn sort<U: Units>(&mut self, values: &[f64], units: &U) {
        let mut room = Box::new(Tallies::EMPTY);
        self.drawn.clear();
        for start in (0..units.len()).step_by(BLOCK) {
            let [control, treated] = &units.block(start, &mut room).rows;
            let lanes = control.iter().zip(treated).take(units.len() - start);
            self.drawn.extend(lanes.map(|(control, treated)| control + treated > 0.0));
        }
        let drawn = &self.drawn;
        sort_by_value(values, |unit| drawn[unit], &mut self.order);
        self.values.clear();
        self.totals.clear(self.order.len());
        for unit in self.order.iter().map(|unit| *unit as usize) {
            #[allow(clippy::float_cmp)] // equal covariates give equal bits
            if self.values.last() != Some(&values[unit]) {
                self.values.push(values[unit]);
            }
            let (tally, place) = (units.tally(unit), self.values.len() - 1);
            for (arm, own) in [false, true].map(|arm| (arm, tally.arm(arm))) {
                if own.0 > 0.0 {
                    self.totals.add(place, arm, own.0, own.1);
                }
            }
        }
    }
}

fn nearest(
    values: &[f64],
    totals: &Totals,
    present: &mut [Vec<u64>; 2],
    spec: &NearestSpec,
    width: f64,
) -> Result<f64> {
    let (mut rows, mut gap) = (0.0, 0.0);
    for focal in [false, true].into_iter().filter(|arm| spec.focal.includes(*arm)) {
        present.iter_mut().for_each(Vec::clear);
        let (mut own_rows, mut own_gap) = (0.0, 0.0);
        for tallies in totals.blocks() {
            let found = company(tallies, focal);
            own_rows += found.rows;
            own_gap += found.gap;
            present.iter_mut().zip(&found.present).for_each(|(all, own)| all.extend(own));
        }
        let [own, donors] =
            if focal { [&present[1], &present[0]] } else { [&present[0], &present[1]] };
        let seeker = Seeker { values, totals, donors, donor: !focal, width };
        for (word, (own, donors)) in own.iter().zip(donors).enumerate() {
            let mut alone = own & !donors;
            while alone != 0 {
                let unit = 64 * word + alone.trailing_zeros() as usize;
                alone &= alone - 1;
                if let Some(mean) = seeker.mean_beside(unit) {
                    let (count, outcome) = totals.arm(unit, focal);
                    own_rows += count;
                    own_gap += outcome - count * mean;
                }
            }
        }
        rows += own_rows;
        gap += if focal { own_gap } else { -own_gap };
    }
    if rows > 0.0 { Ok(gap / rows) } else { Err(Error::NoMatches { caliper_width: width }) }
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
