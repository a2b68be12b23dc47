//! How many threads a call runs on, and the pool that holds them.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::available_parallelism;

use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::options;
use crate::error::{Error, Result};

/// More threads than this is a slip of the pen.
const MOST_THREADS: usize = 1024;

/// Environment variables that hold the number of threads down. The second is what joblib's workers and
/// many clusters set, so that one process a core does not start as many threads each.
const LIMITS: [&str; 2] = ["RAYON_NUM_THREADS", "OMP_NUM_THREADS"];

/// Calls that chose the number of threads themselves and are under way in this process.
static SHARING: AtomicUsize = AtomicUsize::new(0);

/// A pool for one call. Starting one costs less than 0.1 ms; a global pool would be dead, and hang its
/// users, in a process forked after its first use.
pub struct Threads {
    pub pool: ThreadPool,
    _share: Option<Share>,
}

impl Threads {
    /// `asked` threads, or a fair share of the processors this process may use.
    pub fn start(asked: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let asked = asked.map(|count| options::count("n_threads", count)).transpose()?;
        let share = asked.is_none().then(Share::take);
        let among = share.as_ref().map_or(1, |share| share.among);
        let n_threads = match asked {
            Some(n_threads) => n_threads,
            None => usable(available_parallelism().map_or(1, NonZero::get))?.div_ceil(among),
        };
        if n_threads > MOST_THREADS {
            let found = n_threads.to_string();
            let allowed = "None or a number from 1 to 1024";
            return Err(Error::Argument { name: "n_threads", found, allowed }.into());
        }
        let pool = ThreadPoolBuilder::new().num_threads(n_threads).build().map_err(|error| {
            PyMemoryError::new_err(format!("{n_threads} threads cannot be started: {error}"))
        })?;
        Ok(Self { pool, _share: share })
    }
}

/// One of the calls that share the processors, for as long as it lives: several at once, from Python
/// threads, would otherwise start as many threads each as there are processors.
struct Share {
    among: usize,
}

impl Share {
    fn take() -> Self {
        Self { among: SHARING.fetch_add(1, Relaxed) + 1 }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        SHARING.fetch_sub(1, Relaxed);
    }
}

/// The processors this process may use (`processors`: its affinity and its control group's quota), or
/// fewer where the environment says so. OpenMP allows a list, one number for each level of nesting; an
/// empty variable says nothing, and 0 leaves the choice to us, as rayon has it.
fn usable(processors: usize) -> Result<usize> {
    let mut least = processors;
    for name in LIMITS {
        let Some(text) = std::env::var(name).ok().filter(|text| !text.trim().is_empty()) else {
            continue;
        };
        let first = text.split(',').next().unwrap_or_default();
        let Ok(limit) = first.trim().parse::<usize>() else {
            let allowed = "a whole number, or not set";
            return Err(Error::Argument { name, found: format!("{text:?}"), allowed });
        };
        if limit > 0 {
            least = least.min(limit);
        }
    }
    Ok(least)
}
