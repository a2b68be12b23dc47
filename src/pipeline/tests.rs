use ndarray::Array2;

use super::*;
use crate::design::covariates::Covariates;
use crate::matching::{Focal, NearestSpec, Quantity};
use crate::pipeline::ready::measured;
use crate::pipeline::refitting::Drawn;
use crate::resampling::resample::Scheme;
use crate::units::tally::Count;
use crate::weighting::estimand::Estimand;

/// A world in which rows repeat: three levels beside others.
fn world(n: usize, levels: usize) -> (Array2<f64>, Vec<bool>, Vec<f64>) {
    let mix = |i: usize, k: usize| ((i * 2_654_435_761 + k * 40_503) >> 7) % 1000;
    let x = Array2::from_shape_fn((n, 2), |(i, k)| (mix(i, k) % [3, levels][k]) as f64);
    let treatment: Vec<bool> = (0..n).map(|i| mix(i, 2) < 250 + 200 * (mix(i, 0) % 3)).collect();
    let outcome =
        (0..n).map(|i| f64::from(mix(i, 3) < 300 + 100 * usize::from(treatment[i]))).collect();
    (x, treatment, outcome)
}

fn plain<'a>(x: &'a Array2<f64>, treatment: &'a [bool], outcome: &'a [f64]) -> Data<'a> {
    Data {
        x: x.view(),
        treatment,
        outcome,
        sample_weight: None,
        frequency: None,
        score_columns: &[0, 1],
        outcome_columns: &[0, 1],
        balanced_columns: &[],
    }
}

/// From rows that are not collapsed.
fn by_row<'a, 'm>(
    data: Data<'a>,
    estimators: &'a [Estimator],
    monitor: &'m Monitor,
) -> Pipeline<'a, 'm> {
    let covariates = Covariates::standardized(data.x).unwrap();
    let (spec, outcome) = (PropensitySpec::default(), measured(&data, estimators));
    Pipeline::of_cells(data, outcome, covariates, None, estimators, spec, monitor).unwrap()
}

/// Estimates of a resample that was counted.
fn estimate<W: Count>(pipeline: &Pipeline<'_, '_>, counts: Vec<W>, estimates: &mut [f64]) {
    let drawn = &mut Drawn { counts, ..Drawn::new(0) };
    let run = pipeline.replicate(drawn, &mut Scratch::default(), estimates).unwrap();
    run.first_failure.unwrap();
}

#[test]
fn cells_and_rows_agree() {
    let (x, treatment, outcome) = world(5000, 600);
    let data = plain(&x, &treatment, &outcome);
    let nearest = NearestSpec {
        variance_neighbors: 1,
        focal: Focal::Treated,
        n_neighbors: 2,
        caliper: Some(0.5),
        quantity: Quantity::Logit,
    };
    let estimators = [
        Estimator::Ipw(IpwSpec::of(Estimand::Ate)),
        Estimator::Ipw(IpwSpec::of(Estimand::Ato)),
        Estimator::Nearest(nearest),
        Estimator::Nearest(NearestSpec { n_neighbors: 1, quantity: Quantity::Score, ..nearest }),
    ];
    let (monitor, spec) = (Monitor::default(), PropensitySpec::default());
    let collapsed = Pipeline::new(data, &estimators, spec, &monitor).unwrap();
    let by_row = by_row(data, &estimators, &monitor);
    let Layout::Cells { cells, .. } = &collapsed.layout else { panic!("rows repeat") };
    assert!(collapsed.warm_start().is_some() && by_row.warm_start().is_some());
    let cluster: Vec<i64> = (0..5000).map(|row| row % 900).collect();
    for (scheme, cluster) in [
        (Scheme::Multinomial, None),
        (Scheme::Multinomial, Some(&cluster[..])),
        (Scheme::Poisson, None),
    ] {
        let resample = Resample::new(scheme, 5000, cluster, None).unwrap();
        for replicate in 0..20 {
            let (mut rows, mut counts) = (vec![0_u32; 5000], vec![0_u32; cells.n_cells()]);
            resample.count(Stream::new(5, replicate), |row, count| {
                rows[by_row.layout.unit_of(row)] += count;
                counts[cells.of(row)] += count;
            });
            let [mut a, mut b] = [[f64::NAN; 4]; 2];
            estimate(&collapsed, counts, &mut a);
            estimate(&by_row, rows, &mut b);
            for (a, b) in a.iter().zip(&b) {
                assert!((a - b).abs() < 1e-12, "{a} {b}");
            }
        }
    }
}

#[test]
fn replicates_together_are_the_same_for_any_number_of_threads_or_replicates() {
    let n = 1300;
    let (x, treatment, outcome) = world(n, 600);
    let noise = |i: usize, k: usize| ((i * (2 * k + 3)) as f64 + 0.5 * x[(i, k % 2)]).sin();
    let x = Array2::from_shape_fn((n, 8), |(i, k)| noise(i, k));
    let (columns, sample_weight) = ([0, 1, 2, 3, 4, 5, 6, 7], vec![1.25; n]);
    let data = Data {
        x: x.view(),
        score_columns: &columns,
        sample_weight: Some(&sample_weight),
        frequency: None,
        ..plain(&x, &treatment, &outcome)
    };
    let estimators =
        [Estimator::Ipw(IpwSpec::of(Estimand::Ate)), Estimator::Ipw(IpwSpec::of(Estimand::Atm))];
    let (monitor, spec) = (Monitor::default(), PropensitySpec::default());
    let pipeline = Pipeline::new(data, &estimators, spec, &monitor).unwrap();
    assert!(
        matches!(pipeline.layout, Layout::Sorted { .. })
            && pipeline.warm_start().unwrap().is_wide()
    );
    for scheme in [Scheme::Multinomial, Scheme::Bayesian] {
        let resample = Resample::new(scheme, n, None, None).unwrap();
        let found = |n_reps, n_threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            let spec = BootstrapSpec { n_reps, seed: 3 };
            let found = pool.install(|| pipeline.bootstrap(&resample, &spec).unwrap());
            found.estimates.mapv(f64::to_bits)
        };
        let expected = found(70, 1);
        for (n_reps, n_threads) in [(1, 2), (2, 1), (5, 3), (33, 1), (70, 8)] {
            let first = expected.rows().into_iter().take(n_reps);
            assert!(found(n_reps, n_threads).rows().into_iter().eq(first));
        }
    }
}

