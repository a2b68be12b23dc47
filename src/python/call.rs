//! One call into the core: without the interpreter, on its own threads, stoppable by Ctrl-C.

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::available_parallelism;
use std::time::Duration;

use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::arrays;
use super::errors::InternalError;
use crate::error::{Error, Result};
use crate::monitor::Monitor;

/// How often the calling thread looks for signals and reports progress: well under the 0.2 s a person
/// takes for "at once".
const POLL: Duration = Duration::from_millis(50);

/// More threads than this is a slip of the pen.
const MOST_THREADS: usize = 1024;

/// Run `work` and wait for it, looking after signals and `progress` (called with the number of pieces
/// done) meanwhile.
pub fn run<T: Send>(
    py: Python<'_>,
    n_threads: Option<&Bound<'_, PyAny>>,
    progress: Option<&Py<PyAny>>,
    work: impl FnOnce(&Monitor) -> Result<T> + Send,
) -> PyResult<T> {
    let pool = pool(n_threads)?;
    let monitor = Monitor::default();
    let finished = py.detach(|| {
        let (sender, receiver) = channel();
        pool.in_place_scope(|scope| {
            let monitor = &monitor;
            scope.spawn(move |_| {
                let done = catch_unwind(AssertUnwindSafe(|| work(monitor)));
                // The receiver outlives the scope.
                let _ = sender.send(done);
            });
            let mut interrupted = None;
            loop {
                match receiver.recv_timeout(POLL) {
                    Ok(done) => return (Some(done), interrupted),
                    Err(RecvTimeoutError::Disconnected) => return (None, interrupted),
                    Err(RecvTimeoutError::Timeout) if interrupted.is_none() => {
                        interrupted = attend(monitor, progress).err();
                        if interrupted.is_some() {
                            monitor.stop();
                        }
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                }
            }
        })
    });
    match finished {
        (_, Some(interruption)) => Err(interruption),
        (Some(Ok(done)), None) => {
            report(py, &monitor, progress)?;
            Ok(done?)
        }
        (Some(Err(_)) | None, None) => Err(InternalError::new_err(
            "propensity ran into a bug of its own; please report it with the call that led here",
        )),
    }
}

/// Let the interpreter handle its signals, and report how far the work is.
fn attend(monitor: &Monitor, progress: Option<&Py<PyAny>>) -> PyResult<()> {
    Python::attach(|py| {
        py.check_signals()?;
        report(py, monitor, progress)
    })
}

fn report(py: Python<'_>, monitor: &Monitor, progress: Option<&Py<PyAny>>) -> PyResult<()> {
    match progress {
        Some(progress) => progress.call1(py, (monitor.done(),)).map(|_| ()),
        None => Ok(()),
    }
}

/// A pool for one call. Starting one costs less than 0.1 ms; a global pool would be dead, and hang its
/// users, in a process forked after its first use.
fn pool(n_threads: Option<&Bound<'_, PyAny>>) -> PyResult<ThreadPool> {
    let n_threads = n_threads.map(|count| arrays::count("n_threads", count)).transpose()?;
    let n_threads = n_threads.unwrap_or_else(default_threads);
    if n_threads > MOST_THREADS {
        let found = n_threads.to_string();
        let allowed = "None or a number from 1 to 1024";
        return Err(Error::Argument { name: "n_threads", found, allowed }.into());
    }
    ThreadPoolBuilder::new()
        .num_threads(n_threads)
        .build()
        .map_err(|error| InternalError::new_err(error.to_string()))
}

/// The processors this process may use (its affinity and its control group's quota), or fewer where
/// `RAYON_NUM_THREADS` says so.
fn default_threads() -> usize {
    let processors = available_parallelism().map_or(1, NonZero::get);
    let asked = std::env::var("RAYON_NUM_THREADS").ok().and_then(|text| text.parse().ok());
    asked
        .filter(|threads| *threads > 0)
        .map_or(processors, |threads: usize| threads.min(processors))
}
