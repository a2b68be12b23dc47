//! Rows in the order of a column's values: a radix sort of keys that carry their row.

use super::distribution::Banded;

/// Bits of a key that a pass sorts by: three of them, whose 2048 places stay in the cache beside the core.
const DIGIT: u32 = 11;

const PASSES: usize = 3;

/// Where a key's row ends and what is known of its value begins.
const ROW: u32 = 32;

/// Room to sort in, kept from column to column.
#[derive(Debug, Default)]
pub struct Scratch {
    keys: Vec<u64>,
    spare: Vec<u64>,
}

/// A row, and whether its value differs from that of the row before; the first has none before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit {
    pub row: usize,
    pub new: bool,
}

/// Numbers that a key holds the leading 32 bits of, or all.
pub trait Sortable: Copy + Default + Into<f64> + Sync {
    /// Whether 32 bits are all of them.
    const IS_WHOLE: bool;

    /// Integers of the same order, the two zeros alike: a negative number's bits flip, any other's sign bit alone.
    fn rank(self) -> u64;

    /// Where numbers of this type are kept.
    fn kept(banded: &mut Banded) -> &mut Vec<Self>;
}

impl Sortable for f64 {
    const IS_WHOLE: bool = false;

    fn rank(self) -> u64 {
        let bits = (self + 0.0).to_bits();
        if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
    }

    fn kept(banded: &mut Banded) -> &mut Vec<Self> {
        &mut banded.doubles
    }
}

impl Sortable for f32 {
    const IS_WHOLE: bool = true;

    fn rank(self) -> u64 {
        let bits = (self + 0.0).to_bits();
        u64::from(if bits >> 31 == 1 { !bits } else { bits | 1 << 31 })
    }

    fn kept(banded: &mut Banded) -> &mut Vec<Self> {
        &mut banded.singles
    }
}

/// The rows ascending by value, ties by row. There are at most 2^32 of them, and no value is NaN.
///
/// A key is the leading 32 bits of the value, counted from the least value, and the row. Three passes put
/// the keys in order; the few that agree in those bits are then sorted by their values.
pub fn ascending<'a, T: Sortable>(
    values: &'a [T],
    scratch: &'a mut Scratch,
) -> impl Iterator<Item = Visit> + 'a {
    fill(values, &mut scratch.keys);
    sort(scratch);
    if !T::IS_WHOLE {
        sort_runs(values, &mut scratch.keys);
    }
    let mut previous = None;
    scratch.keys.iter().map(move |key| {
        // Most values differ in their leading bits already, which spares a look at them.
        let new = previous.replace(*key).is_some_and(|previous| {
            prefix(previous) != prefix(*key)
                || !T::IS_WHOLE && values[row(previous)].rank() != values[row(*key)].rank()
        });
        Visit { row: row(*key), new }
    })
}

#[allow(clippy::cast_possible_truncation)] // the lower half, on purpose
fn row(key: u64) -> usize {
    key as u32 as usize
}

fn prefix(key: u64) -> u64 {
    key >> ROW
}

fn fill<T: Sortable>(values: &[T], keys: &mut Vec<u64>) {
    let ends = (u64::MAX, 0);
    let (low, high) = values.iter().fold(ends, |(low, high), value| {
        let rank = value.rank();
        (low.min(rank), high.max(rank))
    });
    // How far to the right the widest difference has to go to fit above the row.
    let excess = ROW.saturating_sub(high.saturating_sub(low).leading_zeros());
    keys.clear();
    let ranks = values.iter().map(|value| value.rank() - low);
    keys.extend(ranks.zip(0_u64..).map(|(rank, row)| (rank >> excess) << ROW | row));
}

/// By prefix, least significant digit first, each pass keeping the order of the one before.
fn sort(Scratch { keys, spare }: &mut Scratch) {
    spare.resize(keys.len(), 0);
    let mut counts = vec![[0_usize; 1 << DIGIT]; PASSES];
    for key in &*keys {
        for (pass, counts) in counts.iter_mut().enumerate() {
            counts[digit(*key, pass)] += 1;
        }
    }
    for (pass, next) in counts.iter_mut().enumerate() {
        if next.contains(&keys.len()) {
            continue;
        }
        let mut start = 0;
        for count in next.iter_mut() {
            start += std::mem::replace(count, start);
        }
        for key in &*keys {
            let slot = &mut next[digit(*key, pass)];
            spare[*slot] = *key;
            *slot += 1;
        }
        std::mem::swap(keys, spare);
    }
}

/// Put keys of the same prefix into the order of their values.
fn sort_runs<T: Sortable>(values: &[T], keys: &mut [u64]) {
    for run in keys.chunk_by_mut(|a, b| prefix(*a) == prefix(*b)).filter(|run| run.len() > 1) {
        run.sort_unstable_by_key(|key| (values[row(*key)].rank(), *key));
    }
}

#[allow(clippy::cast_possible_truncation)] // 11 bits
fn digit(key: u64, pass: usize) -> usize {
    (prefix(key) >> (pass * DIGIT as usize)) as usize & ((1 << DIGIT) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visited<T: Sortable>(values: &[T]) -> Vec<(usize, bool)> {
        let mut scratch = Scratch::default();
        ascending(values, &mut scratch).map(|visit| (visit.row, visit.new)).collect()
    }

    fn plain<T: Sortable>(given: &[T]) -> Vec<(usize, bool)> {
        let values: Vec<f64> = given.iter().map(|value| (*value).into()).collect();
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|a, b| values[*a].partial_cmp(&values[*b]).unwrap());
        let new = |k: usize| k > 0 && values[order[k - 1]] < values[order[k]];
        (0..values.len()).map(|k| (order[k], new(k))).collect()
    }

    #[test]
    fn ascending_agrees_with_a_plain_stable_sort() {
        let wave = |scale: f64, shift: f64| -> Vec<f64> {
            (0..1000).map(|i| (f64::from(i) * 0.7).sin() * scale + shift).collect()
        };
        let tied: Vec<f64> = (0..1000).map(|i| f64::from(i * 7 % 13) - 6.0).collect();
        let skewed: Vec<f64> = (0..1000).map(|i| (f64::from(i * 37 % 100) - 50.0).exp()).collect();
        let zeros = vec![0.0, -0.0, 1.0, -0.0, 0.0, -1.0];
        let extremes = vec![f64::MAX, f64::MIN, 1e-320, -1e-320, 0.0, f64::MIN_POSITIVE];
        let waves = [wave(1.0, 0.0), wave(1e-6, 1e9), wave(1e300, 0.0), wave(-3e-310, 0.0)];
        for values in waves.into_iter().chain([
            tied,
            skewed,
            zeros,
            extremes,
            vec![0.5; 9],
            vec![],
            vec![1.0],
        ]) {
            assert_eq!(visited(&values), plain(&values));
            #[allow(clippy::cast_possible_truncation)] // rounded, on purpose
            let singles: Vec<f32> = values.iter().map(|value| *value as f32).collect();
            assert_eq!(visited(&singles), plain(&singles));
        }
    }
}
