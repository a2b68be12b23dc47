//! The rows to be matched, as arrays from Python.

use numpy::{PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;

use super::match_spec::Options;
use super::{arrays, needs};
use crate::matching::Candidates;

/// What [`Candidates`] borrows.
pub struct CandidateArrays<'py> {
    treatment: Vec<bool>,
    scores: Option<Vec<f64>>,
    covariates: Option<PyReadonlyArray2<'py, f64>>,
    exact: Option<Vec<i64>>,
    calipers: Vec<(PyReadonlyArray1<'py, f64>, f64)>,
    sample_weight: Option<PyReadonlyArray1<'py, f64>>,
    ids: Option<Vec<i64>>,
}

impl<'py> CandidateArrays<'py> {
    pub fn new(
        scores: Option<&Bound<'py, PyAny>>,
        treatment: &Bound<'py, PyAny>,
        options: &Options<'_, 'py>,
    ) -> PyResult<Self> {
        let labels =
            |name| options.array(name)?.map(|labels| arrays::labels(name, &labels)).transpose();
        let covariates = options.array("covariates")?;
        let weight = options.array("sample_weight")?;
        let calipers = options.calipers()?.into_iter();
        Ok(Self {
            treatment: arrays::treatment(treatment)?,
            scores: scores.map(|scores| arrays::own_column("scores", scores)).transpose()?,
            covariates: covariates.map(|x| arrays::floats("covariates", &x)).transpose()?,
            exact: labels("exact")?,
            ids: labels("ids")?,
            sample_weight: weight.map(|w| arrays::column("sample_weight", &w)).transpose()?,
            calipers: calipers
                .map(|(values, width)| Ok((arrays::column("calipers", &values)?, width)))
                .collect::<PyResult<_>>()?,
        })
    }

    pub fn n_rows(&self) -> usize {
        self.treatment.len()
    }

    /// How much memory matching them needs, in bytes a row.
    pub fn bytes_a_row(&self) -> usize {
        let dims = self.covariates.as_ref().map_or(0, |x| x.as_array().ncols());
        needs::MATCHES + dims * needs::MATCHES_A_COLUMN
    }

    pub fn calipers(&self) -> PyResult<Vec<(&[f64], f64)>> {
        self.calipers.iter().map(|(values, width)| Ok((values.as_slice()?, *width))).collect()
    }

    pub fn candidates<'a>(&'a self, calipers: &'a [(&'a [f64], f64)]) -> PyResult<Candidates<'a>> {
        Ok(Candidates {
            treatment: &self.treatment,
            scores: self.scores.as_deref(),
            covariates: self.covariates.as_ref().map(|x| x.as_array()),
            exact: self.exact.as_deref(),
            calipers,
            sample_weight: self.sample_weight.as_ref().map(|w| w.as_slice()).transpose()?,
            ids: self.ids.as_deref(),
        })
    }
}
