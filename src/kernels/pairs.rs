//! What matching asks of a block: who is there, who has company in the other arm, how close values lie.

use pulp::Simd;

use super::arithmetic::vectors;
use super::instructions::dispatched;
use super::{BLOCK, Lane, Tallies};

/// 64 units a word, a bit each.
pub type Bits = [u64; BLOCK / 64];

/// One arm of the units of a block beside the other arm of the same units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Company {
    /// Which units have rows, control arm first.
    pub present: [Bits; 2],
    /// Rows of the focal arm in units that have rows of the other arm too.
    pub rows: f64,
    /// Over these rows, the sum of differences of the outcome to the other arm's mean in the unit.
    pub gap: f64,
}

dispatched!(
    /// See [`Company`]; `focal` is the arm that looks for company.
    #[must_use]
    pub fn company<'a>(tallies: &'a Tallies, focal: bool) -> Company,
    |simd| company_of(simd, tallies, usize::from(focal))
);

#[inline(always)]
fn company_of<S: Simd>(simd: S, tallies: &Tallies, focal: usize) -> Company {
    let Tallies { rows, outcome } = tallies;
    let (own, other) = (focal, 1 - focal);
    let (own_rows, other_rows) = (vectors::<S>(&rows[own]), vectors::<S>(&rows[other]));
    let (own_y, other_y) = (vectors::<S>(&outcome[own]), vectors::<S>(&outcome[other]));
    let (zero, one) = (simd.splat_f64s(0.0), simd.splat_f64s(1.0));
    let (mut total, mut gap) = (zero, zero);
    for i in 0..own_rows.len() {
        let has_other = simd.greater_than_f64s(other_rows[i], zero);
        let mean = simd.div_f64s(other_y[i], simd.select_f64s(has_other, other_rows[i], one));
        let here = simd.sub_f64s(own_y[i], simd.mul_f64s(own_rows[i], mean));
        total = simd.add_f64s(total, simd.select_f64s(has_other, own_rows[i], zero));
        gap = simd.add_f64s(gap, simd.select_f64s(has_other, here, zero));
    }
    Company {
        present: [bits_of_positive(&rows[0]), bits_of_positive(&rows[1])],
        rows: simd.reduce_sum_f64s(total),
        gap: simd.reduce_sum_f64s(gap),
    }
}

dispatched!(
    /// Which values are positive.
    #[must_use]
    pub fn positive<'a>(lane: &'a Lane) -> Bits, |_| bits_of_positive(lane)
);

#[inline(always)]
fn bits_of_positive(lane: &Lane) -> Bits {
    let mut bits = [0; BLOCK / 64];
    let words = lane.as_chunks::<64>().0;
    bits.iter_mut().zip(words).for_each(|(bits, values)| *bits = positive_of(values));
    bits
}

#[inline(always)]
fn positive_of<W: Copy + Default + PartialOrd>(values: &[W; 64]) -> u64 {
    let mut found = 0;
    for (place, value) in values.iter().enumerate() {
        found |= u64::from(*value > W::default()) << place;
    }
    found
}

dispatched!(
    /// Which rows of a block were drawn, up to [`BLOCK`] of them.
    #[must_use]
    pub fn drawn<'a, W: Copy, Default, PartialOrd>(counts: &'a [W]) -> Bits,
    |_| {
        let (words, rest) = counts.as_chunks::<64>();
        let mut bits = [0; BLOCK / 64];
        bits.iter_mut().zip(words).for_each(|(bits, counts)| *bits = positive_of(counts));
        if !rest.is_empty() {
            bits[words.len()] = rest
                .iter()
                .enumerate()
                .fold(0, |bits, (place, count)| bits | u64::from(*count > W::default()) << place);
        }
        bits
    }
);

