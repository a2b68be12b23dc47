//! Matching on replicates of rows that are too many for copies of their covariates.

use super::estimates::Fit;
use super::{Estimator, Pipeline};
use crate::bands::Bands;
use crate::error::Result;
use crate::matching::{BANDED_BYTES_A_ROW, BandedLine, NearestSpec, Quantity};
use crate::reserve::room_for;
use crate::score::links::Link;
use crate::units::tally::Units;

/// Where the full sample's values are split into bands, for each quantity that something is matched on.
#[derive(Clone)]
pub(super) struct ByScore(Vec<(Quantity, Bands)>);

impl ByScore {
    /// None where nothing is matched on the quantity.
    pub fn bands(&self, quantity: Quantity) -> Option<&Bands> {
        self.0.iter().find(|(own, _)| *own == quantity).map(|(_, bands)| bands)
    }
}

impl Pipeline<'_, '_> {
    /// None where nothing is matched.
    pub(super) fn by_score(&self) -> Result<Option<ByScore>> {
        let mut found = ByScore(Vec::new());
        for estimator in self.estimators {
            if let Estimator::Nearest(spec) = estimator
                && found.bands(spec.quantity).is_none()
            {
                let mut values = vec![0.0; self.data.x.nrows()];
                self.values_from(spec.quantity, self.beta(), 0, &mut values);
                found.0.push((spec.quantity, Bands::of(&values)));
            }
        }
        if found.0.is_empty() {
            return Ok(None);
        }
        room_for(self.data.x.nrows(), BANDED_BYTES_A_ROW * rayon::current_num_threads())?;
        Ok(Some(found))
    }

    /// The means of both arms by nearest neighbours on a replicate, its values made where they are dropped into bands.
    pub(super) fn banded_means<U: Units>(
        &self,
        bands: &Bands,
        units: &U,
        spec: &NearestSpec,
        fit: &Result<Fit>,
        line: &mut BandedLine,
    ) -> Result<[f64; 2]> {
        let Fit { beta, .. } = fit.as_ref().map_err(Clone::clone)?;
        let values_of = |start: usize, values: &mut [f64]| {
            self.values_from(spec.quantity, beta, start, values);
        };
        line.means(bands, values_of, units, spec, self.monitor)
    }

    /// What rows from a row on are matched on, by these coefficients.
    fn values_from(&self, quantity: Quantity, beta: &[f64], start: usize, values: &mut [f64]) {
        self.score_design.with_rows(self.data.x).linear_into(beta, start, values);
        if (quantity, self.spec.link) == (Quantity::Logit, Link::Logit) {
            return;
        }
        self.spec.link.scores_in_place(values);
        if quantity == Quantity::Logit {
            for score in values {
                *score = Link::Logit.linear_predictor(*score);
            }
        }
    }
}
