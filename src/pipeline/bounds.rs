//! Bounds on an effect under hidden confounding, on the data and on any resample of them.

use super::layout::Layout;
use super::refitting::Drawn;
use super::{Data, Pipeline, Statistic};
use crate::error::{Error, Result};
use crate::resampling::bootstrap::{BootstrapSpec, Replicates};
use crate::resampling::resample::Resample;
use crate::score::logistic::Refit;
use crate::sensitivity::fractional::{End, SortedRows};
use crate::units::tally::Count;
use crate::weighting::estimand::Estimand;

/// The logarithm of a gamma beyond which a confounder may as well be infinitely strong.
const LARGEST_LOG_GAMMA: f64 = 30.0;

/// Halvings that leave the last digits of such a logarithm.
const HALVINGS: usize = 56;

/// By how much of the largest predictions for rows that are alike may differ, added up in another order.
const ROUNDING: f64 = 1e-9;

/// What bounds are asked for.
#[derive(Debug, Clone, Copy)]
pub struct BoundsSpec<'a> {
    /// ATE, ATT or ATC.
    pub estimand: Estimand,
    /// Strengths of confounding, each at least 1.
    pub gammas: &'a [f64],
    /// What is taken off the outcome of each row: n numbers, or nothing.
    pub fitted: Option<&'a [f64]>,
    /// What is added for each row that the effect is for, on average: n numbers, or nothing.
    pub offset: Option<&'a [f64]>,
    /// For the sharp bounds, by gamma the check losses of the rows in their arm, n for its largest mean and n for its
    /// least; none for the bounds of the fractional program.
    pub losses: Option<&'a [Vec<f64>]>,
}

/// Bounds on the effect: its least and its largest value at each gamma; and the gammas at which the least, and the
/// largest, are no effect: 1 where they are beyond it without any confounding, infinite where no confounder is strong
/// enough, and NaN for sharp bounds.
#[derive(Debug, Clone)]
pub struct Bounds {
    pub found: Vec<f64>,
    /// The same of each replicate.
    pub replicates: Option<Replicates>,
}

impl Pipeline<'_, '_> {
    /// Bound the effect, and each replicate's where replicates are asked for, the score being refitted to each.
    ///
    /// # Errors
    /// [`Error::Argument`] for an estimand that no odds of treatment bound; those of [`Pipeline::bootstrap`].
    pub fn bounds(
        &self,
        spec: BoundsSpec<'_>,
        resample: &Resample,
        replicates: Option<&BootstrapSpec>,
    ) -> Result<Bounds> {
        if !matches!(spec.estimand, Estimand::Ate | Estimand::Att | Estimand::Atc) {
            let found = format!("{:?}", spec.estimand).to_uppercase();
            let allowed = "\"ATE\", \"ATT\" or \"ATC\" for bounds";
            return Err(Error::Argument { name: "estimand", found, allowed });
        }
        let statistic = Bounding::new(self, spec)?;
        let mut found = vec![f64::NAN; statistic.width()];
        let mut everybody = Drawn::<u32>::new(self.n_counted());
        let sizes = self.layout.sizes();
        if sizes.is_empty() {
            everybody.counts.fill(1);
        } else {
            everybody.counts.copy_from_slice(&sizes);
        }
        self.add_up(&mut everybody);
        statistic.of_drawn(&mut everybody, Ok(None), &mut Default::default(), &mut found)?;
        let replicates =
            replicates.map(|spec| self.statistic_on(resample, spec, &statistic)).transpose()?;
        Ok(Bounds { found, replicates })
    }
}

/// A row of an arm, or all that are alike.
#[derive(Debug, Clone, Copy)]
struct Row {
    value: f64,
    weight: f64,
    offset: f64,
    /// Under which number it is counted, and that of its score.
    counted: u32,
    scored: u32,
    /// The first of them in the data.
    in_data: u32,
}

struct Bounding<'p, 'a, 'm> {
    pipeline: &'p Pipeline<'a, 'm>,
    spec: BoundsSpec<'p>,
    /// The rows that are there, by arm, controls first, in ascending order of their values.
    arms: [Vec<Row>; 2],
}

