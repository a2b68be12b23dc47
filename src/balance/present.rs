//! Rows of sample weight 0, which are not there.

use ndarray::{Array2, ShapeBuilder};

use crate::checks;
use crate::design::factors::Factor;
use crate::error::Result;
use crate::matrix::Matrix;
use crate::reserve::room_for;
use crate::units::frequency::RowWeights;

/// The rows that are there, of rows some of which are not: those of sample weight 0. What they alone hold is
/// no value of a column, neither a place where distribution functions are compared nor a number that makes
/// a column of zeros and ones another.
pub struct Present {
    pub x: Array2<f64>,
    pub factors: Vec<Factor>,
    pub treatment: Vec<bool>,
    pub weightings: Vec<Vec<f64>>,
    sample_weight: Vec<f64>,
    frequency: Option<Vec<f64>>,
    is_survey: bool,
}

impl Present {
    /// `None` where all rows are there, or where what is given has to be refused as it is.
    pub fn among(
        x: &Matrix<'_>,
        factors: &[Factor],
        treatment: &[bool],
        weightings: &[&[f64]],
        row_weights: RowWeights<'_>,
    ) -> Result<Option<Self>> {
        checks::frequency(row_weights.frequency, treatment.len())?;
        let Some(sample_weight) = row_weights.total.filter(|weights| weights.contains(&0.0)) else {
            return Ok(None);
        };
        let n = treatment.len();
        let of_rows = |values: &&[f64]| values.len() == n;
        let counted = row_weights.frequency.is_none_or(|frequency| of_rows(&frequency));
        let alike = of_rows(&sample_weight) && counted && weightings.iter().all(of_rows);
        if x.nrows() != n || !alike {
            return Ok(None);
        }
        for weights in weightings {
            checks::weights("weights", weights)?;
        }
        let rows: Vec<usize> = (0..n).filter(|row| sample_weight[*row] != 0.0).collect();
        let has_arm = |arm| rows.iter().any(|row| treatment[*row] == arm);
        if !has_arm(true) || !has_arm(false) {
            return Ok(None);
        }
        room_for(rows.len() * (x.ncols() + weightings.len() + 1), size_of::<f64>())?;
        let kept = |values: &[f64]| rows.iter().map(|row| values[*row]).collect();
        Ok(Some(Self {
            factors: factors.iter().map(|factor| factor.taken(&rows)).collect(),
            x: gathered(x, &rows),
            treatment: rows.iter().map(|row| treatment[*row]).collect(),
            weightings: weightings.iter().map(|weights| kept(weights)).collect(),
            sample_weight: kept(sample_weight),
            frequency: row_weights.frequency.map(kept),
            is_survey: row_weights.is_survey,
        }))
    }

    /// What they count for.
    pub fn row_weights(&self) -> RowWeights<'_> {
        let (total, frequency) = (Some(&self.sample_weight[..]), self.frequency.as_deref());
        RowWeights { total, frequency, is_survey: self.is_survey }
    }
}

/// Some rows of a matrix.
fn gathered(x: &Matrix<'_>, rows: &[usize]) -> Array2<f64> {
    let mut own = Array2::zeros((rows.len(), x.ncols()).f());
    for (k, mut own) in own.columns_mut().into_iter().enumerate() {
        let all = x.column(k);
        own.iter_mut().zip(rows).for_each(|(slot, row)| *slot = all[*row]);
    }
    own
}
