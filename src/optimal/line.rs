//! Which units are in the pairs of least total distance, for units on a line.
//!
//! The units of the smaller side, the seekers, are all in a pair; the question is which places they take.
//! Sweeping from left to right, a seeker takes the place of the least cost so far, and a place is
//! taken where that lowers the sum. Either choice may be regretted: beside what is free, the heaps hold
//! what it costs to undo an earlier choice (the slope trick in heaps: the heaps are the slopes of
//! the convex cost in the number of units carried past a point). Each unit moves through the heaps
//! a bounded number of times: n log n.
//!
//! Once it is known who is in a pair, pairing the two sides in order has the least sum, and the
//! shortest longest distance too.
//!
//! Positions are whole numbers, so that equal costs are equal and nothing is lost in sums.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Beyond any sum of positions: a seeker without a place, or a place without a seeker.
const NO_PLACE: i64 = 1 << 60;

/// In place of a group of places: none.
const NOBODY: usize = usize::MAX;

/// Positions on a grid of 2^-50 of their range.
pub struct Grid {
    low: f64,
    scale: f64,
}

impl Grid {
    pub fn new<'a>(values: impl IntoIterator<Item = &'a f64>) -> Self {
        let (low, high) = values
            .into_iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)));
        let range = high - low;
        // A power of two moves no digits.
        let scale = if range > 0.0 { (50.0 - range.log2().ceil()).exp2() } else { 1.0 };
        Self { low, scale }
    }

    #[allow(clippy::cast_possible_truncation)] // at most 2^50
    pub fn place(&self, value: f64) -> i64 {
        ((value - self.low) * self.scale).round() as i64
    }
}

/// Units at one position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    pub position: i64,
    pub count: usize,
    /// So many of these places are taken in any case.
    pub at_least: usize,
}

/// How often a unit may be in a pair, and how often it is at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uses {
    pub at_least: usize,
    pub at_most: usize,
}

/// Collapse positions, ascending, each counted as often as it may be used.
pub fn groups(positions: &[i64], uses: Uses) -> Vec<Group> {
    let group = |same: &[i64]| Group {
        position: same[0],
        count: same.len() * uses.at_most,
        at_least: same.len() * uses.at_least,
    };
    positions.chunk_by(|a, b| a == b).map(group).collect()
}

/// `count` ways to change the pairs at `cost`, plus or minus the position of who makes use of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Offer {
    cost: i64,
    /// The places that come into use, or fall out of it.
    group: usize,
    count: usize,
}

#[derive(Debug, Default)]
struct Offers(BinaryHeap<Reverse<Offer>>);

impl Offers {
    fn push(&mut self, cost: i64, group: usize, count: usize) {
        self.0.push(Reverse(Offer { cost, group, count }));
    }

    fn cheapest(&self) -> Option<Offer> {
        self.0.peek().map(|Reverse(offer)| *offer)
    }

    /// Take up to `count` of the cheapest offer; says how many.
    fn take(&mut self, count: usize) -> usize {
        let Some(mut top) = self.0.peek_mut() else { return 0 };
        let taken = top.0.count.min(count);
        top.0.count -= taken;
        if top.0.count == 0 {
            std::collections::binary_heap::PeekMut::pop(top);
        }
        taken
    }
}

/// How many of each group of `places` are in the pairs of least sum in which all `seekers` are, and of each
/// group at least as many places as it asks for; there are at least as many places as seekers, and no more
/// are asked for. Both ascend.
pub fn choose(seekers: &[Group], places: &[Group]) -> Vec<usize> {
    let mut used = vec![0_usize; places.len()];
    let (mut free, mut regrets) = (Offers::default(), Offers::default());
    let (mut next_seeker, mut next_place) = (0, 0);
    while next_seeker < seekers.len() || next_place < places.len() {
        let seeker_is_next = match (seekers.get(next_seeker), places.get(next_place)) {
            (Some(seeker), Some(place)) => seeker.position <= place.position,
            (seeker, _) => seeker.is_some(),
        };
        if seeker_is_next {
            seek(seekers[next_seeker], &mut free, &mut regrets, &mut used);
            next_seeker += 1;
        } else {
            claim(next_place, places[next_place], &mut free, &mut regrets, &mut used);
            offer(next_place, places[next_place], &mut free, &mut regrets, &mut used);
            next_place += 1;
        }
    }
    used
}

