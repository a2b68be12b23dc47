use ndarray::Array2;

use super::*;
use crate::design::covariates::Covariates;
use crate::resampling::stream::Stream;
use crate::resampling::urn::Urn;
use crate::score::logistic::{Likelihood, Sweep, standardized_penalty};
use crate::score::newton::maximize;
use crate::units::tally::Outcomes;

/// Rows without a pattern, whose treatment follows the first columns.
pub struct World {
    pub x: Array2<f64>,
    pub treatment: Vec<bool>,
    outcome: Vec<f64>,
}

impl World {
    pub fn new(n: usize, d: usize) -> Self {
        let mut stream = Stream::new(9, 0);
        let mut normal = || (0..4).map(|_| stream.exponential() - 1.0).sum::<f64>() / 2.0;
        let x = Array2::from_shape_fn((n, d), |_| normal());
        let treatment = (0..n).map(|i| 0.5 * x[(i, 0)] - x[(i, d - 1)] + normal() > 0.3).collect();
        Self { x, treatment, outcome: (0..n).map(|i| (i % 5) as f64).collect() }
    }

    pub fn rows<'a>(&'a self, counts: Option<&'a [u32]>) -> Outcomes<'a, u32> {
        let Self { treatment, outcome, .. } = self;
        Outcomes { treatment, outcome, sample_weight: None, counts }
    }

    pub fn covariates(&self) -> Covariates<'_> {
        Covariates::standardized(self.x.view()).unwrap()
    }

    /// The coefficients by Newton's method from the intercept.
    pub fn newton(&self, counts: Option<&[u32]>, penalty: f64) -> Vec<f64> {
        let (covariates, units) = (self.covariates(), self.rows(counts));
        let likelihood = Likelihood::new(&covariates, &units, penalty, Sweep::Serial).unwrap();
        let monitor = Monitor::default();
        maximize(&likelihood, None, PropensitySpec::default().limits(), &monitor).unwrap().beta
    }

    pub fn warm_start<'a>(&self, columns: Columns<'a>, penalty: f64) -> WarmStart<'a> {
        let ridge = standardized_penalty(&self.covariates(), penalty);
        let (beta, spec) = (self.newton(None, penalty), PropensitySpec::default());
        let monitor = Monitor::default();
        WarmStart::new(columns, &self.rows(None), beta, ridge, spec, &monitor).unwrap()
    }

    /// With columns kept ready, and read again.
    pub fn warm_starts(&self, penalty: f64) -> [WarmStart<'_>; 2] {
        let covariates = self.covariates();
        [Columns::ready(&covariates), Columns::Read(covariates)]
            .map(|columns| self.warm_start(columns, penalty))
    }
}

#[test]
fn refits_are_those_of_newtons_method() {
    for (d, penalty, n) in [(2, 0.0, 2500), (6, 3.0, 2500), (12, 0.0, 3000), (45, 1.0, 6000)] {
        let (world, monitor) = (World::new(n, d), Monitor::default());
        let starts = world.warm_starts(penalty);
        let (urn, mut counts) = (Urn::of_rows(n, true), vec![0; n]);
        for replicate in 0..3 {
            urn.draw(&mut Stream::new(3, replicate), &mut counts);
            let units = world.rows(Some(&counts));
            let mut scores = FittedScores::default();
            let expected = world.newton(Some(&counts), penalty);
            let found = starts
                .each_ref()
                .map(|start| start.refit(&units, false, &mut scores, &monitor).unwrap().unwrap());
            for (a, b) in expected.iter().zip(&found[0].beta) {
                assert!((a - b).abs() < 1e-8, "{d}: {a} {b}");
            }
            assert_eq!(found[0].beta, found[1].beta);
            let probabilities = world.covariates().probabilities(&expected);
            for (a, b) in probabilities.iter().zip(scores.values.as_flattened()) {
                assert!((a - b).abs() < 1e-8);
            }
        }
    }
}

#[test]
fn refit_leaves_a_separated_resample_to_newtons_method() {
    let world = World::new(2000, 2);
    let rows = world.treatment.iter().zip(world.x.column(0));
    let counts: Vec<u32> = rows.map(|(treated, x)| u32::from(*treated == (*x > 0.0))).collect();
    let start = world.warm_start(Columns::ready(&world.covariates()), 0.0);
    let scores = &mut FittedScores::default();
    let units = world.rows(Some(&counts));
    assert!(start.refit(&units, false, scores, &Monitor::default()).unwrap().is_none());
}
