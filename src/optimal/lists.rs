//! The cheapest of the other side, kept from when a unit last looked.

use super::collecting::Cheapest;
use super::whole::{Measure, Whole};

#[derive(Debug)]
pub struct List {
    /// Their places and distances.
    pub others: Vec<(u32, i64)>,
    /// What is not on it costs no less, if savings have only fallen since.
    pub bound: Whole,
}

/// The cheapest of a list, where anything on it is cheaper than to go without.
#[derive(Debug)]
pub struct Choice {
    /// Its place and distance.
    pub other: Option<(u32, i64)>,
    /// What it costs, and what the next would.
    pub first: Whole,
    pub second: Whole,
}

impl List {
    /// Of nothing.
    pub fn empty() -> Self {
        Self { others: Vec::new(), bound: Whole::MIN }
    }

    pub fn of(cheapest: &Cheapest) -> Self {
        let others = cheapest.found.iter().map(|found| (found.place, found.length)).collect();
        Self { others, bound: cheapest.limit }
    }

    /// With what the other side saves now.
    pub fn choose(&self, without: Whole, savings: &[Whole], measure: Measure) -> Choice {
        let mut choice = Choice { other: None, first: without, second: without };
        for (other, length) in &self.others {
            let cost = measure.whole(*length) - savings[*other as usize];
            if cost < choice.first {
                let other = Some((*other, *length));
                choice = Choice { other, first: cost, second: choice.first };
            } else if cost < choice.second {
                choice.second = cost;
            }
        }
        choice
    }
}
