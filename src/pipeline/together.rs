//! Replicates of many columns, several at a time.

use super::{Fit, Pipeline, Scratch};
use crate::error::Result;
use crate::kernels::Lane;
use crate::resampling::bootstrap::{self, BootstrapSpec, Replicate, Replicates};
use crate::resampling::stream::Stream;
use crate::reserve::room_for;
use crate::score::logistic::{Anchor, Refit, Sweep, Together};
use crate::units::sorted_rows::SortedRows;
use crate::units::tally::Count;

/// Replicates that a thread refits together, each with counts and scores of its own; more gain nothing.
const MOST_TOGETHER: usize = 16;

/// Rows of such replicates, all told, which bounds what they take of the memory; one is always taken.
const MOST_ROWS_TOGETHER: usize = 1 << 20;

impl Pipeline<'_, '_> {
    /// As [`Self::replicates`], several at a time, which read the rows together.
    pub(super) fn replicates_together<W: Count>(
        &self,
        anchor: &Anchor<'_>,
        spec: &BootstrapSpec,
        draw: impl Fn(Stream, &mut [W]) + Sync,
    ) -> Result<Replicates> {
        let n = self.data.x.nrows();
        let most = (MOST_ROWS_TOGETHER / n).clamp(1, MOST_TOGETHER);
        let of_one = size_of::<W>() + size_of::<f64>();
        let shared = 2 * size_of::<f64>();
        room_for(n, shared + rayon::current_num_threads() * most * of_one)?;
        let sorted = self.sorted.as_ref();
        let together =
            Together::new(anchor, sorted.map_or_else(|| self.rows(None), SortedRows::once))?;
        let fresh = || vec![(vec![W::default(); n], Vec::new()); most];
        let estimate = |replicates: &mut [Replicate], (kept, scratch): &mut (Vec<_>, Scratch)| {
            let refits = self.refit_together(&together, replicates, kept, &draw);
            for ((replicate, (counts, scores)), refit) in
                replicates.iter_mut().zip(kept).zip(refits)
            {
                std::mem::swap(&mut scratch.there.scores, scores);
                scratch.there.is_inside = anchor.is_inside();
                let estimates = &mut replicate.estimates;
                // A refit that failed is an answer; one that was not made is left to Newton's method.
                let fit = refit.map(|refit| refit.map(Fit::from)).transpose();
                let done = self.run(Some(counts), fit, Sweep::Serial, scratch, estimates);
                replicate.outcome = done.and_then(|run| run.first_failure);
                std::mem::swap(&mut scratch.there.scores, scores);
            }
        };
        let width = self.estimators.len();
        let scratch = || (fresh(), Scratch::default());
        bootstrap::run_together(spec, width, most, self.monitor, scratch, estimate)
    }

    /// Draw some replicates, and refit the score to each; leaves counts and scores.
    fn refit_together<W: Count>(
        &self,
        together: &Together<'_, '_>,
        replicates: &[Replicate],
        kept: &mut [(Vec<W>, Vec<Lane>)],
        draw: impl Fn(Stream, &mut [W]),
    ) -> Vec<Result<Option<Refit>>> {
        let (mut counts, mut scores): (Vec<&mut [W]>, Vec<Vec<Lane>>) = kept
            .iter_mut()
            .take(replicates.len())
            .map(|(counts, scores)| (&mut counts[..], std::mem::take(scores)))
            .unzip();
        for (replicate, counts) in replicates.iter().zip(&mut counts) {
            draw(replicate.stream.clone(), counts);
        }
        let counts: Vec<&[W]> = counts.into_iter().map(|counts| &*counts).collect();
        let found = together.refit(&counts, self.wants_overlap(), &mut scores, self.monitor);
        kept.iter_mut().zip(scores).for_each(|((_, place), scores)| *place = scores);
        found.unwrap_or_else(|error| replicates.iter().map(|_| Err(error.clone())).collect())
    }
}
