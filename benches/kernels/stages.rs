use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use ndarray::{Array2, ShapeBuilder};
use propensity::design::covariates::Covariates;
use propensity::kernels::{BLOCK, Lane, ScoreEquations, linear_predictor, sigmoid};

/// The stages of a pass over a block of rows that is in the first-level cache, then what the memory gives.
pub fn pass(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("stages");
    for d in [4, 10, 30] {
        let x = Array2::from_shape_fn((BLOCK, d).f(), |(i, k)| ((i * 7 + k) as f64).sin());
        let covariates = Covariates::standardized(x.view()).unwrap();
        let mut columns: Vec<Lane> = vec![[0.0; BLOCK]; d];
        let beta = vec![0.1; d + 1];
        let (mut eta, lane) = ([0.0; BLOCK], [0.5; BLOCK]);
        let mut equations = ScoreEquations::new(d + 1);
        group.throughput(Throughput::Elements(BLOCK as u64));
        group.bench_function(BenchmarkId::new("load", d), |bencher| {
            bencher.iter(|| covariates.load(0, black_box(&mut columns)));
        });
        group.bench_function(BenchmarkId::new("linear predictor", d), |bencher| {
            bencher.iter(|| linear_predictor(&beta, black_box(&columns), &mut eta));
        });
        group.bench_function(BenchmarkId::new("sigmoid", d), |bencher| {
            bencher.iter(|| sigmoid(black_box(&mut eta)));
        });
        group.bench_function(BenchmarkId::new("gradient and Gram", d), |bencher| {
            bencher.iter(|| equations.add_products(black_box(&columns), &lane, &lane));
        });
    }
    let far = vec![1.0_f64; 32 << 20];
    group.throughput(Throughput::Bytes(8 * far.len() as u64));
    group.sample_size(10);
    group.bench_function("bytes read from memory, one thread", |bencher| {
        bencher.iter(|| black_box(&far).chunks_exact(8).map(|chunk| chunk[0]).fold(0.0, f64::max));
    });
    group.finish();
}
