//! The least and the largest weighted mean, where each weight is known up to a factor of its odds part.
//!
//! Under the marginal sensitivity model the odds of treatment given covariates and outcome are within a factor gamma
//! of those given covariates alone (Tan 2006). A row of an arm then weighs base + z odds, with 1/gamma <= z <= gamma,
//! and what is sought is the largest of
//!
//!   sum (base + z odds) y / sum (base + z odds),
//!
//! a linear fractional program. Its solution has z = gamma for all rows above the mean that comes of it, and 1/gamma
//! for those below: one cut of the rows in the order of y, of which there are n + 1 (Zhao, Small and Bhattacharya 2019,
//! section 4.3). To put the row after the cut below it raises the mean where its y is less than that, which holds for
//! the first rows and for none after the first that fails: the cut is found by halving.

/// Which end of the mean is sought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Least,
    Largest,
}

/// The rows of an arm in ascending order of their values y, with sums over the first of them.
#[derive(Debug, Clone, Default)]
pub struct SortedRows {
    values: Vec<f64>,
    /// Of base, and of base y, over all rows.
    base: [f64; 2],
    /// Of odds, and of odds y, over the first k rows, for k from 1.
    odds: Vec<[f64; 2]>,
}

impl SortedRows {
    /// Forget all rows.
    pub fn clear(&mut self) {
        self.values.clear();
        self.base = [0.0; 2];
        self.odds.clear();
    }

    /// Add a row, whose value is no less than those before.
    #[inline]
    pub fn push(&mut self, value: f64, base: f64, odds: f64) {
        let [weight, moment] = self.first(self.odds.len());
        self.values.push(value);
        self.base = [self.base[0] + base, self.base[1] + base * value];
        self.odds.push([weight + odds, moment + odds * value]);
    }

    /// Of odds, and of odds y, over the first so many rows.
    #[inline]
    fn first(&self, rows: usize) -> [f64; 2] {
        if rows == 0 { [0.0; 2] } else { self.odds[rows - 1] }
    }

    /// What all rows weigh without hidden confounding, and the sum of that times their values.
    #[must_use]
    pub fn sums(&self) -> [f64; 2] {
        let odds = self.first(self.odds.len());
        [self.base[0] + odds[0], self.base[1] + odds[1]]
    }

    /// The least or the largest mean at a strength of confounding; NaN where no row weighs anything.
    #[must_use]
    pub fn extreme(&self, gamma: f64, end: End) -> f64 {
        let (below, above) = match end {
            End::Least => (gamma, 1.0 / gamma),
            End::Largest => (1.0 / gamma, gamma),
        };
        let total = self.first(self.odds.len());
        let mean = |cut: usize| {
            let first = self.first(cut);
            let sum = |k: usize| self.base[k] + below * first[k] + above * (total[k] - first[k]);
            sum(1) / sum(0)
        };
        let further = |one: f64, other: f64| match end {
            End::Least => one.min(other),
            End::Largest => one.max(other),
        };
        let (mut low, mut high, mut found) = (0, self.values.len(), f64::NAN);
        while low < high {
            let middle = low.midpoint(high);
            let at_middle = mean(middle);
            // Where gamma is huge the mean of the topmost rows is their value, to rounding, which may let them pass
            // for less: so the furthest mean of all cuts that were tried is taken.
            found = further(at_middle, found);
            // One that is less than the mean belongs below at either end: there it weighs less, and the mean rises,
            // or more, and the mean falls.
            if self.values[middle] < at_middle { low = middle + 1 } else { high = middle }
        }
        further(mean(low), found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(n: usize) -> Vec<[f64; 3]> {
        let mix = |i: usize, k: usize| ((i * 7919 + k * 104_729) % 101) as f64 / 101.0;
        let mut rows: Vec<_> =
            (0..n).map(|i| [(8.0 * mix(i, 1)).floor(), 0.2 + mix(i, 2), 3.0 * mix(i, 3)]).collect();
        rows.sort_by(|a, b| a[0].total_cmp(&b[0]));
        rows
    }

    fn sorted(rows: &[[f64; 3]]) -> SortedRows {
        let mut sorted = SortedRows::default();
        for [value, base, odds] in rows {
            sorted.push(*value, *base, *odds);
        }
        sorted
    }

    #[test]
    fn extremes_are_those_of_all_corners() {
        let rows = rows(11);
        for gamma in [1.0, 1.3, 4.0] {
            let mean_at = |corner: u32| {
                let mut total = [0.0; 2];
                for (i, [value, base, odds]) in rows.iter().enumerate() {
                    let z = if corner >> i & 1 == 1 { gamma } else { 1.0 / gamma };
                    let weight = base + z * odds;
                    total = [total[0] + weight, total[1] + weight * value];
                }
                total[1] / total[0]
            };
            let means: Vec<f64> = (0..1 << rows.len()).map(mean_at).collect();
            let least = means.iter().copied().fold(f64::INFINITY, f64::min);
            let largest = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            assert!((sorted(&rows).extreme(gamma, End::Least) - least).abs() < 1e-12);
            assert!((sorted(&rows).extreme(gamma, End::Largest) - largest).abs() < 1e-12);
        }
    }

    #[test]
    fn extremes_without_confounding_are_the_mean() {
        let sorted = sorted(&rows(40));
        let [weight, moment] = sorted.sums();
        for end in [End::Least, End::Largest] {
            assert!((sorted.extreme(1.0, end) - moment / weight).abs() < 1e-12);
        }
    }

    #[test]
    fn extremes_of_any_confounding_are_those_of_the_values() {
        let without_base = |[value, _, odds]: &[f64; 3]| [*value, 0.0, 0.1 + *odds];
        for n in 2..60 {
            let rows: Vec<[f64; 3]> = rows(n).iter().map(without_base).collect();
            let (least, largest) = (rows[0][0], rows[n - 1][0]);
            for gamma in [1e6, 1e9, 1e13] {
                assert!((sorted(&rows).extreme(gamma, End::Least) - least).abs() < 1e-6);
                assert!((sorted(&rows).extreme(gamma, End::Largest) - largest).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn rows_that_weigh_nothing_change_nothing() {
        let mut with: Vec<[f64; 3]> = rows(20);
        let expected = sorted(&with).extreme(2.0, End::Largest);
        with.extend([[-5.0, 0.0, 0.0], [3.5, 0.0, 0.0], [99.0, 0.0, 0.0]]);
        with.sort_by(|a, b| a[0].total_cmp(&b[0]));
        assert!((sorted(&with).extreme(2.0, End::Largest) - expected).abs() < 1e-12);
        assert!(sorted(&[]).extreme(2.0, End::Largest).is_nan());
    }
}
