//! Refits of several resamples at once: the passes over the columns, which take most of the time, serve all of
//! them.
//!
//! The information is the full sample's. A resample's own differs from it by a share of about
//! 2 sqrt(d / n), so that the first step leaves that share of the gradient; later ones look for the least gradient
//! among all combinations of those before (Anderson 1965), as the method of conjugate gradients does, and leave
//! about half that share each. With 50,000 rows five or six passes do, whether d is 4 or 100; all but the last
//! two are in single precision.

use super::{Anchor, MOST_PASSES, NEARLY_SEPARATED, Refit, penalized};
use crate::error::{Error, Result};
use crate::kernels::{
    BLOCK, Beginning, Lane, Member, NearAnchor, REACH, ResampledRows, begin_together,
    near_together, padded, rough_together,
};
use crate::linalg::{Cholesky, NotFinite, RANK_TOLERANCE, add, dot, largest};
use crate::monitor::Monitor;
use crate::units::tally::{Count, Outcomes};

/// A gradient, a row, after which the next is looked at in double precision: the rounding of single precision,
/// 1e-9 on 50,000 rows, is to stay below that next one, which is smaller by a factor of 10 to 30.
const FAR: f64 = 2e-7;

/// Falls of the gradient that later ones explain but for this share of their squares tell nothing new.
const EXPLAINED: f64 = 1e-8;

/// With fewer terms the passes of one resample by itself take less time: there are fewer, for its own information
/// and two further derivatives of the full sample's are at hand.
pub const FEWEST_TERMS: usize = 8;

/// Refits of rows that go through the passes together.
#[derive(Debug)]
pub struct Together<'p, 'a> {
    anchor: &'p Anchor<'a>,
    /// The inverse of the full sample's penalized information, row-major.
    inverse: Vec<f64>,
    /// 1 where a row is treated, else 0; padded with zeros, as is the outcome.
    treated: Vec<Lane>,
    outcome: Vec<Lane>,
    sample_weight: Option<&'p [f64]>,
}

/// How far a refit is.
struct Course {
    resample: usize,
    totals: [[f64; 2]; 2],
    total: f64,
    step: Vec<f64>,
    /// Whether the next gradient is to be taken in double precision.
    is_near: bool,
    combinations: Combinations,
}

/// What becomes of a refit after a pass; nothing where it is left to Newton's method.
enum Outcome {
    Going(Course),
    Done(Option<Refit>),
}

impl<'p, 'a> Together<'p, 'a> {
    /// `rows` are the anchor's.
    ///
    /// # Errors
    /// [`Error::Overflow`].
    pub fn new(anchor: &'p Anchor<'a>, rows: Outcomes<'p>) -> Result<Self> {
        let information = penalized(&anchor.information, &anchor.ridge);
        let terms = anchor.beta.len();
        let factor = Cholesky::factor(&information, terms, RANK_TOLERANCE, &anchor.aliased)?;
        let treated = rows.treatment.iter().map(|treated| f64::from(u8::from(*treated)));
        Ok(Self {
            anchor,
            inverse: factor.inverse(),
            treated: padded(treated),
            outcome: padded(rows.outcome.iter().copied()),
            sample_weight: rows.sample_weight,
        })
    }

