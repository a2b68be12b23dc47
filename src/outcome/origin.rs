//! Outcomes measured from a value among them. What all outcomes have in common cancels in every difference of means;
//! in a sum of weighted outcomes it would first cost as many digits as it has more than their spread.

use std::borrow::Cow;

use crate::outcome::kinds::OutcomeModel;

/// Outcomes less their origin.
#[derive(Debug, Clone)]
pub struct Measured<'a> {
    pub origin: f64,
    pub values: Cow<'a, [f64]>,
}

impl<'a> Measured<'a> {
    /// From where a model may be fitted to them.
    #[must_use]
    pub fn for_model(
        model: OutcomeModel,
        outcome: &'a [f64],
        sample_weight: Option<&[f64]>,
    ) -> Self {
        if model.takes_any_origin() {
            Self::from_their_middle(outcome, sample_weight)
        } else {
            Self::from_zero(outcome)
        }
    }

    /// Outcomes as they are: a logistic model asks how far they are from 0 and from 1.
    #[must_use]
    pub fn from_zero(outcome: &'a [f64]) -> Self {
        Self { origin: 0.0, values: Cow::Borrowed(outcome) }
    }

    /// Measured from the middle of their range, which does not depend on the order of the rows, where zero is farther
    /// from there than any of them. Rows without weight have no say.
    #[must_use]
    pub fn from_their_middle(outcome: &'a [f64], sample_weight: Option<&[f64]>) -> Self {
        let is_there = |row: usize| sample_weight.is_none_or(|weights| weights[row] > 0.0);
        let there = outcome.iter().enumerate().filter(|(row, _)| is_there(*row));
        let ends = (f64::INFINITY, f64::NEG_INFINITY);
        let (low, high) = there.fold(ends, |(low, high), (_, y)| (low.min(*y), high.max(*y)));
        let origin = f64::midpoint(low, high);
        if !(origin.is_finite() && origin.abs() > high - low) {
            return Self::from_zero(outcome);
        }
        Self { origin, values: outcome.iter().map(|y| y - origin).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_around_zero_stay_where_they_are() {
        for outcome in [&[-1.0, 2.0][..], &[0.0, 1.0], &[0.0, 0.0], &[3.0, 1.0, 9.0]] {
            let found = Measured::from_their_middle(outcome, None);
            assert_eq!((found.origin, &*found.values), (0.0, outcome));
        }
    }

    #[test]
    fn outcomes_far_from_zero_keep_their_differences() {
        let found = Measured::from_their_middle(&[1.7e9, 1.7e9 + 3.0, 1.7e9 + 1.0], None);
        assert_eq!((found.origin, &*found.values), (1.7e9 + 1.5, &[-1.5, 1.5, -0.5][..]));
        // A constant far from zero becomes an exact nothing.
        assert_eq!(&*Measured::from_their_middle(&[3.7; 2], None).values, [0.0; 2]);
    }

    #[test]
    fn a_row_without_weight_has_no_say_in_the_origin() {
        let found = Measured::from_their_middle(&[100.0, -1e9, 102.0], Some(&[1.0, 0.0, 2.0]));
        assert_eq!((found.origin, found.values[0]), (101.0, -1.0));
    }
}
