//! The best question to a node, from its histograms.
//!
//! A split of gradients G = L + R and curvatures H = `H_L` + `H_R` lowers the loss, to second order, by half of
//! L^2 / `H_L` + R^2 / `H_R` - G^2 / H (Friedman 2001, section 4.4; Chen and Guestrin 2016, equation 7 without
//! penalties): the gain.
//!
//! The levels of a factor are sorted by G / H, the step that each would take by itself, and cut like numbers: of
//! all ways to put levels into two groups the best is among these (Fisher 1958; Breiman et al. 1984, theorem 4.5).
//! It takes a pass over the levels, where target statistics that are ordered inside of each node take one over its
//! rows, in an order that is drawn.
//!
//! Sorting gains in noise, too, and the more levels, the more: of L levels whose gradients are noise of variance v a
//! unit of curvature, those of either sign part with a gain of 2 / pi v L, where a single cut gains v. That much is
//! taken off a factor's gain, so that many levels alone do not make a column worth asking. Of a factor that is worth
//! it the noise has been followed as far as the signal: where a share f of both is fitted, (1 - f)^2 of the gain is
//! left, and the signal is fitted well enough when f is its share of what there was to gain, S / (S + N), which is
//! when N^2 / (S + N) is left. So what is taken off is N times the share of N in the gain of the factor at the root
//! of the first tree.

use std::f64::consts::FRAC_2_PI;

use super::bins::Bins;
use super::codes::{Codes, Place};
use super::histogram::{Bin, Histograms, Packing, Sums, add, less};
use super::tree::{Question, Rule};
use crate::kernels::{BLOCK, Lefts, Part, Uncut, best_cut};

/// Rows by which a node knows a level, at least. The step of fewer is noise, and not the kind of noise of which a
/// factor's gain is cleared: a single row goes with its own kind for certain.
const LEVEL_ROWS: i64 = 3;

/// What a split has to keep to.
#[derive(Debug, Clone, Copy)]
pub struct Limits<'a> {
    pub packing: Packing,
    /// Rows on either side, at least.
    pub min_leaf: i64,
    /// The variance of gradients that are noise, per unit of curvature, in the units of both.
    pub noise: f64,
    /// By column, as [`noise_shares`] gives them.
    pub noise_shares: &'a [f64],
}

/// A question, and what it gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    pub question: Question,
    pub gain: f64,
    pub left: Bin,
    pub right: Bin,
}

/// The best split of a node that holds `total` in all; of several that gain the same, the first.
#[must_use]
pub fn best(
    histograms: &Histograms,
    codes: &Codes,
    bins: &[Bins],
    total: Bin,
    limits: &Limits<'_>,
) -> Option<Split> {
    let mut best: Option<Split> = None;
    for (column, own) in bins.iter().enumerate() {
        let node = NodeColumn::of(column, own, histograms, codes, total, limits);
        let found = match own {
            Bins::Numbers(_) => node.numbers(),
            Bins::Levels(_) => node.levels().map(|(mut split, found_in_noise)| {
                split.gain -= limits.noise_shares[column] * found_in_noise;
                split
            }),
        };
        let most = best.as_ref().map_or(0.0, |best| best.gain);
        best = found.filter(|found| found.gain > most).or(best);
    }
    best
}

/// By column, the share of what its levels gain that sorting finds in noise; 1 where there is nothing else.
#[must_use]
pub fn noise_shares(
    histograms: &Histograms,
    codes: &Codes,
    bins: &[Bins],
    total: Bin,
    limits: &Limits<'_>,
) -> Vec<f64> {
    let share = |(column, own): (usize, &Bins)| {
        let node = NodeColumn::of(column, own, histograms, codes, total, limits);
        match own {
            Bins::Numbers(_) => 1.0,
            Bins::Levels(_) => node.levels().map_or(1.0, |(split, found_in_noise)| {
                if found_in_noise < split.gain { found_in_noise / split.gain } else { 1.0 }
            }),
        }
    };
    bins.iter().enumerate().map(share).collect()
}

/// What a node knows of a column.
struct NodeColumn<'a> {
    column: usize,
    bins: &'a [Bin],
    missing: Bin,
    total: Bin,
    limits: &'a Limits<'a>,
}

/// The best of a row of cuts: after how many bins, and which side those have that are in none.
#[derive(Clone, Copy)]
struct Cut {
    after: usize,
    gain: f64,
    missing_left: bool,
}

