//! Standard errors by stacked estimating equations (Stefanski and Boos 2002): what each row contributes
//! to the error of an estimate, through the estimate itself and through every model fitted on the way.

use rayon::prelude::*;

use crate::design::chunks::by_chunk;
use crate::design::covariates::{CHUNK, Covariates};
use crate::design::rank::{in_doubt, presence};
use crate::design::vectors::OnRows;
use crate::error::Result;
use crate::kernels::{BLOCK, linear_predictor};
use crate::linalg::{Cholesky, RANK_TOLERANCE};
use crate::score::links::Link;
use crate::units::frequency::{n_users, users_of};

/// The means of the two arms, control first, and each row's influence on them.
#[derive(Debug, Clone)]
pub struct ArmMeans {
    /// What the outcomes were measured from, and how far above it the means are: see [`crate::outcome::origin`].
    pub origin: f64,
    pub above: [f64; 2],
    /// n values of mean zero each; the covariance of the means is the sum of their products over n^2.
    pub influence: [Vec<f64>; 2],
}

impl ArmMeans {
    #[must_use]
    pub fn mean(&self) -> [f64; 2] {
        self.above.map(|above| self.origin + above)
    }

    /// `mean_treated - mean_control`, with the digits that the means themselves may not have room for.
    #[must_use]
    pub fn difference(&self) -> f64 {
        self.above[1] - self.above[0]
    }

    /// The standard error of the difference, with divisor n and no correction for degrees of freedom.
    #[must_use]
    pub fn std_error(&self) -> f64 {
        self.std_error_of_users(None)
    }

    /// The same of rows that stand for several users each, whose influence is that of one of them.
    #[must_use]
    pub fn std_error_of_users(&self, frequency: Option<&[f64]>) -> f64 {
        let [control, treated] = &self.influence;
        let squares = sum_by_row(treated.len(), |i| {
            users_of(frequency, i) * (treated[i] - control[i]) * (treated[i] - control[i])
        });
        squares.sqrt() / n_users(frequency, treated.len())
    }
}

/// The model that gave scores, as far as an influence needs it.
#[derive(Debug, Clone, Copy)]
pub struct ScoreFit<'a, 'x> {
    pub covariates: &'a Covariates<'x>,
    /// L2 strength on the caller's scale.
    pub penalty: f64,
    pub link: Link,
}

/// What rows add to the equations of the model that gave their scores: r, and how fast it falls with the linear
/// predictor; and how fast log odds grow with that. Sample weights are left to multiply the first two.
#[derive(Debug, Clone)]
pub struct ScoreTerms {
    pub residual: Vec<f64>,
    pub spread: Vec<f64>,
    pub log_odds_slope: Vec<f64>,
}

impl ScoreTerms {
    #[must_use]
    pub fn new(treatment: &[bool], scores: &[f64], link: Link) -> Self {
        let n = scores.len();
        let eta = by_row(n, |i| link.linear_predictor(scores[i]));
        let of_row = |i: usize| link.terms(treatment[i], eta[i]);
        Self {
            residual: by_row(n, |i| of_row(i).slope),
            spread: by_row(n, |i| of_row(i).fall),
            log_odds_slope: by_row(n, |i| link.log_odds_slope(eta[i])),
        }
    }
}

/// A model of the rows' linear predictors, as far as an influence needs it: with coefficients b solving
/// sum `r_i` `x_i` = ridge b, row i moves b by V `r_i` `x_i`, V the inverse of the information
/// sum `q_i` `x_i` `x_i`' + ridge, `q_i` how fast `r_i` falls with the linear predictor. Of a logistic score model r is
/// w (t - e), and q w e (1 - e); with another link r is w (t - e) f / (e (1 - e)), f being the derivative of e.
#[derive(Debug)]
pub struct ScoreModel<'x> {
    covariates: Covariates<'x>,
    residual: Vec<f64>,
    information: Cholesky,
    /// How fast the log odds of each row grow with its linear predictor; none where they are it.
    log_odds_slope: Option<Vec<f64>>,
}

/// The rows that a score model was fitted to, and their scores.
#[derive(Debug, Clone, Copy)]
pub struct ScoreRows<'a> {
    pub treatment: &'a [bool],
    pub scores: &'a [f64],
    pub weight: Option<&'a [f64]>,
    pub link: Link,
}

/// What they add to the equations of their model, sample weights included: r, q, and the slopes of [`ScoreModel`].
#[derive(Debug)]
pub struct WeightedTerms {
    pub residual: Vec<f64>,
    pub spread: Vec<f64>,
    pub log_odds_slope: Option<Vec<f64>>,
}

