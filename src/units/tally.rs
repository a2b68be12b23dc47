//! What a unit of the data stands for. A unit is a row, or a group of rows with equal covariates; a
//! pass over the data asks each unit how many of its rows are in either arm and what they sum to.

use crate::kernels::{BLOCK, Bits, Company, Label, Lane, Tallies, company, positive};

/// Rows (or their weights) of a unit by arm, and the sums of their outcomes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tally {
    pub treated: f64,
    pub control: f64,
    pub outcome_treated: f64,
    pub outcome_control: f64,
}

impl Tally {
    /// The rows of one arm, and the sum of their outcomes.
    #[must_use]
    pub fn arm(&self, arm: bool) -> (f64, f64) {
        if arm {
            (self.treated, self.outcome_treated)
        } else {
            (self.control, self.outcome_control)
        }
    }

    /// The tally of `count` such units.
    #[must_use]
    pub fn times(self, count: f64) -> Self {
        Self {
            treated: count * self.treated,
            control: count * self.control,
            outcome_treated: count * self.outcome_treated,
            outcome_control: count * self.outcome_control,
        }
    }

    pub fn add(&mut self, other: Self) {
        self.treated += other.treated;
        self.control += other.control;
        self.outcome_treated += other.outcome_treated;
        self.outcome_control += other.outcome_control;
    }

    /// The tally of a single row of weight `weight`.
    #[must_use]
    pub fn row(treated: bool, outcome: f64, weight: f64) -> Self {
        let (one, zero) = if treated { (weight, 0.0) } else { (0.0, weight) };
        Self {
            treated: one,
            control: zero,
            outcome_treated: one * outcome,
            outcome_control: zero * outcome,
        }
    }
}

/// Units that can be asked for their tallies.
pub trait Units: Sync {
    fn len(&self) -> usize;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn tally(&self, unit: usize) -> Tally;

    /// How many rows it has.
    #[inline]
    fn count(&self, unit: usize) -> f64 {
        let Tally { treated, control, .. } = self.tally(unit);
        treated + control
    }

    /// The rows of one arm, and the sum of their outcomes.
    #[inline]
    fn arm(&self, unit: usize, arm: bool) -> (f64, f64) {
        self.tally(unit).arm(arm)
    }

    /// The same of a unit that has rows of the arm.
    #[inline]
    fn arm_there(&self, unit: usize, arm: bool) -> (f64, f64) {
        self.arm(unit, arm)
    }

    /// Binomial counts of a block that starts at unit `start`, padded with zeros.
    fn load_counts(&self, start: usize, trials: &mut Lane, successes: &mut Lane) {
        let length = BLOCK.min(self.len() - start);
        for slot in 0..length {
            let tally = self.tally(start + slot);
            trials[slot] = tally.treated + tally.control;
            successes[slot] = tally.treated;
        }
        trials[length..].fill(0.0);
        successes[length..].fill(0.0);
    }

    /// Tallies of the block that starts at unit `start`, padded with zeros, in `room` or lent; those of the
    /// outcome only where they are wanted, and otherwise anything.
    fn block<'a>(
        &'a self,
        start: usize,
        _wants_outcome: bool,
        room: &'a mut Tallies,
    ) -> &'a Tallies {
        let length = BLOCK.min(self.len() - start);
        for slot in 0..BLOCK {
            let tally = if slot < length { self.tally(start + slot) } else { Tally::default() };
            room.rows[0][slot] = tally.control;
            room.rows[1][slot] = tally.treated;
            room.outcome[0][slot] = tally.outcome_control;
            room.outcome[1][slot] = tally.outcome_treated;
        }
        room
    }

    /// Which units of the block that starts at unit `start` have rows, control arm first.
    fn present(&self, start: usize, room: &mut Tallies) -> [Bits; 2] {
        self.block(start, false, room).rows.each_ref().map(positive)
    }

    /// The same, with what the units' focal arm finds in the other arm of the same units.
    fn company(&self, start: usize, focal: bool, room: &mut Tallies) -> Company {
        company(self.block(start, true, room), focal)
    }
}

/// Rows as they are, each weighing 1 or its sample weight, without outcomes: what a score model sees.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    pub treatment: &'a [bool],
    pub sample_weight: Option<&'a [f64]>,
}

impl Units for Rows<'_> {
    fn len(&self) -> usize {
        self.treatment.len()
    }

    fn tally(&self, unit: usize) -> Tally {
        let weight = self.sample_weight.map_or(1.0, |weights| weights[unit]);
        Tally::row(self.treatment[unit], 0.0, weight)
    }
}

/// How often a row was drawn: a whole number, or a weight.
pub trait Count: Copy + Default + PartialOrd + Into<f64> + Send + Sync {}

impl Count for u8 {}
impl Count for u32 {}
impl Count for f64 {}

/// A whole number of times that a row was drawn.
pub trait Whole: Count {
    #[must_use]
    fn plus(self, more: u32) -> Self;
}

impl Whole for u8 {
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // see `Urn::fits_bytes`
    fn plus(self, more: u32) -> Self {
        self.wrapping_add(more as u8)
    }
}

impl Whole for u32 {
    #[inline]
    fn plus(self, more: u32) -> Self {
        self.wrapping_add(more)
    }
}

