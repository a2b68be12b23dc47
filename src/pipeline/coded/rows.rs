//! Copies of rows by arm, and in the order of the widest factor's levels, and the order in which rows take their random numbers.

use std::cmp::Ordering;

use ndarray::{Array2, ArrayView1, ShapeBuilder};

use super::CodedData;
use crate::design::coded::NumbersAndFactors;
use crate::design::factors::Factor;
use crate::error::Result;
use crate::outcome::adjusted_rows::AdjustmentData;
use crate::pipeline::order::by_covariates;
use crate::resampling::resample::Resample;
use crate::resampling::urn::Urn;
use crate::reserve::room_for;
use crate::units::cells::by_size;
use crate::units::sorted_rows::SortedRows;
use crate::units::tally::{Count, Outcomes, Rows};

/// What a copy takes beside its numbers.
const BYTES_A_ROW: usize = 64;

/// Copies of the rows, once for each outcome.
pub struct Copies {
    parts: Vec<SortedRows>,
    x: Array2<f64>,
    factors: Vec<Factor>,
}

impl Copies {
    /// # Errors
    /// [`crate::error::Error::Memory`].
    pub fn by_arm_and_level<O: AsRef<[f64]>>(data: &CodedData<'_>, outcomes: &[O]) -> Result<Self> {
        let CodedData { given, treatment, sample_weight, .. } = *data;
        let n = given.x.nrows();
        room_for(n, size_of::<f64>() * given.x.ncols() + BYTES_A_ROW * outcomes.len())?;
        let plain = given.factors.iter().filter(|factor| factor.values().is_none());
        let widest = plain.max_by_key(|factor| factor.n_levels());
        let order = by_arm_and_level(treatment, widest);
        let rows: Vec<usize> = order.iter().map(|row| *row as usize).collect();
        let of_outcome = |outcome: &O| {
            let all =
                Outcomes { treatment, outcome: outcome.as_ref(), sample_weight, counts: None };
            SortedRows::in_order(&order, &all)
        };
        Ok(Self {
            parts: outcomes.iter().map(of_outcome).collect(),
            x: Array2::from_shape_fn((n, given.x.ncols()).f(), |(new, k)| given.x[(rows[new], k)]),
            factors: given.factors.iter().map(|factor| factor.taken(&rows)).collect(),
        })
    }

    pub fn given<'a>(&'a self, after: &'a [usize]) -> NumbersAndFactors<'a> {
        NumbersAndFactors { x: self.x.view(), factors: &self.factors, after }
    }

    /// The rows with each outcome.
    pub fn parts(&self) -> &[SortedRows] {
        &self.parts
    }

    /// Where each row went.
    pub fn places(&self) -> &[u32] {
        self.parts[0].places()
    }

    /// The rows as a score model sees them.
    pub fn score_rows(&self) -> Rows<'_> {
        let Outcomes { treatment, sample_weight, .. } = self.parts[0].once();
        Rows { treatment, sample_weight }
    }

    /// The rows as models of each outcome see them.
    pub fn adjustment_data(&self) -> impl Iterator<Item = AdjustmentData<'_>> {
        self.parts.iter().map(|part| {
            let Outcomes { treatment, outcome, sample_weight, .. } = part.once();
            AdjustmentData::of_users(treatment, outcome, sample_weight)
        })
    }

    /// The sample weights, or 1 for each row.
    pub fn weights(&self) -> Vec<f64> {
        let Rows { treatment, sample_weight } = self.score_rows();
        sample_weight.map_or_else(|| vec![1.0; treatment.len()], <[f64]>::to_vec)
    }

    /// Values in the order in which the rows came.
    pub fn as_they_came(&self, values: &[f64]) -> Vec<f64> {
        self.places().iter().map(|place| values[*place as usize]).collect()
    }

    /// What counts rows that are drawn freely; they take the same random numbers wherever they stand.
    pub fn urn(&self, resample: &Resample) -> Option<Urn> {
        let (once, places) = (vec![1; self.places().len()], self.places());
        let order = resample.order()?.iter().map(|row| places[*row as usize]);
        resample.urn_of_cells(&once, &order.collect::<Vec<u32>>())
    }
}

