//! Units in the order of their values, in linear time for values that are spread out.

/// Fill `order` with the units that `keep`s, ascending by value, ties by number.
///
/// Values are dropped into as many equal-width buckets as there are units, which leaves a few in
/// each to sort; where they crowd into few buckets, the sort within takes n log n.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // units are numbered in u32
pub fn sort_by_value(values: &[f64], keep: impl Fn(usize) -> bool, order: &mut Vec<u32>) {
    let kept: Vec<u32> = (0..values.len() as u32).filter(|unit| keep(*unit as usize)).collect();
    let value = |unit: u32| values[unit as usize];
    let low = kept.iter().map(|unit| value(*unit)).fold(f64::INFINITY, f64::min);
    let high = kept.iter().map(|unit| value(*unit)).fold(f64::NEG_INFINITY, f64::max);
    let last = kept.len().saturating_sub(1);
    let per_width = if high > low { last as f64 / (high - low) } else { 0.0 };
    let bucket = |unit: u32| (((value(unit) - low) * per_width) as usize).min(last);

    let mut starts = vec![0_u32; kept.len() + 1];
    for unit in &kept {
        starts[bucket(*unit) + 1] += 1;
    }
    for index in 1..starts.len() {
        starts[index] += starts[index - 1];
    }
    order.clear();
    order.resize(kept.len(), 0);
    let mut next = starts.clone();
    for unit in &kept {
        let slot = &mut next[bucket(*unit)];
        order[*slot as usize] = *unit;
        *slot += 1;
    }
    for bounds in starts.windows(2) {
        let bucket = &mut order[bounds[0] as usize..bounds[1] as usize];
        if bucket.len() > 1 {
            bucket.sort_unstable_by(|a, b| value(*a).total_cmp(&value(*b)).then(a.cmp(b)));
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
