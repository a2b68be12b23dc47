//! Trees of small worlds, each split and each leaf held against a slow twin.

use ndarray::Array2;
use proptest::prelude::*;

use super::bins::{Bins, MISSING, Table, cut};
use super::codes::{Codes, Column};
use super::folds::Growing;
use super::sample::{Outcome, Patterns, Response, Sample};
use super::tree::{Node, Tree};
use super::twin::follow;
use super::{Folds, Loss, Shape};
use crate::monitor::Monitor;

/// A world of rows with columns of numbers, some missing, and factors.
pub struct World {
    pub numbers: Array2<f64>,
    pub factors: Array2<i64>,
    pub outcome: Vec<f64>,
    pub weight: Vec<f64>,
    pub folds: Vec<u32>,
}

const N_FOLDS: usize = 3;

/// SplitMix, so that worlds are the same everywhere.
struct Draw(u64);

impl Draw {
    #[allow(clippy::cast_possible_truncation)]
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    fn share(&mut self) -> f64 {
        self.below(1 << 30) as f64 / f64::from(1 << 30)
    }
}

#[derive(Debug, Clone, Copy)]
struct Asked {
    seed: u64,
    n_rows: usize,
    n_values: usize,
    n_levels: usize,
    is_weighted: bool,
    loss: Loss,
}

#[allow(clippy::cast_possible_wrap)]
fn world(asked: Asked) -> World {
    let Asked { seed, n_rows: n, n_values, n_levels, is_weighted, loss } = asked;
    let mut draw = Draw(seed);
    let numbers = Array2::from_shape_fn((n, 3), |(_, column)| {
        let is_missing = column == 1 && draw.below(5) == 0;
        if is_missing { f64::NAN } else { draw.below(n_values) as f64 * 0.37 - 1.0 }
    });
    let factors = Array2::from_shape_fn((n, 1), |_| draw.below(n_levels + 1) as i64 - 1);
    let outcome = |row: usize, draw: &mut Draw| {
        let (x, z) = (numbers[(row, 0)], numbers[(row, 1)]);
        let level = (factors[(row, 0)] * 7 % 5) as f64;
        let signal = (0.4 * x).sin() + if z.is_nan() { 0.8 } else { 0.0 } + 0.3 * level - 0.5;
        match loss {
            Loss::Logistic => f64::from(u8::from(draw.share() < 1.0 / (1.0 + (-signal).exp()))),
            Loss::Squared => signal + draw.share(),
            Loss::Poisson => (signal.exp() + 2.0 * draw.share()).floor(),
        }
    };
    let outcome: Vec<f64> = (0..n).map(|row| outcome(row, &mut draw)).collect();
    let weight = |_| if is_weighted { [0.0, 0.5, 1.0, 2.0][draw.below(4)] } else { 1.0 };
    let weight: Vec<f64> = (0..n).map(weight).collect();
    let folds = (0..n).map(|_| u32::try_from(draw.below(N_FOLDS)).unwrap()).collect();
    World { numbers, factors, outcome, weight, folds }
}

impl World {
    fn table(&self) -> Table<'_> {
        Table { numbers: self.numbers.view(), factors: self.factors.view() }
    }

    fn response(&self) -> Response<'static> {
        let outcome = Outcome::Numbers(self.outcome.clone());
        Response { outcome, weight: Some(self.weight.clone()) }
    }

    fn folds(&self) -> Folds<'_> {
        Folds { of_row: &self.folds, count: N_FOLDS }
    }
}

/// What the product grows: the models' trees, and the predictors of all rows, out of their folds.
fn grown(
    world: &World,
    loss: Loss,
    shape: Shape,
    n_trees: usize,
    as_patterns: bool,
) -> (Vec<Vec<Tree>>, Vec<f64>) {
    grown_in_stages(world, loss, shape, &[n_trees], as_patterns)
}

fn grown_in_stages(
    world: &World,
    loss: Loss,
    shape: Shape,
    stages: &[usize],
    as_patterns: bool,
) -> (Vec<Vec<Tree>>, Vec<f64>) {
    let monitor = Monitor::default();
    let table = world.table();
    let bins = cut(&table, |row| world.weight[row] > 0.0, &monitor).unwrap();
    let codes = Codes::of(&table, &bins, &monitor).unwrap();
    // As if there were one fold, so that few rows make patterns, too.
    let patterns = as_patterns.then(|| Patterns::of(&codes, 1)).flatten();
    let sample =
        Sample::new(&codes, patterns.as_ref(), &world.response(), world.folds(), loss).unwrap();
    let mut growing = Growing::new(&sample, &bins, shape);
    for n_trees in stages {
        growing.grow(*n_trees, &monitor).unwrap();
    }
    let of = |row| f64::from(growing.out_of_fold(row, world.folds()));
    let predictor = (0..world.folds.len()).map(of).collect();
    let trees = growing.finished(usize::MAX).into_iter().map(|model| model.trees).collect();
    (trees, predictor)
}

