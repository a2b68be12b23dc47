//! What must hold of the arrays before anything is computed from them.

use std::ops::Range;

use ndarray::ArrayView2;

use crate::design::chunks::by_chunk;
use crate::error::{Error, Result, Rows};
use crate::matrix::Matrix;
use crate::units::frequency::whole;

/// The square of an outcome over a score times a weight is in the range of f64, and so is a sum of a hundred
/// million of them, where each of the three is between these.
const LARGEST: f64 = 1e50;
const SMALLEST: f64 = 1e-50;

/// A hundred million squares of it have a sum in the range of f64, and so have those of its inverse.
const WIDEST: f64 = 1e150;

const MOST_USERS: f64 = 9_007_199_254_740_992.0; // 2^53

/// Whether something holds of all values, looked at without a branch between them.
fn all(values: &[f64], holds: impl Fn(&f64) -> bool + Sync) -> bool {
    let of_rows =
        |rows: Range<usize>| values[rows].iter().fold(true, |all, value| all & holds(value));
    by_chunk(values.len(), of_rows).into_iter().all(|all| all)
}

/// # Errors
/// [`Error::Length`] naming the array.
pub fn same_length(name: &'static str, found: usize, expected: usize) -> Result<()> {
    if found == expected { Ok(()) } else { Err(Error::Length { name, expected, found }) }
}

/// # Errors
/// [`Error::EmptyArm`] with both counts, where an arm has nobody to be compared with.
pub fn both_arms(treatment: &[bool]) -> Result<()> {
    at_least(1, treatment)
}

/// # Errors
/// [`Error::EmptyArm`] with both counts, where an arm has a single row, which shows no spread.
pub fn two_in_each_arm(treatment: &[bool]) -> Result<()> {
    at_least(2, treatment)
}

/// The same of users, where rows stand for several.
///
/// # Errors
/// [`Error::EmptyArm`].
pub fn two_users_in_each_arm(treatment: &[bool], frequency: Option<&[f64]>) -> Result<()> {
    let Some(frequency) = frequency else { return two_in_each_arm(treatment) };
    let of_arms = treatment.iter().zip(frequency).fold([0.0; 2], |mut sums, (treated, users)| {
        sums[usize::from(*treated)] += users;
        sums
    });
    let [control, treated] = of_arms.map(whole);
    if treated.min(control) < 2 {
        return Err(Error::EmptyArm { treated, control, fewest: 2 });
    }
    Ok(())
}

/// How many users each row stands for, where that is not one.
///
/// # Errors
/// [`Error::Length`], [`Error::OutOfRange`].
pub fn frequency(values: Option<&[f64]>, n_rows: usize) -> Result<()> {
    let Some(values) = values else { return Ok(()) };
    same_length("frequency", values.len(), n_rows)?;
    finite("frequency", values)?;
    // Beyond 2^53 whole numbers are not told apart.
    let is_count = |users: f64| (1.0..=MOST_USERS).contains(&users) && users.fract() == 0.0;
    match Rows::matching(values, |users| !is_count(*users)) {
        Some(rows) => Err(Error::OutOfRange {
            name: "frequency",
            allowed: "the whole numbers from 1 to 2^53",
            rows,
        }),
        None => Ok(()),
    }
}

fn at_least(fewest: usize, treatment: &[bool]) -> Result<()> {
    let of_rows = |rows: Range<usize>| treatment[rows].iter().filter(|treated| **treated).count();
    let treated: usize = by_chunk(treatment.len(), of_rows).into_iter().sum();
    let control = treatment.len() - treated;
    if treated.min(control) < fewest {
        return Err(Error::EmptyArm { treated, control, fewest });
    }
    Ok(())
}

/// # Errors
/// [`Error::NotFinite`] with the rows.
pub fn finite(name: &'static str, values: &[f64]) -> Result<()> {
    if all(values, |value| value.is_finite()) {
        return Ok(());
    }
    match Rows::matching(values, |value| !value.is_finite()) {
        Some(rows) => Err(Error::NotFinite { name, column: None, rows }),
        None => Ok(()),
    }
}

/// Every value of a matrix; the caller knows from a sum that one is amiss, so that this second pass is for
/// the message alone.
///
/// # Errors
/// [`Error::NotFinite`], [`Error::NotFiniteColumns`] with the rows of every column that has such values.
pub fn finite_columns<'a>(name: &'static str, x: impl Into<Matrix<'a>>) -> Result<()> {
    let x = x.into();
    let is_bad = |value: &f64| !value.is_finite();
    let bad = |k| Rows::matching(x.column(k).iter(), is_bad).map(|rows| (k, rows));
    let mut columns: Vec<(usize, Rows)> = (0..x.ncols()).filter_map(bad).collect();
    match columns.len() {
        0 => Ok(()),
        1 => Err(columns.remove(0)).map_err(|(k, rows)| Error::NotFinite {
            name,
            column: Some(k),
            rows,
        }),
        _ => Err(Error::NotFiniteColumns { name, columns }),
    }
}

/// Outcomes, of a size whose squares, weighted, are finite and not zero.
///
/// # Errors
/// [`Error::Length`], [`Error::NotFinite`], [`Error::Extreme`].
pub fn outcome(values: &[f64], n_rows: usize) -> Result<()> {
    same_length("outcome", values.len(), n_rows)?;
    squarable("outcome", values)
}