    /// As [`Anchor::refit`], for rows counted in several ways; leaves the scores of each.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub fn refit<W: Count>(
        &self,
        counts: &[&[W]],
        wants_overlap: bool,
        scores: &mut [&mut Vec<Lane>],
        monitor: &Monitor,
    ) -> Result<Vec<Result<Option<Refit>>>> {
        // 1. The gradients at the anchor, and the first steps.
        let Self { anchor, treated, outcome, sample_weight, .. } = self;
        let rows = ResampledRows { treated, outcome, sample_weight: *sample_weight, counts };
        let begun = begin_together(&anchor.columns, &rows, anchor.beta.len() - 1, &anchor.scores);
        monitor.check()?;
        let mut found: Vec<Result<Option<Refit>>> = counts.iter().map(|_| Ok(None)).collect();
        let mut going = Vec::new();
        for (resample, beginning) in begun.into_iter().enumerate() {
            match self.set_out(resample, beginning) {
                Ok(course) => going.extend(course),
                Err(error) => found[resample] = Err(error),
            }
        }
        for scores in scores.iter_mut() {
            scores.resize(anchor.scores.len(), [0.0; BLOCK]);
        }

        // 2. Steps until all gradients vanish.
        for _ in 0..MOST_PASSES {
            let (near, far): (Vec<Course>, _) = going.into_iter().partition(|one| one.is_near);
            going = Vec::new();
            if !far.is_empty() {
                let passed =
                    rough_together(&anchor.columns, &rows, &members(&far, scores), &anchor.scores);
                let passed = far.into_iter().zip(passed);
                going.extend(passed.filter_map(|(course, rough)| {
                    self.go_on(course, rough.gradient, rough.farthest)
                }));
                monitor.check()?;
            }
            if !near.is_empty() {
                let members = &mut members(&near, scores);
                let passed =
                    near_together(&anchor.columns, &rows, members, &anchor.odds[0], wants_overlap);
                for (course, passed) in near.into_iter().zip(passed) {
                    let resample = course.resample;
                    match self.arrive(course, passed) {
                        Outcome::Going(course) => going.push(course),
                        Outcome::Done(refit) => found[resample] = Ok(refit),
                    }
                }
                monitor.check()?;
            }
            if going.is_empty() {
                break;
            }
        }
        Ok(found)
    }

    /// The first step, where the arms are there and not nearly separated.
    fn set_out(&self, resample: usize, beginning: Beginning) -> Result<Option<Course>> {
        let Beginning { gradient, spread, totals } = beginning;
        let [control, treated] = totals.map(|[rows, _]| rows);
        if treated <= 0.0 || control <= 0.0 {
            let arm = if treated <= 0.0 { "treated" } else { "control" };
            return Err(Error::WeightlessArm { arm });
        }
        let total = control + treated;
        if !self.anchor.is_inside || spread < NEARLY_SEPARATED * treated * control / total {
            return Ok(None);
        }
        let (step, combinations) = (vec![0.0; self.anchor.beta.len()], Combinations::default());
        let course = Course { resample, totals, total, step, is_near: false, combinations };
        Ok(self.go_on(course, gradient, 0.0))
    }

    /// The next step, unless the last one went too far.
    fn go_on(&self, mut course: Course, gradient: Vec<f64>, farthest: f64) -> Option<Course> {
        let rest = self.anchor.penalized_gradient(gradient, &course.step);
        let norm = largest(&rest);
        if !(farthest <= REACH && norm.is_finite()) {
            return None;
        }
        course.is_near = norm <= FAR * course.total;
        let newton = self.newton_step(&rest, course.total);
        course.combinations.change(&mut course.step, rest, newton);
        Some(course)
    }

    /// The refit, where the gradient vanishes.
    fn arrive(&self, course: Course, near: NearAnchor) -> Outcome {
        let rest = self.anchor.penalized_gradient(near.gradient.clone(), &course.step);
        let vanishes = largest(&rest) <= self.anchor.spec.tolerance * course.total;
        if vanishes && near.farthest <= REACH {
            let beta = self.anchor.beta.iter().zip(&course.step).map(|(b, s)| b + s).collect();
            let refit = Refit { beta, totals: course.totals, sums: near.sums };
            return Outcome::Done(Some(refit));
        }
        self.go_on(course, near.gradient, near.farthest).map_or(Outcome::Done(None), Outcome::Going)
    }

    /// Newton's step with the full sample's information, scaled to a resample's weight.
    fn newton_step(&self, gradient: &[f64], total: f64) -> Vec<f64> {
        let ratio = self.anchor.total / total;
        let mut step = vec![0.0; gradient.len()];
        for (row, g) in self.inverse.chunks_exact(gradient.len()).zip(gradient) {
            add(&mut step, ratio * g, row);
        }
        step
    }
}

fn members<'m>(courses: &'m [Course], scores: &'m mut [&mut Vec<Lane>]) -> Vec<Member<'m>> {
    let mut scores: Vec<&mut [Lane]> = scores.iter_mut().map(|scores| &mut scores[..]).collect();
    let member = |Course { resample, step, .. }: &'m Course| {
        let scores = std::mem::take(&mut scores[*resample]);
        Member { resample: *resample, step, scores }
    };
    courses.iter().map(member).collect()
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// A search among the combinations of all steps so far for the one that leaves the least gradient, measured by the
/// full sample's information, on top of which comes the step that this information makes of what is left (Anderson
/// 1965; Walker and Ni 2011, SIAM Journal on Numerical Analysis 49:1715).
#[derive(Debug, Default)]
struct Combinations {
    past: Vec<Change>,
    last: Option<Change>,
}

