//! What rows hold, in two numbers, as functions of arrays for Python.

use numpy::ndarray::Array2;
use numpy::prelude::*;
use numpy::{PyArray1, PyArray2, PyReadonlyArray1};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::arrays;
use super::call;
use super::errors::InvalidInputError;
use crate::units::fingerprint::{Fingerprint, Word, fingerprint, fingerprint_by};

/// A column of one of the types that columns are read as.
enum Column<'py> {
    Floats(PyReadonlyArray1<'py, f64>),
    Integers(PyReadonlyArray1<'py, i64>),
    Words(PyReadonlyArray1<'py, u64>),
    Flags(PyReadonlyArray1<'py, bool>),
    Singles(PyReadonlyArray1<'py, f32>),
    /// Codes, and the words of their levels.
    Levels(Codes<'py>, Vec<u64>),
}

/// Codes of levels; those below 0 stand for the last.
enum Codes<'py> {
    Bytes(PyReadonlyArray1<'py, i8>),
    Wide(Vec<i64>),
}

/// What columns hold, in two numbers each: whether rows are those that something was made from.
///
/// Parameters
/// ----------
/// columns : list of (n,) arrays
///     Of float64, float32, int64, uint64 or bool. Equal numbers count as equal whatever their type. Or ``(codes, words)``:
///     integers (n,) that count the levels from 0, -1 being the last, and what each level is, (k,) uint64.
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
    Singles(&'a [f32]),
    Bytes(&'a [i8], &'a [u64]),
    Wide(&'a [i64], &'a [u64]),
}

impl Slice<'_> {
    fn fingerprint(&self) -> Fingerprint {
        match self {
            Self::Floats(values) => fingerprint(values),
            Self::Integers(values) => fingerprint(values),
            Self::Words(values) => fingerprint(values),
            Self::Flags(values) => fingerprint(values),
            Self::Singles(values) => fingerprint(values),
            Self::Bytes(codes, words) => {
                fingerprint_by(codes, |code| word_of(i64::from(code), words))
            }
            Self::Wide(codes, words) => fingerprint_by(codes, |code| word_of(code, words)),
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
            Self::Singles(array) => Slice::Singles(array.as_slice()?),
            Self::Levels(Codes::Bytes(codes), words) => Slice::Bytes(codes.as_slice()?, words),
            Self::Levels(Codes::Wide(codes), words) => Slice::Wide(codes, words),
        })
    }
}

/// The word of a level, as a number of that word; codes were found to be in range.
fn word_of(code: i64, words: &[u64]) -> u64 {
    let place = usize::try_from(code).unwrap_or(words.len() - 1);
    words[place].word()
}

fn levels<'py>(codes: &Bound<'py, PyAny>, words: &Bound<'py, PyAny>) -> PyResult<Column<'py>> {
    let words = words.cast::<PyArray1<u64>>()?.try_readonly()?.as_slice()?.to_vec();
    let (codes, highest) = match codes.cast::<PyArray1<i8>>() {
        Ok(codes) if codes.is_c_contiguous() => {
            let codes = codes.try_readonly()?;
            let highest = codes.as_slice()?.iter().copied().max().map(i64::from);
            (Codes::Bytes(codes), highest)
        }
        _ => {
            let codes = arrays::labels("codes", codes)?;
            let highest = codes.iter().copied().max();
            (Codes::Wide(codes), highest)
        }
    };
    let highest = usize::try_from(highest.unwrap_or(0)).unwrap_or(0);
    if highest >= words.len() {
        let message = format!("codes: {highest} is none of {} levels", words.len());
        return Err(InvalidInputError::new_err(message));
    }
    Ok(Column::Levels(codes, words))
}

/// A column read in place; one with gaps is copied.
fn column<'py>(object: &Bound<'py, PyAny>) -> PyResult<Column<'py>> {
    if let Ok((codes, words)) = object.extract::<(Bound<'py, PyAny>, Bound<'py, PyAny>)>()
        && object.is_instance_of::<PyTuple>()
    {
        return levels(&codes, &words);
    }
    let object = object.py().import("numpy")?.call_method1("ascontiguousarray", (object,))?;
    if let Ok(array) = object.cast::<PyArray1<f64>>() {
        return Ok(Column::Floats(array.try_readonly()?));
    }
    if let Ok(array) = object.cast::<PyArray1<f32>>() {
        return Ok(Column::Singles(array.try_readonly()?));
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
    Err(PyTypeError::new_err(
        "columns: (n,) arrays of float64, float32, int64, uint64 or bool are needed, or (codes, words)",
    ))
}
