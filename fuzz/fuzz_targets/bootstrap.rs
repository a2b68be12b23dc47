//! Any rows: replicates that are finite or counted as failed, the same again for the same seed, or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use propensity::resampling::bootstrap::BootstrapSpec;
use propensity::weighting::estimand::Estimand;
use propensity::weighting::ipw::IpwSpec;
use propensity::score::spec::PropensitySpec;
use propensity::matching::{Focal, NearestSpec, Quantity};
use propensity::monitor::Monitor;
use propensity::pipeline::{Data, Estimator, Pipeline};
use propensity::resampling::resample::{Resample, Scheme};
use propensity_fuzz::Table;

fuzz_target!(|input: (Table, u8, u64)| {
    let (table, scheme, seed) = input;
    let columns: Vec<usize> = (0..table.x.ncols()).collect();
    let data = Data {
        x: table.x.view(),
        treatment: &table.treatment,
        outcome: &table.outcome,
        sample_weight: None,
        frequency: None,
        score_columns: &columns,
        outcome_columns: &columns,
        balanced_columns: &[],
    };
    let nearest = NearestSpec {
        variance_neighbors: 1,
        focal: Focal::Treated,
        n_neighbors: 1,
        caliper: None,
        quantity: Quantity::Score,
    };
    let estimators = [Estimator::Ipw(IpwSpec::of(Estimand::Ate)), Estimator::Nearest(nearest)];
    let monitor = Monitor::default();
    let Ok(pipeline) = Pipeline::new(data, &estimators, PropensitySpec::default(), &monitor) else {
        return;
    };
    let scheme = [Scheme::Multinomial, Scheme::Poisson][usize::from(scheme % 2)];
    let Ok(resample) = Resample::new(scheme, table.x.nrows(), None, None) else { return };
    let spec = BootstrapSpec { n_reps: 5, seed };
    let run = || pipeline.bootstrap(&resample, &spec);
    if let (Ok(found), Ok(again)) = (run(), run()) {
        for (column, n_failed) in found.estimates.columns().into_iter().zip(&found.n_failed) {
            assert_eq!(column.iter().filter(|e| e.is_nan()).count(), *n_failed);
        }
        let bits = |e: &f64| e.to_bits();
        assert!(found.estimates.iter().map(bits).eq(again.estimates.iter().map(bits)));
    }
});
