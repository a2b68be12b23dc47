//! Symmetric matrices whose one block is diagonal, as that of a factor's levels is: no row has two of them. It is
//! eliminated first, so that a solution costs the square of the other terms for each of its own, and their cube once.
//!
//! ```text
//! | C   B' |      S = C - B' D^-1 B,  the Schur complement of D
//! | B   D  |
//! ```

use ndarray::{Array2, ArrayView1, Axis};

use crate::error::Result;
use crate::linalg::{Cholesky, RANK_TOLERANCE};

/// A matrix of so many terms of the corner and so many of the diagonal, in this order.
#[derive(Debug, Clone)]
pub struct Arrow {
    /// C, both its triangles.
    pub corner: Array2<f64>,
    /// B: a row for each entry of the diagonal.
    pub beside: Array2<f64>,
    /// D.
    pub diagonal: Vec<f64>,
}

/// Its factor: D, D^-1 B and S = L L'.
#[derive(Debug, Clone)]
pub struct ArrowFactor {
    diagonal: Vec<f64>,
    shares: Array2<f64>,
    complement: Cholesky,
    /// The least of the pivots, each over what it was before anything was eliminated.
    pub least_pivot: f64,
}

impl Arrow {
    #[must_use]
    pub fn zeros(n_corner: usize, n_diagonal: usize) -> Self {
        Self {
            corner: Array2::zeros((n_corner, n_corner)),
            beside: Array2::zeros((n_diagonal, n_corner)),
            diagonal: vec![0.0; n_diagonal],
        }
    }

    /// The matrix times a vector.
    #[must_use]
    pub fn times_vector(&self, vector: &[f64]) -> Vec<f64> {
        let (corner, own) = vector.split_at(self.corner.nrows());
        let (corner, own) = (ArrayView1::from(corner), ArrayView1::from(own));
        let top = self.corner.dot(&corner) + self.beside.t().dot(&own);
        let bottom = self.beside.dot(&corner);
        let rows = bottom.iter().zip(&own).zip(&self.diagonal);
        let bottom = rows.map(|((beside, own), entry)| beside + entry * own);
        top.iter().copied().chain(bottom).collect()
    }

    /// Put 1 for entries of the diagonal that are 0, as of levels without rows, whose columns have no other entry: a
    /// solution is 0 there. Gives their places.
    pub fn hold_empty(&mut self) -> Vec<usize> {
        let n_corner = self.corner.nrows();
        let mut empty = Vec::new();
        for place in 0..n_corner {
            if self.corner[(place, place)] == 0.0 {
                self.corner[(place, place)] = 1.0;
                empty.push(place);
            }
        }
        for (k, entry) in self.diagonal.iter_mut().enumerate() {
            if *entry == 0.0 {
                *entry = 1.0;
                empty.push(n_corner + k);
            }
        }
        empty
    }

    /// Of a step that says nothing of some coefficients, those that keep x' step nearest to 0 on the rows whose Gram
    /// matrix this is.
    ///
    /// # Errors
    /// [`crate::error::Error::Overflow`].
    pub fn follow(&self, step: &mut [f64], unsaid: &[usize]) -> Result<()> {
        for place in unsaid {
            step[*place] = 0.0;
        }
        let moved = self.times_vector(step);
        let among: Vec<f64> = (unsaid.iter())
            .flat_map(|row| unsaid.iter().map(move |column| self.entry(*row, *column)))
            .collect();
        let mut own: Vec<f64> = unsaid.iter().map(|place| -moved[*place]).collect();
        Cholesky::factor(&among, unsaid.len(), RANK_TOLERANCE, &[])?.solve(&mut own);
        unsaid.iter().zip(own).for_each(|(place, value)| step[*place] = value);
        Ok(())
    }

    fn entry(&self, row: usize, column: usize) -> f64 {
        let n_corner = self.corner.nrows();
        match (row.checked_sub(n_corner), column.checked_sub(n_corner)) {
            (None, None) => self.corner[(row, column)],
            (Some(own), None) => self.beside[(own, column)],
            (None, Some(own)) => self.beside[(own, row)],
            (Some(row), Some(column)) if row == column => self.diagonal[row],
            _ => 0.0,
        }
    }

    /// # Errors
    /// [`crate::error::Error::Overflow`].
    pub fn factor(&self) -> Result<ArrowFactor> {
        let mut shares = self.beside.clone();
        for (mut row, own) in shares.rows_mut().into_iter().zip(&self.diagonal) {
            let per = if *own > 0.0 { 1.0 / own } else { 0.0 };
            row.mapv_inplace(|value| value * per);
        }
        let schur = &self.corner - &self.beside.t().dot(&shares);
        let terms = schur.nrows();
        let schur: Vec<f64> = schur.iter().copied().collect();
        let complement = Cholesky::factor(&schur, terms, f64::EPSILON, &[])?;
        let share = |k: usize| complement.pivot(k) / self.corner[(k, k)];
        let least = (0..terms).map(share).fold(1.0, |least, share| match share {
            share if share > 0.0 => share.min(least),
            _ => 0.0,
        });
        let is_there = self.diagonal.iter().all(|own| *own > 0.0);
        let least_pivot = if is_there { least } else { 0.0 };
        Ok(ArrowFactor { diagonal: self.diagonal.clone(), shares, complement, least_pivot })
    }

