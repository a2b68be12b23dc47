//! Both arms sorted by what they are matched on, and what either finds in the other.

use super::NearestSpec;
use super::arm::{self, Arm};
use super::order::Sorted;
use super::presence;
use super::search::{Found, Search};
use crate::error::{Error, Result};
use crate::moments::Moments;
use crate::monitor::Monitor;
use crate::units::tally::Units;

/// What the groups of each arm find in the other, those of the control arm first. Groups of an arm that
/// is not focal find nothing.
pub type FoundByArm = [Vec<Found>; 2];

/// Units sorted by value, ready to be matched; kept from one resample to the next for its memory.
#[derive(Debug, Default)]
pub struct Matcher {
    sorted: Sorted,
    /// Control first.
    pub(super) arms: [Arm; 2],
    deviation: f64,
}

impl Matcher {
    /// Sort the units of a resample by `values`; units without rows are passed over.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub fn sort<U: Units>(&mut self, values: &[f64], units: &U, monitor: &Monitor) -> Result<()> {
        let mut present = [Vec::new(), Vec::new()];
        presence::note(units, &mut present);
        let either: Vec<u64> = present[0].iter().zip(&present[1]).map(|(a, b)| a | b).collect();
        self.sorted.sort(values, &either, monitor)?;
        let [control, treated] = &mut self.arms;
        arm::split(&self.sorted.order, values, units, treated, control);
        self.deviation = deviation(values, units);
        Ok(())
    }

    /// What every focal group finds.
    ///
    /// # Errors
    /// Fewer donors than neighbours asked for, nobody within the caliper, [`Error::Stopped`].
    pub(super) fn search(&self, spec: &NearestSpec, monitor: &Monitor) -> Result<FoundByArm> {
        let search = self.reach(spec);
        let side = |treated: bool| {
            let (focal, donors) = self.by_role(treated);
            if !spec.focal.includes(treated) {
                return Ok(vec![Found::NOTHING; focal.len()]);
            }
            spec.check_donors(treated, donors.n_rows())?;
            search.all(focal, donors, monitor)
        };
        let found = [side(false)?, side(true)?];
        if found.iter().flatten().all(Found::is_empty) {
            return Err(Error::NoMatches { caliper_width: spec.width(self.deviation) });
        }
        Ok(found)
    }

    /// The farthest a donor may be.
    pub(super) fn reach(&self, spec: &NearestSpec) -> Search {
        spec.search(self.deviation)
    }

    /// The row numbers of each arm in sorted order, control first.
    pub(super) fn rows_by_arm(&self, treatment: &[bool]) -> [Vec<usize>; 2] {
        let rows = self.sorted.order.iter().map(|row| *row as usize);
        let (treated, control) = rows.partition(|row| treatment[*row]);
        [control, treated]
    }

    /// One arm as the focal one, and the other as its donors.
    fn by_role(&self, treated: bool) -> (&Arm, &Arm) {
        (&self.arms[usize::from(treated)], &self.arms[usize::from(!treated)])
    }
}

/// The standard deviation of `values` over all rows.
pub fn deviation<U: Units>(values: &[f64], units: &U) -> f64 {
    let mut moments = Moments::default();
    let mut weights = [0.0; crate::kernels::BLOCK];
    for (block, values) in values.chunks(weights.len()).enumerate() {
        let start = block * weights.len();
        for (slot, weight) in weights[..values.len()].iter_mut().enumerate() {
            let tally = units.tally(start + slot);
            *weight = tally.treated + tally.control;
        }
        moments.add(values, &weights[..values.len()]);
    }
    moments.sample_variance().sqrt()
}
