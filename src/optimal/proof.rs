//! Whether an assignment is the least, long before an auction would have come to the end of it.
//!
//! It is if there are potentials (what each row costs, what each column saves) at which no row would do better
//! elsewhere by anything at all, and no column that nobody has saves less than it might (the dual program). Those of the
//! auction are nearly so. All savings are raised by a little, and those lowered again that a row would rather have than
//! those of its own column; whoever has them then looks around in turn. If that ends, the potentials are found. It
//! fails where a column that nobody has would have to save less, or a row would go without.

use std::collections::VecDeque;

use rayon::prelude::*;

use super::holdings::{Holdings, NOBODY, WITHOUT};
use super::tree::{Cheapest, Found, MOST};
use super::whole::Whole;
use crate::error::Result;
use crate::monitor::Monitor;

/// A row looks around so often, on average, before the auction had better go on.
const PATIENCE: usize = 20;

/// Whether there is a proof with savings raised by so much; else all is as before.
///
/// # Errors
/// [`crate::error::Error::Stopped`].
#[allow(clippy::cast_possible_truncation)] // rows are numbered in u32
pub fn is_proven(held: &mut Holdings<'_>, by: Whole, monitor: &Monitor) -> Result<bool> {
    let before = (held.columns.savings().to_vec(), held.costs.clone());
    raise(held, by);
    let looks_around = |row: &u32| {
        let row = *row as usize;
        !monitor.is_stopped() && held.is_cheaper_elsewhere(row, held.costs[row])
    };
    let rows = (0..held.column_of.len() as u32).into_par_iter();
    let mut envious: VecDeque<u32> = rows.filter(looks_around).collect::<Vec<u32>>().into();
    let mut patience = PATIENCE * held.column_of.len();
    while let Some(row) = envious.pop_front() {
        monitor.check()?;
        if patience == 0 || !lower_for(held, row as usize, &mut envious) {
            held.columns.set_all(before.0.into_iter());
            held.costs = before.1;
            return Ok(false);
        }
        patience -= 1;
    }
    monitor.check()?;
    Ok(true)
}

/// Let every column that a row has save more, but no more than it may.
fn raise(held: &mut Holdings<'_>, by: Whole) {
    let raised = |column: usize| {
        let saving = held.columns.saving(column);
        let more = if held.row_of[column] == NOBODY { 0 } else { by };
        held.used[column].min(saving + more)
    };
    let savings: Vec<Whole> = (0..held.row_of.len()).map(raised).collect();
    for (row, column) in held.column_of.iter().enumerate().filter(|(_, at)| **at < WITHOUT) {
        let column = *column as usize;
        held.costs[row] += held.columns.saving(column) - savings[column];
    }
    held.columns.set_all(savings.into_iter());
}

/// Lower what a row would rather have, and note who has it; false where that cannot be.
fn lower_for(held: &mut Holdings<'_>, row: usize, envious: &mut VecDeque<u32>) -> bool {
    let cost = held.costs[row];
    loop {
        let mut cheapest = Cheapest::below(cost, MOST);
        held.columns.search(held.rows.point(row), &mut cheapest);
        for Found { cost: less, place, .. } in cheapest.found() {
            let (column, owner) = (*place as usize, held.row_of[*place as usize]);
            let by = cost - less;
            held.columns.set(column, held.columns.saving(column) - by);
            let Some(costs) = held.costs.get_mut(owner as usize) else { return false };
            *costs += by;
            if *costs > held.without[owner as usize] {
                return false;
            }
            envious.push_back(owner);
        }
        if cheapest.found().len() < MOST {
            return true;
        }
    }
}
