//! The least assignment, from potentials that are nearly its own.
//!
//! What an auction leaves is first made exact: each row costs what its cheapest column costs it, and keeps the column
//! it has if that is as cheap. Rows that are left bid as before, but without an epsilon, as long as that goes anywhere
//! (the row reduction of Jonker and Volgenant 1987); then each takes the shortest path to a column that nobody has, or
//! to a row that goes without. Columns that are left over, and save less than they might, take such paths to rows: the
//! same with the sides exchanged. At each step no row could do better elsewhere by anything at all, so that what there
//! is in the end is the least (the dual program).
//!
//! Each unit keeps a list of the cheapest of the other side. In the course of this savings only fall, so that what is
//! not on it costs no less than when it was made; a path that comes that far makes the list anew, and longer.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rayon::prelude::*;

use super::collecting::Cheapest;
use super::holdings::{Holdings, NOBODY, WITHOUT};
use super::lists::{Choice, List};
use super::tree::Tree;
use super::whole::{Measure, Whole};
use crate::error::Result;
use crate::monitor::Monitor;

/// Of a list of one row, and of one that is made for a path: most of these never need more.
const LISTED: usize = 16;
const FIRST: usize = 8;

/// Bids without an epsilon, on average of all rows: they soon go around in circles.
const BIDS: usize = 3;

/// Of what is not reached.
const BEYOND: Whole = Whole::MAX;

/// All units of one side.
struct Side<'h, 'a> {
    tree: &'h mut Tree<'a>,
    /// Their potentials: what a row costs, what a column saves. None is more than `most`, and all without a partner
    /// have just that in the end.
    saving: Vec<Whole>,
    most: &'h [Whole],
    /// Or [`NOBODY`].
    partner: Vec<u32>,
}

/// What is next on the way: a unit of the other side, or a list whose end is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Other(u32),
    EndOfList(u32),
}

enum End {
    /// At a unit of the other side that has no partner.
    Free(u32),
    /// With one of this side that goes without.
    Without(u32),
}

struct Paths<'h, 'a> {
    near: Side<'h, 'a>,
    far: Side<'h, 'a>,
    measure: Measure,
    lists: Vec<List>,
    /// Those whose saving the tree does not know yet.
    stale: Vec<u32>,
    /// By unit of the other side: how far it is from where the path begins, from whom it was reached, and whether there
    /// is no shorter way.
    distance: Vec<Whole>,
    from: Vec<u32>,
    settled: Vec<bool>,
    reached: Vec<u32>,
    next: BinaryHeap<Reverse<(Whole, Next)>>,
}

/// From what an auction has come to, to the least assignment.
///
/// # Errors
/// [`crate::error::Error::Stopped`].
pub fn finish(held: &mut Holdings<'_>, monitor: &Monitor) -> Result<()> {
    let lists = all_lists(held, monitor)?;
    let waiting = keep_cheapest(held, &lists);
    let lists = lists.into_iter().map(|(_, list)| list).collect();
    let Holdings { rows, columns, measure, without, used, column_of, row_of, costs } = held;
    let saving = columns.savings().to_vec();
    let (costs_of, had) = (std::mem::take(costs), std::mem::take(column_of));
    let near = Side { tree: rows, saving: costs_of, most: without, partner: had };
    let far = Side { tree: columns, saving, most: used, partner: std::mem::take(row_of) };
    let mut paths = Paths::new(near, far, *measure, lists);
    let waiting = paths.bid(waiting, monitor)?;
    paths.lay(waiting, monitor)?;
    let mut back = paths.exchanged();
    back.lay(back.left(), monitor)?;
    let Paths { near, far, .. } = back;
    near.tree.set_all(near.saving.into_iter());
    (*costs, *column_of, *row_of) = (far.saving, far.partner, near.partner);
    Ok(())
}

