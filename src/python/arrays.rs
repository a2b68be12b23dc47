//! NumPy arrays to slices and views: in place where that is safe, converted where it is not.

use numpy::ndarray::{Array, ArrayView2, Dimension, Ix1};
use numpy::prelude::*;
use numpy::{
    PyArray, PyArray1, PyReadonlyArray, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArray,
};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyList, PyTuple};

use super::errors::InvalidInputError;
use crate::checks;
use crate::error::Error;
use crate::matrix::{Column, Matrix};
use crate::reserve::room_for;

/// Levels of a treatment that a message lists.
const MOST_LEVELS: usize = 6;

/// An array of float64 of the wanted dimension. Read in place when it is aligned float64 of this
/// machine's byte order; other real numbers are copied to float64.
pub fn floats<'py, D: Dimension>(
    name: &str,
    object: &Bound<'py, PyAny>,
) -> PyResult<PyReadonlyArray<'py, f64, D>> {
    let array = untyped(name, object)?;
    let wanted = D::NDIM.unwrap_or(array.ndim());
    if array.ndim() != wanted {
        let message = format!("{name} must have {wanted} dimension(s), not {}", array.ndim());
        return Err(InvalidInputError::new_err(message));
    }
    if let Ok(floats) = object.cast::<PyArray<f64, D>>()
        && floats.is_aligned()
        && !is_masked(object)
    {
        return Ok(floats.try_readonly()?);
    }
    let converted = if is_masked(object) {
        let floats = object.call_method1("astype", ("float64",))?;
        floats.call_method1("filled", (f64::NAN,))?
    } else {
        let keep_order = [("order", "K")].into_py_dict(object.py())?;
        object.call_method("astype", ("float64",), Some(&keep_order))?
    };
    Ok(converted.cast_into::<PyArray<f64, D>>()?.try_readonly()?)
}

/// A matrix: an array of two dimensions, or a list of its columns, each of a type of its own.
pub enum Given<'py> {
    Doubles(PyReadonlyArray2<'py, f64>),
    Columns(Vec<Held<'py>>),
}

/// A column that is read in place: float32, int64 or bool, the codes of one level; others are float64, or become it.
pub enum Held<'py> {
    Doubles(PyReadonlyArray1<'py, f64>),
    Singles(PyReadonlyArray1<'py, f32>),
    Whole(PyReadonlyArray1<'py, i64>),
    Flags(PyReadonlyArray1<'py, u8>),
    Level(PyReadonlyArray1<'py, i8>, i8),
}

impl<'py> Held<'py> {
    fn read(name: &str, object: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Ok((codes, level)) = object.extract::<(Bound<'py, PyArray1<i8>>, i8)>() {
            return Ok(Self::Level(codes.try_readonly()?, level));
        }
        let array = untyped(name, object)?;
        let is_near = array.is_c_contiguous() && array.ndim() == 1 && !is_masked(object);
        if is_near && array.is_aligned() {
            if let Ok(singles) = object.cast::<PyArray1<f32>>() {
                return Ok(Self::Singles(singles.try_readonly()?));
            }
            if let Ok(whole) = object.cast::<PyArray1<i64>>() {
                return Ok(Self::Whole(whole.try_readonly()?));
            }
            if array.dtype().kind() == b'b' {
                let bytes = object.call_method1("view", ("uint8",))?;
                return Ok(Self::Flags(bytes.cast_into::<PyArray1<u8>>()?.try_readonly()?));
            }
        }
        Ok(Self::Doubles(floats(name, object)?))
    }

    fn view(&self) -> PyResult<Column<'_>> {
        Ok(match self {
            Self::Doubles(values) => Column::Doubles(values.as_array()),
            Self::Singles(values) => Column::Singles(values.as_slice()?),
            Self::Whole(values) => Column::Whole(values.as_slice()?),
            Self::Flags(values) => Column::Flags(values.as_slice()?),
            Self::Level(codes, level) => Column::Level(codes.as_slice()?, *level),
        })
    }
}

impl Given<'_> {
    /// The matrix, read in place.
    pub fn matrix(&self, name: &str) -> PyResult<Matrix<'_>> {
        let held = match self {
            Self::Doubles(x) => return Ok(x.as_array().into()),
            Self::Columns(held) => held,
        };
        let columns = held.iter().map(Held::view).collect::<PyResult<Vec<_>>>()?;
        let n_rows = columns.first().map_or(0, Column::len);
        if let Some(other) = columns.iter().find(|column| column.len() != n_rows) {
            let message =
                format!("{name}: columns of {n_rows} and of {} rows are not a matrix", other.len());
            return Err(InvalidInputError::new_err(message));
        }
        Ok(Matrix::Columns { n_rows, columns })
    }

    /// The matrix of float64 that factors stand beside.
    pub fn doubles(&self, name: &str) -> PyResult<ArrayView2<'_, f64>> {
        match self {
            Self::Doubles(x) => Ok(x.as_array()),
            Self::Columns(_) => Err(InvalidInputError::new_err(format!(
                "{name}: beside factors a matrix is needed, not a list of columns"
            ))),
        }
    }
}

/// A matrix of real numbers: as for [`floats`], or a list or tuple of its columns, read in place where they are
/// contiguous float64, float32, int64 or bool, or `(codes, level)`, which is 1 where the int8 code is that level.
pub fn given<'py>(name: &str, object: &Bound<'py, PyAny>) -> PyResult<Given<'py>> {
    if object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>() {
        let columns: Vec<Held<'py>> =
            object.try_iter()?.map(|column| Held::read(name, &column?)).collect::<PyResult<_>>()?;
        if columns.is_empty() {
            let message = format!("{name}: a list without columns; take an array of shape (n, 0)");
            return Err(InvalidInputError::new_err(message));
        }
        return Ok(Given::Columns(columns));
    }
    Ok(Given::Doubles(floats(name, object)?))
}

