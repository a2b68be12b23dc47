//! The whole analysis in one go, on the data or on any resample of them: fit the score, weight, match,
//! take the contrasts.

mod analytic;
mod arm_errors;
mod arm_means;
mod balanced;
mod bounds;
mod by_score;
mod coded;
mod estimates;
mod layout;
mod order;
mod outcomes;
mod ready;
mod refitting;
mod statistic;
#[cfg(test)]
mod tests;
mod truncated;

use std::borrow::Cow;

use ndarray::ArrayView2;

use crate::design::covariates::Covariates;
use crate::error::{Error, Result};
use crate::kernels::FittedScores;
use crate::matching::NearestSpec;
use crate::monitor::Monitor;
use crate::outcome::adjustment::{AdjustmentSpec, Refits};
use crate::resampling::bootstrap::{self, BootstrapSpec, Replicate, Replicates};
use crate::resampling::resample::{Resample, Scheme};
use crate::resampling::stream::Stream;
use crate::resampling::urn::Urn;
use crate::score::logistic::WarmStart;
use crate::score::spec::PropensitySpec;
use crate::units::cells::Cells;
use crate::units::tally::{Count, Outcomes, Whole};
use crate::weighting::balancing::BalancingSpec;
use crate::weighting::ipw::IpwSpec;
pub use arm_errors::ArmMoments;
pub use arm_means::{ArmPipeline, Beside, BootstrappedMeans};
use balanced::Balanced;
pub use bounds::{Bounds, BoundsSpec};
pub use coded::{
    Asked, Bootstrapped, CodedData, are_open_to_codes, bootstrap_of_codes, means_of_codes,
};
use estimates::Fit;
use layout::Layout;
use ready::{check, designs, measured};
use refitting::Drawn;
use statistic::{Estimates, Statistic};

/// Refits of fewer units are by Newton's method from the full sample's fit: they take no time worth saving,
/// and its last step, which leaves only rounding, keeps scores tied that a symmetric resample makes equal.
const MANY_UNITS: usize = 1000;

/// What to estimate, and its options; nothing fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Estimator {
    Ipw(IpwSpec),
    Nearest(NearestSpec),
    /// With an outcome model.
    Adjusted(AdjustmentSpec),
    /// By weights that balance; the penalty is that on all rows together, the terms are at a place of
    /// [`Data::balanced_columns`].
    Balanced {
        spec: BalancingSpec,
        terms: usize,
    },
}

impl Estimator {
    /// Whether it takes a score.
    #[must_use]
    pub fn needs_score(&self) -> bool {
        match self {
            Self::Ipw(_) | Self::Nearest(_) => true,
            Self::Adjusted(spec) => spec.needs_score(),
            Self::Balanced { .. } => false,
        }
    }

    /// How rows are weighed by their scores.
    fn weighting(&self) -> IpwSpec {
        match self {
            Self::Ipw(spec) => *spec,
            Self::Nearest(spec) => IpwSpec::of(spec.focal.estimand()),
            Self::Adjusted(spec) => IpwSpec::of(spec.estimand),
            Self::Balanced { spec, .. } => IpwSpec::of(spec.estimand),
        }
    }
}

/// The rows of an analysis: n by d covariates, who was treated, what came of it.
#[derive(Debug, Clone, Copy)]
pub struct Data<'a> {
    pub x: ArrayView2<'a, f64>,
    pub treatment: &'a [bool],
    pub outcome: &'a [f64],
    /// Of all users of a row together.
    pub sample_weight: Option<&'a [f64]>,
    /// How many users each row stands for; none where each is one.
    pub frequency: Option<&'a [f64]>,
    /// The columns of x that the score, and the outcome models, are made of.
    pub score_columns: &'a [usize],
    pub outcome_columns: &'a [usize],
    /// Those that are balanced, for each estimator that balances its own.
    pub balanced_columns: &'a [Vec<usize>],
}

/// Data ready to be resampled: checked, collapsed where that pays, and fitted once.
pub struct Pipeline<'a, 'm> {
    data: Data<'a>,
    /// Measured from a value among them: every estimate is a difference of means.
    outcome: Cow<'a, [f64]>,
    estimators: &'a [Estimator],
    spec: PropensitySpec,
    monitor: &'m Monitor,
    /// Of the score model and of the outcome models, where there are such.
    score_design: Covariates<'a>,
    outcome_design: Covariates<'a>,
    layout: Layout,
    /// None where no estimator needs one.
    score: Option<Score<'a>>,
    /// What outcome models take from the full sample's.
    outcome_refits: Option<Refits<'a>>,
    /// What weights that balance take from the full sample's; none where the estimator is another.
    balanced: Vec<Option<Balanced<'a>>>,
    /// The full sample's estimates, one an estimator.
    pub estimates: Vec<f64>,
    /// What the columns of the full sample's models have to be told of.
    pub terms: Terms,
}

