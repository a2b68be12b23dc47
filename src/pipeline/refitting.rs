//! Replicates that were drawn, and how the score is refitted to them: one by one or several at a time from the full
//! sample's fit, and by Newton's method where that does not serve.

use super::layout::with_units;
use super::{Estimator, Layout, Pipeline};
use crate::error::Result;
use crate::kernels::FittedScores;
use crate::reserve::room_for;
use crate::score::logistic::{Batch, Refit, WarmStart};
use crate::units::tally::{Count, Totals};
use crate::weighting::estimand::Estimand;
use crate::weighting::ipw::IpwSpec;

/// Replicates that a thread refits together, each with counts of its own, and scores where estimators want them; more
/// gain nothing.
const MOST_AT_A_TIME: usize = 16;

/// The memory of a batch of replicates: so many bytes a row of the data, or `BYTES` if that is more. A batch holds at
/// least one replicate.
const BYTES_A_ROW: usize = 16;
const BYTES: usize = 9 << 20;

/// A replicate: how often each cell (or row) was drawn, what the patterns' cells add up to, and the scores.
#[derive(Debug, Clone)]
pub(super) struct Drawn<W> {
    pub counts: Vec<W>,
    pub totals: Totals,
    pub scores: FittedScores,
    /// Whether scores are wanted, and a refit leaves none: they are to be made from its coefficients.
    pub lacks_scores: bool,
}

impl<W: Count> Drawn<W> {
    pub fn new(n_counted: usize) -> Self {
        let counts = vec![W::default(); n_counted];
        Self {
            counts,
            totals: Totals::default(),
            scores: FittedScores::default(),
            lacks_scores: false,
        }
    }
}

/// A way to refit the score to replicates.
pub(super) trait Refitter<W>: Sync {
    /// How many replicates it takes at a time, at most.
    fn at_a_time(&self) -> usize;

    /// Refit the score to each, and leave the scores; none where that is left to Newton's method.
    fn refit(&self, drawn: &mut [Drawn<W>]) -> Vec<Result<Option<Refit>>>;
}

/// Each by itself, where there is something to start from.
pub(super) struct OneByOne<'p, 'a, 'm>(pub &'p Pipeline<'a, 'm>);

impl<W: Count> Refitter<W> for OneByOne<'_, '_, '_> {
    fn at_a_time(&self) -> usize {
        1
    }

    fn refit(&self, drawn: &mut [Drawn<W>]) -> Vec<Result<Option<Refit>>> {
        let Self(pipeline) = self;
        let Some(warm_start) = pipeline.warm_start() else {
            return drawn.iter().map(|_| Ok(None)).collect();
        };
        let wants_overlap = pipeline.wants_overlap();
        let one = |Drawn { counts, totals, scores, .. }: &mut Drawn<W>| {
            with_units!(pipeline, counts, totals, |_, units| {
                warm_start.refit(units, wants_overlap, scores, pipeline.monitor)
            })
        };
        drawn.iter_mut().map(one).collect()
    }
}

/// Several at a time, which read the rows together.
struct InBatches<'p, 'a, 'm> {
    pipeline: &'p Pipeline<'a, 'm>,
    warm_start: &'p WarmStart<'a>,
    batch: Batch<'p, 'a>,
    most: usize,
    leaves_scores: bool,
    lacks_scores: bool,
}

impl<W: Count> Refitter<W> for InBatches<'_, '_, '_> {
    fn at_a_time(&self) -> usize {
        self.most
    }

    fn refit(&self, drawn: &mut [Drawn<W>]) -> Vec<Result<Option<Refit>>> {
        let (wants_overlap, monitor) = (self.pipeline.wants_overlap(), self.pipeline.monitor);
        let (counts, mut scores): (Vec<&[W]>, Vec<_>) = drawn
            .iter_mut()
            .map(|drawn| {
                drawn.scores.are_inside = self.warm_start.is_inside();
                drawn.lacks_scores = self.lacks_scores;
                (&drawn.counts[..], self.leaves_scores.then_some(&mut drawn.scores.values))
            })
            .unzip();
        let found = self.batch.refit(&counts, wants_overlap, &mut scores, monitor);
        found.unwrap_or_else(|error| counts.iter().map(|_| Err(error.clone())).collect())
    }
}

impl<'a> Pipeline<'a, '_> {
    /// How replicates are refitted: rows of many columns several at a time, which leaves their scores only if wanted. Those
    /// of many rows are made one replicate at a time: a pass more, in place of memory for them all.
    pub(super) fn refitter<W: Count>(
        &self,
        wants_scores: bool,
    ) -> Result<Box<dyn Refitter<W> + '_>> {
        let rows = match &self.layout {
            Layout::Cells { .. } => None,
            Layout::Sorted { rows, .. } => Some(rows.once()),
            Layout::AsTheyCome(_) => Some(self.rows(None)),
        };
        // Of many rows the columns come from far away in the memory, however few they are.
        let is_far = matches!(self.layout, Layout::AsTheyCome(_));
        let wide = self.warm_start().filter(|warm_start| warm_start.is_wide() || is_far);
        let (Some(rows), Some(warm_start)) = (rows, wide) else {
            return Ok(Box::new(OneByOne(self)));
        };
        let n = self.data.x.nrows();
        let leaves_scores = wants_scores && !is_far;
        let of_one = size_of::<W>() + if leaves_scores { size_of::<f64>() } else { 0 };
        let most = (BYTES.max(BYTES_A_ROW * n) / (of_one * n)).clamp(1, MOST_AT_A_TIME);
        let (shared, a_thread) = (2 * size_of::<f64>(), size_of::<f64>() + most * of_one);
        room_for(n, shared + rayon::current_num_threads() * a_thread)?;
        let batch = Batch::new(warm_start, rows)?;
        let lacks_scores = wants_scores && is_far;
        Ok(Box::new(InBatches {
            pipeline: self,
            warm_start,
            batch,
            most,
            leaves_scores,
            lacks_scores,
        }))
    }

    pub(super) fn warm_start(&self) -> Option<&WarmStart<'a>> {
        self.score.as_ref().and_then(|score| score.warm_start.as_ref())
    }

    /// The full sample's coefficients; none without a score.
    pub(super) fn beta(&self) -> &[f64] {
        self.score.as_ref().map_or(&[], |score| &score.beta)
    }

    /// Add up the cells of a replicate that was counted.
    pub(super) fn add_up<W: Count>(&self, drawn: &mut Drawn<W>) {
        if let Layout::Cells { cells, .. } = &self.layout {
            cells.total(&drawn.counts, &mut drawn.totals);
        }
    }

    /// Whether estimators look at the scores of rows, where a refit has left what weights are made of.
    pub(super) fn wants_scores(&self) -> bool {
        self.estimators.iter().any(|estimator| match estimator {
            Estimator::Ipw(spec) => spec.truncate.is_some(),
            Estimator::Balanced { .. } => false,
            Estimator::Nearest(spec) => self.bands(spec.quantity).is_none(),
            Estimator::Adjusted(_) => true,
        })
    }

    fn wants_overlap(&self) -> bool {
        let is_of_overlap = |spec: &IpwSpec| matches!(spec.estimand, Estimand::Ato | Estimand::Atm);
        self.estimators
            .iter()
            .any(|estimator| matches!(estimator, Estimator::Ipw(spec) if is_of_overlap(spec)))
    }
}
