//! Units in the order of their values, in linear time for values that are spread out.

/// In a bucket of at most this many, moving units one place at a time beats a general sort.
const FEW: usize = 16;

/// Fill `order` with the units that `keep`s, ascending by value, ties by number.
///
/// Values are dropped into as many equal-width buckets as there are units, which leaves a few in
/// each to sort; where they crowd into few buckets, the sort within takes n log n.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // units are numbered in u32
pub fn sort_by_value(values: &[f64], keep: impl Fn(usize) -> bool, order: &mut Vec<u32>) {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let last = values.len().saturating_sub(1);
    let per_width = if high > low { last as f64 / (high - low) } else { 0.0 };
    let bucket = |unit: usize| (((values[unit] - low) * per_width) as usize).min(last);

    // Where each bucket begins, then (as it fills) where its next unit goes, which ends as where the
    // bucket after it begins.
    let mut next = vec![0_u32; values.len() + 1];
    for unit in (0..values.len()).filter(|unit| keep(*unit)) {
        next[bucket(unit) + 1] += 1;
    }
    let mut kept = 0;
    for count in &mut next {
        kept += *count;
        *count = kept;
    }
    order.clear();
    order.resize(kept as usize, 0);
    for unit in (0..values.len()).filter(|unit| keep(*unit)) {
        let slot = &mut next[bucket(unit)];
        order[*slot as usize] = unit as u32;
        *slot += 1;
    }
    let mut start = 0;
    for end in &next[..values.len()] {
        sort_bucket(&mut order[start..*end as usize], values);
        start = *end as usize;
    }
}

fn sort_bucket(bucket: &mut [u32], values: &[f64]) {
    let value = |unit: u32| values[unit as usize];
    if bucket.len() > FEW {
        bucket.sort_unstable_by(|a, b| value(*a).total_cmp(&value(*b)).then(a.cmp(b)));
        return;
    }
    // Units arrive in the order of their numbers, which moving past greater values only keeps.
    for filled in 1..bucket.len() {
        let mut slot = filled;
        while slot > 0 && value(bucket[slot]) < value(bucket[slot - 1]) {
            bucket.swap(slot, slot - 1);
            slot -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(values: &[f64]) -> Vec<u32> {
        let mut order: Vec<u32> = (0..).take(values.len()).collect();
        order.sort_by(|a, b| values[*a as usize].total_cmp(&values[*b as usize]));
        order
    }

    #[test]
    fn sort_by_value_agrees_with_a_plain_stable_sort() {
        let spread: Vec<f64> = (0..1000).map(|i| (f64::from(i) * 0.7).sin()).collect();
        let tied: Vec<f64> = (0..1000).map(|i| f64::from(i * 7 % 13)).collect();
        let skewed: Vec<f64> = (0..1000).map(|i| (f64::from(i * 37 % 1000) / 10.0).exp()).collect();
        for values in [spread, tied, skewed, vec![0.5; 9], vec![], vec![1.0]] {
            let mut order = Vec::new();
            sort_by_value(&values, |_| true, &mut order);
            assert_eq!(order, plain(&values));
        }
    }

    #[test]
    fn sort_by_value_leaves_out_what_is_not_kept() {
        let mut order = Vec::new();
        sort_by_value(&[3.0, 1.0, 2.0, 0.0], |unit| unit != 1, &mut order);
        assert_eq!(order, [3, 2, 0]);
    }
}
