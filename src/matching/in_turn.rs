//! Donors taken one after the other, none more often than allowed: matching without replacement.
//!
//! Focal rows choose in a stated order, each the nearest donor that is left over. Every one gets a first
//! donor before any gets a second. Among donors at the same distance (to twelve decimals) that with the
//! smallest draw is taken, and the same draws settle whose turn it is among focal rows that are equal: the
//! order of the rows decides nothing, but where it is asked to.
//!
//! With [`Order::Closest`] the closest pair of all is made first, then the closest of those left over. Such
//! a pair is found where two rows are each other's nearest, which a chain from row to nearest reaches, for
//! its steps get ever shorter. Any two mutually nearest rows would be paired sooner or later, so that the
//! order in which chains find them does not matter (Bruynooghe 1977; a stable matching with one common
//! ranking of the pairs is unique), and there are no more steps than about three for each pair.

use super::available::Available;
use super::choice::Choice;
use super::space::Space;
use super::spec::Order;
use crate::error::Result;
use crate::monitor::Monitor;

/// The donors of each of `focal`'s rows, in the order in which they were taken.
pub struct Taken {
    /// Whether a draw decided anything.
    pub drawn: bool,
    per_row: usize,
    donors: Vec<u32>,
    counts: Vec<u32>,
}

impl Taken {
    fn new(n_focal: usize, per_row: usize) -> Self {
        Self { drawn: false, per_row, donors: vec![0; n_focal * per_row], counts: vec![0; n_focal] }
    }

    pub fn of(&self, focal: usize) -> &[u32] {
        let start = focal * self.per_row;
        &self.donors[start..start + self.counts[focal] as usize]
    }

    fn add(&mut self, focal: usize, donor: u32) {
        self.donors[focal * self.per_row + self.counts[focal] as usize] = donor;
        self.counts[focal] += 1;
    }
}

/// What is needed to choose.
pub struct Turn<'a> {
    pub space: &'a Space,
    pub draws: &'a [u64],
    pub scores: Option<&'a [f64]>,
    pub n_neighbors: usize,
    /// How often a donor may serve.
    pub uses: u32,
    pub order: Order,
}

impl Order {
    /// The order among rows of one arm: the scarcest donors are those of its likeliest rows.
    #[must_use]
    pub fn of_arm(self, treated: bool) -> Self {
        match self {
            Self::Scarcest if treated => Self::Largest,
            Self::Scarcest => Self::Smallest,
            stated => stated,
        }
    }
}

impl Turn<'_> {
    /// Give `focal` rows (ascending) their donors.
    ///
    /// # Errors
    /// [`crate::error::Error::Stopped`].
    pub fn assign(&self, focal: &[u32], donors: &[u32], monitor: &Monitor) -> Result<Taken> {
        // Nobody has more donors than there are.
        let per_row = self.n_neighbors.min(donors.len());
        let mut taken = Taken::new(focal.len(), per_row);
        let donors =
            Available::new(self.space, self.draws, donors.iter().copied(), self.uses, monitor)?;
        let order = self.order(focal);
        taken.drawn = self.is_drawn(focal, &order);
        let mut draft = Draft { turn: self, focal, donors, taken, monitor };
        monitor.check()?;
        for round in 0..per_row {
            // Who got nothing in a round gets nothing in the next: donors only become fewer.
            let waiting = |place: &usize| draft.taken.of(*place).len() == round;
            let waiting: Vec<usize> = order.iter().copied().filter(waiting).collect();
            if self.order == Order::Closest {
                draft.closest(&waiting)?;
            } else {
                draft.in_turn(&waiting)?;
            }
        }
        Ok(draft.taken)
    }

    /// Whether a draw decides who chooses first.
    fn is_drawn(&self, focal: &[u32], order: &[usize]) -> bool {
        match self.order {
            Order::Random => order.len() > 1,
            Order::Data | Order::Closest => false,
            Order::Scarcest | Order::Largest | Order::Smallest => {
                let score = |place: usize| self.scores.map(|scores| scores[focal[place] as usize]);
                order.windows(2).any(|places| score(places[0]) == score(places[1]))
            }
        }
    }

    /// The places of the focal rows in the order in which they choose.
    fn order(&self, focal: &[u32]) -> Vec<usize> {
        let mut places: Vec<usize> = (0..focal.len()).collect();
        let draw = |place: usize| (self.draws[focal[place] as usize], focal[place]);
        let score = |place: usize| self.scores.map_or(0.0, |scores| scores[focal[place] as usize]);
        let sort_by = |places: &mut Vec<usize>, sign: f64| {
            places.sort_unstable_by(|a, b| {
                (sign * score(*a))
                    .total_cmp(&(sign * score(*b)))
                    .then_with(|| draw(*a).cmp(&draw(*b)))
            });
        };
        match self.order {
            Order::Largest => sort_by(&mut places, -1.0),
            Order::Smallest | Order::Scarcest => sort_by(&mut places, 1.0),
            Order::Random => places.sort_unstable_by_key(|place| draw(*place)),
            Order::Data | Order::Closest => {}
        }
        places
    }
}

/// Choices as they are made.
struct Draft<'a> {
    turn: &'a Turn<'a>,
    focal: &'a [u32],
    donors: Available<'a>,
    taken: Taken,
    monitor: &'a Monitor,
}

impl Draft<'_> {
    /// One round in a stated order.
    fn in_turn(&mut self, waiting: &[usize]) -> Result<()> {
        for place in waiting {
            self.monitor.check()?;
            if self.donors.is_empty() {
                return Ok(());
            }
            let own = self.taken.of(*place);
            let found =
                self.donors.nearest(self.focal[*place] as usize, |donor| own.contains(&donor));
            if let Some(donor) = found {
                self.taken.drawn |= donor.drawn;
                self.donors.take(&donor);
                self.taken.add(*place, donor.row);
            }
        }
        Ok(())
    }

    /// One round of closest pairs.
    fn closest(&mut self, waiting: &[usize]) -> Result<()> {
        let Self { turn, focal, donors, taken, monitor } = self;
        let place_of = |row: u32| focal.partition_point(|other| *other < row);
        let rows = waiting.iter().map(|place| focal[*place]);
        let mut seekers = Available::new(turn.space, turn.draws, rows, 1, monitor)?;
        let mut chain: Vec<Choice> = Vec::new();
        let mut drawn = taken.drawn;
        while let Some(start) = chain.pop().or_else(|| seekers.first()) {
            monitor.check()?;
            let place = place_of(start.row);
            let own = taken.of(place);
            let Some(donor) = donors.nearest(start.row as usize, |donor| own.contains(&donor))
            else {
                seekers.take(&start);
                continue;
            };
            drawn |= donor.drawn;
            let served = |seeker: u32| taken.of(place_of(seeker)).contains(&donor.row);
            let back = seekers.nearest(donor.row as usize, served);
            drawn |= back.as_ref().is_some_and(|back| back.drawn);
            match back {
                Some(back) if back.row != start.row => chain.extend([start, back]),
                _ => {
                    seekers.take(&start);
                    donors.take(&donor);
                    taken.add(place, donor.row);
                }
            }
        }
        taken.drawn = drawn;
        Ok(())
    }
}
