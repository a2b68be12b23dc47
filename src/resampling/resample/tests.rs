use super::*;

fn weights(resample: &Resample, stream: Stream, n_rows: usize) -> Vec<f64> {
    let mut weights = vec![0.0; n_rows];
    resample.weigh(stream, |row, weight| weights[row] += weight);
    weights
}

#[test]
fn count_gives_as_many_rows_as_there_are() {
    let resample = Resample::new(Scheme::Multinomial, 50, None, None).unwrap();
    let mut n_drawn = 0;
    resample.count(Stream::new(7, 3), |_, count| n_drawn += count);
    assert_eq!(n_drawn, 50);
}

#[test]
fn count_of_neighbouring_replicates_is_unrelated() {
    let n = 10_000;
    let resample = Resample::new(Scheme::Multinomial, n, None, None).unwrap();
    let [a, b] = [0, 1].map(|replicate| weights(&resample, Stream::new(1, replicate), n));
    // Counts are Poisson(1) but for their sum: covariance 0, standard error 1 / sqrt(n).
    let products = a.iter().zip(&b).map(|(a, b)| (a - 1.0) * (b - 1.0));
    assert!((products.sum::<f64>() / n as f64).abs() < 5.0 / (n as f64).sqrt());
}

#[test]
fn clusters_are_drawn_whole() {
    let cluster: Vec<i64> = (0..60).map(|row| row * 7 % 11 - 3).collect();
    for scheme in [Scheme::Multinomial, Scheme::Poisson, Scheme::Bayesian] {
        let resample = Resample::new(scheme, 60, Some(&cluster), None).unwrap();
        let weights = weights(&resample, Stream::new(2, 0), 60);
        for row in 0..60 {
            let first = cluster.iter().position(|label| *label == cluster[row]).unwrap();
            assert_eq!(weights[row].to_bits(), weights[first].to_bits());
        }
    }
}

#[test]
fn strata_keep_their_sizes() {
    let strata: Vec<i64> = (0..90).map(|row| row % 3 * row % 2).collect();
    for scheme in [Scheme::Multinomial, Scheme::Bayesian] {
        let resample = Resample::new(scheme, 90, None, Some(&strata)).unwrap();
        let weights = weights(&resample, Stream::new(2, 0), 90);
        for label in 0..2 {
            let own = || weights.iter().zip(&strata).filter(|(_, found)| **found == label);
            let (sum, size) = (own().map(|(w, _)| w).sum::<f64>(), own().count() as f64);
            assert!((sum - size).abs() < 1e-10);
        }
    }
}

#[test]
fn rows_in_another_order_take_the_same_random_numbers() {
    let order = [3_u32, 1, 4, 0, 2];
    let strata = [0, 1, 0, 1, 1];
    for scheme in [Scheme::Multinomial, Scheme::Poisson, Scheme::Bayesian] {
        for strata in [None, Some(&strata[..])] {
            if scheme == Scheme::Poisson && strata.is_some() {
                continue;
            }
            let here = Resample::new(scheme, 5, None, strata).unwrap();
            let here = here.taking_rows_in(order.to_vec());
            let moved: Option<Vec<i64>> =
                strata.map(|own| order.iter().map(|row| own[*row as usize]).collect());
            let there = Resample::new(scheme, 5, None, moved.as_deref()).unwrap();
            for replicate in 0..50 {
                let [here, there] =
                    [&here, &there].map(|resample| weights(resample, Stream::new(3, replicate), 5));
                let expected: Vec<f64> = order.iter().map(|row| here[*row as usize]).collect();
                assert_eq!(there, expected);
            }
        }
    }
}

#[test]
fn totals_are_measured_from_the_mean_of_their_stratum() {
    let (cluster, strata) = ([1, 1, 2, 3, 3], [0, 0, 0, 5, 5]);
    let resample = Resample::new(Scheme::Multinomial, 5, Some(&cluster), Some(&strata)).unwrap();
    assert_eq!(resample.totals(&[1.0, 2.0, 5.0, 4.0, 4.0]), [-1.0, 1.0, 0.0]);
}

