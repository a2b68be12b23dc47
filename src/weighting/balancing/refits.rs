//! Weights that balance resamples, found again from where the full sample's lie.
//!
//! At the full sample's coefficients the exponentials are known, so that the first step of Newton's method costs none;
//! straightened by the dual's third derivative it leaves the cube of what a resample moved, and the next step rounding.
//! Whatever does not go like that (a level that was not drawn, weights that do not exist) is left to the method that
//! knows what it means.

use ndarray::ArrayView2;

use super::by_arm::ByArm;
use super::dual::Dual;
use super::newton::{self, Optimum};
use super::{BALANCED, BalancingSpec};
use crate::design::covariates::Covariates;
use crate::error::{Error, Result};
use crate::kernels::{
    BLOCK, Lane, ScoreEquations, Tallies, add_gradient, exponential, linear_predictor,
};
use crate::linalg::{Cholesky, RANK_TOLERANCE, largest};
use crate::monitor::Monitor;
use crate::reserve::room_for;
use crate::score::logistic::Sample;
use crate::units::tally::Units;

/// The largest gradient, over the weights, before the last step, which squares it: that leaves 1e-10 of a standard
/// deviation at most, and in most resamples 1e-12.
const TOLERANCE: f64 = 1e-5;

/// From near the optimum two or three steps do; more of them, or a longer one, have lost their way.
const MOST_STEPS: usize = 6;
const LONG: f64 = 1.0;

/// A fit of the full sample: of each dual the coefficients, on the columns of the design.
#[derive(Debug, Clone)]
pub struct Fits<'x> {
    design: Covariates<'x>,
    ridge: f64,
    each: Vec<(Dual, Vec<f64>)>,
}

/// The sums of an arm's weights, and of its weighed outcomes.
type ArmSums = [f64; 2];

/// What either arm weighs, controls first.
#[derive(Debug, Clone, Copy)]
pub struct Weighed(pub [ArmSums; 2]);

impl Weighed {
    /// The means of both arms, control first.
    ///
    /// # Errors
    /// [`Error::WeightlessArm`].
    pub fn means(&self) -> Result<[f64; 2]> {
        for (arm, [weight, _]) in ["control", "treated"].into_iter().zip(self.0) {
            if !(weight > 0.0) {
                return Err(Error::WeightlessArm { arm });
            }
        }
        Ok(self.0.map(|[weight, total]| total / weight))
    }
}

impl<'x> Fits<'x> {
    /// Fit units whose covariates are x, many of them from a sample. The penalty is that on all rows together, whatever
    /// these weigh.
    ///
    /// # Errors
    /// Those of [`super::fit_weights`].
    pub fn new<U: Units>(
        spec: &BalancingSpec,
        design: Covariates<'x>,
        x: ArrayView2<'_, f64>,
        units: &U,
        monitor: &Monitor,
    ) -> Result<Self> {
        let mut fits = Self { design, ridge: spec.penalty, each: Vec::new() };
        let rows = ByArm::of(x, units)?;
        let sample = Sample::draw(rows.x(x), &rows.rows());
        for dual in spec.duals()? {
            let beta = fits.newton(&dual, &rows, x, sample.as_ref(), monitor)?;
            fits.each.push((dual, beta));
        }
        Ok(fits)
    }

    /// Which of the columns that were asked for are left out, being collinear with earlier ones.
    #[must_use]
    pub fn dropped(&self) -> Vec<usize> {
        let mut dropped = self.design.dropped().to_vec();
        dropped.sort_unstable();
        dropped
    }

    /// The contrast that the weights of these coefficients give units whose covariates are x.
    pub fn weighed<U: Units>(&self, x: ArrayView2<'_, f64>, units: &U) -> Weighed {
        let columns = Columns::Read(self.design.with_rows(x));
        let mut sums = Weighed([[0.0; 2]; 2]);
        for (dual, beta) in &self.each {
            add_weighed(dual, beta, &columns, units, &mut sums);
        }
        sums
    }

    /// The contrast on a resample, by the method that takes every case.
    ///
    /// # Errors
    /// Those of [`super::fit_weights`].
    pub fn anew<U: Units>(
        &self,
        x: ArrayView2<'_, f64>,
        units: &U,
        monitor: &Monitor,
    ) -> Result<Weighed> {
        let rows = ByArm::of(x, units)?;
        let columns = Columns::Read(self.design.with_rows(x));
        let mut sums = Weighed([[0.0; 2]; 2]);
        for (dual, _) in &self.each {
            let beta = self.newton(dual, &rows, x, None, monitor)?;
            add_weighed(dual, &beta, &columns, units, &mut sums);
        }
        Ok(sums)
    }

