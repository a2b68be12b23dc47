//! Nearest neighbours on a score, with replacement, every tie kept.
//!
//! A focal unit i (treated for the ATT, control for the ATC) is compared with Omega(i): all units of
//! the other arm no farther than its k-th nearest (Abadie and Imbens 2006, section 2), each with the same
//! share 1 / |Omega(i)|. In one dimension Omega(i) is a run of the sorted donors, so a match is two
//! numbers, however many donors tie, and nothing depends on the order of the rows.

mod arm;
mod order;
mod search;

use std::ops::Range;

use rayon::prelude::*;

use crate::checks;
use crate::error::{Error, Result};
use crate::estimand::Estimand;
use crate::moments::Moments;
use crate::monitor::Monitor;
use crate::tally::{Rows, Units};

use arm::Arm;
use search::{Found, Search};

/// What distances are measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quantity {
    /// The score itself.
    Score,
    /// Its log odds, which spread the ends out.
    Logit,
}

/// Which arm's units look for neighbours in the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Focal {
    /// The treated: an effect for them, the ATT.
    Treated,
    /// The controls: the ATC.
    Control,
}

impl TryFrom<Estimand> for Focal {
    type Error = Error;

    fn try_from(estimand: Estimand) -> Result<Self> {
        match estimand {
            Estimand::Att => Ok(Self::Treated),
            Estimand::Atc => Ok(Self::Control),
            other => Err(Error::Argument {
                name: "estimand",
                found: format!("{other:?}").to_uppercase(),
                allowed: "\"ATT\" or \"ATC\" for matching",
            }),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NearestSpec {
    pub focal: Focal,
    pub n_neighbors: usize,
    /// The farthest a neighbour may be, in standard deviations (all rows, n - 1) of the quantity.
    pub caliper: Option<f64>,
    pub quantity: Quantity,
}

impl NearestSpec {
    /// # Errors
    /// [`Error::Argument`] for no neighbours or a caliper that is not positive.
    pub fn check(&self) -> Result<()> {
        if self.n_neighbors == 0 {
            let found = "0".into();
            return Err(Error::Argument { name: "n_neighbors", found, allowed: "at least 1" });
        }
        match self.caliper {
            Some(caliper) if !(caliper > 0.0 && caliper.is_finite()) => {
                let found = caliper.to_string();
                Err(Error::Argument { name: "caliper", found, allowed: "a number > 0, or none" })
            }
            _ => Ok(()),
        }
    }

    fn search(&self, deviation: f64) -> Search {
        let caliper_width = self.caliper.map_or(f64::INFINITY, |caliper| caliper * deviation);
        Search { n_neighbors: self.n_neighbors as f64, caliper_width }
    }
}

/// The matches of n rows, m of them focal with at least one donor.
#[derive(Debug, Clone)]
pub struct Matches {
    /// n: matched focal rows 1, donors the sum of their uses, everybody else 0.
    pub weights: Vec<f64>,
    /// m row numbers, ascending.
    pub focal: Vec<usize>,
    /// Every row of the other arm, sorted by the quantity, ties by row number.
    pub donors: Vec<usize>,
    /// m ranges: the donors of `focal[i]` are `donors[runs[i]]`.
    pub runs: Vec<Range<usize>>,
    pub n_unmatched: usize,
    pub max_distance: f64,
    /// The caliper in units of the quantity; infinite without one.
    pub caliper_width: f64,
}

/// The log odds of a score.
#[must_use]
pub fn logit(score: f64) -> f64 {
    (score / (1.0 - score)).ln()
}

/// Match the rows of one arm to their nearest in the other.
///
/// # Errors
/// Lengths that differ, scores outside (0, 1), an empty arm, fewer donors than neighbours asked for,
/// nobody within the caliper.
pub fn nearest(
    scores: &[f64],
    treatment: &[bool],
    spec: &NearestSpec,
    monitor: &Monitor,
) -> Result<Matches> {
    checks::same_length("treatment", treatment.len(), scores.len())?;
    checks::scores(scores)?;
    checks::both_arms(treatment)?;
    spec.check()?;
    let logits: Vec<f64>;
    let values = match spec.quantity {
        Quantity::Score => scores,
        Quantity::Logit => {
            logits = scores.par_iter().map(|score| logit(*score)).collect();
            &logits
        }
    };
    monitor.check()?;
    let rows = Rows { treatment, sample_weight: None };
    let mut order = Vec::new();
    order::sort_by_value(values, |_| true, &mut order);
    monitor.check()?;
    let (mut treated, mut control) = (Arm::default(), Arm::default());
    arm::split(&order, values, &rows, &mut treated, &mut control);
    let (focal, donors) = by_role(spec.focal, &treated, &control);
    if spec.n_neighbors as f64 > donors.n_rows() {
        return Err(Error::Argument {
            name: "n_neighbors",
            found: format!("{} with {} donors", spec.n_neighbors, donors.n_rows()),
            allowed: "at most the number of rows to choose from",
        });
    }
    let search = spec.search(deviation(values, &rows));
    let found = search.all(focal, donors, monitor)?;
    if found.iter().all(Found::is_empty) {
        return Err(Error::NoMatches { caliper_width: search.caliper_width });
    }
    let is_focal = |row: usize| treatment[row] == (spec.focal == Focal::Treated);
    Ok(assemble(&order, is_focal, focal, donors, &found, &search))
}

/// The matched difference of outcomes on any units, without the list of who was matched to whom.
#[derive(Debug, Default)]
pub struct Matcher {
    order: Vec<u32>,
    treated: Arm,
    control: Arm,
    deviation: f64,
}

impl Matcher {
    /// Sort the units of a resample by `values`; units without rows are passed over.
    pub fn sort<U: Units>(&mut self, values: &[f64], units: &U) {
        let has_rows = |unit: usize| {
            let tally = units.tally(unit);
            tally.treated + tally.control > 0.0
        };
        order::sort_by_value(values, has_rows, &mut self.order);
        arm::split(&self.order, values, units, &mut self.treated, &mut self.control);
        self.deviation = deviation(values, units);
    }

    /// The effect on the units last sorted: the mean over matched focal rows of the difference to the
    /// mean of their donors, treated minus control.
    ///
    /// # Errors
    /// [`Error::NoMatches`] where nobody has a donor within the caliper.
    pub fn effect(&self, spec: &NearestSpec) -> Result<f64> {
        let (focal, donors) = by_role(spec.focal, &self.treated, &self.control);
        let search = spec.search(self.deviation);
        let (mut rows, mut gap) = (0.0, 0.0);
        search.each(focal, donors, 0..focal.len(), |group, found| {
            if !found.is_empty() {
                let donated: f64 = donors.outcome[found.groups()].iter().sum();
                rows += focal.rows[group];
                gap += focal.outcome[group] - focal.rows[group] * (donated / found.rows);
            }
        });
        match (rows > 0.0, spec.focal) {
            (false, _) => Err(Error::NoMatches { caliper_width: search.caliper_width }),
            (true, Focal::Treated) => Ok(gap / rows),
            (true, Focal::Control) => Ok(-gap / rows),
        }
    }
}

fn by_role<'a>(focal: Focal, treated: &'a Arm, control: &'a Arm) -> (&'a Arm, &'a Arm) {
    match focal {
        Focal::Treated => (treated, control),
        Focal::Control => (control, treated),
    }
}

/// The standard deviation of `values` over all rows.
fn deviation<U: Units>(values: &[f64], units: &U) -> f64 {
    let mut moments = Moments::default();
    let mut weights = [0.0; crate::kernels::BLOCK];
    for (block, values) in values.chunks(weights.len()).enumerate() {
        let start = block * weights.len();
        for (slot, weight) in weights[..values.len()].iter_mut().enumerate() {
            let tally = units.tally(start + slot);
            *weight = tally.treated + tally.control;
        }
        moments.add(values, &weights[..values.len()]);
    }
    moments.sample_variance().sqrt()
}

/// From groups of equal values back to rows.
fn assemble(
    order: &[u32],
    is_focal: impl Fn(usize) -> bool,
    focal: &Arm,
    donors: &Arm,
    found: &[Found],
    search: &Search,
) -> Matches {
    let (focal_rows, donor_rows): (Vec<usize>, Vec<usize>) =
        order.iter().map(|row| *row as usize).partition(|row| is_focal(*row));
    let uses = uses_of_donors(focal, donors, found);
    let mut weights = vec![0.0; order.len()];
    let mut run_of_row: Vec<Option<Range<usize>>> = vec![None; order.len()];
    let first_row = donors.first_rows();
    for (group, rows) in donors.row_ranges().enumerate() {
        donor_rows[rows].iter().for_each(|row| weights[*row] = uses[group]);
    }
    for (rows, found) in focal.row_ranges().zip(found).filter(|(_, found)| !found.is_empty()) {
        let run = first_row[found.first]..first_row[found.last];
        for row in &focal_rows[rows] {
            weights[*row] = 1.0;
            run_of_row[*row] = Some(run.clone());
        }
    }
    let (matched, runs): (Vec<usize>, Vec<Range<usize>>) = run_of_row
        .into_iter()
        .enumerate()
        .filter_map(|(row, run)| run.map(|run| (row, run)))
        .unzip();
    Matches {
        weights,
        n_unmatched: focal_rows.len() - matched.len(),
        focal: matched,
        donors: donor_rows,
        runs,
        max_distance: found.iter().map(|found| found.reach).fold(0.0, f64::max),
        caliper_width: search.caliper_width,
    }
}

/// How often a row of each donor group is used: the shares of all focal rows that have it.
fn uses_of_donors(focal: &Arm, donors: &Arm, found: &[Found]) -> Vec<f64> {
    let mut uses = vec![0.0; donors.len()];
    for (rows, found) in focal.rows.iter().zip(found).filter(|(_, found)| !found.is_empty()) {
        let share = rows / found.rows;
        uses[found.groups()].iter_mut().for_each(|uses| *uses += share);
    }
    uses
}
