//! The balance of all levels of factors, from one pass over their codes: a level is a column of zeros and ones, whose
//! moments are its share of the weight.

use rayon::prelude::*;

use super::columns::Column;
use super::samples::Sample;
use crate::design::factors::Factor;
use crate::moments::Moments;

/// What each level weighs in either arm, controls first.
type Weights = Vec<[f64; 2]>;

/// The columns of all levels of a factor, the first too.
pub fn levels_of(factor: &Factor, treatment: &[bool], samples: &[Sample<'_>]) -> Vec<Column> {
    let rows = weights_of(factor, treatment, &|_| 1.0);
    let by_sample: Vec<Weights> = samples
        .par_iter()
        .map(|sample| match sample.weights {
            None => rows.clone(),
            Some(weights) => weights_of(factor, treatment, &|row| weights[row]),
        })
        .collect();
    let in_arm = |arm: usize| rows.iter().map(|own| own[arm]).sum::<f64>();
    let n_rows = [in_arm(0), in_arm(1)];
    let column = |level: usize| {
        let moments = samples.iter().zip(&by_sample);
        let moments = moments.map(|(sample, weights)| {
            [0, 1].map(|arm| moments_of(weights[level][arm], sample.totals[arm]))
        });
        let has = [0, 1].map(|arm| [n_rows[arm] > rows[level][arm], rows[level][arm] > 0.0]);
        Column::of_level(moments.collect(), has)
    };
    (0..factor.n_levels()).map(column).collect()
}

/// Those of zeros and of ones that weigh so much.
fn moments_of(ones: f64, total: f64) -> Moments {
    let mean = ones / total;
    Moments { weight: total, mean, deviation: ones * (1.0 - mean).max(0.0) }
}

fn weights_of(factor: &Factor, treatment: &[bool], weight: &dyn Fn(usize) -> f64) -> Weights {
    let mut sums = vec![[0.0; 2]; factor.n_levels()];
    for (row, treated) in treatment.iter().enumerate() {
        sums[factor.level(row)][usize::from(*treated)] += weight(row);
    }
    sums
}
