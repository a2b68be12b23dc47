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
//! In one dimension both take n log n; in several, an auction among those near each other. Rows are first put
//! into an order that does not depend on theirs (by stratum, point, arm, then rank), so neither do the matches.

mod assignment;
mod auction;
mod caliper;
mod cover;
mod holdings;
mod layout;
mod line;
mod lists;
mod proof;
pub(crate) mod ranges;
mod regions;
mod sparse;
mod stars;
mod tree;
mod whole;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::monitor::Monitor;

use layout::{Layout, Stratum};

pub use caliper::OptimalSpec;
pub use layout::Points;

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
