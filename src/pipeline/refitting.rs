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

/// Replicates that a thread refits together, each with counts and scores of its own; more gain nothing.
const MOST_AT_A_TIME: usize = 16;

/// Rows of such replicates, all told, which bounds what they take of the memory; one is always taken.
const MOST_ROWS_AT_A_TIME: usize = 1 << 20;

/// A replicate: how often each cell (or row) was drawn, what the patterns' cells add up to, and the scores.
#[derive(Debug, Clone)]
pub(super) struct Drawn<W> {
    pub counts: Vec<W>,
    pub totals: Totals,
    pub scores: FittedScores,
}

impl<W: Count> Drawn<W> {
    pub fn new(n_counted: usize) -> Self {
        let counts = vec![W::default(); n_counted];
        Self { counts, totals: Totals::default(), scores: FittedScores::default() }
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
        let one = |Drawn { counts, totals, scores }: &mut Drawn<W>| {
            with_units!(pipeline, counts, totals, |_, units| {
                warm_start.refit(units, wants_overlap, scores, pipeline.monitor)
            })
        };
        drawn.iter_mut().map(one).collect()
    }
}

/// InBatches at a time, which read the rows together.
struct InBatches<'p, 'a, 'm> {
    pipeline: &'p Pipeline<'a, 'm>,
    warm_start: &'p WarmStart<'a>,
    batch: Batch<'p, 'a>,
    most: usize,
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
                (&drawn.counts[..], &mut drawn.scores.values)
            })
            .unzip();
        let found = self.batch.refit(&counts, wants_overlap, &mut scores, monitor);
        found.unwrap_or_else(|error| counts.iter().map(|_| Err(error.clone())).collect())
    }
}

impl<'a> Pipeline<'a, '_> {
    /// How replicates are refitted: rows of many columns several at a time.
    pub(super) fn refitter<W: Count>(&self) -> Result<Box<dyn Refitter<W> + '_>> {
        let rows = match &self.layout {
            Layout::Cells { .. } => None,
            Layout::Sorted { rows, .. } => Some(rows.once()),
            Layout::AsTheyCome => Some(self.rows(None)),
        };
        let wide = self.warm_start().filter(|warm_start| warm_start.is_wide());
        let (Some(rows), Some(warm_start)) = (rows, wide) else {
            return Ok(Box::new(OneByOne(self)));
        };
        let n = self.data.x.nrows();
        let most = (MOST_ROWS_AT_A_TIME / n).clamp(1, MOST_AT_A_TIME);
        let of_one = size_of::<W>() + size_of::<f64>();
        let shared = 2 * size_of::<f64>();
        room_for(n, shared + rayon::current_num_threads() * most * of_one)?;
        let batch = Batch::new(warm_start, rows)?;
        Ok(Box::new(InBatches { pipeline: self, warm_start, batch, most }))
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

    fn wants_overlap(&self) -> bool {
        let is_of_overlap = |spec: &IpwSpec| matches!(spec.estimand, Estimand::Ato | Estimand::Atm);
        self.estimators
            .iter()
            .any(|estimator| matches!(estimator, Estimator::Ipw(spec) if is_of_overlap(spec)))
    }
}
