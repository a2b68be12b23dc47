//! What a row does to an estimate through a score model of numbers and factors: [`ScoreModel`] over a coded design.

use std::borrow::Cow;

use crate::design::arrow::ArrowFactor;
use crate::design::coded::{Coded, NO_DOUBT, NumbersAndFactors, Ridge, Sums};
use crate::design::rank::presence;
use crate::error::Result;
use crate::reserve;
use crate::weighting::influence::{ScoreModel, ScoreRows, WeightedTerms, by_row};

/// A model of the scores that knows what rows do to it, over a matrix or over codes.
pub trait FittedScoreModel {
    /// Each row's influence, through the coefficients; see [`ScoreModel::influence`].
    ///
    /// # Errors
    /// As passes over rows have them.
    fn influence(&self, slope: &[f64]) -> Result<Vec<f64>>;
}

/// A score model of numbers and factors.
#[derive(Debug)]
pub struct CodedScoreModel<'x> {
    design: Coded<'x>,
    terms: WeightedTerms,
    information: ArrowFactor,
}

impl FittedScoreModel for ScoreModel<'_> {
    fn influence(&self, slope: &[f64]) -> Result<Vec<f64>> {
        Ok(Self::influence(self, slope))
    }
}

impl<'x> CodedScoreModel<'x> {
    /// With a penalty on the caller's scale; `None` where codes cannot tell what is collinear.
    ///
    /// # Errors
    /// [`crate::error::Error::Overflow`], [`crate::error::Error::Memory`].
    pub fn new(
        given: &NumbersAndFactors<'x>,
        rows: &ScoreRows<'_>,
        penalty: f64,
    ) -> Result<Option<Self>> {
        let mut design = Coded::new(given, rows.weight)?;
        if penalty == 0.0 {
            let Some(own) = design.unpenalized(rows.weight) else { return Ok(None) };
            design = own;
        }
        reserve::room_for(Sums::entries(&design), 8 * (rayon::current_num_threads() + 1))?;
        let terms = rows.terms();
        let (residual, spread) = (&terms.residual, &terms.spread);
        let information = |design: &Coded<'x>| {
            let mut arrow = Sums::of(design, residual, spread)?.arrow(design);
            Ridge { design, strength: penalty }.add(&mut arrow);
            arrow.factor()
        };
        let mut found = information(&design)?;
        if penalty == 0.0 && found.least_pivot <= NO_DOUBT {
            let counts = Sums::of(&design, residual, &presence(residual.len(), rows.weight))?;
            let collinear = design.collinear_levels(&counts)?;
            let Some(own) = design.without(&collinear).apart(rows.weight) else {
                return Ok(None);
            };
            design = own;
            found = information(&design)?;
            if found.least_pivot <= NO_DOUBT {
                return Ok(None);
            }
        }
        Ok(Some(Self { design, terms, information: found }))
    }
}

impl FittedScoreModel for CodedScoreModel<'_> {
    fn influence(&self, slope: &[f64]) -> Result<Vec<f64>> {
        let nothing = vec![0.0; slope.len()];
        let of_log_odds = self.terms.log_odds_slope.as_ref();
        let slope = of_log_odds.map_or(Cow::Borrowed(slope), |of_log_odds| {
            Cow::Owned(by_row(slope.len(), |row| slope[row] * of_log_odds[row]))
        });
        let mut direction = Sums::of(&self.design, &slope, &nothing)?.gradient(&self.design);
        self.information.solve(&mut direction);
        let mut influence = self.design.linear(&direction);
        influence.iter_mut().zip(&self.terms.residual).for_each(|(x, r)| *x *= r);
        Ok(influence)
    }
}
