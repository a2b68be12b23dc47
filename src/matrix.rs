//! A matrix of numbers, column by column, each in the type that it is held in: what is read in place is neither copied
//! nor widened, and takes no more memory than it does already.

use std::borrow::Cow;
use std::ops::Range;

use ndarray::{ArrayView1, ArrayView2, Axis, Slice};

use crate::kernels::{widen_flags, widen_level, widen_singles, widen_whole};

/// One column.
#[derive(Debug, Clone, Copy)]
pub enum Column<'a> {
    Doubles(ArrayView1<'a, f64>),
    Singles(&'a [f32]),
    Whole(&'a [i64]),
    /// Zeros and ones.
    Flags(&'a [u8]),
    /// One where the code is this, and zero elsewhere: a level of a factor.
    Level(&'a [i8], i8),
}

/// The columns of n rows: of a matrix of float64, or each by itself.
#[derive(Debug, Clone)]
pub enum Matrix<'a> {
    Doubles(ArrayView2<'a, f64>),
    Columns { n_rows: usize, columns: Vec<Column<'a>> },
}

impl<'a> From<ArrayView2<'a, f64>> for Matrix<'a> {
    fn from(x: ArrayView2<'a, f64>) -> Self {
        Self::Doubles(x)
    }
}

impl Column<'_> {
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Doubles(values) => values.len(),
            Self::Singles(values) => values.len(),
            Self::Whole(values) => values.len(),
            Self::Flags(values) => values.len(),
            Self::Level(codes, _) => codes.len(),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Some of its values: in place where they are there side by side, else in `room`.
    #[inline]
    fn some<'s>(&'s self, rows: Range<usize>, room: &'s mut [f64]) -> &'s [f64] {
        let room = &mut room[..rows.len()];
        match self {
            Self::Doubles(values) => return in_place(*values, rows, room),
            Self::Singles(values) => widen_singles(&values[rows], room),
            Self::Whole(values) => widen_whole(&values[rows], room),
            Self::Flags(values) => widen_flags(&values[rows], room),
            Self::Level(codes, level) => widen_level(&codes[rows], *level, room),
        }
        room
    }
}

fn in_place<'s>(values: ArrayView1<'s, f64>, rows: Range<usize>, room: &'s mut [f64]) -> &'s [f64] {
    let own = values.slice_axis_move(Axis(0), Slice::from(rows));
    if let Some(values) = own.to_slice() {
        return values;
    }
    room.iter_mut().zip(own).for_each(|(slot, value)| *slot = *value);
    room
}

impl Matrix<'_> {
    /// The same columns, for as long as these are borrowed.
    #[must_use]
    pub fn view(&self) -> Matrix<'_> {
        match self {
            Self::Doubles(x) => Matrix::Doubles(x.view()),
            Self::Columns { n_rows, columns } => {
                let columns = columns.iter().map(|column| match column {
                    Column::Doubles(values) => Column::Doubles(values.view()),
                    Column::Singles(values) => Column::Singles(values),
                    Column::Whole(values) => Column::Whole(values),
                    Column::Flags(values) => Column::Flags(values),
                    Column::Level(codes, level) => Column::Level(codes, *level),
                });
                Matrix::Columns { n_rows: *n_rows, columns: columns.collect() }
            }
        }
    }

    #[must_use]
    pub fn nrows(&self) -> usize {
        match self {
            Self::Doubles(x) => x.nrows(),
            Self::Columns { n_rows, .. } => *n_rows,
        }
    }

    #[must_use]
    pub fn ncols(&self) -> usize {
        match self {
            Self::Doubles(x) => x.ncols(),
            Self::Columns { columns, .. } => columns.len(),
        }
    }

    /// Some values of a column: in place where they are there side by side, else in `room`, which holds so many.
    #[inline]
    pub fn some<'s>(&'s self, column: usize, rows: Range<usize>, room: &'s mut [f64]) -> &'s [f64] {
        match self {
            Self::Doubles(x) => {
                let room = &mut room[..rows.len()];
                in_place(x.index_axis_move(Axis(1), column), rows, room)
            }
            Self::Columns { columns, .. } => columns[column].some(rows, room),
        }
    }

    /// All values of a column, in place where they are there side by side.
    #[must_use]
    pub fn column(&self, column: usize) -> Cow<'_, [f64]> {
        let n = self.nrows();
        let (doubles, other) = match self {
            Self::Doubles(x) => (x.index_axis_move(Axis(1), column), None),
            Self::Columns { columns, .. } => match &columns[column] {
                Column::Doubles(values) => (*values, None),
                other => (ArrayView1::from(&[]), Some(other)),
            },
        };
        let Some(other) = other else {
            return doubles.to_slice().map_or_else(|| Cow::Owned(doubles.to_vec()), Cow::Borrowed);
        };
        let mut values = vec![0.0; n];
        other.some(0..n, &mut values);
        Cow::Owned(values)
    }

    /// A value; for a whole column there is [`Matrix::column`].
    #[must_use]
    pub fn value(&self, row: usize, column: usize) -> f64 {
        self.some(column, row..row + 1, &mut [0.0])[0]
    }

    /// The values of a column that float32 holds, in place.
    #[must_use]
    pub fn singles(&self, column: usize) -> Option<&[f32]> {
        match self {
            Self::Columns { columns, .. } => match &columns[column] {
                Column::Singles(values) => Some(values),
                _ => None,
            },
            Self::Doubles(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn columns_of_any_type_are_those_of_the_matrix() {
        let x = array![[0.5, 2.0, 1.0, 0.0], [-1.5, 3.0, 0.0, 1.0], [2.25, -7.0, 1.0, 1.0]];
        let columns = vec![
            Column::Singles(&[0.5, -1.5, 2.25]),
            Column::Whole(&[2, 3, -7]),
            Column::Flags(&[1, 0, 1]),
            Column::Level(&[0, 2, 2], 2),
            Column::Doubles(x.column(0)),
        ];
        let mixed = Matrix::Columns { n_rows: 3, columns };
        let plain = Matrix::from(x.view());
        assert_eq!((mixed.nrows(), mixed.ncols(), plain.ncols()), (3, 5, 4));
        for k in 0..5 {
            let own = k % 4;
            assert_eq!(mixed.column(k), plain.column(own));
            assert_eq!(mixed.some(k, 1..3, &mut [0.0; 2]), plain.some(own, 1..3, &mut [0.0; 2]));
            assert_eq!(mixed.value(2, k).to_bits(), x[[2, own]].to_bits());
        }
        assert!(mixed.singles(0).is_some() && mixed.singles(1).is_none());
        assert!(plain.singles(0).is_none());
    }
}
