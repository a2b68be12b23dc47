//! What rows are beside their covariates: arm, outcome and weight, which most data have few of.

use std::cmp::Ordering;

use rayon::prelude::*;

use super::{bits, by_size};
use crate::design::covariates::CHUNK;
use crate::kernels::Label;
use crate::units::tally::Outcomes;

/// More are not worth the empty places that each would have in every pattern.
pub const MOST: usize = 8;

const UNKNOWN: u8 = u8::MAX;

/// The labels by arm, outcome and weight, and each row's.
pub struct Labels {
    pub list: Vec<Label>,
    pub of_row: Vec<u8>,
}

impl Labels {
    /// `None` for more than [`MOST`].
    pub fn of(rows: &Outcomes<'_>) -> Option<Self> {
        let mut of_row = vec![UNKNOWN; rows.treatment.len()];
        let chunks = of_row.par_chunks_mut(CHUNK).enumerate();
        let found: Option<Vec<Vec<Label>>> =
            chunks.map(|(chunk, own)| number(&part(rows, chunk), own)).collect();
        let found = found?;
        let mut list: Vec<Label> = Vec::new();
        for label in found.iter().flatten() {
            if !list.iter().any(|known| key(known) == key(label)) {
                list.push(*label);
            }
        }
        if list.len() > MOST {
            return None;
        }
        list.sort_unstable_by_key(key);
        of_row.par_chunks_mut(CHUNK).zip(&found).for_each(|(own, found)| {
            let mut number = [UNKNOWN; MOST];
            for (slot, label) in number.iter_mut().zip(found) {
                let place = (0..).zip(&list).find(|(_, known)| key(known) == key(label));
                *slot = place.map_or(UNKNOWN, |(place, _)| place);
            }
            for label in own {
                *label = number[usize::from(*label)];
            }
        });
        Some(Self { list, of_row })
    }
}

/// What labels are sorted by; numbers by their bits, which is an order like any other.
pub fn key(label: &Label) -> (bool, u64, u64) {
    (label.treated, bits(label.outcome), bits(label.weight))
}

/// The order of labels as numbers: that of the bits has the negative ones the other way around.
pub fn content(a: &Label, b: &Label) -> Ordering {
    let weights = || by_size(a.weight, b.weight);
    by_size(a.outcome, b.outcome).then_with(weights).then_with(|| a.treated.cmp(&b.treated))
}

fn part<'a>(rows: &Outcomes<'a>, chunk: usize) -> Outcomes<'a> {
    let own = chunk * CHUNK..rows.treatment.len().min((chunk + 1) * CHUNK);
    Outcomes {
        treatment: &rows.treatment[own.clone()],
        outcome: &rows.outcome[own.clone()],
        sample_weight: rows.sample_weight.map(|weights| &weights[own]),
        counts: None,
    }
}

/// Number the labels of some rows as they appear, with a pass for each, none of which has a branch.
fn number(rows: &Outcomes<'_>, of_row: &mut [u8]) -> Option<Vec<Label>> {
    let mut found = Vec::new();
    while let Some(first) = of_row.iter().position(|label| *label == UNKNOWN) {
        let number = u8::try_from(found.len()).ok().filter(|number| usize::from(*number) < MOST)?;
        let weight = rows.sample_weight.map_or(1.0, |weights| weights[first]);
        let (treated, outcome) = (rows.treatment[first], rows.outcome[first]);
        let (own_outcome, own_weight) = (bits(outcome), bits(weight));
        let is_own = |arm: bool, y: f64| (arm == treated) & (bits(y) == own_outcome);
        let settle = |label: &mut u8, is_own: bool| {
            let keep = u8::from(is_own).wrapping_sub(1); // all bits, or none
            *label = (*label & keep) | (number & !keep);
        };
        let each = of_row.iter_mut().zip(rows.treatment).zip(rows.outcome);
        match rows.sample_weight {
            None => each.for_each(|((label, arm), y)| settle(label, is_own(*arm, *y))),
            Some(weights) => each.zip(weights).for_each(|(((label, arm), y), weight)| {
                settle(label, is_own(*arm, *y) & (bits(*weight) == own_weight));
            }),
        }
        found.push(Label { treated, weight, outcome });
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_told_apart_in_every_chunk_and_sorted() {
        let n = 2 * CHUNK + 77;
        let treatment: Vec<bool> = (0..n).map(|row| row % 5 < 2).collect();
        let outcome: Vec<f64> = (0..n).map(|row| if row < CHUNK { -0.0 } else { 0.0 }).collect();
        let weights: Vec<f64> = (0..n).map(|row| 1.0 + (row / CHUNK) as f64).collect();
        let rows = Outcomes {
            treatment: &treatment,
            outcome: &outcome,
            sample_weight: Some(&weights),
            counts: None,
        };
        let labels = Labels::of(&rows).unwrap();
        let expected = [false, true].map(|arm| [1.0, 2.0, 3.0].map(|weight| (arm, weight)));
        let found = labels.list.iter().map(|label| (label.treated, label.weight));
        assert!(found.eq(expected.into_iter().flatten()));
        for (row, number) in labels.of_row.iter().enumerate() {
            let label = labels.list[usize::from(*number)];
            assert_eq!((label.treated, label.weight), (treatment[row], weights[row]));
        }
    }

    #[test]
    fn labels_are_none_where_there_are_many() {
        let treatment: Vec<bool> = (0..18).map(|row| row % 2 == 0).collect();
        for (n_labels, few) in [(4, true), (8, true), (9, false)] {
            let outcome: Vec<f64> = (0..18).map(|row| f64::from(row % n_labels)).collect();
            let treatment = if n_labels == 4 { &treatment[..] } else { &[true; 18] };
            let rows = Outcomes { treatment, outcome: &outcome, sample_weight: None, counts: None };
            assert_eq!(Labels::of(&rows).is_some(), few, "{n_labels}");
        }
    }
}
