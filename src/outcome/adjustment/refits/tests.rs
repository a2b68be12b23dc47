use super::*;
use crate::outcome::adjustment::arm_mean;
use crate::resampling::stream::Stream;
use crate::resampling::urn::Urn;
use crate::units::tally::Outcomes;
use crate::weighting::estimand::Estimand;
use ndarray::Array2;

const ESTIMANDS: [Estimand; 3] = [Estimand::Ate, Estimand::Att, Estimand::Atc];

/// Rows whose first column is a level that one in eight has, with outcomes that are shares.
struct World {
    x: Array2<f64>,
    treatment: Vec<bool>,
    outcome: Vec<f64>,
    scores: Vec<f64>,
    counts: Vec<u32>,
}

impl World {
    fn new(n: usize, d: usize) -> Self {
        let mut stream = Stream::new(4, d);
        let mut normal = || (0..4).map(|_| stream.exponential() - 1.0).sum::<f64>() / 2.0;
        let level = |i: usize| f64::from(u8::from(i % 8 == 3));
        let x = Array2::from_shape_fn((n, d), |(i, k)| if k == 0 { level(i) } else { normal() });
        let treatment: Vec<bool> = (0..n).map(|i| normal() + 0.5 * x[(i, 0)] > 0.2).collect();
        let outcome = (0..n)
            .map(|i| 0.4 * x[(i, d - 1)] + f64::from(u8::from(treatment[i])) + normal())
            .map(|eta| (4.0 / (1.0 + (-eta).exp())).round() / 4.0)
            .collect();
        let scores = (0..n).map(|i| 1.0 / (1.0 + (0.3 - 0.6 * x[(i, 0)]).exp())).collect();
        let mut counts = vec![0; n];
        Urn::of_rows(n, true).draw(&mut Stream::new(8, 0), &mut counts);
        Self { x, treatment, outcome, scores, counts }
    }

    fn rows<'a, W>(
        &'a self,
        sample_weight: Option<&'a [f64]>,
        counts: Option<&'a [W]>,
    ) -> Outcomes<'a, W> {
        let Self { treatment, outcome, .. } = self;
        Outcomes { treatment, outcome, sample_weight, counts }
    }

    /// The fast path's effect, and the slow path's.
    fn both<'a, W: crate::units::tally::Count>(
        &'a self,
        spec: AdjustmentSpec,
        sample_weight: Option<&'a [f64]>,
        counts: &'a [W],
    ) -> (Option<f64>, Result<f64>) {
        let monitor = Monitor::default();
        let covariates = Covariates::standardized(self.x.view()).unwrap();
        let covariates = covariates.settled(&vec![1.0; self.x.nrows()]).unwrap();
        let full = self.rows(sample_weight, None::<&[u32]>);
        let scores = crate::kernels::padded(self.scores.iter().copied());
        let mut refits = Refits::new(Columns::ready(&covariates), &full);
        let whole = FullSample { covariates: &covariates, units: &full, scores: &scores };
        refits.prepare(spec, &whole, true, &monitor).unwrap();
        let units = self.rows(sample_weight, Some(counts));
        let scratch = &mut Scratch::default();
        let fast = refits.means(spec, &units, &scores, scratch, &monitor).unwrap();
        let fast = fast.map(|[control, treated]| treated - control);
        let modelled = Modelled { covariates: &covariates, units: &units, scores: &self.scores };
        let mean = |arm| {
            let backing = refits.backings_of(spec).map(|both| &both[usize::from(arm)]);
            arm_mean(&modelled, arm, spec, backing, &monitor).map(|found| found.mean)
        };
        (fast, mean(true).and_then(|treated| Ok(treated - mean(false)?)))
    }
}

fn specs(models: &[OutcomeModel]) -> impl Iterator<Item = AdjustmentSpec> {
    let methods = [Method::Regression, Method::Aipw, Method::Ipwra];
    let pairs = models.iter().flat_map(move |model| methods.map(|method| (*model, method)));
    pairs.flat_map(|(outcome_model, method)| {
        ESTIMANDS.map(|estimand| AdjustmentSpec { method, estimand, outcome_model })
    })
}

#[test]
fn effect_is_that_of_models_fitted_anew() {
    for d in [1, 2, 3, 4, 5, 17] {
        let world = World::new(700, d);
        let weight: Vec<f64> = (0..700).map(|i| 0.25 + f64::from(i % 7)).collect();
        for spec in specs(&[OutcomeModel::Linear, OutcomeModel::Logistic]) {
            for weight in [None, Some(&weight[..])] {
                let (fast, slow) = world.both(spec, weight, &world.counts);
                let (fast, slow) = (fast.unwrap(), slow.unwrap());
                assert!((fast - slow).abs() < 1e-11, "{d} {spec:?}: {fast} {slow}");
            }
        }
    }
}

