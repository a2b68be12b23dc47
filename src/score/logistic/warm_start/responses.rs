//! How the sums that weights are made of respond to a last change of the coefficients, which is too small for another
//! pass: in a resample nearly as in the full sample.

use crate::error::Result;
use crate::kernels::ArmSums;

/// How far coefficients go to find out how the sums respond: the error, of the same order, is a share of a correction
/// that is itself a billionth.
const NUDGE: f64 = 1e-4;

/// By how much the full sample's sums change with each coefficient; nothing where it was not asked.
#[derive(Debug, Default)]
pub(super) struct Responses(Vec<[ArmSums; 2]>);

impl Responses {
    /// Of so many terms; `sums` are those a step away from the full sample's fit.
    ///
    /// # Errors
    /// Those of `sums`.
    pub fn find(
        terms: usize,
        mut sums: impl FnMut(&[f64]) -> Result<[ArmSums; 2]>,
    ) -> Result<Self> {
        let mut step = vec![0.0; terms];
        let here = sums(&step)?;
        let mut responses = Vec::with_capacity(terms);
        for k in 0..terms {
            step[k] = NUDGE;
            let nudged = sums(&step)?;
            step[k] = 0.0;
            let mut response = [ArmSums::default(); 2];
            for (arm, response) in response.iter_mut().enumerate() {
                response.add(1.0 / NUDGE, &nudged[arm]);
                response.add(-1.0 / NUDGE, &here[arm]);
            }
            responses.push(response);
        }
        Ok(Self(responses))
    }

    /// About the share by which those of a resample of so many units are others.
    pub fn share_unknown(&self, units: usize) -> f64 {
        let Self(responses) = self;
        if responses.is_empty() {
            1.0
        } else {
            2.0 * (responses.len() as f64 / units as f64).sqrt()
        }
    }

    /// The sums of a resample after a change of the coefficients, `ratio` being its weight over the full sample's.
    pub fn after(&self, mut sums: [ArmSums; 2], change: &[f64], ratio: f64) -> [ArmSums; 2] {
        let Self(responses) = self;
        for (responses, change) in responses.iter().zip(change) {
            for (sums, response) in sums.iter_mut().zip(responses) {
                sums.add(change * ratio, response);
            }
        }
        sums
    }
}
