//! The bins of every row, a row's codes side by side: a node reads a row once for all of its columns.

use rayon::prelude::*;

use super::bins::{Bins, MISSING, NUMBERS, Table};
use crate::design::covariates::{CHUNK, stretch};
use crate::error::{Error, Result};
use crate::monitor::Monitor;
use crate::units::cells::groups::{finish, mix};

/// Columns whose codes stand together, at most: so many histograms of one column fit into the nearest cache.
pub const WIDEST: usize = 8;

/// Rows that are coded at a time, so that a column's values are read in a stretch.
const STRETCH: usize = 1024;

/// The codes of n rows.
#[derive(Debug, Clone)]
pub struct Codes {
    n_rows: usize,
    pub groups: Vec<Group>,
    pub words: Vec<Words>,
    /// By column.
    places: Vec<Place>,
}

/// Columns of at most 255 bins, a byte each, row by row.
#[derive(Debug, Clone)]
pub struct Group {
    pub columns: Vec<usize>,
    pub codes: Vec<u8>,
}

/// A factor of more levels. The code of a missing one is their number.
#[derive(Debug, Clone)]
pub struct Words {
    pub column: usize,
    pub n_levels: usize,
    pub codes: Vec<u16>,
}

/// Where the codes of a column are.
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
        let n_rows = table.n_rows();
        let narrow: Vec<usize> = (0..bins.len()).filter(|k| bins[*k].len() <= NUMBERS).collect();
        // As even as can be: ten columns are twice five.
        let width = narrow.len().div_ceil(narrow.len().div_ceil(WIDEST).max(1)).max(1);
        let mut groups = Vec::new();
        for columns in narrow.chunks(width) {
            groups.push(Group::of(table, bins, columns, monitor)?);
        }
        let wide = (0..bins.len()).filter(|k| bins[*k].len() > NUMBERS);
        let words: Vec<Words> = wide.map(|k| Words::of(table, k, bins[k].len())).collect();
        Ok(Self::laid_out(n_rows, groups, words))
    }

    fn laid_out(n_rows: usize, groups: Vec<Group>, words: Vec<Words>) -> Self {
        let mut places: Vec<(usize, Place)> = Vec::new();
        for (group, own) in groups.iter().enumerate() {
            let places_of = |(lane, k): (usize, &usize)| (*k, Place::Byte { group, lane });
            places.extend(own.columns.iter().enumerate().map(places_of));
        }
        places
            .extend(words.iter().enumerate().map(|(place, own)| (own.column, Place::Word(place))));
        places.sort_unstable_by_key(|(k, _)| *k);
        let places = places.into_iter().map(|(_, place)| place).collect();
        Self { n_rows, groups, words, places }
    }

    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    #[must_use]
    pub fn place(&self, column: usize) -> Place {
        self.places[column]
    }

    /// The code of a row in a column.
    #[must_use]
    pub fn code(&self, row: usize, column: usize) -> usize {
        match self.places[column] {
            Place::Byte { group, lane } => {
                let own = &self.groups[group];
                usize::from(own.codes[row * own.columns.len() + lane])
            }
            Place::Word(place) => usize::from(self.words[place].codes[row]),
        }
    }

    /// These rows, in this order.
    #[must_use]
    pub fn gathered(&self, rows: &[u32]) -> Self {
        let groups = self.groups.iter().map(|own| own.gathered(rows)).collect();
        let words = self.words.iter().map(|own| Words {
            codes: rows.iter().map(|row| own.codes[*row as usize]).collect(),
            ..*own
        });
        Self::laid_out(rows.len(), groups, words.collect())
    }

    /// A number for what a row holds: the same for rows whose codes are, and most likely another otherwise.
    #[must_use]
    pub fn hash(&self, row: usize) -> u64 {
        let mut hash = 0;
        for group in &self.groups {
            hash = mix(hash, group.packed(row));
        }
        for words in &self.words {
            hash = mix(hash, u64::from(words.codes[row]));
        }
        finish(hash)
    }

    #[must_use]
    pub fn are_equal(&self, a: usize, b: usize) -> bool {
        self.groups.iter().all(|group| group.packed(a) == group.packed(b))
            && self.words.iter().all(|words| words.codes[a] == words.codes[b])
    }
}

impl Group {
    fn of(table: &Table<'_>, bins: &[Bins], columns: &[usize], monitor: &Monitor) -> Result<Self> {
        let width = columns.len();
        let mut codes = vec![0; table.n_rows() * width];
        codes.par_chunks_mut(CHUNK * width).enumerate().try_for_each(|(chunk, codes)| {
            monitor.check()?;
            for (part, codes) in codes.chunks_mut(STRETCH * width).enumerate() {
                let start = chunk * CHUNK + part * STRETCH;
                for (lane, column) in columns.iter().enumerate() {
                    code(
                        table,
                        &bins[*column],
                        *column,
                        start,
                        codes[lane..].iter_mut().step_by(width),
                    );
                }
            }
            Ok::<(), Error>(())
        })?;
        Ok(Self { columns: columns.to_vec(), codes })
    }

    /// The codes of a row as one number.
    fn packed(&self, row: usize) -> u64 {
        let width = self.columns.len();
        let mut bytes = [0; WIDEST];
        bytes[..width].copy_from_slice(&self.codes[row * width..][..width]);
        u64::from_le_bytes(bytes)
    }

    fn gathered(&self, rows: &[u32]) -> Self {
        let width = self.columns.len();
        let mut codes = vec![0; rows.len() * width];
        codes.par_chunks_mut(CHUNK * width).zip(rows.par_chunks(CHUNK)).for_each(
            |(codes, rows)| {
                for (to, row) in codes.chunks_exact_mut(width).zip(rows) {
                    to.copy_from_slice(&self.codes[*row as usize * width..][..width]);
                }
            },
        );
        Self { columns: self.columns.clone(), codes }
    }
}

impl Words {
    fn of(table: &Table<'_>, column: usize, n_levels: usize) -> Self {
        let levels = table.factors.column(column - table.numbers.ncols());
        let codes = levels.iter().map(|level| word(*level, n_levels)).collect();
        Self { column, n_levels, codes }
    }
}

/// Fill `codes` with the bytes of the rows from `start` on.
fn code<'c>(
    table: &Table<'_>,
    bins: &Bins,
    column: usize,
    start: usize,
    codes: impl ExactSizeIterator<Item = &'c mut u8>,
) {
    let rows = start..start + codes.len();
    match bins {
        Bins::Numbers(cuts) => {
            let values = stretch(table.numbers, column, rows);
            codes.zip(values).for_each(|(code, x)| *code = Bins::code(cuts, *x));
        }
        Bins::Levels(count) => {
            let levels = stretch(table.factors, column - table.numbers.ncols(), rows);
            let byte = |level: i64| u8::try_from(level).ok().filter(|at| usize::from(*at) < *count);
            codes.zip(levels).for_each(|(code, x)| *code = byte(*x).unwrap_or(MISSING));
        }
    }
}

/// A level's code; one that was never seen is missing, as -1 is.
fn word(level: i64, n_levels: usize) -> u16 {
    let known = u16::try_from(level).ok().filter(|at| usize::from(*at) < n_levels);
    known.or(u16::try_from(n_levels).ok()).unwrap_or(u16::MAX)
}
