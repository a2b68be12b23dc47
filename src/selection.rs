//! Which covariates matter, of hundreds: the lasso, with a penalty for each column that its noise asks for.
//!
//! With z the columns standardized and w weights of mean 1, the lasso minimises
//!
//! ```text
//! mean of w (y - b0 - z'b)^2 / 2 + penalty times the sum of loading_j |b_j|
//! ```
//!
//! A column that has nothing to do with y is left at zero where its penalty exceeds the mean of w z y, which is noise
//! of standard deviation sqrt(mean of w^2 z^2 e^2 / n), e what the others leave of y. Loadings are therefore the root of
//! that mean (Belloni, Chen, Chernozhukov and Hansen 2012, Econometrica 80:2369, section 2.2 and algorithm A.1), and
//! the penalty a quantile of the largest of d normal numbers over sqrt(n). As e is not known, it begins as y less its
//! mean, and is then what least squares on the columns chosen leave, until these stay the same.

mod descent;
mod design;

use ndarray::ArrayView2;

use crate::error::{Error, Result};
use crate::linalg::{Cholesky, RANK_TOLERANCE};
use crate::monitor::Monitor;

use design::{Design, Response};

/// Rounds of loadings: the columns chosen mostly stay the same from the third on.
const MOST_ROUNDS: usize = 15;

/// What each column's penalty is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loadings {
    /// 1 for every column: the lasso as it is known.
    Unit,
    /// How noisy the column's product with the response is.
    Robust,
}

/// A lasso of one response on d columns.
#[derive(Debug, Clone)]
pub struct LassoFit {
    /// d slopes, on the caller's scale; exactly 0 for columns that are not chosen.
    pub coefficients: Vec<f64>,
    pub intercept: f64,
    /// d.
    pub loadings: Vec<f64>,
    /// How often the loadings were made.
    pub rounds: usize,
}

/// The lassos of several responses on the same columns.
///
/// # Errors
/// Lengths that differ, values that are not finite, a penalty that is negative or not finite, fewer than two rows,
/// [`Error::NotConverged`], [`Error::Stopped`].
pub fn lassos(
    x: ArrayView2<'_, f64>,
    sample_weight: Option<&[f64]>,
    responses: &[&[f64]],
    penalty: f64,
    loadings: Loadings,
    monitor: &Monitor,
) -> Result<Vec<LassoFit>> {
    crate::checks::penalty(penalty)?;
    let design = Design::new(x, sample_weight)?;
    let fit = |values: &&[f64]| {
        let response = design.response(values)?;
        match loadings {
            Loadings::Unit => plain(&design, &response, penalty, monitor),
            Loadings::Robust => robust(&design, &response, penalty, monitor),
        }
    };
    responses.iter().map(fit).collect()
}

fn plain(
    design: &Design<'_>,
    response: &Response<'_>,
    penalty: f64,
    monitor: &Monitor,
) -> Result<LassoFit> {
    let d = design.n_columns();
    let slopes = response.quadratic.minimize(&vec![penalty; d], &vec![0.0; d], monitor)?;
    Ok(fitted(design, response, &slopes, vec![1.0; d], 1))
}

/// With loadings that are made anew until the columns chosen stay the same: so do they then, which hang on these alone.
fn robust(
    design: &Design<'_>,
    response: &Response<'_>,
    penalty: f64,
    monitor: &Monitor,
) -> Result<LassoFit> {
    let mut slopes = vec![0.0; design.n_columns()];
    let mut residual = design.residual(response, &slopes);
    let (mut chosen, mut loadings, mut rounds) = (Vec::new(), Vec::new(), 0);
    while rounds < MOST_ROUNDS {
        let noise: Vec<f64> =
            design.weight.iter().zip(&residual).map(|(w, e)| (w * e) * (w * e)).collect();
        loadings = design.root_mean_squares(&noise);
        rounds += 1;
        let penalties: Vec<f64> = loadings.iter().map(|loading| penalty * loading).collect();
        slopes = response.quadratic.minimize(&penalties, &slopes, monitor)?;
        let now: Vec<usize> = (0..slopes.len()).filter(|j| slopes[*j] != 0.0).collect();
        if rounds > 1 && now == chosen {
            break;
        }
        residual = design.residual(response, &least_squares(response, &now)?);
        chosen = now;
    }
    Ok(fitted(design, response, &slopes, loadings, rounds))
}

/// The slopes without a penalty, on some columns alone; 0 for others, and for those that earlier ones repeat.
fn least_squares(response: &Response<'_>, columns: &[usize]) -> Result<Vec<f64>> {
    let quadratic = &response.quadratic;
    let (d, size) = (quadratic.target.len(), columns.len());
    let gram: Vec<f64> = columns
        .iter()
        .flat_map(|j| columns.iter().map(move |k| quadratic.gram[j * d + k]))
        .collect();
    let mut own: Vec<f64> = columns.iter().map(|j| quadratic.target[*j]).collect();
    Cholesky::factor(&gram, size, RANK_TOLERANCE, &[]).map_err(Error::from)?.solve(&mut own);
    let mut slopes = vec![0.0; d];
    columns.iter().zip(own).for_each(|(column, slope)| slopes[*column] = slope);
    Ok(slopes)
}

fn fitted(
    design: &Design<'_>,
    response: &Response<'_>,
    slopes: &[f64],
    loadings: Vec<f64>,
    rounds: usize,
) -> LassoFit {
    let (intercept, coefficients) = design.to_callers(response.mean, slopes);
    LassoFit { coefficients, intercept, loadings, rounds }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::float_cmp)] // tests
mod tests;
