//! Balance tables, as functions of arrays for Python.

use numpy::{PyArray1, PyArray2};
use pyo3::prelude::*;

use super::{arrays, call, needs, options, row_weights, words};
use crate::balance::{
    Balance as Sample, Compared, Measures, Pairs, balance as measure,
    product_smds as product_differences, smd as mean_differences,
};
use crate::design::factors::Factor;
use crate::reserve;

/// Balance of d columns in k + 1 samples: the rows as they are, then as each of k weightings weighs them.
///
/// Attributes
/// ----------
/// mean_treated, mean_control : (d, k + 1) float64
///     Weighted means of the arms.
/// smd : (d, k + 1) float64
///     Standardized mean differences, treated minus control.
/// variance_ratio : (d, k + 1) float64
///     Of the weighted variances, treated over control; NaN for binary and constant columns.
/// ks : (d, k + 1) float64
///     The largest distance of the arms' weighted distribution functions.
/// ecdf_difference : (d, k + 1) float64
///     Their mean distance over the distinct values.
/// ess_treated, ess_control : (k + 1,) float64
///     Kish's effective sample sizes.
#[pyclass(frozen, get_all, module = "propensity.core")]
pub struct Balance {
    mean_treated: Py<PyArray2<f64>>,
    mean_control: Py<PyArray2<f64>>,
    smd: Py<PyArray2<f64>>,
    variance_ratio: Py<PyArray2<f64>>,
    ks: Py<PyArray2<f64>>,
    ecdf_difference: Py<PyArray2<f64>>,
    ess_treated: Py<PyArray1<f64>>,
    ess_control: Py<PyArray1<f64>>,
}