#[test]
fn spread_within_counts_a_lot_as_often_as_it_was_drawn() {
    let (influence, weights) = ([-1.0, 3.0, -2.0], [1.0, 2.0, 0.0]);
    let rows = Resample::new(Scheme::Multinomial, 3, None, None).unwrap();
    assert!((rows.spread_within(&influence, &weights) - (1.0 + 2.0 * 1.5 * 1.5)).abs() < 1e-15);
    let cluster = [1, 2, 2];
    let clusters = Resample::new(Scheme::Multinomial, 3, Some(&cluster), None).unwrap();
    let expected = 2.0 * (1.0 + 2.0 * 0.5 * 0.5);
    let found = clusters.spread_within(&influence, &[1.0, 2.0, 2.0]);
    assert!((found - expected).abs() < 1e-15);
}

#[test]
fn rows_of_several_users_weigh_as_their_users_do() {
    // 4,000 rows of one user each, and the same in 4 rows: means, variances and their sum.
    let frequency = [400.0, 1600.0, 1999.0, 1.0];
    let strata = [0, 0, 1, 1];
    for scheme in [Scheme::Multinomial, Scheme::Poisson, Scheme::Bayesian] {
        for strata in [None, Some(&strata[..])] {
            if scheme == Scheme::Poisson && strata.is_some() {
                continue;
            }
            let rows = Resample::new(scheme, 4, None, strata).unwrap();
            let rows = rows.of_users(Some(&frequency));
            let n_reps = 20_000;
            let (mut sums, mut squares) = ([0.0; 4], [0.0; 4]);
            for replicate in 0..n_reps {
                let weights = weights(&rows, Stream::new(9, replicate), 4);
                for row in 0..4 {
                    let away = (weights[row] - 1.0) * frequency[row];
                    sums[row] += away;
                    squares[row] += away * away;
                }
                if let Some(strata) = strata {
                    let own = (0..4).filter(|row| strata[*row] == 1);
                    let total: f64 = own.map(|row| weights[row] * frequency[row]).sum();
                    assert!((total - 2000.0).abs() < 1e-8);
                }
            }
            for row in 0..4 {
                let group = if strata.is_some() { 2000.0 } else { 4000.0 };
                let is_fixed = scheme == Scheme::Multinomial || strata.is_some();
                let left = if is_fixed { 1.0 - frequency[row] / group } else { 1.0 };
                let expected = frequency[row] * left;
                let mean = sums[row] / n_reps as f64;
                assert!(mean.abs() < 5.0 * (expected / n_reps as f64).sqrt());
                let variance = squares[row] / n_reps as f64;
                assert!((variance / expected - 1.0).abs() < 0.15, "{scheme:?} {row} {variance}");
            }
        }
    }
}

#[test]
fn spread_within_counts_the_users_of_a_row() {
    // Rows of 2, 1 and 3 users, all drawn once: as six rows.
    let rows = Resample::new(Scheme::Multinomial, 3, None, None).unwrap();
    let rows = rows.of_users(Some(&[2.0, 1.0, 3.0]));
    let found = rows.spread_within(&[-2.0, 5.0, -3.0], &[1.0; 3]);
    assert!((found - (2.0 * 1.0 + 25.0 + 3.0 * 1.0)).abs() < 1e-14);
    let third = rows.moment(&[-2.0, 5.0, -3.0], 3);
    assert!((third - (-2.0 + 125.0 - 3.0)).abs() < 1e-13);
}

#[test]
fn new_refuses_what_cannot_be_drawn() {
    let refused = |scheme, cluster: Option<&[i64]>, strata: Option<&[i64]>| {
        Resample::new(scheme, 3, cluster, strata).is_err()
    };
    assert!(refused(Scheme::Multinomial, Some(&[1, 1]), None));
    assert!(refused(Scheme::Multinomial, Some(&[1, 1, 1]), None));
    assert!(refused(Scheme::Multinomial, Some(&[1, 1, 2]), Some(&[1, 2, 2])));
    assert!(refused(Scheme::Poisson, None, Some(&[1, 2, 2])));
}
