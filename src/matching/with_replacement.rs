//! With replacement in any space: every donor no farther than the k-th nearest, ties sharing the weight.

use rayon::prelude::*;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::caliper::TIE;
use super::kd_tree::{Collector, Tree};
use super::places::Places;
use super::space::Space;
use crate::error::Result;
use crate::monitor::Monitor;
use crate::reserve::room_for;

/// Places a thread takes at a time.
const CHUNK: usize = 512;

/// Bytes that a neighbour takes, here and in the pairs that are made of it, vectors that have grown included.
const BYTES: usize = 64;

/// The k nearest rows of each place, more where the last ones tie: places of the donors, the nearest first,
/// with their distances.
pub type Near = Vec<(f64, u32)>;

/// What each of `focal`'s places finds among the donors.
///
/// # Errors
/// [`crate::error::Error::Stopped`]; [`crate::error::Error::Memory`] where more tie than can be kept.
pub fn nearest(
    space: &Space,
    focal: &Places,
    donors: &Places,
    n_neighbors: usize,
    monitor: &Monitor,
) -> Result<Vec<Near>> {
    let tree = Tree::new(space, donors, monitor)?;
    let search = |place: usize| {
        let mut nearest = Nearest::new(donors, n_neighbors);
        tree.search(space, focal.any_row(place), &mut nearest);
        nearest.close()
    };
    let n_found = AtomicUsize::new(0);
    let chunks: Vec<Vec<Near>> = (0..focal.len().div_ceil(CHUNK))
        .into_par_iter()
        .map(|chunk| {
            monitor.check()?;
            let places = chunk * CHUNK..focal.len().min((chunk + 1) * CHUNK);
            let found: Vec<Near> = places.map(search).collect();
            let own = found.iter().map(Near::len).sum();
            room_for(n_found.fetch_add(own, Relaxed) + own, BYTES)?;
            Ok(found)
        })
        .collect::<Result<_>>()?;
    Ok(chunks.into_iter().flatten().collect())
}

/// The nearest so far: as few as have k rows, and whoever was no farther than the last of them.
struct Nearest<'a> {
    places: &'a Places,
    n_neighbors: usize,
    /// Ascending.
    found: Near,
    /// How many rows these have.
    n_rows: usize,
    /// In no order, and some of them too far by now. However many tie, each costs the same.
    tied: Near,
    limit: f64,
    limit_squared: f64,
}

impl<'a> Nearest<'a> {
    fn new(places: &'a Places, n_neighbors: usize) -> Self {
        let (found, tied) = (Near::new(), Near::new());
        let (limit, limit_squared) = (f64::INFINITY, f64::MAX);
        Self { places, n_neighbors, found, n_rows: 0, tied, limit, limit_squared }
    }

    fn rows(&self, (_, place): (f64, u32)) -> usize {
        self.places.range(place as usize).len()
    }

    /// All of them, ascending.
    fn close(self) -> Near {
        let Self { mut found, tied, limit, .. } = self;
        found.extend(tied.into_iter().filter(|(distance, _)| *distance <= limit));
        found.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        found
    }
}

impl Collector for Nearest<'_> {
    fn limit_squared(&self) -> f64 {
        self.limit_squared
    }

    #[allow(clippy::cast_possible_truncation)] // rows are numbered in u32
    fn offer(&mut self, place: usize, distance: f64) {
        let entry = (distance, place as u32);
        let is_full = self.n_rows >= self.n_neighbors;
        if is_full && self.found.last().is_some_and(|last| distance >= last.0) {
            self.tied.push(entry);
            return;
        }
        self.found.insert(self.found.partition_point(|other| *other < entry), entry);
        self.n_rows += self.rows(entry);
        while let Some(last) = self.found.last().copied()
            && self.n_rows - self.rows(last) >= self.n_neighbors
        {
            self.n_rows -= self.rows(last);
            self.tied.extend(self.found.pop());
        }
        if let Some((distance, _)) = self.found.last().filter(|_| self.n_rows >= self.n_neighbors) {
            self.limit = distance + TIE;
            let slack = self.limit * (1.0 + 4.0 * f64::EPSILON);
            self.limit_squared = slack * slack;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of one stratum on a line, all distinct.
    fn places(coords: &[f64], rows: std::ops::Range<u32>) -> (Space, Places) {
        let n = coords.len();
        let mut space = Space::within(coords.to_vec(), 1, (vec![0; n], 1));
        space.metric = 1;
        let places = Places::new(&space, rows, &vec![0; n]);
        (space, places)
    }

    #[test]
    fn nearest_keeps_all_that_tie_in_time_that_grows_as_they_do() {
        // From so far away all donors are equally far. Kept in order, as few as they are in other places, they
        // would be moved some 10^10 times.
        let mut coords: Vec<f64> = (0..200_000).map(f64::from).collect();
        coords.push(1e30);
        let (space, donors) = places(&coords, 0..200_000);
        let focal = Places::new(&space, 200_000..200_001, &vec![0; coords.len()]);
        let found = nearest(&space, &focal, &donors, 3, &Monitor::default()).unwrap();
        let expected: Vec<u32> = (0..200_000).collect();
        assert_eq!(found[0].iter().map(|(_, place)| *place).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn nearest_is_what_sorting_finds() {
        let coords: Vec<f64> = (0..300).map(|i| f64::from(i * i % 101) / 8.0).collect();
        let (space, donors) = places(&coords, 0..200);
        let focal = Places::new(&space, 200..300, &vec![0; 300]);
        for k in [1, 2, 5, 40, 200] {
            let found = nearest(&space, &focal, &donors, k, &Monitor::default()).unwrap();
            for (seeker, found) in found.iter().enumerate() {
                let distance = |place: u32| {
                    space.distance(focal.any_row(seeker), donors.any_row(place as usize))
                };
                let mut all: Near =
                    (0_u32..).take(donors.len()).map(|s| (distance(s), s)).collect();
                all.sort_by(|a, b| a.partial_cmp(b).unwrap());
                let mut rows = 0;
                let last = all.iter().find(|(_, place)| {
                    rows += donors.rows_at(*place as usize).len();
                    rows >= k
                });
                let limit = last.unwrap().0;
                all.retain(|(distance, _)| *distance <= limit + TIE);
                assert_eq!(*found, all, "{k}");
            }
        }
    }
}
