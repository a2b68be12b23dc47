//! The score of a sample, and every estimator on it.

use ndarray::ArrayView2;

use super::layout::with_units;
use super::refitting::{Drawn, OneByOne, Refitter};
use super::{Estimator, Layout, Pipeline};
use crate::bands::Bands;
use crate::checks;
use crate::design::covariates::Covariates;
use crate::error::{Error, Result};
use crate::kernels::{ArmSums, BLOCK, FittedScores, Lane};
use crate::matching::{BandedLine, Line, NearestSpec, Quantity};
use crate::outcome::adjustment;
use crate::score::linked;
use crate::score::links::Link;
use crate::score::logistic::{Refit, Sweep};
use crate::units::tally::{Count, Units};
use crate::weighting::balancing;
use crate::weighting::ipw::{Contrast, IpwSpec};
use crate::weighting::truncation::Weighed;

/// Rows whose linear predictors stay in the nearest cache until they have become scores.
const STRETCH: usize = 8 * BLOCK;

/// A score model, and what its weights are made of where a refit left that; where it was fitted from nothing, which
/// columns are collinear, and which run off.
#[derive(Debug, Default)]
pub(super) struct Fit {
    pub beta: Vec<f64>,
    pub sums: Option<([[f64; 2]; 2], [ArmSums; 2])>,
    pub places: (Vec<usize>, Vec<usize>),
}

impl From<Refit> for Fit {
    fn from(Refit { beta, totals, sums }: Refit) -> Self {
        Self { beta, sums: Some((totals, sums)), places: Default::default() }
    }
}

/// What estimating everything leaves beside the estimates: the coefficients of the score, none where there is none or
/// it could not be fitted, and why the first estimator that failed did so.
pub(super) struct Run {
    pub beta: Vec<f64>,
    pub first_failure: Result<()>,
}

/// What a thread needs for estimates, reused from one replicate to the next.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    logits: Vec<f64>,
    line: Line,
    banded: BandedLine,
    outcomes: adjustment::Scratch,
    /// How many rows of either arm were drawn, controls first, where weights are bounded by their quantiles.
    pub n_rows: [f64; 2],
    weights: Vec<Weighed>,
    balancing: balancing::Scratch,
}

impl Pipeline<'_, '_> {
    /// The full sample's score model, from nothing; none where no estimator needs one.
    pub(super) fn first_fit(&self, scores: &mut FittedScores) -> Result<Option<Fit>> {
        if !self.estimators.iter().any(Estimator::needs_score) {
            return Ok(None);
        }
        let design = self.score_design.with_rows(self.covariates());
        let fit = self.newton(&design, &self.full_sample(), Sweep::Parallel, scores)?;
        // Rows are named where somebody is certain of an arm, and patterns are not rows.
        if checks::scores(&scores.values.as_flattened()[..self.n_units()]).is_err() {
            checks::scores(&self.scored(&self.score_design, &fit.beta))?;
        }
        Ok(Some(fit))
    }

    /// The full sample's estimates: here an estimator that fails keeps the others from going on.
    pub(super) fn first_estimates(&self, fit: Fit, scores: &mut FittedScores) -> Result<Vec<f64>> {
        let mut estimates = vec![f64::NAN; self.estimators.len()];
        let (x, units, scratch) = (self.covariates(), self.full_sample(), &mut Scratch::default());
        scratch.n_rows = self.rows_in_arms();
        let Run { beta, first_failure } =
            self.estimate(x, &units, Ok(fit), scores, scratch, &mut estimates)?;
        if let (Err(Error::Outside { .. }), Layout::Cells { .. }) = (&first_failure, &self.layout) {
            // Patterns are no rows: those that lie outside are looked for once more, one by one.
            self.adjusted_by_row(&beta)?;
        }
        first_failure.map(|()| estimates)
    }

