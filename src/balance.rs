//! Whether weighting made the arms alike, column by column: means, standardized mean differences,
//! variance ratios, and the distance of the distribution functions.

mod columns;
mod compared;
mod distribution;
mod factors;
mod levels;
mod overlap;
mod present;
mod products;
mod radix_sort;
mod samples;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use rayon::prelude::*;

use crate::checks;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::monitor::Monitor;
use crate::reserve::room_for;
use columns::{Column, columns};
use distribution::{Banded, Distance, SignedWeights};
use present::Present;
use samples::Sample;

use crate::units::frequency::RowWeights;

pub use columns::Denominator;
pub use compared::Compared;
pub use overlap::{Overlap, WeightSums, overlap};
pub use products::{Pairs, product_smds};

/// The balance of d columns in one sample: the rows as they are, or as a weighting weighs them.
#[derive(Debug, Clone, PartialEq)]
pub struct Balance {
    /// Kish's effective sample sizes.
    pub ess_treated: f64,
    pub ess_control: f64,
    /// By column.
    pub measures: Vec<Measures>,
}

/// The balance of one column in one sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measures {
    pub mean_treated: f64,
    pub mean_control: f64,
    /// Standardized mean difference, treated minus control.
    pub smd: f64,
    /// Of the weighted variances, treated over control; NaN for a binary or constant column.
    pub variance_ratio: f64,
    /// Kolmogorov and Smirnov's distance; of a binary column |difference of the means|.
    pub ks: f64,
    /// Mean distance of the distribution functions; of a binary column |difference of the means|.
    pub ecdf_difference: f64,
}

/// Standardized mean differences of the columns of `x`, treated minus control (Austin 2009). Means are
/// weighted; the denominator never is, so that a weighting cannot look good by widening the spread.
/// The variance of a column of zeros and ones is p(1 - p), of any other that with divisor n - 1.
///
/// # Errors
/// Lengths that differ, values that are not finite, an arm empty or without weight.
pub fn smd<'a>(
    x: impl Into<Matrix<'a>>,
    treatment: &[bool],
    weights: Option<&[f64]>,
    row_weights: RowWeights<'_>,
    denominator: Denominator,
) -> Result<Vec<f64>> {
    let weightings: Vec<&[f64]> = weights.into_iter().collect();
    let x = x.into();
    if let Some(present) = Present::among(&x, &[], treatment, &weightings, row_weights)? {
        let weights = present.weightings.first().map(Vec::as_slice);
        let base = present.row_weights();
        return smd(present.x.view(), &present.treatment, weights, base, denominator);
    }
    let totals = totals(&weightings, treatment, row_weights)?;
    let samples = samples(&x, treatment, &totals, row_weights)?;
    let columns = columns(&x, treatment, &samples)?;
    let last = samples.len() - 1;
    Ok(columns.iter().map(|column| column.smd(last, &samples, denominator)).collect())
}

/// What differences of the means of the columns of `x` are divided by to be standardized, as in [`smd`]; 0 for a
/// constant column.
///
/// # Errors
/// As for [`smd`].
pub fn spreads<'a>(
    x: impl Into<Matrix<'a>>,
    treatment: &[bool],
    sample_weight: Option<&[f64]>,
    denominator: Denominator,
) -> Result<Vec<f64>> {
    let row_weights = RowWeights::of(sample_weight);
    let x = x.into();
    let totals = totals(&[], treatment, row_weights)?;
    let samples = samples(&x, treatment, &totals, row_weights)?;
    let columns = columns(&x, treatment, &samples)?;
    Ok(columns.iter().map(|column| column.spread(&samples, denominator)).collect())
}

/// The balance of columns in the sample as it is, then in each weighting of it.
///
/// Weights are multiplied by the sample weights, where there are any; those alone weigh the sample as it
/// is, and the denominator. Each column that is not binary is sorted once, for all weightings.
///
/// # Errors
/// As for [`smd`].
pub fn balance(
    compared: Compared<'_>,
    treatment: &[bool],
    weightings: &[&[f64]],
    row_weights: RowWeights<'_>,
    denominator: Denominator,
    monitor: &Monitor,
) -> Result<Vec<Balance>> {
    compared.check()?;
    let Compared { x, factors, after } = &compared;
    if let Some(present) = Present::among(x, factors, treatment, weightings, row_weights)? {
        let weightings: Vec<&[f64]> = present.weightings.iter().map(Vec::as_slice).collect();
        let base = present.row_weights();
        let compared = Compared { x: present.x.view().into(), factors: &present.factors, after };
        return balance(compared, &present.treatment, &weightings, base, denominator, monitor);
    }
    let totals = totals(weightings, treatment, row_weights)?;
    let samples = samples(x, treatment, &totals, row_weights)?;
    let columns = compared.columns(treatment, &samples)?;
    monitor.check()?;
    let weights = SignedWeights::of(treatment, &samples);
    let measures = |columns: &[(Option<usize>, Column)], x: &Matrix<'_>| {
        let measured = columns.par_iter().map_init(Banded::default, |banded, (place, column)| {
            monitor.check()?;
            let x = place.map(|k| (x, k));
            let column = ColumnBalance { x, treatment, column, samples: &samples };
            Ok(column.measures(denominator, &weights, banded))
        });
        measured.collect::<Result<Vec<_>>>()
    };
    let mut others = measures(&columns, x)?.into_iter();
    let (mut found, mut n_others) = (Vec::new(), 0);
    room_for(treatment.len(), compared.bytes_a_row())?;
    for (before, products) in compared.products() {
        found.extend(others.by_ref().take(before - n_others));
        n_others = before;
        let compared = Compared::numbers(products.view());
        found.extend(measures(&compared.columns(treatment, &samples)?, &compared.x)?);
    }
    found.extend(others);
    let of_sample = |(s, sample): (usize, &Sample)| Balance {
        ess_treated: sample.ess[1],
        ess_control: sample.ess[0],
        measures: found.iter().map(|by_sample| by_sample[s]).collect(),
    };
    Ok(samples.iter().enumerate().map(of_sample).collect())
}

