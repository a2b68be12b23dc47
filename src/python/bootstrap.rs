//! The bootstrap, as functions of arrays for Python.

use numpy::ndarray::ArrayView2;
use pyo3::prelude::*;

use super::codes::{Codes, matrix};
use super::errors::InvalidInputError;
use super::estimators::estimator;
use super::options::chosen;
use super::replicates::Replicates;
use super::{arrays, call, needs, options, row_weights, words};
use crate::design::coded::NumbersAndFactors;
use crate::error::Error;
use crate::monitor::Monitor;
use crate::pipeline::{
    Asked, Beside, Bootstrapped, BootstrappedMeans, CodedData, Data, Estimator, Pipeline,
    are_open_to_codes, bootstrap_of_codes, means_of_codes,
};
use crate::resampling::bootstrap::BootstrapSpec;
use crate::resampling::resample::Resample;
use crate::reserve;
use crate::score::spec::{PropensitySpec, penalty_on_users};
use crate::units::frequency::RowWeights;

/// Bootstrap the whole analysis: every replicate weighs the rows anew, refits the score to full
/// convergence and estimates everything again.
///
/// Parameters
/// ----------
/// x : (n, d) array
///     Covariates of the score, without an intercept column.
/// treatment : (n,) array
///     Boolean, or 0 and 1.
/// outcome : (n,) array
/// estimators : sequence
///     Specifications such as ``propensity.IPW("ATE")`` and ``propensity.NearestNeighbors("ATT")``.
/// per : (n,) array, optional
///     What the outcomes are divided by, arm by arm: a ratio of two means in each.
/// others : list of (n,) arrays, optional
///     Further outcomes: their replicates are on the same draws and by the same refitted scores, and each costs a pass over
///     the rows; ``per`` is what each is divided by.
/// means : bool, default False
///     Whether to give the means of both arms, which other contrasts than the difference are made of.
/// penalty : float, default 0.0
///     L2 strength of the score model, as in `fit_propensity`.
/// score_model : {"logistic", "probit", "cloglog"}, default "logistic"
///     As in `fit_propensity`.
/// resampling : {"multinomial", "poisson", "bayesian"}, default "multinomial"
///     n rows drawn with replacement; each row counted a Poisson number of times; each row weighted by an
///     exponential number (never leaves a row out, so it never separates; not for nearest neighbours).
/// factors, after, n_levels
///     Factors beside ``x``, as in `fit_propensity`, of all models. Replicates of weighting by a logistic
///     score, and of linear and logistic outcome models without ``studentized``, pass over their codes; for all else
///     the matrix that they stand for is made, whose columns are those that lists of columns number.
/// cluster : (n,) array of integers, optional
///     Rows of the same label are drawn, or weighted, together.
/// strata : (n,) array of integers, optional
///     What is drawn is drawn within each label, as often as the label occurs; exponential weights are
///     scaled to sum to that. Not with "poisson".
/// sample_weight : (n,) array, optional
///     Row weights, none negative, on top of how often a row is drawn; not for nearest neighbours.
/// frequency : (n,) array, optional
///     How many users a row stands for, all alike: whole numbers of at least 1. Users are drawn, in the time and memory
///     that the rows take, however many they are; not with ``truncate``, and without errors for nearest neighbours.
/// score_columns, outcome_columns : list of int, optional
///     Which columns of ``x`` the score, and the outcome models, use; all by default.
/// balanced_columns : list of lists of int, optional
///     Which columns of ``x`` each of the ``propensity.Balancing`` among the estimators balances, in their order;
///     those of the score by default. Their ``moments`` and ``interactions`` are columns of ``x`` here.
/// n_reps : int, default 500
///     Enough for a standard error (3% Monte Carlo error); take 2,000 for tail quantiles. 0 with ``analytic``
///     gives the full sample's figures alone.
/// seed : int, default 0
///     Replicate r draws from stream r of a PCG64 generator seeded with it: the same numbers for any
///     number of threads, and the first 100 of 500 are the 100 of 100.
/// analytic : bool, default False
///     Whether to give the standard errors without resampling, and the accelerations, too: a few passes
///     over the rows, which otherwise stay untouched.
/// studentized : bool, default False
///     Whether to give a standard error for each replicate too: passes over the rows in each, which take
///     many times as long as the estimates.
/// n_threads : int, optional
///     By default the processors this process may use.
/// progress : callable, optional
///     Called with the number of replicates done, at most 20 times a second, and at the end.
///
/// Returns
/// -------
/// Replicates
///
/// Raises
/// ------
/// InvalidInputError
///     Lengths that differ, missing values, an empty arm, an unknown estimator.
/// SeparationError, ConvergenceError, NoMatchesError
///     The full sample, or every replicate, could not be estimated.
///
/// References
/// ----------
/// Efron and Tibshirani (1993); Rubin (1981), Annals of Statistics 9:130 ("bayesian"). Not valid for
/// nearest neighbours: Abadie and Imbens (2008), Econometrica 76:1537.
#[pyfunction]
#[pyo3(signature = (
    x, treatment, outcome, *, estimators, per=None, others=None, means=false, penalty=0.0, score_model="logistic", resampling="multinomial", cluster=None, strata=None,
    sample_weight=None, frequency=None, score_columns=None, outcome_columns=None, balanced_columns=None, factors=None, after=None, n_levels=None,
    n_reps=500, seed=0, analytic=false, studentized=false, n_threads=None, progress=None
))]
#[allow(clippy::too_many_arguments)] // the keyword arguments of a Python function
pub fn bootstrap(
    py: Python<'_>,
    x: &Bound<'_, PyAny>,
    treatment: &Bound<'_, PyAny>,
    outcome: &Bound<'_, PyAny>,
    estimators: Vec<Bound<'_, PyAny>>,
    per: Option<&Bound<'_, PyAny>>,
    others: Option<&Bound<'_, PyAny>>,
    means: bool,
    #[pyo3(from_py_with = options::penalty)] penalty: f64,
    score_model: &str,
    resampling: &str,
    cluster: Option<&Bound<'_, PyAny>>,
    strata: Option<&Bound<'_, PyAny>>,
    sample_weight: Option<&Bound<'_, PyAny>>,
    frequency: Option<&Bound<'_, PyAny>>,
    #[pyo3(from_py_with = options::score_columns)] score_columns: Option<Vec<usize>>,
    #[pyo3(from_py_with = options::outcome_columns)] outcome_columns: Option<Vec<usize>>,
    #[pyo3(from_py_with = options::balanced_columns)] balanced_columns: Option<Vec<Vec<usize>>>,
    factors: Option<&Bound<'_, PyAny>>,
    after: Option<&Bound<'_, PyAny>>,
    n_levels: Option<&Bound<'_, PyAny>>,
    #[pyo3(from_py_with = options::n_reps_or_none)] n_reps: usize,
    #[pyo3(from_py_with = options::seed)] seed: u64,
    analytic: bool,
    studentized: bool,
    n_threads: Option<&Bound<'_, PyAny>>,
    progress: Option<Py<PyAny>>,
) -> PyResult<Replicates> {
    let x = arrays::floats("x", x)?;
    let treatment = arrays::treatment(treatment)?;
    let outcome = arrays::column("outcome", outcome)?;
    let per = per.map(|per| arrays::column("per", per)).transpose()?;
    let others = others.map(|others| arrays::columns("others", others)).transpose()?;
    let others = others.unwrap_or_default();
    let others = others.iter().map(|other| other.as_slice()).collect::<Result<Vec<_>, _>>()?;
    let weights = row_weights::given(sample_weight, frequency)?;
    let RowWeights { total, frequency, .. } = weights.row_weights()?;
    check_others(frequency.is_some(), &others)?;
    let of_means = means || per.is_some() || !others.is_empty();
    let mut estimators = estimators.iter().map(estimator).collect::<PyResult<Vec<_>>>()?;
    let (x, outcome) = (x.as_array(), outcome.as_slice()?);
    let given = Codes::read(factors, after, n_levels, x.ncols())?;
    let width = given.n_terms;
    let lists = [score_columns.is_some(), outcome_columns.is_some(), balanced_columns.is_some()];
    let score_columns = chosen("score_columns", score_columns, width)?;
    let outcome_columns = chosen("outcome_columns", outcome_columns, width)?;
    let balanced_columns =
        balanced_terms(&mut estimators, balanced_columns, &score_columns, width)?;
    let penalty = penalties_on((total, frequency), penalty, &mut estimators);
    let link = words::score_model(score_model)?;
    let spec = PropensitySpec { link, penalty, ..PropensitySpec::default() };
    let resample = resample(resampling, treatment.len(), cluster, strata)?.of_users(frequency);
    check_replicates(n_reps, analytic)?;
    let job = Job {
        x,
        given: &given,
        treatment: &treatment,
        outcome,
        beside: Beside {
            others: &others,
            per: per.as_ref().map(|per| per.as_slice()).transpose()?,
        },
        sample_weight: total,
        frequency,
        columns: (&score_columns, &outcome_columns, &balanced_columns),
        may_stay_codes: !lists.contains(&true) && frequency.is_none(),
        of_means,
        studentized,
    };
    let asked = Asked {
        resample: &resample,
        bootstrap: BootstrapSpec { n_reps, seed },
        analytic,
        studentized,
    };
    let (found, of_arms) = call::run(py, n_threads, progress.as_ref(), |monitor| {
        job.require_room(estimators.len() * (others.len() + 1), n_reps)?;
        job.run(&estimators, spec, &asked, monitor)
    })?;
    let Some(found) = of_arms else { return Ok(Replicates::of(py, found, studentized, None)) };
    let mut of_outcomes = found.by_outcome(others.len() + 1).into_iter().map(|own| {
        let of_arms = if means || per.is_some() { Some(own.means(py, studentized)?) } else { None };
        PyResult::Ok(Replicates::of(py, own.differences(studentized), studentized, of_arms))
    });
    let first = of_outcomes.next().transpose()?;
    let mut first = first.ok_or_else(|| InvalidInputError::new_err("outcome: there is none"))?;
    first.others = of_outcomes.map(|own| Py::new(py, own?)).collect::<PyResult<_>>()?;
    Ok(first)
}

