//! Costs as whole numbers, whose sums are exact: that an assignment is the least is then proven to the last digit,
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
}

impl Measure {
    /// For lengths up to `longest`, of `n_units` rows and columns together.
    pub fn new(longest: f64, n_units: usize) -> Self {
        let digits = f64::from(DIGITS);
        // A power of two moves no digits; the least lengths there are would move it beyond what is finite.
        let scale =
            if longest > 0.0 { (digits - longest.log2().ceil()).min(1000.0).exp2() } else { 1.0 };
        Self { scale, parts: usize::BITS - n_units.leading_zeros() }
    }

    /// Ascends with the length.
    #[allow(clippy::cast_possible_truncation)] // at most 2^46
    pub fn length(&self, length: f64) -> i64 {
        (length * self.scale + 0.5) as i64
    }

    /// No length that costs less than this is longer.
    #[allow(clippy::cast_possible_truncation)] // at most what is there
    pub fn below(&self, cost: Whole) -> f64 {
        let length = (cost >> self.parts).min(i64::MAX.into()) as i64;
        (length as f64 + 1.0) / self.scale
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
