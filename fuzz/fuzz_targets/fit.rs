//! Any rows: a fit whose gradient is small and whose scores are probabilities, or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use propensity::score::logistic::fit;
use propensity::score::spec::PropensitySpec;
use propensity::monitor::Monitor;
use propensity_fuzz::Table;

fuzz_target!(|input: (Table, u8)| {
    let (table, strength) = input;
    let spec = PropensitySpec { penalty: f64::from(strength % 4), ..PropensitySpec::default() };
    let weights = table.weights.as_deref();
    if let Ok(found) = fit(table.x.view(), &table.treatment, weights, &spec, &Monitor::default()) {
        assert!(found.gradient_norm <= spec.tolerance);
        assert!(found.coefficients.iter().all(|coefficient| coefficient.is_finite()));
        if let Ok(scores) = found.predict(table.x.view()) {
            assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)));
        }
    }
});
