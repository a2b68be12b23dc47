//! The best question to a node, from its histograms.
//!
//! A split of gradients G = L + R and curvatures H = `H_L` + `H_R` lowers the loss, to second order, by half of
//! L^2 / `H_L` + R^2 / `H_R` - G^2 / H (Friedman 2001, section 4.4; Chen and Guestrin 2016, equation 7 without
//! penalties): the gain.
//!
//! The levels of a factor are sorted by G / H, the step that each would take by itself, and cut like numbers: of
//! all ways to put levels into two groups the best is among these (Fisher 1958; Breiman et al. 1984, theorem 4.5).
//! Sorting finds a gain in noise, too, and the more levels, the more: of L levels whose gradients are noise of
//! variance v a unit of curvature, those of either sign gain 2 / pi v L, where a single cut gains v. What is more than
//! that is taken off a factor's gain, so that many levels alone do not make a column worth asking.
//! It takes a pass over the levels, where target statistics that are ordered inside of each node take one over its
//! rows.

use std::f64::consts::FRAC_2_PI;

use super::bins::Bins;
use super::codes::{Codes, Place};
use super::histogram::{Bin, Histograms, Packing, Sums, add, less};
use super::tree::{Question, Rule};

/// Gains below this share of what they are a difference of are rounding.
const LEAST: f64 = 1e-9;

/// What a split has to keep to.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub packing: Packing,
    /// Rows on either side, at least.
    pub min_leaf: i64,
    /// The variance of gradients that are noise, per unit of curvature, in the units of both.
    pub noise: f64,
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
    limits: &Limits,
) -> Option<Split> {
    let mut best: Option<Split> = None;
    for (column, own) in bins.iter().enumerate() {
        let place = codes.place(column);
        let all = histograms.column(place);
        let missing = all[if matches!(place, Place::Byte { .. }) { 255 } else { own.len() }];
        let node = NodeColumn { column, bins: &all[..own.len()], missing, total, limits };
        let found = match own {
            Bins::Numbers(_) => node.numbers(),
            Bins::Levels(_) => node.levels(),
        };
        if let Some(found) = found
            && best.as_ref().is_none_or(|best| found.gain > best.gain)
        {
            best = Some(found);
        }
    }
    best
}

/// What a node knows of a column.
struct NodeColumn<'a> {
    column: usize,
    bins: &'a [Bin],
    missing: Bin,
    total: Bin,
    limits: &'a Limits,
}

/// The best of a row of cuts: after how many, and what lies to the left.
#[derive(Clone, Copy)]
struct Cut {
    after: usize,
    gain: f64,
    left: Bin,
    missing_left: bool,
}

impl NodeColumn<'_> {
    fn numbers(&self) -> Option<Split> {
        let cut = self.cut(self.bins.iter().copied(), self.missing)?;
        let rule = Rule::UpTo(u8::try_from(cut.after - 1).ok()?);
        Some(self.split(cut, rule, 0.0))
    }

    #[allow(clippy::cast_possible_truncation)] // levels are two bytes
    fn levels(&self) -> Option<Split> {
        let packing = self.limits.packing;
        let mut rest = self.missing;
        let mut known: Vec<(f64, u16, Bin)> = Vec::new();
        for (level, bin) in self.bins.iter().enumerate() {
            let Sums { gradient, curvature, rows } = packing.sums(*bin);
            if rows >= self.limits.min_leaf {
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
        let found_in_noise = FRAC_2_PI * (known.len() as f64 - 2.0).max(0.0) * self.limits.noise;
        let split = self.split(cut, rule, found_in_noise);
        (split.gain > 0.0).then_some(split)
    }

    fn split(&self, cut: Cut, rule: Rule, less_gain: f64) -> Split {
        let question = Question { column: self.column, rule, missing_left: cut.missing_left };
        let right = less(self.total, cut.left);
        Split { question, gain: cut.gain - less_gain, left: cut.left, right }
    }

    /// The best cut through bins in a row, those that are `missing` on whichever side gains more; where there are none,
    /// they belong to the side that has more rows.
    fn cut(&self, bins: impl ExactSizeIterator<Item = Bin>, missing: Bin) -> Option<Cut> {
        let packing = self.limits.packing;
        let is_missing = packing.sums(missing).rows > 0;
        let n_bins = bins.len();
        let mut best: Option<Cut> = None;
        let mut left = [0; 2];
        for (at, bin) in bins.enumerate() {
            add(&mut left, bin);
            let mut consider = |left: Bin, missing_left: bool| {
                if let Some(gain) = self.gain(left)
                    && best.is_none_or(|best| gain > best.gain)
                {
                    best = Some(Cut { after: at + 1, gain, left, missing_left });
                }
            };
            // The cut behind the last bin parts what is there from what is missing.
            if is_missing || at + 1 < n_bins {
                consider(left, false);
            }
            if is_missing && at + 1 < n_bins {
                let mut left = left;
                add(&mut left, missing);
                consider(left, true);
            }
        }
        best.map(|cut| self.with_missing_settled(cut, is_missing))
    }

    fn with_missing_settled(&self, cut: Cut, is_missing: bool) -> Cut {
        let packing = self.limits.packing;
        let right = packing.sums(less(self.total, cut.left));
        let is_larger = packing.sums(cut.left).rows >= right.rows;
        Cut { missing_left: if is_missing { cut.missing_left } else { is_larger }, ..cut }
    }

    /// What this on the left gains, where both sides have rows enough and there is more to it than rounding.
    #[inline]
    fn gain(&self, left: Bin) -> Option<f64> {
        let Limits { packing, min_leaf, .. } = *self.limits;
        let [left, right, all] =
            [left, less(self.total, left), self.total].map(|bin| packing.sums(bin));
        if left.rows < min_leaf || right.rows < min_leaf {
            return None;
        }
        let part = |sums: Sums| {
            let gradient = sums.gradient as f64;
            gradient * gradient / sums.curvature as f64
        };
        let apart = part(left) + part(right);
        let gain = apart - part(all);
        (gain > LEAST * apart).then_some(gain)
    }
}
