use criterion::{BenchmarkId, Criterion, Throughput};
use propensity::balance::{self, Denominator};
use propensity::units::frequency::RowWeights;

use crate::worlds::World;

/// Standardized mean differences of every column, weighted.
pub fn smd(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("balance");
    group.sample_size(10);
    for (n, d) in [(100_000, 4), (100_000, 30)] {
        let world = World::continuous(n, d);
        let weights: Vec<f64> = world.scores.iter().map(|score| 1.0 / score).collect();
        group.throughput(Throughput::Elements((n * d) as u64));
        group.bench_function(BenchmarkId::new(format!("smd d={d}"), n), |bencher| {
            let (x, treated) = (world.x.view(), &world.treatment);
            crate::on_one_thread(|| {
                bencher.iter(|| {
                    balance::smd(
                        x,
                        treated,
                        Some(&weights),
                        RowWeights::default(),
                        Denominator::Pooled,
                    )
                    .unwrap()
                });
            });
        });
    }
    group.finish();
}
