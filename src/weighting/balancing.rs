//! Weights that balance the means of terms exactly, found as such: entropy balancing (Hainmueller 2012), the
//! covariate balancing propensity score (Imai and Ratkovic 2014) and inverse probability tilting (Graham, Pinto and
//! Egel 2012).
//!
//! They are one family (Zhao 2019). With z a row's terms and the constant, s its sample weight and eta = z'b, each of
//! them maximises a concave sum over rows, the dual,
//!
//! ```text
//! sum of s { c eta - r exp(g eta) } - ridge / 2 |slopes|^2
//! ```
//!
//! where c, r (0 or 1) and g (1 or -1) hang on the row's arm alone. Its derivative says that sums of e z are zero, with
//! e = s { c - g r exp(g eta) }: the terms are balanced. A row weighs s { a + r exp(g eta) }:
//!
//! | fit | arm | c | r | g | a |
//! |---|---|---|---|---|---|
//! | ATT (ATC mirrored), any method | controls | 0 | 1 | 1 | 0 |
//! | | treated | 1 | 0 | | 1 |
//! | ATE, entropy: an arm to everybody | own | 1 | 1 | 1 | 0 |
//! | | other | 1 | 0 | | |
//! | ATE, tilting: an arm to everybody | own | 0 | 1 | 1 | 1 |
//! | | other | 1 | 0 | | |
//! | ATE, one score for both arms (CBPS) | treated | 1 | 1 | -1 | 1 |
//! | | controls | -1 | 1 | 1 | 1 |
//!
//! The ridge is a penalty per standard deviation of a term: it leaves that much imbalance, and always has a solution.

mod by_arm;
mod dual;
mod effect;
mod newton;
mod refits;

use ndarray::ArrayView2;

use crate::checks;
use crate::design::covariates::Covariates;
use crate::error::{Error, Result};
use crate::linalg::{dot, largest};
use crate::monitor::Monitor;
use crate::score::logistic::Sample;
use crate::score::spec::penalty_on;
use crate::units::tally::Rows;
use crate::weighting::estimand::Estimand;
use crate::weighting::influence::sum_by_row;

use dual::{Dual, Role};
pub use effect::{BalancedEffect, balanced_effect, effect_of_rows};
use newton::Optimum;
pub use refits::{Fits, Refits, Scratch, Weighed};

/// Balanced when no mean, in standard deviations, is off by more.
const BALANCED: f64 = 1e-10;

/// How an ATE's weights are made; those of an ATT or ATC are the same by all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Balancing {
    /// Each arm to everybody, by weights as even as can be in the sense of entropy.
    Entropy,
    /// Both arms to each other, by the weights of one score.
    Cbps,
    /// Each arm to everybody, by the weights of a score of its own, which are never below 1.
    Tilting,
}

/// What weights are for, and how they are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BalancingSpec {
    pub estimand: Estimand,
    pub method: Balancing,
    /// Per standard deviation of a term, for rows that weigh one on average; 0 balances exactly.
    pub penalty: f64,
}

/// Balancing weights of n rows, for d terms.
#[derive(Debug, Clone)]
pub struct BalancingFit {
    /// n: the balancing weight times the sample weight.
    pub weights: Vec<f64>,
    /// Kish's effective sample size, of the controls first.
    pub ess: [f64; 2],
    /// Those of eta, by fit.
    pub coefficients: Vec<FitCoefficients>,
    /// d: how far the worse of both arms' means is from what it is to be (with one score, the arms' means from each
    /// other), in standard deviations of the term over all rows.
    pub imbalance: Vec<f64>,
    /// Terms that earlier ones explain.
    pub dropped: Vec<usize>,
    /// Newton steps over all rows, of the fit with the most.
    pub iterations: usize,
}

/// What one fit's linear predictor is made of.
#[derive(Debug, Clone)]
pub struct FitCoefficients {
    /// The arm whose weights it makes; `None` where it makes those of both.
    pub arm: Option<bool>,
    /// d + 1, intercept first, on the caller's scale; 0 for terms that were dropped.
    pub values: Vec<f64>,
}

impl BalancingSpec {
    /// # Errors
    /// [`Error::Argument`].
    pub fn check(&self) -> Result<()> {
        checks::penalty(self.penalty)?;
        self.duals().map(|_| ())
    }

    /// The fits that it takes.
    fn duals(&self) -> Result<Vec<Dual>> {
        let one_arm = |arm: bool| Dual::of_arm(arm, Role::MOVED, Role::TARGET);
        Ok(match (self.estimand, self.method) {
            (Estimand::Att, _) => vec![one_arm(false).with_target_weighed()],
            (Estimand::Atc, _) => vec![one_arm(true).with_target_weighed()],
            (Estimand::Ate, Balancing::Entropy) => {
                [false, true].map(|arm| Dual::of_arm(arm, Role::MOVED_TARGET, Role::TARGET)).into()
            }
            (Estimand::Ate, Balancing::Tilting) => {
                [false, true].map(|arm| Dual::of_arm(arm, Role::MOVED_FROM_1, Role::TARGET)).into()
            }
            (Estimand::Ate, Balancing::Cbps) => vec![Dual::of_both_arms()],
            (Estimand::Ato | Estimand::Atm, _) => return Err(not_balanced(self.estimand)),
        })
    }