    fn newton(
        &self,
        dual: &Dual,
        rows: &ByArm,
        x: ArrayView2<'_, f64>,
        sample: Option<&Sample>,
        monitor: &Monitor,
    ) -> Result<Vec<f64>> {
        let design = self.design.with_rows(rows.x(x));
        let problem = dual.over(&design, &rows.rows(), self.ridge)?;
        let mut found = newton::fit(problem, sample, monitor)?;
        if sample.is_some() && self.ridge == 0.0 {
            found = newton::finish(found, BALANCED, monitor)?;
        }
        let Optimum { beta, .. } = found;
        Ok(beta)
    }
}

/// Standardized columns of units, kept ready or read where they lie.
#[derive(Debug, Clone)]
enum Columns<'x> {
    /// Block by block, column by column.
    Ready(Vec<Lane>),
    Read(Covariates<'x>),
}

impl Columns<'_> {
    fn ready(design: &Covariates<'_>) -> Self {
        let d = design.n_columns();
        let mut lanes = vec![[0.0; BLOCK]; design.n_rows().div_ceil(BLOCK) * d];
        for (index, lanes) in lanes.chunks_mut(d.max(1)).enumerate() {
            design.load(index * BLOCK, lanes);
        }
        Self::Ready(lanes)
    }

    fn block<'a>(&'a self, index: usize, room: &'a mut [Lane]) -> &'a [Lane] {
        match self {
            Self::Ready(lanes) => &lanes[index * room.len()..(index + 1) * room.len()],
            Self::Read(design) => {
                design.load(index * BLOCK, room);
                room
            }
        }
    }
}

/// Fits of resamples of units, from those of the full sample.
#[derive(Debug)]
pub struct Refits<'x> {
    fits: Fits<'x>,
    columns: Columns<'x>,
    /// Of each dual exp(eta) at the full sample's coefficients, block by block.
    raised: Vec<Vec<Lane>>,
}

/// What a thread needs, reused from one replicate to the next.
#[derive(Debug, Default)]
pub struct Scratch {
    room: Vec<Lane>,
}

impl<'x> Refits<'x> {
    /// Ready for units whose covariates are x, which are standardized once for all; for the rows of the design, read
    /// where they lie, without.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn new(fits: Fits<'x>, x: Option<ArrayView2<'_, f64>>) -> Result<Self> {
        let n = x.map_or(fits.design.n_rows(), |x| x.nrows());
        let (n_blocks, d) = (n.div_ceil(BLOCK), fits.design.n_columns());
        let kept = if x.is_some() { d } else { 0 };
        room_for(n_blocks, size_of::<Lane>() * (kept + fits.each.len()))?;
        let columns = match x {
            Some(x) => Columns::ready(&fits.design.with_rows(x)),
            None => Columns::Read(fits.design.clone()),
        };
        let mut room = vec![[0.0; BLOCK]; d];
        let raised = fits.each.iter().map(|(_, beta)| {
            let block = |index: usize| raised(beta, columns.block(index, &mut room));
            (0..n_blocks).map(block).collect()
        });
        Ok(Self { raised: raised.collect(), fits, columns })
    }

    /// The contrast on a resample of the units; none where that is left to [`Fits::anew`].
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub fn refit<U: Units>(
        &self,
        units: &U,
        scratch: &mut Scratch,
        monitor: &Monitor,
    ) -> Result<Option<Weighed>> {
        scratch.room.resize(self.fits.design.n_columns(), [0.0; BLOCK]);
        let mut sums = Weighed([[0.0; 2]; 2]);
        for ((dual, beta), raised) in self.fits.each.iter().zip(&self.raised) {
            monitor.check()?;
            let sweep = Sweep { dual, columns: &self.columns, units, ridge: self.fits.ridge };
            let Some(found) = sweep.maximize(beta, raised, &mut scratch.room) else {
                return Ok(None);
            };
            add_weighed(dual, &found, &self.columns, units, &mut sums);
        }
        Ok(Some(sums))
    }

    /// The full sample's.
    #[must_use]
    pub fn fits(&self) -> &Fits<'x> {
        &self.fits
    }
}

/// exp(eta) of a block.
fn raised(beta: &[f64], columns: &[Lane]) -> Lane {
    let mut odds = [0.0; BLOCK];
    linear_predictor(beta, columns, &mut odds);
    exponential(&mut odds);
    odds
}

