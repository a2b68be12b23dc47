//! Rows that are too many for copies of their covariates, in the order of the full sample's scores, for matching: there
//! those of a replicate are nearly sorted, and neighbours lie near in memory.

use crate::error::Result;
use crate::matching::{Line, NearestSpec};
use crate::monitor::Monitor;
use crate::units::sorted_rows::SortedRows;
use crate::units::tally::{Outcomes, Units};

pub(super) struct ByScore {
    order: Vec<u32>,
    rows: SortedRows,
}

/// A replicate's values and counts in this order; kept from one to the next for their memory.
#[derive(Debug, Default)]
pub(super) struct InOrder {
    values: Vec<f64>,
    counts: Vec<u32>,
}

impl ByScore {
    pub fn new(order: Vec<u32>, rows: &Outcomes<'_>) -> Self {
        Self { rows: SortedRows::in_order(&order, rows), order }
    }

    /// As [`Line::effect`] of these values and units, which stand as the rows come.
    ///
    /// # Errors
    /// Those of [`Line::effect`].
    pub fn effect<U: Units>(
        &self,
        (values, units): (&[f64], &U),
        spec: &NearestSpec,
        (line, room): (&mut Line, &mut InOrder),
        monitor: &Monitor,
    ) -> Result<f64> {
        self.gather((values, units), room, monitor)?;
        line.effect(&room.values, &self.rows.counted(&room.counts), spec, monitor)
    }

    /// As [`Line::means`].
    ///
    /// # Errors
    /// Those of [`Line::effect`].
    pub fn means<U: Units>(
        &self,
        (values, units): (&[f64], &U),
        spec: &NearestSpec,
        (line, room): (&mut Line, &mut InOrder),
        monitor: &Monitor,
    ) -> Result<[f64; 2]> {
        self.gather((values, units), room, monitor)?;
        line.means(&room.values, &self.rows.counted(&room.counts), spec, monitor)
    }

    /// Values and counts in this order.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // whole rows, fewer than 2^32
    fn gather<U: Units>(
        &self,
        (values, units): (&[f64], &U),
        room: &mut InOrder,
        monitor: &Monitor,
    ) -> Result<()> {
        let rows = || self.order.iter().map(|row| *row as usize);
        room.values.clear();
        room.values.extend(rows().map(|row| values[row]));
        monitor.check()?;
        room.counts.clear();
        room.counts.extend(rows().map(|row| units.count(row) as u32));
        monitor.check()
    }
}