/// Finite values, of a size whose squares are finite and not zero.
///
/// # Errors
/// [`Error::NotFinite`], [`Error::Extreme`].
pub fn squarable(name: &'static str, values: &[f64]) -> Result<()> {
    finite(name, values)?;
    let of_rows =
        |rows: Range<usize>| values[rows].iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    let largest = by_chunk(values.len(), of_rows).into_iter().fold(0.0, f64::max);
    if largest == 0.0 || (SMALLEST..=LARGEST).contains(&largest) {
        return Ok(());
    }
    Err(Error::Extreme { name, column: None })
}

/// Finite values, whose differences have squares that are finite and not zero: what distances are made of.
///
/// # Errors
/// [`Error::NotFinite`], [`Error::NotFiniteColumns`], [`Error::Extreme`].
pub fn squarable_columns(name: &'static str, x: ArrayView2<'_, f64>) -> Result<()> {
    finite_columns(name, x)?;
    for (k, column) in x.columns().into_iter().enumerate() {
        let ends = (f64::INFINITY, f64::NEG_INFINITY);
        let (low, high) = column.fold(ends, |(low, high), x| (low.min(*x), high.max(*x)));
        let narrow = high > low && high - low < 1.0 / WIDEST;
        if narrow || high.max(-low) > WIDEST {
            return Err(Error::Extreme { name, column: Some(k) });
        }
    }
    Ok(())
}

/// # Errors
/// [`Error::TooFewRows`] where a model without a penalty has more coefficients than rows.
pub fn enough_rows(model: &'static str, rows: usize, terms: usize, penalty: f64) -> Result<()> {
    if rows < terms && penalty == 0.0 {
        return Err(Error::TooFewRows { model, rows, terms });
    }
    Ok(())
}

/// # Errors
/// [`Error::TooFewRows`] where an arm has fewer rows than its outcome model has coefficients.
pub fn enough_rows_in_each_arm(treatment: &[bool], terms: usize) -> Result<()> {
    let treated = treatment.iter().filter(|t| **t).count();
    enough_rows("outcome model of the treated", treated, terms, 0.0)?;
    enough_rows("outcome model of the controls", treatment.len() - treated, terms, 0.0)
}

/// # Errors
/// As for [`enough_rows_in_each_arm`], counting users where rows stand for several.
pub fn enough_users_in_each_arm(
    treatment: &[bool],
    frequency: Option<&[f64]>,
    terms: usize,
) -> Result<()> {
    let Some(frequency) = frequency else { return enough_rows_in_each_arm(treatment, terms) };
    for (model, arm) in
        [("outcome model of the treated", true), ("outcome model of the controls", false)]
    {
        let own = treatment.iter().zip(frequency).filter(|(treated, _)| **treated == arm);
        let users: f64 = own.map(|(_, users)| *users).sum();
        enough_rows(model, whole(users), terms, 0.0)?;
    }
    Ok(())
}

/// # Errors
/// [`Error::NotFinite`], [`Error::OutOfRange`], [`Error::Extreme`] with the rows whose weight is not finite, or negative.
pub fn weights(name: &'static str, weights: &[f64]) -> Result<()> {
    if all(weights, |weight| *weight == 0.0 || (SMALLEST..=LARGEST).contains(weight)) {
        return Ok(());
    }
    finite(name, weights)?;
    if let Some(rows) = Rows::matching(weights, |weight| *weight < 0.0) {
        return Err(Error::OutOfRange { name, allowed: "the numbers >= 0", rows });
    }
    Err(Error::Extreme { name, column: None })
}

/// Sample weights, where there are any: one a row, finite, none negative.
///
/// # Errors
/// [`Error::Length`], [`Error::OutOfRange`].
pub fn sample_weight(values: Option<&[f64]>, n_rows: usize) -> Result<()> {
    let Some(values) = values else { return Ok(()) };
    same_length("sample_weight", values.len(), n_rows)?;
    weights("sample_weight", values)
}

/// # Errors
/// [`Error::NotFinite`], [`Error::OutOfRange`], [`Error::CertainScores`] with the rows whose score is not
/// strictly between 0 and 1.
pub fn scores(scores: &[f64]) -> Result<()> {
    if all(scores, |score| *score >= SMALLEST && *score < 1.0) {
        return Ok(());
    }
    finite("scores", scores)?;
    if let Some(rows) = Rows::matching(scores, |score| *score < 0.0 || *score > 1.0) {
        return Err(Error::OutOfRange { name: "scores", allowed: "(0, 1)", rows });
    }
    let (zeros, ones) =
        (Rows::matching(scores, |s| *s < SMALLEST), Rows::matching(scores, |s| *s >= 1.0));
    let [zeros, ones] = [zeros, ones].map(|rows| rows.map_or(0, |rows| rows.count));
    match Rows::matching(scores, |score| *score < SMALLEST || *score >= 1.0) {
        Some(rows) => Err(Error::CertainScores { zeros, ones, rows }),
        None => Ok(()),
    }
}

/// # Errors
/// [`Error::Argument`] for a penalty that is negative or not finite.
pub fn penalty(penalty: f64) -> Result<()> {
    if penalty >= 0.0 && penalty.is_finite() {
        return Ok(());
    }
    let found = format!("{penalty:?}");
    Err(Error::Argument { name: "penalty", found, allowed: "a finite number >= 0" })
}
