//! Costs as whole numbers, whose sums are exact: an assignment is then the least to the last digit,
//! and equal sums are equal in whatever order they were made.

use super::assignment::Cost;

pub type Whole = i128;

/// Binary digits of the longest length: what is rounded is far below the 1e-9 of it that anybody could see.
const DIGITS: u32 = 46;

/// How lengths and steps become whole numbers.
#[derive(Debug, Clone, Copy)]
pub struct Measure {
    scale: f64,
    /// Each length is a multiple of 2^parts, which is more than there are units.
    parts: u32,
    /// One of a cost as a length.
    rough: f64,
    /// More than any rounding of costs as lengths, even of steps, and less than what anybody could see.
    slack: f64,
}

impl Measure {
    /// For lengths up to `longest`, of `n_units` rows and columns together.
    pub fn new(longest: f64, n_units: usize) -> Self {
        let digits = f64::from(DIGITS);
        // A power of two moves no digits; the least lengths there are would move it beyond what is finite.
        let scale =
            if longest > 0.0 { (digits - longest.log2().ceil()).min(1000.0).exp2() } else { 1.0 };
        let parts = usize::BITS - n_units.leading_zeros();
        let rough = 1.0 / scale / f64::from(parts).exp2();
        // Sums of a few steps, 2^(parts + 1) times the longest length, round by 2^-53 of that.
        let slack = (digits + f64::from(parts.max(6)) - 46.0).exp2() / scale;
        Self { scale, parts, rough, slack }
    }

    /// Ascends with the length.
    #[allow(clippy::cast_possible_truncation)] // at most 2^46
    pub fn length(&self, length: f64) -> i64 {
        (length * self.scale + 0.5) as i64
    }

    /// A cost as a length, to within a rounding that is far below [`Self::farthest`]'s.
    pub fn roughly(&self, cost: Whole) -> f64 {
        cost as f64 * self.rough
    }

    /// No length that costs less than this is longer, whatever rounds.
    pub fn farthest(&self, cost: Whole) -> f64 {
        self.roughly(cost) + self.slack
    }

    pub fn whole(&self, length: i64) -> Whole {
        Whole::from(length) << self.parts
    }

    /// More than the lengths of a path through all units.
    pub fn step(&self) -> Whole {
        self.longest() << (self.parts + 1)
    }

    pub fn longest(&self) -> Whole {
        1 << (DIGITS + self.parts)
    }

    #[allow(clippy::cast_possible_truncation)] // steps are few
    pub fn cost(&self, cost: Cost) -> Whole {
        Whole::from(cost.steps as i64) * self.step() + self.whole(self.length(cost.length))
    }
}
