//! Boosted scores, as functions of arrays for Python.

mod trees;

use numpy::ndarray::Array2;
use numpy::{PyArray1, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;

use super::{arrays, call, needs, options, words};
use crate::error::{Error, Result};
use crate::reserve;
use crate::score::boosting::{
    self, Aim, BoostingSpec, Folds, LossPath as CoreLossPath, Path, Rows, Shape, Table,
};

pub use trees::BoostedTrees;

/// Boosted propensity scores of n rows, each by a model that was not fitted to it.
///
/// Attributes
/// ----------
/// scores : (n,) float64
///     Probability of treatment, out of fold.
/// log_odds : (n,) float64
///     Their log odds.
/// n_trees : int
///     Trees of each fold's model: as many as ``stop`` chose.
/// path : BoostingPath
///     What the choice was made from.
/// model : BoostedTrees
///     For rows that are not among these.
#[pyclass(frozen, get_all, module = "propensity.core")]
pub struct BoostedScores {
    scores: Py<PyArray1<f64>>,
    log_odds: Py<PyArray1<f64>>,
    n_trees: usize,
    path: Py<BoostingPath>,
    model: Py<BoostedTrees>,
}

/// Scores and balance out of fold, by the number of trees.
///
/// Attributes
/// ----------
/// trees : (p,) int64
///     None, every ten, and ``max_trees``.
/// log_loss : (p,) float64
///     Mean over the rows of minus the log-likelihood.
/// mean_smd, max_smd : (p,) float64
///     Mean and largest |SMD| of the terms under the weights of the estimand.
/// ess : (p,) float64
///     Kish's effective sample sizes of both arms together.
#[pyclass(frozen, get_all, module = "propensity.core")]
pub struct BoostingPath {
    trees: Py<PyArray1<i64>>,
    log_loss: Py<PyArray1<f64>>,
    mean_smd: Py<PyArray1<f64>>,
    max_smd: Py<PyArray1<f64>>,
    ess: Py<PyArray1<f64>>,
}

/// Boosted outcomes of n rows in both arms, each by a model that was not fitted to it.
///
/// Attributes
/// ----------
/// treated, control : (n,) float64
///     The mean outcome of every row in either arm, out of fold.
/// n_trees_treated, n_trees_control : int
///     Trees of each fold's model.
/// path_treated, path_control : LossPath
///     What their number was chosen from.
/// model_treated, model_control : BoostedTrees
///     For rows that are not among these.
#[pyclass(frozen, get_all, module = "propensity.core")]
pub struct BoostedOutcomes {
    treated: Py<PyArray1<f64>>,
    control: Py<PyArray1<f64>>,
    n_trees_treated: usize,
    n_trees_control: usize,
    path_treated: Py<LossPath>,
    path_control: Py<LossPath>,
    model_treated: Py<BoostedTrees>,
    model_control: Py<BoostedTrees>,
}

/// The loss out of fold, by the number of trees.
///
/// Attributes
/// ----------
/// trees : (p,) int64
///     None, every ten, and ``max_trees``.
/// loss : (p,) float64
///     Mean over the arm's rows: squared error, log-loss, or Poisson's deviance.
#[pyclass(frozen, get_all, module = "propensity.core")]
pub struct LossPath {
    trees: Py<PyArray1<i64>>,
    loss: Py<PyArray1<f64>>,
}

/// Boost propensity scores by histograms, fold by fold.
///
/// Parameters
/// ----------
/// covariates : (n, d) array
///     Numbers; NaN is a missing value, which goes to whichever side of a split gains more.
/// treatment : (n,) array
///     Boolean, or 0 and 1.
/// folds : (n,) array of integers
///     From 0: the fold in which a row is predicted, and not fitted to.
/// factors : (n, k) array of integers, optional
///     Levels, from 0 to 65,534 at most; -1 is missing. Levels are sorted, node by node, by the step that each would
///     take, and cut in two.
/// balance : (n, m) array, optional
///     The terms whose balance is looked at. By default the columns of ``covariates``, and the share of each level.
/// sample_weight : (n,) array, optional
///     Row weights, none negative; a row of weight 0 is predicted, and otherwise not there.
/// estimand : {"ATE", "ATT", "ATC", "ATO", "ATM"}, default "ATE"
///     Whose weights the balance is taken under.
/// depth : int, default 3
///     Questions from the root of a tree to a leaf, at most 8.
/// learning_rate : float, default 0.05
///     The share of Newton's step that a tree takes.
/// max_trees : int, default 500
/// min_leaf : int, default 10
///     Rows of a leaf, at least.
/// stop : {"balance", "log_loss"} or None, default "balance"
///     Take as many trees as give the least mean |SMD|, or the least log-loss, out of fold; None: ``max_trees``.
/// n_threads : int, optional
///     By default the processors this process may use. Results are the same for any number.
///
/// Returns
/// -------
/// BoostedScores
///
/// Raises
/// ------
/// InvalidInputError
///     Lengths that differ, infinite values, an empty arm, a fold outside of which there is none of an arm.
///
/// References
/// ----------
/// Friedman (2001), Annals of Statistics 29:1189; Ke et al. (2017), Advances in Neural Information Processing
/// Systems 30; McCaffrey, Ridgeway and Morral (2004), Psychological Methods 9:403.
#[pyfunction]
#[pyo3(signature = (
    covariates, treatment, folds, *, factors=None, balance=None, sample_weight=None, estimand="ATE", depth=3,
    learning_rate=0.05, max_trees=500, min_leaf=10, stop=Some("balance"), n_threads=None
))]
#[allow(clippy::too_many_arguments)] // the keyword arguments of a Python function
pub fn boosted_scores(
    py: Python<'_>,
    covariates: &Bound<'_, PyAny>,
    treatment: &Bound<'_, PyAny>,
    folds: &Bound<'_, PyAny>,
    factors: Option<&Bound<'_, PyAny>>,
    balance: Option<&Bound<'_, PyAny>>,
    sample_weight: Option<&Bound<'_, PyAny>>,
    estimand: &str,
    #[pyo3(from_py_with = options::depth)] depth: usize,
    #[pyo3(from_py_with = options::learning_rate)] learning_rate: f64,
    #[pyo3(from_py_with = options::max_trees)] max_trees: usize,
    #[pyo3(from_py_with = options::min_leaf)] min_leaf: usize,
    stop: Option<&str>,
    n_threads: Option<&Bound<'_, PyAny>>,
) -> PyResult<BoostedScores> {
    let columns = Columns::read(covariates, factors)?;
    let given = Given::read(treatment, folds, sample_weight)?;
    let terms = balance.map(|terms| arrays::floats("balance", terms)).transpose()?;
    let terms = terms.as_ref().map(PyReadonlyArray2::as_array);
    let (estimand, stop) = (words::estimand(estimand)?, words::stop(stop)?);
    let spec = BoostingSpec { shape: Shape { depth, learning_rate, min_leaf }, max_trees };
    let weight = given.weight.as_ref().map(|w| w.as_slice()).transpose()?;
    let (table, rows) = (columns.table(), given.rows(weight));
    let found = call::run(py, n_threads, None, |monitor| {
        reserve::room_for(table.n_rows(), needs::boosting(&table, rows.folds.count))?;
        boosting::boosted_scores(&table, &rows, &Aim { terms, estimand, stop }, &spec, monitor)
    })?;
    let array = |values: Vec<f64>| PyArray1::from_vec(py, values).unbind();
    Ok(BoostedScores {
        scores: array(found.scores),
        log_odds: array(found.log_odds),
        n_trees: found.n_trees,
        path: Py::new(py, BoostingPath::of(py, found.path))?,
        model: Py::new(py, BoostedTrees { trees: found.model })?,
    })
}

