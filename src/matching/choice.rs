//! A row that may be chosen, and which of two is the better.

/// A row that may be chosen. Of two the nearer is better; where they tie, that with the smaller draw.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The distance, rounded.
    pub key: f64,
    pub draw: u64,
    pub row: u32,
    pub place: usize,
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
