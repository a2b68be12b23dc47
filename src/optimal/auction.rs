//! Rows assigned to columns at the least cost, in a space where any two may be near enough.
//!
//! An auction (Bertsekas 1988): a row without a column bids for the one that costs it least, its distance less what
//! the column still saves, and lowers that saving by as much as the column is worth to it beyond its second choice,
//! and by epsilon. Whoever had the column bids next. In the end no row could do better by more than epsilon. A column
//! that is nobody's any more, and saves less than it did at first, is offered by the reverse auction to the row that
//! gains most from it (Bertsekas and Castanon 1992). Both are run with a smaller epsilon each time, until there is a
//! proof that the assignment is the least; at the latest when all rows together could not gain the smallest
//! difference there is.
//!
//! What a row wants is searched for in a tree of all columns, and what a column could offer in one of all rows, so
//! that the least is that of all pairs, though few of them are ever looked at. The cheapest columns are kept in a
//! list: in a forward auction savings only fall, so that what is not on it costs no less than when it was made.

use rayon::prelude::*;

use super::assignment::{NONE, NodeCosts};
use super::holdings::{Holdings, InSpace, NOBODY, WAITS, WITHOUT};
use super::lists::Lists;
use super::proof;
use super::tree::{Cheapest, Found, MOST};
use super::whole::Whole;
use crate::error::Result;
use crate::monitor::Monitor;

#[cfg(test)]
mod tests;

/// The longest length, or a step where these decide something, is so many times the first epsilon, which is so many
/// times the next. A first that is smaller makes many small bids, and one that is larger undoes what it did.
const FIRST: Whole = 64;
const FACTOR: Whole = 16;

/// How many epsilons more than its second choice something that is not on a row's list may be worth, but in the end:
/// lists last longer.
const SLACK: Whole = 8;

/// Epsilon is small enough to look for a proof when the longest length is so many times it for each row: the more
/// rows, the nearer is the second best assignment.
const EARLY: Whole = 8;

/// By how many epsilons savings are raised for it: those along a path of rows that outbid each other add up.
const RAISED: Whole = 256;

/// Bids between two looks at the monitor.
const BIDS: usize = 512;

struct Auction<'a> {
    held: Holdings<'a>,
    lists: Lists,
    epsilon: Whole,
    slack: Whole,
    waiting: Vec<u32>,
}

struct Bid {
    /// The column and its distance; none where it is cheaper to go without.
    column: Option<(usize, i64)>,
    first: Whole,
    second: Whole,
}

/// The column of each row in the least assignment, or [`NONE`].
///
/// # Errors
/// [`crate::error::Error::Stopped`].
pub fn assign(
    sides: &InSpace<'_>,
    node_costs: NodeCosts<'_>,
    monitor: &Monitor,
) -> Result<Vec<usize>> {
    if sides.rows.len() == 0 || sides.columns.len() == 0 {
        return Ok(vec![NONE; sides.rows.len()]);
    }
    Ok(over(sides, node_costs, monitor)?.assigned())
}

/// What everybody has when the auction is over.
fn over<'a>(
    sides: &InSpace<'a>,
    node_costs: NodeCosts<'_>,
    monitor: &Monitor,
) -> Result<Holdings<'a>> {
    let mut auction = Auction::new(sides, node_costs);
    loop {
        auction.release(monitor)?;
        auction.forward(monitor)?;
        auction.backward(monitor)?;
        let Auction { held, epsilon, .. } = &mut auction;
        let n_rows = held.costs.len() as Whole;
        let is_early = *epsilon * EARLY * n_rows > held.measure.longest();
        if *epsilon == 1 || !is_early && proof::is_proven(held, RAISED * *epsilon, monitor)? {
            return Ok(auction.held);
        }
        *epsilon = (*epsilon / FACTOR).max(1);
    }
}

impl<'a> Auction<'a> {
    fn new(sides: &InSpace<'a>, node_costs: NodeCosts<'_>) -> Self {
        let held = Holdings::new(sides, node_costs);
        let steps = sides.count_steps(node_costs);
        let most = if steps { held.measure.step() } else { held.measure.longest() };
        let lists = Lists::new(sides.rows.len());
        Self { held, lists, epsilon: most / FIRST, slack: 0, waiting: Vec::new() }
    }

