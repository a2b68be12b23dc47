//! Rows in the order of a column's values: a radix sort of keys that carry their row.

/// Bits of a key that a pass sorts by: the 256 places it writes to stay in the nearest cache.
const DIGIT: u32 = 8;

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

/// The rows ascending by value, ties by row. There are at most 2^32 of them, and no value is NaN.
///
/// A key is the leading 32 bits of the value, counted from the least value, and the row. Four passes put
/// the keys in order; the few that agree in those bits are then sorted by their values.
pub fn ascending<'a>(
    values: &'a [f64],
    scratch: &'a mut Scratch,
) -> impl Iterator<Item = Visit> + 'a {
    fill(values, &mut scratch.keys);
    sort(scratch);
    sort_runs(values, &mut scratch.keys);
    let mut previous = None;
    scratch.keys.iter().map(move |key| {
        // Most values differ in their leading bits already, which spares a look at them.
        let new = previous.replace(*key).is_some_and(|previous| {
            prefix(previous) != prefix(*key)
                || rank(values[row(previous)]) != rank(values[row(*key)])
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

/// Floats to integers of the same order, the two zeros alike: a negative number's bits flip, any other's
/// sign bit alone.
fn rank(value: f64) -> u64 {
    let bits = (value + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

fn fill(values: &[f64], keys: &mut Vec<u64>) {
    let low = rank(values.iter().copied().fold(f64::INFINITY, f64::min));
    let high = rank(values.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    // How far to the right the widest difference has to go to fit above the row.
    let excess = ROW.saturating_sub(high.saturating_sub(low).leading_zeros());
    keys.clear();
    let ranks = values.iter().map(|value| rank(*value) - low);
    keys.extend(ranks.zip(0_u64..).map(|(rank, row)| (rank >> excess) << ROW | row));
}

/// By prefix, least significant digit first, each pass keeping the order of the one before.
fn sort(Scratch { keys, spare }: &mut Scratch) {
    spare.resize(keys.len(), 0);
    for shift in (ROW..u64::BITS).step_by(DIGIT as usize) {
        let mut next = [0_usize; 1 << DIGIT];
        for key in &*keys {
            next[digit(*key, shift)] += 1;
        }
        if next.contains(&keys.len()) {
            continue;
        }
        let mut start = 0;
        for count in &mut next {
            start += std::mem::replace(count, start);
        }
        for key in &*keys {
            let slot = &mut next[digit(*key, shift)];
            spare[*slot] = *key;
            *slot += 1;
        }
        std::mem::swap(keys, spare);
    }
}

/// Put keys of the same prefix into the order of their values.
fn sort_runs(values: &[f64], keys: &mut [u64]) {
    for run in keys.chunk_by_mut(|a, b| prefix(*a) == prefix(*b)).filter(|run| run.len() > 1) {
        run.sort_unstable_by_key(|key| (rank(values[row(*key)]), *key));
    }
}

#[allow(clippy::cast_possible_truncation)] // 8 bits
fn digit(key: u64, shift: u32) -> usize {
    (key >> shift) as usize & ((1 << DIGIT) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visited(values: &[f64]) -> Vec<(usize, bool)> {
        let mut scratch = Scratch::default();
        ascending(values, &mut scratch).map(|visit| (visit.row, visit.new)).collect()
    }

    fn plain(values: &[f64]) -> Vec<(usize, bool)> {
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
        }
    }
}