    /// The matrix times some columns.
    #[must_use]
    pub fn times(&self, columns: &Array2<f64>) -> Array2<f64> {
        let (corner, own) = columns.view().split_at(Axis(0), self.corner.nrows());
        let top = self.corner.dot(&corner) + self.beside.t().dot(&own);
        let mut bottom = self.beside.dot(&corner);
        for ((mut row, own), entry) in
            bottom.rows_mut().into_iter().zip(own.rows()).zip(&self.diagonal)
        {
            row.scaled_add(*entry, &own);
        }
        stacked(&top, &bottom)
    }
}

impl ArrowFactor {
    /// Solve for one right-hand side, in place.
    pub fn solve(&self, rhs: &mut [f64]) {
        let (corner, own) = rhs.split_at_mut(self.shares.ncols());
        for (shares, value) in self.shares.rows().into_iter().zip(&*own) {
            corner.iter_mut().zip(shares).for_each(|(to, share)| *to -= share * value);
        }
        self.complement.solve(corner);
        let corner = ArrayView1::from(&*corner);
        for ((shares, value), entry) in self.shares.rows().into_iter().zip(own).zip(&self.diagonal)
        {
            *value = self.divided(*value, *entry) - shares.dot(&corner);
        }
    }

    /// The inverse is diag(e) + Y Y': e, zero in the corner, and Y.
    #[must_use]
    pub fn inverse(&self) -> (Vec<f64>, Array2<f64>) {
        let n_corner = self.shares.ncols();
        let rows = self.complement.inverse_factor();
        // L^-1 by rows; its transpose is the corner's part of Y.
        let top = Array2::from_shape_fn((n_corner, n_corner), |(j, k)| {
            rows[k].get(j).copied().unwrap_or(0.0)
        });
        let bottom = -self.shares.dot(&top);
        let own = self.diagonal.iter().map(|entry| self.divided(1.0, *entry));
        (std::iter::repeat_n(0.0, n_corner).chain(own).collect(), stacked(&top, &bottom))
    }

    #[allow(clippy::unused_self)] // an entry of its diagonal
    fn divided(&self, value: f64, entry: f64) -> f64 {
        if entry > 0.0 { value / entry } else { 0.0 }
    }
}

fn stacked(top: &Array2<f64>, bottom: &Array2<f64>) -> Array2<f64> {
    let n_top = top.nrows();
    Array2::from_shape_fn((n_top + bottom.nrows(), top.ncols()), |(row, column)| {
        row.checked_sub(n_top).map_or_else(|| top[(row, column)], |row| bottom[(row, column)])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrow() -> (Arrow, Array2<f64>) {
        let mut arrow = Arrow::zeros(2, 3);
        arrow.corner = ndarray::array![[6.0, 1.0], [1.0, 5.0]];
        arrow.beside = ndarray::array![[1.0, 0.5], [-0.3, 0.2], [0.0, 1.5]];
        arrow.diagonal = vec![2.0, 3.0, 4.0];
        let mut full = Array2::from_diag(&ndarray::aview1(&[0.0, 0.0, 2.0, 3.0, 4.0]));
        for j in 0..2 {
            (0..2).for_each(|k| full[(j, k)] = arrow.corner[(j, k)]);
            for k in 0..3 {
                full[(k + 2, j)] = arrow.beside[(k, j)];
                full[(j, k + 2)] = arrow.beside[(k, j)];
            }
        }
        (arrow, full)
    }

    #[test]
    fn solve_and_inverse_are_those_of_the_whole_matrix() {
        let (arrow, full) = arrow();
        let factor = arrow.factor().unwrap();
        let rhs = [1.0, -2.0, 0.5, 3.0, -1.0];
        let mut x = rhs;
        factor.solve(&mut x);
        let back = full.dot(&ndarray::aview1(&x));
        assert!(back.iter().zip(rhs).all(|(a, b)| (a - b).abs() < 1e-13));
        let (own, half) = factor.inverse();
        let inverse = Array2::from_diag(&ndarray::aview1(&own)) + half.dot(&half.t());
        let unit = full.dot(&inverse);
        for ((j, k), found) in unit.indexed_iter() {
            assert!((found - f64::from(u8::from(j == k))).abs() < 1e-13);
        }
        let columns = Array2::from_shape_fn((5, 2), |(j, k)| (j as f64 - k as f64).sin());
        let gap = arrow.times(&columns) - full.dot(&columns);
        assert!(gap.iter().all(|gap| gap.abs() < 1e-13));
    }

    #[test]
    fn least_pivot_tells_what_is_collinear() {
        let (mut arrow, _) = arrow();
        assert!(arrow.factor().unwrap().least_pivot > 0.5);
        arrow.corner[(0, 0)] = 1.0 / 2.0 + 0.09 / 3.0;
        assert!(arrow.factor().unwrap().least_pivot < 1e-15);
        arrow.diagonal[1] = 0.0;
        assert!(arrow.factor().unwrap().least_pivot <= 0.0);
    }
}
