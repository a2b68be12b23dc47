use super::*;
use crate::balance::smd;

/// Columns of every kind: far from zero, binary, signs, counts, one level that an arm lacks, a constant.
fn data(n: usize) -> (Array2<f64>, Vec<bool>, Vec<f64>, Vec<f64>) {
    let noise =
        |i: usize, k: usize| (((i * 2_654_435_761 + k * 40_503) >> 7) % 1000) as f64 / 1000.0;
    let treatment: Vec<bool> = (0..n).map(|i| noise(i, 0) < 0.4).collect();
    let x = Array2::from_shape_fn((n, 7), |(i, k)| match k {
        0 => 2000.0 + 10.0 * noise(i, 1) + f64::from(u8::from(treatment[i])),
        1 => f64::from(u8::from(noise(i, 2) < 0.3)),
        2 => [-1.0, 0.0, 1.0][i % 3],
        3 => (4.0 * noise(i, 3)).floor(),
        4 => f64::from(u8::from(noise(i, 4) < 0.2 && treatment[i])),
        5 => 3.0,
        _ => 1.0 - 2.0 * noise(i, 5).powi(3),
    });
    let weights = (0..n).map(|i| 0.1 + noise(i, 6)).collect();
    let own = (0..n).map(|i| (i % 5) as f64).collect();
    (x, treatment, weights, own)
}

#[test]
fn product_smds_are_those_of_the_products_as_columns() {
    let (x, treatment, weights, own) = data(3 * BLOCK + 57);
    let pairs: Vec<[usize; 2]> = (0..7).flat_map(|j| (j..7).map(move |k| [j, k])).collect();
    let origins = [0.0; 7];
    let means = [2004.9, 0.3, 0.0, 1.5, 0.08, 3.0, 0.5];
    for center in [None, Some(&origins), Some(&means)] {
        let from = center.unwrap_or(&origins);
        let made = Array2::from_shape_fn((x.nrows(), pairs.len()).f(), |(row, pair)| {
            pairs[pair].iter().map(|k| x[(row, *k)] - from[*k]).product::<f64>()
        });
        let pairs = Pairs { columns: &pairs, center: center.map(|center| &center[..]) };
        are_those_of(&made, pairs, &x, &treatment, &weights, &own);
    }
}

fn are_those_of(
    made: &Array2<f64>,
    pairs: Pairs<'_>,
    x: &Array2<f64>,
    treatment: &[bool],
    weights: &[f64],
    own: &[f64],
) {
    let all = [Denominator::Pooled, Denominator::Treated, Denominator::Control, Denominator::All];
    for denominator in all {
        for base in [RowWeights::default(), RowWeights::of(Some(own))] {
            let monitor = Monitor::default();
            let found =
                product_smds(x.view(), treatment, pairs, &[weights], base, denominator, &monitor)
                    .unwrap();
            for (sample, weights) in [None, Some(weights)].into_iter().enumerate() {
                let expected = smd(made.view(), treatment, weights, base, denominator).unwrap();
                for (pair, expected) in expected.iter().enumerate() {
                    let found = found[(pair, sample)];
                    let is_same = (found - expected).abs() < 1e-9 * (1.0 + expected.abs())
                        || (found.is_infinite() && expected.is_infinite());
                    let columns = pairs.columns[pair];
                    assert!(is_same, "{columns:?} {denominator:?}: {found} {expected}");
                }
            }
        }
    }
}

#[test]
fn product_smds_are_those_of_any_units() {
    let x = Array2::from_shape_fn((6, 2), |(row, k)| if k == 0 { 1e140 } else { 1.0 } * row as f64);
    let treatment = [true, false, true, false, true, false];
    let pairs = Pairs { columns: &[[0, 0], [1, 1]], center: None };
    let (unit, once) = (Denominator::Pooled, RowWeights::default());
    let found =
        product_smds(x.view(), &treatment, pairs, &[], once, unit, &Monitor::default()).unwrap();
    assert!((found[(1, 0)] - -0.478_182_53).abs() < 1e-8); // by hand
    assert!((found[(0, 0)] - found[(1, 0)]).abs() < 1e-12);
}
