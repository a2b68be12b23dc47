use ndarray::Array2;
use rayon::ThreadPoolBuilder;
use smartcore::linalg::basic::arrays::{Array, Array2 as _};

use super::*;
use crate::resampling::stream::Stream;

/// Rows of `d` numbers from 0 to 1, and a treatment that the first two tell by half.
fn sample(n_rows: usize, d: usize) -> (Array2<f64>, Vec<bool>) {
    let mut stream = Stream::new(3, d);
    let mut uniform = move || stream.below(1 << 20) as f64 / f64::from(1 << 20);
    let x = Array2::from_shape_simple_fn((n_rows, d), &mut uniform);
    let treated = |row: ndarray::ArrayView1<'_, f64>| {
        uniform() < if (row[0] > 0.5) == (row[1] > 0.5) { 0.75 } else { 0.25 }
    };
    let treatment = x.rows().into_iter().map(treated).collect();
    (x, treatment)
}

fn scores_of(
    x: &Array2<f64>,
    treatment: &[bool],
    weight: Option<&[f64]>,
    spec: ForestSpec,
) -> Result<Vec<f64>> {
    let rows = Rows { treatment, sample_weight: weight };
    forest_scores(x.view(), &rows, &spec, &Monitor::default())
}

fn spec(n_trees: usize, min_leaf: usize) -> ForestSpec {
    ForestSpec { n_trees, min_leaf: Some(min_leaf), seed: 11 }
}

#[test]
fn scores_are_smartcore_s_own_averaged_over_forests_of_five_trees() {
    let (x, treatment) = sample(300, 3);
    let found = scores_of(&x, &treatment, None, spec(12, 4)).unwrap();
    let rows: Vec<Vec<f64>> = x.rows().into_iter().map(|row| row.to_vec()).collect();
    let x = DenseMatrix::from_2d_vec(&rows).unwrap();
    let y: Vec<f64> = treatment.into_iter().map(f64::from).collect();
    let of_forest = |(forest, n_trees): (usize, usize)| {
        let parameters = RandomForestRegressorParameters {
            n_trees,
            min_samples_leaf: 4,
            min_samples_split: 8,
            keep_samples: true,
            seed: spec(12, 4).seed_of(forest),
            ..RandomForestRegressorParameters::default()
        };
        RandomForestRegressor::fit(&x, &y, parameters).unwrap().predict_oob(&x).unwrap()
    };
    let said = [(0, 5), (1, 5), (2, 2)].map(of_forest);
    assert!(
        said[2].iter().any(|share| share.is_nan()),
        "two trees should leave rows without a score"
    );
    for (row, found) in found.iter().enumerate() {
        let finite: Vec<f64> = said.iter().map(|s| s[row]).filter(|s| s.is_finite()).collect();
        let mean = finite.iter().sum::<f64>() / finite.len() as f64;
        assert!((found - mean).abs() < 1e-13, "row {row}: {found} against {mean}");
    }
}

/// What out of bag means: whoever scores a row has not seen its treatment.
#[test]
fn a_row_s_own_treatment_does_not_touch_its_score() {
    let (x, treatment) = sample(120, 2);
    let weights: Vec<f64> = (0..120).map(|row| f64::from(row % 3 + 1)).collect();
    for weight in [None, Some(&weights[..])] {
        let before = scores_of(&x, &treatment, weight, spec(100, 3)).unwrap();
        for row in [0, 7, 60, 119] {
            let mut turned = treatment.clone();
            turned[row] = !turned[row];
            let after = scores_of(&x, &turned, weight, spec(100, 3)).unwrap();
            assert_eq!(before[row].to_bits(), after[row].to_bits(), "row {row}");
            assert_ne!(before, after, "row {row} touches nobody's score");
        }
    }
}

#[test]
fn scores_are_the_same_on_any_number_of_threads() {
    let (x, treatment) = sample(400, 3);
    let on = |threads| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| scores_of(&x, &treatment, None, spec(52, 8)).unwrap())
    };
    let one = on(1);
    assert_eq!(one, on(2));
    assert_eq!(one, on(7));
    let other = ForestSpec { seed: 12, ..spec(52, 8) };
    assert_ne!(one, scores_of(&x, &treatment, None, other).unwrap());
}

#[test]
fn rows_of_weight_zero_are_not_there_and_have_a_score_all_the_same() {
    let (x, treatment) = sample(300, 2);
    let weight: Vec<f64> = (0..300).map(|row| f64::from(row % 4)).collect();
    let there: Vec<usize> = (0..300).filter(|row| row % 4 > 0).collect();
    let all = scores_of(&x, &treatment, Some(&weight), spec(150, 5)).unwrap();
    let own: Vec<bool> = there.iter().map(|row| treatment[*row]).collect();
    // Weights of another scale draw the same rows: powers of two leave no rounding.
    let halves: Vec<f64> = there.iter().map(|row| weight[*row] / 2.0).collect();
    let alone = scores_of(&x.select(ndarray::Axis(0), &there), &own, Some(&halves), spec(150, 5));
    let among: Vec<f64> = there.iter().map(|row| all[*row]).collect();
    assert_eq!(among, alone.unwrap());
    assert!(all.iter().all(|score| (0.0..=1.0).contains(score)));
}

