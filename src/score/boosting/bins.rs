//! Values to bins: a column of numbers is cut at no more than 254 places, the levels of a factor are bins
//! already. Trees look at bins alone.

use ndarray::ArrayView2;
use rayon::prelude::*;

use crate::checks;
use crate::error::{Error, Result, Rows};
use crate::monitor::Monitor;

/// Bins of a column of numbers, at most: a code is a byte, and one of its values means that there is none.
pub const NUMBERS: usize = 255;

/// The code of a missing value in a column whose codes are bytes.
pub const MISSING: u8 = 255;

/// Levels of a factor, at most: a code is two bytes.
pub const LEVELS: usize = u16::MAX as usize;

/// How a column becomes bins.
#[derive(Debug, Clone, PartialEq)]
pub enum Bins {
    /// Numbers, by where they are cut, ascending. The bin of a value is the number of cuts below it, so that
    /// the first k + 1 bins hold what is no more than cut k.
    Numbers(Vec<f64>),
    /// So many levels of a factor.
    Levels(usize),
}

impl Bins {
    /// How many bins there are, that of missing values aside.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // none is
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(cuts) => cuts.len() + 1,
            Self::Levels(count) => *count,
        }
    }

    /// The code of a number; a missing one's is [`MISSING`].
    #[must_use]
    #[allow(clippy::cast_possible_truncation)] // at most 254 cuts
    pub fn code(cuts: &[f64], value: f64) -> u8 {
        if value.is_nan() { MISSING } else { cuts.partition_point(|cut| *cut < value) as u8 }
    }
}

/// The columns that trees split: numbers first, then factors, whose levels are counted from 0 and -1 where
/// they are missing.
#[derive(Debug, Clone, Copy)]
pub struct Table<'a> {
    pub numbers: ArrayView2<'a, f64>,
    pub factors: ArrayView2<'a, i64>,
}

impl Table<'_> {
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.numbers.nrows()
    }

    /// # Errors
    /// [`Error::Argument`] without a column, for a level that is no level, or more rows than are numbered;
    /// [`Error::Length`]; [`Error::Infinite`].
    pub fn check(&self) -> Result<()> {
        let n = self.n_rows();
        checks::same_length("factors", self.factors.nrows(), n)?;
        if self.numbers.ncols() + self.factors.ncols() == 0 {
            let found = "none".into();
            return Err(Error::Argument {
                name: "covariates",
                found,
                allowed: "at least one column",
            });
        }
        if u32::try_from(n).is_err() {
            let found = format!("{n} rows");
            return Err(Error::Argument {
                name: "covariates",
                found,
                allowed: "fewer than 2^32 rows",
            });
        }
        self.check_values()
    }

    fn check_values(&self) -> Result<()> {
        for (k, column) in self.numbers.columns().into_iter().enumerate() {
            if let Some(rows) = Rows::matching(column, |value| value.is_infinite()) {
                return Err(Error::Infinite { name: "covariates", column: k, rows });
            }
        }
        let most = i64::from(u16::MAX); // [`LEVELS`]
        for (k, column) in self.factors.columns().into_iter().enumerate() {
            if let Some(level) = column.iter().find(|level| !(-1..most).contains(*level)) {
                let found = format!("{level} in column {k}");
                let allowed =
                    "levels from 0 to 65534, or -1 where it is missing; put rare levels together";
                return Err(Error::Argument { name: "factors", found, allowed });
            }
        }
        Ok(())
    }
}

/// Cut the columns by the rows that count.
///
/// # Errors
/// [`Error::Stopped`].
pub fn cut(
    table: &Table<'_>,
    is_there: impl Fn(usize) -> bool + Sync,
    monitor: &Monitor,
) -> Result<Vec<Bins>> {
    let numbers = (0..table.numbers.ncols()).into_par_iter().map(|k| {
        monitor.check()?;
        let column = table.numbers.column(k);
        let there = column.iter().enumerate().filter(|(row, x)| !x.is_nan() && is_there(*row));
        let mut values: Vec<f64> = there.map(|(_, x)| *x).collect();
        values.sort_unstable_by(f64::total_cmp);
        Ok(Bins::Numbers(cuts(&values)))
    });
    let mut bins = numbers.collect::<Result<Vec<_>>>()?;
    bins.extend(table.factors.columns().into_iter().map(|column| {
        let most = column.iter().copied().max().unwrap_or(-1);
        Bins::Levels(usize::try_from(most + 1).unwrap_or(0))
    }));
    Ok(bins)
}