/// Add what the rows weigh whose weights a dual makes, and their weighed outcomes.
fn add_weighed<U: Units>(
    dual: &Dual,
    beta: &[f64],
    columns: &Columns<'_>,
    units: &U,
    sums: &mut Weighed,
) {
    let mut lanes = vec![[0.0; BLOCK]; beta.len() - 1];
    let mut room = Tallies::EMPTY;
    for index in 0..units.len().div_ceil(BLOCK) {
        let odds = raised(beta, columns.block(index, &mut lanes));
        let Tallies { rows, outcome } = units.block(index * BLOCK, true, &mut room);
        for (arm, sums) in sums.0.iter_mut().enumerate() {
            let own = dual.weighed(arm == 1, &rows[arm], &outcome[arm], &odds);
            if let Some([weight, total]) = own {
                sums[0] += weight;
                sums[1] += total;
            }
        }
    }
}

/// A dual over a resample.
struct Sweep<'s, 'x, U> {
    dual: &'s Dual,
    columns: &'s Columns<'x>,
    units: &'s U,
    ridge: f64,
}

/// The derivatives somewhere, and what the target weighs.
struct At {
    equations: ScoreEquations,
    total: f64,
}

impl<U: Units> Sweep<'_, '_, U> {
    /// The coefficients of a resample, from the full sample's; none where they are not found as near as they should be.
    fn maximize(&self, start: &[f64], raised: &[Lane], room: &mut [Lane]) -> Option<Vec<f64>> {
        // 1. A straightened step, without an exponential.
        let mut beta = start.to_vec();
        let at = self.at(&beta, Some(raised), room);
        let (mut step, information, mut norm) = newton_step(at)?;
        let mut bend = self.bend(&step, raised, room);
        information.solve(&mut bend);
        if largest(&bend) < largest(&step) {
            step.iter_mut().zip(bend).for_each(|(step, bend)| *step -= bend / 2.0);
        }

        // 2. Newton's method; the last step comes on top of a gradient that was small enough.
        for _ in 0..MOST_STEPS {
            beta.iter_mut().zip(&step).for_each(|(b, s)| *b += s);
            let at = self.at(&beta, None, room);
            let (next, _, smaller) = newton_step(at)?;
            step = next;
            if smaller <= TOLERANCE {
                beta.iter_mut().zip(&step).for_each(|(b, s)| *b += s);
                return Some(beta);
            }
            if !(smaller < norm / 2.0) {
                return None;
            }
            norm = smaller;
        }
        None
    }

    fn at(&self, beta: &[f64], known: Option<&[Lane]>, room: &mut [Lane]) -> At {
        let terms = beta.len();
        let mut at = At { equations: ScoreEquations::new(terms), total: 0.0 };
        let (mut tallies, [mut residual, mut spread]) = (Tallies::EMPTY, [[0.0; BLOCK]; 2]);
        for index in 0..self.units.len().div_ceil(BLOCK) {
            let columns = self.columns.block(index, room);
            let made;
            let odds = if let Some(known) = known {
                &known[index]
            } else {
                made = raised(beta, columns);
                &made
            };
            let tallies = self.units.block(index * BLOCK, false, &mut tallies);
            at.total += self.dual.target(&tallies.rows);
            self.dual.read(&tallies.rows, odds, &mut residual, &mut spread);
            at.equations.add_products(columns, &residual, &spread);
        }
        for (k, slope) in beta.iter().enumerate().skip(1) {
            at.equations.gradient[k] -= self.ridge * slope;
            at.equations.information[k * terms + k] += self.ridge;
        }
        at
    }

    /// How the information changes along a step, times the step twice.
    fn bend(&self, step: &[f64], raised: &[Lane], room: &mut [Lane]) -> Vec<f64> {
        let mut sums = vec![0.0; step.len()];
        let (mut tallies, mut change) = (Tallies::EMPTY, [0.0; BLOCK]);
        for (index, odds) in raised.iter().enumerate() {
            let columns = self.columns.block(index, room);
            linear_predictor(step, columns, &mut change);
            let tallies = self.units.block(index * BLOCK, false, &mut tallies);
            self.dual.curve(&tallies.rows, odds, &mut change);
            add_gradient(columns, &change, &mut sums);
        }
        sums
    }
}

/// The step, what it was solved with, and how large the gradient is over the weights; none where a column says nothing
/// or the step is long.
fn newton_step(At { equations, total }: At) -> Option<(Vec<f64>, Cholesky, f64)> {
    let (mut step, terms) = (equations.gradient, equations.information.len().isqrt());
    let norm = largest(&step) / total;
    let factor = Cholesky::factor(&equations.information, terms, RANK_TOLERANCE, &[]).ok()?;
    if factor.aliased().contains(&true) {
        return None;
    }
    factor.solve(&mut step);
    (largest(&step) <= LONG && norm.is_finite()).then_some((step, factor, norm))
}
