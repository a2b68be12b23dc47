//! What rows hold, in two numbers, as functions of arrays for Python.

use numpy::ndarray::Array2;
use numpy::prelude::*;
use numpy::{PyArray1, PyArray2, PyReadonlyArray1};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use super::call;
use crate::units::fingerprint::{Fingerprint, fingerprint};

/// A column of one of the types that columns are read as.
enum Column<'py> {
    Floats(PyReadonlyArray1<'py, f64>),
    Integers(PyReadonlyArray1<'py, i64>),
    Words(PyReadonlyArray1<'py, u64>),
    Flags(PyReadonlyArray1<'py, bool>),
}

/// What columns hold, in two numbers each: whether rows are those that something was made from.
///
/// Parameters
/// ----------
/// columns : list of (n,) arrays
///     Of float64, int64, uint64 or bool. Equal numbers count as equal whatever their type.
/// n_threads : int, optional
///     By default the processors this process may use.
///
/// Returns
/// -------
/// (k, 2) uint64
///     By column: of its values in their order, and of its values in any order.
#[pyfunction]
#[pyo3(signature = (columns, n_threads=None))]
pub fn fingerprints<'py>(
    py: Python<'py>,
    columns: &Bound<'py, PyAny>,
    n_threads: Option<&Bound<'_, PyAny>>,
) -> PyResult<Bound<'py, PyArray2<u64>>> {
    let columns =
        columns.try_iter()?.map(|item| column(&item?)).collect::<PyResult<Vec<Column<'_>>>>()?;
    let slices = columns.iter().map(Column::slice).collect::<PyResult<Vec<Slice<'_>>>>()?;
    let found = call::run(py, n_threads, None, |_| {
        Ok(slices.iter().map(Slice::fingerprint).collect::<Vec<_>>())
    })?;
    let numbers = |(row, place)| {
        let Fingerprint { in_order, in_any_order } = found[row];
        [in_order, in_any_order][place]
    };
    Ok(PyArray2::from_owned_array(py, Array2::from_shape_fn((found.len(), 2), numbers)))
}

enum Slice<'a> {
    Floats(&'a [f64]),
    Integers(&'a [i64]),
    Words(&'a [u64]),
    Flags(&'a [bool]),
}

impl Slice<'_> {
    fn fingerprint(&self) -> Fingerprint {
        match self {
            Self::Floats(values) => fingerprint(values),
            Self::Integers(values) => fingerprint(values),
            Self::Words(values) => fingerprint(values),
            Self::Flags(values) => fingerprint(values),
        }
    }
}

impl Column<'_> {
    fn slice(&self) -> PyResult<Slice<'_>> {
        Ok(match self {
            Self::Floats(array) => Slice::Floats(array.as_slice()?),
            Self::Integers(array) => Slice::Integers(array.as_slice()?),
            Self::Words(array) => Slice::Words(array.as_slice()?),
            Self::Flags(array) => Slice::Flags(array.as_slice()?),
        })
    }
}

/// A column read in place; one with gaps is copied.
fn column<'py>(object: &Bound<'py, PyAny>) -> PyResult<Column<'py>> {
    let object = object.py().import("numpy")?.call_method1("ascontiguousarray", (object,))?;
    if let Ok(array) = object.cast::<PyArray1<f64>>() {
        return Ok(Column::Floats(array.try_readonly()?));
    }
    if let Ok(array) = object.cast::<PyArray1<i64>>() {
        return Ok(Column::Integers(array.try_readonly()?));
    }
    if let Ok(array) = object.cast::<PyArray1<u64>>() {
        return Ok(Column::Words(array.try_readonly()?));
    }
    if let Ok(array) = object.cast::<PyArray1<bool>>() {
        return Ok(Column::Flags(array.try_readonly()?));
    }
    Err(PyTypeError::new_err("columns: (n,) arrays of float64, int64, uint64 or bool are needed"))
}