/// Boost the outcome of each arm by histograms, fold by fold: fitted to an arm's rows outside of a fold, predicted
/// for all rows of the fold.
///
/// Parameters
/// ----------
/// covariates, factors, sample_weight, depth, learning_rate, max_trees, min_leaf, n_threads
///     As in `boosted_scores`.
/// outcome : (n,) array
/// treatment : (n,) array
///     Boolean, or 0 and 1.
/// folds : (n,) array of integers
///     From 0: the fold in which a row is predicted, and not fitted to.
/// loss : {"squared", "logistic", "poisson"}, default "squared"
///     For numbers; for what is from 0 to 1; for counts.
/// stop : bool, default True
///     Take as many trees as give the least loss out of fold, in each arm; otherwise ``max_trees``.
///
/// Returns
/// -------
/// BoostedOutcomes
///
/// Raises
/// ------
/// InvalidInputError
///     Lengths that differ, infinite values, an outcome that the loss has no meaning for, a fold outside of which
///     there is none of an arm.
///
/// References
/// ----------
/// Friedman (2001), Annals of Statistics 29:1189; Chernozhukov et al. (2018), Econometrics Journal 21:C1.
#[pyfunction]
#[pyo3(signature = (
    covariates, outcome, treatment, folds, *, factors=None, sample_weight=None, loss="squared", depth=3,
    learning_rate=0.05, max_trees=500, min_leaf=10, stop=true, n_threads=None
))]
#[allow(clippy::too_many_arguments)] // the keyword arguments of a Python function
pub fn boosted_outcomes(
    py: Python<'_>,
    covariates: &Bound<'_, PyAny>,
    outcome: &Bound<'_, PyAny>,
    treatment: &Bound<'_, PyAny>,
    folds: &Bound<'_, PyAny>,
    factors: Option<&Bound<'_, PyAny>>,
    sample_weight: Option<&Bound<'_, PyAny>>,
    loss: &str,
    #[pyo3(from_py_with = options::depth)] depth: usize,
    #[pyo3(from_py_with = options::learning_rate)] learning_rate: f64,
    #[pyo3(from_py_with = options::max_trees)] max_trees: usize,
    #[pyo3(from_py_with = options::min_leaf)] min_leaf: usize,
    stop: bool,
    n_threads: Option<&Bound<'_, PyAny>>,
) -> PyResult<BoostedOutcomes> {
    let columns = Columns::read(covariates, factors)?;
    let outcome = arrays::column("outcome", outcome)?;
    let outcome = outcome.as_slice()?;
    let given = Given::read(treatment, folds, sample_weight)?;
    let loss = words::loss(loss)?;
    let spec = BoostingSpec { shape: Shape { depth, learning_rate, min_leaf }, max_trees };
    let weight = given.weight.as_ref().map(|w| w.as_slice()).transpose()?;
    let (table, rows) = (columns.table(), given.rows(weight));
    let [control, treated] = call::run(py, n_threads, None, |monitor| {
        reserve::room_for(table.n_rows(), needs::boosting(&table, rows.folds.count))?;
        boosting::boosted_outcomes(&table, outcome, &rows, loss, &spec, stop, monitor)
    })?;
    let array = |values: Vec<f64>| PyArray1::from_vec(py, values).unbind();
    Ok(BoostedOutcomes {
        treated: array(treated.means),
        control: array(control.means),
        n_trees_treated: treated.n_trees,
        n_trees_control: control.n_trees,
        path_treated: Py::new(py, LossPath::of(py, treated.path))?,
        path_control: Py::new(py, LossPath::of(py, control.path))?,
        model_treated: Py::new(py, BoostedTrees { trees: treated.model })?,
        model_control: Py::new(py, BoostedTrees { trees: control.model })?,
    })
}