/// The full sample's score: its coefficients, and what refits by expansion start from, where units are many.
struct Score<'a> {
    beta: Vec<f64>,
    warm_start: Option<WarmStart<'a>>,
}

/// Columns that were left out of the models, and those that tell the arms apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// Of the score: earlier columns explain them.
    pub aliased: Vec<usize>,
    /// Of the score: their coefficients grow without bound, as some of their rows are treated all or none.
    pub diverging: Vec<usize>,
    /// Of the outcome models: earlier columns explain them.
    pub outcome_aliased: Vec<usize>,
    /// The same of the terms of each estimator that balances.
    pub balanced_aliased: Vec<Vec<usize>>,
}

impl<'a, 'm> Pipeline<'a, 'm> {
    /// Check the data, collapse them, and estimate everything on the full sample.
    ///
    /// # Errors
    /// Lengths that differ, values that are not finite, an empty arm, whatever keeps the score or an
    /// estimate from being computed.
    pub fn new(
        data: Data<'a>,
        estimators: &'a [Estimator],
        spec: PropensitySpec,
        monitor: &'m Monitor,
    ) -> Result<Self> {
        check(&data, estimators, &spec)?;
        let Data { x, treatment, sample_weight, .. } = data;
        let outcome = measured(&data, estimators);
        let (covariates, cells) = rayon::join(
            || Covariates::standardized_among(x, sample_weight),
            || Cells::collapse(x, treatment, &outcome, sample_weight),
        );
        Self::of_cells(data, outcome, covariates?, cells, estimators, spec, monitor)
    }

    /// From rows that were checked, and collapsed where that pays.
    fn of_cells(
        data: Data<'a>,
        outcome: Cow<'a, [f64]>,
        covariates: Covariates<'a>,
        cells: Option<Cells>,
        estimators: &'a [Estimator],
        spec: PropensitySpec,
        monitor: &'m Monitor,
    ) -> Result<Self> {
        // 1. The designs.
        let mut pipeline =
            Self::unfitted(data, outcome, &covariates, cells, estimators, spec, monitor)?;

        // 2. The fit.
        let mut scores = FittedScores::default();
        let fit = pipeline.fit_score(&mut scores)?;
        pipeline.balanced = pipeline.first_weights(&covariates)?;
        let balanced = pipeline.balanced.iter().flatten();
        pipeline.terms.balanced_aliased = balanced.map(Balanced::dropped).collect();

        // 3. Weights or matches and contrasts; meanwhile what replicates start from.
        let (estimates, prepared) = rayon::join(
            || pipeline.first_estimates(fit.unwrap_or_default(), &mut scores),
            || pipeline.prepared_where_many(),
        );
        pipeline.estimates = estimates?;
        pipeline.take(prepared?);
        pipeline.prepare_refits()?;
        Ok(pipeline)
    }

    /// Keep what replicates take from the full sample's outcome models and weights, once it is estimated.
    fn prepare_refits(&mut self) -> Result<()> {
        self.outcome_refits = self.refits_of_outcomes()?;
        let weights = std::mem::take(&mut self.balanced);
        self.balanced = self.refits_of_weights(weights)?;
        Ok(())
    }

    /// With designs, and rows counted where they lie.
    fn unfitted(
        data: Data<'a>,
        outcome: Cow<'a, [f64]>,
        covariates: &Covariates<'a>,
        cells: Option<Cells>,
        estimators: &'a [Estimator],
        spec: PropensitySpec,
        monitor: &'m Monitor,
    ) -> Result<Self> {
        let [score_design, outcome_design] =
            designs(&data, covariates, cells.as_ref(), estimators, spec.penalty)?;
        let layout =
            cells.map_or(Layout::AsTheyCome(None), |cells| Layout::Cells { cells, urn: None });
        let outcome_aliased = outcome_design.dropped().to_vec();
        Ok(Self {
            data,
            outcome,
            estimators,
            spec,
            monitor,
            score_design,
            outcome_design,
            layout,
            score: None,
            outcome_refits: None,
            balanced: Vec::new(),
            estimates: Vec::new(),
            terms: Terms { outcome_aliased, ..Terms::default() },
        })
    }

    /// Fit the score, where some estimator needs one, and note what is to be told of its columns.
    fn fit_score(&mut self, scores: &mut FittedScores) -> Result<Option<Fit>> {
        let fit = self.first_fit(scores)?;
        if let Some(fit) = &fit {
            (self.terms.aliased, self.terms.diverging) = fit.places.clone();
            self.score = Some(Score { beta: fit.beta.clone(), warm_start: None });
        }
        Ok(fit)
    }

