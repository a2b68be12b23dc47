//! Generalized linear models of units: what a unit adds to the log-likelihood, as Newton's method needs it.

use crate::design::covariates::Covariates;
use crate::error::Result;
use crate::kernels::ScoreEquations;
use crate::monitor::Monitor;
use crate::score::newton::Objective;
use crate::weighting::influence::{by_row, sum_by_row};

/// What a unit adds to the log-likelihood at a linear predictor.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms {
    pub value: f64,
    /// Its derivative in the linear predictor, and how fast that falls.
    pub slope: f64,
    pub fall: f64,
}

/// A family and its link, with the units' data.
pub trait Family: Sync {
    fn at(&self, unit: usize, eta: f64) -> Terms;

    /// Whether the unit has rows here.
    fn counts(&self, unit: usize) -> bool;

    /// Of probabilities how fast their log odds grow with the linear predictor.
    fn log_odds_slope(&self, _eta: f64) -> f64 {
        1.0
    }
}

/// The likelihood of a family over standardized covariates.
#[derive(Debug)]
pub struct Generalized<'a, 'x, F> {
    pub covariates: &'a Covariates<'x>,
    pub family: F,
    /// The penalty on each coefficient, zero on the intercept.
    pub ridge: Vec<f64>,
    /// As of [`Objective`].
    pub total: f64,
    pub intercept: f64,
    pub variance: Option<f64>,
}

impl<F: Family> Generalized<'_, '_, F> {
    /// The terms of units, summed or one by one, by what `part` takes of them.
    fn by_unit(&self, eta: &[f64], part: impl Fn(Terms) -> f64 + Send + Sync) -> Vec<f64> {
        by_row(eta.len(), |unit| {
            if self.family.counts(unit) { part(self.family.at(unit, eta[unit])) } else { 0.0 }
        })
    }
}

impl<F: Family> Objective for Generalized<'_, '_, F> {
    fn n_terms(&self) -> usize {
        self.ridge.len()
    }

    fn by_standard_deviation(&self, beta: &[f64]) -> Vec<f64> {
        self.covariates.by_standard_deviation(beta)
    }

    fn total(&self) -> f64 {
        self.total
    }

    fn intercept(&self) -> f64 {
        self.intercept
    }

    fn variance(&self) -> Option<f64> {
        self.variance
    }

    fn equations(
        &self,
        beta: &[f64],
        kept: &mut [f64],
        monitor: &Monitor,
    ) -> Result<ScoreEquations> {
        monitor.check()?;
        let eta = self.covariates.linear(beta);
        let slope = self.by_unit(&eta, |terms| terms.slope);
        let fall = self.by_unit(&eta, |terms| terms.fall);
        monitor.check()?;
        let mut equations = self.covariates.products(&slope, &fall);
        for (k, ridge) in self.ridge.iter().enumerate() {
            equations.gradient[k] -= ridge * beta[k];
            equations.information[k * beta.len() + k] += ridge;
        }
        if !kept.is_empty() {
            kept.copy_from_slice(&eta);
        }
        Ok(equations)
    }

    fn penalized(&self, beta: &[f64], monitor: &Monitor) -> Result<f64> {
        monitor.check()?;
        let eta = self.covariates.linear(beta);
        let value = |unit: usize| {
            if self.family.counts(unit) { self.family.at(unit, eta[unit]).value } else { 0.0 }
        };
        let penalty: f64 = self.ridge.iter().zip(beta).map(|(r, b)| r * b * b).sum();
        Ok(sum_by_row(eta.len(), value) - penalty / 2.0)
    }

    fn largest_move(&self, from: &[f64], step: &[f64], monitor: &Monitor) -> Result<f64> {
        monitor.check()?;
        let (eta, moves) = (self.covariates.linear(from), self.covariates.linear(step));
        let there = (0..eta.len()).filter(|unit| self.family.counts(*unit));
        let size = |unit: usize| (moves[unit] * self.family.log_odds_slope(eta[unit])).abs();
        Ok(there.fold(0.0, |most, unit| most.max(size(unit))))
    }
}
