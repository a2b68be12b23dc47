//! Passes over the groups of a line, piece by piece on all threads: sums over all of them, and sums over the groups of
//! another line that each adds to near its own value.

use std::ops::Range;

use rayon::prelude::*;

use crate::error::Result;
use crate::linalg::add;

/// Groups that a thread takes at a time: a fixed number, so that sums do not depend on how many threads there are.
pub const PIECE: usize = 4096;

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

/// Zeros for n groups, written by all threads: memory that is first read, and then added to, costs its pages twice.
pub fn zeros<const K: usize>(n: usize) -> Vec<[f64; K]> {
    (0..n).into_par_iter().with_min_len(PIECE).map(|_| [0.0; K]).collect()
}

/// What a piece of groups adds to the groups of a line: to those that stand where its own values do, and to a few beyond
/// them on either side, which the pieces beside it add to as well.
#[derive(Debug)]
pub struct Additions<'a, const K: usize> {
    first: usize,
    sums: &'a mut [[f64; K]],
    /// To the groups before the first, the nearest first, and to those behind the last.
    beyond: [Vec<[f64; K]>; 2],
}

impl<'a, const K: usize> Additions<'a, K> {
    fn to(first: usize, sums: &'a mut [[f64; K]]) -> Self {
        Self { first, sums, beyond: [vec![], vec![]] }
    }

    #[inline]
    pub fn add(&mut self, group: usize, more: [f64; K]) {
        let sums = match self.sums.get_mut(group.wrapping_sub(self.first)) {
            Some(sums) => sums,
            None => self.beyond(group),
        };
        sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
    }

    #[cold]
    fn beyond(&mut self, group: usize) -> &mut [f64; K] {
        let end = self.first + self.sums.len();
        let [before, behind] = &mut self.beyond;
        let (sums, place) = match self.first.checked_sub(group + 1) {
            Some(place) => (before, place),
            None => (behind, group - end),
        };
        sums.resize(sums.len().max(place + 1), [0.0; K]);
        &mut sums[place]
    }

    /// The groups beyond, and what is added to each.
    fn left_over(self) -> impl Iterator<Item = (usize, [f64; K])> {
        let end = self.first + self.sums.len();
        let [before, behind] = self.beyond;
        let before = (0..self.first).rev().zip(before);
        before.chain((end..).zip(behind))
    }
}

/// A line of groups, with their values, which ascend, and sums.
pub type Line<'a, const K: usize> = (&'a [f64], &'a mut [[f64; K]]);

/// Add up on the groups of several lines what other groups, with these values, add to them near their own, as `of` says of a
/// piece of these: in the order of the pieces.
///
/// # Errors
/// Those of `of`.
pub fn add_up<const K: usize, const L: usize>(
    values: &[f64],
    mut lines: [Line<'_, K>; L],
    of: impl Fn(Range<usize>, &mut [Additions<'_, K>; L]) -> Result<()> + Sync,
) -> Result<()> {
    let left_over = {
        let mut rest = lines.each_mut().map(|(line, sums)| Rest { line, sums, first: 0 });
        let starts = (0..values.len()).step_by(PIECE);
        let pieces: Vec<[Additions<'_, K>; L]> = starts
            .map(|start| rest.each_mut().map(|rest| rest.cut(values.get(start + PIECE))))
            .collect();
        let added = pieces.into_par_iter().enumerate().map(|(piece, mut added)| {
            of(piece * PIECE..values.len().min((piece + 1) * PIECE), &mut added)?;
            Ok(added.map(|line| line.left_over().collect::<Vec<_>>()))
        });
        added.collect::<Result<Vec<_>>>()?
    };
    for piece in left_over {
        for ((_, sums), left_over) in lines.iter_mut().zip(piece) {
            for (group, more) in left_over {
                sums[group].iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
            }
        }
    }
    Ok(())
}

/// The groups of a line, from one on, and their sums.
struct Rest<'a, 'l, const K: usize> {
    line: &'l [f64],
    sums: &'a mut [[f64; K]],
    first: usize,
}

impl<'a, const K: usize> Rest<'a, '_, K> {
    /// Cut off what stands below a value; all, where there is none.
    fn cut(&mut self, value: Option<&f64>) -> Additions<'a, K> {
        let end =
            value.map_or(self.line.len(), |value| self.line.partition_point(|own| own < value));
        let (sums, rest) = std::mem::take(&mut self.sums).split_at_mut(end - self.first);
        self.sums = rest;
        Additions::to(std::mem::replace(&mut self.first, end), sums)
    }
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
        let n = 20 * PIECE + 11;
        let values: Vec<f64> = (0..n).map(|group| group as f64 * 0.03).collect();
        let search = Search { n_neighbors: 3.0, reach: f64::INFINITY };
        let found = |group: usize| {
            let above = donors.partition_point(|donor| *donor < values[group]);
            search.around(values[group], above, &donors, |_| 1.0)
        };
        let mut sums = [vec![[0.0; 2]; donors.len()], vec![[0.0; 2]; n]];
        let [of_donors, of_own] = &mut sums;
        add_up(&values, [(&donors, of_donors), (&values, of_own)], |groups, added| {
            for group in groups {
                for donor in found(group).groups() {
                    added[0].add(donor, [1.0, group as f64]);
                }
                added[1].add(group, [1.0, 0.5]);
            }
            Ok(())
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
