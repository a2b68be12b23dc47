//! Passes over rows that several sets of coefficients take together, for gradients alone. Rows best stand in the order
//! of the widest factor's levels: what is said of a level is then said of a run of rows. The other factors are taken
//! together where they have few pairs of levels, so that a row looks one number up, and adds to one, for all of them.

use super::{Coded, Loaded};
use crate::kernels::{
    BLOCK, Lane, LevelLane, Run, add_effects, add_gradient, add_run_sums, add_runs, add_slopes,
    add_to_levels, linear_predictor,
};

/// Combinations of levels that factors are taken together up to: what is said of them stays in the first cache.
const MOST_TOGETHER: usize = 1 << 11;

/// A design's rows, ready for such passes.
#[derive(Debug)]
pub struct Passes<'d, 'x> {
    design: &'d Coded<'x>,
    /// The runs of a level of the widest factor, block by block.
    runs: Vec<Run>,
    first_run: Vec<usize>,
    groups: Vec<Group>,
    slopes: Vec<OfSlopes>,
}

/// A factor with slopes, block by block.
#[derive(Debug)]
struct OfSlopes {
    factor: usize,
    levels: Vec<LevelLane>,
    values: Vec<Lane>,
}

/// Factors that are taken together.
#[derive(Debug)]
struct Group {
    factors: Vec<usize>,
    /// By combination, the level in each.
    levels: Vec<Vec<usize>>,
    lanes: Vec<LevelLane>,
}

/// What coefficients say of numbers, after a zero, of the widest factor's levels, of combinations of others, and of levels
/// that have slopes.
#[derive(Debug)]
pub struct Said {
    slopes: Vec<f64>,
    widest: Vec<f64>,
    groups: Vec<Vec<f64>>,
    by_level: Vec<Vec<f64>>,
}

/// Sums of residuals: with the intercept and the numbers, by level of the widest factor, by combination, and with the
/// numbers of levels that have slopes.
#[derive(Debug, Clone)]
pub struct Residuals {
    numbers: Vec<f64>,
    widest: Vec<f64>,
    groups: Vec<Vec<f64>>,
    by_level: Vec<Vec<f64>>,
}

impl<'d, 'x> Passes<'d, 'x> {
    #[must_use]
    pub fn new(design: &'d Coded<'x>) -> Self {
        let (mut runs, mut first_run) = (Vec::new(), vec![0]);
        let widest = &design.factors[design.widest];
        let mut lane = [0; BLOCK];
        for start in (0..design.n_rows()).step_by(BLOCK) {
            widest.load(start, &mut lane);
            runs.extend(Run::all(&lane));
            first_run.push(runs.len());
        }
        let groups = groups_of(design).into_iter().map(|factors| Group::new(design, factors));
        let slopes = (design.n_plain()..design.factors.len()).map(|k| OfSlopes::new(design, k));
        Self { design, runs, first_run, groups: groups.collect(), slopes: slopes.collect() }
    }

    #[must_use]
    pub fn design(&self) -> &'d Coded<'x> {
        self.design
    }

