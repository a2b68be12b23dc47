//! With replacement in any space: every donor no farther than the k-th nearest, ties sharing the weight.

use rayon::prelude::*;

use super::sites::Sites;
use super::space::Space;
use super::tree::{Collector, Tree};
use crate::error::Result;
use crate::monitor::Monitor;

/// As in one dimension: distances tie when they differ by no more than this.
const TIE: f64 = 1e-12;

/// Sites a thread takes at a time.
const CHUNK: usize = 512;

/// The k nearest rows of each site, more where the last ones tie: sites of the donors, the nearest first,
/// with their distances.
pub type Near = Vec<(f64, u32)>;

/// What each of `focal`'s sites finds among the donors.
///
/// # Errors
/// [`crate::error::Error::Stopped`].
pub fn nearest(
    space: &Space,
    focal: &Sites,
    donors: &Sites,
    n_neighbors: usize,
    monitor: &Monitor,
) -> Result<Vec<Near>> {
    let tree = Tree::new(space, donors);
    let search = |site: usize| {
        let mut nearest =
            Nearest { sites: donors, n_neighbors, found: Near::new(), limit_squared: f64::MAX };
        tree.search(space, focal.any_row(site), &mut nearest);
        nearest.found
    };
    let chunks: Vec<Vec<Near>> = (0..focal.len().div_ceil(CHUNK))
        .into_par_iter()
        .map(|chunk| {
            monitor.check()?;
            Ok((chunk * CHUNK..focal.len().min((chunk + 1) * CHUNK)).map(search).collect())
        })
        .collect::<Result<_>>()?;
    Ok(chunks.into_iter().flatten().collect())
}

struct Nearest<'a> {
    sites: &'a Sites,
    n_neighbors: usize,
    found: Near,
    limit_squared: f64,
}

impl Collector for Nearest<'_> {
    fn limit_squared(&self) -> f64 {
        self.limit_squared
    }

    #[allow(clippy::cast_possible_truncation)] // rows are numbered in u32
    fn offer(&mut self, site: usize, distance: f64) {
        let entry = (distance, site as u32);
        let place = self.found.partition_point(|other| *other < entry);
        self.found.insert(place, entry);
        let mut rows = 0;
        let last = self.found.iter().find(|(_, site)| {
            rows += self.sites.range(*site as usize).len();
            rows >= self.n_neighbors
        });
        if let Some((distance, _)) = last {
            let limit = distance + TIE;
            self.found.truncate(self.found.partition_point(|(other, _)| *other <= limit));
            let slack = limit * (1.0 + 4.0 * f64::EPSILON);
            self.limit_squared = slack * slack;
        }
    }
}
