//! Rows assigned to columns at the least cost, in a space where any two may be near enough.
//!
//! An auction (Bertsekas 1988): a row without a column bids for the one that costs it least, its distance less what
//! the column still saves, and lowers that saving by as much as the column is worth to it beyond its second choice,
//! and by epsilon. Whoever had the column bids next. In the end no row could do better by more than epsilon. A column
//! that is nobody's any more, and saves less than it did at first, is offered by the reverse auction to the row that
//! gains most from it (Bertsekas and Castanon 1992). Both are run with a smaller epsilon each time. What is then still
//! not the least is made so along shortest paths, of which there are few.
//!
//! What a row wants is searched for in a tree of all columns, and what a column could offer in one of all rows, so
//! that the least is that of all pairs, though few of them are ever looked at. The cheapest columns are kept in a
//! list: in a forward auction savings only fall, so that what is not on it costs no less than when it was made.

use rayon::prelude::*;

use super::assignment::{NONE, NodeCosts};
use super::collecting::{Cheapest, Found};
use super::holdings::{Holdings, InSpace, NOBODY, WAITS, WITHOUT};
use super::lists::{Choice, List};
use super::paths;
use super::whole::Whole;
use crate::error::Result;
use crate::monitor::Monitor;

#[cfg(test)]
mod tests;

/// The longest length, or a step where these decide something, is so many times the first epsilon, which is so many
/// times the next. A first that is smaller makes many small bids, and one that is larger undoes what it did.
const FIRST: Whole = 64;
const FACTOR: Whole = 16;

/// Columns on a list.
const LISTED: usize = 16;

/// How many epsilons more than its second choice something that is not on a row's list may be worth: lists last longer.
const SLACK: Whole = 8;

/// The auction is over when the longest length is so many times epsilon: a longer one leaves less to do, by less than
/// what it costs.
const ENOUGH: Whole = FIRST * FACTOR * FACTOR;

/// Bids between two looks at the monitor.
const BIDS: usize = 512;

struct Auction<'a> {
    held: Holdings<'a>,
    /// Of each row, in this round.
    lists: Vec<List>,
    epsilon: Whole,
    waiting: Vec<u32>,
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
        if auction.epsilon * ENOUGH <= auction.held.measure.longest() {
            paths::finish(&mut auction.held, monitor)?;
            return Ok(auction.held);
        }
        auction.epsilon /= FACTOR;
    }
}

impl<'a> Auction<'a> {
    fn new(sides: &InSpace<'a>, node_costs: NodeCosts<'_>) -> Self {
        let held = Holdings::new(sides, node_costs);
        let steps = sides.count_steps(node_costs);
        let most = if steps { held.measure.step() } else { held.measure.longest() };
        let lists = (0..sides.rows.len()).map(|_| List::empty()).collect();
        Self { held, lists, epsilon: most / FIRST, waiting: Vec::new() }
    }

    /// Take its column from every row that could do better by more than epsilon.
    #[allow(clippy::cast_possible_truncation)] // rows are numbered in u32
    fn release(&mut self, monitor: &Monitor) -> Result<()> {
        self.lists.iter_mut().for_each(|list| *list = List::empty());
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
            let Choice { other, first, second } = self.choose(own);
            let Some((column, length)) = other else {
                self.held.column_of[own] = WITHOUT;
                self.held.costs[own] = self.held.without[own];
                continue;
            };
            let column = column as usize;
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

    fn choose(&mut self, row: usize) -> Choice {
        let Self { held, lists, epsilon, .. } = self;
        let choose =
            |list: &List| list.choose(held.without[row], held.columns.savings(), held.measure);
        let choice = choose(&lists[row]);
        if choice.second <= lists[row].bound + SLACK * *epsilon {
            return choice;
        }
        let mut cheapest = Cheapest::below(held.without[row], LISTED);
        held.columns.search(held.rows.point(row), &mut cheapest);
        lists[row] = List::of(&cheapest);
        choose(&lists[row])
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
    let gains = cheapest.found.first().filter(|first| first.cost < used - epsilon);
    let Some(Found { length, place: row, .. }) = gains.copied() else {
        held.columns.set(column, used);
        return None;
    };
    // Nobody else gains by it more than epsilon.
    let second = cheapest.found.get(1).map_or(used, |second| second.cost + epsilon);
    let row = row as usize;
    let before = held.leave(row);
    held.take(row, (column, length), used.min(second));
    held.rows.set(row, held.costs[row]);
    before
}