    /// What replicates of many units are counted over, and start from.
    fn prepared_where_many(&self) -> Result<Option<(Layout, Option<WarmStart<'a>>)>> {
        (self.n_units() >= MANY_UNITS).then(|| self.prepared()).transpose()
    }

    fn take(&mut self, prepared: Option<(Layout, Option<WarmStart<'a>>)>) {
        if let Some((layout, warm_start)) = prepared {
            self.layout = layout;
            if let Some(score) = &mut self.score {
                score.warm_start = warm_start;
            }
        }
    }

    /// Estimate everything on resamples of the rows.
    ///
    /// # Errors
    /// [`Error::Argument`] for nearest neighbours with fractions of rows; see [`bootstrap::run`].
    pub fn bootstrap(&self, resample: &Resample, spec: &BootstrapSpec) -> Result<Replicates> {
        self.statistic_on(resample, spec, &Estimates(self))
    }

    /// Work a statistic out on resamples of the rows.
    fn statistic_on(
        &self,
        resample: &Resample,
        spec: &BootstrapSpec,
        statistic: &impl Statistic,
    ) -> Result<Replicates> {
        let resample = &*self.drawing_by_content(resample);
        if let Some(urn) = self.layout.urn(resample) {
            return if urn.fits_bytes() {
                self.drawn_from::<u8>(&urn, spec, statistic)
            } else {
                self.drawn_from::<u32>(&urn, spec, statistic)
            };
        }
        if resample.scheme() != Scheme::Bayesian && !resample.draws_users() {
            return self.replicates(spec, statistic, |stream, counts: &mut [u32]| {
                counts.fill(0);
                resample.count(stream, |row, count| counts[self.layout.unit_of(row)] += count);
            });
        }
        self.check_scheme(resample)?;
        self.replicates(spec, statistic, |stream, weights: &mut [f64]| {
            weights.fill(0.0);
            resample.weigh(stream, |row, weight| weights[self.layout.unit_of(row)] += weight);
        })
    }

    fn drawn_from<W: Whole>(
        &self,
        urn: &Urn,
        spec: &BootstrapSpec,
        statistic: &impl Statistic,
    ) -> Result<Replicates> {
        self.replicates(spec, statistic, |mut stream, counts: &mut [W]| {
            urn.draw(&mut stream, counts);
        })
    }

    /// Work a statistic out on each replicate, its cells (or rows) counted as `draw` says.
    fn replicates<W: Count, S: Statistic>(
        &self,
        spec: &BootstrapSpec,
        statistic: &S,
        draw: impl Fn(Stream, &mut [W]) + Sync,
    ) -> Result<Replicates> {
        let refitter = self.refitter::<W>(statistic.wants_scores())?;
        let most = refitter.at_a_time();
        let fresh =
            || (vec![Drawn::new(self.n_counted()); most], Vec::new(), S::Scratch::default());
        let width = statistic.width();
        bootstrap::run_together(spec, width, most, self.monitor, fresh, |replicates, kept| {
            let (drawn, room, scratch) = kept;
            for (replicate, drawn) in replicates.iter().zip(&mut *drawn) {
                draw(replicate.stream.clone(), &mut drawn.counts);
                self.add_up(drawn);
            }
            let refits = refitter.refit(&mut drawn[..replicates.len()]);
            for ((replicate, drawn), refit) in replicates.iter_mut().zip(drawn).zip(refits) {
                let Replicate { estimates, outcome, .. } = replicate;
                // Those that have no scores take turns with one room for them.
                let lacks_scores = drawn.lacks_scores;
                if lacks_scores {
                    std::mem::swap(&mut drawn.scores.values, room);
                }
                *outcome = statistic.of_drawn(drawn, refit, scratch, estimates);
                if lacks_scores {
                    std::mem::swap(&mut drawn.scores.values, room);
                }
            }
        })
    }

    /// The rows, as they are or counted.
    fn rows<'b, W>(&'b self, counts: Option<&'b [W]>) -> Outcomes<'b, W> {
        let Data { treatment, sample_weight, .. } = self.data;
        Outcomes { treatment, outcome: &self.outcome, sample_weight, counts }
    }

    fn check_scheme(&self, resample: &Resample) -> Result<()> {
        if resample.scheme() == Scheme::Bayesian && has_matching(self.estimators) {
            let allowed = "multinomial or poisson for nearest neighbours, which are whole rows";
            return Err(Error::Argument { name: "weights", found: "bayesian".into(), allowed });
        }
        Ok(())
    }
}

fn has_matching(estimators: &[Estimator]) -> bool {
    estimators.iter().any(|estimator| matches!(estimator, Estimator::Nearest(_)))
}

fn adjustments(estimators: &[Estimator]) -> impl Iterator<Item = &AdjustmentSpec> {
    estimators.iter().filter_map(|estimator| match estimator {
        Estimator::Adjusted(spec) => Some(spec),
        _ => None,
    })
}
