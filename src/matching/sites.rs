//! The distinct places of some rows, so that rows in one place are looked at once.

use std::cmp::Ordering;
use std::ops::Range;

use rayon::prelude::*;

use super::space::Space;

/// Places sorted by stratum and coordinates, with the rows at each in the order of their draws.
#[derive(Debug, Clone)]
pub struct Sites {
    /// Row numbers, site by site.
    pub rows: Vec<u32>,
    /// Where each site's rows begin, and the end of the last.
    first: Vec<u32>,
    /// Where each stratum's sites begin, and the end of the last.
    strata: Vec<u32>,
}

impl Sites {
    #[must_use]
    pub fn new(space: &Space, rows: impl Iterator<Item = u32>, draws: &[u64]) -> Self {
        let rows = sorted(space, rows, draws);
        let stratum = |row: u32| space.stratum[row as usize];
        let same = |a: u32, b: u32| {
            stratum(a) == stratum(b) && space.point(a as usize) == space.point(b as usize)
        };
        let (mut first, mut strata) = (Vec::new(), vec![0; space.n_strata + 1]);
        for (place, row) in (0_u32..).zip(&rows) {
            if place == 0 || !same(rows[place as usize - 1], *row) {
                first.push(place);
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

    /// The places of a site's rows among all rows.
    #[must_use]
    pub fn range(&self, site: usize) -> Range<usize> {
        self.first[site] as usize..self.first[site + 1] as usize
    }

    #[must_use]
    pub fn rows_at(&self, site: usize) -> &[u32] {
        &self.rows[self.range(site)]
    }

    /// Any row of the site: all are in the same place.
    #[must_use]
    pub fn any_row(&self, site: usize) -> usize {
        self.rows[self.first[site] as usize] as usize
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
