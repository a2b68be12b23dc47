use criterion::{BenchmarkId, Criterion, Throughput};
use propensity::monitor::Monitor;
use propensity::pipeline::{Data, Estimator, Pipeline};
use propensity::resampling::bootstrap::BootstrapSpec;
use propensity::resampling::resample::{Resample, Scheme};
use propensity::resampling::stream::Stream;
use propensity::score::spec::PropensitySpec;
use propensity::weighting::estimand::Estimand;
use propensity::weighting::ipw::IpwSpec;

use crate::worlds::World;

const N_REPS: usize = 20;

/// How often each row is drawn in n draws with replacement.
pub fn counts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("counts");
    for n in [10_000, 100_000, 1_000_000] {
        let resample = Resample::new(Scheme::Multinomial, n, None, None).unwrap();
        let mut counts = vec![0_u32; n];
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(BenchmarkId::new("multinomial", n), |bencher| {
            bencher.iter(|| {
                counts.fill(0);
                resample.count(Stream::new(7, 0), |row, count| counts[row] += count);
                counts[0]
            });
        });
    }
    group.finish();
}

/// Replicates of IPW, the score refitted in each: rows that repeat, and rows that never do.
pub fn replicates(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("bootstrap");
    group.sample_size(10);
    let worlds = [
        ("cells", World::discrete(50_000)),
        ("rows d=4", World::continuous(50_000, 4)),
        ("rows d=30", World::continuous(50_000, 30)),
    ];
    for (name, world) in worlds {
        let (n, d) = world.x.dim();
        let columns: Vec<usize> = (0..d).collect();
        let data = Data {
            x: world.x.view(),
            treatment: &world.treatment,
            outcome: &world.outcome,
            sample_weight: None,
            frequency: None,
            score_columns: &columns,
            outcome_columns: &columns,
            balanced_columns: &[],
        };
        let (estimators, monitor) =
            ([Estimator::Ipw(IpwSpec::of(Estimand::Ate))], Monitor::default());
        let resample = Resample::new(Scheme::Multinomial, n, None, None).unwrap();
        group.throughput(Throughput::Elements((n * N_REPS) as u64));
        group.bench_function(BenchmarkId::new(name, n), |bencher| {
            crate::on_one_thread(|| {
                let spec = PropensitySpec::default();
                let pipeline = Pipeline::new(data, &estimators, spec, &monitor).unwrap();
                let spec = BootstrapSpec { n_reps: N_REPS, seed: 7 };
                bencher.iter(|| pipeline.bootstrap(&resample, &spec).unwrap());
            });
        });
    }
    group.finish();
}
