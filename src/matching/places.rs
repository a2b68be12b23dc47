//! The distinct places of some rows, so that rows in one place are looked at once.

use std::cmp::Ordering;
use std::ops::Range;

use rayon::prelude::*;

use super::space::Space;

/// Distinct coordinates sorted by stratum, then one by one, with the rows at each in the order of their draws.
#[derive(Debug, Clone)]
pub struct Places {
    /// Row numbers, place by place.
    pub rows: Vec<u32>,
    /// Where each place's rows begin, and the end of the last.
    first: Vec<u32>,
    /// Where each stratum's places begin, and the end of the last.
    strata: Vec<u32>,
}

impl Places {
    #[must_use]
    pub fn new(space: &Space, rows: impl Iterator<Item = u32>, draws: &[u64]) -> Self {
        let rows = sorted(space, rows, draws);
        let stratum = |row: u32| space.stratum[row as usize];
        let same = |a: u32, b: u32| {
            stratum(a) == stratum(b) && space.point(a as usize) == space.point(b as usize)
        };
        let (mut first, mut strata) = (Vec::new(), vec![0; space.n_strata + 1]);
        for (slot, row) in (0_u32..).zip(&rows) {
            if slot == 0 || !same(rows[slot as usize - 1], *row) {
                first.push(slot);
                strata[stratum(*row) as usize + 1] += 1;
            }
        }
        #[allow(clippy::cast_possible_truncation)] // rows are numbered in u32
        first.push(rows.len() as u32);
        for group in 0..space.n_strata {
            strata[group + 1] += strata[group];
        }
        Self { rows, first, strata }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.first.len() - 1
    }

    /// Where a place's rows stand among all rows.
    #[must_use]
    pub fn range(&self, place: usize) -> Range<usize> {
        self.first[place] as usize..self.first[place + 1] as usize
    }

    #[must_use]
    pub fn rows_at(&self, place: usize) -> &[u32] {
        &self.rows[self.range(place)]
    }

    /// Any row of the place.
    #[must_use]
    pub fn any_row(&self, place: usize) -> usize {
        self.rows[self.first[place] as usize] as usize
    }

    #[must_use]
    pub fn of_stratum(&self, stratum: usize) -> Range<usize> {
        self.strata[stratum] as usize..self.strata[stratum + 1] as usize
    }
}

/// What decides most comparisons lies side by side: several times faster than looking it up.
fn sorted(space: &Space, rows: impl Iterator<Item = u32>, draws: &[u64]) -> Vec<u32> {
    let entry = |row: u32| {
        let at = row as usize;
        (space.stratum[at], space.point(at).first().copied().unwrap_or(0.0), draws[at], row)
    };
    let mut entries: Vec<(u32, f64, u64, u32)> = rows.map(entry).collect();
    let rest = |row: u32| space.point(row as usize).iter().skip(1);
    let by_rest = |a: u32, b: u32| {
        let orders = rest(a).zip(rest(b)).map(|(x, y)| x.total_cmp(y));
        orders.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    };
    entries.par_sort_unstable_by(|a, b| {
        a.0.cmp(&b.0)
            .then(a.1.total_cmp(&b.1))
            .then_with(|| by_rest(a.3, b.3))
            .then(a.2.cmp(&b.2))
            .then(a.3.cmp(&b.3))
    });
    entries.into_iter().map(|entry| entry.3).collect()
}
