//! Optimal matching in the space that a specification asks for.

use ndarray::ArrayView2;

use super::draws::draws;
use super::present::Present;
use super::space::{Space, kept};
use super::spec::{Candidates, Focal, MatchSpec, argument};
use crate::error::Result;
use crate::monitor::Monitor;
use crate::optimal::{self, OptimalSpec, Points, Stars};

/// Put every row with a partner into a star, one row of an arm and some of the other: the least sum of
/// distances from the middle of each.
///
/// # Errors
/// Arrays that do not fit, a specification that contradicts itself, nobody within the calipers,
/// [`crate::error::Error::Stopped`].
pub fn full(candidates: &Candidates<'_>, spec: &MatchSpec, monitor: &Monitor) -> Result<Stars> {
    spec.check(candidates)?;
    if let Some(present) = Present::among(candidates) {
        let calipers = present.calipers();
        let stars = full(&present.candidates(&calipers), spec, monitor)?;
        return Ok(present.spread_stars(stars));
    }
    let keep = kept(candidates, spec.discard);
    let space = Space::new(candidates, spec, &keep, monitor)?;
    monitor.check()?;
    let draws = draws(candidates.ids, candidates.treatment.len(), spec.seed);
    let apart = told_apart(&space);
    let points = points(candidates.treatment, &apart, &draws, &keep)?;
    let mut stars = optimal::full(&points, apart.reach, monitor)?;
    stars.total_distance = total_distance(&stars, candidates.treatment, &space);
    Ok(stars)
}

/// The sum of distances from the middle of each star, the only row of its arm there, to the others.
fn total_distance(stars: &Stars, treatment: &[bool], space: &Space) -> f64 {
    let inside = || stars.subclass.iter().enumerate().filter(|(_, star)| **star > 0);
    // How many rows of either arm a star has, control first, and the last of them.
    let mut arms = vec![[(0_usize, 0_usize); 2]; stars.n_subclasses];
    for (row, star) in inside() {
        let (count, last) = &mut arms[star - 1][usize::from(treatment[row])];
        (*count, *last) = (*count + 1, row);
    }
    let to_middle = |(row, star): (usize, &usize)| {
        let own = usize::from(treatment[row]);
        let (others, middle) = arms[star - 1][1 - own];
        let is_ray = others == 1 && (arms[star - 1][own].0 > 1 || treatment[row]);
        if is_ray { space.distance(row, middle) } else { 0.0 }
    };
    inside().map(to_middle).sum()
}

/// Pairs (focal row, donor) of least total distance, ascending, each donor in one.
pub fn pairs(
    spec: &MatchSpec,
    treatment: &[bool],
    (space, draws, keep): (&Space, &[u64], &[bool]),
    monitor: &Monitor,
) -> Result<optimal::Pairs> {
    let treated_are_focal = spec.focal == Focal::Treated;
    let uses = if treated_are_focal { [1, spec.n_neighbors] } else { [spec.n_neighbors, 1] };
    let space = &told_apart(space);
    let points = points(treatment, space, draws, keep)?;
    let spec = OptimalSpec { caliper_width: space.reach, uses };
    let mut found = optimal::pairs(&points, &spec, monitor)?;
    if !treated_are_focal {
        for (treated, control) in &mut found.pairs {
            std::mem::swap(treated, control);
        }
        found.pairs.sort_unstable();
    }
    Ok(found)
}

/// Of the greatest coordinate, what may be rounding: far above the 1e-15 by which scores fitted to the same rows in another
/// order differ, far below any difference that means something.
const ROUNDING: i32 = -34;

/// The same space with coordinates in whole steps of 2^-34 of the greatest. Sums of distances that are equal but for
/// rounding are then equal, so that which of them is the least does not depend on the order of the rows.
fn told_apart(space: &Space) -> Space {
    let mut space = space.clone();
    let (dims, metric) = (space.dims.max(1), space.metric);
    let own = |place: usize| place % dims < metric;
    let values = space.coords.iter().enumerate().filter(|(place, _)| own(*place));
    let greatest = values.map(|(_, value)| value.abs()).fold(0.0, f64::max);
    if greatest > 0.0 {
        let step = greatest.log2().ceil().exp2() * f64::exp2(ROUNDING.into());
        let values = space.coords.iter_mut().enumerate().filter(|(place, _)| own(*place));
        values.for_each(|(_, value)| *value = (*value / step).round() * step);
        space.reach += step;
    }
    space
}

fn points<'a>(
    treatment: &'a [bool],
    space: &'a Space,
    draws: &'a [u64],
    keep: &'a [bool],
) -> Result<Points<'a>> {
    let no_columns = || argument("covariates", "0", "at least 1 column");
    if space.metric == 0 {
        return Err(no_columns());
    }
    let x = ArrayView2::from_shape((treatment.len(), space.dims), &space.coords)
        .map_err(|_| no_columns())?;
    Ok(Points { x, widths: &space.widths, treatment, keep, stratum: &space.stratum, rank: draws })
}
