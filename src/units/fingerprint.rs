//! What a column holds, in two numbers: one of its values in their order, one of its values in any order.
//!
//! Each value becomes a word of 64 bits. Word and place are mixed by a multiplication to 128 bits whose halves
//! are folded (as in Wang Yi's wyhash), and what comes of it is summed modulo 2^64, so that chunks of rows may
//! be summed on any thread: two columns that differ have the same number about once in 2^64. The other number,
//! from which a message tells rows that moved, is a cheaper mix of the words alone. Neither protects against
//! somebody who wants columns to be confused.

use rayon::prelude::*;

/// Rows a thread takes at a time.
const CHUNK: usize = 1 << 14;

/// Odd numbers with as many ones as zeros: those of wyhash.
const VALUE: u64 = 0xa076_1d64_78bd_642f;
const PLACE: [u64; 2] = [0x8ebc_6af0_9c88_c6e3, 0x5899_65cc_7537_4cc3];
const ALONE: u64 = 0xe703_7ed1_a0b4_28db;

/// Whole numbers up to here are the same word as the float of the same value; beyond, not every one has one.
const EXACT: u64 = 1 << 53;

/// What a column holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fingerprint {
    pub in_order: u64,
    pub in_any_order: u64,
}

/// A value as 64 bits: equal numbers are equal words, whatever their type.
pub trait Word: Copy + Sync {
    fn word(self) -> u64;
}

impl Word for f64 {
    fn word(self) -> u64 {
        (self + 0.0).to_bits() // which makes -0 0
    }
}

impl Word for i64 {
    fn word(self) -> u64 {
        if self.unsigned_abs() <= EXACT { (self as f64).word() } else { !self.cast_unsigned() }
    }
}

impl Word for u64 {
    fn word(self) -> u64 {
        if self <= EXACT { (self as f64).word() } else { !self }
    }
}

impl Word for f32 {
    fn word(self) -> u64 {
        f64::from(self).word()
    }
}

impl Word for bool {
    fn word(self) -> u64 {
        f64::from(u8::from(self)).to_bits()
    }
}

/// The fingerprint of a column.
#[must_use]
pub fn fingerprint<T: Word>(values: &[T]) -> Fingerprint {
    fingerprint_by(values, T::word)
}

/// That of the words that values stand for.
#[must_use]
pub fn fingerprint_by<T: Copy + Sync>(values: &[T], word: impl Fn(T) -> u64 + Sync) -> Fingerprint {
    let chunks = values.par_chunks(CHUNK).enumerate();
    let of_own = |(chunk, own)| of_chunk(chunk * CHUNK, own, &word);
    chunks.map(of_own).reduce(Fingerprint::default, plus)
}

fn of_chunk<T: Copy>(first: usize, values: &[T], word: impl Fn(T) -> u64) -> Fingerprint {
    let mut sum = Fingerprint::default();
    let mut place = PLACE[1].wrapping_add(PLACE[0].wrapping_mul(first as u64));
    for value in values {
        let word = word(*value) ^ VALUE;
        let alone = word.wrapping_mul(ALONE);
        sum.in_order = sum.in_order.wrapping_add(fold(word, place));
        sum.in_any_order = sum.in_any_order.wrapping_add(alone ^ (alone >> 32));
        place = place.wrapping_add(PLACE[0]);
    }
    sum
}

fn plus(a: Fingerprint, b: Fingerprint) -> Fingerprint {
    Fingerprint {
        in_order: a.in_order.wrapping_add(b.in_order),
        in_any_order: a.in_any_order.wrapping_add(b.in_any_order),
    }
}

#[allow(clippy::cast_possible_truncation)] // the two halves are what is wanted
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_is_of_the_values_whatever_their_type() {
        let found = fingerprint(&[0.0, 1.0, 1.0, 0.0]);
        assert_eq!(found, fingerprint(&[false, true, true, false]));
        assert_eq!(found, fingerprint(&[0_i64, 1, 1, 0]));
        assert_eq!(found, fingerprint(&[-0.0, 1.0, 1.0, 0.0]));
        assert_eq!(found, fingerprint(&[-0.0_f32, 1.0, 1.0, 0.0]));
        assert_eq!(found, fingerprint_by(&[1, 0, 0, 1], |code: u8| f64::from(1 - code).word()));
        assert_eq!(fingerprint(&[1_i64 << 60]), fingerprint(&[1_u64 << 60]));
        assert_ne!(fingerprint(&[1_i64 << 60]), fingerprint(&[(1_i64 << 60) + 1]));
    }

    #[test]
    fn fingerprint_tells_another_order_from_other_values() {
        let values: Vec<f64> = (0..100_000).map(f64::from).collect();
        let found = fingerprint(&values);
        for (one, other) in [(0, 1), (17, 99_999), (5, 5 + CHUNK), (70_000, 3)] {
            let mut moved = values.clone();
            moved.swap(one, other);
            let moved = fingerprint(&moved);
            assert_ne!(moved.in_order, found.in_order);
            assert_eq!(moved.in_any_order, found.in_any_order);
        }
        let mut changed = values;
        changed[77] += 1e-9;
        assert_ne!(fingerprint(&changed).in_any_order, found.in_any_order);
    }

    #[test]
    fn fingerprint_of_few_values_tells_every_swap() {
        let values: Vec<i64> = (0..2_000).map(|row| (row * row) % 7).collect();
        let found = fingerprint(&values);
        for one in 0..values.len() {
            let other = (one * 31 + 11) % values.len();
            let mut moved = values.clone();
            moved.swap(one, other);
            assert_eq!(fingerprint(&moved) == found, values[one] == values[other]);
        }
    }
}
