//! How many rows each unit of a block has in either arm, and what their outcomes sum to.

use super::instructions::dispatched;
use super::pairs::Bits;
use super::{BLOCK, Lane};

/// The tallies of a block of units, lane by lane, the control arm first.
#[derive(Debug, Clone)]
pub struct Tallies {
    pub rows: [Lane; 2],
    /// The sums of their outcomes.
    pub outcome: [Lane; 2],
}

/// What a row of some plane of counts adds to the tallies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Label {
    pub treated: bool,
    pub weight: f64,
    pub outcome: f64,
}

impl Tallies {
    /// Count a block anew from its planes, one for each label.
    pub fn add_up<W: Copy + Into<f64>>(&mut self, labels: &[Label], counts: &[W]) {
        add_up(self, labels, counts);
    }

    /// Tally the rows of a block, each by itself and counted as often as `counts` says; outcomes only where
    /// they are wanted.
    pub fn tally<W: Copy + Default + Into<f64>>(
        &mut self,
        rows: &RowLanes,
        weight: Option<&Lane>,
        counts: &[W],
        wants_outcome: bool,
    ) {
        tally(self, rows, weight, counts, wants_outcome);
    }

    pub const EMPTY: Self = Self { rows: [[0.0; BLOCK]; 2], outcome: [[0.0; BLOCK]; 2] };
}

/// A block of rows as they are, lane by lane.
#[derive(Debug, Clone)]
pub struct RowLanes {
    /// 1 or 0.
    pub treated: [u8; BLOCK],
    /// The same, a bit each.
    pub treated_bits: Bits,
    pub outcome: Lane,
}

impl RowLanes {
    pub const EMPTY: Self =
        Self { treated: [0; BLOCK], treated_bits: [0; BLOCK / 64], outcome: [0.0; BLOCK] };
}

dispatched!(
    fn tally<'a, W: Copy, Default, Into<f64>>(
        tallies: &'a mut Tallies,
        rows: &'a RowLanes,
        weight: Option<&'a Lane>,
        counts: &'a [W],
        wants_outcome: bool,
    ) -> (),
    |_| {
        let padded: [W; BLOCK];
        let counts = if let Ok(whole) = <&[W; BLOCK]>::try_from(counts) {
            whole
        } else {
            padded = std::array::from_fn(|lane| counts.get(lane).copied().unwrap_or_default());
            &padded
        };
        let [control, treated] = &mut tallies.rows;
        let y = &rows.outcome;
        for lane in 0..BLOCK {
            let count: f64 = counts[lane].into();
            treated[lane] = count * f64::from(rows.treated[lane]);
            control[lane] = count - treated[lane];
        }
        if let Some(weight) = weight {
            for rows in &mut tallies.rows {
                rows.iter_mut().zip(weight).for_each(|(rows, weight)| *rows *= weight);
            }
        }
        if wants_outcome {
            for (rows, outcome) in tallies.rows.iter().zip(&mut tallies.outcome) {
                for lane in 0..BLOCK {
                    outcome[lane] = rows[lane] * y[lane];
                }
            }
        }
    }
);

dispatched!(
    fn add_up<'a, W: Copy, Into<f64>>(
        tallies: &'a mut Tallies,
        labels: &'a [Label],
        counts: &'a [W],
    ) -> (),
    |_| {
        /// Units whose sums stay in registers.
        const ABREAST: usize = 32;
        let planes = counts.as_chunks::<BLOCK>().0;
        for (arm, (rows, outcome)) in tallies.rows.iter_mut().zip(&mut tallies.outcome).enumerate()
        {
            let (rows, outcome) =
                (rows.as_chunks_mut::<ABREAST>().0, outcome.as_chunks_mut::<ABREAST>().0);
            for (group, (rows, outcome)) in rows.iter_mut().zip(outcome).enumerate() {
                let (mut n, mut y) = ([0.0; ABREAST], [0.0; ABREAST]);
                for (label, plane) in labels.iter().zip(planes) {
                    if usize::from(label.treated) == arm {
                        let counts = &plane.as_chunks::<ABREAST>().0[group];
                        for k in 0..ABREAST {
                            let more = counts[k].into() * label.weight;
                            n[k] += more;
                            y[k] += more * label.outcome;
                        }
                    }
                }
                (*rows, *outcome) = (n, y);
            }
        }
    }
);