/// A one-dimensional float64 array without gaps; strided ones are copied.
pub fn column<'py>(name: &str, object: &Bound<'py, PyAny>) -> PyResult<PyReadonlyArray1<'py, f64>> {
    let array = floats(name, object)?;
    if array.as_slice().is_ok() {
        return Ok(array);
    }
    let copy = array.as_any().call_method0("copy")?;
    Ok(copy.cast_into::<PyArray<f64, _>>()?.try_readonly()?)
}

/// One-dimensional float64 arrays: the columns of a matrix, or the items of a list.
pub fn columns<'py>(
    name: &str,
    object: &Bound<'py, PyAny>,
) -> PyResult<Vec<PyReadonlyArray1<'py, f64>>> {
    let items = match object.cast::<PyUntypedArray>() {
        Ok(array) if array.ndim() == 2 => object.getattr("T")?,
        Ok(array) => {
            let message = format!(
                "{name} must be a list of arrays, or have 2 dimensions, not {}",
                array.ndim()
            );
            return Err(InvalidInputError::new_err(message));
        }
        Err(_) => object.clone(),
    };
    items.try_iter()?.map(|item| column(name, &item?)).collect()
}

/// The same, copied: for values from which places in memory are worked out, more than once. An array that
/// another thread overwrites meanwhile would give places that do not fit together.
pub fn own_column(name: &str, object: &Bound<'_, PyAny>) -> PyResult<Vec<f64>> {
    let column = column(name, object)?;
    room_for(column.len(), size_of::<f64>())?;
    Ok(column.as_slice()?.to_vec())
}

/// Who was treated: booleans, or numbers that are all 0 or 1. One byte a row, always copied, so that
/// nothing done to the array meanwhile can turn a row's arm around halfway.
#[allow(clippy::float_cmp)] // exact on purpose: 0 and 1 or nothing
pub fn treatment(object: &Bound<'_, PyAny>) -> PyResult<Vec<bool>> {
    let array = untyped("treatment", object)?;
    room_for(array.len(), size_of::<bool>())?;
    if array.dtype().kind() == b'b' && !is_masked(object) {
        let bytes = object.call_method1("view", ("uint8",))?;
        let bytes = bytes
            .cast_into::<PyArray<u8, numpy::Ix1>>()
            .map_err(|_| InvalidInputError::new_err("treatment must have 1 dimension(s)"))?;
        return Ok(bytes.try_readonly()?.as_array().iter().map(|byte| *byte != 0).collect());
    }
    let numbers = column("treatment", object)?;
    let numbers = numbers.as_slice()?;
    if numbers.iter().all(|t| *t == 0.0 || *t == 1.0) {
        return Ok(numbers.iter().map(|t| *t == 1.0).collect());
    }
    Err(not_binary(numbers).into())
}

fn not_binary(numbers: &[f64]) -> Error {
    if let Err(error) = checks::finite("treatment", numbers) {
        return error;
    }
    let mut levels: Vec<f64> = Vec::new();
    for number in numbers {
        if levels.len() <= MOST_LEVELS && !levels.contains(number) {
            levels.push(*number);
        }
    }
    let more = levels.len() > MOST_LEVELS;
    levels.truncate(MOST_LEVELS);
    levels.sort_by(f64::total_cmp);
    Error::Levels { levels, more }
}

