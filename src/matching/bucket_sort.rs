//! Units in the order of their values, in linear time for values that are spread out.

use std::ops::Range;

use super::bits::for_each;
use crate::error::Result;
use crate::kernels::extremes;
use crate::monitor::Monitor;

/// In a bucket of at most this many, moving units one place at a time beats a general sort.
pub const FEW: u32 = 16;

/// How many infinities stand at either end of the values.
pub const PADDING: usize = 8;

/// Units in order, and the buckets they were dropped into; kept from one sort to the next for its memory.
#[derive(Debug, Clone, Default)]
pub struct Sorted {
    /// Ascending by value, ties by number.
    pub order: Vec<u32>,
    /// The values in this order, behind [`PADDING`] that are infinitely low and before as many infinitely high.
    pub values: Vec<f64>,
    buckets: Buckets,
    /// Where the places of each bucket begin; and where those of the last end.
    begins: Vec<u32>,
}

impl Sorted {
    /// Sort the units that are `present` by their values, with as many buckets of equal width as there are values:
    /// that leaves few in each to sort; where they crowd into few buckets, the sort within takes n log n.
    ///
    /// # Errors
    /// [`crate::error::Error::Stopped`].
    #[allow(clippy::cast_possible_truncation)] // units are numbered in u32
    pub fn sort(&mut self, values: &[f64], present: &[u64], monitor: &Monitor) -> Result<()> {
        self.buckets = Buckets::over(values);
        let (buckets, begins) = (&self.buckets, &mut self.begins);

        // 1. How many each bucket holds; then where it begins.
        begins.clear();
        begins.resize(values.len() + 1, 0);
        let next = &mut begins[1..];
        for_each(present, |unit| next[buckets.of(values[unit])] += 1);
        let (mut n, mut most) = (0_u32, 0);
        for count in next.iter_mut() {
            most = most.max(*count);
            n = n.wrapping_add(std::mem::replace(count, n)); // no more than there are units
        }

        monitor.check()?;

        // 2. Each unit to its bucket's next place; a bucket then ends where the one after it begins.
        let (order, sorted) = (&mut self.order, &mut self.values);
        order.resize(n as usize, 0);
        sorted.clear();
        sorted.resize(n as usize + 2 * PADDING, f64::INFINITY);
        sorted[..PADDING].fill(f64::NEG_INFINITY);
        let places = &mut sorted[PADDING..PADDING + n as usize];
        for_each(present, |unit| {
            let value = values[unit];
            let slot = &mut next[buckets.of(value)];
            order[*slot as usize] = unit as u32;
            places[*slot as usize] = value;
            *slot = slot.wrapping_add(1);
        });

        monitor.check()?;

        // 3. Within the buckets.
        if most > FEW {
            sort_crowds(order, places, begins, values);
        }
        move_past_greater(order, places);
        monitor.check()
    }

    /// The places that a value falls among: what comes before is less, what comes after greater.
    #[inline]
    pub fn among(&self, value: f64) -> Range<usize> {
        let bucket = self.buckets.of(value);
        self.begins[bucket] as usize..self.begins[bucket + 1] as usize
    }
}

/// Equal widths from the least value to the greatest.
#[derive(Debug, Clone, Default)]
pub struct Buckets {
    low: f64,
    high: f64,
    per_width: f64,
    last: usize,
}

impl Buckets {
    fn over(values: &[f64]) -> Self {
        Self::between(extremes(values), values.len())
    }

    /// As many as there are values, which lie between these two.
    pub fn between([low, high]: [f64; 2], n: usize) -> Self {
        let last = n.saturating_sub(1);
        let per_width = if high > low { last as f64 / (high - low) } else { 0.0 };
        Self { low, high, per_width, last }
    }

    /// A value that may lie outside, moved to the nearest that does not.
    #[inline]
    pub fn nearest_inside(&self, value: f64) -> f64 {
        let value = if value > self.low { value } else { self.low };
        if value < self.high { value } else { self.high }
    }

