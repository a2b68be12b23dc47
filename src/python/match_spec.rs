//! What may be asked of matching, as Python says it: by the keyword arguments of a function, or by the attributes
//! of a specification such as `propensity.NearestNeighbors`. What is left out is the default.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping};

use super::{options, words};
use crate::error::{Error, Result};
use crate::matching::{Focal, MatchSpec, Method, NearestSpec};

/// Arrays that describe the rows, always given by name.
const ARRAYS: [&str; 5] = ["covariates", "calipers", "exact", "sample_weight", "ids"];

/// Options that every matching has: of distances, and of which pairs are allowed.
const OF_DISTANCES: [&str; 6] = ["on", "caliper", "caliper_unit", "caliper_sd", "discard", "seed"];

/// Options of nearest neighbours and optimal pairs beside these.
const OF_PAIRS: [&str; 6] = ["estimand", "n_neighbors", "replace", "max_reuse", "method", "order"];

/// Options of nearest neighbours on the score, with replacement.
const ON_SCORES: [&str; 5] = ["estimand", "n_neighbors", "caliper", "on", "variance_neighbors"];

/// The keyword arguments of a function, and the specification that may stand for those that are no arrays.
pub struct Options<'a, 'py> {
    keywords: Option<&'a Bound<'py, PyDict>>,
    spec: Option<Bound<'py, PyAny>>,
}

impl<'a, 'py> Options<'a, 'py> {
    pub fn of_match_nn(keywords: Option<&'a Bound<'py, PyDict>>) -> PyResult<Self> {
        Self::known("match_nn", &[&ARRAYS, &OF_PAIRS, &OF_DISTANCES], keywords)
    }

    pub fn of_match_full(keywords: Option<&'a Bound<'py, PyDict>>) -> PyResult<Self> {
        Self::known("match_full", &[&ARRAYS, &OF_DISTANCES], keywords)
    }

    pub fn of_matching_effect(keywords: Option<&'a Bound<'py, PyDict>>) -> PyResult<Self> {
        Self::known("matching_effect", &[&ON_SCORES], keywords)
    }

    /// The attributes of a specification alone.
    pub fn of_spec(spec: &Bound<'py, PyAny>) -> Self {
        Self { keywords: None, spec: Some(spec.clone()) }
    }

    fn known(
        function: &str,
        known: &[&[&str]],
        keywords: Option<&'a Bound<'py, PyDict>>,
    ) -> PyResult<Self> {
        let spec = keywords.map(|keywords| keywords.get_item("spec")).transpose()?.flatten();
        let spec = spec.filter(|spec| !spec.is_none());
        if let Some(spec) = &spec
            && !spec.hasattr("estimand")?
        {
            let found = spec.repr()?;
            let message = format!("spec: {found} is no specification such as NearestNeighbors()");
            return Err(PyTypeError::new_err(message));
        }
        for name in keywords.iter().flat_map(|keywords| keywords.keys()) {
            let name = name.to_string();
            if name != "spec" && !known.concat().contains(&name.as_str()) {
                let message = format!("{function}() got an unexpected keyword argument '{name}'");
                return Err(PyTypeError::new_err(message));
            }
            if spec.is_some() && name != "spec" && !ARRAYS.contains(&name.as_str()) {
                let found = format!("beside {name}");
                let allowed = "given without the options that it has itself";
                return Err(Error::Argument { name: "spec", found, allowed }.into());
            }
        }
        Ok(Self { keywords, spec })
    }

    /// What is given by name and read by somebody else; None is nothing.
    pub fn array(&self, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        let found = self.keywords.map(|keywords| keywords.get_item(name)).transpose()?;
        Ok(found.flatten().filter(|found| !found.is_none()))
    }

    /// Further calipers: arrays of values, and how far apart a pair's may be.
    pub fn calipers(&self) -> PyResult<Vec<(Bound<'py, PyAny>, f64)>> {
        let Some(calipers) = self.array("calipers")? else { return Ok(Vec::new()) };
        calipers.extract().map_err(|error: PyErr| named("calipers", &calipers, error))
    }