    /// Everything on one replicate that was counted: add up, refit, estimate.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub(super) fn replicate<W: Count>(
        &self,
        drawn: &mut Drawn<W>,
        scratch: &mut Scratch,
        estimates: &mut [f64],
    ) -> Result<Run> {
        self.add_up(drawn);
        let refit = OneByOne(self).refit(std::slice::from_mut(drawn)).pop();
        self.estimate_drawn(drawn, refit.unwrap_or(Ok(None)), scratch, estimates)
    }

    /// Estimate everything on a replicate whose score was refitted, or is left to Newton's method. Estimators that
    /// fail leave their NaN.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub(super) fn estimate_drawn<W: Count>(
        &self,
        drawn: &mut Drawn<W>,
        refit: Result<Option<Refit>>,
        scratch: &mut Scratch,
        estimates: &mut [f64],
    ) -> Result<Run> {
        let fit = self.fit_drawn(drawn, refit);
        let Drawn { counts, totals, scores, .. } = drawn;
        with_units!(self, counts, totals, |x, units| {
            self.estimate(x, units, fit, scores, scratch, estimates)
        })
    }

    /// The score of a replicate where it was refitted, or by Newton's method; leaves the scores.
    pub(super) fn fit_drawn<W: Count>(
        &self,
        drawn: &mut Drawn<W>,
        refit: Result<Option<Refit>>,
    ) -> Result<Fit> {
        match refit {
            _ if self.score.is_none() => Ok(Fit::default()),
            Ok(Some(refit)) => {
                if drawn.lacks_scores {
                    self.monitor.check()?;
                    self.score_rows(&refit.beta, &mut drawn.scores.values);
                }
                Ok(Fit::from(refit))
            }
            Ok(None) => {
                let Drawn { counts, totals, scores, .. } = drawn;
                with_units!(self, counts, totals, |x, units| {
                    let design = self.score_design.with_rows(x);
                    self.newton(&design, units, Sweep::Serial, scores)
                })
            }
            Err(error) => Err(error),
        }
    }

    /// The scores that coefficients give the rows of a design.
    pub(super) fn scored(&self, design: &Covariates<'_>, beta: &[f64]) -> Vec<f64> {
        if self.spec.link == Link::Logit {
            return design.probabilities(beta);
        }
        let mut scores = design.linear(beta);
        self.spec.link.scores_in_place(&mut scores);
        scores
    }

    /// The scores of all units by these coefficients.
    fn score_rows(&self, beta: &[f64], scores: &mut Vec<Lane>) {
        let x = self.covariates();
        scores.resize(x.nrows().div_ceil(BLOCK), [0.0; BLOCK]);
        let values = &mut scores.as_flattened_mut()[..x.nrows()];
        let design = self.score_design.with_rows(x);
        for (stretch, values) in values.chunks_mut(STRETCH).enumerate() {
            design.linear_into(beta, stretch * STRETCH, values);
            self.spec.link.scores_in_place(values);
        }
    }

    /// The score model by Newton's method, from the full sample's where that is known; leaves the scores. Where a
    /// coefficient runs off to infinity, all or none of some rows being treated, their scores are where the gradient
    /// became small enough.
    fn newton<U: Units>(
        &self,
        covariates: &Covariates<'_>,
        units: &U,
        sweep: Sweep,
        fitted: &mut FittedScores,
    ) -> Result<Fit> {
        let start = self.score.as_ref().map(|score| &score.beta[..]);
        let optimum = linked::maximum(covariates, units, start, &self.spec, sweep, self.monitor)?;
        let scores = &mut fitted.values;
        scores.resize(units.len().div_ceil(BLOCK), [0.0; BLOCK]);
        let values = &mut scores.as_flattened_mut()[..units.len()];
        covariates.linear_into(&optimum.beta, 0, values);
        self.spec.link.scores_in_place(values);
        fitted.are_inside = values.iter().all(|score| *score > 0.0 && *score < 1.0);
        let places = (optimum.aliased(covariates), optimum.diverging);
        Ok(Fit { beta: optimum.beta, sums: None, places })
    }

    /// Every estimator on the same score. One that fails leaves its NaN and does not keep the others from going on,
    /// nor does the score those that do without.
    fn estimate<U: Units>(
        &self,
        x: ArrayView2<'_, f64>,
        units: &U,
        fit: Result<Fit>,
        fitted: &mut FittedScores,
        scratch: &mut Scratch,
        estimates: &mut [f64],
    ) -> Result<Run> {
        if let Err(Error::Stopped) = fit {
            return Err(Error::Stopped);
        }
        if self.wants_scores() {
            fitted.values.resize(units.len().div_ceil(BLOCK), [0.5; BLOCK]);
        }
        let mut first_failure = Ok(());
        for (place, (estimator, estimate)) in self.estimators.iter().zip(estimates).enumerate() {
            self.monitor.check()?;
            let found = if let Estimator::Nearest(spec) = estimator {
                self.nearest_effect(spec, x, units, &fit, fitted, scratch)
            } else {
                let means = self.means(place, x, units, &fit, fitted, scratch);
                means.map(|[control, treated]| treated - control)
            };
            let finite =
                |effect: f64| if effect.is_finite() { Ok(effect) } else { Err(Error::Overflow) };
            match found.and_then(finite) {
                Ok(effect) => *estimate = effect,
                Err(Error::Stopped) => return Err(Error::Stopped),
                Err(error) => first_failure = first_failure.and(Err(error)),
            }
        }
        Ok(Run { beta: fit.map_or_else(|_| Vec::new(), |fit| fit.beta), first_failure })
    }

    /// The means of both arms, control first, by the estimator at a place.
    pub(super) fn means<U: Units>(
        &self,
        place: usize,
        x: ArrayView2<'_, f64>,
        units: &U,
        fit: &Result<Fit>,
        fitted: &FittedScores,
        scratch: &mut Scratch,
    ) -> Result<[f64; 2]> {
        let estimator = &self.estimators[place];
        // None where nobody looks at them.
        let scores = fitted.values.as_flattened().get(..units.len()).unwrap_or_default();
        let Scratch { outcomes, n_rows, weights, balancing, .. } = scratch;
        match (estimator, fit) {
            (_, Err(error)) if estimator.needs_score() => Err(error.clone()),
            (Estimator::Nearest(spec), _) => {
                self.nearest_means(spec, x, units, fit, fitted, scratch)
            }
            (Estimator::Ipw(IpwSpec { estimand, truncate: Some(q) }), _) => {
                both(&Contrast::truncated(*estimand, *q, scores, units, *n_rows, weights))
            }
            (
                Estimator::Ipw(IpwSpec { estimand, .. }),
                Ok(Fit { sums: Some((totals, sums)), .. }),
            ) => both(&Contrast::of_sums(*estimand, totals, sums)),
            (Estimator::Ipw(IpwSpec { estimand, .. }), _) => {
                let mut contrast = Contrast::new(*estimand);
                contrast.add(scores, units);
                both(&contrast)
            }
            (Estimator::Adjusted(spec), _) => {
                self.adjusted_means(*spec, x, fitted, units, outcomes)
            }
            (Estimator::Balanced { .. }, _) => match &self.balanced[place] {
                Some(found) => self.weighed_means(found, x, units, balancing),
                None => Err(Error::Overflow), // for they are found before anything is estimated
            },
        }
    }
}

