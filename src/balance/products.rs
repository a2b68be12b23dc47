//! The balance of squares and products of columns, without making them: their means and variances are in the sums of
//! products of up to four columns, which are Gram matrices of the columns and of their squares.
//!
//! Columns are measured from a center c before they are multiplied, so that a square says how far rows are spread: that of
//! a column far from zero says nothing that the column does not. With z = (x - m) / s, from the mean m and in standard
//! deviations s, and a = (m - c) / s, a product is, but for a factor and a constant,
//!
//! ```text
//! p = a_j z_k + a_k z_j + z_j z_k
//! ```
//!
//! so that E p asks for the z's means and E z_j z_k, and E p^2 for E z_j z_k^2 and E z_j^2 z_k^2 besides. Nothing of
//! it cancels that a product does not lose by itself; where what is left is small all the same (a column that is
//! constant, or in an arm) the product is made, and asked as any other column.

mod product;

use std::borrow::Cow;
use std::ops::Range;

use ndarray::{Array2, ShapeBuilder};
use rayon::prelude::*;

use super::columns::{Denominator, columns};
use super::present::Present;
use super::samples::Sample;
use super::{samples, totals};
use crate::checks;
use crate::design::covariates::{CHUNK, Covariates};
use crate::error::{Error, Result};
use crate::kernels::{BLOCK, Lane, ScoreEquations};
use crate::matrix::Matrix;
use crate::moments::Moments;
use crate::monitor::Monitor;
use crate::reserve::room_for;
use crate::units::frequency::RowWeights;

/// Rows whose sums are kept apart: as many for any number of threads, and few enough sums to hold.
const PIECE: usize = 16 * CHUNK;

/// A variance that is no more than this share of what it is made of has lost digits.
const CANCELLED: f64 = 1e-6;

/// Which columns are multiplied.
#[derive(Debug, Clone, Copy)]
pub struct Pairs<'a> {
    /// By their numbers; the same twice for a square.
    pub columns: &'a [[usize; 2]],
    /// What each column is measured from before; zero where there is none.
    pub center: Option<&'a [f64]>,
}

impl Pairs<'_> {
    fn check(&self, n_columns: usize) -> Result<()> {
        if let Some(center) = self.center {
            checks::same_length("center", center.len(), n_columns)?;
            checks::finite("center", center)?;
        }
        match self.columns.iter().find(|pair| pair.iter().any(|k| *k >= n_columns)) {
            Some(pair) => {
                let found = format!("{pair:?} of {n_columns} columns");
                Err(Error::Argument { name: "pairs", found, allowed: "columns that x has" })
            }
            None => Ok(()),
        }
    }

    fn center(&self, column: usize) -> f64 {
        self.center.map_or(0.0, |center| center[column])
    }
}

/// Standardized mean differences of products of two columns of `x`, or of one with itself, in the sample as it is and in
/// each weighting of it: those that [`super::smd`] gives of the products as columns. NaN where a product is out of the
/// range of a float64.
///
/// # Errors
/// As for [`super::smd`]; [`Error::Argument`] for a pair of columns that are not there; a center that is not finite.
pub fn product_smds<'a>(
    x: impl Into<Matrix<'a>>,
    treatment: &[bool],
    pairs: Pairs<'_>,
    weightings: &[&[f64]],
    row_weights: RowWeights<'_>,
    denominator: Denominator,
    monitor: &Monitor,
) -> Result<Array2<f64>> {
    let x = x.into();
    if let Some(present) = Present::among(&x, &[], treatment, weightings, row_weights)? {
        let weightings: Vec<&[f64]> = present.weightings.iter().map(Vec::as_slice).collect();
        let base = present.row_weights();
        let (x, treatment) = (present.x.view(), present.treatment.as_slice());
        return product_smds(x, treatment, pairs, &weightings, base, denominator, monitor);
    }
    pairs.check(x.ncols())?;
    let totals = totals(weightings, treatment, row_weights)?;
    let samples = samples(&x, treatment, &totals, row_weights)?;
    let mut used: Vec<usize> = pairs.columns.iter().flatten().copied().collect();
    used.sort_unstable();
    used.dedup();
    let design = Covariates::standardized(x.clone())?.subset(&used);
    let place = |column: usize| used.binary_search(&column).unwrap_or_default();
    let sums = Sums::of(&design, treatment, &samples, monitor)?;
    let center: Vec<f64> = used.iter().map(|column| pairs.center(*column)).collect();
    let kind = |column: &usize| {
        let from = pairs.center(*column);
        Kind::of(x.column(*column).iter().map(|x| x - from))
    };
    let kinds: Vec<Kind> = used.par_iter().map(kind).collect();
    let rows: Vec<Vec<f64>> = (pairs.columns)
        .par_iter()
        .map(|[one, other]| {
            monitor.check()?;
            let (j, k) = (place(*one), place(*other));
            let is_binary = kinds[j].times(kinds[k], j == k);
            let product = Product::of(&design, &center, [j, k], is_binary);
            match sums.smds(product, &samples, denominator) {
                Some(smds) => Ok(smds),
                None => {
                    by_column(&factors(&x, pairs, [*one, *other]), treatment, &samples, denominator)
                }
            }
        })
        .collect::<Result<_>>()?;
    let width = samples.len();
    Ok(Array2::from_shape_fn((rows.len(), width), |(pair, sample)| rows[pair][sample]))
}

