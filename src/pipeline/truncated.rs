//! How many rows of either arm a replicate has, which places the quantiles of their weights.

use super::{Estimator, Layout, Pipeline};
use crate::units::tally::{Count, Outcomes};
use crate::weighting::ipw::IpwSpec;

/// What sums of shares of a row, which together are rows, may be off by.
const ROUNDING: f64 = 1e-6;

impl Pipeline<'_, '_> {
    /// The rows of a replicate by arm, controls first; those of the data where it counts them in fractions. Zero where
    /// no estimator asks.
    pub(super) fn rows_drawn<W: Count>(&self, counts: &[W]) -> [f64; 2] {
        let is_truncated = |estimator: &Estimator| {
            matches!(estimator, Estimator::Ipw(IpwSpec { truncate: Some(_), .. }))
        };
        if !self.estimators.iter().any(is_truncated) {
            return [0.0; 2];
        }
        let is_whole = |count: &W| {
            let count: f64 = (*count).into();
            (count - count.round()).abs() < ROUNDING
        };
        if counts.iter().all(is_whole) { self.by_arm(counts) } else { self.rows_in_arms() }
    }

    /// The rows of the data by arm.
    pub(super) fn rows_in_arms(&self) -> [f64; 2] {
        match &self.layout {
            Layout::Cells { cells, .. } => cells.rows_by_arm(&cells.sizes()),
            _ => self.by_arm(&vec![1_u8; self.data.x.nrows()]),
        }
    }

    fn by_arm<W: Count>(&self, counts: &[W]) -> [f64; 2] {
        match &self.layout {
            Layout::Cells { cells, .. } => cells.rows_by_arm(counts),
            Layout::Sorted { rows, .. } => sums(&rows.once(), counts),
            Layout::AsTheyCome(_) => sums(&self.rows(None::<&[u8]>), counts),
        }
    }
}

fn sums<W: Count, V>(rows: &Outcomes<'_, V>, counts: &[W]) -> [f64; 2] {
    let mut sums = [0.0; 2];
    for (row, (treated, count)) in rows.treatment.iter().zip(counts).enumerate() {
        if rows.sample_weight.is_none_or(|weight| weight[row] > 0.0) {
            sums[usize::from(*treated)] += (*count).into();
        }
    }
    sums
}
