//! What a search in a tree finds: the cheapest of many points.

use super::whole::Whole;

/// A point, and what it costs.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    pub cost: Whole,
    pub place: u32,
    pub length: i64,
}

/// The cheapest points, ascending, at most as many as are wanted; none costs as much as `limit`, and no other less.
#[derive(Debug)]
pub struct Cheapest {
    pub found: Vec<Found>,
    wanted: usize,
    pub limit: Whole,
}

impl Cheapest {
    pub fn below(limit: Whole, wanted: usize) -> Self {
        Self { found: Vec::with_capacity(wanted), wanted, limit }
    }

    /// What costs less than the limit.
    pub fn offer(&mut self, new: Found) {
        let after = self.found.iter().rposition(|old| old.cost <= new.cost);
        self.found.truncate(self.wanted - 1);
        self.found.insert(after.map_or(0, |after| after + 1), new);
        if self.found.len() == self.wanted {
            self.limit = self.found[self.wanted - 1].cost;
        }
    }
}
