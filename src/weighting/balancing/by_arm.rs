//! Units as rows of one arm each.

use ndarray::{Array2, ArrayView2, ShapeBuilder};

use crate::error::Result;
use crate::reserve::room_for;
use crate::units::tally::{Rows, Units};

/// Units, one row for each of their arms.
pub struct ByArm {
    treatment: Vec<bool>,
    weight: Vec<f64>,
    /// Their covariates, where some units have both arms; otherwise they are the units.
    x: Option<Array2<f64>>,
}

impl ByArm {
    pub fn of<U: Units>(x: ArrayView2<'_, f64>, units: &U) -> Result<Self> {
        let tallies = (0..units.len()).map(|unit| units.tally(unit));
        let has_both = tallies.clone().any(|tally| tally.treated > 0.0 && tally.control > 0.0);
        if !has_both {
            let (treatment, weight) =
                tallies.map(|tally| (tally.treated > 0.0, tally.treated + tally.control)).unzip();
            return Ok(Self { treatment, weight, x: None });
        }
        let arms = tallies
            .enumerate()
            .flat_map(|(unit, tally)| [(unit, false, tally.control), (unit, true, tally.treated)]);
        let there: Vec<(usize, bool, f64)> = arms.filter(|(.., rows)| *rows > 0.0).collect();
        room_for(there.len(), size_of::<f64>() * (x.ncols() + 2))?;
        Ok(Self {
            treatment: there.iter().map(|(_, arm, _)| *arm).collect(),
            weight: there.iter().map(|(.., rows)| *rows).collect(),
            x: Some(Array2::from_shape_fn((there.len(), x.ncols()).f(), |(row, k)| {
                x[(there[row].0, k)]
            })),
        })
    }

    pub fn x<'a>(&'a self, units: ArrayView2<'a, f64>) -> ArrayView2<'a, f64> {
        self.x.as_ref().map_or(units, |x| x.view())
    }

    pub fn rows(&self) -> Rows<'_> {
        Rows { treatment: &self.treatment, sample_weight: Some(&self.weight) }
    }
}
