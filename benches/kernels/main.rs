//! Times of the kernels on one thread, over grids of rows and columns: `cargo bench --bench kernels`.

#![allow(clippy::unwrap_used)] // the worlds are sound

#[path = "../worlds/mod.rs"]
mod worlds;

mod balance;
mod bootstrap;
mod logistic;
mod matching;
mod stages;

use criterion::{criterion_group, criterion_main};

criterion_group!(
    kernels,
    logistic::fit,
    bootstrap::counts,
    bootstrap::replicates,
    matching::nearest,
    balance::smd,
    stages::pass
);
criterion_main!(kernels);

/// Run on one thread: a kernel's own time, whatever the machine.
fn on_one_thread<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(run)
}
