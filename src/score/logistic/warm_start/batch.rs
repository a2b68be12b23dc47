//! Refits of several resamples at once: the passes over the columns, which take most of the time, serve all of
//! them.
//!
//! The information is the full sample's. A resample's own differs from it by a share of about
//! 2 sqrt(d / n), so that the first step leaves that share of the gradient; later ones look for the least gradient
//! among all combinations of those before (`anderson`), as the method of conjugate gradients does, and leave
//! about half that share each. With 50,000 rows five or six passes do, whether d is 4 or 100; all but the last
//! two are in single precision.

use super::anderson::Anderson;
use super::{MOST_PASSES, Refit, WarmStart, penalized, total_weight};
use crate::error::Result;
use crate::kernels::{
    AtStart, BLOCK, LONGEST_MOVE, Lane, Member, ResampledRows, batch_at_full_fit, batch_at_step,
    batch_in_single, padded,
};
use crate::linalg::{Cholesky, RANK_TOLERANCE, add, largest};
use crate::monitor::Monitor;
use crate::units::tally::{Count, Outcomes};

/// A gradient, a row, after which the next is looked at in double precision: the rounding of single precision,
/// 1e-9 on 50,000 rows, is to stay below that next one, which is smaller by a factor of 10 to 30.
const SINGLE_WILL_DO: f64 = 2e-7;

/// With fewer terms the passes of one resample by itself take less time: there are fewer, for its own information
/// and two further derivatives of the full sample's are at hand.
pub const FEWEST_TERMS: usize = 8;

/// Refits of rows that go through the passes together.
#[derive(Debug)]
pub struct Batch<'p, 'a> {
    start: &'p WarmStart<'a>,
    /// The inverse of the full sample's penalized information, row-major.
    inverse: Vec<f64>,
    /// 1 where a row is treated, else 0; padded with zeros, as is the outcome.
    treated: Vec<Lane>,
    outcome: Vec<Lane>,
    sample_weight: Option<&'p [f64]>,
}

/// The search for one resample's optimum.
struct Search {
    resample: usize,
    totals: [[f64; 2]; 2],
    total: f64,
    step: Vec<f64>,
    /// Whether the next gradient is to be taken in double precision.
    in_double: bool,
    mixing: Anderson,
}

impl<'p, 'a> Batch<'p, 'a> {
    /// `rows` are those of the full sample.
    ///
    /// # Errors
    /// [`crate::error::Error::Overflow`].
    pub fn new(start: &'p WarmStart<'a>, rows: Outcomes<'p>) -> Result<Self> {
        let information = penalized(&start.information, &start.ridge);
        let terms = start.beta.len();
        let factor = Cholesky::factor(&information, terms, RANK_TOLERANCE, &start.aliased)?;
        let treated = rows.treatment.iter().map(|treated| f64::from(u8::from(*treated)));
        Ok(Self {
            start,
            inverse: factor.inverse(),
            treated: padded(treated),
            outcome: padded(rows.outcome.iter().copied()),
            sample_weight: rows.sample_weight,
        })
    }