impl ScoreRows<'_> {
    /// What they add to the equations of their model.
    #[must_use]
    pub fn terms(&self) -> WeightedTerms {
        let Self { treatment, scores, weight, link } = *self;
        let row_weight = |row: usize| weight.map_or(1.0, |weights| weights[row]);
        let n = scores.len();
        if link != Link::Logit {
            let ScoreTerms { mut residual, mut spread, log_odds_slope } =
                ScoreTerms::new(treatment, scores, link);
            residual.iter_mut().enumerate().for_each(|(i, r)| *r *= row_weight(i));
            spread.iter_mut().enumerate().for_each(|(i, q)| *q *= row_weight(i));
            return WeightedTerms { residual, spread, log_odds_slope: Some(log_odds_slope) };
        }
        WeightedTerms {
            residual: by_row(n, |i| {
                row_weight(i) * (f64::from(u8::from(treatment[i])) - scores[i])
            }),
            spread: by_row(n, |i| row_weight(i) * scores[i] * (1.0 - scores[i])),
            log_odds_slope: None,
        }
    }
}

impl<'x> ScoreModel<'x> {
    /// Of scores.
    ///
    /// # Errors
    /// [`crate::error::Error::Overflow`].
    pub fn new(
        ScoreFit { covariates, penalty, link }: ScoreFit<'_, 'x>,
        treatment: &[bool],
        scores: &[f64],
        weight: Option<&[f64]>,
    ) -> Result<Self> {
        let ridge = |scale: &f64| penalty / (scale * scale);
        let ridge: Vec<f64> = covariates.scale.iter().map(ridge).collect();
        let WeightedTerms { residual, spread, log_odds_slope } =
            ScoreRows { treatment, scores, weight, link }.terms();
        let model = Self::of(covariates, residual, &spread, &ridge, weight)?;
        Ok(Self { log_odds_slope, ..model })
    }

    /// Any model, by its rows' residuals and how fast they fall, with a ridge on each slope: zero on all of them, or on
    /// none.
    ///
    /// # Errors
    /// [`crate::error::Error::Overflow`].
    pub fn of(
        covariates: &Covariates<'x>,
        residual: Vec<f64>,
        spread: &[f64],
        ridge: &[f64],
        weight: Option<&[f64]>,
    ) -> Result<Self> {
        let mut covariates = covariates.clone();
        let mut information = covariates.products(spread, spread).information;
        let is_open = ridge.iter().all(|ridge| *ridge == 0.0) && !covariates.is_settled();
        if is_open && in_doubt(&information, covariates.n_columns() + 1) {
            covariates = covariates.settle(&presence(spread.len(), weight))?;
            information = covariates.products(spread, spread).information;
        }
        let terms = covariates.n_columns() + 1;
        for (k, ridge) in ridge.iter().enumerate().take(terms - 1) {
            information[(k + 1) * terms + k + 1] += ridge;
        }
        let information = Cholesky::factor(&information, terms, RANK_TOLERANCE, &[])?;
        Ok(Self { covariates, residual, information, log_odds_slope: None })
    }

    /// The residuals of the rows, `r_i`.
    #[must_use]
    pub fn residual(&self) -> &[f64] {
        &self.residual
    }

    /// How much each row holds its own linear predictor: [`leverage`].
    #[must_use]
    pub fn leverage(&self, spread: &[f64]) -> Vec<f64> {
        leverage(&self.covariates, &[&self.information], &|_, row| spread[row])
    }

    /// The sum of `slope[i]` `x_i`, slopes in the log odds made into those in the linear predictor.
    fn gradient(&self, slope: &[f64]) -> Vec<f64> {
        match &self.log_odds_slope {
            None => self.covariates.gradient(slope),
            Some(of_log_odds) => {
                self.covariates.gradient(&by_row(slope.len(), |i| slope[i] * of_log_odds[i]))
            }
        }
    }

    /// The variances that the coefficients give sums whose derivatives in the rows' linear predictors `fill` gives: g' V g
    /// for each of `count` vectors, with g the sum of `slope[i]` `x_i`.
    #[must_use]
    pub fn variances(&self, count: usize, fill: &OnRows<'_>) -> Vec<f64> {
        let variance = |gradient: Vec<f64>| {
            let mut direction = gradient.clone();
            self.information.solve(&mut direction);
            gradient.iter().zip(&direction).map(|(g, v)| g * v).sum()
        };
        self.covariates.gradients(count, fill).into_iter().map(variance).collect()
    }

    /// Each row's influence, through the coefficients, on a sum whose derivative in the log odds of
    /// row i's score is `slope[i]`.
    #[must_use]
    pub fn influence(&self, slope: &[f64]) -> Vec<f64> {
        let mut direction = self.gradient(slope);
        self.information.solve(&mut direction);
        let mut influence = self.covariates.linear(&direction);
        let rows = influence.par_iter_mut().zip(&self.residual).with_min_len(CHUNK);
        rows.for_each(|(x, r)| *x *= r);
        influence
    }
}

