//! How a score follows from a linear predictor: links, and what a row adds to the log-likelihood with each.
//!
//! With e the score and f its derivative in the linear predictor eta, a treated row adds log e and a control
//! log (1 - e) (McCullagh and Nelder 1989, section 4.3).

use std::f64::consts::{LN_2, PI, SQRT_2};

use libm::{erfc, expm1};

use crate::kernels::sigmoid;
use crate::score::generalized::Terms;

/// Below, the normal distribution's lower tail is taken from its expansion: it leaves less than 1e-11 of itself.
const FAR: f64 = -35.0;

/// Beyond this the exponential of a complementary log-log model's rate is out of range.
const LARGEST_RATE: f64 = 700.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Link {
    /// e = 1 / (1 + exp(-eta)).
    #[default]
    Logit,
    /// e = the normal distribution function of eta.
    Probit,
    /// e = 1 - exp(-exp(eta)): whether something has happened by now that happens at a rate of exp(eta).
    Cloglog,
}

impl Link {
    /// Scores in the place of linear predictors; equal ones get equal bits.
    pub fn scores_in_place(self, eta: &mut [f64]) {
        match self {
            Self::Logit => sigmoid(eta),
            Self::Probit => eta.iter_mut().for_each(|eta| *eta = normal(*eta)),
            Self::Cloglog => eta.iter_mut().for_each(|eta| *eta = -expm1(-eta.exp())),
        }
    }

    /// The linear predictor of a score inside (0, 1).
    #[must_use]
    pub fn linear_predictor(self, score: f64) -> f64 {
        match self {
            Self::Logit => (score / (1.0 - score)).ln(),
            Self::Probit if score > 0.5 => -normal_quantile(1.0 - score),
            Self::Probit => normal_quantile(score),
            Self::Cloglog => (-(-score).ln_1p()).ln(),
        }
    }

    /// What a row adds to the log-likelihood: log e or log (1 - e).
    #[must_use]
    pub fn terms(self, treated: bool, eta: f64) -> Terms {
        match self {
            Self::Logit => {
                let toward = if treated { eta } else { -eta };
                let mut e = [eta];
                sigmoid(&mut e);
                let value = toward.min(0.0) - (-toward.abs()).exp().ln_1p();
                let slope = f64::from(u8::from(treated)) - e[0];
                Terms { value, slope, fall: e[0] * (1.0 - e[0]) }
            }
            Self::Probit => {
                let (toward, sign) = if treated { (eta, 1.0) } else { (-eta, -1.0) };
                let [value, ratio, fall] = normal_tail(toward);
                Terms { value, slope: sign * ratio, fall }
            }
            Self::Cloglog => of_rate(treated, eta.exp()),
        }
    }

    /// How fast the log odds of a row's score grow with its linear predictor: f / (e (1 - e)).
    #[must_use]
    pub fn log_odds_slope_at(self, score: f64) -> f64 {
        if self == Self::Logit { 1.0 } else { self.log_odds_slope(self.linear_predictor(score)) }
    }

    /// The same where the linear predictor is at hand.
    #[must_use]
    pub fn log_odds_slope(self, eta: f64) -> f64 {
        match self {
            Self::Logit => 1.0,
            _ => self.terms(true, eta).slope - self.terms(false, eta).slope,
        }
    }
}

/// A row of a complementary log-log model.
fn of_rate(treated: bool, rate: f64) -> Terms {
    if !treated {
        return Terms { value: -rate, slope: -rate, fall: rate };
    }
    if rate > LARGEST_RATE {
        return Terms::default();
    }
    if rate == 0.0 {
        return Terms { value: f64::NEG_INFINITY, slope: 1.0, fall: 0.0 };
    }
    let slope = rate / expm1(rate);
    Terms { value: (-expm1(-rate)).ln(), slope, fall: slope * (rate / -expm1(-rate) - 1.0) }
}

/// The normal distribution function.
fn normal(x: f64) -> f64 {
    0.5 * erfc(-x / SQRT_2)
}

