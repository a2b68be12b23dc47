//! Estimators with an outcome model on resamples, by passes over blocks of units, from what the full sample
//! leaves.
//!
//! A linear model needs one pass. With c the full sample's mean outcome of arm a, which keeps the digits of
//! outcomes far from zero, e = Y - c, and f and k the weights of the fit and of the residuals,
//!
//! ```text
//! N = sum f x x',   d = N^-1 sum f x e,   mu_a = c + { d' sum g x + sum k (e - d'x) } / sum g
//! ```
//!
//! and all of these are sums over rows. A logistic model is refitted from the full sample's, as the score
//! is ([`Anchor`]), successes and failures in the place of the treated and the controls.
//!
//! What these cannot do, or not to the last digits, is left to [`super::arm_mean`].

use super::{AdjustmentSpec, Method, Modelled};
use crate::design::covariates::Covariates;
use crate::error::{Error, Result};
use crate::kernels::{
    ArmProducts, BLOCK, Buffers, Lane, Weighing, Whereabouts, arm_counts, arm_products, fitted_sums,
};
use crate::linalg::Cholesky;
use crate::monitor::Monitor;
use crate::outcome::model::{Backing, OutcomeModel};
use crate::score::logistic::{Anchor, Columns, LogisticSpec, Resampled};
use crate::units::tally::{Totals, Units};

/// One pass is enough where no column's share that the earlier ones leave unexplained lies between these: the sums
/// are good to about 1e-15, their solution is then to 1e-11. Below, columns are collinear.
const CONDITION: [f64; 2] = [1e-13, 1e-4];

/// Where refits of logistic models end, see [`LogisticSpec`]. Newton's method takes one more step at its end; they
/// do not, and their means are off by up to ten times as much.
const TOLERANCE: f64 = 1e-12;

/// What outcome models on resamples take from the full sample.
#[derive(Debug)]
pub struct Refits<'a> {
    columns: Columns<'a>,
    /// The mean outcome of each arm, control first.
    centers: [f64; 2],
    /// Logistic models of both arms, by what weighs their rows.
    anchors: Vec<(Weighing, [Anchor<'a>; 2])>,
    /// The full sample's models of both arms, by what they are and what weighs their rows.
    backings: Vec<(OutcomeModel, Weighing, [Backing; 2])>,
}

/// The full sample.
#[derive(Debug)]
pub struct FullSample<'f, 'x, U> {
    pub covariates: &'f Covariates<'x>,
    pub units: &'f U,
    pub scores: &'f [Lane],
}

/// What a thread needs for them.
#[derive(Debug, Default)]
pub struct Scratch {
    counts: Totals,
    there: Whereabouts,
}

impl<'a> Refits<'a> {
    /// With the standardized columns of the outcome models, for resamples of the full sample's `units`.
    #[must_use]
    pub fn new<U: Units>(columns: Columns<'a>, units: &U) -> Self {
        let mut sums = [[0.0; 2]; 2];
        for unit in 0..units.len() {
            for arm in [0, 1] {
                let (rows, outcome) = units.arm(unit, arm == 1);
                sums[arm][0] += rows;
                sums[arm][1] += outcome;
            }
        }
        let centers = sums.map(|[rows, outcome]| outcome / rows);
        Self { columns, centers, anchors: Vec::new(), backings: Vec::new() }
    }

    /// Fit the models of `spec` to the full sample, and make ready for logistic ones of many units.
    ///
    /// # Errors
    /// What keeps a model of the full sample from being fitted.
    pub fn prepare<U: Units>(
        &mut self,
        spec: AdjustmentSpec,
        full: &FullSample<'_, '_, U>,
        wants_anchors: bool,
        monitor: &Monitor,
    ) -> Result<()> {
        let FullSample { covariates, units, scores } = *full;
        let (model, weighing) = (spec.outcome_model, weighing_of_rows(spec));
        if self.backings_of(spec).is_some() {
            return Ok(());
        }
        let modelled = Modelled { covariates, units, scores: scores.as_flattened() };
        let backing = |arm| Backing::new(&modelled.rows_of(arm, spec), model, monitor);
        let (control, treated) = rayon::join(|| backing(false), || backing(true));
        let backings = [control?, treated?];
        if wants_anchors && model == OutcomeModel::Logistic {
            let anchor = |arm: usize| self.anchor(arm, spec, full, &backings[arm], monitor);
            let (control, treated) = rayon::join(|| anchor(0), || anchor(1));
            self.anchors.push((weighing, [control?, treated?]));
        }
        self.backings.push((model, weighing, backings));
        Ok(())
    }

    /// The full sample's models, control first.
    #[must_use]
    pub fn backings_of(&self, spec: AdjustmentSpec) -> Option<&[Backing; 2]> {
        let wanted = (spec.outcome_model, weighing_of_rows(spec));
        let found = self.backings.iter().find(|(model, rows, _)| (*model, *rows) == wanted);
        found.map(|(_, _, backings)| backings)
    }

    fn anchor<U: Units>(
        &self,
        arm: usize,
        spec: AdjustmentSpec,
        full: &FullSample<'_, '_, U>,
        backing: &Backing,
        monitor: &Monitor,
    ) -> Result<Anchor<'a>> {
        let FullSample { units, scores, .. } = *full;
        let beta = backing.fit.coefficients.clone();
        let mut counts = Totals::default();
        count(arm, weighing_of_rows(spec), units, scores, &mut counts);
        let logistic = LogisticSpec { tolerance: TOLERANCE, ..LogisticSpec::default() };
        let (columns, ridge) = (self.columns.clone(), vec![0.0; beta.len()]);
        Anchor::new(columns, &counts, beta, ridge, logistic, monitor)
    }

    /// The effect in a resample of the full sample's units whose scores, inside (0, 1), are given; `None` where that is
    /// left to [`super::arm_mean`].
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub fn effect<U: Units>(
        &self,
        spec: AdjustmentSpec,
        units: &U,
        scores: &[Lane],
        scratch: &mut Scratch,
        monitor: &Monitor,
    ) -> Result<Option<f64>> {
        monitor.check()?;
        let effect = match spec.outcome_model {
            OutcomeModel::Linear => self.linear(spec, units, scores),
            OutcomeModel::Logistic => self.logistic(spec, units, scores, scratch, monitor)?,
        };
        Ok(effect.filter(|effect| effect.is_finite()))
    }

    fn linear<U: Units>(&self, spec: AdjustmentSpec, units: &U, scores: &[Lane]) -> Option<f64> {
        let backings = self.backings_of(spec)?;
        let resampled = Resampled { columns: &self.columns, units };
        let n_columns = self.columns.n_columns();
        let sums = arm_products(&resampled, n_columns, scores, weighing(spec), self.centers);
        let [control, treated] = &sums;
        let over = spec.averages_over().map(|counts| f64::from(u8::from(counts)));
        let target: Vec<f64> = (control.rows.iter().zip(&treated.rows))
            .map(|(control, treated)| over[0] * control + over[1] * treated)
            .collect();
        let mean = |arm: usize| {
            let aliased = backings[arm].fit.aliased();
            Some(self.centers[arm] + above_center(&sums[arm], &target, aliased)?)
        };
        Some(mean(1)? - mean(0)?)
    }

    fn logistic<U: Units>(
        &self,
        spec: AdjustmentSpec,
        units: &U,
        scores: &[Lane],
        Scratch { counts, there }: &mut Scratch,
        monitor: &Monitor,
    ) -> Result<Option<f64>> {
        let Some(anchors) = self.anchors_of(weighing_of_rows(spec)) else { return Ok(None) };
        let mut means = [0.0; 2];
        for (arm, mean) in means.iter_mut().enumerate() {
            count(arm, weighing_of_rows(spec), units, scores, counts);
            match anchors[arm].refit(counts, false, there, monitor) {
                Ok(Some(_)) => {}
                Err(Error::Stopped) => return Err(Error::Stopped),
                // An arm without successes, say: an error that is the slow path's to word.
                Ok(None) | Err(_) => return Ok(None),
            }
            let mut sums = [0.0; 2];
            let mut buffers = Buffers::new(0);
            for (index, (scores, fitted)) in scores.iter().zip(&there.scores).enumerate() {
                let tallies = units.block(index * BLOCK, true, &mut buffers.tallies);
                let over = spec.averages_over();
                let [total, target] =
                    fitted_sums(tallies, arm, scores, fitted, weighing(spec), over);
                sums = [sums[0] + total, sums[1] + target];
            }
            *mean = sums[0] / sums[1];
        }
        Ok(Some(means[1] - means[0]))
    }

    fn anchors_of(&self, weighing: Weighing) -> Option<&[Anchor<'a>; 2]> {
        self.anchors.iter().find(|(own, _)| *own == weighing).map(|(_, anchors)| anchors)
    }
}