/// The balance of each column, before and after any number of weightings.
///
/// Parameters
/// ----------
/// x : (n, d) array, or list of d columns
/// treatment : (n,) array
///     Boolean, or 0 and 1.
/// weights : list of (n,) arrays, or (n, k) array, optional
///     Weightings of the rows, none negative; they are multiplied by the sample weights.
/// sample_weight : (n,) array, optional
///     How much of the population a row stands for, in every sample and in the denominator.
/// frequency : (n,) array, optional
///     How many users a row stands for, all alike: whole numbers of at least 1. Everything is as of the users one by one.
/// denominator : {"pooled", "treated", "control", "all"}, default "pooled"
///     As for ``smd``.
/// factors : list of (n,) arrays, or (n, k) array, of integers, optional
///     Levels, counted from 0, none missing: each is compared as a column of zeros and ones, the first too, all of a
///     factor in one pass.
/// after : (k,) array of integers, optional
///     How many columns of ``x`` stand before the levels of each factor, ascending; by default all.
/// n_levels : (k,) array of integers, optional
///     How many levels each factor has; by default those up to the highest that a row has.
/// n_threads : int, optional
///     By default the processors this process may use.
///
/// Returns
/// -------
/// Balance
///
/// Raises
/// ------
/// InvalidInputError
///     Lengths that differ, missing values, an arm empty or without weight.
///
/// Notes
/// -----
/// Variances are sum w (x - m)^2 / (1 - sum w^2), w summing to 1 within the arm. Distribution functions
/// F1 and F0 are compared at the distinct values of the column: ``ks`` is the largest |F1 - F0|,
/// ``ecdf_difference`` the mean over these values, each counting once, also those of rows that weigh
/// nothing; both are |p1 - p0| for columns of zeros and ones.
///
/// References
/// ----------
/// Austin and Stuart (2015), Statistics in Medicine 34:3661; Ho, Imai, King and Stuart (2011), Journal
/// of Statistical Software 42(8).
#[pyfunction]
#[pyo3(signature = (
    x, treatment, *, weights=None, sample_weight=None, frequency=None, denominator="pooled", factors=None,
    after=None, n_levels=None, n_threads=None
))]
#[allow(clippy::too_many_arguments)] // the keyword arguments of a Python function
pub fn balance(
    py: Python<'_>,
    x: &Bound<'_, PyAny>,
    treatment: &Bound<'_, PyAny>,
    weights: Option<&Bound<'_, PyAny>>,
    sample_weight: Option<&Bound<'_, PyAny>>,
    frequency: Option<&Bound<'_, PyAny>>,
    denominator: &str,
    factors: Option<&Bound<'_, PyAny>>,
    after: Option<&Bound<'_, PyAny>>,
    n_levels: Option<&Bound<'_, PyAny>>,
    n_threads: Option<&Bound<'_, PyAny>>,
) -> PyResult<Balance> {
    let given_x = arrays::given("x", x)?;
    let treatment = arrays::treatment(treatment)?;
    let weightings =
        weights.map_or(Ok(Vec::new()), |weights| arrays::columns("weights", weights))?;
    let weightings = weightings.iter().map(|w| w.as_slice()).collect::<Result<Vec<_>, _>>()?;
    let given = row_weights::given(sample_weight, frequency)?;
    let base = given.row_weights()?;
    let denominator = words::denominator(denominator)?;
    let x = given_x.matrix("x")?;
    let levels = factors.map(arrays::factors).transpose()?.unwrap_or_default();
    let after = arrays::places("after", after, x.ncols(), levels.len())?;
    let n_levels = n_levels
        .map(|n| arrays::places("n_levels", Some(n), x.ncols(), levels.len()))
        .transpose()?;
    let found = call::run(py, n_threads, None, |monitor| {
        reserve::room_for(treatment.len() * rayon::current_num_threads(), needs::BALANCE_A_THREAD)?;
        let factors = match &n_levels {
            None => Factor::all(&levels)?,
            Some(n_levels) => Factor::all_of(&levels, n_levels)?,
        };
        let compared = Compared { x: x.view(), factors: &factors, after: &after };
        measure(compared, &treatment, &weightings, base, denominator, monitor)
    })?;
    let table = |part: fn(&Measures) -> f64| {
        let by_sample = |k: usize| found.iter().map(|one| part(&one.measures[k])).collect();
        let rows: Vec<Vec<f64>> = (0..found[0].measures.len()).map(by_sample).collect();
        PyResult::Ok(PyArray2::from_vec2(py, &rows)?.unbind())
    };
    let ess = |size: fn(&Sample) -> f64| PyArray1::from_iter(py, found.iter().map(size)).unbind();
    Ok(Balance {
        mean_treated: table(|measures| measures.mean_treated)?,
        mean_control: table(|measures| measures.mean_control)?,
        smd: table(|measures| measures.smd)?,
        variance_ratio: table(|measures| measures.variance_ratio)?,
        ks: table(|measures| measures.ks)?,
        ecdf_difference: table(|measures| measures.ecdf_difference)?,
        ess_treated: ess(|sample| sample.ess_treated),
        ess_control: ess(|sample| sample.ess_control),
    })
}

