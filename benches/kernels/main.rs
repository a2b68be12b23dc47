//! Times of the kernels on one thread, over grids of rows and columns: `cargo bench --bench kernels`.

#![allow(clippy::unwrap_used)] // the worlds are sound

#[path = "../worlds/mod.rs"]
mod worlds;

mod balance;
mod bootstrap;
mod logistic;
mod matching;
mod stages;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

criterion_group!(
    name = kernels;
    config = shortly();
    targets = logistic::fit,
        bootstrap::counts,
        bootstrap::replicates,
        matching::nearest,
        balance::smd,
        stages::pass
);
criterion_main!(kernels);

/// A second or two for each: they are many, and whole jobs are timed after them.
fn shortly() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1_200))
}

/// Run on one thread: a kernel's own time, whatever the machine.
fn on_one_thread<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(run)
}