/// Two columns, from what they are measured from.
fn factors<'a>(
    x: &'a Matrix<'_>,
    pairs: Pairs<'_>,
    columns: [usize; 2],
) -> [(Cow<'a, [f64]>, f64); 2] {
    columns.map(|column| (x.column(column), pairs.center(column)))
}

/// The same of one product, made.
fn by_column(
    factors: &[(Cow<'_, [f64]>, f64); 2],
    treatment: &[bool],
    samples: &[Sample<'_>],
    denominator: Denominator,
) -> Result<Vec<f64>> {
    let n = treatment.len();
    room_for(n, size_of::<f64>())?;
    let product = Array2::from_shape_fn((n, 1).f(), |(row, _)| {
        factors.iter().map(|(column, center)| column[row] - center).product()
    });
    Ok(match columns(&product.view().into(), treatment, samples) {
        Ok(found) => (0..samples.len()).map(|s| found[0].smd(s, samples, denominator)).collect(),
        Err(_) => vec![f64::NAN; samples.len()],
    })
}

/// What values a column has, as far as it tells those of products.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Zeros and ones.
    Binary,
    /// These and minus ones, whose squares are zeros and ones.
    Signs,
    Other,
}

impl Kind {
    #[allow(clippy::float_cmp)] // exact on purpose
    fn of(mut values: impl Iterator<Item = f64>) -> Self {
        let mut kind = Self::Binary;
        let has_others = values.any(|x| {
            if x == -1.0 {
                kind = Self::Signs;
            }
            x != 0.0 && x.abs() != 1.0
        });
        if has_others { Self::Other } else { kind }
    }

    /// Whether a product is of zeros and ones alone.
    fn times(self, other: Self, is_square: bool) -> bool {
        match (self, other) {
            (Self::Binary, Self::Binary) => true,
            (Self::Signs, Self::Signs) => is_square,
            _ => false,
        }
    }
}

/// A product of the columns at two places; a and b, and the product of the scales.
#[derive(Debug, Clone, Copy)]
struct Product {
    j: usize,
    k: usize,
    binary: bool,
    shift: [f64; 2],
    scale: f64,
}

/// Sums over an arm's rows of products of columns z, and of their squares, the constant first: row-major, the upper
/// triangle.
struct ArmSums {
    /// In the sample as it is, of (1, z, z^2).
    base: ScoreEquations,
    /// In each weighting, of (1, z).
    weighted: Vec<ScoreEquations>,
}

/// Controls first.
struct Sums {
    arms: [ArmSums; 2],
}

impl ArmSums {
    fn new(n_columns: usize, n_weightings: usize) -> Self {
        let weighted = (0..n_weightings).map(|_| ScoreEquations::new(n_columns + 1)).collect();
        Self { base: ScoreEquations::new(2 * n_columns + 1), weighted }
    }

    fn merge(&mut self, other: &Self) {
        self.base.merge(&other.base);
        self.weighted.iter_mut().zip(&other.weighted).for_each(|(all, one)| all.merge(one));
    }
}

/// Rows of one arm, put together into whole blocks.
struct Packed {
    filled: usize,
    /// z, then z^2.
    columns: Vec<Lane>,
    /// By sample.
    weights: Vec<Lane>,
}

impl Packed {
    fn new(n_columns: usize, n_samples: usize) -> Self {
        let (columns, weights) = (vec![[0.0; BLOCK]; 2 * n_columns], vec![[0.0; BLOCK]; n_samples]);
        Self { filled: 0, columns, weights }
    }

    /// Take these rows of a block that starts at row `start`.
    fn take(
        &mut self,
        rows: &[usize],
        start: usize,
        z: &[Lane],
        samples: &[Sample<'_>],
        sums: &mut ArmSums,
    ) {
        let mut rest = rows;
        while !rest.is_empty() {
            let (own, more) = rest.split_at(rest.len().min(BLOCK - self.filled));
            let slots = self.filled..self.filled + own.len();
            for (to, from) in self.columns.iter_mut().zip(z) {
                to[slots.clone()].iter_mut().zip(own).for_each(|(to, row)| *to = from[*row]);
            }
            for (to, sample) in self.weights.iter_mut().zip(samples) {
                let to = to[slots.clone()].iter_mut();
                to.zip(own).for_each(|(to, row)| *to = sample.weight(start + row));
            }
            self.filled = slots.end;
            rest = more;
            if self.filled == BLOCK {
                self.add_to(sums);
            }
        }
    }

    /// Add what is there, and start anew.
    fn add_to(&mut self, sums: &mut ArmSums) {
        for weights in &mut self.weights {
            weights[self.filled..].fill(0.0);
        }
        let d = self.columns.len() / 2;
        let (z, squares) = self.columns.split_at_mut(d);
        for (square, z) in squares.iter_mut().zip(&*z) {
            square.iter_mut().zip(z).for_each(|(square, z)| *square = z * z);
        }
        let none = [0.0; BLOCK];
        if let Some((base, weightings)) = self.weights.split_first() {
            sums.base.add_products(&self.columns, &none, base);
            for (weighted, weights) in sums.weighted.iter_mut().zip(weightings) {
                weighted.add_products(&self.columns[..d], &none, weights);
            }
        }
        self.filled = 0;
    }
}

impl Sums {
    fn of(
        design: &Covariates<'_>,
        treatment: &[bool],
        samples: &[Sample<'_>],
        monitor: &Monitor,
    ) -> Result<Self> {
        let (n, d) = (treatment.len(), design.n_columns());
        let entries = 2 * ((2 * d + 1).pow(2) + (samples.len() - 1) * (d + 1).pow(2));
        room_for(n.div_ceil(PIECE), entries * size_of::<f64>())?;
        let pieces: Vec<[ArmSums; 2]> = (0..n.div_ceil(PIECE))
            .into_par_iter()
            .map(|piece| {
                let rows = piece * PIECE..n.min((piece + 1) * PIECE);
                sums_of_rows(design, treatment, rows, samples, monitor)
            })
            .collect::<Result<_>>()?;
        let fresh = || ArmSums::new(d, samples.len() - 1);
        let mut arms = [fresh(), fresh()];
        for piece in &pieces {
            arms.iter_mut().zip(piece).for_each(|(all, one)| all.merge(one));
        }
        Ok(Self { arms })
    }

    /// By sample; none where digits were lost.
    fn smds(
        &self,
        product: Product,
        samples: &[Sample<'_>],
        denominator: Denominator,
    ) -> Option<Vec<f64>> {
        let of_sample = |s: usize| {
            let of_arm = |arm: &ArmSums| match s {
                0 => product.mean(&arm.base),
                _ => product.mean(&arm.weighted[s - 1]),
            };
            self.arms.each_ref().map(of_arm)
        };
        let gap = |s: usize| {
            let [control, treated] = of_sample(s);
            treated - control
        };
        let base = &samples[0];
        let moments = [0, 1].map(|arm| product.moments(&self.arms[arm].base, base.totals[arm]));
        let [control, treated] = [moments[0]?, moments[1]?];
        let variance = |moments: &Moments, squares: f64| {
            if product.binary {
                moments.mean * (1.0 - moments.mean)
            } else {
                moments.weighted_variance(squares)
            }
        };
        let [of_control, of_treated] =
            [(control, base.squares[0]), (treated, base.squares[1])].map(|(m, q)| variance(&m, q));
        let variance = match denominator {
            Denominator::Pooled => f64::midpoint(of_treated, of_control),
            Denominator::Control => of_control,
            Denominator::Treated => of_treated,
            Denominator::All => {
                let mut all = treated;
                all.merge(&control);
                variance(&all, base.squares[0] + base.squares[1])
            }
        };
        let scaled = |gap: f64| if gap.abs() > 0.0 { gap / variance.sqrt() } else { 0.0 };
        let smds: Vec<f64> = (0..samples.len()).map(|s| scaled(gap(s))).collect();
        // Beside a spread of nothing even rounding is infinite.
        let is_decided = product.binary || variance > 0.0;
        (is_decided && smds.iter().all(|smd| !smd.is_nan())).then_some(smds)
    }
}

/// The sums over some rows.
fn sums_of_rows(
    design: &Covariates<'_>,
    treatment: &[bool],
    rows: Range<usize>,
    samples: &[Sample<'_>],
    monitor: &Monitor,
) -> Result<[ArmSums; 2]> {
    let d = design.n_columns();
    let fresh = || ArmSums::new(d, samples.len() - 1);
    let (mut sums, mut z) = ([fresh(), fresh()], vec![[0.0; BLOCK]; d]);
    let mut packed = [Packed::new(d, samples.len()), Packed::new(d, samples.len())];
    let mut of_arm = [Vec::with_capacity(BLOCK), Vec::with_capacity(BLOCK)];
    for start in rows.clone().step_by(BLOCK) {
        if (start - rows.start).is_multiple_of(CHUNK) {
            monitor.check()?;
        }
        design.load(start, &mut z);
        of_arm.iter_mut().for_each(Vec::clear);
        for (row, treated) in treatment[start..rows.end.min(start + BLOCK)].iter().enumerate() {
            of_arm[usize::from(*treated)].push(row);
        }
        for arm in 0..2 {
            packed[arm].take(&of_arm[arm], start, &z, samples, &mut sums[arm]);
        }
    }
    for (packed, sums) in packed.iter_mut().zip(&mut sums) {
        packed.add_to(sums);
    }
    Ok(sums)
}

#[cfg(test)]
mod tests;
