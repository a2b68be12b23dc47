//! Columns of few distinct values (counts, ages, levels), which need no sort.

/// More distinct values than this are sorted: the table of their sums would no longer stay in the nearest
/// cache.
const MOST: usize = 256;

/// Slots of the hash table, four times as many as values, so that most are found at the first look.
const SLOTS: usize = 4 * MOST;

/// The distinct values of a column by number, in the order of their first rows.
#[derive(Debug)]
pub struct Levels {
    /// The numbers, ascending by value.
    pub sorted: Vec<u8>,
    /// The number of each row's value.
    pub of_row: Vec<u8>,
}

/// The distinct values, or `None` where there are more than [`MOST`].
pub fn levels<T: Copy + Into<f64>>(values: &[T]) -> Option<Levels> {
    let mut slots = [None; SLOTS];
    let mut found: Vec<f64> = Vec::new();
    let mut of_row = Vec::new();
    for value in values {
        let number = number((*value).into(), &mut slots, &mut found)?;
        of_row.push(number);
    }
    let mut sorted: Vec<u8> = (0..=u8::MAX).take(found.len()).collect();
    sorted.sort_unstable_by(|a, b| found[usize::from(*a)].total_cmp(&found[usize::from(*b)]));
    Some(Levels { sorted, of_row })
}

/// The number of a value, a new one where it was not seen before.
fn number(value: f64, slots: &mut [Option<u8>; SLOTS], found: &mut Vec<f64>) -> Option<u8> {
    let mut slot = slot(value);
    loop {
        match slots[slot] {
            // The two zeros are one value.
            #[allow(clippy::float_cmp)]
            Some(number) if found[usize::from(number)] == value => return Some(number),
            Some(_) => slot = (slot + 1) % SLOTS,
            None => {
                let number = u8::try_from(found.len()).ok()?;
                slots[slot] = Some(number);
                found.push(value);
                return Some(number);
            }
        }
    }
}

/// Multiplicative hashing (Knuth, volume 3, section 6.4), with the golden ratio.
#[allow(clippy::cast_possible_truncation)] // 10 bits
fn slot(value: f64) -> usize {
    let bits = (value + 0.0).to_bits();
    (bits.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - SLOTS.ilog2())) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_number_the_values_and_sort_them() {
        let found = levels(&[5.0_f64, -2.0, 5.0, 0.0, -0.0]).unwrap();
        assert_eq!(found.of_row, [0, 1, 0, 2, 2]);
        assert_eq!(found.sorted, [1, 2, 0]);
    }

    #[test]
    fn levels_are_at_most_256() {
        let values: Vec<f64> = (0..257).map(|i| f64::from(i) * 1e-3).collect();
        assert!(levels(&values).is_none());
        assert_eq!(levels(&values[..256]).unwrap().sorted.len(), 256);
    }
}