    fn ridge(&self, sample_weight: Option<&[f64]>) -> f64 {
        penalty_on(sample_weight, self.penalty)
    }
}

/// Why there are no balancing weights for the overlap of the arms.
fn not_balanced(estimand: Estimand) -> Error {
    let found = match estimand {
        Estimand::Ato => {
            "\"ATO\", whose weights by a logistic score balance every term of it exactly already"
        }
        _ => "\"ATM\", whose population is known by a score alone",
    };
    let allowed = "\"ATE\", \"ATT\" or \"ATC\" here";
    Error::Argument { name: "estimand", found: found.into(), allowed }
}

/// The weights for `spec` of rows that are balanced in the columns of `x`.
///
/// # Errors
/// Lengths that differ, values that are not finite, an empty arm, [`Error::Infeasible`], no convergence.
pub fn fit_weights(
    x: ArrayView2<'_, f64>,
    rows: &Rows<'_>,
    spec: &BalancingSpec,
    monitor: &Monitor,
) -> Result<BalancingFit> {
    check(x, rows, spec)?;
    let covariates = Covariates::standardized_among(x, rows.sample_weight)?;
    let penalty = spec.ridge(rows.sample_weight);
    fit_rows(&covariates, rows, &BalancingSpec { penalty, ..*spec }, monitor)
}

/// The same for columns that were standardized; the penalty is that on all rows together.
///
/// # Errors
/// [`Error::Infeasible`], no convergence.
pub fn fit_rows(
    covariates: &Covariates<'_>,
    rows: &Rows<'_>,
    spec: &BalancingSpec,
    monitor: &Monitor,
) -> Result<BalancingFit> {
    let (n, width) = (covariates.n_rows(), covariates.places().len() + covariates.dropped().len());
    let mut weights = vec![0.0; n];
    let mut imbalance = vec![0.0_f64; covariates.n_columns()];
    let (mut coefficients, mut dropped, mut iterations) = (Vec::new(), Vec::new(), 0);
    let mut design = covariates.clone();
    let sample = Sample::draw(covariates.values().clone(), rows);
    for dual in spec.duals()? {
        let problem = dual.over(&design, rows, spec.penalty)?;
        let mut found = newton::fit(problem, sample.as_ref(), monitor)?;
        let mut left = weigh(&dual, &found, covariates, &mut weights);
        if found.problem.ridge == 0.0 && !(largest(&left) <= BALANCED) {
            monitor.check()?;
            found = newton::finish(found, BALANCED, monitor)?;
            left = weigh(&dual, &found, covariates, &mut weights);
        }
        imbalance.iter_mut().zip(&left[1..]).for_each(|(worst, left)| *worst = worst.max(*left));
        let Optimum { beta, problem, iterations: steps } = found;
        design = problem.covariates;
        let values = on_callers_scale(&design, &beta, width);
        coefficients.push(FitCoefficients { arm: dual.weighs(), values });
        dropped = design.dropped().to_vec();
        iterations = iterations.max(steps);
    }
    let ess = [false, true].map(|arm| {
        let own = |i: usize| if rows.treatment[i] == arm { weights[i] } else { 0.0 };
        sum_by_row(n, own).powi(2) / sum_by_row(n, |i| own(i) * own(i))
    });
    dropped.sort_unstable();
    Ok(BalancingFit { weights, ess, coefficients, imbalance, dropped, iterations })
}

/// Fill in the weights of a fit, and say how far each mean is off then, in standard deviations; the sum of the weights
/// first.
fn weigh(
    dual: &Dual,
    found: &Optimum<'_, '_>,
    covariates: &Covariates<'_>,
    weights: &mut [f64],
) -> Vec<f64> {
    let Optimum { beta, problem, .. } = found;
    let residual = dual.weigh(&problem.rows, problem.covariates.linear(beta), weights);
    let mut left = covariates.gradient(&residual);
    for left in &mut left {
        *left = left.abs() / problem.total;
    }
    left
}

/// Intercept at zero first, then the slopes per unit.
fn on_callers_scale(design: &Covariates<'_>, beta: &[f64], n_columns: usize) -> Vec<f64> {
    let mut values = design.to_callers(beta);
    let mut center = vec![0.0; n_columns];
    for (place, own) in design.places().iter().zip(&design.center) {
        center[*place] = *own;
    }
    values[0] -= dot(&values[1..], &center);
    values
}

fn check(x: ArrayView2<'_, f64>, rows: &Rows<'_>, spec: &BalancingSpec) -> Result<()> {
    checks::same_length("treatment", rows.treatment.len(), x.nrows())?;
    checks::two_in_each_arm(rows.treatment)?;
    checks::penalty(spec.penalty)?;
    checks::sample_weight(rows.sample_weight, x.nrows())
}

#[cfg(test)]
mod tests;
