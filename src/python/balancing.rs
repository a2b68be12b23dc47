//! Balancing weights, as functions of arrays for Python.

use numpy::PyArray1;
use pyo3::prelude::*;

use super::{arrays, call, needs, options, row_weights, words};
use crate::error::{Error, Result};
use crate::reserve;
use crate::units::frequency::{RowWeights, users_of};
use crate::units::tally::Rows;
use crate::weighting::balancing::{self, BalancingSpec};
use crate::weighting::ipw;

/// Weights of n rows that balance the columns of a matrix.
///
/// Attributes
/// ----------
/// weights : (n,) float64
///     Balancing weight times sample weight.
/// coefficients : (k, d + 1) float64
///     Of the linear predictors of k fits, intercept first, on the scale of ``x``; 0 for dropped columns.
/// arms : list of {"treated", "control", "both"}
///     Whose weights each fit makes.
/// imbalance : (d,) float64
///     How far the worse of both arms' means is from what it is to be, in standard deviations of the column
///     over all rows.
/// dropped : (a,) int64
///     Columns of ``x`` that earlier ones explain.
/// iterations : int
///     Newton steps over all rows.
/// ess_treated, ess_control : float
///     Kish's effective sample sizes, (sum w)^2 / sum w^2.
#[pyclass(frozen, get_all, module = "propensity.core")]
pub struct BalancingWeights {
    weights: Py<PyArray1<f64>>,
    coefficients: Vec<Py<PyArray1<f64>>>,
    arms: Vec<&'static str>,
    imbalance: Py<PyArray1<f64>>,
    dropped: Py<PyArray1<i64>>,
    iterations: usize,
    ess_treated: f64,
    ess_control: f64,
}

/// A contrast of means under balancing weights.
///
/// Attributes
/// ----------
/// estimate : float
///     ``mean_treated - mean_control``.
/// mean_treated, mean_control : float
/// std_error : float
///     By stacked estimating equations, corrected for leverage (HC3): by what leaving each row out would do.
/// std_error_hc0 : float
///     The same without the correction.
/// influence_treated, influence_control : (n,) float64
///     Each row's influence on the two means, corrected likewise: their covariance is the sum of products over
///     n^2.
#[pyclass(frozen, get_all, module = "propensity.core")]
pub struct BalancedEffect {
    estimate: f64,
    mean_treated: f64,
    mean_control: f64,
    std_error: f64,
    std_error_hc0: f64,
    influence_treated: Py<PyArray1<f64>>,
    influence_control: Py<PyArray1<f64>>,
}

/// Weigh rows so that the means of the columns of ``x`` are what they are to be.
///
/// Parameters
/// ----------
/// x : (n, d) array
///     What is to be balanced, without a constant.
/// treatment : (n,) array
///     Boolean, or 0 and 1.
/// estimand : {"ATE", "ATT", "ATC"}, default "ATT"
///     Whose means both arms are to have: everybody's, the treated's, the controls'.
/// method : {"entropy", "cbps", "ipt"}, default "entropy"
///     How an ATE's weights are made; for the others all give the same.
/// penalty : float, default 0.0
///     L2 strength on the coefficients but the intercept, per standard deviation of a column, for rows that
///     weigh one on average. The default balances exactly.
/// sample_weight : (n,) array, optional
///     Row weights, none negative.
/// frequency : (n,) array, optional
///     How many users a row stands for, all alike: whole numbers of at least 1. Weights and influence are of one of them.
/// n_threads : int, optional
///     By default the processors this process may use.
///
/// Returns
/// -------
/// BalancingWeights
///
/// Raises
/// ------
/// InvalidInputError
///     Lengths that differ, missing values, an empty arm, another estimand.
/// InfeasibleError
///     There are no such weights.
///
/// References
/// ----------
/// Hainmueller (2012), Political Analysis 20:25, equation 4; Imai and Ratkovic (2014), Journal of the Royal
/// Statistical Society B 76:243, equation 11; Graham, Pinto and Egel (2012), Review of Economic Studies 79:1053;
/// Zhao (2019), Annals of Statistics 47:965, Table 1.
#[pyfunction]
#[pyo3(signature = (
    x, treatment, *, estimand="ATT", method="entropy", penalty=0.0, sample_weight=None, frequency=None,
    n_threads=None
))]
#[allow(clippy::too_many_arguments)] // the keyword arguments of a Python function
pub fn fit_weights(
    py: Python<'_>,
    x: &Bound<'_, PyAny>,
    treatment: &Bound<'_, PyAny>,
    estimand: &str,
    method: &str,
    #[pyo3(from_py_with = options::penalty)] penalty: f64,
    sample_weight: Option<&Bound<'_, PyAny>>,
    frequency: Option<&Bound<'_, PyAny>>,
    n_threads: Option<&Bound<'_, PyAny>>,
) -> PyResult<BalancingWeights> {
    let x = arrays::floats("x", x)?;
    let treatment = arrays::treatment(treatment)?;
    let given = row_weights::given(sample_weight, frequency)?;
    let row_weights = given.row_weights()?;
    row_weights.check(treatment.len())?;
    check_penalty(row_weights, penalty)?;
    let spec = parse_spec(estimand, method, penalty)?;
    let x = x.as_array();
    let rows = Rows { treatment: &treatment, sample_weight: row_weights.total };
    let found = call::run(py, n_threads, None, |monitor| {
        reserve::room_for(rows.treatment.len(), needs::FIT)?;
        balancing::fit_weights(x, &rows, &spec, monitor)
    })?;
    let [ess_control, ess_treated] = match row_weights.frequency {
        None => found.ess,
        users => {
            let size = |arm| ipw::effective_size_of(arm, &treatment, &found.weights, users);
            [false, true].map(size)
        }
    };
    let array = |values: Vec<f64>| PyArray1::from_vec(py, values).unbind();
    let arms = found.coefficients.iter().map(|fit| arm_name(fit.arm)).collect();
    Ok(BalancingWeights {
        weights: array(ipw::shared_out(found.weights, row_weights.frequency)),
        coefficients: found.coefficients.into_iter().map(|fit| array(fit.values)).collect(),
        arms,
        imbalance: array(found.imbalance),
        dropped: arrays::row_numbers_in_place(py, found.dropped).unbind(),
        iterations: found.iterations,
        ess_treated,
        ess_control,
    })
}