/// Labels of groups: integers or booleans, copied. Unsigned ones above 2^63 wrap around, which keeps
/// groups apart all the same.
pub fn labels(name: &str, object: &Bound<'_, PyAny>) -> PyResult<Vec<i64>> {
    let labels: Array<i64, Ix1> = integers(name, object)?;
    Ok(labels.into_raw_vec_and_offset().0)
}

/// Integers of the wanted dimension, copied.
pub fn integers<D: Dimension>(name: &str, object: &Bound<'_, PyAny>) -> PyResult<Array<i64, D>> {
    let array = untyped(name, object)?;
    if is_masked(object) && object.getattr("mask")?.call_method0("any")?.is_truthy()? {
        let message = format!("{name}: some values are masked; leave these rows out");
        return Err(InvalidInputError::new_err(message));
    }
    if !matches!(array.dtype().kind(), b'b' | b'i' | b'u') {
        let found = array.dtype();
        return Err(PyTypeError::new_err(format!("{name} must hold integers, not {found}")));
    }
    let integers = object.call_method1("astype", ("int64",))?;
    let integers = integers.cast_into::<PyArray<i64, D>>().map_err(|_| {
        let wanted = D::NDIM.unwrap_or(array.ndim());
        let found = array.ndim();
        InvalidInputError::new_err(format!("{name} must have {wanted} dimension(s), not {found}"))
    })?;
    room_for(array.len(), size_of::<i64>())?;
    Ok(integers.try_readonly()?.as_array().to_owned())
}

/// The levels of factors: the columns of a matrix of integers, or the items of a list.
pub fn factors(object: &Bound<'_, PyAny>) -> PyResult<Vec<Array<i64, Ix1>>> {
    let columns = match object.cast::<PyUntypedArray>() {
        Ok(array) if array.ndim() == 2 => object.getattr("T")?,
        Ok(array) => {
            let message = format!(
                "factors must be a list of arrays, or have 2 dimensions, not {}",
                array.ndim()
            );
            return Err(InvalidInputError::new_err(message));
        }
        Err(_) => object.clone(),
    };
    columns.try_iter()?.map(|column| integers("factors", &column?)).collect()
}

/// How many of so many columns stand before each of so many factors; by default all.
pub fn places(
    name: &'static str,
    object: Option<&Bound<'_, PyAny>>,
    n_columns: usize,
    n_factors: usize,
) -> PyResult<Vec<usize>> {
    let Some(object) = object else { return Ok(vec![n_columns; n_factors]) };
    let places = labels(name, object)?;
    let place = |place: i64| usize::try_from(place).unwrap_or(usize::MAX);
    Ok(places.into_iter().map(place).collect())
}

/// Row or column numbers, for NumPy.
#[allow(clippy::cast_possible_wrap)] // arrays are shorter than 2^63
pub fn row_numbers(py: Python<'_>, rows: impl Iterator<Item = usize>) -> Bound<'_, PyArray1<i64>> {
    PyArray1::from_iter(py, rows.map(|row| row as i64))
}

/// The same of a vector, in its own memory.
#[allow(clippy::cast_possible_wrap)] // arrays are shorter than 2^63
pub fn row_numbers_in_place(py: Python<'_>, rows: Vec<usize>) -> Bound<'_, PyArray1<i64>> {
    PyArray1::from_vec(py, rows.into_iter().map(|row| row as i64).collect())
}

/// An array that nobody can write to: what a frozen result holds.
pub fn locked(array: Bound<'_, PyArray1<f64>>) -> Py<PyArray1<f64>> {
    // One that cannot be had for writing is locked already.
    if let Ok(writeable) = array.try_readwrite() {
        writeable.make_nonwriteable();
    }
    array.unbind()
}

/// A NumPy array of real numbers or booleans.
fn untyped<'a, 'py>(
    name: &str,
    object: &'a Bound<'py, PyAny>,
) -> PyResult<&'a Bound<'py, PyUntypedArray>> {
    let Ok(array) = object.cast::<PyUntypedArray>() else {
        let found = object.get_type().name()?;
        return Err(PyTypeError::new_err(format!("{name} must be a NumPy array, not {found}")));
    };
    let dtype = array.dtype();
    let real = matches!(dtype.kind(), b'b' | b'i' | b'u' | b'f') && dtype.itemsize() <= 8;
    if real {
        return Ok(array);
    }
    Err(PyTypeError::new_err(format!("{name} must hold real numbers, not {dtype}")))
}

fn is_masked(object: &Bound<'_, PyAny>) -> bool {
    object.hasattr("mask").unwrap_or(false)
}