fn hold_against_the_twin(asked: Asked, shape: Shape, n_trees: usize) {
    let world = world(asked);
    let monitor = Monitor::default();
    let bins = cut(&world.table(), |row| world.weight[row] > 0.0, &monitor).unwrap();
    for as_patterns in [false, true] {
        let (trees, predictor) = grown(&world, asked.loss, shape, n_trees, as_patterns);
        for (fold, trees) in (0..).zip(&trees) {
            let expected = follow(&world, &bins, asked.loss, shape, fold, trees);
            for row in (0..world.folds.len()).filter(|row| world.folds[*row] == fold) {
                assert!((predictor[row] - expected[row]).abs() < 1e-4, "row {row}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_split_is_the_best_there_is_and_every_leaf_newtons_step(
        seed in any::<u64>(),
        loss in prop::sample::select(vec![Loss::Logistic, Loss::Squared, Loss::Poisson]),
        n_values in 2..9_usize,
        n_levels in 1..6_usize,
        is_weighted in any::<bool>(),
        depth in 1..4_usize,
        min_leaf in 1..9_usize,
    ) {
        let asked = Asked { seed, n_rows: 300, n_values, n_levels, is_weighted, loss };
        hold_against_the_twin(asked, Shape { depth, learning_rate: 0.3, min_leaf }, 4);
    }
}

#[test]
fn factors_of_more_levels_than_a_byte_are_split_like_any() {
    for loss in [Loss::Logistic, Loss::Squared] {
        let asked =
            Asked { seed: 5, n_rows: 3000, n_values: 4, n_levels: 300, is_weighted: false, loss };
        let world = world(asked);
        let bins = cut(&world.table(), |_| true, &Monitor::default()).unwrap();
        assert_eq!(bins[3], Bins::Levels(300));
        let shape = Shape { depth: 3, learning_rate: 0.3, min_leaf: 5 };
        let (trees, _) = grown(&world, loss, shape, 3, false);
        let asks_levels = |tree: &Tree| {
            let is_fork =
                |node: &Node| matches!(node, Node::Fork(question, _) if question.column == 3);
            tree.nodes.iter().any(is_fork)
        };
        assert!(trees.iter().flatten().any(asks_levels));
        for (fold, trees) in (0..).zip(&trees) {
            follow(&world, &bins, loss, shape, fold, trees);
        }
    }
}

#[test]
fn levels_of_pure_noise_are_not_worth_asking() {
    let mut asked = Asked {
        seed: 11,
        n_rows: 4000,
        n_values: 4,
        n_levels: 200,
        is_weighted: false,
        loss: Loss::Logistic,
    };
    let mut chosen = 0;
    for seed in 0..20 {
        asked.seed = seed;
        let mut world = world(asked);
        let mut draw = Draw(seed + 1000);
        // Nothing predicts: numbers and levels of noise.
        world.outcome.iter_mut().for_each(|y| *y = f64::from(u8::from(draw.below(2) == 1)));
        let shape = Shape { depth: 1, learning_rate: 0.1, min_leaf: 5 };
        let (trees, _) = grown(&world, Loss::Logistic, shape, 1, false);
        let is_factor =
            |tree: &Tree| matches!(&tree.nodes[0], Node::Fork(question, _) if question.column == 3);
        chosen += trees.iter().flatten().filter(|tree| is_factor(tree)).count();
    }
    // One of four columns: were it no dearer than numbers, it would be chosen always.
    assert!(chosen <= 40, "{chosen} of 60");
}

#[test]
fn rows_and_patterns_give_the_same_trees() {
    let asked = Asked {
        seed: 3,
        n_rows: 2000,
        n_values: 3,
        n_levels: 2,
        is_weighted: false,
        loss: Loss::Logistic,
    };
    let world = world(asked);
    let shape = Shape { depth: 3, learning_rate: 0.1, min_leaf: 10 };
    let (trees, predictor) = grown(&world, Loss::Logistic, shape, 25, false);
    let (again, same) = grown(&world, Loss::Logistic, shape, 25, true);
    let worst = predictor.iter().zip(&same).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(worst < 1e-5, "{worst}");
    let asked = |trees: &[Vec<Tree>]| -> Vec<Option<usize>> {
        let column = |node: &Node| match node {
            Node::Fork(question, _) => Some(question.column),
            Node::Leaf(_) => None,
        };
        trees.iter().flatten().flat_map(|tree| tree.nodes.iter().map(column)).collect()
    };
    assert_eq!(asked(&trees), asked(&again));
}

#[test]
fn trees_that_grow_in_stages_are_those_that_grow_at_once() {
    let asked = Asked {
        seed: 5,
        n_rows: 500,
        n_values: 40,
        n_levels: 4,
        is_weighted: true,
        loss: Loss::Logistic,
    };
    let world = world(asked);
    let shape = Shape { depth: 2, learning_rate: 0.1, min_leaf: 10 };
    let at_once = grown(&world, Loss::Logistic, shape, 7, false);
    assert!(at_once.0.iter().all(|trees| trees.len() == 7));
    assert_eq!(at_once, grown_in_stages(&world, Loss::Logistic, shape, &[0, 3, 0, 4], false));
}

#[test]
fn codes_of_missing_values_are_never_those_of_others() {
    let numbers = Array2::from_shape_vec((3, 1), vec![f64::NAN, 0.0, 1.0]).unwrap();
    let factors = Array2::from_shape_vec((3, 1), vec![-1, 0, 1]).unwrap();
    let table = Table { numbers: numbers.view(), factors: factors.view() };
    let bins = cut(&table, |_| true, &Monitor::default()).unwrap();
    let codes = Codes::of(&table, &bins, &Monitor::default()).unwrap();
    for column in &codes.columns {
        assert!(matches!(column, Column::Bytes(codes) if *codes == [MISSING, 0, 1]));
    }
}