/// The logarithm of the normal distribution function, its slope (the density over it), and how fast that falls.
fn normal_tail(x: f64) -> [f64; 3] {
    let log_density = -0.5 * (x * x + (2.0 * PI).ln());
    if x < FAR {
        // The series of Mills's ratio, -x times it being 1 - 1 / x^2 + 3 / x^4 - 15 / x^6.
        let y = 1.0 / (x * x);
        let rest = y * (-1.0 + y * (3.0 - 15.0 * y));
        let fall = 1.0 - y * (1.0 - y * (6.0 - 50.0 * y));
        return [log_density - (-x).ln() + rest.ln_1p(), -x / (1.0 + rest), fall];
    }
    let upper = 0.5 * erfc(x / SQRT_2);
    let value = if x > 0.0 { (-upper).ln_1p() } else { erfc(-x / SQRT_2).ln() - LN_2 };
    let ratio = (log_density - value).exp();
    [value, ratio, ratio * (ratio + x)]
}

/// Where the normal distribution function is `p`, at most a half: Newton's method on its logarithm, which is concave,
/// so that after the first step it comes from below.
fn normal_quantile(p: f64) -> f64 {
    let log_p = p.ln();
    let mut x = -(-2.0 * (log_p + LN_2)).max(0.0).sqrt();
    for _ in 0..50 {
        let [value, ratio, _] = normal_tail(x);
        let step = (log_p - value) / ratio;
        x += step;
        if step.abs() <= 1e-15 * (1.0 + x.abs()) {
            break;
        }
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINKS: [Link; 3] = [Link::Logit, Link::Probit, Link::Cloglog];

    #[test]
    fn terms_are_derivatives_of_the_value() {
        for link in LINKS {
            for treated in [true, false] {
                for eta in [-6.0, -1.3, -0.2, 0.0, 0.4, 1.7, 3.0] {
                    let h = 1e-5;
                    let [below, at, above] =
                        [eta - h, eta, eta + h].map(|eta| link.terms(treated, eta));
                    let slope = (above.value - below.value) / (2.0 * h);
                    let fall = (below.slope - above.slope) / (2.0 * h);
                    assert!(
                        (at.slope - slope).abs() < 1e-8 * (1.0 + slope.abs()),
                        "{link:?} {eta}"
                    );
                    assert!((at.fall - fall).abs() < 1e-8 * (1.0 + fall.abs()), "{link:?} {eta}");
                }
            }
        }
    }

    #[test]
    fn scores_and_linear_predictors_are_inverses() {
        for link in LINKS {
            for eta in [-8.0, -3.0, -0.5, 0.0, 0.3, 1.2, 1.9] {
                let mut score = [eta];
                link.scores_in_place(&mut score);
                assert!((link.linear_predictor(score[0]) - eta).abs() < 1e-12 * (1.0 + eta.abs()));
                let log_odds = |eta: f64| {
                    let value = |treated| link.terms(treated, eta).value;
                    value(true) - value(false)
                };
                let slope = (log_odds(eta + 1e-5) - log_odds(eta - 1e-5)) / 2e-5;
                assert!((link.log_odds_slope(eta) - slope).abs() < 1e-8 * slope.abs());
            }
        }
    }

    #[test]
    fn normal_tail_goes_on_where_its_expansion_begins() {
        // 50 digits of mpmath: log of the distribution function at -35, and at -40.
        let [value, ..] = normal_tail(-35.0 + 1e-13);
        assert!((value + 616.975_101_261_9).abs() < 1e-8, "{value}");
        let [value, ..] = normal_tail(-40.0);
        assert!((value + 804.608_442_013_8).abs() < 1e-8, "{value}");
        let ([_, before, fall], [_, after, fallen]) =
            (normal_tail(FAR + 1e-9), normal_tail(FAR - 1e-9));
        assert!((before - after).abs() < 1e-8 && (fall - fallen).abs() < 1e-8);
    }
}