/// Rows by arm, controls first, and by level within each; those of one as they come.
#[allow(clippy::cast_possible_truncation)] // rows are numbered in 32 bits
fn by_arm_and_level(treatment: &[bool], factor: Option<&Factor>) -> Vec<u32> {
    let n_levels = factor.map_or(1, Factor::n_levels);
    let place_of = |row: usize| {
        let level = factor.map_or(0, |factor| factor.level(row));
        usize::from(treatment[row]) * n_levels + level
    };
    let mut next = vec![0_u32; 2 * n_levels + 1];
    (0..treatment.len()).for_each(|row| next[place_of(row) + 1] += 1);
    (1..next.len()).for_each(|place| next[place] += next[place - 1]);
    let mut order = vec![0; treatment.len()];
    for row in 0..treatment.len() {
        let place = &mut next[place_of(row)];
        order[*place as usize] = row as u32;
        *place += 1;
    }
    order
}

/// A covariate.
enum Column<'a> {
    Number(ArrayView1<'a, f64>),
    Levels(&'a Factor),
}

impl Column<'_> {
    fn compared(&self, a: usize, b: usize) -> Ordering {
        match self {
            Self::Number(values) => by_size(values[a], values[b]),
            Self::Levels(factor) if factor.values().is_some() => with_slopes(factor, a, b),
            Self::Levels(factor) => as_dummies(factor.level(a), factor.level(b)),
        }
    }
}

/// The order of two levels by their dummies, of which the first level has none, and the second the earliest.
fn as_dummies(a: usize, b: usize) -> Ordering {
    if a == 0 || b == 0 { a.cmp(&b) } else { b.cmp(&a) }
}

/// The order of two rows by dummies times their numbers: those of a number below zero stand before those of the first
/// level, the earlier levels first.
fn with_slopes(factor: &Factor, a: usize, b: usize) -> Ordering {
    let place = |row: usize| {
        let (level, value) = (factor.level(row), factor.value(row));
        let from_last = (factor.n_levels() - level) as f64;
        if level == 0 || value == 0.0 { (0.0, 0.0) } else { (value.signum() * from_last, value) }
    };
    let (a, b) = (place(a), place(b));
    by_size(a.0, b.0).then(by_size(a.1, b.1))
}

/// The rows by what they hold, as it is of the matrix that these terms stand for in any other bootstrap; `outcome` tells
/// apart what differs in any of several.
pub fn by_content(data: &CodedData<'_>, outcome: &[f64]) -> Vec<u32> {
    let CodedData { given, treatment, sample_weight, .. } = *data;
    let mut columns = Vec::new();
    for place in 0..=given.x.ncols() {
        let own = given.factors.iter().zip(given.after).filter(|(_, after)| **after == place);
        columns.extend(own.map(|(factor, _)| Column::Levels(factor)));
        columns.extend((place < given.x.ncols()).then(|| Column::Number(given.x.column(place))));
    }
    let rows = Outcomes { treatment, outcome, sample_weight, counts: None::<&[u32]> };
    by_covariates(&columns, &rows, Column::compared)
}

/// How many rows of either arm were drawn, controls first; those of the data where they are counted in fractions.
pub fn n_rows_drawn<W: Count>(rows: &Outcomes<'_>, counts: &[W]) -> [f64; 2] {
    let is_whole = counts.iter().all(|count| (*count).into().fract() == 0.0);
    let mut sums = [0.0; 2];
    for (row, (treated, count)) in rows.treatment.iter().zip(counts).enumerate() {
        if rows.sample_weight.is_none_or(|weight| weight[row] > 0.0) {
            sums[usize::from(*treated)] += if is_whole { (*count).into() } else { 1.0 };
        }
    }
    sums
}
