//! What models lose on rows that they were not fitted to.

use rayon::prelude::*;

use super::folds::Growing;
use super::loss::Loss;
use super::sample::{Folds, Response};
use crate::design::covariates::CHUNK;
use crate::kernels::{BLOCK, log_likelihood};

/// Every row's predictor, out of its fold.
pub fn out_of_fold(growing: &Growing<'_>, folds: Folds<'_>) -> Vec<f32> {
    let of = |row: usize| growing.out_of_fold(row, folds);
    (0..folds.of_row.len()).into_par_iter().with_min_len(CHUNK).map(of).collect()
}

/// The mean loss of the rows fitted to, in fixed chunks.
pub fn mean_loss(loss: Loss, response: &Response<'_>, predictor: &[f32]) -> f64 {
    let chunk = |(chunk, predictor): (usize, &[f32])| {
        let blocks = predictor.chunks(BLOCK).enumerate();
        blocks.fold([0.0, 0.0], |[sum, total], (block, predictor)| {
            let start = chunk * CHUNK + block * BLOCK;
            let [own, weight] = block_loss(loss, response, start, predictor);
            [sum + own, total + weight]
        })
    };
    let chunks: Vec<[f64; 2]> = predictor.par_chunks(CHUNK).enumerate().map(chunk).collect();
    let [sum, total] = chunks.iter().fold([0.0; 2], |[a, b], [c, d]| [a + c, b + d]);
    sum / total
}

/// The losses of a block of rows, and its weights, summed up.
fn block_loss(loss: Loss, response: &Response<'_>, start: usize, predictor: &[f32]) -> [f64; 2] {
    let (mut f, mut w, mut wy) = ([0.0; BLOCK], [0.0; BLOCK], [0.0; BLOCK]);
    for (k, predictor) in predictor.iter().enumerate() {
        f[k] = f64::from(*predictor);
        w[k] = response.weight(start + k);
        wy[k] = if w[k] > 0.0 { w[k] * response.outcome(start + k) } else { 0.0 };
    }
    let total = w.iter().sum();
    if loss == Loss::Logistic {
        return [-log_likelihood(&f, &w, &wy), total];
    }
    let there = (0..predictor.len()).filter(|k| w[*k] > 0.0);
    [there.map(|k| w[k] * loss.at(wy[k] / w[k], f[k])).sum(), total]
}