/// What rows weigh in each weighting: their balancing weights times their sample weights.
fn totals<'a>(
    weightings: &[&'a [f64]],
    treatment: &[bool],
    row_weights: RowWeights<'_>,
) -> Result<Vec<Cow<'a, [f64]>>> {
    checks::frequency(row_weights.frequency, treatment.len())?;
    let Some(sample_weight) = row_weights.total else {
        return Ok(weightings.iter().map(|weights| Cow::Borrowed(*weights)).collect());
    };
    checks::same_length("sample_weight", sample_weight.len(), treatment.len())?;
    checks::weights("sample_weight", sample_weight)?;
    let total = |weights: &&[f64]| {
        checks::same_length("weights", weights.len(), treatment.len())?;
        checks::weights("weights", weights)?; // which a product of two negative ones would not tell
        room_for(treatment.len(), size_of::<f64>())?;
        Ok(Cow::Owned(weights.iter().zip(sample_weight).map(|(w, s)| w * s).collect()))
    };
    weightings.iter().map(total).collect()
}

/// The sample as it is, then each weighting of it.
fn samples<'a>(
    x: &Matrix<'_>,
    treatment: &[bool],
    weightings: &'a [Cow<'_, [f64]>],
    row_weights: RowWeights<'a>,
) -> Result<Vec<Sample<'a>>> {
    checks::same_length("treatment", treatment.len(), x.nrows())?;
    checks::both_arms(treatment)?;
    if u32::try_from(x.nrows()).is_err() {
        let found = format!("one of {} rows", x.nrows());
        return Err(Error::Argument {
            name: "x",
            found,
            allowed: "an array of fewer than 2^32 rows",
        });
    }
    let RowWeights { total, frequency, .. } = row_weights;
    let base = Sample::new("sample_weight", total, treatment, frequency);
    let of = |w: &'a Cow<'_, [f64]>| Sample::new("weights", Some(w), treatment, frequency);
    let weighted = weightings.iter().map(of);
    std::iter::once(base).chain(weighted).collect()
}

/// What the measures of one column are made of.
struct ColumnBalance<'a, 'x> {
    /// None of a level, whose zeros and ones nobody has to look at.
    x: Option<(&'a Matrix<'x>, usize)>,
    treatment: &'a [bool],
    column: &'a Column,
    samples: &'a [Sample<'a>],
}

impl ColumnBalance<'_, '_> {
    /// By sample.
    fn measures(
        &self,
        denominator: Denominator,
        weights: &[SignedWeights<'_>],
        banded: &mut Banded,
    ) -> Vec<Measures> {
        let distances = self.distances(weights, banded);
        let measure = |(s, distance): (usize, &Distance)| Measures {
            mean_treated: self.column.origin + self.column.moments[s][1].mean,
            mean_control: self.column.origin + self.column.moments[s][0].mean,
            smd: self.column.smd(s, self.samples, denominator),
            variance_ratio: self.variance_ratio(s),
            ks: distance.ks,
            ecdf_difference: distance.mean,
        };
        distances.iter().enumerate().map(measure).collect()
    }

    fn distances(&self, weights: &[SignedWeights<'_>], banded: &mut Banded) -> Vec<Distance> {
        if self.column.is_constant() {
            return vec![Distance { ks: 0.0, mean: 0.0 }; self.samples.len()];
        }
        if self.column.binary {
            let gap = |moments: &[_; 2]| {
                let [control, treated]: &[crate::moments::Moments; 2] = moments;
                let gap = (treated.mean - control.mean).abs();
                Distance { ks: gap, mean: gap }
            };
            return self.column.moments.iter().map(gap).collect();
        }
        let Some((x, k)) = self.x else { return Vec::new() };
        if let Some(values) = x.singles(k) {
            return weights.iter().flat_map(|few| few.distances(values, banded)).collect();
        }
        let values = &*x.column(k);
        weights.iter().flat_map(|few| few.distances(values, banded)).collect()
    }

    fn variance_ratio(&self, s: usize) -> f64 {
        if self.column.binary || self.column.is_constant() {
            return f64::NAN;
        }
        self.variance(s, 1) / self.variance(s, 0)
    }

    /// The variance of an arm in a sample; exactly 0 where one value has all the weight, of which rounding
    /// would leave a trace.
    fn variance(&self, s: usize, arm: usize) -> f64 {
        let (moments, sample) = (&self.column.moments[s][arm], &self.samples[s]);
        let variance = moments.weighted_variance(sample.squares[arm]);
        let suspicious = 1e-10 * self.column.magnitude();
        if variance <= suspicious * suspicious && self.has_one_value(sample, arm) {
            return 0.0;
        }
        variance
    }

    fn has_one_value(&self, sample: &Sample, arm: usize) -> bool {
        let weighs =
            |row: &usize| usize::from(self.treatment[*row]) == arm && sample.weight(*row) > 0.0;
        let Some((x, k)) = self.x else { return false };
        let x = x.column(k);
        let mut values = (0..x.len()).filter(weighs).map(|row| x[row]);
        let first = values.next();
        #[allow(clippy::float_cmp)] // one value is one value
        values.all(|value| Some(value) == first)
    }
}
