//! Rows made of whatever bytes the fuzzer gives: small, tied, huge, missing and infinite values.

use arbitrary::{Arbitrary, Result, Unstructured};
use ndarray::Array2;

/// At most 64 rows of 1 to 4 covariates.
#[derive(Debug)]
pub struct Table {
    pub x: Array2<f64>,
    pub treatment: Vec<bool>,
    pub outcome: Vec<f64>,
    pub weights: Option<Vec<f64>>,
}

impl<'a> Arbitrary<'a> for Table {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let (n, d) = (bytes.int_in_range(0..=64)?, bytes.int_in_range(1..=4)?);
        let mut column = |n: usize| (0..n).map(|_| number(bytes)).collect::<Result<Vec<f64>>>();
        let x = column(n * d)?;
        let (outcome, weights) = (column(n)?, column(n)?);
        let treatment = (0..n).map(|_| bool::arbitrary(bytes)).collect::<Result<_>>()?;
        Ok(Self {
            x: Array2::from_shape_vec((n, d), x).map_err(|_| arbitrary::Error::IncorrectFormat)?,
            treatment,
            outcome,
            weights: bool::arbitrary(bytes)?.then_some(weights),
        })
    }
}

/// Mostly a few round numbers, so that values tie; now and then any bits at all.
pub fn number(bytes: &mut Unstructured<'_>) -> Result<f64> {
    let kind: u8 = bytes.arbitrary()?;
    Ok(match kind % 16 {
        0 => f64::arbitrary(bytes)?,
        1 => f64::from(i32::arbitrary(bytes)?),
        _ => f64::from(i8::arbitrary(bytes)? % 8) / 4.0,
    })
}