/// Rows to be resampled: numbers and codes, what else is known of them, and what of it is asked.
struct Job<'a> {
    x: ArrayView2<'a, f64>,
    given: &'a Codes,
    treatment: &'a [bool],
    outcome: &'a [f64],
    beside: Beside<'a, 'a>,
    sample_weight: Option<&'a [f64]>,
    frequency: Option<&'a [f64]>,
    /// Of the score, of the outcome models, of each estimator that balances.
    columns: (&'a [usize], &'a [usize], &'a [Vec<usize>]),
    may_stay_codes: bool,
    /// Whether the means of both arms are asked for, and not their difference alone.
    of_means: bool,
    studentized: bool,
}

impl Job<'_> {
    fn require_room(&self, n_estimators: usize, n_reps: usize) -> Result<(), Error> {
        let each = if self.studentized { 2 } else { 1 } * if self.of_means { 3 } else { 1 };
        reserve::room_for(n_reps.saturating_mul(n_estimators * each), needs::REPLICATE)?;
        let by_thread = rayon::current_num_threads() * needs::BOOTSTRAP_A_THREAD;
        reserve::room_for(self.treatment.len(), needs::BOOTSTRAP + by_thread)
    }

    fn run(
        &self,
        estimators: &[Estimator],
        spec: PropensitySpec,
        asked: &Asked<'_>,
        monitor: &Monitor,
    ) -> Result<(Bootstrapped, Option<BootstrappedMeans>), Error> {
        let Self { x, treatment, outcome, sample_weight, studentized, .. } = *self;
        let given = NumbersAndFactors { x, factors: &self.given.factors, after: &self.given.after };
        if self.may_stay_codes
            && !self.given.is_empty()
            && are_open_to_codes(estimators, &spec, studentized)
        {
            let data = CodedData { given, treatment, outcome, sample_weight };
            if self.of_means {
                let found = means_of_codes(&data, self.beside, estimators, &spec, asked, monitor)?;
                if let Some(found) = found {
                    return Ok((found.differences(studentized), Some(found)));
                }
            } else if let Some(found) =
                bootstrap_of_codes(&data, estimators, &spec, asked, monitor)?
            {
                return Ok((found, None));
            }
        }
        let matrix = matrix(&given)?;
        let (score_columns, outcome_columns, balanced_columns) = self.columns;
        let data = Data {
            x: matrix.as_ref().map_or(x, |matrix| matrix.view()),
            treatment,
            outcome,
            sample_weight,
            frequency: self.frequency,
            score_columns,
            outcome_columns,
            balanced_columns,
        };
        if self.of_means {
            let found = BootstrappedMeans::of_matrix(
                (data, self.beside),
                estimators,
                spec,
                asked,
                monitor,
            )?;
            return Ok((found.differences(studentized), Some(found)));
        }
        Ok((bootstrap_of_matrix(data, estimators, spec, asked, monitor)?, None))
    }
}