/// Weights that double an arm in one half of the rows double the odds there.
#[test]
fn sample_weights_move_scores_as_rows_seen_twice_would() {
    let (mut x, treatment) = sample(4000, 2);
    x.column_mut(0).mapv_inplace(|value| f64::from(value > 0.5));
    x.column_mut(1).fill(0.0);
    let weight: Vec<f64> =
        treatment.iter().map(|treated| if *treated { 2.0 } else { 1.0 }).collect();
    let scores = scores_of(&x, &treatment, Some(&weight), spec(100, 20)).unwrap();
    for half in [0.0, 1.0] {
        let members: Vec<usize> = (0..4000).filter(|row| x[[*row, 0]] == half).collect();
        let treated = members.iter().filter(|row| treatment[**row]).count() as f64;
        let wanted = 2.0 * treated / (members.len() as f64 + treated);
        let mean = members.iter().map(|row| scores[*row]).sum::<f64>() / members.len() as f64;
        assert!((mean - wanted).abs() < 0.01, "{mean} against {wanted}");
    }
}

#[test]
fn rows_that_all_trees_have_seen_are_told_with_how_many_trees_would_do() {
    let (x, treatment) = sample(200, 2);
    let Err(Error::InEveryBag { rows, n_trees: 3, enough: Some(enough) }) =
        scores_of(&x, &treatment, None, spec(3, 5))
    else {
        panic!("three trees should leave some of 200 rows without a score");
    };
    assert!(rows.len() > 20 && rows.len() < 100); // (1 - 1/e)^3 = .25 of them
    assert_eq!(scores_of(&x, &treatment, None, spec(enough, 5)).map(|s| s.len()), Ok(200));
    let mut weight = vec![1.0; 200];
    weight[17] = 30.0;
    let Err(Error::InEveryBag { rows, enough: None, .. }) =
        scores_of(&x, &treatment, Some(&weight), spec(300, 5))
    else {
        panic!("a row of 30 times the weight of others should be in every bag");
    };
    assert_eq!(rows, [17]);
}

#[test]
fn what_no_forest_can_be_grown_on_is_refused() {
    let (x, treatment) = sample(100, 2);
    let refused = |x: &Array2<f64>, treatment: &[bool], spec| {
        scores_of(x, treatment, None, spec).unwrap_err()
    };
    let mut gaps = x.clone();
    gaps[[4, 1]] = f64::NAN;
    gaps[[9, 1]] = f64::INFINITY;
    assert!(matches!(
        refused(&gaps, &treatment, spec(50, 5)),
        Error::NotFinite { name: "x", column: Some(1), rows } if rows.first == [4, 9]
    ));
    assert!(matches!(
        refused(&x, &[true; 100], spec(50, 5)),
        Error::EmptyArm { treated: 100, control: 0, .. }
    ));
    assert!(matches!(refused(&x, &treatment[..99], spec(50, 5)), Error::Length { .. }));
    let none = Array2::zeros((100, 0));
    assert!(matches!(refused(&none, &treatment, spec(50, 5)), Error::Argument { name: "x", .. }));
    for (trees, leaf, name) in
        [(0, 5, "n_trees"), (100_001, 5, "n_trees"), (50, 0, "min_leaf"), (50, 51, "min_leaf")]
    {
        let Error::Argument { name: found, .. } = refused(&x, &treatment, spec(trees, leaf)) else {
            panic!("{trees} trees with leaves of {leaf} should be refused by name");
        };
        assert_eq!(found, name);
    }
}

#[test]
fn a_forest_is_left_when_its_caller_asks_to_stop() {
    let monitor = Monitor::default();
    let x =
        Stoppable::new(DenseMatrix::from_2d_array(&[&[1.0, 2.0], &[3.0, 4.0]]).unwrap(), &monitor);
    assert_eq!(stoppable(|| Ok(*x.get((1, 0)))), Ok(3.0));
    monitor.stop();
    assert_eq!(stoppable(|| Ok(*x.get((1, 0)))), Err(Error::Stopped));
    assert_eq!(stoppable(|| Ok(x.get_col(0).shape())), Err(Error::Stopped));
    // Far longer than anybody would wait for this test.
    let (x, treatment) = sample(20_000, 5);
    let monitor = Monitor::default();
    let rows = Rows { treatment: &treatment, sample_weight: None };
    std::thread::scope(|scope| {
        scope.spawn(|| monitor.stop());
        assert_eq!(
            forest_scores(x.view(), &rows, &spec(100_000, 1), &monitor),
            Err(Error::Stopped)
        );
    });
}