impl ScoreModel<'_> {
    /// [`Self::influence`] of `count` vectors of slopes that `fill` gives, in two passes over the rows for all of them,
    /// once `finish` has worked on it.
    #[must_use]
    pub fn influences(
        &self,
        count: usize,
        fill: &OnRows<'_>,
        finish: &OnRows<'_>,
    ) -> Vec<Vec<f64>> {
        let slopes = |which: usize, first: usize, lane: &mut [f64]| {
            fill(which, first, lane);
            if let Some(of_log_odds) = &self.log_odds_slope {
                lane.iter_mut().zip(&of_log_odds[first..]).for_each(|(slope, own)| *slope *= own);
            }
        };
        let mut directions = self.covariates.gradients(count, &slopes);
        for direction in &mut directions {
            self.information.solve(direction);
        }
        self.covariates.linears(&directions, &|which, first, influence| {
            influence.iter_mut().zip(&self.residual[first..]).for_each(|(x, r)| *x *= r);
            finish(which, first, influence);
        })
    }
}

/// How much each row holds its own linear predictor: the sum over several fits of `q_i` `x_i`' V `x_i`, the diagonal of the
/// hat matrix of the last weighted least squares of a fit, with q what `spread` gives of it and of a row, and V the inverse
/// of the information.
#[must_use]
pub fn leverage(
    covariates: &Covariates<'_>,
    information: &[&Cholesky],
    spread: &(dyn Fn(usize, usize) -> f64 + Sync),
) -> Vec<f64> {
    let factors: Vec<_> = information.iter().map(|own| own.inverse_factor()).collect();
    let mut leverage = vec![0.0; covariates.n_rows()];
    leverage.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, leverage)| {
        let mut columns = vec![[0.0; BLOCK]; covariates.n_columns()];
        let [mut product, mut squares, mut sums] = [[0.0; BLOCK]; 3];
        for (block, leverage) in leverage.chunks_mut(BLOCK).enumerate() {
            let start = chunk * CHUNK + block * BLOCK;
            covariates.load(start, &mut columns);
            sums.fill(0.0);
            for (which, factor) in factors.iter().enumerate() {
                squares.fill(0.0);
                for row in factor {
                    linear_predictor(row, &columns[..row.len() - 1], &mut product);
                    squares.iter_mut().zip(&product).for_each(|(sum, v)| *sum += v * v);
                }
                let rows = sums[..leverage.len()].iter_mut().zip(&squares).zip(start..);
                rows.for_each(|((sum, squares), row)| *sum += squares * spread(which, row));
            }
            leverage.copy_from_slice(&sums[..leverage.len()]);
        }
    });
    leverage
}

/// A number for each of n rows, on all threads.
pub fn by_row(n: usize, number: impl Fn(usize) -> f64 + Send + Sync) -> Vec<f64> {
    (0..n).into_par_iter().with_min_len(CHUNK).map(number).collect()
}

/// A sum over n rows by chunks, in their order, so that it does not depend on the number of threads.
pub fn sum_by_row(n: usize, number: impl Fn(usize) -> f64 + Send + Sync) -> f64 {
    by_chunk(n, |rows| rows.map(&number).sum::<f64>()).iter().sum()
}

/// Make influence on a mean of what rows add to its equation: that of one user each, n / `target` times it, n the number
/// of users, and centered.
#[must_use]
pub fn of_one_user(
    mut added: Vec<f64>,
    target: f64,
    weight: Option<&[f64]>,
    frequency: Option<&[f64]>,
) -> Vec<f64> {
    let per_mean = n_users(frequency, added.len()) / target;
    let rows = added.par_iter_mut().enumerate().with_min_len(CHUNK);
    rows.for_each(|(row, value)| *value *= per_mean / users_of(frequency, row));
    center(&mut added, weight, frequency);
    added
}

/// Take the mean over users off: it is zero but for rounding, and for a penalty's pull. Rows of weight 0 are not there, and
/// keep their influence of zero. Summed by chunks, in their order, so that it does not depend on the number of threads.
pub fn center(values: &mut [f64], weight: Option<&[f64]>, frequency: Option<&[f64]>) {
    let is_there = |row: usize| weight.is_none_or(|weight| weight[row] > 0.0);
    let users = |row: usize| if is_there(row) { users_of(frequency, row) } else { 0.0 };
    let total = sum_by_row(values.len(), |row| users(row) * values[row]);
    let n_there = match (weight, frequency) {
        (None, None) => values.len() as f64,
        _ => sum_by_row(values.len(), users),
    };
    let mean = total / n_there;
    let rows = values.par_iter_mut().enumerate().with_min_len(CHUNK);
    rows.filter(|(row, _)| is_there(*row)).for_each(|(_, value)| *value -= mean);
}
