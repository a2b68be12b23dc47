use ndarray::Array2;

use super::*;
use crate::design::covariates::Covariates;
use crate::resampling::stream::Stream;
use crate::resampling::urn::Urn;
use crate::score::logistic::{Likelihood, Sweep, maximize, standardized_penalty};
use crate::units::tally::Outcomes;

/// Rows without a pattern, whose treatment follows the first columns.
pub fn world(n: usize, d: usize) -> (Array2<f64>, Vec<bool>, Vec<f64>) {
    let mut stream = Stream::new(9, 0);
    let mut normal = || (0..4).map(|_| stream.exponential() - 1.0).sum::<f64>() / 2.0;
    let x = Array2::from_shape_fn((n, d), |_| normal());
    let treatment = (0..n).map(|i| 0.5 * x[(i, 0)] - x[(i, d - 1)] + normal() > 0.3).collect();
    (x, treatment, (0..n).map(|i| (i % 5) as f64).collect())
}

pub fn rows<'a>(
    treatment: &'a [bool],
    outcome: &'a [f64],
    counts: Option<&'a [u32]>,
) -> Outcomes<'a, u32> {
    Outcomes { treatment, outcome, sample_weight: None, counts }
}

#[test]
fn refits_are_those_of_newtons_method() {
    for (d, penalty, n) in [(2, 0.0, 2500), (6, 3.0, 2500), (12, 0.0, 3000), (45, 1.0, 6000)] {
        let (x, treatment, outcome) = world(n, d);
        let covariates = Covariates::standardized(x.view()).unwrap();
        let (monitor, spec) = (Monitor::default(), LogisticSpec::default());
        let newton = |units: &Outcomes<'_, u32>| {
            let likelihood = Likelihood::new(&covariates, units, penalty, Sweep::Serial).unwrap();
            maximize(&likelihood, None, &spec, &monitor).unwrap().beta
        };
        let full = rows(&treatment, &outcome, None);
        let ridge = standardized_penalty(&covariates, penalty);
        let read = Columns::Read(covariates.clone());
        let starts = [Columns::ready(&covariates), read].map(|columns| {
            WarmStart::new(columns, &full, newton(&full), ridge.clone(), spec, &monitor).unwrap()
        });
        let (urn, mut counts) = (Urn::of_rows(n, true), vec![0; n]);
        for replicate in 0..3 {
            urn.draw(&mut Stream::new(3, replicate), &mut counts);
            let units = rows(&treatment, &outcome, Some(&counts));
            let mut scores = FittedScores::default();
            let expected = newton(&units);
            let found = starts
                .each_ref()
                .map(|start| start.refit(&units, false, &mut scores, &monitor).unwrap().unwrap());
            for (a, b) in expected.iter().zip(&found[0].beta) {
                assert!((a - b).abs() < 1e-8, "{d}: {a} {b}");
            }
            assert_eq!(found[0].beta, found[1].beta);
            let probabilities = covariates.probabilities(&expected);
            for (a, b) in probabilities.iter().zip(scores.values.as_flattened()) {
                assert!((a - b).abs() < 1e-8);
            }
        }
    }
}

#[test]
fn refit_leaves_a_separated_resample_to_newtons_method() {
    let (x, treatment, outcome) = world(2000, 2);
    let covariates = Covariates::standardized(x.view()).unwrap();
    let counts: Vec<u32> = treatment
        .iter()
        .zip(x.column(0))
        .map(|(treated, x)| u32::from(*treated == (*x > 0.0)))
        .collect();
    let (monitor, spec, full) =
        (Monitor::default(), LogisticSpec::default(), rows(&treatment, &outcome, None));
    let likelihood = Likelihood::new(&covariates, &full, 0.0, Sweep::Serial).unwrap();
    let beta = maximize(&likelihood, None, &spec, &monitor).unwrap().beta;
    let start =
        WarmStart::new(Columns::ready(&covariates), &full, beta, vec![0.0; 3], spec, &monitor)
            .unwrap();
    let found = start
        .refit(
            &rows(&treatment, &outcome, Some(&counts)),
            false,
            &mut FittedScores::default(),
            &monitor,
        )
        .unwrap();
    assert!(found.is_none());
}
