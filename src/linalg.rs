//! Small symmetric systems: a Cholesky factorisation that sets collinear columns aside.

use std::ops::Range;

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, Axis, Slice};

/// A column of a Gram matrix is collinear with earlier ones when they explain all but this share of it.
pub const RANK_TOLERANCE: f64 = 1e-11;

/// Rows from this length on are worth summing up side by side.
const LONG: usize = 64;

/// Columns of a large matrix that are factored together: what earlier ones explain of them is one product of matrices.
const PANEL: usize = 32;

/// A matrix with an entry that is not a finite number, which says nothing of what is collinear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotFinite;

/// The factor L of a symmetric positive semi-definite matrix A = L L'. A column that the earlier
/// ones explain (its pivot falls under `tolerance` times its diagonal) is aliased: it is left out,
/// and its solution is zero, as R's `lm` and `glm` drop the later of collinear columns.
#[derive(Debug, Clone, Default)]
pub struct Cholesky {
    size: usize,
    lower: Vec<f64>, // row-major, the upper triangle unused
    aliased: Vec<bool>,
}

impl Cholesky {
    /// Factor the upper triangle of `matrix` (row-major, `size` x `size`); columns in `skip` are
    /// aliased from the start.
    ///
    /// # Errors
    /// [`NotFinite`].
    pub fn factor(
        matrix: &[f64],
        size: usize,
        tolerance: f64,
        skip: &[bool],
    ) -> Result<Self, NotFinite> {
        let mut factor = Self { size, lower: vec![0.0; size * size], aliased: vec![false; size] };
        for first in (0..size).step_by(panel(size)) {
            let columns = first..size.min(first + panel(size));
            let rest = factor.rest(matrix, columns.clone());
            let n_columns = columns.len();
            for column in columns {
                let known = first..column;
                let own = |row: usize| rest[(row - first) * n_columns + column - first];
                let pivot = own(column) - factor.dot(column, column, known.clone());
                if !pivot.is_finite() {
                    return Err(NotFinite);
                }
                let explained = pivot <= tolerance * matrix[column * size + column].max(0.0);
                if explained || skip.get(column) == Some(&true) {
                    factor.aliased[column] = true;
                    continue;
                }
                let root = pivot.sqrt();
                factor.lower[column * size + column] = root;
                for row in column + 1..size {
                    let rest = own(row) - factor.dot(row, column, known.clone());
                    factor.lower[row * size + column] = rest / root;
                }
            }
        }
        Ok(factor)
    }

    /// What the columns before these leave of them, from the first of these rows on: row by row.
    fn rest(&self, matrix: &[f64], columns: Range<usize>) -> Vec<f64> {
        let (size, first) = (self.size, columns.start);
        let entry = |row: usize, column: usize| matrix[column * size + row.max(column)];
        let rows = (first..size).flat_map(|row| columns.clone().map(move |column| (row, column)));
        let mut rest: Vec<f64> = rows.map(|(row, column)| entry(row, column)).collect();
        if first > 0 {
            let lower = |row: usize| &self.lower[row * size..row * size + first];
            let left = Array2::from_shape_fn((size - first, first), |(j, k)| lower(first + j)[k]);
            let own = part(left.view(), 0..columns.len(), 0..first);
            let explained = left.dot(&own.t());
            rest.iter_mut().zip(&explained).for_each(|(rest, explained)| *rest -= explained);
        }
        rest
    }

    /// Which columns were left out.
    #[must_use]
    pub fn aliased(&self) -> &[bool] {
        &self.aliased
    }

    /// What the earlier columns leave of a column's diagonal; zero where it was left out.
    #[must_use]
    pub fn pivot(&self, column: usize) -> f64 {
        self.lower[column * self.size + column].powi(2)
    }

    /// What an aliased column is made of: coefficients on it (1) and on the earlier ones, so that their sum vanishes
    /// wherever the matrix was made.
    #[must_use]
    pub fn relation(&self, column: usize) -> Vec<f64> {
        let (size, lower) = (self.size, &self.lower);
        let mut relation = vec![0.0; size];
        relation[..column].copy_from_slice(&lower[column * size..column * size + column]);
        for row in (0..column).rev() {
            let known: f64 = (row + 1..column).map(|k| lower[k * size + row] * relation[k]).sum();
            relation[row] = self.divide(relation[row] - known, row);
        }
        relation[..column].iter_mut().for_each(|share| *share = -*share);
        relation[column] = 1.0;
        relation
    }

