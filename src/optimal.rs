//! Optimal matching: of all ways to match, those whose distances have the least sum.
//!
//! With d(i, j) the distance of a treated unit i and a control j, absent where it is beyond the caliper or
//! where they differ in a column that must agree,
//!
//! - [`pairs`] chooses pairs without replacement: first as many units in a pair as there can be, and as many
//!   pairs, of these the least sum of d (Rosenbaum 1989);
//! - [`full`] puts every unit with a partner into a subclass, a star: one treated unit and some controls, or
//!   one control and some treated units, with the least sum of d from the middle of each (Rosenbaum 1991;
//!   Hansen and Klopfer 2006, without limits on the ratio).
//!
//! In one dimension both take n log n; in several, a sparse assignment. Rows are first put into an order
//! that does not depend on theirs (by stratum, point, arm, then rank), so neither do the matches.

mod assignment;
mod caliper;
mod cover;
mod layout;
mod line;
mod regions;
mod sparse;
mod stars;

use ndarray::ArrayView2;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::monitor::Monitor;

use layout::{Layout, Stratum};

/// Where rows are, and what they may be matched with.
#[derive(Debug, Clone, Copy)]
pub struct Points<'a> {
    /// (n, d); distances are Euclidean, between the first columns.
    pub x: ArrayView2<'a, f64>,
    /// How far apart a pair may be in each of the other columns.
    pub widths: &'a [f64],
    pub treatment: &'a [bool],
    /// Rows that take part.
    pub keep: &'a [bool],
    /// Only rows of the same stratum are matched.
    pub stratum: &'a [u32],
    /// Which of rows at the same point comes first.
    pub rank: &'a [u64],
}

impl Points<'_> {
    /// Columns that distances are between.
    fn metric(&self) -> usize {
        self.x.ncols() - self.widths.len()
    }

    /// Whether all there is to a pair is a difference.
    fn on_a_line(&self) -> bool {
        self.x.ncols() == 1 && self.widths.is_empty()
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OptimalSpec {
    /// The longest distance allowed; infinite for any.
    pub caliper_width: f64,
    /// How often a row of each arm may be in a pair, control first; one of them is 1.
    pub uses: [usize; 2],
}

/// Stars of n rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Stars {
    /// n: which star a row is in, from 1 on, in the order of strata and points; 0 for none.
    pub subclass: Vec<usize>,
    pub n_subclasses: usize,
    /// Whether a draw decided between rows of an arm at the same point.
    pub drawn: bool,
    /// From the middle of each star to its rays.
    pub total_distance: f64,
}

/// Pairs (treated row, control row), ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairs {
    pub pairs: Vec<(usize, usize)>,
    /// As for [`Stars`].
    pub drawn: bool,
}

/// The pairs (treated row, control row) whose distances have the least sum among matchings of the largest
/// size, and among these of those that leave out the fewest units; ascending.
///
/// # Errors
/// No pair within the calipers, [`Error::Stopped`].
pub fn pairs(points: &Points<'_>, spec: &OptimalSpec, monitor: &Monitor) -> Result<Pairs> {
    let layout = Layout::new(points);
    let matched: Vec<Vec<(usize, usize)>> = layout
        .strata
        .par_iter()
        .map(|stratum| pair_stratum(&layout, stratum, spec, monitor))
        .collect::<Result<_>>()?;
    let mut matched: Vec<(usize, usize)> = matched.into_iter().flatten().collect();
    matched.par_sort_unstable();
    monitor.check()?;
    if matched.is_empty() {
        return Err(Error::NoMatches { caliper_width: spec.caliper_width });
    }
    Ok(Pairs { pairs: matched, drawn: layout.drawn })
}

/// The stars whose distances have the least sum among those that leave no unit out that has a partner.
///
/// # Errors
/// As for [`pairs`].
pub fn full(points: &Points<'_>, caliper_width: f64, monitor: &Monitor) -> Result<Stars> {
    let layout = Layout::new(points);
    let covers: Vec<stars::Cover> = layout
        .strata
        .par_iter()
        .map(|stratum| cover::cover(&layout, stratum, caliper_width, monitor))
        .collect::<Result<_>>()?;
    let mut found = Stars {
        subclass: vec![0; points.treatment.len()],
        n_subclasses: 0,
        drawn: layout.drawn,
        total_distance: 0.0,
    };
    for cover in covers {
        for (row, star) in cover.stars {
            found.subclass[row] = found.n_subclasses + star + 1;
        }
        found.n_subclasses += cover.n_stars;
        found.total_distance += cover.total_distance;
    }
    if found.n_subclasses == 0 {
        return Err(Error::NoMatches { caliper_width });
    }
    Ok(found)
}

fn pair_stratum(
    layout: &Layout<'_>,
    stratum: &Stratum,
    spec: &OptimalSpec,
    monitor: &Monitor,
) -> Result<Vec<(usize, usize)>> {
    if layout.points.on_a_line() {
        caliper::pairs_on_a_line(layout, stratum, spec, monitor)
    } else {
        caliper::pairs_in_space(layout, stratum, spec, monitor)
    }
}
