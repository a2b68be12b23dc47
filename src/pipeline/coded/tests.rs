//! The bootstrap over codes against that over the matrix they stand for.

use ndarray::{Array1, Array2};

use super::*;
use crate::design::factors::Factor;
use crate::outcome::adjustment::Method;
use crate::outcome::kinds::OutcomeModel;
use crate::pipeline::{ArmPipeline, Data, Pipeline};
use crate::resampling::resample::Scheme;
use crate::weighting::estimand::Estimand;
use crate::weighting::ipw::IpwSpec;

struct World {
    x: Array2<f64>,
    factors: Vec<Factor>,
    treatment: Vec<bool>,
    outcome: Vec<f64>,
}

fn world(n: usize, n_levels: &[i64]) -> World {
    let noise = |i: usize, k: usize| ((i * (2 * k + 3)) as f64 * 0.7).sin();
    let x = Array2::from_shape_fn((n, 2), |(i, k)| noise(i, k));
    #[allow(clippy::cast_possible_truncation)]
    let level = |i: usize, k: usize, n_levels: i64| {
        ((noise(i, k + 10) + 1.0) * 0.499 * n_levels as f64).floor() as i64
    };
    let factors: Vec<Array1<i64>> = (n_levels.iter().enumerate())
        .map(|(k, n_levels)| (0..n).map(|i| level(i, k, *n_levels)).collect())
        .collect();
    let treatment = (0..n).map(|i| noise(i, 4) + 0.3 * x[(i, 0)] > noise(i, 6)).collect();
    let outcome = (0..n).map(|i| noise(i, 5) + x[(i, 1)]).collect();
    World { x, factors: Factor::all(&factors).unwrap(), treatment, outcome }
}

fn gap(found: &Replicates, expected: &Replicates) -> f64 {
    let pairs = found.estimates.iter().zip(&expected.estimates);
    pairs.fold(0.0, |most, (a, b)| most.max((a - b).abs()))
}

#[test]
fn replicates_by_codes_are_those_by_the_matrix() {
    let n = 3000;
    let World { x, factors, treatment, outcome } = world(n, &[3, 30, 8]);
    let weight: Vec<f64> = (0..n).map(|i| (i % 4) as f64 * 0.5).collect();
    let given = NumbersAndFactors { x: x.view(), factors: &factors, after: &[0, 1, 2] };
    let matrix = given.matrix();
    let columns: Vec<usize> = (0..matrix.ncols()).collect();
    let monitor = Monitor::default();
    let estimators = [
        IpwSpec::of(Estimand::Ate),
        IpwSpec::of(Estimand::Ato),
        IpwSpec { estimand: Estimand::Att, truncate: Some(0.9) },
    ]
    .map(Estimator::Ipw);
    let bootstrap = BootstrapSpec { n_reps: 20, seed: 3 };
    for (penalty, sample_weight) in [(0.0, None), (2.0, None), (0.0, Some(&weight[..]))] {
        let spec = PropensitySpec { penalty, ..PropensitySpec::default() };
        let (treatment, outcome) = (&treatment[..], &outcome[..]);
        let data = Data {
            x: matrix.view(),
            treatment,
            outcome,
            sample_weight,
            frequency: None,
            score_columns: &columns,
            outcome_columns: &columns,
            balanced_columns: &[],
        };
        let dense = Pipeline::new(data, &estimators, spec, &monitor).unwrap();
        let coded = CodedData { given, treatment, outcome, sample_weight };
        for scheme in [Scheme::Multinomial, Scheme::Poisson, Scheme::Bayesian] {
            let resample = Resample::new(scheme, n, None, None).unwrap();
            let expected = dense.bootstrap(&resample, &bootstrap).unwrap();
            let asked =
                Asked { resample: &resample, bootstrap, analytic: true, studentized: false };
            let found = bootstrap_of_codes(&coded, &estimators, &spec, &asked, &monitor);
            let found = found.unwrap().unwrap();
            // Refits stop at gradients of 1e-10 a row, from either side.
            let gap = gap(&found.replicates, &expected);
            assert!(gap < 1e-9, "{scheme:?} {penalty} {gap:e}");
            for (a, b) in found.estimates.iter().zip(&dense.estimates) {
                assert!((a - b).abs() < 1e-12);
            }
            let analytic = dense.analytic(&resample).unwrap();
            for (a, b) in found.analytic.unwrap().iter().zip(analytic) {
                assert!((a.std_error - b.std_error).abs() < 1e-12);
            }
        }
    }
}

