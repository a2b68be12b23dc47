//! Truncation: weights above a quantile of their arm's are set to it (Cole and Hernan 2008).

use crate::kernels::{BLOCK, Tallies};
use crate::units::tally::Units;
use crate::weighting::estimand::Estimand;

/// What is left of a place in the line of weights that sums of so many cannot tell from the next.
const ROUNDING: f64 = 1e-9;

/// Fewer than these are sorted.
const FEW: usize = 32;

/// A weight, and what has it weighs in the line of all.
pub type Weighed = (f64, f64);

/// The quantile of n rows' weights, linearly interpolated. With what they count for scaled to sum to n, each takes as
/// much room in a line as it counts; the quantile q stands at 1 + (n - 1) q, between what stands at the whole numbers
/// beside it: Hyndman and Fan's (1996) definition 7 where all count alike, `wtd.quantile` of R's Hmisc elsewhere.
/// Infinite where there are none. Rows that are alike may stand there as one.
pub fn quantile(weights: &mut [Weighed], n: f64, q: f64) -> f64 {
    if weights.is_empty() {
        return f64::INFINITY;
    }
    let total: f64 = weights.iter().map(|(_, count)| count).sum();
    let place = 1.0 + (n - 1.0) * q;
    let below = place.floor();
    let mut at = |whole: f64| standing_at(weights, whole * (1.0 - ROUNDING) * total / n);
    let (low, high) = (at(below), at((below + 1.0).min(n)));
    low + (place - below) * (high - low)
}

/// The smallest weight up to which, itself included, so much of the line is taken: by halves, as quickselect.
fn standing_at(weights: &mut [Weighed], mut place: f64) -> f64 {
    let ascending = |a: &Weighed, b: &Weighed| a.0.total_cmp(&b.0);
    let mut rest = weights;
    while rest.len() > FEW {
        let middle = rest.len() / 2;
        rest.select_nth_unstable_by(middle, ascending);
        let (lower, upper) = rest.split_at_mut(middle);
        let taken: f64 = lower.iter().map(|(_, count)| count).sum();
        if taken >= place {
            rest = lower;
        } else {
            place -= taken;
            rest = upper;
        }
    }
    rest.sort_unstable_by(ascending);
    for (weight, count) in &*rest {
        place -= count;
        if place <= 0.0 {
            return *weight;
        }
    }
    rest.last().map_or(f64::INFINITY, |(weight, _)| *weight)
}

/// The bounds on the weights of both arms, controls first, of units whose scores are given; `n_rows` are in either.
/// Units that are not there have none.
pub fn bounds<U: Units>(
    estimand: Estimand,
    q: f64,
    scores: &[f64],
    units: &U,
    n_rows: [f64; 2],
    room: &mut Vec<Weighed>,
) -> [f64; 2] {
    [false, true].map(|arm| {
        room.clear();
        let mut block_room = Tallies::EMPTY;
        for (block, scores) in scores.chunks(BLOCK).enumerate() {
            let tallies = units.block(block * BLOCK, false, &mut block_room);
            let own = scores.iter().zip(&tallies.rows[usize::from(arm)]);
            let there = own.filter(|(_, rows)| **rows > 0.0);
            let weighed = there.map(|(score, rows)| (estimand.weight(arm, *score), *rows));
            room.extend(weighed.filter(|(weight, _)| *weight > 0.0));
        }
        quantile(room, n_rows[usize::from(arm)], q)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same by a line in which each weight stands as often as it counts.
    fn spelled_out(weights: &[(f64, usize)], thousandths: usize) -> f64 {
        let mut line: Vec<f64> =
            weights.iter().flat_map(|(weight, count)| vec![*weight; *count]).collect();
        line.sort_by(f64::total_cmp);
        let place = (line.len() - 1) * thousandths;
        let (low, high) = (line[place / 1000], line[place.div_ceil(1000)]);
        low + (place % 1000) as f64 / 1000.0 * (high - low)
    }

    #[test]
    fn quantile_is_that_of_rows_spelled_out() {
        for n in [1, 2, 5, 31, 33, 500] {
            let weights: Vec<(f64, usize)> =
                (0..n).map(|i| ((i * 7919 % 101) as f64 + 0.5, 1 + i % 4)).collect();
            let n_rows: usize = weights.iter().map(|(_, count)| count).sum();
            for thousandths in [0, 100, 500, 731, 990, 1000] {
                let q = thousandths as f64 / 1000.0;
                for scale in [1.0, 0.3] {
                    let mut counted: Vec<Weighed> =
                        weights.iter().map(|(w, count)| (*w, scale * *count as f64)).collect();
                    let found = quantile(&mut counted, n_rows as f64, q);
                    let expected = spelled_out(&weights, thousandths);
                    assert!((found - expected).abs() < 1e-6, "{n} {q}: {found} {expected}");
                }
            }
        }
    }

    #[test]
    fn quantile_of_nothing_bounds_nothing() {
        assert_eq!(quantile(&mut [], 0.0, 0.9).to_bits(), f64::INFINITY.to_bits());
    }
}
