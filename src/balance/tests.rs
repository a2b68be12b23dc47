use super::*;
use crate::design::factors::Factor;
use crate::units::frequency::whole;
use ndarray::array;

#[test]
fn smd_divides_by_the_unweighted_spread() {
    let x = array![[1.0, 1.0], [3.0, 1.0], [0.0, 0.0], [2.0, 1.0]];
    let treatment = [true, true, false, false];
    let pooled =
        smd(x.view(), &treatment, None, RowWeights::default(), Denominator::Pooled).unwrap();
    assert!((pooled[0] - 1.0 / 2.0_f64.sqrt()).abs() < 1e-15);
    // p = 1 and 1/2: variances 0 and 1/4.
    assert!((pooled[1] - 0.5 / 0.125_f64.sqrt()).abs() < 1e-15);
    let weights = [1.0, 1.0, 0.0, 5.0];
    let weighted =
        smd(x.view(), &treatment, Some(&weights), RowWeights::default(), Denominator::Pooled)
            .unwrap();
    assert!(weighted.iter().all(|smd| smd.abs() < 1e-15));
}

#[test]
fn balance_looks_at_every_value_also_where_it_weighs_nothing() {
    let x = array![[1.0], [3.0], [5.0], [1.0], [2.0], [5.0]];
    let treatment = [true, true, true, false, false, false];
    let weights = [1.0, 1.0, 0.0, 1.0, 3.0, 0.0];
    let monitor = Monitor::default();
    let found = balance(
        Compared::numbers(x.view()),
        &treatment,
        &[&weights],
        RowWeights::default(),
        Denominator::Pooled,
        &monitor,
    )
    .unwrap();
    // |F1 - F0| at 1, 2, 3, 5 is 0, 1/3, 0, 0.
    assert!((found[0].measures[0].ks - 1.0 / 3.0).abs() < 1e-15);
    assert!((found[0].measures[0].ecdf_difference - 1.0 / 12.0).abs() < 1e-15);
    // At 1, 2, 3, 5: 1/4, 1/2, 0, 0. The variances are 2 and (3/16) / (1 - 10/16).
    let weighted = found[1].measures[0];
    assert!((weighted.ks - 0.5).abs() < 1e-15);
    assert!((weighted.ecdf_difference - 3.0 / 16.0).abs() < 1e-15);
    assert!((weighted.variance_ratio - 4.0).abs() < 1e-14);
    assert!((found[1].ess_control - 1.6).abs() < 1e-15);
}

#[test]
fn rows_of_sample_weight_0_are_not_there() {
    // The third row's 2 makes the second column no longer one of zeros and ones, its 9 is a value of its own.
    let x = array![[1.0, 1.0], [3.0, 0.0], [9.0, 2.0], [1.0, 1.0], [2.0, 0.0], [5.0, 1.0]];
    let treatment = [true, true, true, false, false, false];
    let (base, weights) = ([1.0, 2.0, 0.0, 1.0, 1.0, 2.0], [1.0, 1.0, 7.0, 2.0, 3.0, 1.0]);
    let monitor = Monitor::default();
    let rows = [0, 1, 3, 4, 5];
    let kept = |values: &[f64]| rows.iter().map(|row| values[*row]).collect::<Vec<_>>();
    let few = x.select(ndarray::Axis(0), &rows);
    let arms = [true, true, false, false, false];
    let unit = Denominator::Pooled;
    let (own, own_base) = (kept(&weights), kept(&base));
    let [base, own_base] = [&base[..], &own_base].map(|base| RowWeights::of(Some(base)));
    let all = Compared::numbers(x.view());
    let found = balance(all, &treatment, &[&weights], base, unit, &monitor).unwrap();
    let there = Compared::numbers(few.view());
    let expected = balance(there, &arms, &[&own], own_base, unit, &monitor).unwrap();
    assert_eq!(format!("{found:?}"), format!("{expected:?}")); // NaN is NaN there
    let differences = smd(x.view(), &treatment, Some(&weights), base, unit).unwrap();
    let alone = smd(few.view(), &arms, Some(&own), own_base, unit).unwrap();
    assert_eq!(format!("{differences:?}"), format!("{alone:?}"));
}

#[test]
fn balance_of_an_arm_with_one_value_has_no_rounding_in_its_variance() {
    let x = array![[0.1], [0.1], [0.1], [0.3], [0.2], [0.1]];
    let treatment = [true, true, true, false, false, false];
    let monitor = Monitor::default();
    let found = balance(
        Compared::numbers(x.view()),
        &treatment,
        &[],
        RowWeights::default(),
        Denominator::Treated,
        &monitor,
    )
    .unwrap();
    assert!(found[0].measures[0].variance_ratio.abs() < f64::MIN_POSITIVE);
    assert!(found[0].measures[0].smd.is_infinite());
}

