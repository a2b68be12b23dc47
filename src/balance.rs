//! Whether weighting made the arms alike, column by column: means, standardized mean differences,
//! variance ratios, and the distance of the distribution functions.

mod columns;
mod distribution;
mod levels;
mod present;
mod products;
mod radix_sort;
mod samples;

use std::borrow::Cow;

use ndarray::{ArrayView1, ArrayView2};
use rayon::prelude::*;

use crate::checks;
use crate::error::{Error, Result};
use crate::monitor::Monitor;
use crate::reserve::room_for;
use columns::{Column, columns};
use distribution::{Distance, SignedWeights};
use present::Present;
use radix_sort::Scratch;
use samples::Sample;

use crate::units::frequency::RowWeights;

pub use columns::Denominator;
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
pub fn smd(
    x: ArrayView2<'_, f64>,
    treatment: &[bool],
    weights: Option<&[f64]>,
    row_weights: RowWeights<'_>,
    denominator: Denominator,
) -> Result<Vec<f64>> {
    let weightings: Vec<&[f64]> = weights.into_iter().collect();
    if let Some(present) = Present::among(x, treatment, &weightings, row_weights)? {
        let weights = present.weightings.first().map(Vec::as_slice);
        let base = present.row_weights();
        return smd(present.x.view(), &present.treatment, weights, base, denominator);
    }
    let totals = totals(&weightings, treatment, row_weights)?;
    let samples = samples(x, treatment, &totals, row_weights)?;
    let columns = columns(x, treatment, &samples)?;
    let last = samples.len() - 1;
    Ok(columns.iter().map(|column| column.smd(last, &samples, denominator)).collect())
}

/// What differences of the means of the columns of `x` are divided by to be standardized, as in [`smd`]; 0 for a
/// constant column.
///
/// # Errors
/// As for [`smd`].
pub fn spreads(
    x: ArrayView2<'_, f64>,
    treatment: &[bool],
    sample_weight: Option<&[f64]>,
    denominator: Denominator,
) -> Result<Vec<f64>> {
    let row_weights = RowWeights::of(sample_weight);
    let totals = totals(&[], treatment, row_weights)?;
    let samples = samples(x, treatment, &totals, row_weights)?;
    let columns = columns(x, treatment, &samples)?;
    Ok(columns.iter().map(|column| column.spread(&samples, denominator)).collect())
}

/// The balance of the columns of `x` in the sample as it is, then in each weighting of it.
///
/// Weights are multiplied by the sample weights, where there are any; those alone weigh the sample as it
/// is, and the denominator. Each column that is not binary is sorted once, for all weightings.
///
/// # Errors
/// As for [`smd`].
pub fn balance(
    x: ArrayView2<'_, f64>,
    treatment: &[bool],
    weightings: &[&[f64]],
    row_weights: RowWeights<'_>,
    denominator: Denominator,
    monitor: &Monitor,
) -> Result<Vec<Balance>> {
    if let Some(present) = Present::among(x, treatment, weightings, row_weights)? {
        let weightings: Vec<&[f64]> = present.weightings.iter().map(Vec::as_slice).collect();
        let base = present.row_weights();
        let (x, treatment) = (present.x.view(), present.treatment.as_slice());
        return balance(x, treatment, &weightings, base, denominator, monitor);
    }
    let totals = totals(weightings, treatment, row_weights)?;
    let samples = samples(x, treatment, &totals, row_weights)?;
    let columns = columns(x, treatment, &samples)?;
    monitor.check()?;
    let weights = SignedWeights::of(treatment, &samples);
    let measured = columns
        .par_iter()
        .enumerate()
        .map_init(Scratch::default, |scratch, (k, column)| {
            monitor.check()?;
            let column = ColumnBalance { x: x.column(k), treatment, column, samples: &samples };
            Ok(column.measures(denominator, &weights, scratch))
        })
        .collect::<Result<Vec<_>>>()?;
    let of_sample = |(s, sample): (usize, &Sample)| Balance {
        ess_treated: sample.ess[1],
        ess_control: sample.ess[0],
        measures: measured.iter().map(|by_sample| by_sample[s]).collect(),
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
    x: ArrayView2<'_, f64>,
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
struct ColumnBalance<'a> {
    x: ArrayView1<'a, f64>,
    treatment: &'a [bool],
    column: &'a Column,
    samples: &'a [Sample<'a>],
}