#[test]
fn means_of_several_outcomes_are_those_by_the_matrix() {
    let n = 2500;
    let World { x, factors, treatment, outcome } = world(n, &[3, 20]);
    let second: Vec<f64> = outcome.iter().map(|y| f64::from(u8::from(*y > 0.3))).collect();
    let per: Vec<f64> = (0..n).map(|i| 1.0 + (i % 5) as f64).collect();
    let weight: Vec<f64> = (0..n).map(|i| (i % 4) as f64 * 0.5).collect();
    let given = NumbersAndFactors { x: x.view(), factors: &factors, after: &[1, 2] };
    let matrix = given.matrix();
    let columns: Vec<usize> = (0..matrix.ncols()).collect();
    let (monitor, spec) = (Monitor::default(), PropensitySpec::default());
    let linear = |method| {
        let (estimand, outcome_model) = (Estimand::Att, OutcomeModel::Linear);
        Estimator::Adjusted(AdjustmentSpec { method, estimand, outcome_model })
    };
    let truncated = IpwSpec { estimand: Estimand::Ate, truncate: Some(0.95) };
    let estimators = [Estimator::Ipw(truncated), linear(Method::Aipw), linear(Method::Ipwra)];
    let (others, bootstrap) = ([&second[..]], BootstrapSpec { n_reps: 12, seed: 5 });
    for (per, sample_weight) in
        [(None, None), (Some(&per[..]), None), (Some(&per[..]), Some(&weight[..]))]
    {
        let beside = Beside { others: &others, per };
        let (treatment, outcome) = (&treatment[..], &outcome[..]);
        let data = Data {
            x: matrix.view(),
            treatment,
            outcome,
            sample_weight,
            frequency: None,
            score_columns: &columns,
            outcome_columns: &columns,
            balanced_columns: &[],
        };
        let dense = ArmPipeline::new(data, beside, &estimators, spec, &monitor).unwrap();
        let coded = CodedData { given, treatment, outcome, sample_weight };
        for scheme in [Scheme::Multinomial, Scheme::Poisson, Scheme::Bayesian] {
            let resample = Resample::new(scheme, n, None, None).unwrap();
            let asked =
                Asked { resample: &resample, bootstrap, analytic: true, studentized: false };
            let found = means_of_codes(&coded, beside, &estimators, &spec, &asked, &monitor);
            let found = found.unwrap().unwrap();
            for (a, b) in found.estimates.iter().zip(&dense.estimates) {
                assert!((a[0] - b[0]).abs() < 1e-12 && (a[1] - b[1]).abs() < 1e-12);
            }
            let expected = dense.bootstrap(&resample, &bootstrap).unwrap();
            let gap = gap(&found.replicates, &expected);
            assert!(gap < 1e-9, "{scheme:?} {gap:e}");
            assert_eq!(found.replicates.estimates.ncols(), 2 * 2 * estimators.len());
            for (a, b) in found.analytic.iter().zip(dense.analytic(&resample).unwrap()) {
                let own = a.covariance.iter().chain(&a.products);
                for (a, b) in own.zip(b.covariance.iter().chain(&b.products)) {
                    assert!((a - b).abs() <= 1e-10 * b.abs().max(1e-6), "{a} {b}");
                }
            }
        }
    }
}