/// Seekers at x take what is cheapest to their left; undone at -x - (x + cost) by whoever brings a
/// place at y for y.
fn seek(seekers: Group, free: &mut Offers, regrets: &mut Offers, used: &mut [usize]) {
    let (x, mut left) = (seekers.position, seekers.count);
    while left > 0 {
        let Some(best) = free.cheapest() else {
            regrets.push(-NO_PLACE - 2 * x, NOBODY, left);
            return;
        };
        let taken = free.take(left);
        left -= taken;
        if best.group != NOBODY {
            used[best.group] += taken;
        }
        regrets.push(-best.cost - 2 * x, best.group, taken);
    }
}

/// Places at y that are taken in any case: by the seekers to their left to whom it matters least, or else by
/// seekers further on. The mirror image of [`seek`].
fn claim(group: usize, places: Group, free: &mut Offers, regrets: &mut Offers, used: &mut [usize]) {
    let (y, mut left) = (places.position, places.at_least);
    used[group] += left;
    while left > 0 {
        let Some(best) = regrets.cheapest() else {
            free.push(-NO_PLACE - 2 * y, NOBODY, left);
            return;
        };
        let taken = regrets.take(left);
        left -= taken;
        if best.group != NOBODY {
            used[best.group] -= taken;
        }
        free.push(-best.cost - 2 * y, best.group, taken);
    }
}

