//! Influence values: how far each row moves an estimate, n times the derivative in the row's weight.
//! Their mean is zero, their variance over n the estimate's; what resamples the rows may resample them.

use crate::bootstrap::{self, BootstrapSpec, Replicates};
use crate::checks;
use crate::covariates::Covariates;
use crate::error::Result;
use crate::estimand::Estimand;
use crate::ipw::Contrast;
use crate::kernels::{BLOCK, sigmoid};
use crate::logistic::{Optimum, evaluate_into};
use crate::monitor::Monitor;
use crate::resample::Resample;
use crate::tally::Outcomes;
use crate::weights::{balancing_weight, balancing_weight_slope};

/// The influence values of the weighted contrast, the score estimated (Lunceford and Davidian 2004):
/// phi = r w + D'V (T - e) x, with r = s (Y - mean of the arm) / (mean weight of the arm), s = 1 for the
/// treated and -1 for the others, D the mean of x r w', w' the weight's derivative in the log odds, and
/// V / n the inverse of the information.
///
/// # Errors
/// An arm without weight.
pub(crate) fn weighted_influence(
    covariates: &Covariates<'_>,
    treatment: &[bool],
    outcome: &[f64],
    optimum: &Optimum,
    estimand: Estimand,
) -> Result<Vec<f64>> {
    let mut scores = vec![0.0; treatment.len()];
    evaluate_into(covariates, &optimum.beta, sigmoid, 0, &mut scores);
    let mut contrast = Contrast::new(estimand);
    contrast.add(&scores, &Outcomes { treatment, outcome, counts: None::<&[u32]> });
    let (mean_treated, mean_control) = contrast.means()?;
    let residual = |row: usize| {
        let treated = treatment[row];
        let (sign, mean) = if treated { (1.0, mean_treated) } else { (-1.0, mean_control) };
        sign * (outcome[row] - mean) / contrast.mean_weight(treated, treatment.len())
    };
    let slopes = treatment.iter().zip(&scores).enumerate();
    let slopes = slopes.map(|(row, (treated, score))| {
        balancing_weight_slope(estimand, *treated, *score) * residual(row)
    });
    // D'V: the sum over rows is n D, the information n over V.
    let mut direction = weighted_sums(covariates, &slopes.collect::<Vec<f64>>());
    optimum.information.solve(&mut direction);
    let mut influence = vec![0.0; treatment.len()];
    evaluate_into(covariates, &direction, |_| (), 0, &mut influence);
    for (row, value) in influence.iter_mut().enumerate() {
        let (treated, score) = (treatment[row], scores[row]);
        *value *= f64::from(treated) - score;
        *value += balancing_weight(estimand, treated, score) * residual(row);
    }
    Ok(influence)
}

/// The sums of x times `values` over rows, intercept first.
fn weighted_sums(covariates: &Covariates<'_>, values: &[f64]) -> Vec<f64> {
    let mut columns = vec![[0.0; BLOCK]; covariates.n_columns()];
    let mut sums = vec![0.0; columns.len() + 1];
    for (block, values) in values.chunks(BLOCK).enumerate() {
        covariates.load(block * BLOCK, &mut columns);
        sums[0] += values.iter().sum::<f64>();
        for (sum, column) in sums[1..].iter_mut().zip(&columns) {
            *sum += column.iter().zip(values).map(|(x, value)| x * value).sum::<f64>();
        }
    }
    sums
}

/// Efron's acceleration, a sixth of the skewness of the estimate's distribution, from the influence of
/// what is drawn: sum phi^3 / (6 (sum phi^2)^1.5) (Efron 1987). None where nothing has
/// any influence.
#[must_use]
pub fn acceleration(influence: &[f64], resample: &Resample) -> Option<f64> {
    let totals = resample.totals(influence);
    let moment = |power| totals.iter().map(|phi| phi.powi(power)).sum::<f64>();
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
    checks::finite("influence", influence)?;
    let totals = resample.totals(influence);
    let n = influence.len() as f64;
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
    use crate::resample::Scheme;

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
