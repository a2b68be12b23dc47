//! The bins of every row: column by column, where a question is asked of one, and a row's codes side by side, where
//! a node is summed up for all columns at once.

use rayon::prelude::*;

use super::bins::{Bins, MISSING, NUMBERS, Table};
use crate::design::covariates::{CHUNK, stretch};
use crate::error::{Error, Result};
use crate::monitor::Monitor;
use crate::units::cells::groups::{finish, mix};

/// Columns whose codes stand together, at most: so many histograms of one column fit into the nearest cache.
pub const WIDEST: usize = 8;

/// The codes of n rows.
#[derive(Debug, Clone)]
pub struct Codes {
    n_rows: usize,
    /// Each column by itself, for questions to one column.
    pub columns: Vec<Column>,
    /// Columns of bytes side by side, for sums over all of them.
    pub groups: Vec<Group>,
    /// By column, where its histogram is.
    places: Vec<Place>,
}

/// The codes of one column.
#[derive(Debug, Clone)]
pub enum Column {
    /// Of at most 255 bins.
    Bytes(Vec<u8>),
    /// Of a factor of more levels. The code of a missing one is their number.
    Words(Vec<u16>),
}

/// Columns of at most 255 bins, a byte each, row by row.
#[derive(Debug, Clone)]
pub struct Group {
    pub columns: Vec<usize>,
    pub codes: Vec<u8>,
}

/// Where the histogram of a column is: in a group of columns, or by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Byte { group: usize, lane: usize },
    Word(usize),
}

impl Codes {
    /// Code the rows of a table.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub fn of(table: &Table<'_>, bins: &[Bins], monitor: &Monitor) -> Result<Self> {
        let column = |(k, own): (usize, &Bins)| {
            if own.len() > NUMBERS {
                let levels = table.factors.column(k - table.numbers.ncols());
                return Ok(Column::Words(levels.iter().map(|x| word(*x, own.len())).collect()));
            }
            let mut codes = vec![0; table.n_rows()];
            codes.par_chunks_mut(CHUNK).enumerate().try_for_each(|(chunk, codes)| {
                monitor.check()?;
                code(table, own, k, chunk * CHUNK, codes);
                Ok::<(), Error>(())
            })?;
            Ok(Column::Bytes(codes))
        };
        let columns = bins.iter().enumerate().map(column).collect::<Result<Vec<_>>>()?;
        Ok(Self::laid_out(table.n_rows(), columns))
    }

    fn laid_out(n_rows: usize, columns: Vec<Column>) -> Self {
        let is_narrow = |k: &usize| matches!(columns[*k], Column::Bytes(_));
        let (narrow, wide): (Vec<usize>, Vec<usize>) = (0..columns.len()).partition(is_narrow);
        // As even as can be: ten columns are twice five.
        let width = narrow.len().div_ceil(narrow.len().div_ceil(WIDEST).max(1)).max(1);
        let groups: Vec<Group> =
            narrow.chunks(width).map(|own| Group::of(n_rows, own, &columns)).collect();
        let mut places = vec![Place::Word(0); columns.len()];
        for (group, own) in groups.iter().enumerate() {
            for (lane, k) in own.columns.iter().enumerate() {
                places[*k] = Place::Byte { group, lane };
            }
        }
        wide.iter().enumerate().for_each(|(word, k)| places[*k] = Place::Word(word));
        Self { n_rows, columns, groups, places }
    }

    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    #[must_use]
    pub fn place(&self, column: usize) -> Place {
        self.places[column]
    }

    /// The factors of more than 255 levels, in their order.
    pub fn words(&self) -> impl Iterator<Item = &[u16]> {
        self.columns.iter().filter_map(|column| match column {
            Column::Bytes(_) => None,
            Column::Words(codes) => Some(codes.as_slice()),
        })
    }

    /// These rows, in this order.
    #[must_use]
    pub fn gathered(&self, rows: &[u32]) -> Self {
        let columns = self.columns.par_iter().map(|column| match column {
            Column::Bytes(codes) => Column::Bytes(gathered(codes, rows)),
            Column::Words(codes) => Column::Words(gathered(codes, rows)),
        });
        Self::laid_out(rows.len(), columns.collect())
    }

    /// A number for what a row holds: the same for rows whose codes are, and most likely another otherwise.
    #[must_use]
    pub fn hash(&self, row: usize) -> u64 {
        let packed = self.groups.iter().map(|group| group.packed(row));
        let words = self.words().map(|codes| u64::from(codes[row]));
        finish(packed.chain(words).fold(0, mix))
    }

    #[must_use]
    pub fn are_equal(&self, a: usize, b: usize) -> bool {
        self.groups.iter().all(|group| group.packed(a) == group.packed(b))
            && self.words().all(|codes| codes[a] == codes[b])
    }
}

impl Group {
    fn of(n_rows: usize, own: &[usize], columns: &[Column]) -> Self {
        let width = own.len();
        let mut codes = vec![0; n_rows * width];
        codes.par_chunks_mut(CHUNK * width).enumerate().for_each(|(chunk, codes)| {
            for (lane, column) in own.iter().enumerate() {
                if let Column::Bytes(column) = &columns[*column] {
                    let lane = codes[lane..].iter_mut().step_by(width);
                    lane.zip(&column[chunk * CHUNK..]).for_each(|(to, code)| *to = *code);
                }
            }
        });
        Self { columns: own.to_vec(), codes }
    }

    /// The codes of a row as one number.
    fn packed(&self, row: usize) -> u64 {
        let width = self.columns.len();
        let mut bytes = [0; WIDEST];
        bytes[..width].copy_from_slice(&self.codes[row * width..][..width]);
        u64::from_le_bytes(bytes)
    }
}

fn gathered<T: Copy>(codes: &[T], rows: &[u32]) -> Vec<T> {
    rows.iter().map(|row| codes[*row as usize]).collect()
}

/// Fill `codes` with the bytes of the rows from `start` on.
fn code(table: &Table<'_>, bins: &Bins, column: usize, start: usize, codes: &mut [u8]) {
    let rows = start..start + codes.len();
    match bins {
        Bins::Numbers(cuts) => {
            let values = stretch(table.numbers, column, rows);
            codes.iter_mut().zip(values).for_each(|(code, x)| *code = Bins::code(cuts, *x));
        }
        Bins::Levels(count) => {
            let levels = stretch(table.factors, column - table.numbers.ncols(), rows);
            let byte = |level: i64| u8::try_from(level).ok().filter(|at| usize::from(*at) < *count);
            codes.iter_mut().zip(levels).for_each(|(code, x)| *code = byte(*x).unwrap_or(MISSING));
        }
    }
}

/// A level's code; one that was never seen is missing, as -1 is.
fn word(level: i64, n_levels: usize) -> u16 {
    let known = u16::try_from(level).ok().filter(|at| usize::from(*at) < n_levels);
    known.or(u16::try_from(n_levels).ok()).unwrap_or(u16::MAX)
}