    /// Solve A x = `rhs` in place; aliased entries become zero.
    pub fn solve(&self, rhs: &mut [f64]) {
        let (size, lower) = (self.size, &self.lower);
        for row in 0..size {
            let own = &lower[row * size..row * size + row];
            let known = if row < LONG { dot(own, &rhs[..row]) } else { long_dot(own, &rhs[..row]) };
            rhs[row] = self.divide(rhs[row] - known, row);
        }
        if size < LONG {
            for row in (0..size).rev() {
                let known: f64 = (row + 1..size).map(|k| lower[k * size + row] * rhs[k]).sum();
                rhs[row] = self.divide(rhs[row] - known, row);
            }
            return;
        }
        // The same row by row, as they lie in the memory.
        for row in (0..size).rev() {
            rhs[row] = self.divide(rhs[row], row);
            let (earlier, own) = rhs.split_at_mut(row);
            add(earlier, -own[0], &lower[row * size..row * size + row]);
        }
    }

    /// L L': A, its aliased rows and columns zero; row-major.
    #[must_use]
    pub fn product(&self) -> Vec<f64> {
        let size = self.size;
        let is_there = |k: usize| !self.aliased[k];
        let entry = |(row, column): (usize, usize)| {
            let least = row.min(column) + 1;
            if is_there(row) && is_there(column) { self.dot(row, column, 0..least) } else { 0.0 }
        };
        (0..size).flat_map(|row| (0..size).map(move |column| (row, column))).map(entry).collect()
    }

    /// The inverse of A, row-major; rows and columns of aliased entries are zero.
    #[must_use]
    pub fn inverse(&self) -> Vec<f64> {
        if self.size >= LONG {
            return self.inverse_by_its_factor();
        }
        let mut inverse = vec![0.0; self.size * self.size];
        for (column, row) in inverse.chunks_exact_mut(self.size.max(1)).enumerate() {
            row[column] = 1.0;
            self.solve(row);
        }
        inverse
    }

    /// The same from the inverse of L, in products of matrices.
    fn inverse_by_its_factor(&self) -> Vec<f64> {
        let size = self.size;
        let own = self.inverse_factor_in_panels();
        let mut inverse = Array2::<f64>::zeros((size, size));
        for first in (0..size).step_by(PANEL) {
            let last = size.min(first + PANEL);
            let rows = part(own.view(), first..last, 0..last);
            let mut into = inverse.view_mut();
            into.slice_axis_inplace(Axis(0), Slice::from(..last));
            into.slice_axis_inplace(Axis(1), Slice::from(..last));
            general_mat_mul(1.0, &rows.t(), &rows, 1.0, &mut into);
        }
        (0..size * size)
            .map(|place| (place / size, place % size))
            .map(|(row, column)| inverse[(row.max(column), row.min(column))])
            .collect()
    }

    /// The inverse of L, zero in the rows of aliased entries.
    fn inverse_factor_in_panels(&self) -> Array2<f64> {
        let (size, lower) = (self.size, &self.lower);
        let mut own = Array2::<f64>::zeros((size, size));
        for first in (0..size).step_by(PANEL) {
            let last = size.min(first + PANEL);
            let shares = Array2::from_shape_fn((last - first, first), |(j, k)| {
                lower[(first + j) * size + k]
            });
            let explained = shares.dot(&part(own.view(), 0..first, 0..first));
            let mut panel: Vec<Vec<f64>> = Vec::with_capacity(last - first);
            for (row, explained) in (first..last).zip(explained.rows()) {
                let mut into: Vec<f64> = explained.iter().map(|entry| -entry).collect();
                into.resize(row + 1, 0.0);
                for (k, earlier) in (first..).zip(&panel) {
                    add(&mut into[..=k], -lower[row * size + k], earlier);
                }
                into[row] = 1.0;
                for entry in &mut into {
                    *entry = self.divide(*entry, row);
                }
                panel.push(into);
            }
            for (mut row, values) in own.rows_mut().into_iter().skip(first).zip(&panel) {
                row.iter_mut().zip(values).for_each(|(entry, value)| *entry = *value);
            }
        }
        own
    }

    /// The rows of the inverse of L, each up to its diagonal, zero for aliased entries: x'A^-1 x is the sum of the
    /// squares of their products with x.
    #[must_use]
    pub fn inverse_factor(&self) -> Vec<Vec<f64>> {
        let (size, lower) = (self.size, &self.lower);
        let mut rows: Vec<Vec<f64>> = Vec::with_capacity(size);
        for row in 0..size {
            let mut own = vec![0.0; row + 1];
            for (k, earlier) in rows.iter().enumerate() {
                add(&mut own[..=k], -lower[row * size + k], earlier);
            }
            own[row] = 1.0;
            for entry in &mut own {
                *entry = self.divide(*entry, row);
            }
            rows.push(own);
        }
        rows
    }

    fn divide(&self, value: f64, row: usize) -> f64 {
        if self.aliased[row] { 0.0 } else { value / self.lower[row * self.size + row] }
    }

    /// Some entries of two rows of L, multiplied and summed.
    fn dot(&self, a: usize, b: usize, some: Range<usize>) -> f64 {
        let row = |r: usize| &self.lower[r * self.size + some.start..r * self.size + some.end];
        if some.len() < LONG { dot(row(a), row(b)) } else { long_dot(row(a), row(b)) }
    }
}