impl ColumnBalance<'_> {
    /// By sample.
    fn measures(
        &self,
        denominator: Denominator,
        weights: &[SignedWeights],
        scratch: &mut Scratch,
    ) -> Vec<Measures> {
        let distances = self.distances(weights, scratch);
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

    fn distances(&self, weights: &[SignedWeights], scratch: &mut Scratch) -> Vec<Distance> {
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
        let values = self.x.as_slice().map_or_else(|| Cow::Owned(self.x.to_vec()), Cow::Borrowed);
        weights.iter().flat_map(|few| few.distances(&values, scratch)).collect()
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
        let mut values = (0..self.x.len()).filter(weighs).map(|row| self.x[row]);
        let first = values.next();
        #[allow(clippy::float_cmp)] // one value is one value
        values.all(|value| Some(value) == first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::frequency::whole;
    use ndarray::array;

    #[test]
    fn smd_divides_by_the_unweighted_spread() {
        let x = array![[1.0, 1.0], [3.0, 1.0], [0.0, 0.0], [2.0, 1.0]];
        let treatment = [true, true, false, false];
        let pooled =
            smd(x.view(), &treatment, None, RowWeights::default(), Denominator::Pooled).unwrap();
        assert!((pooled[0] - 1.0 / 2.0_f64.sqrt()).abs() < 1e-15);
        // p = 1 and 1/2: variances 0 and 1/4.
        assert!((pooled[1] - 0.5 / 0.125_f64.sqrt()).abs() < 1e-15);
        let weights = [1.0, 1.0, 0.0, 5.0];
        let once = RowWeights::default();
        let weighted =
            smd(x.view(), &treatment, Some(&weights), once, Denominator::Pooled).unwrap();
        assert!(weighted.iter().all(|smd| smd.abs() < 1e-15));
    }

    #[test]
    fn balance_looks_at_every_value_also_where_it_weighs_nothing() {
        let x = array![[1.0], [3.0], [5.0], [1.0], [2.0], [5.0]];
        let treatment = [true, true, true, false, false, false];
        let weights = [1.0, 1.0, 0.0, 1.0, 3.0, 0.0];
        let monitor = Monitor::default();
        let (once, unit) = (RowWeights::default(), Denominator::Pooled);
        let found = balance(x.view(), &treatment, &[&weights], once, unit, &monitor).unwrap();
        // |F1 - F0| at 1, 2, 3, 5 is 0, 1/3, 0, 0.
        assert!((found[0].measures[0].ks - 1.0 / 3.0).abs() < 1e-15);
        assert!((found[0].measures[0].ecdf_difference - 1.0 / 12.0).abs() < 1e-15);
        // At 1, 2, 3, 5: 1/4, 1/2, 0, 0. The variances are 2 and (3/16) / (1 - 10/16).
        let weighted = found[1].measures[0];
        assert!((weighted.ks - 0.5).abs() < 1e-15);
        assert!((weighted.ecdf_difference - 3.0 / 16.0).abs() < 1e-15);
        assert!((weighted.variance_ratio - 4.0).abs() < 1e-14);
        assert!((found[1].ess_control - 1.6).abs() < 1e-15);
    }

    #[test]
    fn rows_of_sample_weight_0_are_not_there() {
        // The third row's 2 makes the second column no longer one of zeros and ones, its 9 is a value of its own.
        let x = array![[1.0, 1.0], [3.0, 0.0], [9.0, 2.0], [1.0, 1.0], [2.0, 0.0], [5.0, 1.0]];
        let treatment = [true, true, true, false, false, false];
        let (base, weights) = ([1.0, 2.0, 0.0, 1.0, 1.0, 2.0], [1.0, 1.0, 7.0, 2.0, 3.0, 1.0]);
        let monitor = Monitor::default();
        let rows = [0, 1, 3, 4, 5];
        let kept = |values: &[f64]| rows.iter().map(|row| values[*row]).collect::<Vec<_>>();
        let few = x.select(ndarray::Axis(0), &rows);
        let arms = [true, true, false, false, false];
        let unit = Denominator::Pooled;
        let (own, own_base) = (kept(&weights), kept(&base));
        let [base, own_base] = [&base[..], &own_base].map(|base| RowWeights::of(Some(base)));
        let found = balance(x.view(), &treatment, &[&weights], base, unit, &monitor).unwrap();
        let expected = balance(few.view(), &arms, &[&own], own_base, unit, &monitor).unwrap();
        assert_eq!(format!("{found:?}"), format!("{expected:?}")); // NaN is NaN there
        let differences = smd(x.view(), &treatment, Some(&weights), base, unit).unwrap();
        let alone = smd(few.view(), &arms, Some(&own), own_base, unit).unwrap();
        assert_eq!(format!("{differences:?}"), format!("{alone:?}"));
    }

    #[test]
    fn balance_of_an_arm_with_one_value_has_no_rounding_in_its_variance() {
        let x = array![[0.1], [0.1], [0.1], [0.3], [0.2], [0.1]];
        let treatment = [true, true, true, false, false, false];
        let (monitor, once) = (Monitor::default(), RowWeights::default());
        let found =
            balance(x.view(), &treatment, &[], once, Denominator::Treated, &monitor).unwrap();
        assert!(found[0].measures[0].variance_ratio.abs() < f64::MIN_POSITIVE);
        assert!(found[0].measures[0].smd.is_infinite());
    }

    #[test]
    fn rows_that_stand_for_several_users_are_those_users() {
        let x = array![[1.0, 1.0], [3.0, 0.0], [9.0, 2.0], [1.5, 1.0], [2.0, 0.0], [5.0, 1.0]];
        let treatment = [true, true, true, false, false, false];
        let (frequency, weights) = ([3.0, 1.0, 2.0, 4.0, 1.0, 2.0], [1.0, 2.0, 7.0, 2.0, 3.0, 1.0]);
        let own = [0.5, 2.0, 1.0, 1.0, 3.0, 0.0];
        let rows: Vec<usize> =
            (0..6).flat_map(|row| std::iter::repeat_n(row, whole(frequency[row]))).collect();
        let spelled = |values: &[f64]| rows.iter().map(|row| values[*row]).collect::<Vec<_>>();
        let arms: Vec<bool> = rows.iter().map(|row| treatment[*row]).collect();
        let (all, monitor) = (x.select(ndarray::Axis(0), &rows), Monitor::default());
        let total: Vec<f64> = own.iter().zip(&frequency).map(|(own, users)| own * users).collect();
        let counted =
            RowWeights { total: Some(&total), frequency: Some(&frequency), is_survey: true };
        let (spelled_own, spelled_weights) = (spelled(&own), spelled(&weights));
        for unit in [Denominator::Pooled, Denominator::All] {
            let found = balance(x.view(), &treatment, &[&weights], counted, unit, &monitor);
            let once = RowWeights::of(Some(&spelled_own));
            let expected = balance(all.view(), &arms, &[&spelled_weights], once, unit, &monitor);
            for (found, expected) in found.unwrap().iter().zip(expected.unwrap()) {
                assert!((found.ess_treated - expected.ess_treated).abs() < 1e-12);
                for (found, expected) in found.measures.iter().zip(&expected.measures) {
                    assert!((found.smd - expected.smd).abs() < 1e-12);
                    let is_same = (found.variance_ratio - expected.variance_ratio).abs() < 1e-12;
                    assert!(is_same || expected.variance_ratio.is_nan());
                    assert!((found.ks - expected.ks).abs() < 1e-12);
                    assert!((found.ecdf_difference - expected.ecdf_difference).abs() < 1e-12);
                }
            }
        }
    }
}