    /// Rounded to the nearest by an addition that leaves the whole number in the low bits of the sum.
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // no more than `last`
    pub fn of(&self, value: f64) -> usize {
        const WHOLE: f64 = (1_u64 << 52) as f64;
        let sum = (value - self.low) * self.per_width + WHOLE;
        (sum.to_bits() as u32 as usize).min(self.last)
    }
}

/// Sort the buckets that hold more than a few, where they begin being `begins`.
fn sort_crowds(order: &mut [u32], sorted: &mut [f64], begins: &[u32], values: &[f64]) {
    let value = |unit: u32| values[unit as usize];
    for ends in begins.windows(2).filter(|ends| ends[1] - ends[0] > FEW) {
        let places = ends[0] as usize..ends[1] as usize;
        let crowd = &mut order[places.clone()];
        crowd.sort_unstable_by(|a, b| value(*a).total_cmp(&value(*b)).then(a.cmp(b)));
        sorted[places].iter_mut().zip(crowd).for_each(|(slot, unit)| *slot = value(*unit));
    }
}

/// Units of a bucket arrive in the order of their numbers, which moving past greater values only keeps.
pub fn move_past_greater<T: Copy>(order: &mut [T], sorted: &mut [f64]) {
    let mut greatest = f64::NEG_INFINITY;
    for filled in 0..order.len() {
        let (unit, value) = (order[filled], sorted[filled]);
        if value >= greatest {
            greatest = value;
            continue;
        }
        let mut slot = filled;
        while slot > 0 && value < sorted[slot - 1] {
            (order[slot], sorted[slot]) = (order[slot - 1], sorted[slot - 1]);
            slot -= 1;
        }
        (order[slot], sorted[slot]) = (unit, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(units: &[usize], n: usize) -> Vec<u64> {
        let mut words = vec![0; n.div_ceil(64)];
        for unit in units {
            words[unit / 64] |= 1 << (unit % 64);
        }
        words
    }

    fn plain(values: &[f64]) -> Vec<u32> {
        let mut order: Vec<u32> = (0..).take(values.len()).collect();
        order.sort_by(|a, b| values[*a as usize].total_cmp(&values[*b as usize]));
        order
    }

    #[test]
    fn sort_agrees_with_a_plain_stable_sort() {
        let spread: Vec<f64> = (0..1000).map(|i| (f64::from(i) * 0.7).sin()).collect();
        let tied: Vec<f64> = (0..1000).map(|i| f64::from(i * 7 % 13)).collect();
        let skewed: Vec<f64> = (0..1000).map(|i| (f64::from(i * 37 % 1000) / 10.0).exp()).collect();
        for values in [spread, tied, skewed, vec![0.5; 9], vec![], vec![1.0]] {
            let mut sorted = Sorted::default();
            let all: Vec<usize> = (0..values.len()).collect();
            sorted.sort(&values, &bits(&all, values.len()), &Monitor::default()).unwrap();
            assert_eq!(sorted.order, plain(&values));
            let in_order: Vec<f64> = plain(&values).iter().map(|u| values[*u as usize]).collect();
            assert_eq!(sorted.values[PADDING..][..values.len()], in_order);
            let ends = [&sorted.values[..PADDING], &sorted.values[PADDING + values.len()..]];
            assert_eq!(ends, [[f64::NEG_INFINITY; PADDING], [f64::INFINITY; PADDING]]);
            for value in &values {
                let Range { start, end } = sorted.among(*value);
                let value_at = |place: &u32| values[*place as usize];
                assert!(sorted.order[..start].iter().all(|unit| value_at(unit) < *value));
                assert!(sorted.order[end..].iter().all(|unit| value_at(unit) > *value));
            }
        }
    }

    #[test]
    fn sort_takes_the_units_it_is_given() {
        let mut sorted = Sorted::default();
        sorted.sort(&[3.0, 1.0, 2.0, 0.0], &bits(&[0, 2, 3], 4), &Monitor::default()).unwrap();
        assert_eq!(sorted.order, [3, 2, 0]);
    }
}
