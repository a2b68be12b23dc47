//! Sites on a line, those used up skipped: the nearest is found to the left or to the right.

use super::pool::Choice;
use super::sites::Sites;
use super::space::{Space, key};

/// For each site the nearest to its left and right that is left over, itself included, found by following
/// links that are shortened on the way (Tarjan 1975): a step costs next to nothing however many are gone.
#[derive(Debug, Clone)]
pub struct Strip {
    value: Vec<f64>,
    /// Shifted by one: 0 is before the first.
    left: Vec<u32>,
    right: Vec<u32>,
}

impl Strip {
    #[allow(clippy::cast_possible_truncation)] // rows are numbered in u32
    pub fn new(space: &Space, sites: &Sites) -> Self {
        let n = sites.len() as u32;
        Self {
            value: (0..sites.len()).map(|site| space.coords[sites.any_row(site)]).collect(),
            left: (0..=n).collect(),
            right: (0..=n).collect(),
        }
    }

    #[allow(clippy::cast_possible_truncation)]
    pub fn remove(&mut self, site: usize) {
        self.left[site + 1] = site as u32;
        self.right[site] = site as u32 + 1;
    }

    /// The best choice of a row, among the sites of its stratum within reach that `pick` offers a row of.
    pub fn nearest(
        &mut self,
        (space, sites): (&Space, &Sites),
        row: usize,
        mut pick: impl FnMut(usize) -> Option<(u64, u32)>,
    ) -> Option<Choice> {
        let range = sites.of_stratum(space.stratum[row] as usize);
        let value = space.coords[row];
        let at = range.start + self.value[range.clone()].partition_point(|other| *other < value);
        let (mut left, mut right) = (follow(&mut self.left, at), follow(&mut self.right, at));
        let mut best: Option<Choice> = None;
        loop {
            let below =
                if left > range.start { value - self.value[left - 1] } else { f64::INFINITY };
            let above = if right < range.end { self.value[right] - value } else { f64::INFINITY };
            let distance = below.min(above);
            let tie = key(distance);
            if distance == f64::INFINITY
                || distance > space.reach
                || best.as_ref().is_some_and(|best| best.key < tie)
            {
                return best;
            }
            let site = if below <= above { left - 1 } else { right };
            if let Some((draw, row)) = pick(site) {
                Choice { key: tie, draw, row, site, drawn: false }.better(&mut best);
            }
            if below <= above {
                left = follow(&mut self.left, left - 1);
            } else {
                right = follow(&mut self.right, right + 1);
            }
        }
    }
}

/// The end of the links from `start`; those passed are halved.
fn follow(links: &mut [u32], start: usize) -> usize {
    let mut at = start;
    while links[at] as usize != at {
        links[at] = links[links[at] as usize];
        at = links[at] as usize;
    }
    at
}
