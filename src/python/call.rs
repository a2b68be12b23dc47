//! One call into the core: without the interpreter, on its own threads, stoppable by Ctrl-C.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use pyo3::prelude::*;

use super::errors::InternalError;
use super::threads::Threads;
use crate::error::Result;
use crate::kernels;
use crate::monitor::Monitor;

/// How often the calling thread looks for signals and reports progress: a tenth of the 0.2 s that a person
/// takes for "at once". A look costs some microseconds, so these are a thousandth of a call or less.
const POLL: Duration = Duration::from_millis(20);

/// Run `work` and wait for it, looking after signals and `progress` (called with the number of pieces
/// done) meanwhile. Before it begins, what the environment says of instruction sets and threads is checked.
pub fn run<T: Send>(
    py: Python<'_>,
    n_threads: Option<&Bound<'_, PyAny>>,
    progress: Option<&Py<PyAny>>,
    work: impl FnOnce(&Monitor) -> Result<T> + Send,
) -> PyResult<T> {
    kernels::instruction_set()?;
    let threads = Threads::start(n_threads)?;
    let monitor = Monitor::default();
    let finished = py.detach(|| {
        let (sender, receiver) = channel();
        threads.pool.in_place_scope(|scope| {
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
