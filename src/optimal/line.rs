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

/// Beyond any sum of positions: a seeker without a place.
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
}

/// Collapse positions, ascending, each counted `uses` times.
pub fn groups(positions: &[i64], uses: usize) -> Vec<Group> {
    positions
        .chunk_by(|a, b| a == b)
        .map(|same| Group { position: same[0], count: same.len() * uses })
        .collect()
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

/// How many of each group of `places` are in the pairs of least sum in which all `seekers` are; there
/// are at least as many places as seekers. Both ascend.
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

/// Places at y are taken by seekers to their left where that lowers the sum; the rest are free.
fn offer(group: usize, places: Group, free: &mut Offers, regrets: &mut Offers, used: &mut [usize]) {
    let (y, mut left) = (places.position, places.count);
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
    if places.count > left {
        // On to a place further on, which leaves this one free.
        regrets.push(-y, group, places.count - left);
    }
    if left > 0 {
        free.push(-y, group, left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
                places.iter().map(|y| Group { position: *y, count: 1 }).collect();
            let used = choose(&groups(&seekers, 1), &single);
            assert_eq!(used.iter().sum::<usize>(), seekers.len());
            assert_eq!(cost(&seekers, &places, &used), plain(&seekers, &places), "round {round}");
            let grouped = groups(&places, 1);
            let mut taken = Vec::new();
            for (group, used) in grouped.iter().zip(choose(&groups(&seekers, 1), &grouped)) {
                assert!(used <= group.count);
                taken.extend(std::iter::repeat_n(group.position, used));
            }
            let sum: i64 = seekers.iter().zip(&taken).map(|(x, y)| (x - y).abs()).sum();
            assert_eq!(sum, plain(&seekers, &places), "round {round}, in groups");
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