/// Nearest neighbours.
impl Pipeline<'_, '_> {
    fn nearest_effect<U: Units>(
        &self,
        spec: &NearestSpec,
        x: ArrayView2<'_, f64>,
        units: &U,
        fit: &Result<Fit>,
        fitted: &FittedScores,
        scratch: &mut Scratch,
    ) -> Result<f64> {
        let Scratch { logits, line, banded, .. } = scratch;
        if let Some(bands) = self.bands(spec.quantity) {
            let [control, treated] = self.banded_means(bands, units, spec, fit, banded)?;
            return Ok(treated - control);
        }
        let values = self.matched_on(spec, (x, units.len()), fit, fitted, logits)?;
        line.effect(values, units, spec, self.monitor)
    }

    fn nearest_means<U: Units>(
        &self,
        spec: &NearestSpec,
        x: ArrayView2<'_, f64>,
        units: &U,
        fit: &Result<Fit>,
        fitted: &FittedScores,
        scratch: &mut Scratch,
    ) -> Result<[f64; 2]> {
        let Scratch { logits, line, banded, .. } = scratch;
        if let Some(bands) = self.bands(spec.quantity) {
            return self.banded_means(bands, units, spec, fit, banded);
        }
        let values = self.matched_on(spec, (x, units.len()), fit, fitted, logits)?;
        line.means(values, units, spec, self.monitor)
    }

    /// The bands that a quantity is split into, where units are too many for a cache.
    pub(super) fn bands(&self, quantity: Quantity) -> Option<&Bands> {
        let Layout::AsTheyCome(by_score) = &self.layout else { return None };
        by_score.as_ref()?.bands(quantity)
    }

    /// What units are matched on: their scores, or the logits of these.
    fn matched_on<'b>(
        &self,
        spec: &NearestSpec,
        (x, n_units): (ArrayView2<'_, f64>, usize),
        fit: &Result<Fit>,
        fitted: &'b FittedScores,
        logits: &'b mut Vec<f64>,
    ) -> Result<&'b [f64]> {
        let fit = fit.as_ref().map_err(Clone::clone)?;
        let scores = fitted.values.as_flattened().get(..n_units).unwrap_or_default();
        if spec.quantity != Quantity::Logit {
            return Ok(scores);
        }
        logits.resize(n_units, 0.0);
        if self.spec.link == Link::Logit {
            self.score_design.with_rows(x).linear_into(&fit.beta, 0, logits);
        } else {
            let log_odds = scores.iter().map(|score| Link::Logit.linear_predictor(*score));
            logits.iter_mut().zip(log_odds).for_each(|(slot, value)| *slot = value);
        }
        Ok(logits)
    }
}

fn both(contrast: &Contrast) -> Result<[f64; 2]> {
    contrast.means().map(|(treated, control)| [control, treated])
}