/// Further places at y are taken by seekers to their left where that lowers the sum; the rest are free.
fn offer(group: usize, places: Group, free: &mut Offers, regrets: &mut Offers, used: &mut [usize]) {
    let (y, all) = (places.position, places.count - places.at_least);
    let mut left = all;
    while left > 0
        && let Some(best) = regrets.cheapest().filter(|best| y + best.cost < 0)
    {
        let taken = regrets.take(left);
        left -= taken;
        used[group] += taken;
        if best.group != NOBODY {
            used[best.group] -= taken;
        }
        // Back to what was, for a seeker further on who takes this place.
        free.push(-best.cost - 2 * y, best.group, taken);
    }
    if all > left {
        // On to a place further on, which leaves this one free.
        regrets.push(-y, group, all - left);
    }
    if left > 0 {
        free.push(-y, group, left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONCE: Uses = Uses { at_least: 0, at_most: 1 };

    fn cost(seekers: &[i64], places: &[i64], used: &[usize]) -> i64 {
        let taken = places.iter().zip(used).filter(|(_, used)| **used > 0).map(|(y, _)| y);
        seekers.iter().zip(taken).map(|(x, y)| (x - y).abs()).sum()
    }

    /// The least sum by the table of all prefixes.
    fn plain(seekers: &[i64], places: &[i64]) -> i64 {
        let mut table = vec![0; places.len() + 1];
        for (i, x) in seekers.iter().enumerate() {
            let mut row = vec![i64::MAX / 2; places.len() + 1];
            for (j, y) in places.iter().enumerate().skip(i) {
                row[j + 1] = row[j].min(table[j] + (x - y).abs());
            }
            table = row;
        }
        table[places.len()]
    }

    #[test]
    fn choose_has_the_least_sum() {
        let mut state = 1_u64;
        let mut draw = |below: i64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            i64::try_from(state >> 33).unwrap() % below
        };
        for round in 0..2000 {
            let range = 1 + draw(30);
            let n_places = 1 + draw(9);
            let mut places: Vec<i64> = (0..n_places).map(|_| draw(range)).collect();
            let n_seekers = 1 + draw(n_places);
            let mut seekers: Vec<i64> = (0..n_seekers).map(|_| draw(range)).collect();
            places.sort_unstable();
            seekers.sort_unstable();
            let single: Vec<Group> =
                places.iter().map(|y| Group { position: *y, count: 1, at_least: 0 }).collect();
            let used = choose(&groups(&seekers, ONCE), &single);
            assert_eq!(used.iter().sum::<usize>(), seekers.len());
            assert_eq!(cost(&seekers, &places, &used), plain(&seekers, &places), "round {round}");
            let grouped = groups(&places, ONCE);
            let mut taken = Vec::new();
            for (group, used) in grouped.iter().zip(choose(&groups(&seekers, ONCE), &grouped)) {
                assert!(used <= group.count);
                taken.extend(std::iter::repeat_n(group.position, used));
            }
            let sum: i64 = seekers.iter().zip(&taken).map(|(x, y)| (x - y).abs()).sum();
            assert_eq!(sum, plain(&seekers, &places), "round {round}, in groups");
        }
    }

    /// All ways to use places at least once and at most `most` times, for as many seekers.
    fn least_with_claims(seekers: &[i64], places: &[i64], most: usize) -> i64 {
        fn all(
            places: &[i64],
            most: usize,
            left: usize,
            taken: &mut Vec<i64>,
            found: &mut Vec<Vec<i64>>,
        ) {
            let Some((first, rest)) = places.split_first() else {
                if left == 0 {
                    found.push(taken.clone());
                }
                return;
            };
            for times in 1..=most.min(left) {
                taken.extend(std::iter::repeat_n(*first, times));
                all(rest, most, left - times, taken, found);
                taken.truncate(taken.len() - times);
            }
        }
        let mut found = Vec::new();
        all(places, most, seekers.len(), &mut Vec::new(), &mut found);
        let sum = |taken: &Vec<i64>| seekers.iter().zip(taken).map(|(x, y)| (x - y).abs()).sum();
        found.iter().map(sum).min().unwrap()
    }

    #[test]
    fn choose_takes_every_place_that_is_claimed() {
        let mut state = 7_u64;
        let mut draw = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(state >> 33).unwrap() % below
        };
        for round in 0..2000 {
            let (range, most) = (1 + draw(20), 2 + draw(2));
            let n_places = 1 + draw(4);
            let n_seekers = n_places + draw(n_places * (most - 1) + 1);
            let mut position = || i64::try_from(draw(range)).unwrap();
            let mut places: Vec<i64> = (0..n_places).map(|_| position()).collect();
            let mut seekers: Vec<i64> = (0..n_seekers).map(|_| position()).collect();
            places.sort_unstable();
            seekers.sort_unstable();
            let grouped = groups(&places, Uses { at_least: 1, at_most: most });
            let used = choose(&groups(&seekers, ONCE), &grouped);
            let mut taken = Vec::new();
            for (group, used) in grouped.iter().zip(&used) {
                assert!((group.at_least..=group.count).contains(used), "round {round}");
                taken.extend(std::iter::repeat_n(group.position, *used));
            }
            assert_eq!(taken.len(), seekers.len(), "round {round}");
            let sum: i64 = seekers.iter().zip(&taken).map(|(x, y)| (x - y).abs()).sum();
            assert_eq!(sum, least_with_claims(&seekers, &places, most), "round {round}");
        }
    }

    #[test]
    fn grid_keeps_order_and_ties() {
        let values = [0.1, 0.1, 0.1 + 1e-15, 0.7];
        let grid = Grid::new(&values);
        let places: Vec<i64> = values.iter().map(|x| grid.place(*x)).collect();
        assert_eq!(places[0], 0);
        assert_eq!(places[0], places[1]);
        assert!(places[1] < places[2] && places[3] <= 1 << 50);
    }
}
