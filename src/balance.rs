//! Whether weighting made the arms alike: standardized mean differences.

use ndarray::ArrayView2;
use rayon::prelude::*;

use crate::checks;
use crate::covariates::{CHUNK, stretch};
use crate::error::{Error, Result, Rows};
use crate::kernels::BLOCK;
use crate::moments::Moments;

/// Whose spread, always of the unweighted rows, a mean difference is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Denominator {
    /// The root of the mean of the two arms' variances.
    Pooled,
    Treated,
    Control,
    /// All rows together.
    All,
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
    denominator: Denominator,
) -> Result<Vec<f64>> {
    checks::same_length("treatment", treatment.len(), x.nrows())?;
    checks::both_arms(treatment)?;
    if let Some(weights) = weights {
        checks::same_length("weights", weights.len(), x.nrows())?;
        checks::weights("weights", weights)?;
        for (arm, treated) in [("treated", true), ("control", false)] {
            if !weights.iter().zip(treatment).any(|(w, t)| *t == treated && *w > 0.0) {
                return Err(Error::WeightlessArm { arm });
            }
        }
    }
    let columns = (0..x.nrows().div_ceil(CHUNK))
        .into_par_iter()
        .map(|chunk| chunk_columns(x, treatment, weights, chunk * CHUNK))
        .collect::<Vec<_>>()
        .into_iter()
        .reduce(|mut all, chunk| {
            all.iter_mut().zip(&chunk).for_each(|(all, one)| all.merge(one));
            all
        })
        .unwrap_or_default();
    if let Some(k) = columns.iter().position(|column| !column.is_finite())
        && let Some(rows) = Rows::matching(x.column(k), |x| !x.is_finite())
    {
        return Err(Error::NotFinite { name: "x", column: Some(k), rows });
    }
    Ok(columns.iter().map(|column| column.smd(denominator)).collect())
}

/// What the standardized mean difference of a column needs: an accumulator over blocks of rows. Index 0
/// is the control arm, 1 the treated.
#[derive(Debug, Clone, Copy)]
struct Column {
    plain: [Moments; 2],
    weighted: [Moments; 2],
    low: f64,
    high: f64,
    binary: bool,
}

impl Column {
    const EMPTY: Self = Self {
        plain: [Moments::EMPTY; 2],
        weighted: [Moments::EMPTY; 2],
        low: f64::INFINITY,
        high: f64::NEG_INFINITY,
        binary: true,
    };

    fn add(&mut self, values: &[f64], in_arm: [&[f64]; 2], weights: [&[f64]; 2]) {
        for arm in 0..2 {
            self.plain[arm].add(values, in_arm[arm]);
            self.weighted[arm].add(values, weights[arm]);
        }
        self.low = values.iter().copied().fold(self.low, f64::min);
        self.high = values.iter().copied().fold(self.high, f64::max);
        // Exact on purpose: only a column of zeros and ones is a proportion.
        #[allow(clippy::float_cmp)]
        let zero_or_one = values.iter().all(|x| *x == 0.0 || *x == 1.0);
        self.binary &= zero_or_one;
    }

    fn merge(&mut self, other: &Self) {
        for arm in 0..2 {
            self.plain[arm].merge(&other.plain[arm]);
            self.weighted[arm].merge(&other.weighted[arm]);
        }
        self.low = self.low.min(other.low);
        self.high = self.high.max(other.high);
        self.binary &= other.binary;
    }

    fn is_finite(&self) -> bool {
        self.plain.iter().all(|moments| moments.deviation.is_finite())
    }

    fn smd(&self, denominator: Denominator) -> f64 {
        let gap = self.weighted[1].mean - self.weighted[0].mean;
        // A constant column differs by nothing: what is left of its moments is rounding.
        if self.low < self.high { gap / self.denominator(denominator).sqrt() } else { 0.0 }
    }

    fn denominator(&self, denominator: Denominator) -> f64 {
        let variance = |moments: &Moments| {
            if self.binary {
                moments.mean * (1.0 - moments.mean)
            } else {
                moments.sample_variance()
            }
        };
        let [control, treated] = &self.plain;
        match denominator {
            Denominator::Pooled => f64::midpoint(variance(treated), variance(control)),
            Denominator::Treated => variance(treated),
            Denominator::Control => variance(control),
            Denominator::All => {
                let mut all = *treated;
                all.merge(control);
                variance(&all)
            }
        }
    }
}

fn chunk_columns(
    x: ArrayView2<'_, f64>,
    treatment: &[bool],
    weights: Option<&[f64]>,
    start: usize,
) -> Vec<Column> {
    let end = x.nrows().min(start + CHUNK);
    let mut columns = vec![Column::EMPTY; x.ncols()];
    let mut values = [0.0; BLOCK];
    for start in (start..end).step_by(BLOCK) {
        let length = BLOCK.min(end - start);
        let mut in_arm = [[0.0; BLOCK]; 2];
        let mut weighted = [[0.0; BLOCK]; 2];
        for slot in 0..length {
            let arm = usize::from(treatment[start + slot]);
            in_arm[arm][slot] = 1.0;
            weighted[arm][slot] = weights.map_or(1.0, |weights| weights[start + slot]);
        }
        for (k, column) in columns.iter_mut().enumerate() {
            let source = stretch(x, k, start..start + length);
            values.iter_mut().zip(source).for_each(|(slot, x)| *slot = *x);
            column.add(
                &values[..length],
                [&in_arm[0][..length], &in_arm[1][..length]],
                [&weighted[0][..length], &weighted[1][..length]],
            );
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn smd_divides_by_the_unweighted_spread() {
        let x = array![[1.0, 1.0], [3.0, 1.0], [0.0, 0.0], [2.0, 1.0]];
        let treatment = [true, true, false, false];
        let pooled = smd(x.view(), &treatment, None, Denominator::Pooled).unwrap();
        assert!((pooled[0] - 1.0 / 2.0_f64.sqrt()).abs() < 1e-15);
        // p = 1 and 1/2: variances 0 and 1/4.
        assert!((pooled[1] - 0.5 / 0.125_f64.sqrt()).abs() < 1e-15);
        let weights = [1.0, 1.0, 0.0, 5.0];
        let weighted = smd(x.view(), &treatment, Some(&weights), Denominator::Pooled).unwrap();
        assert!(weighted.iter().all(|smd| smd.abs() < 1e-15));
    }
}
