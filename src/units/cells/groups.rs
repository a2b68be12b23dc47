//! Rows grouped by their hashes.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use ndarray::ArrayView2;
use rayon::prelude::*;

use super::bits;
use crate::design::covariates::{CHUNK, stretch};

/// Rows of equal hashes, the groups in the order of their first rows.
pub struct Groups {
    pub of_row: Vec<u32>,
    pub first_row: Vec<u32>,
    table: Table,
}

impl Groups {
    /// Group rows by their hashes; `None` as soon as there are more than `limit` groups, or somebody else says
    /// that there are `too_many`.
    pub fn of(
        n_rows: usize,
        hash: impl Fn(usize) -> u64,
        limit: usize,
        too_many: &AtomicBool,
    ) -> Option<Self> {
        let (mut of_row, mut first_row) = (Vec::with_capacity(n_rows), vec![]);
        let mut table = Table::default();
        for (row, hash) in (0..).zip((0..n_rows).map(hash)) {
            if (row as usize).is_multiple_of(CHUNK) && too_many.load(Relaxed) {
                return None;
            }
            let (group, is_new) = table.group(hash);
            if is_new {
                if first_row.len() == limit {
                    return None;
                }
                first_row.push(row);
            }
            of_row.push(group);
        }
        Some(Self { of_row, first_row, table })
    }

    /// The groups by ascending hash.
    #[must_use]
    pub fn by_hash(&self) -> Vec<u32> {
        self.table.by_hash()
    }

    /// Number the groups anew: the group `order[k]` becomes group k.
    pub fn number_by(&mut self, order: &[u32]) {
        let number = inverse(order);
        self.of_row.par_iter_mut().with_min_len(CHUNK).for_each(|g| *g = number[*g as usize]);
        self.first_row = order.iter().map(|group| self.first_row[*group as usize]).collect();
    }
}

/// An open table that grows with the groups. The slot of a hash follows from its highest bits, so that hashes lie
/// in the table all but in order.
struct Table {
    slots: Vec<(u64, u32)>,
    /// How far the highest bits of a hash are from being a slot.
    shift: u32,
    n_groups: u32,
}

/// No group.
const FREE: u32 = u32::MAX;

/// At first 2^this slots, which stay in the nearest cache; four times as many when half of them are taken.
const FIRST_BITS: u32 = 10;

impl Default for Table {
    fn default() -> Self {
        Self { slots: vec![(0, FREE); 1 << FIRST_BITS], shift: u64::BITS - FIRST_BITS, n_groups: 0 }
    }
}

impl Table {
    /// The group of a hash, and whether it is a new one.
    #[inline]
    fn group(&mut self, hash: u64) -> (u32, bool) {
        let slot = self.find(hash);
        let (_, group) = self.slots[slot];
        if group != FREE {
            return (group, false);
        }
        let group = self.n_groups;
        self.slots[slot] = (hash, group);
        self.n_groups += 1;
        if 2 * self.n_groups as usize >= self.slots.len() {
            self.grow();
        }
        (group, true)
    }

    /// The slot of a hash, or the free one where it belongs.
    #[allow(clippy::cast_possible_truncation)] // as many bits as there are slots for
    fn find(&self, hash: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = (hash >> self.shift) as usize & mask;
        while self.slots[slot].1 != FREE && self.slots[slot].0 != hash {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn grow(&mut self) {
        let more = vec![(0, FREE); 4 * self.slots.len()];
        let taken = std::mem::replace(&mut self.slots, more);
        self.shift -= 2;
        for (hash, group) in taken.into_iter().filter(|(_, group)| *group != FREE) {
            let slot = self.find(hash);
            self.slots[slot] = (hash, group);
        }
    }

    /// The groups by ascending hash: each has few to be moved past.
    fn by_hash(&self) -> Vec<u32> {
        let taken = self.slots.iter().filter(|(_, group)| *group != FREE);
        let mut found: Vec<(u64, u32)> = taken.copied().collect();
        for filled in 1..found.len() {
            let own = found[filled];
            let mut slot = filled;
            while slot > 0 && own < found[slot - 1] {
                found[slot] = found[slot - 1];
                slot -= 1;
            }
            found[slot] = own;
        }
        found.into_iter().map(|(_, group)| group).collect()
    }
}

#[must_use]
pub fn inverse(order: &[u32]) -> Vec<u32> {
    let mut place = vec![0; order.len()];
    (0..).zip(order).for_each(|(new, old)| place[*old as usize] = new);
    place
}

/// A hash of each row of x, made column by column.
#[must_use]
pub fn row_hashes(x: ArrayView2<'_, f64>) -> Vec<u64> {
    let mut hashes = vec![0; x.nrows()];
    hashes.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, hashes)| {
        let start = chunk * CHUNK;
        for k in 0..x.ncols() {
            let column = stretch(x, k, start..start + hashes.len());
            hashes.iter_mut().zip(column).for_each(|(hash, x)| *hash = mix(*hash, bits(*x)));
        }
        for hash in hashes {
            *hash = finish(*hash);
        }
    });
    hashes
}

/// A multiplicative hash.
#[must_use]
pub fn mix(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(29) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Let all bits depend on all of the input.
#[must_use]
pub fn finish(hash: u64) -> u64 {
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ (mixed >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_those_of_a_sorted_map() {
        // Some of few hashes, some of many, and some at the ends of the table.
        let hash = |row: usize| match row % 3 {
            0 => finish((row as u64 * 7919) % 3000),
            1 => u64::MAX - (row as u64 * 31) % 40,
            _ => (row as u64 * 17) % 50,
        };
        let mut expected = std::collections::BTreeMap::new();
        (0..20_000).for_each(|row| {
            expected.entry(hash(row)).or_insert(row);
        });
        let groups = Groups::of(20_000, hash, 20_000, &AtomicBool::new(false)).unwrap();
        let first = |group: &u32| groups.first_row[*group as usize] as usize;
        let by_hash: Vec<usize> = groups.by_hash().iter().map(first).collect();
        assert_eq!(by_hash, expected.values().copied().collect::<Vec<_>>());
        for (row, group) in groups.of_row.iter().enumerate() {
            assert_eq!(first(group), expected[&hash(row)]);
        }
        let too_few = expected.len() - 1;
        assert!(Groups::of(20_000, hash, too_few, &AtomicBool::new(false)).is_none());
        assert!(Groups::of(20_000, hash, too_few + 1, &AtomicBool::new(false)).is_some());
    }
}