/// Columns as they came: numbers in place, levels copied.
struct Columns<'py> {
    numbers: PyReadonlyArray2<'py, f64>,
    factors: Array2<i64>,
}

impl<'py> Columns<'py> {
    fn read(covariates: &Bound<'py, PyAny>, factors: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let numbers = arrays::floats("covariates", covariates)?;
        let none = || Array2::zeros((numbers.as_array().nrows(), 0));
        let factors =
            factors.map_or_else(|| Ok(none()), |factors| arrays::integers("factors", factors))?;
        Ok(Self { numbers, factors })
    }

    fn table(&self) -> Table<'_> {
        Table { numbers: self.numbers.as_array(), factors: self.factors.view() }
    }
}

/// The other arrays by row.
struct Given<'py> {
    treatment: Vec<bool>,
    folds: Vec<u32>,
    n_folds: usize,
    weight: Option<PyReadonlyArray1<'py, f64>>,
}

impl<'py> Given<'py> {
    fn read(
        treatment: &Bound<'_, PyAny>,
        folds: &Bound<'_, PyAny>,
        sample_weight: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Self> {
        let treatment = arrays::treatment(treatment)?;
        let labels = arrays::labels("folds", folds)?;
        let number = |fold: &i64| {
            let (found, allowed) = (fold.to_string(), "numbers of folds, from 0");
            u32::try_from(*fold).map_err(|_| Error::Argument { name: "folds", found, allowed })
        };
        let folds = labels.iter().map(number).collect::<Result<Vec<u32>>>()?;
        let n_folds = folds.iter().max().map_or(0, |most| *most as usize + 1);
        let weight =
            sample_weight.map(|weight| arrays::column("sample_weight", weight)).transpose()?;
        Ok(Self { treatment, folds, n_folds, weight })
    }

    fn rows<'a>(&'a self, sample_weight: Option<&'a [f64]>) -> Rows<'a> {
        let folds = Folds { of_row: &self.folds, count: self.n_folds };
        Rows { treatment: &self.treatment, sample_weight, folds }
    }
}

impl BoostingPath {
    fn of(py: Python<'_>, path: Path) -> Self {
        let array = |values: Vec<f64>| PyArray1::from_vec(py, values).unbind();
        Self {
            trees: arrays::row_numbers_in_place(py, path.trees).unbind(),
            log_loss: array(path.log_loss),
            mean_smd: array(path.mean_smd),
            max_smd: array(path.max_smd),
            ess: array(path.ess),
        }
    }
}

impl LossPath {
    fn of(py: Python<'_>, path: CoreLossPath) -> Self {
        Self {
            trees: arrays::row_numbers_in_place(py, path.trees).unbind(),
            loss: PyArray1::from_vec(py, path.loss).unbind(),
        }
    }
}
