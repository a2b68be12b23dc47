//! Whether values ascend, and where they come so close that more than two donors may tie.

use super::caliper::TIE;
use crate::kernels::{BLOCK, least_gap};

/// Distances among values no larger than this are rounded by less than a quarter of [`TIE`], so that donors tie
/// only where they are within twice that of each other.
const LARGEST: f64 = 1024.0;

/// What is known of the last values that were looked at; kept for its memory.
#[derive(Debug, Default)]
pub struct Ascent {
    /// The units within twice [`TIE`] of the one before or the one behind, a bit each.
    close: Vec<u64>,
    has_close: bool,
}

impl Ascent {
    /// Look at values; gives whether none is less than the one before, nor too large to tell what ties.
    pub fn look(&mut self, values: &[f64]) -> bool {
        if !values.first().into_iter().chain(values.last()).all(|end| end.abs() <= LARGEST) {
            return false;
        }
        self.has_close = false;
        self.close.clear();
        self.close.resize(values.len().div_ceil(64), 0);
        for start in (0..values.len()).step_by(BLOCK) {
            let run = &values[start..values.len().min(start + BLOCK + 1)];
            let least = least_gap(run);
            if !(least >= 0.0) {
                return false;
            }
            if least <= 2.0 * TIE {
                self.note(start, run);
            }
        }
        true
    }

    #[cold]
    fn note(&mut self, start: usize, run: &[f64]) {
        self.has_close = true;
        for (place, pair) in run.windows(2).enumerate() {
            if pair[1] - pair[0] <= 2.0 * TIE {
                for unit in [start + place, start + place + 1] {
                    self.close[unit / 64] |= 1 << (unit % 64);
                }
            }
        }
    }

    /// Units that are close to others, if there are any.
    #[inline]
    pub fn close(&self) -> Option<&[u64]> {
        self.has_close.then_some(&self.close)
    }
}
