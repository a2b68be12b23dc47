//! Which columns of a design are collinear: decided once, for every model that is made of them.
//!
//! A column is collinear with the earlier ones when they leave no more of it than the rounding of the values
//! themselves. With z standardized columns, r what is left of z_k when its regression b on the earlier ones is taken
//! off, c / s how many standard deviations a column's center is away from zero, and u half the unit in the last place
//! of 1, that is
//!
//! ```text
//! rms(r) <= LEEWAY { u_k (1 + |c_k| / s_k) + sum over j < k of |b_j| u_j (1 + |c_j| / s_j) }
//! ```
//!
//! A sum of two columns, a change of units, a full set of dummies leave a few of these units. Powers of a year do not:
//! of year^3, over ten years, year and year^2 leave 1e-6, and rounding 1e-12. Values that are all of single precision
//! are rounded to that, unless they are whole numbers, which are exact.
//!
//! The pivots of a Gram matrix, being squares, cannot tell 1e-8 from nothing. They tell where there is no doubt; where
//! there is, a pass over the rows finds r itself, twice, so that what rounding left in it of the earlier columns is
//! gone too (Giraud, Langou and Rozloznik 2005). A collinear column is left out. One that is not, yet hardly differs
//! from the others, gives its place to r, on a scale of its own: every model then stands on columns that lie well
//! apart, and its coefficients are read back as those of the columns themselves.

use crate::design::covariates::{Covariates, Rest};
use crate::design::least_squares::{self, Solution, take_off};
use crate::error::Result;
use crate::kernels::ScoreEquations;
use crate::linalg::{Cholesky, RANK_TOLERANCE};
use crate::matrix::Matrix;
use crate::monitor::Monitor;

/// A column's share that the earlier ones do not explain, of its square, above which nothing is in doubt: solutions of
/// the normal equations are then good to 1e-11.
const NO_DOUBT: f64 = 1e-4;

/// How many times the rounding of the values what is left of a collinear column may be.
const LEEWAY: f64 = 32.0;

/// Whether some column of these normal equations may be collinear, or nearly so.
#[must_use]
pub fn in_doubt(information: &[f64], terms: usize) -> bool {
    // Sums that are no numbers are an error, for whoever solves with them.
    Cholesky::factor(information, terms, NO_DOUBT, &[])
        .is_ok_and(|factor| factor.aliased().contains(&true))
}

/// The factor of these normal equations, where it leaves no doubt of any column: sums of one pass are good to about
/// 1e-15, and what is solved with them to 1e-11.
#[must_use]
pub fn factor_without_doubt(information: &[f64], terms: usize) -> Option<Cholesky> {
    let factor = Cholesky::factor(information, terms, RANK_TOLERANCE, &[]).ok()?;
    let strict = Cholesky::factor(information, terms, NO_DOUBT, &[]).ok()?;
    (factor.aliased() == strict.aliased()).then_some(factor)
}

/// 1 for rows that are there, 0 for those of weight zero.
#[must_use]
pub fn presence(n_rows: usize, sample_weight: Option<&[f64]>) -> Vec<f64> {
    let is_there = |weight: &f64| f64::from(u8::from(*weight > 0.0));
    sample_weight.map_or_else(|| vec![1.0; n_rows], |all| all.iter().map(is_there).collect())
}

impl Covariates<'_> {
    /// The same design without collinear columns, where rows weigh what `weight` says; as it is where its Gram matrix
    /// leaves no doubt.
    ///
    /// # Errors
    /// [`crate::error::Error::Overflow`].
    pub fn settled(mut self, weight: &[f64]) -> Result<Self> {
        let information = self.products(weight, weight).information;
        if in_doubt(&information, self.n_columns() + 1) {
            return self.settle(weight);
        }
        self.mark_settled();
        Ok(self)
    }

    /// The same for a design in doubt.
    ///
    /// # Errors
    /// [`crate::error::Error::Overflow`].
    pub fn settle(mut self, weight: &[f64]) -> Result<Self> {
        let mut column = 0;
        while let Some(next) = self.first_in_doubt(column, weight)? {
            let rest = self.rest_of(next, weight)?;
            if rest.rms <= LEEWAY * self.rounding(next, &rest.beta) {
                self.leave_out(next);
                column = next;
            } else {
                let Left { beta, rms } = rest;
                self.put(Rest { column: next, beta, per_scale: 1.0 / rms });
                column = next + 1;
            }
        }
        self.mark_settled();
        Ok(self)
    }

    /// The first column from `from` on that the earlier ones nearly explain.
    fn first_in_doubt(&self, from: usize, weight: &[f64]) -> Result<Option<usize>> {
        let information = self.products(weight, weight).information;
        let factor = Cholesky::factor(&information, self.n_columns() + 1, NO_DOUBT, &[])?;
        Ok((from..self.n_columns()).find(|column| factor.aliased()[column + 1]))
    }

    /// What the earlier columns, which are not in doubt, leave of this one.
    fn rest_of(&self, column: usize, weight: &[f64]) -> Result<Left> {
        let (earlier, own) = (self.first(column), self.subset(&[column]));
        let values = own.linear(&[0.0, 1.0]);
        let mut left: Vec<f64> = values.iter().zip(weight).map(|(value, w)| value * w).collect();
        let ScoreEquations { gradient, information } = earlier.products(&left, weight);
        let factor = Cholesky::factor(&information, column + 1, f64::EPSILON, &[])?;
        let Solution { beta, last } = least_squares::solve(
            &earlier,
            &factor,
            gradient,
            weight,
            &mut left,
            &Monitor::default(),
        )?;
        take_off(&mut left, weight, &earlier.linear(&last));
        let there = left.iter().zip(weight).filter(|(_, w)| **w > 0.0);
        let squares: f64 = there.map(|(left, w)| left * left / w).sum();
        let rms = (squares / weight.iter().sum::<f64>()).sqrt();
        Ok(Left { beta, rms })
    }

    /// How far rounding of the values may move what is left of a column.
    fn rounding(&self, column: usize, beta: &[f64]) -> f64 {
        let of_one = |k: usize| {
            let away = 1.0 + self.center[k].abs() / self.scale[k];
            unit(self.values(), self.column(k)) * away
        };
        let earlier: f64 = (0..column)
            .filter(|k| beta[k + 1] != 0.0)
            // One that gave its place to what is left of it is rounded as that is, on its scale.
            .map(|k| beta[k + 1].abs() * of_one(k) * self.per_scale(k))
            .sum();
        of_one(column) + earlier
    }
}

