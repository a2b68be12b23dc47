//! One arm's rows while they last: the nearest that may still be taken, and taking it.

use super::choice::Choice;
use super::kd_tree::{Collector, Tree};
use super::linked_line::LinkedLine;
use super::places::Places;
use super::space::{Space, key};
use crate::error::Result;
use crate::monitor::Monitor;

/// Rows of one arm, each of which may be taken a number of times.
pub struct Available<'a> {
    space: &'a Space,
    draws: &'a [u64],
    places: Places,
    index: Index,
    /// How often each of the places' rows may still be taken.
    uses_left: Vec<u32>,
    /// By place: its first row that may be taken.
    head: Vec<u32>,
    n_left: usize,
    /// Whether there are several rows at any place.
    has_company: bool,
    /// Places before this one are used up.
    start: usize,
}

enum Index {
    Line(LinkedLine),
    Tree(Tree),
}

impl<'a> Available<'a> {
    /// # Errors
    /// [`crate::error::Error::Stopped`].
    pub fn new(
        space: &'a Space,
        draws: &'a [u64],
        rows: impl Iterator<Item = u32>,
        uses: u32,
        monitor: &Monitor,
    ) -> Result<Self> {
        let places = Places::new(space, rows, draws);
        monitor.check()?;
        let index = if space.dims == 1 {
            Index::Line(LinkedLine::new(space, &places))
        } else {
            Index::Tree(Tree::new(space, &places, monitor)?)
        };
        Ok(Self {
            uses_left: vec![uses; places.rows.len()],
            #[allow(clippy::cast_possible_truncation)] // rows are numbered in u32
            head: (0..places.len()).map(|place| places.range(place).start as u32).collect(),
            n_left: places.rows.len(),
            has_company: places.len() < places.rows.len(),
            start: 0,
            space,
            draws,
            places,
            index,
        })
    }

    pub fn is_empty(&self) -> bool {
        self.n_left == 0
    }

    /// Some row that may be taken.
    pub fn first(&mut self) -> Option<Choice> {
        while self.start < self.places.len() {
            let slot = self.head[self.start] as usize;
            if slot < self.places.range(self.start).end {
                let row = self.places.rows[slot];
                return Some(Choice {
                    key: 0.0,
                    draw: self.draws[row as usize],
                    row,
                    place: self.start,
                    drawn: false,
                });
            }
            self.start += 1;
        }
        None
    }

    /// The best row for `row`, of those that are not `barred`.
    pub fn nearest(&mut self, row: usize, barred: impl Fn(u32) -> bool) -> Option<Choice> {
        let Self { places, uses_left, head, draws, .. } = self;
        let pick = |place: usize| {
            let slots = head[place] as usize..places.range(place).end;
            let free = |slot: &usize| uses_left[*slot] > 0 && !barred(places.rows[*slot]);
            let row = slots.into_iter().find(free).map(|slot| places.rows[slot])?;
            Some((draws[row as usize], row))
        };
        let found = match &mut self.index {
            Index::Line(line) => line.nearest((self.space, places), row, pick),
            Index::Tree(tree) => {
                let mut seeker = Seeker { pick, best: None, limit_squared: f64::MAX };
                tree.search(self.space, row, &mut seeker);
                seeker.best
            }
        };
        if !self.has_company {
            return found;
        }
        found.map(|choice| {
            let among_several = self.places.range(choice.place).len() > 1;
            Choice { drawn: choice.drawn || among_several, ..choice }
        })
    }

    /// Take a row once, which must be on offer.
    pub fn take(&mut self, choice: &Choice) {
        let range = self.places.range(choice.place);
        let head = self.head[choice.place] as usize;
        let Some(slot) = (head..range.end).find(|slot| self.places.rows[*slot] == choice.row)
        else {
            return;
        };
        self.uses_left[slot] -= 1;
        if self.uses_left[slot] > 0 {
            return;
        }
        self.n_left -= 1;
        let next = (head..range.end).find(|slot| self.uses_left[*slot] > 0).unwrap_or(range.end);
        #[allow(clippy::cast_possible_truncation)]
        {
            self.head[choice.place] = next as u32;
        }
        if next == range.end {
            match &mut self.index {
                Index::Line(line) => line.remove(choice.place),
                Index::Tree(tree) => tree.remove(choice.place),
            }
        }
    }
}

/// The best row among the places of a tree.
struct Seeker<P> {
    pick: P,
    best: Option<Choice>,
    limit_squared: f64,
}

impl<P: FnMut(usize) -> Option<(u64, u32)>> Collector for Seeker<P> {
    fn limit_squared(&self) -> f64 {
        self.limit_squared
    }

    fn offer(&mut self, place: usize, distance: f64) {
        let key = key(distance);
        if self.best.as_ref().is_some_and(|best| best.key < key) {
            return;
        }
        if let Some((draw, row)) = (self.pick)(place) {
            Choice { key, draw, row, place, drawn: false }.better(&mut self.best);
            // Distances that round to the same key differ by 1e-12 at most.
            let limit = (distance + 1e-12) * (1.0 + 4.0 * f64::EPSILON);
            self.limit_squared = self.limit_squared.min(limit * limit);
        }
    }
}