fn bootstrap_of_matrix<'a>(
    data: Data<'a>,
    estimators: &'a [Estimator],
    spec: PropensitySpec,
    asked: &Asked<'_>,
    monitor: &Monitor,
) -> Result<Bootstrapped, Error> {
    let pipeline = Pipeline::new(data, estimators, spec, monitor)?;
    let analytic = asked.analytic.then(|| pipeline.analytic(asked.resample)).transpose()?;
    let replicates = if asked.studentized {
        pipeline.bootstrap_with_errors(asked.resample, &asked.bootstrap)?
    } else {
        pipeline.bootstrap(asked.resample, &asked.bootstrap)?
    };
    Ok(Bootstrapped { estimates: pipeline.estimates, terms: pipeline.terms, replicates, analytic })
}

/// Of rows that stand for several users it is not known which outcomes go together.
fn check_others(counted: bool, others: &[&[f64]]) -> Result<(), Error> {
    if others.is_empty() || !counted {
        return Ok(());
    }
    let (found, allowed) = ("given beside frequency".into(), "left out, or without it");
    Err(Error::Argument { name: "others", found, allowed })
}

fn check_replicates(n_reps: usize, analytic: bool) -> Result<(), Error> {
    if n_reps == 0 && !analytic {
        let allowed = "a whole number of at least 2, or 0 with analytic=True";
        return Err(Error::Argument { name: "n_reps", found: "0".into(), allowed });
    }
    Ok(())
}

