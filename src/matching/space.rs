//! Where rows are, and which of them may be paired.

use super::metric;
use super::spec::{Candidates, Discard, MatchSpec, Metric, Quantity, argument, logit};
use crate::error::{Error, Result};
use crate::monitor::Monitor;

/// Two distances tie when they are equal to twelve decimals: wide enough for rounding, far narrower than
/// the gaps between neighbours. What is rounded can be compared in any order, which choosing needs.
#[must_use]
pub fn key(distance: f64) -> f64 {
    (distance * 1e12).round()
}

/// Squares of differences of such coordinates are finite, and so are sums of a million of them.
const FARTHEST: f64 = 1e150;

/// n rows with `dims` coordinates each. The first `metric` of them make the distance; the others only tell
/// whether a pair is within a caliper.
#[derive(Debug, Clone)]
pub struct Space {
    /// Row-major.
    pub coords: Vec<f64>,
    pub dims: usize,
    pub metric: usize,
    /// The largest distance allowed, rounding included.
    pub reach: f64,
    /// The largest difference allowed in each coordinate that is not of the distance, rounding included.
    pub widths: Vec<f64>,
    /// The width of every caliper in the units of its values, that of the specification first.
    pub caliper_widths: Vec<f64>,
    /// Only rows of equal strata may be paired; 0 to G - 1.
    pub stratum: Vec<u32>,
    pub n_strata: usize,
}

impl Space {
    #[must_use]
    pub fn point(&self, row: usize) -> &[f64] {
        &self.coords[row * self.dims..(row + 1) * self.dims]
    }

    #[must_use]
    pub fn distance(&self, a: usize, b: usize) -> f64 {
        let pairs = self.point(a).iter().zip(self.point(b)).take(self.metric);
        pairs.map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt()
    }

    /// The space a specification asks for; it has been checked. Calipers count the standard deviation of the
    /// rows that are kept.
    ///
    /// # Errors
    /// [`Error::Extreme`] where somebody is nowhere: another thread has overwritten what was checked.
    /// [`Error::Stopped`].
    pub fn new(
        candidates: &Candidates<'_>,
        spec: &MatchSpec,
        keep: &[bool],
        monitor: &Monitor,
    ) -> Result<Self> {
        let n_rows = candidates.treatment.len();
        let scores = candidates.scores.unwrap_or_default();
        let width = |values: &[f64], caliper| {
            spec.unit.widths(values, (candidates.treatment, keep), caliper)
        };
        let mut columns: Vec<(&[f64], (f64, f64))> = candidates
            .calipers
            .iter()
            .map(|(values, caliper)| (*values, width(values, *caliper)))
            .collect();
        let mut caliper_widths = Vec::new();
        // Covariates are there exactly where the metric needs them.
        let (coords, metric, reach) = match (candidates.covariates, spec.metric) {
            (None, metric) => {
                let line = on_a_line(scores, metric);
                let widths = spec.caliper.map(|caliper| width(&line, caliper));
                caliper_widths.extend(widths.map(|(asked, _)| asked));
                (line, 1, widths.map_or(f64::INFINITY, |(_, reach)| reach))
            }
            (Some(x), metric) => {
                if let Some(caliper) = spec.caliper {
                    columns.insert(0, (scores, width(scores, caliper)));
                }
                let (rows, dims) = metric::turned(x, candidates.treatment, metric, monitor)?;
                (rows, dims, f64::INFINITY)
            }
        };
        caliper_widths.extend(columns.iter().map(|(_, (asked, _))| *asked));
        if caliper_widths.iter().any(|width| width.is_nan()) && both_kept(candidates, keep) {
            let allowed =
                "in raw units where a single row of an arm is left, whose values do not vary";
            return Err(argument("caliper", "in standard deviations", allowed));
        }
        let (stratum, n_strata) = strata(candidates.exact, n_rows);
        monitor.check()?;
        let coords = beside(coords, metric, &columns);
        // Nothing is near NaN, and a search that finds nothing near looks at everything.
        if !coords.iter().all(|value| value.abs() <= FARTHEST) {
            let name = if candidates.covariates.is_some() { "covariates" } else { "scores" };
            return Err(Error::Extreme { name, column: None });
        }
        Ok(Self {
            coords,
            dims: metric + columns.len(),
            metric,
            reach,
            widths: columns.iter().map(|(_, (_, reach))| *reach).collect(),
            caliper_widths,
            stratum,
            n_strata,
        })
    }

