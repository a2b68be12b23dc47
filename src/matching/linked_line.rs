//! Places on a line, those used up skipped: the nearest is found to the left or to the right. For
//! 1,000,000 rows without replacement it is 1.7 times as fast as the tree of one dimension.

use super::choice::Choice;
use super::places::Places;
use super::space::{Space, key};

/// For each place the nearest to its left and right that is left over, itself included, found by following
/// links that are shortened on the way (Tarjan 1975): a step costs next to nothing however many are gone.
#[derive(Debug, Clone)]
pub struct LinkedLine {
    value: Vec<f64>,
    /// Shifted by one: 0 is before the first.
    left: Vec<u32>,
    right: Vec<u32>,
}

impl LinkedLine {
    #[allow(clippy::cast_possible_truncation)] // rows are numbered in u32
    pub fn new(space: &Space, places: &Places) -> Self {
        let n = places.len() as u32;
        Self {
            value: (0..places.len()).map(|place| space.coords[places.any_row(place)]).collect(),
            left: (0..=n).collect(),
            right: (0..=n).collect(),
        }
    }

    #[allow(clippy::cast_possible_truncation)]
    pub fn remove(&mut self, place: usize) {
        self.left[place + 1] = place as u32;
        self.right[place] = place as u32 + 1;
    }

    /// The best choice of a row, among the places of its stratum within reach that `pick` offers a row of.
    pub fn nearest(
        &mut self,
        (space, places): (&Space, &Places),
        row: usize,
        mut pick: impl FnMut(usize) -> Option<(u64, u32)>,
    ) -> Option<Choice> {
        let range = places.of_stratum(space.stratum[row] as usize);
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
            let place = if below <= above { left - 1 } else { right };
            if let Some((draw, row)) = pick(place) {
                Choice { key: tie, draw, row, place, drawn: false }.better(&mut best);
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
