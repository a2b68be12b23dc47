//! The cheapest columns of each row, kept from when it last looked.

use super::tree::{Cheapest, MOST};
use super::whole::Whole;

/// By row.
pub struct Lists {
    columns: Vec<[(u32, i64); MOST]>,
    lengths: Vec<u8>,
    /// What is not on the list costs no less.
    bounds: Vec<Whole>,
    /// The round in which it was made; lists of earlier rounds are of no use.
    rounds: Vec<u32>,
    round: u32,
}

impl Lists {
    pub fn new(n_rows: usize) -> Self {
        Self {
            columns: vec![[(0, 0); MOST]; n_rows],
            lengths: vec![0; n_rows],
            bounds: vec![0; n_rows],
            rounds: vec![0; n_rows],
            round: 0,
        }
    }

    pub fn next_round(&mut self) {
        self.round += 1;
    }

    /// What is not on the list of a row costs no less, if savings have only fallen since; none in a new round.
    pub fn bound(&self, row: usize) -> Option<Whole> {
        (self.rounds[row] == self.round).then_some(self.bounds[row])
    }

    /// Columns and their distances.
    pub fn of(&self, row: usize) -> &[(u32, i64)] {
        &self.columns[row][..self.lengths[row].into()]
    }

    #[allow(clippy::cast_possible_truncation)] // at most MOST
    pub fn keep(&mut self, row: usize, cheapest: &Cheapest) {
        let found = cheapest.found();
        self.lengths[row] = found.len() as u8;
        for (kept, found) in self.columns[row].iter_mut().zip(found) {
            *kept = (found.place, found.length);
        }
        self.bounds[row] = cheapest.limit;
        self.rounds[row] = self.round;
    }
}
