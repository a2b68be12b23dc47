//! The models of all folds, grown side by side, each on what lies outside of its fold.

use std::sync::{Mutex, PoisonError};

use super::bins::Bins;
use super::grow::{Ground, Shape, Workspace, grow, noise_shares};
use super::histogram::{Bin, Entry, Packing, add};
use super::loss::Loss;
use super::sample::{Folds, Sample};
use super::split::Limits;
use super::tree::Tree;
use crate::error::Result;
use crate::kernels::{BLOCK, Predicted, Scales, Slopes};
use crate::monitor::Monitor;

/// The model of one fold.
#[derive(Debug, Clone, PartialEq)]
pub struct FoldModel {
    /// The predictor before the first tree.
    pub start: f32,
    pub trees: Vec<Tree>,
}

/// Models in growth.
pub struct Growing<'a> {
    sample: &'a Sample,
    bins: &'a [Bins],
    shape: Shape,
    folds: Vec<GrowingFold>,
    workspaces: Vec<Workspace>,
}

struct GrowingFold {
    model: FoldModel,
    /// By point.
    predictor: Vec<f32>,
    /// By column, of what a factor gains at the root of the first tree.
    noise_shares: Vec<f64>,
}

impl<'a> Growing<'a> {
    /// Models without a tree, which predict the mean of what they are fitted to.
    #[must_use]
    #[allow(clippy::cast_possible_truncation)] // predictors are kept in 32 bits
    pub fn new(sample: &'a Sample, bins: &'a [Bins], shape: Shape) -> Self {
        let fold = |mean: f64| {
            let start = sample.loss.link(mean) as f32;
            let model = FoldModel { start, trees: Vec::new() };
            GrowingFold {
                model,
                predictor: vec![start; sample.codes.n_rows()],
                noise_shares: Vec::new(),
            }
        };
        let folds = sample.cohorts.iter().map(|cohort| fold(cohort.mean)).collect();
        Self { sample, bins, shape, folds, workspaces: Vec::new() }
    }

    /// Add so many trees to each model. A thread takes a fold at a time, and the folds that are left share what
    /// threads there are by columns; what a fold's trees are hangs on none of it.
    ///
    /// # Errors
    /// [`crate::error::Error::Stopped`].
    pub fn grow(&mut self, n_trees: usize, monitor: &Monitor) -> Result<()> {
        let n_threads = rayon::current_num_threads().min(self.folds.len());
        self.workspaces.resize_with(n_threads, Workspace::default);
        let Self { sample, bins, shape, .. } = *self;
        let waiting = Mutex::new(self.folds.iter_mut().enumerate());
        let outcome = Mutex::new(Ok(()));
        rayon::scope(|scope| {
            for workspace in &mut self.workspaces {
                scope.spawn(|_| {
                    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
                    while let Some((number, fold)) = next() {
                        let plan = Plan { sample, bins, shape, fold: number };
                        for _ in 0..n_trees {
                            if let Err(error) = fold.add_tree(&plan, workspace, monitor) {
                                *outcome.lock().unwrap_or_else(PoisonError::into_inner) =
                                    Err(error);
                                return;
                            }
                        }
                    }
                });
            }
        });
        outcome.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// The predictor of a row, by the model that was not fitted to it.
    #[must_use]
    pub fn out_of_fold(&self, row: usize, folds: Folds<'_>) -> f64 {
        let point = self.sample.point[row] as usize;
        f64::from(self.folds[folds.of_row[row] as usize].predictor[point])
    }

    /// The models, with so many of their trees.
    #[must_use]
    pub fn finished(self, n_trees: usize) -> Vec<FoldModel> {
        let cut = |fold: GrowingFold| {
            let mut model = fold.model;
            model.trees.truncate(n_trees);
            model
        };
        self.folds.into_iter().map(cut).collect()
    }
}

/// What a fold's next tree is grown on.
struct Plan<'a> {
    sample: &'a Sample,
    bins: &'a [Bins],
    shape: Shape,
    fold: usize,
}

impl GrowingFold {
    fn add_tree(
        &mut self,
        plan: &Plan<'_>,
        workspace: &mut Workspace,
        monitor: &Monitor,
    ) -> Result<()> {
        let (mut ground, total) = plan.ground(&self.predictor, &mut workspace.entries[0]);
        if self.noise_shares.is_empty() {
            self.noise_shares = noise_shares(&ground, &workspace.entries[0], total);
        }
        ground.limits.noise_shares = &self.noise_shares;
        let tree = grow(&ground, workspace, total, &mut self.predictor, monitor)?;
        let answers = tree.answers(&plan.sample.codes, plan.bins);
        let asked = tree.asked(&answers, &plan.sample.codes);
        for points in &plan.sample.cohorts[plan.fold].predicted {
            asked.raise(points.start, &mut self.predictor[points.clone()]);
        }
        self.model.trees.push(tree);
        Ok(())
    }
}

impl<'a> Plan<'a> {
    /// The slopes at these predictors, into entries; what they sum to.
    #[allow(clippy::cast_possible_wrap)] // fewer rows than 2^63
    fn ground(&self, predictor: &[f32], entries: &mut Vec<Entry>) -> (Ground<'a>, Bin) {
        let Self { sample, bins, shape, fold } = *self;
        let cohort = &sample.cohorts[fold];
        let packing = Packing::of(sample.n_rows);
        let sizes = sample.sizes(fold, predictor);
        let scales = sizes.scales(packing.count_bits);
        let variance = match sample.loss {
            Loss::Squared => (cohort.square + sizes.error / cohort.weight).max(0.0),
            Loss::Logistic | Loss::Poisson => 1.0,
        };
        let noise = variance * scales.gradient * scales.gradient / scales.curvature;
        let limits = Limits { packing, min_leaf: shape.min_leaf as i64, noise, noise_shares: &[] };
        let total = self.fill(predictor, scales, packing, entries);
        let (codes, rows, loss) = (&sample.codes, sample.rows(fold), sample.loss);
        (Ground { codes, bins, rows, loss, shape, limits, scales }, total)
    }

    #[allow(clippy::cast_possible_truncation)] // there are fewer than 2^32 points
    fn fill(
        &self,
        predictor: &[f32],
        scales: Scales,
        packing: Packing,
        entries: &mut Vec<Entry>,
    ) -> Bin {
        let Self { sample, fold, .. } = *self;
        let rows = sample.rows(fold);
        let (mut block, mut slopes) = (Predicted::default(), Slopes::default());
        let mut total = [0; 2];
        entries.clear();
        entries.reserve(sample.cohorts[fold].n_fitted());
        for points in &sample.cohorts[fold].fitted {
            for start in points.clone().step_by(BLOCK) {
                let range = start..points.end.min(start + BLOCK);
                sample.load(fold, range.clone(), predictor, &mut block);
                sample.loss.slopes(&block, scales, &mut slopes);
                let slopes = slopes.gradient.iter().zip(&slopes.curvature);
                entries.extend(range.zip(slopes).map(|(point, (gradient, curvature))| Entry {
                    point: point as u32,
                    gradient: *gradient,
                    curvature: *curvature,
                }));
            }
        }
        for entry in &*entries {
            add(&mut total, packing.bin(*entry, rows));
        }
        total
    }
}
