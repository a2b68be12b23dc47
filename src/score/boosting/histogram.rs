//! Sums over the rows of a node, bin by bin.

use super::bins::Bins;
use super::codes::{Codes, Group, Place};

/// Bins that a column of bytes has room for.
pub const BYTES: usize = 256;

/// The sum of the gradients of a bin's rows; the sum of their curvatures, with the number of rows in its lowest
/// bits. Whole numbers: their sums are the same in any order, and a child's are its parent's less its sibling's,
/// without a rest.
pub type Bin = [i64; 2];

/// Entries from which on a histogram is worth the columns' going to several threads.
const MANY: usize = 1 << 14;

/// A point of a node, and its slopes: 12 bytes that lie in the order of the node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Entry {
    pub point: u32,
    pub gradient: i32,
    pub curvature: u32,
}

/// How many rows a point stands for.
#[derive(Debug, Clone, Copy)]
pub enum Rows<'a> {
    One,
    Counted(&'a [u32]),
}

/// How bins are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packing {
    /// Bits that the number of rows takes.
    pub count_bits: u32,
}

/// What a bin, or several, hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    pub gradient: i64,
    pub curvature: i64,
    pub rows: i64,
}

impl Packing {
    /// For so many rows in all.
    #[must_use]
    pub fn of(n_rows: usize) -> Self {
        Self { count_bits: usize::BITS - n_rows.leading_zeros() }
    }

    #[inline]
    #[must_use]
    pub fn bin(self, entry: Entry, rows: Rows<'_>) -> Bin {
        let rows = match rows {
            Rows::One => 1,
            Rows::Counted(rows) => i64::from(rows[entry.point as usize]),
        };
        [i64::from(entry.gradient), (i64::from(entry.curvature) << self.count_bits) | rows]
    }

    #[must_use]
    pub fn pack(self, Sums { gradient, curvature, rows }: Sums) -> Bin {
        [gradient, (curvature << self.count_bits) | rows]
    }

    #[inline]
    #[must_use]
    pub fn sums(self, [gradient, rest]: Bin) -> Sums {
        let curvature = rest >> self.count_bits;
        Sums { gradient, curvature, rows: rest & ((1 << self.count_bits) - 1) }
    }
}

#[inline]
pub fn add(to: &mut Bin, other: Bin) {
    to[0] = to[0].wrapping_add(other[0]);
    to[1] = to[1].wrapping_add(other[1]);
}

#[inline]
#[must_use]
pub fn less([a, b]: Bin, [c, d]: Bin) -> Bin {
    [a.wrapping_sub(c), b.wrapping_sub(d)]
}

/// The histograms of all columns of a node.
#[derive(Debug, Clone)]
pub struct Histograms {
    /// By group of columns of bytes.
    bytes: Vec<Vec<[Bin; BYTES]>>,
    /// By wide column; its last bin has the missing.
    words: Vec<Vec<Bin>>,
}

impl Histograms {
    #[must_use]
    pub fn room(codes: &Codes, bins: &[Bins]) -> Self {
        let group = |own: &Group| vec![[[0; 2]; BYTES]; own.columns.len()];
        let is_wide = |k: &usize| matches!(codes.place(*k), Place::Word(_));
        let words = (0..bins.len()).filter(is_wide).map(|k| vec![[0; 2]; bins[k].len() + 1]);
        Self { bytes: codes.groups.iter().map(group).collect(), words: words.collect() }
    }

    /// The bins of a column.
    #[must_use]
    pub fn column(&self, place: Place) -> &[Bin] {
        match place {
            Place::Byte { group, lane } => &self.bytes[group][lane],
            Place::Word(word) => &self.words[word],
        }
    }

    /// Sum up the entries of a node, each column by one thread.
    pub fn fill(&mut self, codes: &Codes, entries: &[Entry], rows: Rows<'_>, packing: Packing) {
        let byte = |(bins, own): (&mut Vec<[Bin; BYTES]>, &Group)| match rows {
            Rows::One => sum_bytes::<false>(bins, own, entries, &[], packing),
            Rows::Counted(rows) => sum_bytes::<true>(bins, own, entries, rows, packing),
        };
        let word = |(bins, codes): (&mut Vec<Bin>, &[u16])| {
            bins.fill([0; 2]);
            for entry in entries {
                let code = usize::from(codes[entry.point as usize]);
                add(&mut bins[code], packing.bin(*entry, rows));
            }
        };
        if entries.len() < MANY || self.bytes.len() + self.words.len() < 2 {
            self.bytes.iter_mut().zip(&codes.groups).for_each(byte);
            self.words.iter_mut().zip(codes.words()).for_each(word);
            return;
        }
        rayon::scope(|scope| {
            let (byte, word) = (&byte, &word);
            for own in self.bytes.iter_mut().zip(&codes.groups) {
                scope.spawn(move |_| byte(own));
            }
            self.words.iter_mut().zip(codes.words()).for_each(word);
        });
    }

    /// What is left of these without those of `other`.
    pub fn subtract(&mut self, other: &Self) {
        let own = self.bytes.iter_mut().flatten().flatten().chain(self.words.iter_mut().flatten());
        let others = other.bytes.iter().flatten().flatten().chain(other.words.iter().flatten());
        own.zip(others).for_each(|(own, other)| *own = less(*own, *other));
    }
}

#[allow(clippy::many_single_char_names)] // a letter a column
fn sum_bytes<const COUNTED: bool>(
    bins: &mut [[Bin; BYTES]],
    group: &Group,
    entries: &[Entry],
    rows: &[u32],
    packing: Packing,
) {
    bins.as_flattened_mut().fill([0; 2]);
    let codes = &group.codes;
    match bins {
        [] => {}
        [a] => sum::<1, COUNTED>([a], codes, entries, rows, packing),
        [a, b] => sum::<2, COUNTED>([a, b], codes, entries, rows, packing),
        [a, b, c] => sum::<3, COUNTED>([a, b, c], codes, entries, rows, packing),
        [a, b, c, d] => sum::<4, COUNTED>([a, b, c, d], codes, entries, rows, packing),
        [a, b, c, d, e] => sum::<5, COUNTED>([a, b, c, d, e], codes, entries, rows, packing),
        [a, b, c, d, e, f] => sum::<6, COUNTED>([a, b, c, d, e, f], codes, entries, rows, packing),
        [a, b, c, d, e, f, g] => {
            sum::<7, COUNTED>([a, b, c, d, e, f, g], codes, entries, rows, packing);
        }
        [a, b, c, d, e, f, g, h, ..] => {
            sum::<8, COUNTED>([a, b, c, d, e, f, g, h], codes, entries, rows, packing);
        }
    }
}

/// The inner loop of it all. A row's columns go to bins that have nothing to do with each other, so that no
/// addition waits for the one before, also where columns have but two values.
fn sum<const WIDTH: usize, const COUNTED: bool>(
    bins: [&mut [Bin; BYTES]; WIDTH],
    codes: &[u8],
    entries: &[Entry],
    rows: &[u32],
    packing: Packing,
) {
    let (codes, _) = codes.as_chunks::<WIDTH>();
    for entry in entries {
        let codes = &codes[entry.point as usize];
        let counted = if COUNTED { Rows::Counted(rows) } else { Rows::One };
        let own = packing.bin(*entry, counted);
        for k in 0..WIDTH {
            add(&mut bins[k][usize::from(codes[k])], own);
        }
    }
}
