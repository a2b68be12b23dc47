//! One arm as a sorted list of distinct values, with how many rows share each.

use std::ops::Range;

use crate::units::tally::Units;

/// Groups of equal values, ascending.
#[derive(Debug, Clone, Default)]
pub struct Arm {
    pub value: Vec<f64>,
    /// How many rows have this value.
    pub rows: Vec<f64>,
    /// The sum of their outcomes.
    pub outcome: Vec<f64>,
}

impl Arm {
    pub fn len(&self) -> usize {
        self.value.len()
    }

    pub fn n_rows(&self) -> f64 {
        self.rows.iter().sum()
    }

    /// Each group's rows among the arm's sorted rows (rows of weight one).
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // counts of rows
    pub fn row_ranges(&self) -> impl Iterator<Item = Range<usize>> {
        self.rows.iter().scan(0, |end, rows| {
            let start = *end;
            *end += *rows as usize;
            Some(start..*end)
        })
    }

    fn clear(&mut self) {
        self.value.clear();
        self.rows.clear();
        self.outcome.clear();
    }

    fn push(&mut self, value: f64, rows: f64, outcome: f64) {
        // The exact comparison is meant: equal covariates give equal bits, and near ties are the
        // search's business.
        #[allow(clippy::float_cmp)]
        let same = self.value.last() == Some(&value);
        if !same {
            self.value.push(value);
            self.rows.push(0.0);
            self.outcome.push(0.0);
        }
        let last = self.value.len() - 1;
        self.rows[last] += rows;
        self.outcome[last] += outcome;
    }
}

/// Split sorted units into the two arms.
pub fn split<U: Units>(
    order: &[u32],
    values: &[f64],
    units: &U,
    treated: &mut Arm,
    control: &mut Arm,
) {
    treated.clear();
    control.clear();
    for unit in order.iter().map(|unit| *unit as usize) {
        let tally = units.tally(unit);
        if tally.treated > 0.0 {
            treated.push(values[unit], tally.treated, tally.outcome_treated);
        }
        if tally.control > 0.0 {
            control.push(values[unit], tally.control, tally.outcome_control);
        }
    }
}