/// What each row costs at least, and its list.
fn all_lists(held: &Holdings<'_>, monitor: &Monitor) -> Result<Vec<(Whole, List)>> {
    let of_row = |row: usize| {
        monitor.check()?;
        let without = held.without[row];
        let mut cheapest = Cheapest::below(without, LISTED);
        held.columns.search(held.rows.point(row), &mut cheapest);
        let cost = cheapest.found.first().map_or(without, |found| found.cost);
        Ok((cost, List::of(&cheapest)))
    };
    (0..held.column_of.len()).into_par_iter().map(of_row).collect()
}

/// Let rows keep columns that are as cheap as any; those that want another, ascending.
#[allow(clippy::cast_possible_truncation)] // rows are numbered in u32
fn keep_cheapest(held: &mut Holdings<'_>, lists: &[(Whole, List)]) -> Vec<u32> {
    let mut waiting = Vec::new();
    for (row, (cost, _)) in lists.iter().enumerate() {
        if held.column_of[row] < WITHOUT && held.costs[row] == *cost {
            continue;
        }
        held.leave(row);
        held.costs[row] = *cost;
        if *cost < held.without[row] {
            waiting.push(row as u32);
        }
    }
    waiting
}

impl<'h, 'a> Paths<'h, 'a> {
    fn new(near: Side<'h, 'a>, far: Side<'h, 'a>, measure: Measure, lists: Vec<List>) -> Self {
        let n = far.saving.len();
        Self {
            near,
            far,
            measure,
            lists,
            stale: Vec::new(),
            distance: vec![BEYOND; n],
            from: vec![NOBODY; n],
            settled: vec![false; n],
            reached: Vec::new(),
            next: BinaryHeap::new(),
        }
    }

    /// The same seen from the other side, with nothing on any list.
    fn exchanged(self) -> Self {
        let Self { near, far, measure, .. } = self;
        near.tree.set_all(near.saving.iter().copied());
        let lists = far.saving.iter().map(|_| List::empty()).collect();
        Self::new(far, near, measure, lists)
    }

    /// Units without a partner that save less than they might.
    #[allow(clippy::cast_possible_truncation)] // they are numbered in u32
    fn left(&self) -> Vec<u32> {
        let Side { saving, most, partner, .. } = &self.near;
        let is_left = |unit: &u32| {
            let unit = *unit as usize;
            partner[unit] == NOBODY && saving[unit] < most[unit]
        };
        (0..saving.len() as u32).filter(is_left).collect()
    }

    /// Let units bid for the cheapest, and then those that they outbid; those for whom that leads nowhere.
    fn bid(&mut self, mut waiting: Vec<u32>, monitor: &Monitor) -> Result<Vec<u32>> {
        let mut ties = Vec::new();
        for _ in 0..BIDS * self.near.saving.len() {
            let Some(unit) = waiting.pop() else { break };
            monitor.check()?;
            let Choice { other, first, second } = self.choose(unit as usize);
            self.near.saving[unit as usize] = first;
            let Some((other, _)) = other else { continue };
            let before = self.far.partner[other as usize];
            if before != NOBODY {
                if first == second {
                    ties.push(unit);
                    continue;
                }
                self.near.saving[unit as usize] = second;
                self.far.saving[other as usize] -= second - first;
                self.stale.push(other);
                self.near.partner[before as usize] = NOBODY;
                waiting.push(before);
            }
            self.near.partner[unit as usize] = other;
            self.far.partner[other as usize] = unit;
        }
        ties.extend(waiting);
        Ok(ties)
    }

    fn choose(&mut self, unit: usize) -> Choice {
        loop {
            let list = &self.lists[unit];
            let choice = list.choose(self.near.most[unit], &self.far.saving, self.measure);
            if choice.second <= list.bound {
                return choice;
            }
            self.lengthen(unit);
        }
    }

