use super::dual::Problem;
use super::*;
use crate::kernels::BLOCK;
use ndarray::Array2;

const ALL: [(Estimand, Balancing); 5] = [
    (Estimand::Att, Balancing::Entropy),
    (Estimand::Atc, Balancing::Entropy),
    (Estimand::Ate, Balancing::Entropy),
    (Estimand::Ate, Balancing::Cbps),
    (Estimand::Ate, Balancing::Tilting),
];

/// Rows without a pattern, of more than one block, treated the more often the larger the first column is.
fn data() -> (Array2<f64>, Vec<bool>, Vec<f64>) {
    let n = BLOCK + 144;
    let noise = |i: usize| ((i * 2_654_435_761) >> 7 & 0xffff) as f64 / 32_768.0 - 1.0;
    let x =
        Array2::from_shape_fn((n, 2), |(i, k)| noise(3 * i + k) * (k + 1) as f64 + 5.0 * k as f64);
    let treatment = (0..n).map(|i| noise(7 * i + 2) + 0.6 * x[(i, 0)] > 0.2).collect();
    let weight = (0..n).map(|i| (i % 4) as f64).collect();
    (x, treatment, weight)
}

fn problem<'a>(dual: &Dual, x: &'a Array2<f64>, rows: &Rows<'a>, ridge: f64) -> Problem<'a, 'a> {
    let covariates = Covariates::standardized_among(x.view(), rows.sample_weight).unwrap();
    dual.over(&covariates, rows, ridge).unwrap()
}

#[test]
fn weights_give_both_arms_the_means_wanted() {
    let (x, treatment, weight) = data();
    for sample_weight in [None, Some(&weight[..])] {
        let rows = Rows { treatment: &treatment, sample_weight };
        let s = |i: usize| sample_weight.map_or(1.0, |weight| weight[i]);
        for (estimand, method) in ALL {
            let spec = BalancingSpec { estimand, method, penalty: 0.0 };
            let found = fit_weights(x.view(), &rows, &spec, &Monitor::default()).unwrap();
            let mean = |weigh: &dyn Fn(usize) -> f64, k: usize| {
                let sum = |value: &dyn Fn(usize) -> f64| -> f64 {
                    (0..treatment.len()).map(|i| weigh(i) * value(i)).sum()
                };
                sum(&|i| x[(i, k)]) / sum(&|_| 1.0)
            };
            for k in 0..2 {
                let arms = [false, true].map(|arm| {
                    mean(&|i| if treatment[i] == arm { found.weights[i] } else { 0.0 }, k)
                });
                let wanted = match (estimand, method) {
                    (Estimand::Att, _) => mean(&|i| s(i) * f64::from(u8::from(treatment[i])), k),
                    (Estimand::Atc, _) => mean(&|i| s(i) * f64::from(u8::from(!treatment[i])), k),
                    (_, Balancing::Cbps) => arms[0],
                    _ => mean(&s, k),
                };
                for arm in arms {
                    assert!((arm - wanted).abs() < 1e-13, "{estimand:?} {method:?}");
                }
            }
            assert!(found.imbalance.iter().all(|left| *left < 1e-13));
        }
    }
}

#[test]
fn gradient_is_the_derivative_of_the_dual_and_information_that_of_the_gradient() {
    let (x, treatment, weight) = data();
    let rows = Rows { treatment: &treatment, sample_weight: Some(&weight) };
    let monitor = Monitor::default();
    for (estimand, method) in ALL {
        let spec = BalancingSpec { estimand, method, penalty: 0.0 };
        for dual in spec.duals().unwrap() {
            let problem = problem(&dual, &x, &rows, 3.0);
            let beta = [0.2, -0.4, 0.3];
            let at = |k: usize, step: f64| {
                let mut moved = beta;
                moved[k] += step;
                problem.at(&moved, &monitor).unwrap()
            };
            let here = problem.at(&beta, &monitor).unwrap();
            for k in 0..3 {
                let (up, down) = (at(k, 1e-4), at(k, -1e-4));
                let rise = (up.value - down.value) / 2e-4;
                assert!(
                    (here.equations.gradient[k] - rise).abs() < 1e-5,
                    "{estimand:?} {method:?}"
                );
                for l in 0..=k {
                    let slope = |at: &super::dual::At| at.equations.gradient[l];
                    let fall = (slope(&down) - slope(&up)) / 2e-4;
                    let found = here.equations.information[l * 3 + k];
                    assert!((found - fall).abs() < 1e-4, "{estimand:?} {method:?}");
                }
            }
        }
    }
}

