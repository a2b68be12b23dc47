use criterion::{BenchmarkId, Criterion, Throughput};
use propensity::monitor::Monitor;
use propensity::score::logistic;
use propensity::score::spec::PropensitySpec;

use crate::worlds::World;

/// One fit to a gradient of 1e-10 a row.
pub fn fit(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("logistic");
    group.sample_size(10);
    for (n, d) in [(10_000, 4), (100_000, 4), (100_000, 10), (100_000, 30), (20_000, 100)] {
        let world = World::continuous(n, d);
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(BenchmarkId::new(format!("fit d={d}"), n), |bencher| {
            crate::on_one_thread(|| {
                bencher.iter(|| {
                    let (spec, monitor) = (PropensitySpec::default(), Monitor::default());
                    logistic::fit(world.x.view(), &world.treatment, None, &spec, &monitor).unwrap()
                });
            });
        });
    }
    group.finish();
}
