//! Users drawn by the count: cells of any number of users, of whom none is looked at by itself, so that time and memory
//! are those of the cells.
//!
//! Independent Poisson counts, given their sum N, are N draws. So each cell gets a Poisson count whose mean is its share
//! of a little less than what is to be drawn, and what is then missing is drawn in the same way, until it is so little
//! that it is drawn one by one (where N came out above, the round is drawn anew; N is independent of how the N are
//! shared out).

use crate::resampling::stream::Stream;
use crate::resampling::variates::{gamma, poisson};
use crate::units::frequency::whole;

/// Deviations of N that its mean stays under what is to be drawn: one round in 30,000 comes out above.
const MARGIN: f64 = 4.0;

/// Draws a cell, below which they are made one by one.
const FEW: f64 = 2.0;

/// Cells, ready to be drawn from.
#[derive(Debug, Clone)]
pub struct Crowd {
    /// How many users each cell has: whole numbers up to 2^53.
    users: Vec<f64>,
}

impl Crowd {
    #[must_use]
    pub fn new(users: &[f64]) -> Self {
        Self { users: users.to_vec() }
    }

    #[must_use]
    pub fn users(&self) -> &[f64] {
        &self.users
    }

    /// How many users some cells have.
    #[must_use]
    pub fn total(&self, cells: &[usize]) -> f64 {
        cells.iter().map(|cell| self.users[*cell]).sum()
    }

    /// Draw as many users from some cells as they have, with replacement; `add` is given a cell and a count, and may be
    /// given a cell again.
    pub fn draw(&self, stream: &mut Stream, cells: &[usize], mut add: impl FnMut(usize, f64)) {
        let total = self.total(cells);
        let (mut missing, mut round) = (total, vec![0.0; cells.len()]);
        while missing > FEW * cells.len() as f64 {
            let rate = (missing - MARGIN * missing.sqrt()) / total;
            if rate <= 0.0 {
                break;
            }
            let mut drawn = 0.0;
            for (count, cell) in round.iter_mut().zip(cells) {
                *count = poisson(stream, rate * self.users[*cell]);
                drawn += *count;
            }
            if drawn > missing {
                continue;
            }
            missing -= drawn;
            cells.iter().zip(&round).for_each(|(cell, count)| add(*cell, *count));
        }
        self.draw_one_by_one(stream, cells, (missing, total), add);
    }

    fn draw_one_by_one(
        &self,
        stream: &mut Stream,
        cells: &[usize],
        (missing, total): (f64, f64),
        mut add: impl FnMut(usize, f64),
    ) {
        let mut upto = 0.0;
        let ends = cells.iter().map(|cell| {
            upto += self.users[*cell];
            whole(upto)
        });
        let ends: Vec<usize> = ends.collect();
        for _ in 0..whole(missing) {
            let user = stream.below(whole(total));
            add(cells[ends.partition_point(|end| *end <= user)], 1.0);
        }
    }

    /// Count each cell by itself, a Poisson number whose mean is its size.
    pub fn count_freely(&self, stream: &mut Stream, cell: usize) -> f64 {
        poisson(stream, self.users[cell])
    }

    /// Weigh a cell: the sum of an exponential number for each of its users.
    pub fn weigh(&self, stream: &mut Stream, cell: usize) -> f64 {
        gamma(stream, self.users[cell])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn counts(crowd: &Crowd, cells: &[usize], replicate: usize) -> Vec<f64> {
        let mut counts = vec![0.0; crowd.users.len()];
        crowd.draw(&mut Stream::new(5, replicate), cells, |cell, count| counts[cell] += count);
        counts
    }

    #[test]
    fn draw_adds_up_to_the_users_there_are() {
        let users = [1.0, 1e10, 3.0, 70.0, 123_456_789.0];
        let crowd = Crowd::new(&users);
        for replicate in 0..200 {
            let total: f64 = counts(&crowd, &[0, 1, 2, 3, 4], replicate).iter().sum();
            assert_eq!(total.to_bits(), users.iter().sum::<f64>().to_bits());
            let some = counts(&crowd, &[2, 3], replicate);
            assert_eq!(some.iter().sum::<f64>().to_bits(), 73.0_f64.to_bits());
        }
    }

    /// Every composition of the urn (1, 2, 3): the chances by the formula, against 200,000 draws (chi-square).
    #[test]
    fn draw_from_a_small_urn_has_the_chances_of_the_multinomial() {
        let crowd = Crowd::new(&[1.0, 2.0, 3.0]);
        let n_draws = 200_000;
        let mut found = BTreeMap::new();
        for replicate in 0..n_draws {
            let drawn = counts(&crowd, &[0, 1, 2], replicate);
            *found.entry([whole(drawn[0]), whole(drawn[1])]).or_insert(0_u32) += 1;
        }
        assert_multinomial(&found, n_draws);
    }

    /// The same by rounds of Poisson counts, as large urns are drawn from: users of the cells (k, 2k, 3k) that fall
    /// into six of them.
    #[test]
    fn draw_from_a_large_urn_has_the_chances_of_the_multinomial() {
        // Cells of 1e4 times as many users, whose counts in units of their standard deviation are normal.
        let users = [1e4, 2e4, 3e4, 4e6];
        let crowd = Crowd::new(&users);
        let (n, n_draws) = (users.iter().sum::<f64>(), 20_000);
        let (mut chi_squares, mut products) = (0.0, 0.0);
        for replicate in 0..n_draws {
            let drawn = counts(&crowd, &[3, 1, 0, 2], replicate);
            let deviation = |cell: usize| drawn[cell] - users[cell];
            chi_squares += (0..4).map(|cell| deviation(cell).powi(2) / users[cell]).sum::<f64>();
            products += deviation(0) * deviation(3);
        }
        // Pearson's statistic has mean k - 1 = 3 and variance about 6; the covariance is -n p q.
        let mean = chi_squares / n_draws as f64;
        assert!((mean - 3.0).abs() < 5.0 * (6.0 / n_draws as f64).sqrt(), "{mean}");
        let covariance = products / n_draws as f64;
        let expected = -users[0] * users[3] / n;
        assert!((covariance / expected - 1.0).abs() < 0.1, "{covariance} {expected}");
    }

    fn assert_multinomial(found: &BTreeMap<[usize; 2], u32>, n_draws: usize) {
        let factorial = |k: usize| (1..=k).map(|k| k as f64).product::<f64>();
        let power = |share: f64, k: usize| (0..k).map(|_| share).product::<f64>();
        let (mut statistic, mut n_cells) = (0.0, 0.0);
        for a in 0..=6_usize {
            for b in 0..=6 - a {
                let c = 6 - a - b;
                let ways = factorial(6) / (factorial(a) * factorial(b) * factorial(c));
                let chance = ways * power(1.0 / 6.0, a) * power(2.0 / 6.0, b) * power(3.0 / 6.0, c);
                let expected = chance * n_draws as f64;
                if expected < 5.0 {
                    continue;
                }
                let count = f64::from(found.get(&[a, b]).copied().unwrap_or(0));
                statistic += (count - expected).powi(2) / expected;
                n_cells += 1.0;
            }
        }
        // Mean k, standard deviation sqrt(2 k).
        assert!(statistic < n_cells + 4.0 * (2.0_f64 * n_cells).sqrt(), "{statistic} {n_cells}");
    }
}