/// What is left of a column, by root mean square, when its regression on the earlier ones is taken off.
struct Left {
    beta: Vec<f64>,
    rms: f64,
}

/// Half the unit in the last place of 1, in the precision in which the values of a column were rounded.
fn unit(x: &Matrix<'_>, column: usize) -> f64 {
    unit_of(&x.column(column))
}

/// The same of values by themselves.
#[must_use]
pub fn unit_of(values: &[f64]) -> f64 {
    #[allow(clippy::cast_possible_truncation, clippy::float_cmp)]
    // whether it is the same is the question
    let is_single = |value: &f64| f64::from(*value as f32) == *value;
    #[allow(clippy::float_cmp)]
    let is_whole = |value: &f64| value.trunc() == *value;
    if values.iter().all(is_single) && !values.iter().all(is_whole) {
        f64::from(f32::EPSILON) / 2.0
    } else {
        f64::EPSILON / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    /// Columns made of a number in [-1, 1) that has no pattern.
    fn design(n: usize, columns: &[&dyn Fn(f64, usize) -> f64]) -> Array2<f64> {
        let noise = |i: usize| ((i * 2_654_435_761) >> 5 & 0xffff) as f64 / 32_768.0 - 1.0;
        Array2::from_shape_fn((n, columns.len()), |(i, k)| columns[k](noise(i), i))
    }

    fn settled(x: &Array2<f64>) -> Covariates<'_> {
        Covariates::standardized(x.view()).unwrap().settled(&vec![1.0; x.nrows()]).unwrap()
    }

    #[test]
    fn columns_that_lie_apart_stay_as_they_are() {
        let x = design(300, &[&|u, _| u, &|u, i| u + (i % 7) as f64, &|u, _| 1e9 + u * u]);
        let found = settled(&x);
        assert!(found.dropped().is_empty() && found.n_columns() == 3);
    }

    #[test]
    fn sums_units_and_constants_are_left_out() {
        let x = design(
            500,
            &[
                &|u, _| 1.7e9 + 1e6 * u,
                &|_, i| (i % 5) as f64,
                &|u, i| (1.7e9 + 1e6 * u) - (i % 5) as f64,
                &|_, _| 4.0,
                &|u, _| 32.0 + 1.8 * (1.7e9 + 1e6 * u),
                &|u, i| u * u + (i % 3) as f64,
            ],
        );
        let found = settled(&x);
        assert_eq!((found.dropped(), found.places()), (&[2, 3, 4][..], &[0, 1, 5][..]));
    }

    #[test]
    fn sums_in_single_precision_are_left_out() {
        #[allow(clippy::cast_possible_truncation)] // on purpose
        let single = |value: f64| f64::from(value as f32);
        let x = design(
            500,
            &[&|u, _| single(u), &|_, i| single((i % 13) as f64 / 7.0), &|u, i| {
                single(single(u) + single((i % 13) as f64 / 7.0))
            }],
        );
        assert_eq!(settled(&x).dropped(), [2]);
    }

    #[test]
    fn powers_of_a_year_are_kept() {
        let year = |i: usize| (2010 + i * 7 % 11) as f64;
        let x = design(
            400,
            &[&|_, i| year(i), &|_, i| year(i).powi(2), &|_, i| year(i).powi(3), &|_, i| {
                year(i) * 365.25
            }],
        );
        let found = settled(&x);
        assert_eq!(found.dropped(), [3]);
        // What they became lies well apart.
        let information = found.products(&[1.0; 400], &[1.0; 400]).information;
        assert!(!in_doubt(&information, 4));
        // A cubic in the years, read back on the columns themselves.
        let cubic: Vec<f64> = (0..400).map(|i| (year(i) - 2015.0).powi(3)).collect();
        let mut beta = found.gradient(&cubic);
        Cholesky::factor(&information, 4, 1e-11, &[]).unwrap().solve(&mut beta);
        for (fitted, expected) in found.linear(&beta).iter().zip(&cubic) {
            assert!((fitted - expected).abs() < 1e-6);
        }
        let slopes = found.to_callers(&beta);
        assert!((slopes[3] - 1.0).abs() < 1e-6 && slopes[4] == 0.0, "{slopes:?}");
    }

    #[test]
    fn rows_without_weight_have_no_say() {
        let x = design(200, &[&|u, _| u, &|u, i| if i == 7 { 5.0 } else { 2.0 * u }]);
        let mut weight = vec![1.0; 200];
        let covariates = || Covariates::standardized(x.view()).unwrap();
        assert!(covariates().settled(&weight).unwrap().dropped().is_empty());
        weight[7] = 0.0;
        assert_eq!(covariates().settled(&weight).unwrap().dropped(), [1]);
    }
}