/// Where to cut sorted values: between all of them where they are few, and otherwise so that bins hold as
/// many rows as each other. A value that fills a bin has it to itself, and the others share what is left.
fn cuts(sorted: &[f64]) -> Vec<f64> {
    let runs: Vec<&[f64]> = sorted.chunk_by(|a, b| *a >= *b).collect();
    let few = runs.len() <= NUMBERS;
    let (mut left, mut held) = (sorted.len(), 0);
    let mut cuts: Vec<f64> = Vec::new();
    for pair in runs.windows(2) {
        let (run, next) = (pair[0], pair[1]);
        held += run.len();
        let bins = NUMBERS - cuts.len();
        let is_full = held * bins >= left;
        // One that is more than a bin's fill itself shall not drag its lower neighbours along.
        let is_crowded = next.len() * bins >= left && next.len() > held;
        if few || (bins > 1 && (is_full || is_crowded)) {
            cuts.push(between(run[0], next[0]));
            (left, held) = (left - held, 0);
        }
    }
    cuts
}

/// A number that is at least `low` and less than `high`: halfway where there is one.
fn between(low: f64, high: f64) -> f64 {
    let middle = f64::midpoint(low, high);
    if middle < high { middle } else { low }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cuts_lie_between_all_values_where_they_are_few() {
        assert_eq!(cuts(&[1.0, 1.0, 2.0, 4.0]), [1.5, 3.0]);
        assert!(cuts(&[7.0; 9]).is_empty());
        assert!(cuts(&[]).is_empty());
        assert!(cuts(&[-0.0, 0.0]).is_empty());
    }

    #[test]
    fn cuts_tell_neighbouring_floats_apart() {
        let low = 1.0_f64;
        let high = low.next_up();
        let found = cuts(&[low, high]);
        assert_eq!([low, high].map(|x| Bins::code(&found, x)), [0, 1]);
    }

    #[test]
    fn bins_of_many_values_hold_as_many_rows() {
        let values: Vec<f64> = (0..25_500).map(f64::from).collect();
        let cuts = cuts(&values);
        assert_eq!(cuts.len(), NUMBERS - 1);
        let mut held = [0; NUMBERS];
        for x in &values {
            held[usize::from(Bins::code(&cuts, *x))] += 1;
        }
        assert_eq!(held, [100; NUMBERS]);
    }

    #[test]
    fn a_heavy_value_has_a_bin_to_itself_and_the_others_keep_theirs() {
        let mut values = vec![0.0; 60_000];
        values.extend((1..=40_000).map(f64::from));
        let cuts = cuts(&values);
        assert_eq!(cuts.len(), NUMBERS - 1);
        assert_eq!(Bins::code(&cuts, 0.0), 0);
        assert_eq!(Bins::code(&cuts, 1.0), 1);
    }

    proptest! {
        #[test]
        fn codes_keep_the_order_of_values(mut values in prop::collection::vec(-1e3..1e3_f64, 1..900)) {
            values.sort_unstable_by(f64::total_cmp);
            let cuts = cuts(&values);
            prop_assert!(cuts.len() < NUMBERS);
            prop_assert!(cuts.is_sorted_by(|a, b| a < b));
            let codes: Vec<u8> = values.iter().map(|x| Bins::code(&cuts, *x)).collect();
            prop_assert!(codes.is_sorted());
            // Every bin holds something, and the highest is the last.
            let mut found = codes.clone();
            found.dedup();
            prop_assert_eq!(found.len(), cuts.len() + 1);
        }
    }

    #[test]
    fn a_missing_number_has_its_own_code() {
        assert_eq!(Bins::code(&[0.0], f64::NAN), MISSING);
    }
}
