//! Units whose outcomes count in one arm and are 0 in the other: a difference of means is then the mean of that arm.

use crate::kernels::{Bits, Company, Lane, Tallies, company};
use crate::units::tally::{Tally, Units};

#[derive(Debug, Clone, Copy)]
pub struct OneArm<'a, U> {
    pub units: &'a U,
    pub arm: bool,
}

impl<U: Units> OneArm<'_, U> {
    fn of_arm(&self, (rows, outcome): (f64, f64), arm: bool) -> (f64, f64) {
        (rows, if arm == self.arm { outcome } else { 0.0 })
    }
}

impl<U: Units> Units for OneArm<'_, U> {
    fn len(&self) -> usize {
        self.units.len()
    }

    fn tally(&self, unit: usize) -> Tally {
        let Tally { treated, control, outcome_treated, outcome_control } = self.units.tally(unit);
        let (_, outcome_treated) = self.of_arm((treated, outcome_treated), true);
        let (_, outcome_control) = self.of_arm((control, outcome_control), false);
        Tally { treated, control, outcome_treated, outcome_control }
    }

    #[inline]
    fn count(&self, unit: usize) -> f64 {
        self.units.count(unit)
    }

    #[inline]
    fn arm(&self, unit: usize, arm: bool) -> (f64, f64) {
        self.of_arm(self.units.arm(unit, arm), arm)
    }

    #[inline]
    fn arm_there(&self, unit: usize, arm: bool) -> (f64, f64) {
        self.of_arm(self.units.arm_there(unit, arm), arm)
    }

    fn load_counts(&self, start: usize, trials: &mut Lane, successes: &mut Lane) {
        self.units.load_counts(start, trials, successes);
    }

    fn present(&self, start: usize, room: &mut Tallies) -> [Bits; 2] {
        self.units.present(start, room)
    }

    /// Where nobody has company there is no outcome to leave out.
    fn company(&self, start: usize, focal: bool, room: &mut Tallies) -> Company {
        let found = self.units.company(start, focal, room);
        if found.rows == 0.0 { found } else { company(self.block(start, true, room), focal) }
    }
}