    /// What matching in pairs is asked for.
    pub fn pairs(&self, has_scores: bool) -> PyResult<MatchSpec> {
        let estimand = words::estimand(&self.word("estimand", "ATT")?)?;
        let n_neighbors = self.option("n_neighbors", 1, options::n_neighbors)?;
        let replace = self.option("replace", true, |flag| flag.extract())?;
        let max_reuse = self.option("max_reuse", None, options::max_reuse)?;
        let (method, order) = (self.word("method", "nearest")?, self.word_or_none("order")?);
        let mut spec = self.full()?;
        spec.focal = Focal::try_from(estimand)?;
        spec.n_neighbors = n_neighbors;
        let uses = uses(replace, max_reuse)?;
        spec.method = match (method.as_str(), uses, order.as_deref()) {
            ("nearest", None, order) => {
                words::order(order, has_scores)?;
                Method::WithReplacement
            }
            ("nearest", Some(uses), order) => {
                Method::InTurn { uses, order: words::order(order, has_scores)? }
            }
            ("optimal", _, Some(order)) => {
                let allowed = "left out for optimal pairs, where nobody chooses first";
                words::unknown("order", order, allowed)?
            }
            ("optimal", Some(1), None) => Method::Optimal,
            ("optimal", ..) => {
                let allowed = "False for optimal pairs, which use a row once";
                return Err(
                    Error::Argument { name: "replace", found: "True".into(), allowed }.into()
                );
            }
            (other, ..) => words::unknown("method", other, "\"nearest\" or \"optimal\"")?,
        };
        Ok(spec)
    }

    /// What full matching is asked for.
    pub fn full(&self) -> PyResult<MatchSpec> {
        let (unit, sd) = (self.word("caliper_unit", "sd")?, self.word("caliper_sd", "all")?);
        Ok(MatchSpec {
            focal: Focal::Treated,
            n_neighbors: 1,
            method: Method::Full,
            metric: words::metric(&self.word("on", "score")?)?,
            caliper: self.caliper()?,
            unit: words::caliper_unit(&unit, &sd)?,
            discard: words::discard(self.word_or_none("discard")?.as_deref())?,
            seed: self.option("seed", 0, options::seed)?,
        })
    }

    /// What is asked for where it is nearest neighbours on the score, with replacement; None of anything else.
    pub fn on_scores_alone(&self) -> PyResult<Option<NearestSpec>> {
        let exact = self.get("exact")?.map_or(Ok(false), |exact| exact.is_truthy())?;
        let has_limits =
            exact || self.get("caliper")?.is_some_and(|caliper| names_columns(&caliper));
        let others = self.option("variance_neighbors", 1, options::variance_neighbors)?;
        let found = self.pairs(true)?.on_scores_alone().filter(|_| !has_limits);
        Ok(found.map(|spec| NearestSpec { variance_neighbors: others, ..spec }))
    }

    /// None where a specification has calipers on named columns, which come as arrays of their own.
    fn caliper(&self) -> PyResult<Option<f64>> {
        let caliper = self.get("caliper")?;
        let caliper = caliper.filter(|found| self.spec.is_none() || !names_columns(found));
        caliper.map_or(Ok(None), |caliper| options::caliper(&caliper))
    }

    fn word(&self, name: &str, default: &str) -> PyResult<String> {
        self.option(name, default.into(), |word| word.extract())
    }

    fn word_or_none(&self, name: &str) -> PyResult<Option<String>> {
        self.option(name, None, |word| word.extract())
    }

    fn option<T>(
        &self,
        name: &str,
        default: T,
        read: impl FnOnce(&Bound<'py, PyAny>) -> PyResult<T>,
    ) -> PyResult<T> {
        let Some(value) = self.get(name)? else { return Ok(default) };
        read(&value).map_err(|error| named(name, &value, error))
    }

    fn get(&self, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        match (&self.spec, self.keywords) {
            (Some(spec), _) => spec.getattr_opt(name),
            (None, Some(keywords)) => keywords.get_item(name),
            (None, None) => Ok(None),
        }
    }
}

/// For how many focal rows a row may be a donor; None for any number.
fn uses(replace: bool, max_reuse: Option<u32>) -> Result<Option<u32>> {
    match (replace, max_reuse) {
        (true, uses) => Ok(uses),
        (false, None | Some(1)) => Ok(Some(1)),
        (false, Some(uses)) => {
            let found = uses.to_string();
            let allowed = "left out with replace=False, where a row serves once";
            Err(Error::Argument { name: "max_reuse", found, allowed })
        }
    }
}

fn names_columns(caliper: &Bound<'_, PyAny>) -> bool {
    caliper.cast::<PyMapping>().is_ok()
}

/// Python's own errors do not say of which argument they are.
fn named(name: &str, value: &Bound<'_, PyAny>, error: PyErr) -> PyErr {
    let py = value.py();
    if !error.is_instance_of::<PyTypeError>(py) {
        return error;
    }
    PyTypeError::new_err(format!("argument '{name}': {}", error.value(py)))
}
