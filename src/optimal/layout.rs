//! Rows in an order that depends on nothing but where they are and what they are called.

use std::cmp::Ordering;

use ndarray::ArrayView2;
use rayon::prelude::*;

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
    pub(super) fn on_a_line(&self) -> bool {
        self.x.ncols() == 1 && self.widths.is_empty()
    }
}

/// The rows, stratum by stratum.
pub struct Layout<'a> {
    pub points: Points<'a>,
    pub strata: Vec<Stratum>,
    /// Whether rows of an arm are at the same point, so that ranks decide between them.
    pub drawn: bool,
}

/// The rows of a stratum, each arm in the order of its points (coordinate by coordinate), then of ranks.
#[derive(Debug, Default)]
pub struct Stratum {
    /// Control first.
    pub arms: [Vec<usize>; 2],
}

impl<'a> Layout<'a> {
    pub fn new(points: &Points<'a>) -> Self {
        let mut strata: Vec<Stratum> = Vec::new();
        let mut current = None;
        let (rows, drawn) = sorted(points);
        for row in rows {
            if current.replace(points.stratum[row]) != Some(points.stratum[row]) {
                strata.push(Stratum::default());
            }
            if let Some(last) = strata.last_mut() {
                last.arms[usize::from(points.treatment[row])].push(row);
            }
        }
        strata.retain(|stratum| stratum.arms.iter().all(|arm| !arm.is_empty()));
        Self { points: *points, strata, drawn }
    }

    /// The only coordinate of each row.
    pub fn values(&self, rows: &[usize]) -> Vec<f64> {
        rows.iter().map(|row| self.points.x[[*row, 0]]).collect()
    }

    /// The points of some rows.
    pub fn coordinates(&self, rows: impl Iterator<Item = usize>) -> Coordinates<'a> {
        let x = self.points.x;
        Coordinates {
            flat: rows.flat_map(|row| x.row(row).to_vec()).collect(),
            dimensions: x.ncols(),
            metric: self.points.metric(),
            widths: self.points.widths,
        }
    }

    pub fn same_point(&self, one: usize, other: usize) -> bool {
        self.compare_points(one, other).is_eq()
    }

    /// In the order of points, coordinate by coordinate.
    pub fn compare_points(&self, one: usize, other: usize) -> Ordering {
        compare_points(self.points.x, one, other)
    }

    /// The distance of two rows that may be a pair.
    pub fn distance(&self, one: usize, other: usize) -> f64 {
        let along = self.points.x.row(one).into_iter().zip(self.points.x.row(other));
        length(along.take(self.points.metric()))
    }
}

/// Points one after the other, for distances between many of them.
pub struct Coordinates<'a> {
    pub flat: Vec<f64>,
    pub dimensions: usize,
    /// So many of them make the distance.
    pub metric: usize,
    pub widths: &'a [f64],
}

impl Coordinates<'_> {
    pub fn len(&self) -> usize {
        self.flat.len() / self.dimensions
    }

    pub fn point(&self, at: usize) -> &[f64] {
        &self.flat[at * self.dimensions..][..self.dimensions]
    }

    /// No distance from these points to others is longer.
    pub fn longest(&self, others: &Self) -> f64 {
        let side = |k: usize| {
            let both = [self, others].into_iter();
            let values =
                both.flat_map(|points| points.flat.iter().skip(k).step_by(self.dimensions));
            let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
                (low.min(*x), high.max(*x))
            });
            high - low
        };
        (0..self.metric).map(|k| side(k) * side(k)).sum::<f64>().sqrt()
    }
}

/// The Euclidean length; a single difference as it is, for squares could round it.
fn length<'a>(pairs: impl Iterator<Item = (&'a f64, &'a f64)>) -> f64 {
    let gaps = pairs.map(|(a, b)| (a - b).abs());
    let (mut squares, mut largest) = (0.0, 0.0_f64);
    let mut n_gaps = 0;
    for gap in gaps {
        squares += gap * gap;
        largest = largest.max(gap);
        n_gaps += 1;
    }
    if n_gaps == 1 { largest } else { f64::sqrt(squares) }
}

fn sorted(points: &Points<'_>) -> (Vec<usize>, bool) {
    let rows = (0..points.treatment.len()).filter(|row| points.keep[*row]);
    let rank = |row: usize| (points.rank[row], row);
    if points.on_a_line() {
        // Sorting the keys themselves is three times faster than looking them up.
        let mut keys: Vec<(u32, f64, (u64, usize))> =
            rows.map(|row| (points.stratum[row], points.x[[row, 0]], rank(row))).collect();
        keys.par_sort_unstable_by(|a, b| {
            (a.0.cmp(&b.0)).then(compare(a.1, b.1)).then(a.2.cmp(&b.2))
        });
        let (mut before, mut tied) = ((u32::MAX, f64::NAN), false);
        let in_order = keys.into_iter().map(|(stratum, value, (_, row))| {
            tied |= before == (stratum, value);
            before = (stratum, value);
            row
        });
        let order: Vec<usize> = in_order.collect();
        let drawn = tied && is_drawn(&order, points);
        return (order, drawn);
    }
    let mut order: Vec<usize> = rows.collect();
    order.par_sort_unstable_by(|a, b| {
        (points.stratum[*a].cmp(&points.stratum[*b]))
            .then(compare_points(points.x, *a, *b))
            .then(rank(*a).cmp(&rank(*b)))
    });
    let drawn = is_drawn(&order, points);
    (order, drawn)
}

/// Whether rows of an arm are at the same point: two neighbours of one arm, or three of whatever arms.
fn is_drawn(order: &[usize], points: &Points<'_>) -> bool {
    let arm = |place: usize| points.treatment[order[place]];
    let tied = |place: usize| {
        let (one, other) = (order[place], order[place + 1]);
        points.stratum[one] == points.stratum[other] && compare_points(points.x, one, other).is_eq()
    };
    (1..order.len()).into_par_iter().any(|place| {
        tied(place - 1) && (arm(place - 1) == arm(place) || place > 1 && tied(place - 2))
    })
}

/// Coordinate by coordinate.
fn compare_points(x: ArrayView2<'_, f64>, one: usize, other: usize) -> Ordering {
    let along = x.row(one).into_iter().zip(x.row(other));
    let found = along.map(|(a, b)| compare(*a, *b)).find(|found| found.is_ne());
    found.unwrap_or(Ordering::Equal)
}

/// Finite numbers in their order, 0 and -0 being the same.
fn compare(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}