/// A change of the coefficients, and what it took off the gradient and off the step made of that. The last
/// change has what these were before it.
#[derive(Debug)]
struct Change {
    step: Vec<f64>,
    gradient: Vec<f64>,
    newton: Vec<f64>,
}

impl Combinations {
    /// Change `step`, at which the gradient is `gradient` and the full sample's step `newton`.
    fn change(&mut self, step: &mut [f64], gradient: Vec<f64>, newton: Vec<f64>) {
        if let Some(Change { step, gradient: before, newton: newton_before }) = self.last.take() {
            let fall = difference(&before, &gradient);
            let newton = difference(&newton_before, &newton);
            self.past.push(Change { step, gradient: fall, newton });
        }
        let mut next = newton.clone();
        for (share, past) in self.shares(&gradient).into_iter().zip(self.past.iter().rev()) {
            add(&mut next, share, &past.step);
            add(&mut next, -share, &past.newton);
        }
        add(step, 1.0, &next);
        self.last = Some(Change { step: next, gradient, newton });
    }

    /// How much of each fall to take off the gradient, the latest first: it is from nearest by, and earlier ones
    /// that it explains, being as many as there are terms or more, are left out.
    fn shares(&self, gradient: &[f64]) -> Vec<f64> {
        let latest = || self.past.iter().rev();
        let product = |a: &Change, b: &Change| dot(&a.newton, &b.gradient); // symmetric but for rounding
        let products: Vec<f64> =
            latest().flat_map(|a| latest().map(move |b| product(a, b))).collect();
        let mut shares: Vec<f64> = latest().map(|past| dot(&past.newton, gradient)).collect();
        match Cholesky::factor(&products, self.past.len(), EXPLAINED, &[]) {
            Ok(factor) => factor.solve(&mut shares),
            // The next gradient is no number either, and then the search ends.
            Err(NotFinite) => shares.fill(0.0),
        }
        shares
    }
}

#[cfg(test)]
mod tests {
    use super::super::Columns;
    use super::super::tests::{rows, world};
    use super::*;
    use crate::design::covariates::Covariates;
    use crate::kernels::{ArmSums, Whereabouts};
    use crate::resampling::stream::Stream;
    use crate::resampling::urn::Urn;
    use crate::score::logistic::{Likelihood, LogisticSpec, Sweep, maximize, standardized_penalty};

    /// Counts of rows in `many` resamples.
    fn draws(n: usize, many: usize) -> Vec<Vec<u32>> {
        let urn = Urn::of_rows(n, true);
        let mut counts = vec![vec![0; n]; many];
        for (replicate, counts) in counts.iter_mut().enumerate() {
            urn.draw(&mut Stream::new(3, replicate), counts);
        }
        counts
    }

    fn refits(together: &Together<'_, '_>, counts: &[Vec<u32>]) -> Vec<(Option<Refit>, Vec<Lane>)> {
        let counts: Vec<&[u32]> = counts.iter().map(|counts| &counts[..]).collect();
        let mut scores = vec![Vec::new(); counts.len()];
        let mut places: Vec<&mut Vec<Lane>> = scores.iter_mut().collect();
        let found = together.refit(&counts, true, &mut places, &Monitor::default()).unwrap();
        found.into_iter().map(Result::unwrap).zip(scores).collect()
    }