fn part(
    mut matrix: ArrayView2<'_, f64>,
    rows: Range<usize>,
    columns: Range<usize>,
) -> ArrayView2<'_, f64> {
    matrix.slice_axis_inplace(Axis(0), Slice::from(rows));
    matrix.slice_axis_inplace(Axis(1), Slice::from(columns));
    matrix
}

/// How many columns of a matrix of this size are factored together: of small ones all.
fn panel(size: usize) -> usize {
    if size < LONG { size.max(1) } else { PANEL }
}

/// The eigenvalues of a symmetric matrix (row-major, `size` x `size`) and its eigenvectors, one a row, by
/// Jacobi's rotations (Golub and Van Loan 2013, section 8.5): slow where size is in the hundreds, and accurate.
#[must_use]
pub fn eigen(mut matrix: Vec<f64>, size: usize) -> (Vec<f64>, Vec<f64>) {
    // Convergence is quadratic: ten sweeps are plenty.
    const SWEEPS: usize = 30;
    let mut vectors = vec![0.0; size * size];
    for k in 0..size {
        vectors[k * size + k] = 1.0;
    }
    for _ in 0..SWEEPS {
        let mut rotated = false;
        for p in 0..size {
            for q in p + 1..size {
                let off = matrix[p * size + q];
                let scale = matrix[p * size + p].abs().min(matrix[q * size + q].abs());
                if off.abs() > f64::EPSILON * scale && off.abs() > f64::MIN_POSITIVE {
                    rotated = true;
                    rotate(&mut matrix, &mut vectors, size, (p, q));
                }
            }
        }
        if !rotated {
            break;
        }
    }
    ((0..size).map(|k| matrix[k * size + k]).collect(), vectors)
}

/// Turn two axes so that the entry between them vanishes.
fn rotate(matrix: &mut [f64], vectors: &mut [f64], size: usize, (p, q): (usize, usize)) {
    let theta = (matrix[q * size + q] - matrix[p * size + p]) / (2.0 * matrix[p * size + q]);
    let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let turn = |values: &mut [f64], first: usize, second: usize| {
        let (one, other) = (values[first], values[second]);
        values[first] = cosine * (one - tangent * other);
        values[second] = cosine * (tangent * one + other);
    };
    for k in 0..size {
        turn(matrix, k * size + p, k * size + q);
    }
    for k in 0..size {
        turn(matrix, p * size + k, q * size + k);
        turn(vectors, p * size + k, q * size + k);
    }
    (matrix[p * size + q], matrix[q * size + p]) = (0.0, 0.0);
}

/// a'b, in sums that go side by side.
fn long_dot(a: &[f64], b: &[f64]) -> f64 {
    const ABREAST: usize = 32;
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<ABREAST>(), b.as_chunks::<ABREAST>());
    let mut sums = [0.0; ABREAST];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..ABREAST {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f64>() + dot(a_rest, b_rest)
}

/// a'b.
#[must_use]
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Add so many times a vector.
pub fn add(to: &mut [f64], factor: f64, by: &[f64]) {
    to.iter_mut().zip(by).for_each(|(to, by)| *to += factor * by);
}

/// Take A x off a vector; of A (row-major, symmetric) the upper triangle is given.
pub fn subtract_product(matrix: &[f64], x: &[f64], from: &mut [f64]) {
    for (row, entries) in matrix.chunks_exact(x.len()).enumerate() {
        from[row] -= entries[row] * x[row];
        for column in row + 1..x.len() {
            from[row] -= entries[column] * x[column];
            from[column] -= entries[column] * x[row];
        }
    }
}

/// Hold what is not to move: these entries of a gradient are zero.
pub fn hold_still(gradient: &mut [f64], held: &[bool]) {
    gradient.iter_mut().zip(held).filter(|(_, held)| **held).for_each(|(slope, _)| *slope = 0.0);
}

/// Go half the way back to `from`.
pub fn go_halfway_back(at: &mut [f64], from: &[f64]) {
    at.iter_mut().zip(from).for_each(|(to, from)| *to = f64::midpoint(*to, *from));
}

/// Take off a Newton step what it misses to second order, half of `third` along it and through the information (Chebyshev's
/// method), if that is the lesser part.
pub fn correct_step(information: &Cholesky, mut third: Vec<f64>, step: &mut [f64]) {
    hold_still(&mut third, information.aliased());
    information.solve(&mut third);
    if largest(&third) < largest(step) {
        add(step, -0.5, &third);
    }
}

/// The largest absolute entry; NaN where there is one, so that no comparison takes it for small.
#[must_use]
pub fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, value| if value.abs() <= most { most } else { value.abs() })
}

#[cfg(test)]
mod tests;
