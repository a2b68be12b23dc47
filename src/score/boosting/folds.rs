//! The models of all folds, grown side by side, each on what lies outside of its fold.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::bins::Bins;
use super::grow::{Ground, Shape, Workspace, grow, noise_shares};
use super::histogram::{Bin, Entry, Packing, Sums};
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

/// Folds, each with the number of trees that it is to get.
type Waiting<'a> = VecDeque<(usize, (usize, &'a mut GrowingFold))>;

/// A thread that panicked ends the call; what it left is not looked at.
fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The fold that waits longest. The lock is free again when this returns, where in a loop's head it would be held
/// while the fold grows.
fn first<'a>(waiting: &Mutex<Waiting<'a>>) -> Option<(usize, (usize, &'a mut GrowingFold))> {
    locked(waiting).pop_front()
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

    /// Add so many trees to each model. Folds wait in a row for the next thread that is free, which adds one tree and
    /// sends the fold to the end of it, so that threads are done at once; a thread that is left without a fold sums up
    /// columns for another. What a fold's trees are hangs on none of it.
    ///
    /// # Errors
    /// [`crate::error::Error::Stopped`].
    pub fn grow(&mut self, n_trees: usize, monitor: &Monitor) -> Result<()> {
        if n_trees == 0 {
            return Ok(());
        }
        let n_threads = rayon::current_num_threads().min(self.folds.len());
        self.workspaces.resize_with(n_threads, Workspace::default);
        let Self { sample, bins, shape, .. } = *self;
        let waiting: Waiting<'_> =
            self.folds.iter_mut().enumerate().map(|own| (n_trees, own)).collect();
        let waiting = Mutex::new(waiting);
        let outcome = Mutex::new(Ok(()));
        rayon::scope(|scope| {
            for workspace in &mut self.workspaces {
                scope.spawn(|_| {
                    while let Some((left, (number, fold))) = first(&waiting) {
                        let plan = Plan { sample, bins, shape, fold: number };
                        if let Err(error) = fold.add_tree(&plan, workspace, monitor) {
                            *locked(&outcome) = Err(error);
                            return;
                        }
                        if left > 1 {
                            locked(&waiting).push_back((left - 1, (number, fold)));
                        }
                    }
                });
            }
        });
        outcome.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// The predictor of a row, by the model that was not fitted to it.
    #[must_use]
    pub fn out_of_fold(&self, row: usize, folds: Folds<'_>) -> f32 {
        let point = self.sample.point[row] as usize;
        self.folds[folds.of_row[row] as usize].predictor[point]
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
        let cohort = &plan.sample.cohorts[plan.fold];
        let tree = grow(&ground, workspace, total, &cohort.fitted, &mut self.predictor, monitor)?;
        for points in &cohort.predicted {
            let predictor = &mut self.predictor[points.clone()];
            tree.raise(&plan.sample.codes, plan.bins, points.start, predictor);
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
        let (mut block, mut slopes) = (Predicted::default(), Slopes::default());
        let mut sums = Sums { rows: sample.cohorts[fold].n_rows, ..Sums::default() };
        entries.clear();
        entries.reserve(sample.cohorts[fold].n_fitted());
        for points in &sample.cohorts[fold].fitted {
            for start in points.clone().step_by(BLOCK) {
                let range = start..points.end.min(start + BLOCK);
                sample.load(fold, range.clone(), predictor, &mut block);
                let [gradient, curvature] = sample.loss.slopes(&block, scales, &mut slopes);
                (sums.gradient, sums.curvature) =
                    (sums.gradient + gradient, sums.curvature + curvature);
                let slopes = slopes.gradient.iter().zip(&slopes.curvature);
                entries.extend(range.zip(slopes).map(|(point, (gradient, curvature))| Entry {
                    point: point as u32,
                    gradient: *gradient,
                    curvature: *curvature,
                }));
            }
        }
        packing.pack(sums)
    }
}