    #[test]
    fn refits_together_are_those_of_newtons_method() {
        for (d, penalty, n) in [(1, 0.0, 2500), (4, 3.0, 2500), (13, 0.0, 3000), (45, 1.0, 6000)] {
            let (x, treatment, outcome) = world(n, d);
            let covariates = Covariates::standardized(x.view()).unwrap();
            let (monitor, spec) = (Monitor::default(), LogisticSpec::default());
            let newton = |units: &Outcomes<'_, u32>| {
                let likelihood =
                    Likelihood::new(&covariates, units, penalty, Sweep::Serial).unwrap();
                maximize(&likelihood, None, &spec, &monitor).unwrap().beta
            };
            let full = rows(&treatment, &outcome, None);
            let ridge = standardized_penalty(&covariates, penalty);
            let read = Columns::Read(covariates.clone());
            let anchors = [Columns::ready(&covariates), read].map(|columns| {
                Anchor::new(columns, &full, newton(&full), ridge.clone(), spec, &monitor).unwrap()
            });
            let counts = draws(n, 6);
            let found =
                anchors.each_ref().map(|a| refits(&Together::new(a, full).unwrap(), &counts));
            for (counts, [(kept, scores), (read, _)]) in
                counts.iter().zip(found[0].iter().zip(&found[1]).map(|(a, b)| [a, b]))
            {
                let (kept, read) = (kept.as_ref().unwrap(), read.as_ref().unwrap());
                assert_eq!(kept.beta, read.beta);
                let units = rows(&treatment, &outcome, Some(counts));
                let expected = newton(&units);
                for (a, b) in expected.iter().zip(&kept.beta) {
                    assert!((a - b).abs() < 1e-8, "{d}: {a} {b}");
                }
                let probabilities = covariates.probabilities(&expected);
                for (a, b) in probabilities.iter().zip(scores.as_flattened()) {
                    assert!((a - b).abs() < 1e-8);
                }
                let mut there = Whereabouts::default();
                let alone = anchors[0].refit(&units, true, &mut there, &monitor).unwrap().unwrap();
                for arm in 0..2 {
                    let [a, b] = [&alone, kept].map(|refit| {
                        let ArmSums { odds, overlap, smaller } = refit.sums[arm];
                        [odds, overlap, smaller, refit.totals[arm]].concat()
                    });
                    for (a, b) in a.iter().zip(&b) {
                        assert!((a - b).abs() < 1e-7 * a, "{d}: {a} {b}");
                    }
                }
            }
        }
    }

    #[test]
    fn refits_are_the_same_in_any_company() {
        let (x, treatment, outcome) = world(2300, 11);
        let covariates = Covariates::standardized(x.view()).unwrap();
        let full = rows(&treatment, &outcome, None);
        let (monitor, spec) = (Monitor::default(), LogisticSpec::default());
        let likelihood = Likelihood::new(&covariates, &full, 0.0, Sweep::Serial).unwrap();
        let beta = maximize(&likelihood, None, &spec, &monitor).unwrap().beta;
        let ready = Columns::ready(&covariates);
        let anchor = Anchor::new(ready, &full, beta, vec![0.0; 12], spec, &monitor).unwrap();
        let (together, counts) = (Together::new(&anchor, full).unwrap(), draws(2300, 13));
        let alone: Vec<_> = counts.chunks(1).flat_map(|one| refits(&together, one)).collect();
        for company in 2..=13 {
            let found = counts.chunks(company).flat_map(|some| refits(&together, some));
            for ((a, scores), (b, expected)) in found.zip(&alone) {
                let (a, b) = (a.unwrap(), b.as_ref().unwrap());
                assert_eq!((a.beta, a.sums, a.totals), (b.beta.clone(), b.sums, b.totals));
                assert_eq!(&scores, expected);
            }
        }
    }

    #[test]
    fn separated_and_empty_resamples_do_not_disturb_the_others() {
        let (x, treatment, outcome) = world(2000, 2);
        let covariates = Covariates::standardized(x.view()).unwrap();
        let full = rows(&treatment, &outcome, None);
        let (monitor, spec) = (Monitor::default(), LogisticSpec::default());
        let likelihood = Likelihood::new(&covariates, &full, 0.0, Sweep::Serial).unwrap();
        let beta = maximize(&likelihood, None, &spec, &monitor).unwrap().beta;
        let ready = Columns::ready(&covariates);
        let anchor = Anchor::new(ready, &full, beta, vec![0.0; 3], spec, &monitor).unwrap();
        let together = Together::new(&anchor, full).unwrap();
        let of_rows = |keep: &dyn Fn(usize) -> bool| -> Vec<u32> {
            (0..2000).map(|row| u32::from(keep(row))).collect()
        };
        let separated = of_rows(&|row| treatment[row] == (x[(row, 0)] > 0.0));
        let no_controls = of_rows(&|row| treatment[row]);
        let drawn = draws(2000, 1).swap_remove(0);
        let counts = [&separated[..], &drawn, &no_controls];
        let mut scores = vec![Vec::new(); 3];
        let mut places: Vec<&mut Vec<Lane>> = scores.iter_mut().collect();
        let found = together.refit(&counts, false, &mut places, &monitor).unwrap();
        assert!(matches!(found[0], Ok(None)));
        assert_eq!(found[2].as_ref().unwrap_err(), &Error::WeightlessArm { arm: "control" });
        let (alone, _) = refits(&together, std::slice::from_ref(&drawn)).swap_remove(0);
        assert_eq!(found[1].as_ref().unwrap().as_ref().unwrap().beta, alone.unwrap().beta);
    }
}
