//! Estimators with an outcome model: regression adjustment, augmented weighting (AIPW) and weighted
//! regression adjustment (IPWRA).
//!
//! With `m_a(x)` the outcome model of arm a, g whom the effect averages over (everybody, the treated or
//! the controls) and k the balancing weights of arm a's rows, all three estimate
//!
//! ```text
//! mu_a = sum { g m_a + k (Y - m_a) } / sum g
//! ```
//!
//! Regression adjustment has k = 0. AIPW (Robins, Rotnitzky and Zhao 1994) keeps k: right if either model
//! is. IPWRA (Wooldridge 2007) has k = 0 but fits `m_a` with the weights k, which makes it doubly robust
//! too.

mod refits;

use crate::design::covariates::Covariates;
use crate::error::{Error, Result};
use crate::monitor::Monitor;
use crate::outcome::kinds::OutcomeModel;
use crate::outcome::model::{ArmFit, ArmRows, Backing};
use crate::units::tally::{Tally, Units};
use crate::weighting::estimand::Estimand;

pub(crate) use refits::{FullSample, Refits, Scratch};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    Regression,
    Aipw,
    Ipwra,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AdjustmentSpec {
    pub method: Method,
    pub estimand: Estimand,
    pub outcome_model: OutcomeModel,
}

impl AdjustmentSpec {
    /// # Errors
    /// [`Error::Argument`] for an estimand other than ATE, ATT and ATC: the average of an outcome model
    /// over a tilted population is not among these estimators.
    pub fn check(self) -> Result<()> {
        match self.estimand {
            Estimand::Ate | Estimand::Att | Estimand::Atc => Ok(()),
            other => Err(Error::Argument {
                name: "estimand",
                found: format!("\"{other:?}\"").to_uppercase(),
                allowed: "\"ATE\", \"ATT\" or \"ATC\" with an outcome model",
            }),
        }
    }

    /// Whether it takes a score: not where an outcome model does all the work.
    #[must_use]
    pub fn needs_score(self) -> bool {
        self.method != Method::Regression
    }

    /// How many of a unit's rows the effect averages over.
    #[must_use]
    pub fn target(self, tally: &Tally) -> f64 {
        match self.estimand {
            Estimand::Att => tally.treated,
            Estimand::Atc => tally.control,
            _ => tally.treated + tally.control,
        }
    }

    /// Whether it averages over the controls, and over the treated.
    #[must_use]
    pub fn averages_over(self) -> [bool; 2] {
        [self.estimand != Estimand::Att, self.estimand != Estimand::Atc]
    }

    /// The weight of arm `arm`'s rows in the outcome model at this score.
    #[must_use]
    pub fn fitting_weight(self, arm: bool, score: f64) -> f64 {
        match self.method {
            Method::Ipwra => self.estimand.weight(arm, score),
            Method::Regression | Method::Aipw => 1.0,
        }
    }

    /// The weight of arm `arm`'s residuals in the mean at this score.
    #[must_use]
    pub fn residual_weight(self, arm: bool, score: f64) -> f64 {
        match self.method {
            Method::Aipw => self.estimand.weight(arm, score),
            Method::Regression | Method::Ipwra => 0.0,
        }
    }
}

/// Units whose outcomes are modelled: their covariates, what they stand for, and their scores, which may be anything
/// where the method is regression alone.
#[derive(Debug)]
pub struct Modelled<'a, 'x, U> {
    pub covariates: &'a Covariates<'x>,
    pub units: &'a U,
    pub scores: &'a [f64],
}

impl<'a, 'x, U: Units> Modelled<'a, 'x, U> {
    /// The rows that the outcome model of an arm is fitted to.
    #[must_use]
    pub fn rows_of(
        &self,
        arm: bool,
        spec: AdjustmentSpec,
    ) -> ArmRows<'a, 'x, U, impl Fn(usize) -> f64 + Sync + use<'a, 'x, U>> {
        let scores = self.scores;
        let weight = move |unit: usize| spec.fitting_weight(arm, scores[unit]);
        ArmRows { covariates: self.covariates, units: self.units, arm, weight }
    }
}

/// One arm's outcome model and the mean it leads to.
#[derive(Debug, Clone)]
pub struct ArmEstimate {
    pub fit: ArmFit,
    /// The outcome model's predictions, one a unit.
    pub fitted: Vec<f64>,
    pub mean: f64,
    /// The sum of g.
    pub target: f64,
}

/// The mean of arm `arm`; of a resample, with the full sample's fit for a backing.
///
/// # Errors
/// What keeps the outcome model from being fitted; without a backing also [`Error::Outside`].
pub fn arm_mean<U: Units>(
    modelled: &Modelled<'_, '_, U>,
    arm: bool,
    spec: AdjustmentSpec,
    backing: Option<&Backing>,
    monitor: &Monitor,
) -> Result<ArmEstimate> {
    let Modelled { covariates, units, scores } = *modelled;
    let fit = ArmFit::new(&modelled.rows_of(arm, spec), spec.outcome_model, backing, monitor)?;
    monitor.check()?;
    if backing.is_none() {
        fit.require_inside(covariates, arm, |unit| spec.target(&units.tally(unit)) > 0.0)?;
    }
    let fitted = fit.predict(covariates);
    let (mut total, mut target) = (0.0, 0.0);
    for (unit, fitted) in fitted.iter().enumerate() {
        let tally = units.tally(unit);
        let (rows, outcome) = tally.arm(arm);
        let wanted = spec.target(&tally);
        target += wanted;
        total += wanted * fitted;
        if rows > 0.0 {
            total += spec.residual_weight(arm, scores[unit]) * (outcome - rows * fitted);
        }
    }
    Ok(ArmEstimate { fit, fitted, mean: total / target, target })
}