dispatched!(
    /// The least difference between values that follow each other, negative where they do not ascend.
    #[must_use]
    pub fn least_gap<'a>(values: &'a [f64]) -> f64,
    |_| {
        /// Gaps whose least stay in registers.
        const ABREAST: usize = 32;
        let Some((_, after)) = values.split_first() else { return f64::INFINITY };
        let before = &values[..after.len()];
        let ((befores, rest), (afters, rest_after)) =
            (before.as_chunks::<ABREAST>(), after.as_chunks::<ABREAST>());
        let mut least = [f64::INFINITY; ABREAST];
        for (before, after) in befores.iter().zip(afters) {
            for k in 0..ABREAST {
                let gap = after[k] - before[k];
                least[k] = if gap < least[k] { gap } else { least[k] };
            }
        }
        let rest = rest.iter().zip(rest_after).map(|(before, after)| after - before);
        least.into_iter().chain(rest).fold(f64::INFINITY, f64::min)
    }
);

dispatched!(
    /// The least and the greatest of finite values; infinities where there are none.
    #[must_use]
    pub fn extremes<'a>(values: &'a [f64]) -> [f64; 2],
    |simd| {
        let (vectors, rest) = S::as_simd_f64s(values);
        let mut least = [simd.splat_f64s(f64::INFINITY); 4];
        let mut greatest = [simd.splat_f64s(f64::NEG_INFINITY); 4];
        for (i, value) in vectors.iter().enumerate() {
            least[i % 4] = simd.min_f64s(least[i % 4], *value);
            greatest[i % 4] = simd.max_f64s(greatest[i % 4], *value);
        }
        let [mut low, mut high] = [f64::INFINITY, f64::NEG_INFINITY];
        for strand in 0..4 {
            low = low.min(simd.reduce_min_f64s(least[strand]));
            high = high.max(simd.reduce_max_f64s(greatest[strand]));
        }
        for value in rest {
            (low, high) = (low.min(*value), high.max(*value));
        }
        [low, high]
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn company_agrees_with_a_plain_loop() {
        let mut tallies = Tallies::EMPTY;
        for lane in 0..BLOCK - 5 {
            for arm in 0..2 {
                tallies.rows[arm][lane] = ((lane * (3 + 2 * arm) + arm) % 4 / 2) as f64;
                tallies.outcome[arm][lane] = tallies.rows[arm][lane] * (lane as f64).sin();
            }
        }
        for focal in [0, 1] {
            let found = company(&tallies, focal == 1);
            let (mut rows, mut gap) = (0.0, 0.0);
            for lane in 0..BLOCK {
                let [own, other] = [focal, 1 - focal].map(|arm| tallies.rows[arm][lane]);
                for arm in 0..2 {
                    let present = found.present[arm][lane / 64] >> (lane % 64) & 1 == 1;
                    assert_eq!(present, tallies.rows[arm][lane] > 0.0);
                }
                if other > 0.0 {
                    let [own_y, other_y] = [focal, 1 - focal].map(|arm| tallies.outcome[arm][lane]);
                    rows += own;
                    gap += own_y - own * other_y / other;
                }
            }
            assert!((found.rows - rows).abs() < 1e-12 && (found.gap - gap).abs() < 1e-12);
        }
    }

    #[test]
    #[allow(clippy::float_cmp)] // nothing is computed
    fn extremes_agree_with_a_plain_loop() {
        let values: Vec<f64> = (0..77).map(|i| (f64::from(i) * 2.3).sin()).collect();
        for length in [1, 8, 9, 31, 32, 77] {
            let some = &values[..length];
            let expected =
                some.iter().fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], v| {
                    [low.min(*v), high.max(*v)]
                });
            assert_eq!(extremes(some), expected);
        }
        assert_eq!(extremes(&[]), [f64::INFINITY, f64::NEG_INFINITY]);
    }

    #[test]
    fn least_gap_agrees_with_windows() {
        let values: Vec<f64> = (0..77).map(|i| f64::from(i) + 0.4 * f64::from(i).sin()).collect();
        for length in [2, 8, 9, 10, 77] {
            let windows = values[..length].windows(2).map(|pair| pair[1] - pair[0]);
            let expected = windows.fold(f64::INFINITY, f64::min);
            assert!((least_gap(&values[..length]) - expected).abs() < 1e-15);
        }
        assert!(least_gap(&[1.0, 3.0, 2.0]) < 0.0);
        assert!(least_gap(&[1.0]) > 1e300);
    }
}
