//! The mean and spread of one square or product, by entries of a Gram matrix.

use super::{CANCELLED, Product};
use crate::design::covariates::Covariates;
use crate::kernels::ScoreEquations;
use crate::moments::Moments;

impl Product {
    /// The product of the columns at two places of a design, which are measured from these centers.
    pub(super) fn of(
        design: &Covariates<'_>,
        center: &[f64],
        [j, k]: [usize; 2],
        binary: bool,
    ) -> Self {
        let scale = [j, k].map(|column| design.scale[column]);
        let [a, b] =
            [j, k].map(|column| (design.center[column] - center[column]) / design.scale[column]);
        Self { j, k, binary, shift: [a, b], scale: scale[0] * scale[1] }
    }

    /// The mean of p in an arm; of a binary product its share.
    pub(super) fn mean(&self, sums: &ScoreEquations) -> f64 {
        let ([a, b], weight) = (self.shift, entry(sums, 0, 0));
        let [z_j, z_k] = [self.j, self.k].map(|column| entry(sums, 0, column + 1));
        let mean = (a * z_k + b * z_j + entry(sums, self.j + 1, self.k + 1)) / weight;
        if self.binary { snapped(self.scale * (a * b + mean)) } else { mean }
    }

    /// The moments of p in an arm that weighs `weight`; none where digits were lost.
    pub(super) fn moments(&self, sums: &ScoreEquations, weight: f64) -> Option<Moments> {
        let mean = self.mean(sums);
        if self.binary {
            return Some(Moments { weight, mean, deviation: 0.0 });
        }
        let d = (sums.gradient.len() - 1) / 2;
        let ([a, b], [z_j, z_k]) = (self.shift, [self.j + 1, self.k + 1]);
        let [square_j, square_k] = [z_j + d, z_k + d];
        let at = |one: usize, other: usize| entry(sums, one, other);
        let parts = [
            a * a * at(z_k, z_k),
            b * b * at(z_j, z_j),
            at(square_j, square_k),
            2.0 * a * b * at(z_j, z_k),
            2.0 * a * at(z_j, square_k),
            2.0 * b * at(z_k, square_j),
            -weight * mean * mean,
        ];
        let deviation: f64 = parts.iter().sum();
        let size: f64 = parts.iter().map(|part| part.abs()).sum();
        let is_whole = deviation > CANCELLED * size && deviation.is_finite();
        is_whole.then_some(Moments { weight, mean, deviation })
    }
}

/// The sum of products of two columns.
fn entry(sums: &ScoreEquations, one: usize, other: usize) -> f64 {
    sums.information[one.min(other) * sums.gradient.len() + one.max(other)]
}

/// A share, none and all of it but for rounding being none and all.
fn snapped(share: f64) -> f64 {
    const ROUNDING: f64 = 1e-12;
    if share < ROUNDING {
        0.0
    } else if share > 1.0 - ROUNDING {
        1.0
    } else {
        share
    }
}