impl<'a> NodeColumn<'a> {
    fn of(
        column: usize,
        own: &Bins,
        histograms: &'a Histograms,
        codes: &Codes,
        total: Bin,
        limits: &'a Limits<'a>,
    ) -> Self {
        let place = codes.place(column);
        let all = histograms.column(place);
        let missing = all[if matches!(place, Place::Byte { .. }) { 255 } else { own.len() }];
        Self { column, bins: &all[..own.len()], missing, total, limits }
    }

    fn numbers(&self) -> Option<Split> {
        let cut = self.cut(self.bins.iter().copied(), self.missing)?;
        let rule = Rule::UpTo(u8::try_from(cut.after - 1).ok()?);
        let left = self.bins[..cut.after].iter().copied();
        Some(self.split(cut, rule, left, self.missing))
    }

    /// The best split by level, and what of its gain sorting finds in noise.
    #[allow(clippy::cast_possible_truncation)] // levels are two bytes
    fn levels(&self) -> Option<(Split, f64)> {
        let Limits { packing, min_leaf, noise, .. } = *self.limits;
        let mut rest = self.missing;
        let mut known: Vec<(f64, u16, Bin)> = Vec::new();
        for (level, bin) in self.bins.iter().enumerate() {
            let Sums { gradient, curvature, rows } = packing.sums(*bin);
            if rows >= LEVEL_ROWS.min(min_leaf) {
                known.push((gradient as f64 / curvature as f64, level as u16, *bin));
            } else {
                add(&mut rest, *bin);
            }
        }
        known.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let cut = self.cut(known.iter().map(|(_, _, bin)| *bin), rest)?;
        let (left, right) = known.split_at(cut.after);
        let named = |side: &[(f64, u16, Bin)]| {
            let mut levels: Vec<u16> = side.iter().map(|(_, level, _)| *level).collect();
            levels.sort_unstable();
            levels
        };
        let rule = Rule::Levels { left: named(left), right: named(right) };
        let split = self.split(cut, rule, left.iter().map(|(_, _, bin)| *bin), rest);
        Some((split, FRAC_2_PI * (known.len() as f64 - 2.0).max(0.0) * noise))
    }

    fn split(
        &self,
        cut: Cut,
        rule: Rule,
        bins_left: impl Iterator<Item = Bin>,
        missing: Bin,
    ) -> Split {
        let packing = self.limits.packing;
        let mut left = [0; 2];
        bins_left.for_each(|bin| add(&mut left, bin));
        let mut missing_left = cut.missing_left;
        if missing_left {
            add(&mut left, missing);
        }
        let right = less(self.total, left);
        // Where there are none to tell by, missing values belong to the side that has more rows.
        if packing.sums(missing).rows == 0 {
            missing_left = packing.sums(left).rows >= packing.sums(right).rows;
        }
        let question = Question { column: self.column, rule, missing_left };
        Split { question, gain: cut.gain, left, right }
    }

    /// The best cut through bins in a row, those that are `missing` on whichever side gains more.
    fn cut(&self, bins: impl ExactSizeIterator<Item = Bin>, missing: Bin) -> Option<Cut> {
        let Limits { packing, min_leaf, .. } = *self.limits;
        let is_missing = packing.sums(missing).rows > 0;
        let missing = part(packing.sums(missing));
        let total = part(packing.sums(self.total));
        let node = Uncut { total, count_bits: packing.count_bits, least: min_leaf as f64 };
        let n_bins = bins.len();
        let mut best: Option<Cut> = None;
        let mut consider = |first: usize, found: Option<(usize, f64)>, missing_left: bool| {
            if let Some((at, gain)) = found
                && best.is_none_or(|best| gain > best.gain)
            {
                best = Some(Cut { after: first + at + 1, gain, missing_left });
            }
        };
        let (mut lefts, mut left, mut filled) = (Lefts::default(), [0; 2], 0);
        for (at, bin) in bins.enumerate() {
            add(&mut left, bin);
            [lefts.gradient[filled], lefts.packed[filled]] = left;
            filled += 1;
            if filled == BLOCK || at + 1 == n_bins {
                let first = at + 1 - filled;
                // The cut behind the last bin parts what is there from what is missing, and leaves nothing right where
                // nothing is.
                consider(first, best_cut(&lefts, filled, Part::default(), &node), false);
                if is_missing {
                    consider(first, best_cut(&lefts, filled, missing, &node), true);
                }
                filled = 0;
            }
        }
        best
    }
}

fn part(sums: Sums) -> Part {
    Part {
        gradient: sums.gradient as f64,
        curvature: sums.curvature as f64,
        rows: sums.rows as f64,
    }
}
