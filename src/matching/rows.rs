//! From groups of equal values back to rows.

use std::ops::Range;

use super::NearestSpec;
use super::arm::Arm;
use super::matcher::{FoundByArm, Matcher};
use super::search::{Found, totals_by_donor};

/// The matches of n rows, m of them focal with at least one donor.
#[derive(Debug, Clone)]
pub struct Matches {
    /// n: 1 for a matched focal row, plus the sum of its uses as a donor.
    pub weights: Vec<f64>,
    /// m row numbers, ascending.
    pub focal: Vec<usize>,
    /// Every row of the arms that donate, the control arm first, each sorted by the quantity, ties by
    /// row number.
    pub donors: Vec<usize>,
    /// m ranges: the donors of `focal[i]` are `donors[runs[i]]`.
    pub runs: Vec<Range<usize>>,
    pub n_unmatched: usize,
    pub max_distance: f64,
    /// The caliper in units of the quantity; infinite without one.
    pub caliper_width: f64,
}

pub fn assemble(
    matcher: &Matcher,
    found: &FoundByArm,
    treatment: &[bool],
    spec: &NearestSpec,
) -> Matches {
    let (arms, rows) = (&matcher.arms, matcher.rows_by_arm(treatment));
    let mut assembly = Assembly::new(treatment.len());
    let mut n_focal = 0;
    // The treated's donors are the controls, who come first.
    for (focal, donors) in [(1, 0), (0, 1)] {
        if spec.focal.includes(focal == 1) {
            n_focal += rows[focal].len();
            assembly.add(
                (&arms[focal], &rows[focal]),
                (&arms[donors], &rows[donors]),
                &found[focal],
            );
        }
    }
    let (focal, runs): (Vec<usize>, Vec<Range<usize>>) = assembly
        .runs
        .into_iter()
        .enumerate()
        .filter_map(|(row, run)| run.map(|run| (row, run)))
        .unzip();
    Matches {
        weights: assembly.weights,
        n_unmatched: n_focal - focal.len(),
        focal,
        donors: assembly.donors,
        runs,
        max_distance: found.iter().flatten().map(|found| found.reach).fold(0.0, f64::max),
        caliper_width: matcher.reach(spec).caliper_width,
    }
}

/// An arm's groups, and its rows in the same order.
type Side<'a> = (&'a Arm, &'a [usize]);

struct Assembly {
    weights: Vec<f64>,
    donors: Vec<usize>,
    /// Of every row that is focal and matched.
    runs: Vec<Option<Range<usize>>>,
}

impl Assembly {
    fn new(n_rows: usize) -> Self {
        Self { weights: vec![0.0; n_rows], donors: Vec::new(), runs: vec![None; n_rows] }
    }

    fn add(&mut self, focal: Side<'_>, donors: Side<'_>, found: &[Found]) {
        let uses = totals_by_donor(focal.0, donors.0.len(), found, |found| 1.0 / found.rows);
        for (rows, uses) in donors.0.row_ranges().zip(uses) {
            donors.1[rows].iter().for_each(|row| self.weights[*row] += uses);
        }
        let first = donors.0.first_rows();
        let offset = self.donors.len();
        self.donors.extend(donors.1);
        for (rows, found) in focal.0.row_ranges().zip(found).filter(|(_, found)| !found.is_empty())
        {
            let run = offset + first[found.first]..offset + first[found.last];
            for row in &focal.1[rows] {
                self.weights[*row] += 1.0;
                self.runs[*row] = Some(run.clone());
            }
        }
    }
}