/// The rows of both arms that were drawn, and sums of their losses.
type Scratch = ([SortedRows; 2], [Vec<f64>; 2]);

impl<'p, 'a, 'm> Bounding<'p, 'a, 'm> {
    #[allow(clippy::cast_possible_truncation)] // rows are numbered in 32 bits, as cells and places are
    fn new(pipeline: &'p Pipeline<'a, 'm>, spec: BoundsSpec<'p>) -> Result<Self> {
        let Data { treatment, sample_weight, .. } = pipeline.data;
        let mut arms = [Vec::new(), Vec::new()];
        let mut first_row = vec![None; pipeline.n_counted()];
        let alike = Alike::all(&spec);
        for (row, treated) in treatment.iter().enumerate() {
            let counted = pipeline.layout.unit_of(row);
            let weight = sample_weight.map_or(1.0, |weights| weights[row]);
            if weight == 0.0 {
                continue;
            }
            if let Some(first) = first_row[counted].replace(row) {
                alike.iter().try_for_each(|values| values.require(first, row))?;
                continue;
            }
            let scored = match &pipeline.layout {
                Layout::Cells { cells, .. } => cells.pattern_of(counted),
                _ => counted,
            };
            let of_row = |values: Option<&[f64]>| values.map_or(0.0, |values| values[row]);
            let value = pipeline.outcome[row] - of_row(spec.fitted);
            let offset = of_row(spec.offset);
            let [counted, scored, in_data] = [counted, scored, row].map(|number| number as u32);
            arms[usize::from(*treated)].push(Row {
                value,
                weight,
                offset,
                counted,
                scored,
                in_data,
            });
        }
        let by_value =
            |a: &Row, b: &Row| a.value.total_cmp(&b.value).then(a.counted.cmp(&b.counted));
        for rows in &mut arms {
            rows.sort_unstable_by(by_value);
        }
        Ok(Self { pipeline, spec, arms })
    }

    /// What a row weighs whatever confounders do, and the odds that they multiply.
    fn parts(&self, treated: bool, score: f64) -> (f64, f64) {
        let odds = if treated { (1.0 - score) / score } else { score / (1.0 - score) };
        match (self.spec.estimand, treated) {
            (Estimand::Ate, _) => (1.0, odds),
            (Estimand::Att, true) | (Estimand::Atc, false) => (1.0, 0.0),
            _ => (0.0, odds),
        }
    }

    fn is_for(&self, treated: bool) -> bool {
        match self.spec.estimand {
            Estimand::Att => treated,
            Estimand::Atc => !treated,
            _ => true,
        }
    }

    /// Gather the rows that were drawn, and give the mean offset of those whom the effect is for.
    fn gather<W: Count>(&self, counts: &[W], scores: &[f64], scratch: &mut Scratch) -> f64 {
        let (mut total, mut moment) = (0.0, 0.0);
        let (arms, losses) = scratch;
        for (arm, treated) in [false, true].into_iter().enumerate() {
            let (sorted, losses) = (&mut arms[arm], &mut losses[arm]);
            sorted.clear();
            losses.clear();
            losses.resize(self.spec.losses.map_or(0, <[_]>::len), 0.0);
            let is_for = self.is_for(treated);
            for row in &self.arms[arm] {
                let count: f64 = counts[row.counted as usize].into();
                if count == 0.0 {
                    continue;
                }
                let weight = count * row.weight;
                let (base, odds) = self.parts(treated, scores[row.scored as usize]);
                sorted.push(row.value, weight * base, weight * odds);
                if is_for {
                    total += weight;
                    moment += weight * row.offset;
                }
                for (sum, own) in losses.iter_mut().zip(self.spec.losses.unwrap_or_default()) {
                    *sum += weight * odds * own[row.in_data as usize];
                }
            }
        }
        moment / total
    }