    /// Take its column from every row that could do better by more than epsilon.
    #[allow(clippy::cast_possible_truncation)] // rows are numbered in u32
    fn release(&mut self, monitor: &Monitor) -> Result<()> {
        self.lists.next_round();
        self.slack = if self.epsilon == 1 { 0 } else { SLACK * self.epsilon };
        let held = &self.held;
        let waits = |row: &u32| {
            let row = *row as usize;
            let limit = held.costs[row] - self.epsilon;
            held.column_of[row] == WAITS
                || !monitor.is_stopped() && held.is_cheaper_elsewhere(row, limit)
        };
        let rows = (0..held.column_of.len() as u32).into_par_iter();
        self.waiting = rows.filter(waits).collect();
        for row in &self.waiting {
            self.held.leave(*row as usize);
        }
        monitor.check()
    }

    /// Rows bid until none waits.
    fn forward(&mut self, monitor: &Monitor) -> Result<()> {
        let mut n_bids = 0_usize;
        while let Some(row) = self.waiting.pop() {
            n_bids += 1;
            if n_bids.is_multiple_of(BIDS) {
                monitor.check()?;
            }
            let own = row as usize;
            let Bid { column, first, second } = self.bid(own);
            let Some((column, length)) = column else {
                self.held.column_of[own] = WITHOUT;
                self.held.costs[own] = self.held.without[own];
                continue;
            };
            let before = self.held.row_of[column];
            // The least there is tells a column that is taken from those that are free.
            let less = if before == NOBODY { 1 } else { second - first + self.epsilon };
            if before != NOBODY {
                self.held.leave(before as usize);
                self.waiting.push(before);
            }
            self.held.take(own, (column, length), self.held.columns.saving(column) - less);
        }
        Ok(())
    }

    fn bid(&mut self, row: usize) -> Bid {
        if let Some(bound) = self.lists.bound(row) {
            let bid = self.bid_from_list(row);
            if bid.second <= bound + self.slack {
                return bid;
            }
        }
        let mut cheapest = Cheapest::below(self.held.without[row], MOST);
        self.held.columns.search(self.held.rows.point(row), &mut cheapest);
        self.lists.keep(row, &cheapest);
        self.bid_from_list(row)
    }

    fn bid_from_list(&self, row: usize) -> Bid {
        let without = self.held.without[row];
        let mut bid = Bid { column: None, first: without, second: without };
        for (column, length) in self.lists.of(row) {
            let column = *column as usize;
            let cost = self.held.measure.whole(*length) - self.held.columns.saving(column);
            if cost < bid.first {
                bid = Bid { column: Some((column, *length)), first: cost, second: bid.first };
            } else if cost < bid.second {
                bid.second = cost;
            }
        }
        bid
    }

    /// Columns that are left are offered to rows, until there are none.
    #[allow(clippy::cast_possible_truncation)] // rows are numbered in u32
    fn backward(&mut self, monitor: &Monitor) -> Result<()> {
        let held = &mut self.held;
        let columns = 0..held.row_of.len() as u32;
        let mut left: Vec<u32> = columns.filter(|column| held.is_left(*column)).collect();
        if left.is_empty() {
            return Ok(());
        }
        held.rows.set_all(held.costs.iter().copied());
        let mut n_offers = 0_usize;
        while let Some(column) = left.pop() {
            n_offers += 1;
            if n_offers.is_multiple_of(BIDS) {
                monitor.check()?;
            }
            let before = offer(held, column as usize, self.epsilon);
            left.extend(before.filter(|before| held.is_left(*before)));
        }
        Ok(())
    }
}

/// Let a column save more until the row that gains most by it takes it; the column that that row had.
fn offer(held: &mut Holdings<'_>, column: usize, epsilon: Whole) -> Option<u32> {
    let used = held.used[column];
    let mut cheapest = Cheapest::below(used, 2);
    held.rows.search(held.columns.point(column), &mut cheapest);
    let gains = cheapest.found().first().filter(|first| first.cost < used - epsilon);
    let Some(Found { length, place: row, .. }) = gains.copied() else {
        held.columns.set(column, used);
        return None;
    };
    // Nobody else gains by it more than epsilon.
    let second = cheapest.found().get(1).map_or(used, |second| second.cost + epsilon);
    let row = row as usize;
    let before = held.leave(row);
    held.take(row, (column, length), used.min(second));
    held.rows.set(row, held.costs[row]);
    before
}