/// The effect on an outcome under weights of ``fit_weights``.
///
/// Parameters
/// ----------
/// outcome : (n,) array
/// treatment : (n,) array
///     Boolean, or 0 and 1.
/// weights : (n,) array
///     Those that ``fit_weights`` gave, sample weights included.
/// x : (n, d) array
///     What they balance.
/// estimand, method, penalty, sample_weight, frequency
///     As they were made with.
/// n_threads : int, optional
///     By default the processors this process may use.
///
/// Returns
/// -------
/// BalancedEffect
///
/// Raises
/// ------
/// InvalidInputError
///     Lengths that differ, missing values, an empty arm.
///
/// References
/// ----------
/// Stefanski and Boos (2002), American Statistician 56:29; the correction of MacKinnon and White (1985), Journal
/// of Econometrics 29:305, equation 12.
#[pyfunction]
#[pyo3(signature = (
    outcome, treatment, weights, x, *, estimand="ATT", method="entropy", penalty=0.0, sample_weight=None,
    frequency=None, n_threads=None
))]
#[allow(clippy::too_many_arguments)] // the keyword arguments of a Python function
pub fn balanced_effect(
    py: Python<'_>,
    outcome: &Bound<'_, PyAny>,
    treatment: &Bound<'_, PyAny>,
    weights: &Bound<'_, PyAny>,
    x: &Bound<'_, PyAny>,
    estimand: &str,
    method: &str,
    #[pyo3(from_py_with = options::penalty)] penalty: f64,
    sample_weight: Option<&Bound<'_, PyAny>>,
    frequency: Option<&Bound<'_, PyAny>>,
    n_threads: Option<&Bound<'_, PyAny>>,
) -> PyResult<BalancedEffect> {
    let outcome = arrays::column("outcome", outcome)?;
    let treatment = arrays::treatment(treatment)?;
    let x = arrays::floats("x", x)?;
    let given = row_weights::given(sample_weight, frequency)?;
    let row_weights = given.row_weights()?;
    row_weights.check(treatment.len())?;
    check_penalty(row_weights, penalty)?;
    let spec = parse_spec(estimand, method, penalty)?;
    let x = x.as_array();
    let outcome = outcome.as_slice()?;
    let weights = arrays::own_column("weights", weights)?;
    let users = row_weights.frequency;
    let weights: Vec<f64> =
        weights.into_iter().enumerate().map(|(row, w)| w * users_of(users, row)).collect();
    let rows = Rows { treatment: &treatment, sample_weight: row_weights.total };
    let found = call::run(py, n_threads, None, |monitor| {
        reserve::room_for(rows.treatment.len(), needs::BALANCED_EFFECT)?;
        balancing::balanced_effect(outcome, &weights, x, (&rows, users), &spec, monitor)
    })?;
    let (estimate, std_error) = (found.means.difference(), found.means.std_error_of_users(users));
    let [mean_control, mean_treated] = found.means.mean();
    let [influence_control, influence_treated] = found.means.influence;
    Ok(BalancedEffect {
        estimate,
        mean_treated,
        mean_control,
        std_error,
        std_error_hc0: found.std_error_hc0,
        influence_treated: PyArray1::from_vec(py, influence_treated).unbind(),
        influence_control: PyArray1::from_vec(py, influence_control).unbind(),
    })
}

/// A penalty is per standard deviation of a column over rows, which is not that over the users they stand for.
fn check_penalty(row_weights: RowWeights<'_>, penalty: f64) -> Result<()> {
    if row_weights.frequency.is_some() && penalty > 0.0 {
        let found = format!("{penalty} with frequency");
        let allowed = "0 where rows stand for several users";
        return Err(Error::Argument { name: "penalty", found, allowed });
    }
    Ok(())
}

fn parse_spec(estimand: &str, method: &str, penalty: f64) -> Result<BalancingSpec> {
    let method = words::balancing(method)?;
    Ok(BalancingSpec { estimand: words::estimand(estimand)?, method, penalty })
}

fn arm_name(arm: Option<bool>) -> &'static str {
    match arm {
        Some(true) => "treated",
        Some(false) => "control",
        None => "both",
    }
}