#[test]
fn effect_takes_weights_for_counts() {
    for d in [3, 17] {
        let world = World::new(900, d);
        let mut stream = Stream::new(5, 1);
        let weights: Vec<f64> = (0..900).map(|_| stream.exponential()).collect();
        for spec in specs(&[OutcomeModel::Linear, OutcomeModel::Logistic]) {
            let (fast, slow) = world.both(spec, None, &weights);
            assert!((fast.unwrap() - slow.unwrap()).abs() < 1e-11, "{spec:?}");
        }
    }
}

#[test]
fn effect_keeps_the_digits_of_outcomes_far_from_zero() {
    let (world, mut far) = (World::new(900, 4), World::new(900, 4));
    far.outcome.iter_mut().for_each(|outcome| *outcome += 1e6);
    for spec in specs(&[OutcomeModel::Linear]) {
        let (fast, slow) = far.both(spec, None, &world.counts);
        let (_, near) = world.both(spec, None, &world.counts);
        let near = near.unwrap();
        // A unit in the last place of 1e6 is 1e-10.
        assert!((fast.unwrap() - near).abs() < 1e-9, "{spec:?}");
        assert!((slow.unwrap() - near).abs() < 1e-9, "{spec:?}");
    }
}

#[test]
fn a_level_that_an_arm_did_not_draw_is_left_to_the_full_samples_fit() {
    for d in [3, 6] {
        let mut world = World::new(700, d);
        let is_left_out = |i: usize| world.treatment[i] && world.x[(i, 0)] > 0.0;
        let left_out: Vec<usize> = (0..700).filter(|i| is_left_out(*i)).collect();
        for row in left_out {
            world.counts[row] = 0;
        }
        for spec in specs(&[OutcomeModel::Linear, OutcomeModel::Logistic]) {
            let (fast, slow) = world.both(spec, None, &world.counts);
            let slow = slow.unwrap();
            assert!(fast.is_none(), "{d} {spec:?}");
            // Whichever level is the reference.
            world.x.column_mut(0).mapv_inplace(|x| 1.0 - x);
            let (_, other) = world.both(spec, None, &world.counts);
            world.x.column_mut(0).mapv_inplace(|x| 1.0 - x);
            assert!((slow - other.unwrap()).abs() < 1e-9, "{d} {spec:?}");
        }
    }
}

#[test]
fn effect_does_without_a_column_that_others_explain() {
    let mut world = World::new(700, 5);
    let sum = &world.x.column(1) + &world.x.column(2);
    world.x.column_mut(3).assign(&sum);
    for spec in specs(&[OutcomeModel::Linear, OutcomeModel::Logistic]) {
        let (fast, slow) = world.both(spec, None, &world.counts);
        assert!((fast.unwrap() - slow.unwrap()).abs() < 1e-11, "{spec:?}");
    }
}

#[test]
fn effect_is_left_alone_where_one_pass_would_not_do() {
    let spec = AdjustmentSpec {
        method: Method::Aipw,
        estimand: Estimand::Ate,
        outcome_model: OutcomeModel::Linear,
    };
    // Columns apart by so much of their spread, which is nothing to a settled design.
    for apart in [0.02, 0.002, 2e-5, 1e-8] {
        let mut world = World::new(700, 4);
        let near = &world.x.column(1) + &(apart * &world.x.column(3));
        world.x.column_mut(3).assign(&near);
        let (fast, slow) = world.both(spec, None, &world.counts);
        assert!((fast.unwrap() - slow.unwrap()).abs() < 1e-10, "{apart}");
    }
    // The same in the rows that were drawn alone.
    let mut world = World::new(700, 4);
    for row in (0..700).filter(|row| world.counts[*row] > 0) {
        world.x[(row, 3)] = world.x[(row, 1)] + 0.002 * world.x[(row, 3)];
    }
    let (fast, slow) = world.both(spec, None, &world.counts);
    assert!(fast.is_none() && slow.is_ok());
    // A score of a treated row that rounds to one: it then weighs 1.
    let mut world = World::new(700, 4);
    let first = world.treatment.iter().position(|treated| *treated).unwrap();
    (world.scores[first], world.counts[first]) = (1.0, 2);
    let (fast, slow) = world.both(spec, None, &world.counts);
    assert!((fast.unwrap() - slow.unwrap()).abs() < 1e-11);
    // An arm that was not drawn.
    let world = World::new(700, 4);
    for spec in specs(&[OutcomeModel::Linear, OutcomeModel::Logistic]) {
        let of_controls = world.counts.iter().zip(&world.treatment);
        let counts: Vec<u32> =
            of_controls.map(|(count, treated)| count * u32::from(!treated)).collect();
        let (fast, slow) = world.both(spec, None, &counts);
        assert!(fast.is_none() && slow.is_err(), "{spec:?}");
    }
}
