//! Which units have rows: a bit each.

use crate::kernels::{BLOCK, Tallies, positive};
use crate::tally::Units;

/// Note who is there, control first.
pub fn note<U: Units>(units: &U, present: &mut [Vec<u64>; 2]) {
    let mut room = Box::new(Tallies::EMPTY);
    present.iter_mut().for_each(Vec::clear);
    for start in (0..units.len()).step_by(BLOCK) {
        let rows = &units.block(start, false, &mut room).rows;
        for (present, rows) in present.iter_mut().zip(rows) {
            present.extend(positive(rows));
        }
    }
}

/// Visit the places of the bits that are set, ascending.
#[inline]
pub fn for_each(words: &[u64], mut visit: impl FnMut(usize)) {
    for (place, word) in words.iter().enumerate() {
        let mut rest = *word;
        while rest != 0 {
            visit(64 * place + rest.trailing_zeros() as usize);
            rest &= rest - 1;
        }
    }
}