/// Standardized mean differences, treated minus control, of each column.
///
/// Parameters
/// ----------
/// x : (n, d) array, or list of d columns
/// treatment : (n,) array
///     Boolean, or 0 and 1.
/// weights : (n,) array, optional
///     Weights of the means, none negative; they are multiplied by the sample weights. The denominator is
///     never weighted by them.
/// sample_weight : (n,) array, optional
///     How much of the population a row stands for, in the means and in the denominator.
/// frequency : (n,) array, optional
///     How many users a row stands for, all alike: whole numbers of at least 1. Everything is as of the users one by one.
/// denominator : {"pooled", "treated", "control", "all"}, default "pooled"
///     Whose standard deviation: the root of the mean of the arms' variances, one arm's, or that of all
///     rows. Columns of zeros and ones have the variance p (1 - p), others that with divisor n - 1.
/// n_threads : int, optional
///     By default the processors this process may use.
///
/// Returns
/// -------
/// (d,) float64
///     In standard deviations; 0 for a constant column, infinite where only the denominator's arm is
///     constant.
///
/// Raises
/// ------
/// InvalidInputError
///     Lengths that differ, missing values, an arm empty or without weight.
///
/// References
/// ----------
/// Austin (2009), Statistics in Medicine 28:3083.
#[pyfunction]
#[pyo3(signature = (
    x, treatment, *, weights=None, sample_weight=None, frequency=None, denominator="pooled",
    n_threads=None
))]
#[allow(clippy::too_many_arguments)] // the keyword arguments of a Python function
pub fn smd<'py>(
    py: Python<'py>,
    x: &Bound<'_, PyAny>,
    treatment: &Bound<'_, PyAny>,
    weights: Option<&Bound<'_, PyAny>>,
    sample_weight: Option<&Bound<'_, PyAny>>,
    frequency: Option<&Bound<'_, PyAny>>,
    denominator: &str,
    n_threads: Option<&Bound<'_, PyAny>>,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let given_x = arrays::given("x", x)?;
    let treatment = arrays::treatment(treatment)?;
    let weights = weights.map(|weights| arrays::column("weights", weights)).transpose()?;
    let given = row_weights::given(sample_weight, frequency)?;
    let denominator = words::denominator(denominator)?;
    let (x, weights) = (given_x.matrix("x")?, weights.as_ref().map(|w| w.as_slice()).transpose()?);
    let base = given.row_weights()?;
    let found = call::run(py, n_threads, None, |_| {
        reserve::room_for(x.ncols(), needs::MOMENTS_A_COLUMN)?;
        mean_differences(x, &treatment, weights, base, denominator)
    })?;
    Ok(PyArray1::from_vec(py, found))
}

/// Standardized mean differences of products of two columns, before and after any number of weightings.
///
/// Parameters
/// ----------
/// x : (n, d) array, or list of d columns
/// treatment : (n,) array
///     Boolean, or 0 and 1.
/// pairs : list of (int, int)
///     Which columns are multiplied; the same twice for a square.
/// center : (d,) array, optional
///     What columns are measured from before they are multiplied, as their means over all rows: a square of a column
///     far from zero says next to nothing that the column does not. Zero where there is none.
/// weights, sample_weight, frequency, denominator, n_threads
///     As for ``balance``.
///
/// Returns
/// -------
/// (m, k + 1) float64
///     What ``smd`` gives of the products as columns, in the rows as they are, then as each weighting weighs
///     them, without making the products; NaN where one is out of range.
///
/// Raises
/// ------
/// InvalidInputError
///     As for ``balance``; a column of a pair is not there; a center is not finite.
#[pyfunction]
#[pyo3(signature = (
    x, treatment, pairs, *, center=None, weights=None, sample_weight=None, frequency=None, denominator="pooled",
    n_threads=None
))]
#[allow(clippy::too_many_arguments)] // the keyword arguments of a Python function
pub fn product_smds<'py>(
    py: Python<'py>,
    x: &Bound<'_, PyAny>,
    treatment: &Bound<'_, PyAny>,
    #[pyo3(from_py_with = options::pairs)] pairs: Vec<[usize; 2]>,
    center: Option<&Bound<'_, PyAny>>,
    weights: Option<&Bound<'_, PyAny>>,
    sample_weight: Option<&Bound<'_, PyAny>>,
    frequency: Option<&Bound<'_, PyAny>>,
    denominator: &str,
    n_threads: Option<&Bound<'_, PyAny>>,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let given_x = arrays::given("x", x)?;
    let treatment = arrays::treatment(treatment)?;
    let center = center.map(|center| arrays::column("center", center)).transpose()?;
    let center = center.as_ref().map(|center| center.as_slice()).transpose()?;
    let pairs = Pairs { columns: &pairs, center };
    let weightings =
        weights.map_or(Ok(Vec::new()), |weights| arrays::columns("weights", weights))?;
    let weightings = weightings.iter().map(|w| w.as_slice()).collect::<Result<Vec<_>, _>>()?;
    let given = row_weights::given(sample_weight, frequency)?;
    let base = given.row_weights()?;
    let denominator = words::denominator(denominator)?;
    let x = given_x.matrix("x")?;
    let found = call::run(py, n_threads, None, |monitor| {
        product_differences(x, &treatment, pairs, &weightings, base, denominator, monitor)
    })?;
    Ok(PyArray2::from_owned_array(py, found))
}
