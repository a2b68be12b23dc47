//! What can be worked out on replicates.

use super::Pipeline;
use super::estimates::Scratch;
use super::refitting::Drawn;
use crate::error::Result;
use crate::score::logistic::Refit;
use crate::units::tally::Count;

/// What is worked out on each replicate.
pub(super) trait Statistic: Sync {
    /// What a thread needs for it, reused from one replicate to the next.
    type Scratch: Default;

    /// How many numbers it is.
    fn width(&self) -> usize;

    /// Whether it looks at the scores of a replicate whose score was refitted.
    fn wants_scores(&self) -> bool;

    /// Work it out on a replicate whose score was refitted, or is left to Newton's method; NaN stays where it fails.
    fn of_drawn<W: Count>(
        &self,
        drawn: &mut Drawn<W>,
        refit: Result<Option<Refit>>,
        scratch: &mut Self::Scratch,
        found: &mut [f64],
    ) -> Result<()>;
}

/// The estimates of all estimators.
pub(super) struct Estimates<'p, 'a, 'm>(pub &'p Pipeline<'a, 'm>);

impl Statistic for Estimates<'_, '_, '_> {
    type Scratch = Scratch;

    fn width(&self) -> usize {
        self.0.estimators.len()
    }

    fn wants_scores(&self) -> bool {
        self.0.wants_scores()
    }

    fn of_drawn<W: Count>(
        &self,
        drawn: &mut Drawn<W>,
        refit: Result<Option<Refit>>,
        scratch: &mut Scratch,
        found: &mut [f64],
    ) -> Result<()> {
        scratch.n_rows = self.0.rows_drawn(&drawn.counts);
        self.0.estimate_drawn(drawn, refit, scratch, found)?.first_failure
    }
}