    /// Go over the rows, a block at a time.
    pub fn each_block(&self, mut visit: impl FnMut(usize, &Loaded<'_>)) {
        let (n, mut room) = (self.design.n_rows(), self.design.room());
        for (block, start) in (0..n).step_by(BLOCK).enumerate() {
            visit(block, &self.design.load(start..n.min(start + BLOCK), &mut room));
        }
    }

    #[must_use]
    pub fn said(&self, theta: &[f64]) -> Said {
        let mut effects = self.design.effects(theta);
        let of_group = |group: &Group| {
            let of_levels = |levels: &Vec<usize>| {
                let own = group.factors.iter().zip(levels);
                own.map(|(factor, level)| effects.levels[*factor][*level]).sum()
            };
            group.levels.iter().map(of_levels).collect()
        };
        let groups = self.groups.iter().map(of_group).collect();
        let widest = std::mem::take(&mut effects.levels[self.design.widest]);
        let by_level = effects.levels.split_off(self.design.n_plain());
        Said { slopes: effects.slopes, widest, groups, by_level }
    }

    /// The linear predictors of a block.
    pub fn linear(&self, said: &Said, block: usize, columns: &[Lane], eta: &mut Lane) {
        linear_predictor(&said.slopes, columns, eta);
        add_runs(&said.widest, self.runs_of(block), eta);
        for (said, group) in said.groups.iter().zip(&self.groups) {
            add_effects(said, &group.lanes[block], eta);
        }
        for (said, own) in said.by_level.iter().zip(&self.slopes) {
            add_slopes(said, &own.levels[block], &own.values[block], eta);
        }
    }

    #[must_use]
    pub fn no_residuals(&self) -> Residuals {
        Residuals {
            numbers: vec![0.0; self.design.places.len() + 1],
            widest: vec![0.0; self.design.factors[self.design.widest].n_levels()],
            groups: self.groups.iter().map(|group| vec![0.0; group.levels.len()]).collect(),
            by_level: (self.slopes.iter())
                .map(|own| vec![0.0; self.design.factors[own.factor].n_levels()])
                .collect(),
        }
    }

    /// Add the residuals of a block.
    pub fn add(&self, sums: &mut Residuals, block: usize, columns: &[Lane], residual: &Lane) {
        add_gradient(columns, residual, &mut sums.numbers);
        add_run_sums(residual, self.runs_of(block), &mut sums.widest);
        for (sums, group) in sums.groups.iter_mut().zip(&self.groups) {
            add_to_levels(residual, &group.lanes[block], sums);
        }
        for (sums, own) in sums.by_level.iter_mut().zip(&self.slopes) {
            let moved = std::array::from_fn(|slot| residual[slot] * own.values[block][slot]);
            add_to_levels(&moved, &own.levels[block], sums);
        }
    }

    /// The gradient in the coefficients, and the sum of the residuals.
    #[must_use]
    pub fn gradient(&self, sums: &Residuals) -> (Vec<f64>, f64) {
        let design = self.design;
        let mut gradient = vec![0.0; design.n_coefficients()];
        gradient[..=design.places.len()].copy_from_slice(&sums.numbers);
        gradient[0] = sums.widest[0];
        let first = design.first(design.widest);
        gradient[first..first + sums.widest.len() - 1].copy_from_slice(&sums.widest[1..]);
        for (group, sums) in self.groups.iter().zip(&sums.groups) {
            for (levels, sum) in group.levels.iter().zip(sums) {
                for (factor, level) in group.factors.iter().zip(levels) {
                    if let Some(level) = level.checked_sub(1) {
                        gradient[design.first(*factor) + level] += sum;
                    }
                }
            }
        }
        for (own, sums) in self.slopes.iter().zip(&sums.by_level) {
            let first = design.first(own.factor);
            gradient[first..first + sums.len() - 1].copy_from_slice(&sums[1..]);
        }
        (gradient, sums.numbers[0])
    }

    fn runs_of(&self, block: usize) -> &[Run] {
        &self.runs[self.first_run[block]..self.first_run[block + 1]]
    }
}

impl OfSlopes {
    fn new(design: &Coded<'_>, factor: usize) -> Self {
        let n_blocks = design.n_rows().div_ceil(BLOCK);
        let (mut levels, mut values) = (Vec::with_capacity(n_blocks), Vec::with_capacity(n_blocks));
        let mut room = design.room();
        for start in (0..design.n_rows()).step_by(BLOCK) {
            let rows = start..design.n_rows().min(start + BLOCK);
            let loaded = design.load(rows, &mut room);
            levels.push(loaded.levels[factor]);
            values.push(loaded.values[factor - design.n_plain()]);
        }
        Self { factor, levels, values }
    }
}

/// The factors but the widest and those with slopes, those together that have few combinations.
fn groups_of(design: &Coded<'_>) -> Vec<Vec<usize>> {
    let mut groups: Vec<(usize, Vec<usize>)> = Vec::new();
    for factor in (0..design.n_plain()).filter(|factor| *factor != design.widest) {
        let n_levels = design.factors[factor].n_levels();
        let fitting =
            groups.iter_mut().find(|(size, _)| size.saturating_mul(n_levels) <= MOST_TOGETHER);
        if let Some((size, factors)) = fitting {
            *size *= n_levels;
            factors.push(factor);
        } else {
            groups.push((n_levels, vec![factor]));
        }
    }
    groups.into_iter().map(|(_, factors)| factors).collect()
}

impl Group {
    fn new(design: &Coded<'_>, factors: Vec<usize>) -> Self {
        let mut levels: Vec<Vec<usize>> = vec![Vec::new()];
        for factor in &factors {
            let all = 0..design.factors[*factor].n_levels();
            levels = (levels.iter())
                .flat_map(|before| all.clone().map(move |level| [&before[..], &[level]].concat()))
                .collect();
        }
        let mut lanes: Vec<LevelLane> = vec![[0; BLOCK]; design.n_rows().div_ceil(BLOCK)];
        let mut own = [0; BLOCK];
        for factor in &factors {
            #[allow(clippy::cast_possible_truncation)] // levels are numbered in 32 bits
            let n_levels = design.factors[*factor].n_levels() as u32;
            for (block, lane) in lanes.iter_mut().enumerate() {
                design.factors[*factor].load(block * BLOCK, &mut own);
                lane.iter_mut().zip(&own).for_each(|(slot, level)| {
                    *slot = slot.wrapping_mul(n_levels).wrapping_add(*level);
                });
            }
        }
        Self { factors, levels, lanes }
    }
}
