//! What cuts of a row of bins gain.

use super::instructions::dispatched;
use super::{BLOCK, Lane};

/// Gains below this share of what they are a difference of are rounding.
const LEAST: f64 = 1e-9;

/// Gains that are looked at side by side.
const ABREAST: usize = 8;

/// Sums of gradients and curvatures, and how many rows they are of.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Part {
    pub gradient: f64,
    pub curvature: f64,
    pub rows: f64,
}

/// What lies to the left of each cut of a block.
#[derive(Debug, Clone)]
pub struct Lefts {
    pub gradient: Lane,
    pub curvature: Lane,
    pub rows: Lane,
}

impl Default for Lefts {
    fn default() -> Self {
        Self { gradient: [0.0; BLOCK], curvature: [0.0; BLOCK], rows: [0.0; BLOCK] }
    }
}

dispatched!(
    /// The first of the best of these many cuts, and its gain L^2 / `H_L` + R^2 / `H_R` - G^2 / H, where `plus` is added to
    /// what lies left, and there are `least` rows on either side.
    pub fn best_cut<'a>(
        lefts: &'a Lefts,
        count: usize,
        plus: Part,
        total: Part,
        least: f64,
    ) -> Option<(usize, f64)>,
    |_| {
        let mut gains = [0.0; BLOCK];
        fill(lefts, plus, total, least, &mut gains);
        first_of_largest(&gains[..count])
    }
);

#[inline(always)]
fn fill(lefts: &Lefts, plus: Part, total: Part, least: f64, gains: &mut Lane) {
    let apart = total.gradient * total.gradient / total.curvature;
    for (k, gain) in gains.iter_mut().enumerate() {
        let (gradient, curvature, rows) = (
            lefts.gradient[k] + plus.gradient,
            lefts.curvature[k] + plus.curvature,
            lefts.rows[k] + plus.rows,
        );
        let (other, rest) = (total.gradient - gradient, total.curvature - curvature);
        let both = gradient * gradient / curvature + other * other / rest;
        let found = both - apart;
        #[allow(clippy::needless_bitwise_bool)] // without a branch, so that lanes go side by side
        let is_allowed = (rows >= least) & (total.rows - rows >= least) & (found > LEAST * both);
        *gain = if is_allowed { found } else { 0.0 };
    }
}

#[inline(always)]
fn first_of_largest(gains: &[f64]) -> Option<(usize, f64)> {
    let mut most = [0.0; ABREAST];
    let (groups, rest) = gains.as_chunks::<ABREAST>();
    for group in groups {
        for (most, gain) in most.iter_mut().zip(group) {
            *most = if *gain > *most { *gain } else { *most };
        }
    }
    let most = most.iter().chain(rest).copied().fold(0.0, f64::max);
    let is_most = |gain: &f64| *gain >= most;
    let first = gains.iter().position(is_most)?;
    (most > 0.0).then_some((first, most))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(gradient: f64, curvature: f64, rows: f64) -> Part {
        Part { gradient, curvature, rows }
    }

    /// Cuts after each of some bins, of gradients in a row and a curvature and a row each.
    fn lefts(gradients: &[f64]) -> Lefts {
        let mut lefts = Lefts::default();
        let mut sum = 0.0;
        for (k, gradient) in gradients.iter().enumerate() {
            sum += gradient;
            lefts.gradient[k] = sum;
            lefts.curvature[k] = k as f64 + 1.0;
            lefts.rows[k] = k as f64 + 1.0;
        }
        lefts
    }

    #[test]
    fn the_best_cut_parts_the_signs() {
        let gradients = [1.0, 1.0, 1.0, -1.0, -1.0, -1.0];
        let found = best_cut(&lefts(&gradients), 5, Part::default(), part(0.0, 6.0, 6.0), 1.0);
        assert_eq!(found, Some((2, 6.0)));
        let tied = [1.0, -1.0, 1.0, -1.0];
        let found = best_cut(&lefts(&tied), 3, Part::default(), part(0.0, 4.0, 4.0), 1.0);
        assert_eq!(found.map(|(first, _)| first), Some(0));
    }

    #[test]
    fn a_cut_leaves_rows_enough_on_either_side() {
        let gradients = [4.0, 1.0, -1.0, -1.0, -1.0, -2.0];
        let total = part(0.0, 6.0, 6.0);
        let at =
            |least| best_cut(&lefts(&gradients), 5, Part::default(), total, least).map(|(k, _)| k);
        assert_eq!([at(1.0), at(2.0), at(3.0), at(4.0)], [Some(0), Some(1), Some(2), None]);
    }

    #[test]
    fn what_is_added_to_the_left_counts_there() {
        let gradients = [1.0, -1.0];
        let total = part(3.0, 5.0, 5.0);
        let found = best_cut(&lefts(&gradients), 1, part(3.0, 3.0, 3.0), total, 1.0);
        let (_, gain) = found.unwrap();
        assert!((gain - (16.0 / 4.0 + 1.0 - 9.0 / 5.0)).abs() < 1e-14);
    }

    #[test]
    fn nothing_is_gained_where_all_rows_are_alike() {
        let found = best_cut(&lefts(&[0.1; 9]), 8, Part::default(), part(0.9, 9.0, 9.0), 1.0);
        assert_eq!(found, None);
    }
}