#[test]
fn rows_that_are_copied_and_rows_that_are_not_give_the_same_replicates() {
    let n = 1300;
    let (x, treatment, outcome) = world(n, 600);
    let noise = |i: usize, k: usize| ((i * (2 * k + 3)) as f64 + 0.5 * x[(i, k % 2)]).sin();
    let nearest = |focal, n_neighbors, quantity| {
        Estimator::Nearest(NearestSpec {
            focal,
            n_neighbors,
            caliper: Some(0.5),
            quantity,
            variance_neighbors: 1,
        })
    };
    let estimators = [
        Estimator::Ipw(IpwSpec::of(Estimand::Ate)),
        Estimator::Ipw(IpwSpec::of(Estimand::Atm)),
        nearest(Focal::Treated, 1, Quantity::Score),
        nearest(Focal::Both, 2, Quantity::Logit),
        Estimator::Adjusted(AdjustmentSpec {
            method: crate::outcome::adjustment::Method::Aipw,
            estimand: Estimand::Ate,
            outcome_model: crate::outcome::kinds::OutcomeModel::Linear,
        }),
    ];
    for (d, estimators) in [(2, &estimators[..]), (8, &estimators), (8, &estimators[..1])] {
        let x = Array2::from_shape_fn((n, d), |(i, k)| noise(i, k));
        let columns: Vec<usize> = (0..d).collect();
        let data = Data {
            x: x.view(),
            score_columns: &columns,
            outcome_columns: &columns,
            ..plain(&x, &treatment, &outcome)
        };
        let monitor = Monitor::default();
        let mut pipeline = by_row(data, estimators, &monitor);
        let resample = Resample::new(Scheme::Multinomial, n, None, None).unwrap();
        let spec = BootstrapSpec { n_reps: 9, seed: 3 };
        let copied = pipeline.bootstrap(&resample, &spec).unwrap().estimates;
        assert!(matches!(pipeline.layout, Layout::Sorted { .. }));
        let (layout, warm_start) = pipeline.read_where_they_lie().unwrap();
        pipeline.layout = layout;
        pipeline.score.as_mut().unwrap().warm_start = warm_start;
        pipeline.outcome_refits = pipeline.refits_of_outcomes().unwrap();
        let read = pipeline.bootstrap(&resample, &spec).unwrap().estimates;
        for (a, b) in copied.iter().zip(&read) {
            assert!((a - b).abs() < 1e-10, "{d}: {a} {b}");
        }
    }
}

#[test]
fn every_way_of_drawing_gives_the_estimates_their_spread() {
    let (x, treatment, outcome) = world(400, 7);
    let data = plain(&x, &treatment, &outcome);
    let estimators = [Estimator::Ipw(IpwSpec::of(Estimand::Ate))];
    let (monitor, spec) = (Monitor::default(), PropensitySpec::default());
    let pipeline = Pipeline::new(data, &estimators, spec, &monitor).unwrap();
    let cluster: Vec<i64> = (0..400).collect();
    let spread = |cluster: Option<&[i64]>| {
        let resample = Resample::new(Scheme::Multinomial, 400, cluster, None).unwrap();
        let spec = BootstrapSpec { n_reps: 4000, seed: 5 };
        pipeline.bootstrap(&resample, &spec).unwrap().estimates.std(1.0)
    };
    // Cells drawn together, and each row by itself.
    let ratio = spread(None) / spread(Some(&cluster));
    assert!((ratio - 1.0).abs() < 4.0 / 4000.0_f64.sqrt(), "{ratio}");
}

#[test]
fn influence_is_the_derivative_in_a_rows_weight() {
    let (x, treatment, outcome) = world(120, 7);
    let data = plain(&x, &treatment, &outcome);
    let estimands = [Estimand::Ate, Estimand::Att, Estimand::Atc];
    let estimators = estimands.map(IpwSpec::of).map(Estimator::Ipw);
    let monitor = Monitor::default();
    let pipeline = by_row(data, &estimators, &monitor);
    let reweighted = |row: usize, weight: f64| {
        let (mut weights, mut estimates) = (vec![1.0; 120], vec![0.0; 3]);
        weights[row] = weight;
        estimate(&pipeline, weights, &mut estimates);
        estimates
    };
    for (k, estimand) in estimands.into_iter().enumerate() {
        let scores = pipeline.score_design.probabilities(pipeline.beta());
        let influence = pipeline.influence(&estimators[k], &scores, None, false).unwrap();
        for row in [0, 7, 50, 119] {
            let rise = reweighted(row, 1.0001)[k] - reweighted(row, 0.9999)[k];
            assert!((influence[row] - 120.0 * rise / 0.0002).abs() < 1e-6, "{estimand:?}");
        }
    }
}
