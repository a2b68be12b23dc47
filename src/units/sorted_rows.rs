//! Rows put in the order of some value. A pass over a resample that sorts rows by nearly that value, and looks
//! up its neighbours, then stays within a few cache lines.

use crate::kernels::{BLOCK, Bits, Company, Lane, RowLanes, Tallies, drawn, padded, positive};
use crate::units::tally::{Count, Outcomes, Tally, Units};

/// Copies of the rows, in order.
#[derive(Debug, Clone)]
pub struct SortedRows {
    treatment: Vec<bool>,
    outcome: Vec<f64>,
    sample_weight: Option<Vec<f64>>,
    lanes: Vec<RowLanes>,
    /// The sample weights once more, in blocks.
    weights: Option<Vec<Lane>>,
    /// Where each row went.
    place: Vec<u32>,
}

impl SortedRows {
    #[must_use]
    pub fn in_order(order: &[u32], rows: &Outcomes<'_>) -> Self {
        let mut place = vec![0; order.len()];
        let mut lanes = vec![RowLanes::EMPTY; order.len().div_ceil(BLOCK)];
        for (new, row) in (0..).zip(order.iter().map(|row| *row as usize)) {
            place[row] = new;
            let (block, lane) = (&mut lanes[new as usize / BLOCK], new as usize % BLOCK);
            block.treated[lane] = u8::from(rows.treatment[row]);
            block.treated_bits[lane / 64] |= u64::from(rows.treatment[row]) << (lane % 64);
            block.outcome[lane] = rows.outcome[row];
        }
        let in_order = |values: &[f64]| order.iter().map(|row| values[*row as usize]).collect();
        let sample_weight: Option<Vec<f64>> = rows.sample_weight.map(in_order);
        Self {
            weights: sample_weight.as_deref().map(|own| padded(own.iter().copied())),
            treatment: order.iter().map(|row| rows.treatment[*row as usize]).collect(),
            outcome: in_order(rows.outcome),
            sample_weight,
            lanes,
            place,
        }
    }

    /// Where each row went.
    #[must_use]
    pub fn places(&self) -> &[u32] {
        &self.place
    }

    /// The rows once each.
    #[must_use]
    pub fn once(&self) -> Outcomes<'_> {
        let sample_weight = self.sample_weight.as_deref();
        let Self { treatment, outcome, .. } = self;
        Outcomes { treatment, outcome, sample_weight, counts: None }
    }

    /// The rows, counted as often as `counts` says.
    #[must_use]
    pub fn counted<'a, W: Count>(&'a self, counts: &'a [W]) -> Counted<'a, W> {
        Counted { rows: self, counts }
    }
}

/// Sorted rows as units, each as often as it was drawn.
#[derive(Debug, Clone, Copy)]
pub struct Counted<'a, W> {
    rows: &'a SortedRows,
    counts: &'a [W],
}

impl<W: Count> Units for Counted<'_, W> {
    fn len(&self) -> usize {
        self.counts.len()
    }

    fn tally(&self, unit: usize) -> Tally {
        let [(control, outcome_control), (treated, outcome_treated)] =
            [false, true].map(|arm| self.arm(unit, arm));
        Tally { treated, control, outcome_treated, outcome_control }
    }

    #[inline]
    fn arm(&self, unit: usize, arm: bool) -> (f64, f64) {
        let is_there = f64::from(u8::from(self.rows.treatment[unit] == arm));
        let (rows, outcome) = self.arm_there(unit, arm);
        (is_there * rows, is_there * outcome)
    }

    /// A row's only arm.
    #[inline]
    fn arm_there(&self, unit: usize, _: bool) -> (f64, f64) {
        let weight = self.rows.sample_weight.as_ref().map_or(1.0, |weights| weights[unit]);
        let rows = self.counts[unit].into() * weight;
        (rows, rows * self.rows.outcome[unit])
    }

    fn block<'a>(
        &'a self,
        start: usize,
        wants_outcome: bool,
        room: &'a mut Tallies,
    ) -> &'a Tallies {
        let (block, end) = (start / BLOCK, self.counts.len().min(start + BLOCK));
        let weight = self.rows.weights.as_ref().map(|weights| &weights[block]);
        room.tally(&self.rows.lanes[block], weight, &self.counts[start..end], wants_outcome);
        room
    }

    fn present(&self, start: usize, room: &mut Tallies) -> [Bits; 2] {
        if self.rows.weights.is_some() {
            return self.block(start, false, room).rows.each_ref().map(positive);
        }
        let end = self.counts.len().min(start + BLOCK);
        let drawn = drawn(&self.counts[start..end]);
        let treated = &self.rows.lanes[start / BLOCK].treated_bits;
        let in_arm = |arm: u64| std::array::from_fn(|word| drawn[word] & (treated[word] ^ arm));
        [in_arm(u64::MAX), in_arm(0)]
    }

    /// A row has no company.
    fn company(&self, start: usize, _: bool, room: &mut Tallies) -> Company {
        Company { present: self.present(start, room), rows: 0.0, gap: 0.0 }
    }
}
