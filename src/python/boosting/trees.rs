//! Boosted trees as a Python object: predictions for new rows, and pickles.

use numpy::PyArray1;
use numpy::prelude::*;
use pyo3::prelude::*;

use super::Columns;
use crate::python::errors::InvalidInputError;
use crate::python::{call, needs, words};
use crate::reserve;
use crate::score::boosting::{self, Bins, State, Units};

/// Grown models, one a fold; it pickles.
///
/// Attributes
/// ----------
/// n_trees : int
///     Of each fold's model.
/// n_folds : int
#[pyclass(frozen, module = "propensity.core")]
pub struct BoostedTrees {
    pub(super) trees: boosting::BoostedTrees,
}

/// A column's cuts, or none and the number of its levels; and a fold's two lists of numbers.
type ColumnState = (Option<Vec<f64>>, usize);
type FoldState<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<f64>>);
type TreesState<'py> = (String, f64, f64, Vec<ColumnState>, Vec<FoldState<'py>>);

#[pymethods]
impl BoostedTrees {
    /// Put models together again from their parts: what unpickling calls.
    #[new]
    fn new(state: &Bound<'_, PyAny>) -> PyResult<Self> {
        let broken =
            || InvalidInputError::new_err("BoostedTrees: this is not the state of pickled trees");
        let (loss, center, scale, columns, folds): TreesState<'_> =
            state.extract().map_err(|_| broken())?;
        let n_numbers = columns.iter().take_while(|(cuts, _)| cuts.is_some()).count();
        let column = |(cuts, count): ColumnState| cuts.map_or(Bins::Levels(count), Bins::Numbers);
        let bins: Vec<Bins> = columns.into_iter().map(column).collect();
        let mut models = Vec::new();
        for (questions, values) in folds {
            let questions = questions.try_readonly()?.as_slice()?.to_vec();
            let values = values.try_readonly()?.as_slice()?.to_vec();
            models.push(State { questions, values }.model(&bins).ok_or_else(broken)?);
        }
        let units = Units { center, scale };
        let trees = boosting::BoostedTrees {
            loss: words::loss(&loss)?,
            units,
            n_numbers,
            bins,
            folds: models,
        };
        if trees.is_whole() { Ok(Self { trees }) } else { Err(broken()) }
    }

    fn __getnewargs__<'py>(&self, py: Python<'py>) -> (TreesState<'py>,) {
        let boosting::BoostedTrees { loss, units, bins, folds, .. } = &self.trees;
        let columns = bins.iter().map(|own| match own {
            Bins::Numbers(cuts) => (Some(cuts.clone()), 0),
            Bins::Levels(count) => (None, *count),
        });
        let folds = folds.iter().map(|model| {
            let State { questions, values } = State::of(model);
            (PyArray1::from_vec(py, questions), PyArray1::from_vec(py, values))
        });
        let name = words::loss_name(*loss).to_owned();
        ((name, units.center, units.scale, columns.collect(), folds.collect()),)
    }

    #[getter]
    fn n_trees(&self) -> usize {
        self.trees.folds.first().map_or(0, |model| model.trees.len())
    }

    #[getter]
    fn n_folds(&self) -> usize {
        self.trees.folds.len()
    }

    /// Means of the rows of ``covariates`` (m, d) and ``factors`` (m, k), as (m,): the mean of what the folds' models say.
    /// A level that was not among those fitted to goes where missing ones go.
    #[pyo3(signature = (covariates, factors=None, n_threads=None))]
    fn predict<'py>(
        &self,
        py: Python<'py>,
        covariates: &Bound<'py, PyAny>,
        factors: Option<&Bound<'py, PyAny>>,
        n_threads: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let columns = Columns::read(covariates, factors)?;
        let table = columns.table();
        let found = call::run(py, n_threads, None, |monitor| {
            reserve::room_for(table.n_rows(), needs::PREDICT + self.trees.bins.len())?;
            self.trees.predict(&table, monitor)
        })?;
        Ok(PyArray1::from_vec(py, found))
    }

    fn __repr__(&self) -> String {
        format!("BoostedTrees({} trees in each of {} folds)", self.n_trees(), self.n_folds())
    }
}
