//! Coordinate descent for the lasso, on sums of products alone (Friedman, Hastie and Tibshirani 2010, Journal of
//! Statistical Software 33:1, section 2.2, "covariance updates").
//!
//! Minimise b'Gb / 2 - c'b + sum over j of `p_j` |`b_j`|, G symmetric. With the other coefficients held, the best `b_j`
//! is S(`g_j` + `G_jj` `b_j`, `p_j`) / `G_jj`, where g = c - Gb and S(u, p) = sign(u) max(|u| - p, 0).

use crate::error::{Error, Result};
use crate::linalg::largest;
use crate::monitor::Monitor;

/// A sweep that changes no coefficient by more than this share of the largest c has arrived: columns are standardized,
/// so that c is what each would have alone.
const TOLERANCE: f64 = 1e-12;

/// Rounds of sweeps over the coefficients that are not zero; ordinary data take some ten, columns that nearly repeat
/// each other hundreds.
const MOST_ROUNDS: usize = 10_000;

/// Sweeps of one round; what is not settled then goes on in the next.
const MOST_SWEEPS: usize = 100;

#[derive(Debug, Clone)]
pub struct Quadratic<'a> {
    /// Row-major, d x d, whole; a row of zeros for a column that does not vary.
    pub gram: &'a [f64],
    pub target: Vec<f64>,
}

impl Quadratic<'_> {
    fn row(&self, j: usize) -> &[f64] {
        let d = self.target.len();
        &self.gram[j * d..(j + 1) * d]
    }

    /// c - Gb.
    #[must_use]
    pub fn gradient(&self, b: &[f64]) -> Vec<f64> {
        let mut gradient = self.target.clone();
        for (j, b) in b.iter().enumerate().filter(|(_, b)| **b != 0.0) {
            gradient.iter_mut().zip(self.row(j)).for_each(|(g, entry)| *g -= b * entry);
        }
        gradient
    }

    /// The minimum for penalties `p`, from a start near it.
    ///
    /// # Errors
    /// [`Error::NotConverged`], [`Error::Stopped`].
    pub fn minimize(&self, p: &[f64], start: &[f64], monitor: &Monitor) -> Result<Vec<f64>> {
        let tolerance = TOLERANCE * largest(&self.target);
        let mut b = start.to_vec();
        for _ in 0..MOST_ROUNDS {
            monitor.check()?;
            // All coordinates, each step felt by all gradients: whoever is to leave zero does.
            let mut gradient = self.gradient(&b);
            let all: Vec<usize> = (0..b.len()).collect();
            if self.sweep(&all, p, &mut b, &mut gradient) <= tolerance {
                return Ok(b);
            }
            // Those that are not zero, until they have settled among themselves.
            let active: Vec<usize> = all.into_iter().filter(|j| b[*j] != 0.0).collect();
            for _ in 0..MOST_SWEEPS {
                if self.sweep(&active, p, &mut b, &mut gradient) <= tolerance {
                    break;
                }
            }
        }
        let off = self.off_optimum(p, &b);
        Err(Error::NotConverged { iterations: MOST_ROUNDS, gradient_norm: off, tolerance })
    }

    /// One step for each of these coordinates; the gradient is kept of them alone. Gives the largest step.
    fn sweep(&self, coordinates: &[usize], p: &[f64], b: &mut [f64], gradient: &mut [f64]) -> f64 {
        let mut largest = 0.0_f64;
        for &j in coordinates {
            let row = self.row(j);
            if row[j] <= 0.0 {
                continue;
            }
            let step = shrunk(gradient[j] + row[j] * b[j], p[j]) / row[j] - b[j];
            if step != 0.0 {
                b[j] += step;
                for &k in coordinates {
                    gradient[k] -= step * row[k];
                }
                largest = largest.max(step.abs());
            }
        }
        largest
    }

    /// By how much the conditions of an optimum are missed (Karush, Kuhn and Tucker): the gradient is `p_j` sign(`b_j`)
    /// where `b_j` is not zero, and at most `p_j` in size where it is.
    #[must_use]
    pub fn off_optimum(&self, p: &[f64], b: &[f64]) -> f64 {
        let gradient = self.gradient(b);
        let missed = |j: usize| {
            if b[j] == 0.0 {
                (gradient[j].abs() - p[j]).max(0.0)
            } else {
                (gradient[j] - p[j].copysign(b[j])).abs()
            }
        };
        (0..b.len()).map(missed).fold(0.0, f64::max)
    }
}

fn shrunk(u: f64, p: f64) -> f64 {
    (u.abs() - p).max(0.0).copysign(u)
}
