//! Passes over the groups of a line, piece by piece on all threads: sums over all of them, and sums over the groups of
//! another line that each adds to near its own value.

use std::ops::Range;

use rayon::prelude::*;

use super::neighbors::Found;
use crate::error::Result;
use crate::linalg::add;

/// Groups that a thread takes at a time: a fixed number, so that sums do not depend on how many threads there are.
pub const PIECE: usize = 4096;

/// Pieces whose additions are held at a time.
const HELD: usize = 64;

/// Sums over n groups, which `of` gives of some of them.
pub fn sums<const K: usize>(n: usize, of: impl Fn(Range<usize>) -> [f64; K] + Sync) -> [f64; K] {
    let pieces: Vec<[f64; K]> = pieces(0..n).map(&of).collect();
    let mut all = [0.0; K];
    for piece in &pieces {
        add(&mut all, 1.0, piece);
    }
    all
}

fn pieces(groups: Range<usize>) -> impl IndexedParallelIterator<Item = Range<usize>> {
    let (first, end) = (groups.start, groups.end);
    let starts = (first..end).into_par_iter().step_by(PIECE);
    starts.map(move |start| start..end.min(start + PIECE))
}

/// What some groups add to neighbouring groups of a line.
#[derive(Debug)]
pub struct Additions<const K: usize> {
    first: usize,
    sums: Vec<[f64; K]>,
}

impl<const K: usize> Additions<K> {
    /// Nothing yet, to any of the groups that were found, or to these.
    #[must_use]
    pub fn to(found: &[Found], beside: Range<usize>) -> Self {
        let found = found.iter().filter(|found| !found.is_empty()).map(Found::groups);
        let beside = Some(beside).filter(|groups| !groups.is_empty());
        let all = found.chain(beside);
        let groups = all.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or_default();
        Self { first: groups.start, sums: vec![[0.0; K]; groups.len()] }
    }

    #[inline]
    pub fn add(&mut self, group: usize, more: [f64; K]) {
        self.sums[group - self.first].iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
    }
}

/// Add up on the groups of several lines what n groups of one add to them, as `of` says of some: in the order of these.
///
/// # Errors
/// Those of `of`.
pub fn add_up<const K: usize, const L: usize>(
    n: usize,
    into: &mut [Vec<[f64; K]>; L],
    of: impl Fn(Range<usize>) -> Result<[Additions<K>; L]> + Sync,
) -> Result<()> {
    for first in (0..n).step_by(PIECE * HELD) {
        let held: Result<Vec<_>> = pieces(first..n.min(first + PIECE * HELD)).map(&of).collect();
        let held = held?;
        into.par_iter_mut().enumerate().for_each(|(line, sums)| {
            for Additions { first, sums: more } in held.iter().map(|lines| &lines[line]) {
                let own = &mut sums[*first..first + more.len()];
                let (own, more) = (own.as_flattened_mut(), more.as_flattened());
                own.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
            }
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::neighbors::Search;

    #[test]
    fn sums_are_those_of_all_groups() {
        let n = 3 * PIECE + 7;
        let [count, total] =
            sums(n, |groups| [groups.len() as f64, groups.map(|group| group as f64).sum()]);
        assert!((count - n as f64).abs() < 0.5);
        assert!((total - (n * (n - 1) / 2) as f64).abs() < 0.5);
    }

    #[test]
    fn add_up_agrees_with_additions_one_by_one() {
        let donors: Vec<f64> = (0..5000).map(|group| f64::from(group) * 3.7).collect();
        let n = 2 * PIECE * HELD + 11;
        let values: Vec<f64> = (0..n).map(|group| group as f64 * 0.03).collect();
        let search = Search { n_neighbors: 3.0, reach: f64::INFINITY };
        let found = |group: usize| {
            let above = donors.partition_point(|donor| *donor < values[group]);
            search.around(values[group], above, &donors, |_| 1.0)
        };
        let mut sums = [vec![[0.0; 2]; donors.len()], vec![[0.0; 2]; n]];
        add_up(n, &mut sums, |groups| {
            let near: Vec<Found> = groups.clone().map(found).collect();
            let mut added = [Additions::to(&near, 0..0), Additions::to(&[], groups.clone())];
            for (group, near) in groups.zip(&near) {
                near.groups().for_each(|donor| added[0].add(donor, [1.0, group as f64]));
                added[1].add(group, [1.0, 0.5]);
            }
            Ok(added)
        })
        .unwrap();
        let mut expected = vec![[0.0; 2]; donors.len()];
        for group in 0..n {
            for donor in found(group).groups() {
                expected[donor][0] += 1.0;
                expected[donor][1] += group as f64;
            }
        }
        assert_eq!(sums[0], expected);
        assert_eq!(sums[1], vec![[1.0, 0.5]; n]);
    }
}
