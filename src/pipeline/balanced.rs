//! Estimates by weights that balance, on the data and on resamples of them.

use ndarray::ArrayView2;

use super::{Estimator, Layout, Pipeline};
use crate::design::covariates::Covariates;
use crate::design::rank::presence;
use crate::error::Result;
use crate::units::tally::{Rows, Units};
use crate::weighting::balancing::{self, BalancingSpec, Fits, Refits, Scratch};
use crate::weighting::influence::ArmMeans;

/// The weights of an estimator that balances.
pub(super) enum Balanced<'a> {
    /// Of the full sample.
    Fitted(Box<Fits<'a>>),
    /// Of any resample of it.
    Refitted(Box<Refits<'a>>),
}

impl Balanced<'_> {
    /// Which terms are left out, being collinear with earlier ones.
    pub fn dropped(&self) -> Vec<usize> {
        match self {
            Self::Fitted(fits) => fits.dropped(),
            Self::Refitted(refits) => refits.fits().dropped(),
        }
    }
}

impl<'a> Pipeline<'a, '_> {
    /// The full sample's weights, for each estimator that balances.
    pub(super) fn first_weights(
        &self,
        covariates: &Covariates<'a>,
    ) -> Result<Vec<Option<Balanced<'a>>>> {
        let (x, units) = (self.covariates(), self.full_sample());
        let of_each = self.estimators.iter().map(|estimator| {
            let Estimator::Balanced { spec, terms } = estimator else { return Ok(None) };
            let design = self.balanced_design(covariates, spec, *terms)?;
            let fits = Fits::new(spec, design, x, &units, self.monitor)?;
            Ok(Some(Balanced::Fitted(Box::new(fits))))
        });
        of_each.collect()
    }

    /// The terms to be balanced, collinear ones left out once for all; a penalty takes them all.
    fn balanced_design(
        &self,
        covariates: &Covariates<'a>,
        spec: &BalancingSpec,
        terms: usize,
    ) -> Result<Covariates<'a>> {
        let design = covariates.subset(&self.data.balanced_columns[terms]);
        if spec.penalty > 0.0 {
            return Ok(design);
        }
        let units = self.full_sample();
        let rows = |unit: usize| units.tally(unit).treated + units.tally(unit).control;
        let weight: Vec<f64> = (0..units.len()).map(rows).collect();
        let there = presence(units.len(), Some(&weight));
        Ok(design.with_rows(self.covariates()).settled(&there)?.with_rows(self.data.x))
    }

    /// What refits of weights start from, over the units that replicates are counted over.
    pub(super) fn refits_of_weights(
        &self,
        weights: Vec<Option<Balanced<'a>>>,
    ) -> Result<Vec<Option<Balanced<'a>>>> {
        let is_copied = !matches!(self.layout, Layout::AsTheyCome(_));
        let x = is_copied.then(|| self.covariates());
        let refitted = |weights: Option<Balanced<'a>>| match weights {
            Some(Balanced::Fitted(fits)) => {
                Ok(Some(Balanced::Refitted(Box::new(Refits::new(*fits, x)?))))
            }
            other => Ok(other),
        };
        weights.into_iter().map(refitted).collect()
    }

    /// The effect on units: all of them, or a replicate.
    pub(super) fn balanced_effect<U: Units>(
        &self,
        weights: &Balanced<'_>,
        x: ArrayView2<'_, f64>,
        units: &U,
        scratch: &mut Scratch,
    ) -> Result<f64> {
        let refits = match weights {
            Balanced::Fitted(fits) => return fits.weighed(x, units).difference(),
            Balanced::Refitted(refits) => refits,
        };
        match refits.refit(units, scratch, self.monitor)? {
            Some(weighed) => weighed.difference(),
            None => refits.fits().anew(x, units, self.monitor)?.difference(),
        }
    }

    /// Each row's influence on the means of the arms, of rows of these weights.
    pub(super) fn balanced_means(
        &self,
        spec: &BalancingSpec,
        terms: usize,
        sample_weight: Option<&[f64]>,
    ) -> Result<ArmMeans> {
        let rows = Rows { treatment: self.data.treatment, sample_weight };
        let all = Covariates::standardized_among(self.data.x, self.data.sample_weight)?;
        let design = all.subset(&self.data.balanced_columns[terms]);
        let weights = balancing::fit_rows(&design, &rows, spec, self.monitor)?.weights;
        let outcome = self.data.outcome;
        let found = balancing::effect_of_rows(
            outcome,
            &weights,
            &design,
            (&rows, None),
            spec,
            self.monitor,
        )?;
        Ok(found.means)
    }
}
