//! The rows as they are, and as each weighting weighs them.

use crate::checks;
use crate::error::{Error, Result};

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
        for (arm, treated, called) in [(0, false, "control"), (1, true, "treated")] {
            let own = (0..treatment.len()).filter(|row| treatment[*row] == treated);
            let (total, squares) = own.fold((0.0, 0.0), |(total, squares), row| {
                let w = sample.weight(row);
                (total + w, squares + frequency.map_or(w * w, |users| w * w / users[row]))
            });
            let ess = total * total / squares;
            if !(total > 0.0) {
                return Err(Error::WeightlessArm { arm: called });
            }
            (sample.totals[arm], sample.squares[arm], sample.ess[arm]) = (total, squares, ess);
        }
        Ok(sample)
    }

    pub fn weight(&self, row: usize) -> f64 {
        self.weights.map_or(1.0, |weights| weights[row])
    }
}