/// One arm's outcomes as binomial counts.
fn count<U: Units>(
    arm: usize,
    weighing: Weighing,
    units: &U,
    scores: &[Lane],
    counts: &mut Totals,
) {
    let mut buffers = Buffers::new(0);
    counts.fill(units.len(), |index, into| {
        let tallies = units.block(index * BLOCK, true, &mut buffers.tallies);
        arm_counts(tallies, arm, &scores[index], weighing, into);
    });
}

/// How far an arm's mean is above its center, `target` being the sum of g x, where the same columns are collinear as in
/// the full sample: where an arm did not draw a level there is more to say than sums do.
fn above_center(sums: &ArmProducts, target: &[f64], aliased: &[bool]) -> Option<f64> {
    let ArmProducts { equations, weighted, residual, .. } = sums;
    let terms = target.len();
    if !(equations.information[0] > 0.0) {
        return None;
    }
    let [least, enough] = CONDITION;
    let factor = Cholesky::factor(&equations.information, terms, least, &[]).ok()?;
    let strict = Cholesky::factor(&equations.information, terms, enough, &[]).ok()?;
    if factor.aliased() != strict.aliased() || factor.aliased() != aliased {
        return None;
    }
    let mut slopes = equations.gradient.clone();
    factor.solve(&mut slopes);
    let moved = slopes.iter().zip(target.iter().zip(weighted));
    let moved: f64 = moved.map(|(slope, (target, weighted))| slope * (target - weighted)).sum();
    Some((moved + residual) / target[0])
}

fn weighing(spec: AdjustmentSpec) -> Weighing {
    match spec.method {
        Method::Regression => Weighing::Nothing,
        Method::Aipw => Weighing::Residuals(spec.estimand),
        Method::Ipwra => Weighing::Rows(spec.estimand),
    }
}

/// What weighs the rows that an outcome model is fitted to.
fn weighing_of_rows(spec: AdjustmentSpec) -> Weighing {
    match spec.method {
        Method::Regression | Method::Aipw => Weighing::Nothing,
        Method::Ipwra => Weighing::Rows(spec.estimand),
    }
}

#[cfg(test)]
mod tests {
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
            let x =
                Array2::from_shape_fn((n, d), |(i, k)| if k == 0 { level(i) } else { normal() });
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
            let fast = refits.effect(spec, &units, &scores, scratch, &monitor).unwrap();
            let modelled =
                Modelled { covariates: &covariates, units: &units, scores: &self.scores };
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
}
