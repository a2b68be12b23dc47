//! What kinds of outcome model there are: the mean by the linear predictor, and the equations of the coefficients.

use crate::checks;
use crate::error::{Error, Result, Rows};

/// The mean m of the outcome given the covariates, by a linear predictor; coefficients solve sum w r x = 0, r being
/// what is left of the outcome in the measure of its variance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutcomeModel {
    /// Least squares: r = y - m.
    Linear,
    /// Logistic regression, for outcomes from 0 to 1: r = y - m.
    Logistic,
    /// Poisson regression, for counts and amounts that are not negative: log m is linear, r = y - m (Gourieroux,
    /// Monfort and Trognon 1984: right for the mean whatever the distribution).
    Poisson,
    /// Gamma regression with a log link, for positive amounts whose standard deviation grows with the mean: r = y / m
    /// - 1 (McCullagh and Nelder 1989, chapter 8).
    Gamma,
}

impl OutcomeModel {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Logistic => "logistic",
            Self::Poisson => "poisson",
            Self::Gamma => "gamma",
        }
    }

    /// Whether it goes along with any shift of the outcomes; the others ask how far these are from zero.
    #[must_use]
    pub fn takes_any_origin(self) -> bool {
        self == Self::Linear
    }

    /// Means in the place of linear predictors.
    pub(super) fn mean_in_place(self, eta: &mut [f64]) {
        match self {
            Self::Linear => {}
            Self::Logistic => crate::kernels::sigmoid(eta),
            Self::Poisson | Self::Gamma => eta.iter_mut().for_each(|value| *value = value.exp()),
        }
    }

    /// The derivative of the mean in its linear predictor.
    #[must_use]
    pub fn slope(self, mean: f64) -> f64 {
        match self {
            Self::Linear => 1.0,
            Self::Logistic => mean * (1.0 - mean),
            Self::Poisson | Self::Gamma => mean,
        }
    }

    /// r.
    #[must_use]
    pub fn residual(self, outcome: f64, mean: f64) -> f64 {
        match self {
            Self::Linear | Self::Logistic | Self::Poisson => outcome - mean,
            Self::Gamma => (outcome - mean) / mean,
        }
    }

    /// How fast r falls with the linear predictor.
    #[must_use]
    pub fn spread(self, outcome: f64, mean: f64) -> f64 {
        match self {
            Self::Linear | Self::Logistic | Self::Poisson => self.slope(mean),
            Self::Gamma => outcome / mean,
        }
    }

    /// The same on average over outcomes: what a row weighs in the last weighted least squares of the fit.
    #[must_use]
    pub fn expected_spread(self, mean: f64) -> f64 {
        match self {
            Self::Linear | Self::Logistic | Self::Poisson => self.slope(mean),
            Self::Gamma => 1.0,
        }
    }

    /// Require outcomes that the model can be of, of the rows that are there.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] with the rows of others.
    pub fn check(self, outcome: &[f64], sample_weight: Option<&[f64]>) -> Result<()> {
        let (allowed, is_outside): (_, fn(f64) -> bool) = match self {
            Self::Linear | Self::Logistic => return Ok(()),
            Self::Poisson => ("the numbers >= 0 with outcome_model=\"poisson\"", |y| y < 0.0),
            Self::Gamma => ("the numbers > 0 with outcome_model=\"gamma\"", |y| y <= 0.0),
        };
        let is_there = |row: usize| sample_weight.is_none_or(|weights| weights[row] > 0.0);
        let flags: Vec<f64> = (outcome.iter().enumerate())
            .map(|(row, y)| f64::from(u8::from(is_outside(*y) && is_there(row))))
            .collect();
        match Rows::matching(&flags, |flag| *flag > 0.0) {
            Some(rows) => Err(Error::OutOfRange { name: "outcome", allowed, rows }),
            None => checks::finite("outcome", outcome),
        }
    }
}
