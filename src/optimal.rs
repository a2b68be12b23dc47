//! Optimal matching: of all ways to match, those whose distances have the least sum.
//!
//! With d(i, j) the distance of a treated unit i and a control j, absent where it is beyond the caliper or
//! where they differ in a column that must agree,
//!
//! - [`pairs`] chooses pairs without replacement: first as many as there can be, of these the least sum of d
//!   (Rosenbaum 1989);
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

use crate::checks;
use crate::error::{Error, Result};
use crate::monitor::Monitor;

use layout::{Layout, Stratum};

/// Where rows are, and what they may be matched with.
#[derive(Debug, Clone, Copy)]
pub struct Points<'a> {
    /// (n, d); distances are Euclidean.
    pub x: ArrayView2<'a, f64>,
    pub treatment: &'a [bool],
    /// Only rows of the same stratum are matched.
    pub strata: Option<&'a [i64]>,
    /// Which of rows at the same point comes first; by default the one that is first.
    pub rank: Option<&'a [i64]>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OptimalSpec {
    /// The longest distance allowed; infinite for any.
    pub caliper_width: f64,
    /// How often a row of each arm may be in a pair, control first; one of them is 1.
    pub uses: [usize; 2],
}

/// Pairs, ascending by treated row, then by control row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pairs {
    pub treated: Vec<usize>,
    pub control: Vec<usize>,
    pub distance: Vec<f64>,
}

/// Stars of n rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Stars {
    /// n: which star a row is in, from 1 on, in the order of strata and points; 0 for none.
    pub subclass: Vec<usize>,
    pub n_subclasses: usize,
    /// From the middle of each star to its rays.
    pub total_distance: f64,
}

impl OptimalSpec {
    fn check(&self) -> Result<()> {
        if self.caliper_width > 0.0 {
            return Ok(());
        }
        let found = self.caliper_width.to_string();
        Err(Error::Argument { name: "caliper", found, allowed: "a number > 0, or none" })
    }
}

/// The pairs whose distances have the least sum among matchings of the largest size.
///
/// # Errors
/// Lengths that differ, values not finite, an arm empty, no pair within the caliper, [`Error::Stopped`].
pub fn pairs(points: &Points<'_>, spec: &OptimalSpec, monitor: &Monitor) -> Result<Pairs> {
    let layout = Layout::new(points, spec)?;
    let matched: Vec<Vec<(usize, usize)>> = layout
        .strata
        .par_iter()
        .map(|stratum| pair_stratum(&layout, stratum, spec, monitor))
        .collect::<Result<_>>()?;
    let mut matched: Vec<(usize, usize)> = matched.into_iter().flatten().collect();
    matched.par_sort_unstable();
    if matched.is_empty() {
        return Err(Error::NoMatches { caliper_width: spec.caliper_width });
    }
    let distance = matched.iter().map(|(i, j)| layout::distance(points.x, *i, *j)).collect();
    let (treated, control) = matched.into_iter().unzip();
    Ok(Pairs { treated, control, distance })
}

/// The stars whose distances have the least sum among those that leave no unit out that has a partner.
///
/// # Errors
/// As for [`pairs`].
pub fn full(points: &Points<'_>, caliper_width: f64, monitor: &Monitor) -> Result<Stars> {
    let spec = OptimalSpec { caliper_width, uses: [1, 1] };
    let layout = Layout::new(points, &spec)?;
    let covers: Vec<stars::Cover> = layout
        .strata
        .par_iter()
        .map(|stratum| cover::cover(&layout, stratum, caliper_width, monitor))
        .collect::<Result<_>>()?;
    let mut found =
        Stars { subclass: vec![0; points.treatment.len()], n_subclasses: 0, total_distance: 0.0 };
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
    if layout.x.ncols() == 1 {
        caliper::pairs_on_a_line(layout, stratum, spec, monitor)
    } else {
        caliper::pairs_in_space(layout, stratum, spec, monitor)
    }
}

fn check(points: &Points<'_>, spec: &OptimalSpec) -> Result<()> {
    let n = points.treatment.len();
    checks::same_length("points", points.x.nrows(), n)?;
    if points.x.ncols() == 0 {
        return Err(Error::Argument {
            name: "points",
            found: "without columns".into(),
            allowed: "(n,) or (n, d)",
        });
    }
    for (name, labels) in [("exact", points.strata), ("rank", points.rank)] {
        if let Some(labels) = labels {
            checks::same_length(name, labels.len(), n)?;
        }
    }
    checks::both_arms(points.treatment)?;
    spec.check()
}
