//! How far a long run is, and whether it should stop: two atomics shared by the thread that works
//! and the one that watches. The core itself never prints, never looks at a clock or a signal.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use crate::error::{Error, Result};

#[derive(Debug, Default)]
pub struct Monitor {
    done: AtomicUsize,
    stop: AtomicBool,
}

impl Monitor {
    /// One more unit of work is finished.
    pub fn advance(&self) {
        self.done.fetch_add(1, Relaxed);
    }

    pub fn done(&self) -> usize {
        self.done.load(Relaxed)
    }

    /// Ask the work to end at its next check.
    pub fn stop(&self) {
        self.stop.store(true, Relaxed);
    }

    pub fn is_stopped(&self) -> bool {
        self.stop.load(Relaxed)
    }

    /// Called between pieces of work of a few milliseconds.
    ///
    /// # Errors
    /// [`Error::Stopped`] after [`Monitor::stop`].
    pub fn check(&self) -> Result<()> {
        #[cfg(feature = "faults")]
        fault();
        if self.is_stopped() { Err(Error::Stopped) } else { Ok(()) }
    }
}

/// Panic at the check whose number, counted from 1, is in the environment variable `PROPENSITY_PANIC_AT`.
#[cfg(feature = "faults")]
#[allow(clippy::panic)] // what it is for
fn fault() {
    static CHECKS: AtomicUsize = AtomicUsize::new(0);
    let at = std::env::var("PROPENSITY_PANIC_AT").ok().and_then(|text| text.parse().ok());
    let check = CHECKS.fetch_add(1, Relaxed) + 1;
    assert!(at != Some(check), "injected at check {check}");
}