    /// An end of an arm's mean at the gamma of this number.
    fn end(&self, (arms, losses): &Scratch, arm: usize, gamma: (usize, f64), end: End) -> f64 {
        let (k, gamma) = gamma;
        if self.spec.losses.is_none() {
            return arms[arm].extreme(gamma, end);
        }
        let [weight, moment] = arms[arm].sums();
        let reach = gamma - 1.0 / gamma;
        match end {
            End::Largest => (moment + reach * losses[arm][2 * k]) / weight,
            End::Least => (moment - reach * losses[arm][2 * k + 1]) / weight,
        }
    }

    /// The least, or the largest, effect.
    fn effect(&self, scratch: &Scratch, gamma: (usize, f64), end: End) -> f64 {
        let other = if end == End::Least { End::Largest } else { End::Least };
        self.end(scratch, 1, gamma, end) - self.end(scratch, 0, gamma, other)
    }

    /// The gamma at which an end of the effect, which `offset` is added to, is none.
    fn critical(&self, scratch: &Scratch, offset: f64, end: End) -> f64 {
        let is_certain = |log: f64| {
            let effect = offset + self.effect(scratch, (0, log.exp()), end);
            if end == End::Least { effect > 0.0 } else { effect < 0.0 }
        };
        let (mut low, mut high) = (0.0, LARGEST_LOG_GAMMA);
        if !is_certain(low) {
            return 1.0;
        }
        if is_certain(high) {
            return f64::INFINITY;
        }
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            if is_certain(middle) { low = middle } else { high = middle }
        }
        high.exp()
    }
}

/// Numbers of the rows that have to be the same for rows which are alike, and counted together.
struct Alike<'a> {
    name: &'static str,
    values: &'a [f64],
    tolerance: f64,
}

impl<'a> Alike<'a> {
    /// All that rows are given beside what they are told apart by.
    fn all(spec: &BoundsSpec<'a>) -> Vec<Self> {
        let losses = spec.losses.unwrap_or_default().iter().map(|own| ("losses", &own[..]));
        let given = [("fitted", spec.fitted), ("offset", spec.offset)];
        let given = given.into_iter().filter_map(|(name, values)| Some((name, values?)));
        let largest =
            |values: &[f64]| values.iter().fold(0.0, |most: f64, one| most.max(one.abs()));
        let with_tolerance =
            |(name, values)| Self { name, values, tolerance: ROUNDING * largest(values) };
        given.chain(losses).map(with_tolerance).collect()
    }

    fn require(&self, one: usize, other: usize) -> Result<()> {
        if (self.values[one] - self.values[other]).abs() <= self.tolerance {
            return Ok(());
        }
        let found = format!("others in rows {one} and {other}");
        let allowed = "the same for rows of equal x, treatment and outcome";
        Err(Error::Argument { name: self.name, found, allowed })
    }
}

impl Statistic for Bounding<'_, '_, '_> {
    type Scratch = Scratch;

    fn width(&self) -> usize {
        2 * self.spec.gammas.len() + 2
    }

    fn wants_scores(&self) -> bool {
        true
    }

    fn of_drawn<W: Count>(
        &self,
        drawn: &mut Drawn<W>,
        refit: Result<Option<Refit>>,
        scratch: &mut Scratch,
        found: &mut [f64],
    ) -> Result<()> {
        self.pipeline.monitor.check()?;
        self.pipeline.fit_drawn(drawn, refit)?;
        let offset = self.gather(&drawn.counts, drawn.scores.values.as_flattened(), scratch);
        for (arm, rows) in ["control", "treated"].into_iter().zip(&scratch.0) {
            match rows.sums()[0] {
                weight if weight > 0.0 && weight.is_finite() => {}
                0.0 => return Err(Error::WeightlessArm { arm }),
                _ => return Err(Error::Overflow),
            }
        }
        let (ends, critical) = found.split_at_mut(2 * self.spec.gammas.len());
        for ((k, gamma), slots) in self.spec.gammas.iter().enumerate().zip(ends.chunks_mut(2)) {
            slots[0] = offset + self.effect(scratch, (k, *gamma), End::Least);
            slots[1] = offset + self.effect(scratch, (k, *gamma), End::Largest);
        }
        if self.spec.losses.is_none() {
            critical[0] = self.critical(scratch, offset, End::Least);
            critical[1] = self.critical(scratch, offset, End::Largest);
        }
        Ok(())
    }
}