    /// Make a list anew, and longer.
    fn lengthen(&mut self, unit: usize) {
        for other in self.stale.drain(..) {
            self.far.tree.set(other as usize, self.far.saving[other as usize]);
        }
        let wanted = (self.lists[unit].others.len() * 3 / 2).max(FIRST);
        let mut cheapest = Cheapest::below(self.near.most[unit], wanted);
        self.far.tree.search(self.near.tree.point(unit), &mut cheapest);
        self.lists[unit] = List::of(&cheapest);
    }

    /// The shortest path from each of these units, which have no partner.
    fn lay(&mut self, units: Vec<u32>, monitor: &Monitor) -> Result<()> {
        for unit in units {
            monitor.check()?;
            let (end, length) = self.shortest(unit);
            self.near.saving[unit as usize] = length;
            self.lower(length);
            self.exchange_along(&end);
        }
        Ok(())
    }

    /// Where the shortest path ends, and its length.
    fn shortest(&mut self, start: u32) -> (End, Whole) {
        let mut shortest = self.near.most[start as usize];
        let mut end = End::Without(start);
        self.next.clear();
        self.look_from(start, shortest);
        while let Some(Reverse((distance, next))) = self.next.pop() {
            if distance >= shortest {
                break;
            }
            let other = match next {
                Next::Other(other) => other,
                Next::EndOfList(unit) => {
                    self.lengthen(unit as usize);
                    self.look_from(unit, shortest);
                    continue;
                }
            };
            if std::mem::replace(&mut self.settled[other as usize], true) {
                continue;
            }
            let partner = self.far.partner[other as usize];
            if partner == NOBODY {
                return (End::Free(other), distance);
            }
            let without = self.before(partner) + self.near.most[partner as usize];
            if without < shortest {
                (end, shortest) = (End::Without(partner), without);
            }
            self.look_from(partner, shortest);
        }
        (end, shortest)
    }

    /// How far the path has come to a unit, less what that costs.
    fn before(&self, unit: u32) -> Whole {
        let partner = self.near.partner[unit as usize];
        // Only where it begins is one without a partner.
        let distance = self.distance.get(partner as usize);
        distance.map_or(0, |distance| distance - self.near.saving[unit as usize])
    }

    /// Go on from a unit to all on its list, as far as is of any use.
    fn look_from(&mut self, unit: u32, shortest: Whole) {
        let before = self.before(unit);
        let list = &self.lists[unit as usize];
        for (other, length) in &list.others {
            let at = *other as usize;
            let distance = before + self.measure.whole(*length) - self.far.saving[at];
            if distance >= shortest || self.settled[at] || distance >= self.distance[at] {
                continue;
            }
            if self.distance[at] == BEYOND {
                self.reached.push(*other);
            }
            self.distance[at] = distance;
            self.from[at] = unit;
            self.next.push(Reverse((distance, Next::Other(*other))));
        }
        // An empty list comes before anything.
        let end = before.saturating_add(list.bound);
        if end < shortest {
            self.next.push(Reverse((end, Next::EndOfList(unit))));
        }
    }

    /// Potentials at which the path of this length costs nothing.
    fn lower(&mut self, length: Whole) {
        for other in self.reached.drain(..) {
            let at = other as usize;
            let by = length - self.distance[at];
            if std::mem::replace(&mut self.settled[at], false) && by > 0 {
                self.far.saving[at] -= by;
                self.stale.push(other);
                self.near.saving[self.far.partner[at] as usize] += by;
            }
            self.distance[at] = BEYOND;
        }
    }

    /// Each unit on the path takes the next on it.
    fn exchange_along(&mut self, end: &End) {
        let mut other = match end {
            End::Free(other) => *other,
            End::Without(unit) => std::mem::replace(&mut self.near.partner[*unit as usize], NOBODY),
        };
        while other != NOBODY {
            let unit = self.from[other as usize];
            self.far.partner[other as usize] = unit;
            other = std::mem::replace(&mut self.near.partner[unit as usize], other);
        }
    }
}
