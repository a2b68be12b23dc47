use criterion::{BenchmarkId, Criterion, Throughput};
use propensity::matching::{self, Focal, NearestSpec, Quantity};
use propensity::monitor::Monitor;

use crate::worlds::World;

/// The nearest neighbour of every treated row, ties kept.
pub fn nearest(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("matching");
    group.sample_size(10);
    for n in [10_000, 100_000, 1_000_000] {
        let world = World::continuous(n, 2);
        let spec = NearestSpec {
            variance_neighbors: 1,
            focal: Focal::Treated,
            n_neighbors: 1,
            caliper: None,
            quantity: Quantity::Score,
        };
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(BenchmarkId::new("nearest", n), |bencher| {
            crate::on_one_thread(|| {
                bencher.iter(|| {
                    let monitor = Monitor::default();
                    matching::nearest(&world.scores, &world.treatment, &spec, &monitor).unwrap()
                });
            });
        });
    }
    group.finish();
}