#[test]
fn errors_within_replicates_are_those_by_the_matrix() {
    let n = 2000;
    let World { x, factors, treatment, outcome } = world(n, &[3, 20]);
    let weight: Vec<f64> = (0..n).map(|i| (i % 4) as f64 * 0.5).collect();
    let teams = Array1::from_iter((0..2000_i64).map(|i| i / 5));
    let given = NumbersAndFactors { x: x.view(), factors: &factors, after: &[1, 2] };
    let matrix = given.matrix();
    let columns: Vec<usize> = (0..matrix.ncols()).collect();
    let (monitor, spec) = (Monitor::default(), PropensitySpec::default());
    let truncated = IpwSpec { estimand: Estimand::Ate, truncate: Some(0.95) };
    let estimators = [truncated, IpwSpec::of(Estimand::Atc)].map(Estimator::Ipw);
    let (treatment, outcome) = (&treatment[..], &outcome[..]);
    let beside = Beside { others: &[&weight], per: None };
    for (sample_weight, cluster) in [(None, None), (Some(&weight[..]), teams.as_slice())] {
        let data = Data {
            x: matrix.view(),
            treatment,
            outcome,
            sample_weight,
            frequency: None,
            score_columns: &columns,
            outcome_columns: &columns,
            balanced_columns: &[],
        };
        let dense = Pipeline::new(data, &estimators, spec, &monitor).unwrap();
        let of_means = ArmPipeline::new(data, beside, &estimators, spec, &monitor).unwrap();
        let coded = CodedData { given, treatment, outcome, sample_weight };
        for scheme in [Scheme::Multinomial, Scheme::Bayesian] {
            let resample = Resample::new(scheme, n, cluster, None).unwrap();
            let bootstrap = BootstrapSpec { n_reps: 6, seed: 5 };
            let asked =
                Asked { resample: &resample, bootstrap, analytic: false, studentized: true };
            let found = bootstrap_of_codes(&coded, &estimators, &spec, &asked, &monitor);
            let found = found.unwrap().unwrap().replicates;
            let expected = dense.bootstrap_with_errors(&resample, &bootstrap).unwrap();
            assert_eq!(found.estimates.dim(), (6, 4));
            assert!(gap(&found, &expected) < 1e-9);
            let found = means_of_codes(&coded, beside, &estimators, &spec, &asked, &monitor);
            let found = found.unwrap().unwrap().replicates;
            let expected = of_means.bootstrap_with_errors(&resample, &bootstrap).unwrap();
            assert_eq!(found.estimates.dim(), (6, 20));
            assert!(gap(&found, &expected) < 1e-9);
        }
    }
}

/// A level of three rows is not drawn at times, or has one arm.
#[test]
fn replicates_without_a_level_are_refitted_too() {
    let n = 2000;
    let World { x, mut factors, treatment, outcome } = world(n, &[6]);
    let usual = |i: usize| i64::try_from(factors[0].level(i)).unwrap();
    let rare: Array1<i64> = (0..n).map(|i| if i % 700 == 5 { 0 } else { 1 + usual(i) }).collect();
    factors.push(Factor::new(rare.view(), None).unwrap());
    factors.swap_remove(0);
    let treatment: Vec<bool> = treatment
        .iter()
        .enumerate()
        .map(|(i, t)| if i % 700 == 5 { i < 700 } else { *t })
        .collect();
    let given = NumbersAndFactors { x: x.view(), factors: &factors, after: &[2] };
    let (matrix, monitor) = (given.matrix(), Monitor::default());
    let columns: Vec<usize> = (0..matrix.ncols()).collect();
    let data = Data {
        x: matrix.view(),
        treatment: &treatment,
        outcome: &outcome,
        sample_weight: None,
        frequency: None,
        score_columns: &columns,
        outcome_columns: &columns,
        balanced_columns: &[],
    };
    let (spec, estimators) =
        (PropensitySpec::default(), [Estimator::Ipw(IpwSpec::of(Estimand::Ato))]);
    let bootstrap = BootstrapSpec { n_reps: 40, seed: 1 };
    let resample = Resample::new(Scheme::Multinomial, n, None, None).unwrap();
    let dense = Pipeline::new(data, &estimators, spec, &monitor).unwrap();
    let expected = dense.bootstrap(&resample, &bootstrap).unwrap();
    let coded = CodedData { given, treatment: &treatment, outcome: &outcome, sample_weight: None };
    let asked = Asked { resample: &resample, bootstrap, analytic: false, studentized: false };
    let found = bootstrap_of_codes(&coded, &estimators, &spec, &asked, &monitor).unwrap().unwrap();
    assert_eq!(found.replicates.n_failed, expected.n_failed);
    // Where a level runs off, the fit is where the gradient became small enough.
    assert!(gap(&found.replicates, &expected) < 1e-7);
}