#[test]
fn third_derivative_is_how_the_information_changes_along_the_step() {
    let (x, treatment, _) = data();
    let rows = Rows { treatment: &treatment, sample_weight: None };
    let monitor = Monitor::default();
    let (beta, step, h) = ([0.4, -0.3, 0.2], [0.3, 0.5, -0.2], 1e-4);
    for (estimand, method) in ALL {
        let spec = BalancingSpec { estimand, method, penalty: 0.0 };
        for dual in spec.duals().unwrap() {
            let problem = problem(&dual, &x, &rows, 0.0);
            let times_step = |h: f64| {
                let at: Vec<f64> = beta.iter().zip(step).map(|(b, s)| b + h * s).collect();
                let found = problem.at(&at, &monitor).unwrap().equations.information;
                let entry = |j: usize, k: usize| found[3 * j.min(k) + j.max(k)];
                [0, 1, 2].map(|j| (0..3).map(|k| entry(j, k) * step[k]).sum::<f64>())
            };
            let (after, before) = (times_step(h), times_step(-h));
            let third = problem.third_derivative(&beta, &step, &monitor).unwrap();
            for k in 0..3 {
                let expected = (after[k] - before[k]) / (2.0 * h);
                assert!(
                    (third[k] - expected).abs() < 1e-4 * (1.0 + expected.abs()),
                    "{estimand:?}"
                );
            }
        }
    }
}

#[test]
fn columns_beyond_reach_are_told_of() {
    let (mut x, treatment, _) = data();
    // No control reaches the treated's mean of the second column; of the first, some do.
    for (i, treated) in treatment.iter().enumerate() {
        x[(i, 1)] += if *treated { 40.0 } else { 0.0 };
    }
    let rows = Rows { treatment: &treatment, sample_weight: None };
    for (estimand, method) in ALL {
        let mut spec = BalancingSpec { estimand, method, penalty: 0.0 };
        let found = fit_weights(x.view(), &rows, &spec, &Monitor::default()).unwrap_err();
        let Error::Infeasible { columns, .. } = found else { unreachable!("{found}") };
        assert_eq!(columns, [1], "{estimand:?} {method:?}");
        spec.penalty = 1.0;
        let found = fit_weights(x.view(), &rows, &spec, &Monitor::default()).unwrap();
        assert!(found.imbalance[1] > 0.5 && found.weights.iter().all(|w| w.is_finite()));
    }
}

#[test]
fn a_level_of_one_arm_is_told_of_where_the_other_needs_it() {
    let (x, treatment, _) = data();
    // A flag that no control has.
    let flag = |i: usize| f64::from(u8::from(treatment[i] && i.is_multiple_of(3)));
    let x =
        Array2::from_shape_fn((x.nrows(), 2), |(i, k)| if k == 0 { x[(i, 0)] } else { flag(i) });
    let rows = Rows { treatment: &treatment, sample_weight: None };
    for (estimand, method) in ALL {
        let spec = BalancingSpec { estimand, method, penalty: 0.0 };
        let found = fit_weights(x.view(), &rows, &spec, &Monitor::default());
        if estimand == Estimand::Atc {
            // The treated with the flag stand for no control, and weigh next to nothing.
            let weights = found.unwrap().weights;
            assert!((0..weights.len()).all(|i| flag(i) == 0.0 || weights[i] < 1e-6));
        } else {
            let Error::Infeasible { columns, .. } = found.unwrap_err() else { unreachable!() };
            assert_eq!(columns, [1], "{estimand:?} {method:?}");
        }
    }
}

#[test]
fn collinear_columns_are_balanced_with_those_they_repeat() {
    let (x, treatment, _) = data();
    let more = Array2::from_shape_fn((x.nrows(), 3), |(i, k)| {
        if k == 1 { 3.0 - 2.0 * x[(i, 0)] } else { x[(i, k / 2)] }
    });
    let rows = Rows { treatment: &treatment, sample_weight: None };
    for (estimand, method) in ALL {
        let spec = BalancingSpec { estimand, method, penalty: 0.0 };
        let plain = fit_weights(x.view(), &rows, &spec, &Monitor::default()).unwrap();
        let found = fit_weights(more.view(), &rows, &spec, &Monitor::default()).unwrap();
        assert_eq!((&plain.dropped[..], &found.dropped[..]), (&[][..], &[1][..]));
        assert!(plain.weights.iter().zip(&found.weights).all(|(a, b)| (a - b).abs() < 1e-12));
        assert!(found.imbalance[1] < 1e-12 && found.coefficients[0].values[2] == 0.0);
    }
}
