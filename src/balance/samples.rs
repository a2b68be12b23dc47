//! The rows as they are, and as each weighting weighs them.

use rayon::prelude::*;

use crate::checks;
use crate::design::chunks::CHUNK;
use crate::error::{Error, Result};
use crate::units::frequency::users_of;

/// One weighting of the rows. In pairs, 0 is the control arm, 1 the treated.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Of all users of a row together; `None` where every row weighs one.
    pub weights: Option<&'a [f64]>,
    pub totals: [f64; 2],
    /// Sums of squared weights, of one user each.
    pub squares: [f64; 2],
    /// Kish's effective sample sizes.
    pub ess: [f64; 2],
}

impl<'a> Sample<'a> {
    /// # Errors
    /// Lengths that differ, a weight that is negative or not finite, an arm without weight.
    pub fn new(
        name: &'static str,
        weights: Option<&'a [f64]>,
        treatment: &[bool],
        frequency: Option<&[f64]>,
    ) -> Result<Self> {
        if let Some(weights) = weights {
            checks::same_length(name, weights.len(), treatment.len())?;
            checks::weights(name, weights)?;
        }
        let mut sample = Self { weights, totals: [0.0; 2], squares: [0.0; 2], ess: [0.0; 2] };
        let [totals, squares] = sums(&sample, treatment, frequency);
        for (arm, called) in ["control", "treated"].into_iter().enumerate() {
            if !(totals[arm] > 0.0) {
                return Err(Error::WeightlessArm { arm: called });
            }
            sample.ess[arm] = totals[arm] * totals[arm] / squares[arm];
        }
        (sample.totals, sample.squares) = (totals, squares);
        Ok(sample)
    }

    pub fn weight(&self, row: usize) -> f64 {
        self.weights.map_or(1.0, |weights| weights[row])
    }
}

/// The sums of what the rows of either arm weigh, and of its squares by user: by chunks, in their order.
fn sums(sample: &Sample<'_>, treatment: &[bool], frequency: Option<&[f64]>) -> [[f64; 2]; 2] {
    let of_chunk = |first: usize| {
        let [mut totals, mut squares] = [[0.0; 2]; 2];
        for (row, treated) in treatment.iter().enumerate().skip(first).take(CHUNK) {
            let (arm, w) = (usize::from(*treated), sample.weight(row));
            totals[arm] += w;
            squares[arm] += w * w / users_of(frequency, row);
        }
        [totals, squares]
    };
    let starts = (0..treatment.len()).into_par_iter().step_by(CHUNK);
    let chunks: Vec<[[f64; 2]; 2]> = starts.map(of_chunk).collect();
    let mut all = [[0.0; 2]; 2];
    for chunk in &chunks {
        all.as_flattened_mut()
            .iter_mut()
            .zip(chunk.as_flattened())
            .for_each(|(sum, one)| *sum += one);
    }
    all
}