    /// Places without calipers.
    #[must_use]
    pub fn within(coords: Vec<f64>, dims: usize, (stratum, n_strata): (Vec<u32>, usize)) -> Self {
        let reach = f64::INFINITY;
        let (widths, caliper_widths) = (vec![], vec![]);
        Self { coords, dims, metric: dims, reach, widths, caliper_widths, stratum, n_strata }
    }
}

/// Whether there is anybody to be paired.
fn both_kept(candidates: &Candidates<'_>, keep: &[bool]) -> bool {
    let kept = || candidates.treatment.iter().zip(keep).filter(|(_, keep)| **keep);
    kept().any(|(treated, _)| *treated) && kept().any(|(treated, _)| !*treated)
}

/// Which rows take part.
#[must_use]
pub fn kept(candidates: &Candidates<'_>, discard: Discard) -> Vec<bool> {
    let scores = candidates.scores.unwrap_or_default();
    let range = |arm: bool| {
        let own = scores.iter().zip(candidates.treatment).filter(|(_, treated)| **treated == arm);
        own.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (score, _)| {
            (low.min(*score), high.max(*score))
        })
    };
    let leaves_out = |arm: bool| match discard {
        Discard::Nobody => false,
        Discard::Treated => arm,
        Discard::Control => !arm,
        Discard::Both => true,
    };
    let others = [range(true), range(false)];
    let outside = |row: usize, arm: bool| {
        let (low, high) = others[usize::from(arm)];
        leaves_out(arm) && !(low..=high).contains(&scores[row])
    };
    candidates.treatment.iter().enumerate().map(|(row, arm)| !outside(row, *arm)).collect()
}

fn on_a_line(scores: &[f64], metric: Metric) -> Vec<f64> {
    match metric {
        Metric::Line(Quantity::Logit) => scores.iter().map(|score| logit(*score)).collect(),
        _ => scores.to_vec(),
    }
}

/// Further columns put beside row-major coordinates.
fn beside<W>(coords: Vec<f64>, width: usize, columns: &[(&[f64], W)]) -> Vec<f64> {
    if columns.is_empty() {
        return coords;
    }
    let mut wider = Vec::with_capacity(coords.len() + columns.len() * columns[0].0.len());
    for row in 0..columns[0].0.len() {
        wider.extend_from_slice(&coords[row * width..(row + 1) * width]);
        wider.extend(columns.iter().map(|(values, _)| values[row] + 0.0));
    }
    wider
}

/// Labels as 0 to G - 1, in their order.
#[must_use]
#[allow(clippy::cast_possible_truncation)] // rows are numbered in u32
pub fn strata(labels: Option<&[i64]>, n_rows: usize) -> (Vec<u32>, usize) {
    let Some(labels) = labels else { return (vec![0; n_rows], 1) };
    let mut distinct = labels.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let place = |label: &i64| distinct.partition_point(|other| other < label) as u32;
    (labels.iter().map(place).collect(), distinct.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::spec::{CaliperUnit, Focal, Method};

    #[test]
    fn space_refuses_rows_that_are_nowhere() {
        let spec = MatchSpec {
            focal: Focal::Treated,
            n_neighbors: 1,
            metric: Metric::Line(Quantity::Score),
            method: Method::Optimal,
            caliper: None,
            unit: CaliperUnit::All,
            discard: Discard::Nobody,
            seed: 0,
        };
        for value in [f64::NAN, f64::INFINITY, 1e200] {
            let candidates = Candidates {
                treatment: &[false, true],
                scores: Some(&[0.5, value]),
                covariates: None,
                exact: None,
                calipers: &[],
                sample_weight: None,
                ids: None,
            };
            let error = Error::Extreme { name: "scores", column: None };
            assert_eq!(
                Space::new(&candidates, &spec, &[true; 2], &Monitor::default()).unwrap_err(),
                error,
                "{value}"
            );
        }
    }
}