    /// As [`WarmStart::refit`], for rows counted in several ways; leaves the scores of each where they are wanted.
    ///
    /// # Errors
    /// [`crate::error::Error::Stopped`].
    pub fn refit<W: Count>(
        &self,
        counts: &[&[W]],
        wants_overlap: bool,
        scores: &mut [Option<&mut Vec<Lane>>],
        monitor: &Monitor,
    ) -> Result<Vec<Result<Option<Refit>>>> {
        let Self { start, treated, outcome, sample_weight, .. } = self;
        let rows = ResampledRows { treated, outcome, sample_weight: *sample_weight, counts };
        for scores in scores.iter_mut().flatten() {
            scores.resize(start.scores.len(), [0.0; BLOCK]);
        }

        // 1. The gradients at the full sample's fit, and the first steps.
        let mut found: Vec<Result<Option<Refit>>> = counts.iter().map(|_| Ok(None)).collect();
        let begun = batch_at_full_fit(&start.columns, &rows, start.beta.len() - 1, &start.scores);
        let mut searches = self.begin(begun, &mut found);

        for _ in 0..MOST_PASSES {
            monitor.check()?;
            let (double, single): (Vec<Search>, _) =
                searches.into_iter().partition(|search| search.in_double);
            searches = Vec::new();

            // 2. In single precision while a gradient is large: the next steps.
            if !single.is_empty() {
                let members = members(&single, scores);
                let passed = batch_in_single(&start.columns, &rows, &members, &start.scores);
                for (search, at) in single.into_iter().zip(passed) {
                    let rest = start.penalized_gradient(at.gradient, &search.step);
                    searches.extend(self.next(search, rest, at.longest_move));
                }
            }

            // 3. In double precision: done where the gradient vanishes, with scores and sums.
            if !double.is_empty() {
                let members = &mut members(&double, scores);
                let passed =
                    batch_at_step(&start.columns, &rows, members, &start.odds[0], wants_overlap);
                for (search, at) in double.into_iter().zip(passed) {
                    let rest = start.penalized_gradient(at.gradient, &search.step);
                    if self.is_done(&search, &rest, at.longest_move) {
                        let (beta, totals) = (start.moved(&search.step), search.totals);
                        found[search.resample] = Ok(Some(Refit { beta, totals, sums: at.sums }));
                    } else {
                        searches.extend(self.next(search, rest, at.longest_move));
                    }
                }
            }
            if searches.is_empty() {
                break;
            }
        }
        monitor.check()?;
        Ok(found)
    }

    /// The searches with their first steps; what else there is to say of a resample goes to `found`.
    fn begin(&self, begun: Vec<AtStart>, found: &mut [Result<Option<Refit>>]) -> Vec<Search> {
        let mut searches = Vec::new();
        for (resample, at_start) in begun.into_iter().enumerate() {
            match self.begin_one(resample, at_start) {
                Ok(search) => searches.extend(search),
                Err(error) => found[resample] = Err(error),
            }
        }
        searches
    }

    /// A search with its first step, where the arms are there and not nearly separated.
    fn begin_one(&self, resample: usize, at: AtStart) -> Result<Option<Search>> {
        let AtStart { gradient, variance, totals } = at;
        let total = total_weight(totals.map(|[rows, _]| rows), variance)?;
        let Some(total) = total.filter(|_| self.start.is_inside) else { return Ok(None) };
        let (step, mixing) = (vec![0.0; self.start.beta.len()], Anderson::default());
        let rest = self.start.penalized_gradient(gradient, &step);
        let search = Search { resample, totals, total, step, in_double: false, mixing };
        Ok(self.next(search, rest, 0.0))
    }

    fn is_done(&self, search: &Search, rest: &[f64], longest_move: f64) -> bool {
        let wanted = self.start.spec.tolerance * search.total;
        largest(rest) <= wanted && longest_move <= LONGEST_MOVE
    }

    /// A search after its next step, unless the last one went too far: then it is left to Newton's method.
    fn next(&self, mut search: Search, rest: Vec<f64>, longest_move: f64) -> Option<Search> {
        let norm = largest(&rest);
        if !(longest_move <= LONGEST_MOVE && norm.is_finite()) {
            return None;
        }
        search.in_double = norm <= SINGLE_WILL_DO * search.total;
        let newton = self.newton_step(&rest, search.total);
        add(&mut search.step, 1.0, &search.mixing.change(rest, newton));
        Some(search)
    }

    /// Newton's step with the full sample's information, scaled to a resample's weight.
    fn newton_step(&self, gradient: &[f64], total: f64) -> Vec<f64> {
        let ratio = self.start.total / total;
        let mut step = vec![0.0; gradient.len()];
        for (row, g) in self.inverse.chunks_exact(gradient.len()).zip(gradient) {
            add(&mut step, ratio * g, row);
        }
        step
    }
}

fn members<'m>(
    searches: &'m [Search],
    scores: &'m mut [Option<&mut Vec<Lane>>],
) -> Vec<Member<'m>> {
    let mut scores: Vec<Option<&mut [Lane]>> =
        scores.iter_mut().map(|own| own.as_mut().map(|scores| &mut scores[..])).collect();
    let member = |Search { resample, step, .. }: &'m Search| {
        let scores = scores[*resample].take();
        Member { resample: *resample, step, scores }
    };
    searches.iter().map(member).collect()
}

#[cfg(test)]
mod tests;
