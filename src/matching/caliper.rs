//! How wide a caliper is: whose standard deviations it counts, and what rounding may add to it.

use super::spec::{CaliperUnit, NearestSpec};
use crate::kernels::extremes;
use crate::moments::Moments;
use crate::units::tally::Units;

/// Two distances tie when they differ by no more than this: wide enough for rounding, far narrower
/// than the gaps between neighbours.
pub const TIE: f64 = 1e-12;

impl NearestSpec {
    /// The width of the caliper in the units of the values; infinite without one.
    pub fn width<U: Units>(&self, values: &[f64], units: &U) -> f64 {
        self.caliper.map_or(f64::INFINITY, |caliper| caliper * deviation(values, units))
    }

    /// The same where the moments of all rows' values are known.
    #[must_use]
    pub fn width_of(&self, moments: &Moments) -> f64 {
        let deviation = || moments.sample_variance().sqrt();
        self.caliper.map_or(f64::INFINITY, |caliper| caliper * deviation())
    }
}

/// The standard deviation of `values` over all rows, n - 1.
fn deviation<U: Units>(values: &[f64], units: &U) -> f64 {
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

impl CaliperUnit {
    /// The width of a caliper in the units of its values, and with what rounding may add to a difference of
    /// them: 4.2 - 4.1 is not 0.1, but a pair of them is within a caliper of 0.1. That is no more than a
    /// millionth of the caliper, however large the values.
    #[must_use]
    pub fn widths(self, values: &[f64], rows: (&[bool], &[bool]), caliper: f64) -> (f64, f64) {
        let width = self.width(values, rows, caliper);
        let [low, high] = extremes(values);
        (width, width + (TIE * high.max(-low)).min(1e-6 * width))
    }

    /// Standard deviations are those of the rows that are kept.
    fn width(self, values: &[f64], (treatment, keep): (&[bool], &[bool]), caliper: f64) -> f64 {
        let variance = |of: &dyn Fn(bool) -> bool| {
            let rows = values.iter().zip(treatment).zip(keep);
            let rows = rows.filter(|((_, treated), keep)| **keep && of(**treated));
            Moments::of(&rows.map(|((value, _), _)| *value).collect::<Vec<f64>>()).sample_variance()
        };
        match self {
            Self::Raw => caliper,
            Self::All => caliper * variance(&|_| true).sqrt(),
            Self::Pooled => {
                let (treated, control) =
                    (variance(&|treated| treated), variance(&|treated| !treated));
                caliper * f64::midpoint(treated, control).sqrt()
            }
        }
    }
}