/// Rows with outcomes, each weighing its sample weight (or 1) as often as it was drawn (or once).
#[derive(Debug, Clone, Copy)]
pub struct Outcomes<'a, W = u32> {
    pub treatment: &'a [bool],
    pub outcome: &'a [f64],
    pub sample_weight: Option<&'a [f64]>,
    pub counts: Option<&'a [W]>,
}

impl<W: Count> Units for Outcomes<'_, W> {
    fn len(&self) -> usize {
        self.treatment.len()
    }

    fn tally(&self, unit: usize) -> Tally {
        let weight = self.sample_weight.map_or(1.0, |weights| weights[unit]);
        let count = self.counts.map_or(1.0, |counts| counts[unit].into());
        Tally::row(self.treatment[unit], self.outcome[unit], weight * count)
    }

    #[inline]
    fn count(&self, unit: usize) -> f64 {
        let weight = self.sample_weight.map_or(1.0, |weights| weights[unit]);
        weight * self.counts.map_or(1.0, |counts| counts[unit].into())
    }

    /// Column by column, which takes fewer instructions than row by row.
    fn block<'a>(&'a self, start: usize, _: bool, room: &'a mut Tallies) -> &'a Tallies {
        let units = start..self.len().min(start + BLOCK);
        let mut rows = [0.0; BLOCK];
        rows[..units.len()].fill(1.0);
        if let Some(counts) = self.counts {
            let counts = &counts[units.clone()];
            rows.iter_mut().zip(counts).for_each(|(rows, count)| *rows = (*count).into());
        }
        if let Some(weights) = self.sample_weight {
            let weights = &weights[units.clone()];
            rows.iter_mut().zip(weights).for_each(|(rows, weight)| *rows *= weight);
        }
        let given = self.treatment[units.clone()].iter().zip(&self.outcome[units]);
        let (mut treated, mut outcome) = ([0.0; BLOCK], [0.0; BLOCK]);
        for (slot, (arm, value)) in given.enumerate() {
            (treated[slot], outcome[slot]) = (f64::from(u8::from(*arm)), *value);
        }
        for slot in 0..BLOCK {
            let own = treated[slot] * rows[slot];
            let other = rows[slot] - own;
            (room.rows[0][slot], room.rows[1][slot]) = (other, own);
            (room.outcome[0][slot], room.outcome[1][slot]) =
                (other * outcome[slot], own * outcome[slot]);
        }
        room
    }
}

/// Units whose tallies were added up beforehand, in blocks.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    len: usize,
    blocks: Vec<Tallies>,
}

impl Totals {
    /// The tallies of units.
    #[must_use]
    pub fn of<U: Units>(units: &U) -> Self {
        let mut totals = Self::default();
        totals.fill(units.len(), |index, into| {
            let mut room = Tallies::EMPTY;
            into.clone_from(units.block(index * BLOCK, true, &mut room));
        });
        totals
    }

    /// Start anew with `len` units of nothing.
    pub fn clear(&mut self, len: usize) {
        self.len = len;
        self.blocks.truncate(len.div_ceil(BLOCK));
        self.blocks.fill(Tallies::EMPTY);
        self.blocks.resize(len.div_ceil(BLOCK), Tallies::EMPTY);
    }

    /// Count `len` units anew from planes of counts: block by block, a plane for each label.
    pub fn add_up_planes<W: Count>(&mut self, len: usize, labels: &[Label], counts: &[W]) {
        self.len = len;
        self.blocks.resize(len.div_ceil(BLOCK), Tallies::EMPTY);
        for (block, counts) in self.blocks.iter_mut().zip(counts.chunks(labels.len() * BLOCK)) {
            block.add_up(labels, counts);
        }
    }

    /// Make `len` units anew, block by block; `make` is given the number of each block, and what it was before.
    pub fn fill(&mut self, len: usize, mut make: impl FnMut(usize, &mut Tallies)) {
        self.len = len;
        self.blocks.resize(len.div_ceil(BLOCK), Tallies::EMPTY);
        self.blocks.iter_mut().enumerate().for_each(|(index, block)| make(index, block));
    }

    /// Add rows of one arm, and the sum of their outcomes, to a unit.
    #[inline]
    pub fn add(&mut self, unit: usize, arm: bool, rows: f64, outcome: f64) {
        let (block, arm) = (&mut self.blocks[unit / BLOCK], usize::from(arm));
        block.rows[arm][unit % BLOCK] += rows;
        block.outcome[arm][unit % BLOCK] += outcome;
    }
}

impl Units for Totals {
    fn len(&self) -> usize {
        self.len
    }

    #[inline]
    fn tally(&self, unit: usize) -> Tally {
        let (Tallies { rows, outcome }, lane) = (&self.blocks[unit / BLOCK], unit % BLOCK);
        Tally {
            treated: rows[1][lane],
            control: rows[0][lane],
            outcome_treated: outcome[1][lane],
            outcome_control: outcome[0][lane],
        }
    }

    #[inline]
    fn arm(&self, unit: usize, arm: bool) -> (f64, f64) {
        let (block, arm) = (&self.blocks[unit / BLOCK], usize::from(arm));
        (block.rows[arm][unit % BLOCK], block.outcome[arm][unit % BLOCK])
    }

    fn block<'a>(&'a self, start: usize, _: bool, _: &'a mut Tallies) -> &'a Tallies {
        &self.blocks[start / BLOCK]
    }
}