/// The score model's penalty, and those of the estimators that balance, on the scale of the weights.
fn penalties_on(
    (total, frequency): (Option<&[f64]>, Option<&[f64]>),
    penalty: f64,
    estimators: &mut [Estimator],
) -> f64 {
    for estimator in estimators {
        if let Estimator::Balanced { spec, .. } = estimator {
            spec.penalty = penalty_on_users(total, frequency, spec.penalty);
        }
    }
    penalty_on_users(total, frequency, penalty)
}

/// The columns that each estimator which balances has, and where they stand.
fn balanced_terms(
    estimators: &mut [Estimator],
    columns: Option<Vec<Vec<usize>>>,
    score_columns: &[usize],
    width: usize,
) -> Result<Vec<Vec<usize>>, Error> {
    let mut n_balanced = 0;
    for estimator in estimators {
        if let Estimator::Balanced { terms, .. } = estimator {
            *terms = n_balanced;
            n_balanced += 1;
        }
    }
    let columns = columns.unwrap_or_else(|| vec![score_columns.to_vec(); n_balanced]);
    if columns.len() != n_balanced {
        let found = format!("{} lists for {n_balanced} estimators that balance", columns.len());
        let allowed = "one list of columns for each of them";
        return Err(Error::Argument { name: "balanced_columns", found, allowed });
    }
    columns.into_iter().map(|own| chosen("balanced_columns", Some(own), width)).collect()
}

pub fn resample(
    resampling: &str,
    n_rows: usize,
    cluster: Option<&Bound<'_, PyAny>>,
    strata: Option<&Bound<'_, PyAny>>,
) -> PyResult<Resample> {
    let scheme = words::scheme(resampling)?;
    let cluster = cluster.map(|labels| arrays::labels("cluster", labels)).transpose()?;
    let strata = strata.map(|labels| arrays::labels("strata", labels)).transpose()?;
    Ok(Resample::new(scheme, n_rows, cluster.as_deref(), strata.as_deref())?)
}
