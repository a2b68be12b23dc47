//! One arm's rows while they last: the nearest that may still be taken, and taking it.

use super::sites::Sites;
use super::space::{Space, key};
use super::strip::Strip;
use super::tree::{Collector, Tree};
use crate::error::Result;
use crate::monitor::Monitor;

/// A row that may be chosen. Of two the nearer is better; where they tie, that with the smaller draw.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The distance, rounded.
    pub key: f64,
    pub draw: u64,
    pub row: u32,
    pub site: usize,
    /// Whether others were as near, so that a draw decided.
    pub drawn: bool,
}

impl Choice {
    fn rank(&self) -> (f64, u64, u32) {
        (self.key, self.draw, self.row)
    }

    /// Replace `best` where this is better.
    pub fn better(mut self, best: &mut Option<Self>) {
        match best {
            Some(other) if other.rank() <= self.rank() => {
                other.drawn |= other.key.total_cmp(&self.key).is_eq();
            }
            Some(other) => {
                self.drawn |= other.key.total_cmp(&self.key).is_eq();
                *best = Some(self);
            }
            None => *best = Some(self),
        }
    }
}

/// Rows of one arm, each of which may be taken a number of times.
pub struct Pool<'a> {
    space: &'a Space,
    draws: &'a [u64],
    sites: Sites,
    index: Index,
    /// By place among the sites' rows: how often each may still be taken.
    uses_left: Vec<u32>,
    /// By site: its first row that may be taken.
    head: Vec<u32>,
    n_left: usize,
    /// Whether there are several rows at any site.
    has_company: bool,
    /// Sites before this one are used up.
    start: usize,
}

enum Index {
    Strip(Strip),
    Tree(Tree),
}

impl<'a> Pool<'a> {
    /// # Errors
    /// [`crate::error::Error::Stopped`].
    pub fn new(
        space: &'a Space,
        draws: &'a [u64],
        rows: impl Iterator<Item = u32>,
        uses: u32,
        monitor: &Monitor,
    ) -> Result<Self> {
        let sites = Sites::new(space, rows, draws);
        monitor.check()?;
        let index = if space.dims == 1 {
            Index::Strip(Strip::new(space, &sites))
        } else {
            Index::Tree(Tree::new(space, &sites, monitor)?)
        };
        Ok(Self {
            uses_left: vec![uses; sites.rows.len()],
            #[allow(clippy::cast_possible_truncation)] // rows are numbered in u32
            head: (0..sites.len()).map(|site| sites.range(site).start as u32).collect(),
            n_left: sites.rows.len(),
            has_company: sites.len() < sites.rows.len(),
            start: 0,
            space,
            draws,
            sites,
            index,
        })
    }

    pub fn is_empty(&self) -> bool {
        self.n_left == 0
    }

    /// Some row that may be taken.
    pub fn first(&mut self) -> Option<Choice> {
        while self.start < self.sites.len() {
            let place = self.head[self.start] as usize;
            if place < self.sites.range(self.start).end {
                let row = self.sites.rows[place];
                return Some(Choice {
                    key: 0.0,
                    draw: self.draws[row as usize],
                    row,
                    site: self.start,
                    drawn: false,
                });
            }
            self.start += 1;
        }
        None
    }

    /// The best row for `row`, of those that are not `barred`.
    pub fn nearest(&mut self, row: usize, barred: impl Fn(u32) -> bool) -> Option<Choice> {
        let Self { sites, uses_left, head, draws, .. } = self;
        let pick = |site: usize| {
            let places = head[site] as usize..sites.range(site).end;
            let free = |place: &usize| uses_left[*place] > 0 && !barred(sites.rows[*place]);
            let row = places.into_iter().find(free).map(|place| sites.rows[place])?;
            Some((draws[row as usize], row))
        };
        let found = match &mut self.index {
            Index::Strip(strip) => strip.nearest((self.space, sites), row, pick),
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
            let among_several = self.sites.range(choice.site).len() > 1;
            Choice { drawn: choice.drawn || among_several, ..choice }
        })
    }

    /// Take a row once, which must be on offer.
    pub fn take(&mut self, choice: &Choice) {
        let range = self.sites.range(choice.site);
        let head = self.head[choice.site] as usize;
        let Some(place) = (head..range.end).find(|place| self.sites.rows[*place] == choice.row)
        else {
            return;
        };
        self.uses_left[place] -= 1;
        if self.uses_left[place] > 0 {
            return;
        }
        self.n_left -= 1;
        let next = (head..range.end).find(|place| self.uses_left[*place] > 0).unwrap_or(range.end);
        #[allow(clippy::cast_possible_truncation)]
        {
            self.head[choice.site] = next as u32;
        }
        if next == range.end {
            match &mut self.index {
                Index::Strip(strip) => strip.remove(choice.site),
                Index::Tree(tree) => tree.remove(choice.site),
            }
        }
    }
}

/// The best row among the sites of a tree.
struct Seeker<P> {
    pick: P,
    best: Option<Choice>,
    limit_squared: f64,
}

impl<P: FnMut(usize) -> Option<(u64, u32)>> Collector for Seeker<P> {
    fn limit_squared(&self) -> f64 {
        self.limit_squared
    }

    fn offer(&mut self, site: usize, distance: f64) {
        let key = key(distance);
        if self.best.as_ref().is_some_and(|best| best.key < key) {
            return;
        }
        if let Some((draw, row)) = (self.pick)(site) {
            Choice { key, draw, row, site, drawn: false }.better(&mut self.best);
            // Distances that round to the same key differ by 1e-12 at most.
            let limit = (distance + 1e-12) * (1.0 + 4.0 * f64::EPSILON);
            self.limit_squared = self.limit_squared.min(limit * limit);
        }
    }
}
