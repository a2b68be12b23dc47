//! Rows that stand for several users each, all alike. A frequency is a count and no weight: estimates are the same,
//! but errors, effective sizes and checks count users.

use crate::checks;
use crate::error::Result;

/// What n rows count for.
#[derive(Debug, Clone, Copy, Default)]
pub struct RowWeights<'a> {
    /// What the users of a row weigh together: their sample weight times their number. None where every row is a user
    /// who weighs one.
    pub total: Option<&'a [f64]>,
    /// How many users a row stands for, whole numbers of at least one; none where each is one.
    pub frequency: Option<&'a [f64]>,
    /// Whether users have sample weights, which errors have to make up for.
    pub is_survey: bool,
}

impl<'a> RowWeights<'a> {
    /// Every row is a user, with a sample weight or without.
    #[must_use]
    pub const fn of(sample_weight: Option<&'a [f64]>) -> Self {
        Self { total: sample_weight, frequency: None, is_survey: sample_weight.is_some() }
    }

    /// # Errors
    /// Those of [`checks::sample_weight`] and [`checks::frequency`].
    pub fn check(&self, n_rows: usize) -> Result<()> {
        checks::frequency(self.frequency, n_rows)?; // which the total is made of
        checks::sample_weight(self.total, n_rows)
    }

    /// What the users of a row weigh together.
    #[must_use]
    pub fn total(&self, row: usize) -> f64 {
        self.total.map_or(1.0, |weights| weights[row])
    }
}

/// A count as the whole number that it is.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // up to 2^53, and none negative
#[must_use]
pub fn whole(count: f64) -> usize {
    count as usize
}

/// How many users a row stands for.
#[must_use]
pub fn users_of(frequency: Option<&[f64]>, row: usize) -> f64 {
    frequency.map_or(1.0, |frequency| frequency[row])
}

/// How many users all rows stand for.
#[must_use]
pub fn n_users(frequency: Option<&[f64]>, n_rows: usize) -> f64 {
    frequency.map_or(n_rows as f64, |frequency| frequency.iter().sum())
}

/// How many users the rows stand for that are there: those of weight 0 are not.
#[must_use]
pub fn n_users_there(weights: &[f64], frequency: Option<&[f64]>) -> f64 {
    let there = (0..weights.len()).filter(|row| weights[*row] != 0.0);
    match frequency {
        None => there.count() as f64,
        Some(frequency) => there.map(|row| frequency[row]).sum(),
    }
}
