//! Cells in planes, one for each label where these are few.

use rayon::prelude::*;

use super::labels::{Labels, content};
use super::list::Cell;
use crate::design::covariates::CHUNK;
use crate::kernels::{BLOCK, Label};

/// More places than this many times the cells are not worth the empty ones.
const MOST_PLACES: usize = 4;

/// A block of patterns in one plane, then the same patterns in the next, so that counts are added up lane by
/// lane. A pattern without a cell of some label has a place without rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Planes {
    pub labels: Vec<Label>,
    pub sizes: Vec<u32>,
    n_patterns: usize,
}

impl Planes {
    /// The planes, and the place of each row's cell; `None` for more places than are numbered in 32 bits.
    pub fn of(
        labels: Labels,
        pattern_of_row: Vec<u32>,
        n_patterns: usize,
    ) -> Option<(Self, Vec<u32>)> {
        let n_places = n_patterns.next_multiple_of(BLOCK) * labels.list.len();
        u32::try_from(n_places).ok()?;
        let mut planes = Self { labels: labels.list, sizes: vec![0; n_places], n_patterns };
        let mut of_row = pattern_of_row;
        let own = labels.of_row.par_chunks(CHUNK);
        of_row.par_chunks_mut(CHUNK).zip(own).for_each(|(of_row, labels)| {
            for (place, label) in of_row.iter_mut().zip(labels) {
                *place = planes.place(*place, u32::from(*label));
            }
        });
        for place in &of_row {
            planes.sizes[*place as usize] += 1;
        }
        Some((planes, of_row))
    }

    /// The place of a pattern's cell.
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // places are numbered in 32 bits
    fn place(&self, pattern: u32, label: u32) -> u32 {
        const LANES: u32 = BLOCK as u32;
        (pattern / LANES * self.labels.len() as u32 + label) * LANES + pattern % LANES
    }

    /// The pattern whose cell has this place.
    pub fn pattern_of(&self, place: usize) -> usize {
        place / BLOCK / self.labels.len() * BLOCK + place % BLOCK
    }

    /// Give all cells of the label at this place an outcome.
    pub fn set_outcome(&mut self, place: usize, outcome: f64) {
        let label = place / BLOCK % self.labels.len();
        self.labels[label].outcome = outcome;
    }

    /// Whether too many places are empty.
    pub fn are_sparse(&self) -> bool {
        let n_cells = self.sizes.iter().filter(|size| **size > 0).count();
        self.sizes.len() > MOST_PLACES * n_cells + BLOCK * self.labels.len()
    }

    /// Pattern p goes to `place[p]`: the planes then, and where each place went.
    pub fn moved(&self, place: &[u32]) -> (Self, Vec<u32>) {
        let (mut sizes, mut went) = (vec![0; self.sizes.len()], vec![0; self.sizes.len()]);
        for (label, _) in (0..).zip(&self.labels) {
            for (old, new) in (0..).zip(place) {
                let (old, new) = (self.place(old, label), self.place(*new, label));
                sizes[new as usize] = self.sizes[old as usize];
                went[old as usize] = new;
            }
        }
        (Self { labels: self.labels.clone(), sizes, n_patterns: self.n_patterns }, went)
    }

    /// The places that have rows, in the order of `patterns`, those of a pattern by outcome, weight and arm.
    pub fn by_pattern(&self, patterns: &[u32]) -> Vec<u32> {
        let mut labels: Vec<u32> = (0..).take(self.labels.len()).collect();
        labels.sort_by(|a, b| content(&self.labels[*a as usize], &self.labels[*b as usize]));
        let places = |pattern: &u32| {
            let pattern = *pattern;
            labels.iter().map(move |label| self.place(pattern, *label))
        };
        let has_rows = |place: &u32| self.sizes[*place as usize] > 0;
        patterns.iter().flat_map(places).filter(has_rows).collect()
    }

    /// The cells that have rows, by pattern, then by label, and the number that each place's has among them.
    pub fn listed(&self) -> (Vec<Cell>, Vec<u32>) {
        let (mut list, mut number, mut next) = (Vec::new(), vec![0; self.sizes.len()], 0..);
        for pattern in (0..).take(self.n_patterns) {
            for (plane, label) in (0..).zip(&self.labels) {
                let place = self.place(pattern, plane) as usize;
                if self.sizes[place] > 0 {
                    number[place] = next.next().unwrap_or_default();
                    list.push(Cell { label: *label, pattern, size: self.sizes[place] });
                }
            }
        }
        (list, number)
    }
}
