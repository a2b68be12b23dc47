//! What cuts of a row of bins gain.

use super::BLOCK;
use super::instructions::dispatched;

/// Gains below this share of what they are a difference of are rounding.
const LEAST: f64 = 1e-9;

/// Cuts that are looked at side by side.
const ABREAST: usize = 8;

/// Sums of gradients and curvatures, and how many rows they are of: whole numbers all, and small enough for a
/// float64 to hold them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Part {
    pub gradient: f64,
    pub curvature: f64,
    pub rows: f64,
}

/// What lies to the left of each cut of a block: the sums of the gradients; those of the curvatures, with the number
/// of rows in their lowest bits.
#[derive(Debug, Clone)]
pub struct Lefts {
    pub gradient: [i64; BLOCK],
    pub packed: [i64; BLOCK],
}

impl Default for Lefts {
    fn default() -> Self {
        Self { gradient: [0; BLOCK], packed: [0; BLOCK] }
    }
}

/// A node that is to be cut.
#[derive(Debug, Clone, Copy)]
pub struct Uncut {
    pub total: Part,
    /// Bits that the number of rows takes of a packed sum.
    pub count_bits: u32,
    /// Rows on either side, at least.
    pub least: f64,
}

dispatched!(
    /// The first of the best of these many cuts, and its gain L^2 / `H_L` + R^2 / `H_R` - G^2 / H, where `plus` is added to
    /// what lies left.
    pub fn best_cut<'a>(
        lefts: &'a Lefts,
        count: usize,
        plus: Part,
        node: &'a Uncut,
    ) -> Option<(usize, f64)>,
    |_| best(lefts, count, plus, node)
);

#[inline(always)]
#[allow(clippy::needless_bitwise_bool)] // without a branch, so that lanes go side by side
fn best(lefts: &Lefts, count: usize, plus: Part, node: &Uncut) -> Option<(usize, f64)> {
    let apart = node.total.gradient * node.total.gradient / node.total.curvature;
    let (mut most, mut places) = ([0.0; ABREAST], [0_u64; ABREAST]);
    let (gradients, _) = lefts.gradient.as_chunks::<ABREAST>();
    let (packed, _) = lefts.packed.as_chunks::<ABREAST>();
    let groups = gradients.iter().zip(packed).take(count.div_ceil(ABREAST));
    for (group, (gradients, packed)) in (0..).zip(groups) {
        for lane in 0..ABREAST {
            let gain = gain(gradients[lane], packed[lane], plus, node, apart);
            // Of the last group only those that are asked for.
            let is_more =
                (gain > most[lane]) & (group * ABREAST as u64 + (lane as u64) < count as u64);
            most[lane] = if is_more { gain } else { most[lane] };
            places[lane] = if is_more { group } else { places[lane] };
        }
    }
    // Within a lane the first of the largest is found already; among lanes the one that comes first.
    let largest = most.iter().copied().fold(0.0, f64::max);
    #[allow(clippy::cast_possible_truncation)] // a group of cuts that are in memory
    let place = |lane: usize| (places[lane] as usize) * ABREAST + lane;
    let first = (0..ABREAST).filter(|lane| most[*lane] >= largest).map(place).min()?;
    (largest > 0.0).then_some((first, largest))
}

/// What a cut gains; nothing where a side has too few rows, or where it is but rounding.
#[inline(always)]
#[allow(clippy::needless_bitwise_bool)] // without a branch, so that lanes go side by side
fn gain(gradient: i64, packed: i64, plus: Part, node: &Uncut, apart: f64) -> f64 {
    let rows = (packed & ((1 << node.count_bits) - 1)) as f64 + plus.rows;
    let curvature = (packed >> node.count_bits) as f64 + plus.curvature;
    let gradient = gradient as f64 + plus.gradient;
    let (other, rest) = (node.total.gradient - gradient, node.total.curvature - curvature);
    // One division where there would be two.
    let both = (gradient * gradient * rest + other * other * curvature) / (curvature * rest);
    let found = both - apart;
    let is_allowed =
        (rows >= node.least) & (node.total.rows - rows >= node.least) & (found > LEAST * both);
    if is_allowed { found } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT_BITS: u32 = 6;

    fn part(gradient: f64, curvature: f64, rows: f64) -> Part {
        Part { gradient, curvature, rows }
    }

    /// Cuts after each of some bins, of gradients in a row and a curvature and a row each.
    fn lefts(gradients: &[i64]) -> Lefts {
        let mut lefts = Lefts::default();
        let mut sum = 0;
        for ((k, gradient), rows) in gradients.iter().enumerate().zip(1..) {
            sum += gradient;
            lefts.gradient[k] = sum;
            lefts.packed[k] = (rows << COUNT_BITS) | rows;
        }
        // What is behind the last cut is not looked at.
        lefts.gradient[gradients.len()] = 1_000;
        lefts.packed[gradients.len()] = (1 << COUNT_BITS) | 1;
        lefts
    }

    fn best(
        gradients: &[i64],
        count: usize,
        plus: Part,
        total: Part,
        least: f64,
    ) -> Option<(usize, f64)> {
        let node = Uncut { total, count_bits: COUNT_BITS, least };
        best_cut(&lefts(gradients), count, plus, &node)
    }

    #[test]
    fn the_best_cut_parts_the_signs() {
        let found = best(&[1, 1, 1, -1, -1, -1], 5, Part::default(), part(0.0, 6.0, 6.0), 1.0);
        assert_eq!(found, Some((2, 6.0)));
        let found = best(&[1, -1, 1, -1], 3, Part::default(), part(0.0, 4.0, 4.0), 1.0);
        assert_eq!(found.map(|(first, _)| first), Some(0));
    }

    #[test]
    fn of_cuts_that_gain_the_same_the_first_is_taken_wherever_it_lies() {
        // After 3 rows, after 17, and at places that mirror them.
        let mut gradients = [0; 40];
        (gradients[2], gradients[37]) = (5, -5);
        let found = best(&gradients, 39, Part::default(), part(0.0, 40.0, 40.0), 1.0);
        assert_eq!(found.map(|(first, _)| first), Some(2));
    }

    #[test]
    fn a_cut_leaves_rows_enough_on_either_side() {
        let at = |least| {
            let total = part(0.0, 6.0, 6.0);
            best(&[4, 1, -1, -1, -1, -2], 5, Part::default(), total, least).map(|(k, _)| k)
        };
        assert_eq!([at(1.0), at(2.0), at(3.0), at(4.0)], [Some(0), Some(1), Some(2), None]);
    }

    #[test]
    fn what_is_added_to_the_left_counts_there() {
        let found = best(&[1, -1], 1, part(3.0, 3.0, 3.0), part(3.0, 5.0, 5.0), 1.0);
        let (_, gain) = found.unwrap();
        assert!((gain - (16.0 / 4.0 + 1.0 - 9.0 / 5.0)).abs() < 1e-14);
    }

    #[test]
    fn nothing_is_gained_where_all_rows_are_alike() {
        assert_eq!(best(&[7; 9], 8, Part::default(), part(63.0, 9.0, 9.0), 1.0), None);
    }
}