#[test]
fn levels_are_compared_as_the_columns_they_stand_for() {
    let n = 90;
    let levels = |k: usize| {
        ndarray::Array1::from_iter((0..90_i64).map(|row| [row * 3 % 7 % 4, row % 11 % 3][k]))
    };
    let factors = Factor::all(&[levels(0), levels(1)]).unwrap();
    let x = ndarray::Array2::from_shape_fn((n, 1), |(row, _)| (row as f64).sin());
    let level =
        |row: usize, k: usize, level: usize| f64::from(u8::from(factors[k].level(row) == level));
    let dense = ndarray::Array2::from_shape_fn((n, 8), |(row, k)| match k {
        0..4 => level(row, 0, k),
        4 => x[(row, 0)],
        _ => level(row, 1, k - 5),
    });
    let treatment: Vec<bool> = (0..n).map(|row| row % 3 == 1 || row % 7 == 2).collect();
    let weights: Vec<f64> = (0..n).map(|row| f64::from(u8::from(row % 5 > 0)) + 0.1).collect();
    let base: Vec<f64> = (0..n).map(|row| (row % 4) as f64).collect();
    let monitor = Monitor::default();
    let compared = Compared { x: x.view().into(), factors: &factors, after: &[0, 1] };
    for base in [None, Some(base.as_slice())] {
        for unit in [Denominator::Pooled, Denominator::Treated, Denominator::All] {
            let base = RowWeights::of(base);
            let by = |what| balance(what, &treatment, &[&weights], base, unit, &monitor).unwrap();
            let (coded, dense) = (by(compared.clone()), by(Compared::numbers(dense.view())));
            for (coded, dense) in coded.iter().zip(&dense) {
                assert_eq!(coded.measures.len(), 8);
                for (a, b) in coded.measures.iter().zip(&dense.measures) {
                    let pairs = [
                        (a.mean_treated, b.mean_treated),
                        (a.mean_control, b.mean_control),
                        (a.smd, b.smd),
                        (a.ks, b.ks),
                        (a.ecdf_difference, b.ecdf_difference),
                    ];
                    assert!(pairs.iter().all(|(a, b)| (a - b).abs() < 1e-12), "{a:?} {b:?}");
                    assert_eq!(a.variance_ratio.is_nan(), b.variance_ratio.is_nan());
                }
            }
        }
    }
}

#[test]
fn rows_that_stand_for_several_users_are_those_users() {
    let x = array![[1.0, 1.0], [3.0, 0.0], [9.0, 2.0], [1.5, 1.0], [2.0, 0.0], [5.0, 1.0]];
    let treatment = [true, true, true, false, false, false];
    let (frequency, weights) = ([3.0, 1.0, 2.0, 4.0, 1.0, 2.0], [1.0, 2.0, 7.0, 2.0, 3.0, 1.0]);
    let own = [0.5, 2.0, 1.0, 1.0, 3.0, 0.0];
    let rows: Vec<usize> =
        (0..6).flat_map(|row| std::iter::repeat_n(row, whole(frequency[row]))).collect();
    let spelled = |values: &[f64]| rows.iter().map(|row| values[*row]).collect::<Vec<_>>();
    let arms: Vec<bool> = rows.iter().map(|row| treatment[*row]).collect();
    let (all, monitor) = (x.select(ndarray::Axis(0), &rows), Monitor::default());
    let total: Vec<f64> = own.iter().zip(&frequency).map(|(own, users)| own * users).collect();
    let counted = RowWeights { total: Some(&total), frequency: Some(&frequency), is_survey: true };
    let (spelled_own, spelled_weights) = (spelled(&own), spelled(&weights));
    for unit in [Denominator::Pooled, Denominator::All] {
        let found =
            balance(Compared::numbers(x.view()), &treatment, &[&weights], counted, unit, &monitor);
        let once = RowWeights::of(Some(&spelled_own));
        let expected = balance(
            Compared::numbers(all.view()),
            &arms,
            &[&spelled_weights],
            once,
            unit,
            &monitor,
        );
        for (found, expected) in found.unwrap().iter().zip(expected.unwrap()) {
            assert!((found.ess_treated - expected.ess_treated).abs() < 1e-12);
            for (found, expected) in found.measures.iter().zip(&expected.measures) {
                assert!((found.smd - expected.smd).abs() < 1e-12);
                let is_same = (found.variance_ratio - expected.variance_ratio).abs() < 1e-12;
                assert!(is_same || expected.variance_ratio.is_nan());
                assert!((found.ks - expected.ks).abs() < 1e-12);
                assert!((found.ecdf_difference - expected.ecdf_difference).abs() < 1e-12);
            }
        }
    }
}
