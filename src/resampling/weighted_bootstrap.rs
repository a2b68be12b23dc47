//! The weighted bootstrap: influence values resampled in place of rows, and the acceleration they give.

use crate::checks;
use crate::error::{Error, Result};
use crate::monitor::Monitor;
use crate::resampling::bootstrap::{self, BootstrapSpec, Replicates};
use crate::resampling::resample::Resample;
use crate::units::cells::by_size;

/// What influence values say of an estimate without resampling.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Analytic {
    /// NaN where there is none.
    pub std_error: f64,
    /// For BCa intervals; None where there is none.
    pub acceleration: Option<f64>,
}

impl Analytic {
    pub const NONE: Self = Self { std_error: f64::NAN, acceleration: None };

    #[must_use]
    pub fn new(influence: &[f64], resample: &Resample) -> Self {
        let once = vec![1.0; influence.len()];
        Self {
            std_error: std_error(influence, &once, resample),
            acceleration: acceleration(influence, resample),
        }
    }
}

/// The sandwich over what is drawn, of rows weighted as a replicate weighs them.
#[must_use]
pub fn std_error(influence: &[f64], weights: &[f64], resample: &Resample) -> f64 {
    resample.spread_within(influence, weights).sqrt() / influence.len() as f64
}

/// Efron's acceleration, a sixth of the skewness of the estimate's distribution, from the influence of
/// what is drawn: sum phi^3 / (6 (sum phi^2)^1.5) (Efron 1987). None where nothing has
/// any influence.
#[must_use]
pub fn acceleration(influence: &[f64], resample: &Resample) -> Option<f64> {
    let totals = resample.totals(influence);
    let moment = |power| resample.moment(&totals, power);
    let acceleration = moment(3) / (6.0 * moment(2).powf(1.5));
    acceleration.is_finite().then_some(acceleration)
}

/// Resample the influence values in place of the rows: each replicate is the mean of their values times
/// their weights, the first-order change of the estimate (Otsu and Rai 2017 for matching). One column.
///
/// # Errors
/// Values that are not finite; [`crate::error::Error::Stopped`].
pub fn bootstrap_influence(
    influence: &[f64],
    resample: &Resample,
    spec: &BootstrapSpec,
    monitor: &Monitor,
) -> Result<Replicates> {
    checks::squarable("influence", influence)?;
    if influence.is_empty() {
        let found = "an array without rows".into();
        return Err(Error::Argument { name: "influence", found, allowed: "one number a row" });
    }
    let totals = resample.totals(influence);
    let n = influence.len() as f64;
    // Whatever order rows come in, and clusters by their labels: what is drawn are the values alone. By their
    // size, so that the same rows are drawn where all have the other sign, as when arms are swapped.
    let mut order: Vec<u32> = (0..).take(totals.len()).collect();
    order.sort_by(|a, b| {
        let (a, b) = (totals[*a as usize], totals[*b as usize]);
        by_size(a.abs(), b.abs()).then_with(|| by_size(a, b))
    });
    let resample = resample.taking_rows_in(order);
    bootstrap::run(
        spec,
        1,
        monitor,
        || (),
        |stream, (), change| {
            let mut sum = 0.0;
            resample.weigh_lots(stream, |lot, weight| sum += weight * totals[lot]);
            change[0] = sum / n;
            Ok(())
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resampling::resample::Scheme;

    #[test]
    fn acceleration_is_a_sixth_of_the_skewness() {
        let influence = [-1.0, -1.0, 2.0];
        let rows = Resample::new(Scheme::Multinomial, 3, None, None).unwrap();
        let expected = 6.0 / (6.0 * 6.0_f64.powf(1.5));
        assert!((acceleration(&influence, &rows).unwrap() - expected).abs() < 1e-15);
        assert_eq!(acceleration(&[0.0; 3], &rows), None);
    }

    #[test]
    fn bootstrap_influence_has_the_variance_of_the_values() {
        let influence: Vec<f64> = (0..500).map(|row| f64::from(row * 7919 % 501) - 250.0).collect();
        let mean = influence.iter().sum::<f64>() / 500.0;
        let squares = influence.iter().map(|phi| (phi - mean).powi(2)).sum::<f64>();
        for scheme in [Scheme::Multinomial, Scheme::Poisson, Scheme::Bayesian] {
            let resample = Resample::new(scheme, 500, None, None).unwrap();
            let spec = BootstrapSpec { n_reps: 4000, seed: 1 };
            let found = bootstrap_influence(&influence, &resample, &spec, &Monitor::default());
            let variance = found.unwrap().estimates.var(1.0);
            assert!((variance / (squares / 500.0_f64.powi(2)) - 1.0).abs() < 0.1, "{scheme:?}");
        }
    }
}
