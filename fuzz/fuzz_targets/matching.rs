//! Any scores: matches that keep to the caliper and whose weights add up, or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use propensity::matching::{Focal, NearestSpec, Quantity, nearest};
use propensity::monitor::Monitor;
use propensity_fuzz::Table;

fuzz_target!(|input: (Table, u8, u8, u8)| {
    let (table, focal, n_neighbors, width) = input;
    let spec = NearestSpec {
        variance_neighbors: 1,
        focal: [Focal::Treated, Focal::Control, Focal::Both][usize::from(focal % 3)],
        n_neighbors: usize::from(n_neighbors % 5),
        caliper: (width > 0).then(|| f64::from(width) / 64.0),
        quantity: if focal > 127 { Quantity::Logit } else { Quantity::Score },
    };
    let scores: Vec<f64> = table.x.column(0).iter().map(|x| x.abs() / (1.0 + x.abs())).collect();
    if let Ok(found) = nearest(&scores, &table.treatment, &spec, &Monitor::default()) {
        assert!(found.max_distance <= found.caliper_width);
        let (total, matched): (f64, f64) = (found.weights.iter().sum(), found.focal.len() as f64);
        assert!((total - 2.0 * matched).abs() <= 1e-9 * total);
    }
});
