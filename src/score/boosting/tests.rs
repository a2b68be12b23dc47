//! Models against a slow twin: trees by exhaustion, from the definitions, in floating point, over rows.

use ndarray::Array2;
use proptest::prelude::*;

use super::bins::{Bins, MISSING, Table, cut};
use super::codes::Codes;
use super::folds::Growing;
use super::sample::{Patterns, Response, Sample};
use super::tree::{Node, Rule, Tree};
use super::{Folds, Loss, Shape};
use crate::monitor::Monitor;

/// A world of rows with columns of numbers, some missing, and factors.
struct World {
    numbers: Array2<f64>,
    factors: Array2<i64>,
    response: Response,
    folds: Vec<u32>,
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
    World { numbers, factors, response: Response { outcome, weight }, folds }
}

impl World {
    fn table(&self) -> Table<'_> {
        Table { numbers: self.numbers.view(), factors: self.factors.view() }
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
    let monitor = Monitor::default();
    let table = world.table();
    let bins = cut(&table, |row| world.response.weight[row] > 0.0, &monitor).unwrap();
    let codes = Codes::of(&table, &bins, &monitor).unwrap();
    // As if there were one fold, so that few rows make patterns, too.
    let patterns = as_patterns.then(|| Patterns::of(&codes, 1)).flatten();
    let sample =
        Sample::new(&codes, patterns.as_ref(), &world.response, world.folds(), loss).unwrap();
    let mut growing = Growing::new(&sample, &bins, shape);
    growing.grow(n_trees, &monitor).unwrap();
    let of = |row| growing.out_of_fold(row, world.folds());
    let predictor = (0..world.folds.len()).map(of).collect();
    let trees = growing.finished(n_trees).into_iter().map(|model| model.trees).collect();
    (trees, predictor)
}

/// The twin: one fold's model over rows, every question tried by adding up its sides.
struct Twin<'a> {
    world: &'a World,
    codes: Array2<usize>,
    bins: &'a [Bins],
    loss: Loss,
    shape: Shape,
    predictor: Vec<f64>,
    gradient: Vec<f64>,
    curvature: Vec<f64>,
    noise: f64,
    /// Of what the factor gains at first, the share that is noise.
    noise_share: Option<f64>,
}

/// Which side each code of a column goes to.
type Sides = (usize, Vec<bool>);

impl Twin<'_> {
    fn sums(&self, rows: &[usize]) -> (f64, f64) {
        rows.iter().fold((0.0, 0.0), |(g, h), r| (g + self.gradient[*r], h + self.curvature[*r]))
    }

    fn part(&self, rows: &[usize], (column, sides): &Sides) -> (Vec<usize>, Vec<usize>) {
        rows.iter().partition(|row| sides[self.codes[(**row, *column)]])
    }

    fn gain(&self, rows: &[usize], sides: &Sides) -> Option<f64> {
        let (left, right) = self.part(rows, sides);
        if left.len().min(right.len()) < self.shape.min_leaf {
            return None;
        }
        let part = |rows: &[usize]| {
            let (g, h) = self.sums(rows);
            g * g / h
        };
        let apart = part(&left) + part(&right);
        let gain = apart - part(rows);
        (gain > 1e-9 * apart).then_some(gain)
    }

    /// What sorting so many levels of a column finds in noise, or what of it counts.
    fn noise_in(&self, column: usize, n_levels: usize) -> f64 {
        let all = std::f64::consts::FRAC_2_PI * (n_levels as f64 - 2.0).max(0.0) * self.noise;
        if column == 3 { self.noise_share.unwrap_or(1.0) * all } else { 0.0 }
    }

    fn find_noise_share(&mut self, rows: &[usize]) {
        let found = self.questions(rows, 3);
        let gains = found.iter().filter_map(|(sides, less)| Some((self.gain(rows, sides)?, *less)));
        let best = gains.max_by(|a, b| a.0.total_cmp(&b.0));
        self.noise_share = Some(best.map_or(1.0, |(gain, less)| (less / gain).min(1.0)));
    }

    /// All questions to a column, with what their gain is less by; missing values are the last code.
    fn questions(&self, rows: &[usize], column: usize) -> Vec<(Sides, f64)> {
        let n_bins = self.bins[column].len();
        let holds =
            |code: usize| rows.iter().filter(|row| self.codes[(**row, column)] == code).count();
        let mut order: Vec<usize> = (0..n_bins).collect();
        let mut less = 0.0;
        if let Bins::Levels(_) = self.bins[column] {
            order.retain(|level| holds(*level) >= self.shape.min_leaf.min(3));
            let step = |level: usize| {
                let own: Vec<usize> = rows
                    .iter()
                    .copied()
                    .filter(|row| self.codes[(*row, column)] == level)
                    .collect();
                let (g, h) = self.sums(&own);
                g / h
            };
            order.sort_by(|a, b| step(*a).total_cmp(&step(*b)));
            less = self.noise_in(column, order.len());
        }
        let n_rest = rows.len() - order.iter().map(|code| holds(*code)).sum::<usize>();
        let mut found = Vec::new();
        for cut in 1..=order.len() {
            for rest_left in [false, true] {
                let is_last = cut == order.len();
                if (n_rest == 0 && (rest_left || is_last)) || (rest_left && is_last) {
                    continue;
                }
                let mut sides = vec![rest_left; n_bins + 1];
                for code in &order[..cut] {
                    sides[*code] = true;
                }
                for code in &order[cut..] {
                    sides[*code] = false;
                }
                found.push(((column, sides), less));
            }
        }
        found
    }

    fn best(&self, rows: &[usize]) -> Option<(Sides, f64)> {
        let mut best: Option<(Sides, f64)> = None;
        for column in 0..self.bins.len() {
            for (sides, less) in self.questions(rows, column) {
                let gain =
                    self.gain(rows, &sides).map(|gain| gain - less).filter(|gain| *gain > 0.0);
                if let Some(gain) = gain
                    && best.as_ref().is_none_or(|(_, most)| gain > *most * (1.0 + 1e-7))
                {
                    best = Some((sides, gain));
                }
            }
        }
        best
    }

    /// Follow the product's tree, and hold every node of it against what is best there.
    fn follow(&mut self, tree: &Tree, node: u32, fitted: &[usize], others: &[usize], depth: usize) {
        let best = if depth < self.shape.depth { self.best(fitted) } else { None };
        match &tree.nodes[node as usize] {
            Node::Leaf(value) => {
                assert!(best.is_none_or(|(_, gain)| gain < 1e-6), "a leaf that may be split");
                let (g, h) = self.sums(fitted);
                let step = self.shape.learning_rate * self.loss.step(g, h);
                assert!(
                    (f64::from(*value) - step).abs() < 1e-5 * step.abs().max(1e-2),
                    "{value} {step}"
                );
                fitted
                    .iter()
                    .chain(others)
                    .for_each(|row| self.predictor[*row] += f64::from(*value));
            }
            Node::Fork(question, next) => {
                let (_, most) = best.unwrap();
                let n_bins = self.bins[question.column].len();
                let mut sides = vec![question.missing_left; n_bins + 1];
                let mut less = 0.0;
                match &question.rule {
                    Rule::UpTo(last) => {
                        (0..n_bins).for_each(|code| sides[code] = code <= usize::from(*last));
                    }
                    Rule::Levels { left, right } => {
                        for level in left {
                            sides[usize::from(*level)] = true;
                        }
                        for level in right {
                            sides[usize::from(*level)] = false;
                        }
                        let known = left.len() + right.len();
                        less = self.noise_in(question.column, known);
                    }
                }
                let sides = (question.column, sides);
                let gain = self.gain(fitted, &sides).unwrap() - less;
                assert!((gain - most).abs() < 1e-5 * most.max(1e-3), "{gain} {most} {question:?}");
                let (left, right) = self.part(fitted, &sides);
                let (other_left, other_right) = self.part(others, &sides);
                self.follow(tree, next[0], &left, &other_left, depth + 1);
                self.follow(tree, next[1], &right, &other_right, depth + 1);
            }
        }
    }
}

/// Hold a fold's trees against the twin's; the predictors of all rows that it gives.
#[allow(clippy::many_single_char_names)] // the formula's symbols
fn follow(
    world: &World,
    bins: &[Bins],
    loss: Loss,
    shape: Shape,
    fold: u32,
    trees: &[Tree],
) -> Vec<f64> {
    let n = world.folds.len();
    let codes = twin_codes(world, bins);
    let Response { outcome, weight } = &world.response;
    let is_fitted = |row: &usize| world.folds[*row] != fold && weight[*row] > 0.0;
    let (fitted, others): (Vec<usize>, Vec<usize>) = (0..n).partition(is_fitted);
    let total: f64 = fitted.iter().map(|row| weight[*row]).sum();
    let mean = fitted.iter().map(|row| weight[*row] * outcome[*row]).sum::<f64>() / total;
    let predictor = vec![loss.link(mean); n];
    let (gradient, curvature) = (vec![0.0; n], vec![0.0; n]);
    let mut twin = Twin {
        world,
        codes,
        bins,
        loss,
        shape,
        predictor,
        gradient,
        curvature,
        noise: 1.0,
        noise_share: None,
    };
    for tree in trees {
        for row in &fitted {
            let (w, y, f) = (weight[*row], outcome[*row], twin.predictor[*row]);
            (twin.gradient[*row], twin.curvature[*row]) = match loss {
                Loss::Logistic => {
                    let p = 1.0 / (1.0 + (-f).exp());
                    (w * (p - y), w * p * (1.0 - p))
                }
                Loss::Squared => (w * (f - y), w),
                Loss::Poisson => (w * (f.exp() - y), w * f.exp()),
            };
        }
        if loss == Loss::Squared {
            let errors = fitted
                .iter()
                .map(|row| weight[*row] * (outcome[*row] - twin.predictor[*row]).powi(2));
            twin.noise = errors.sum::<f64>() / total;
        }
        if twin.noise_share.is_none() {
            twin.find_noise_share(&fitted);
        }
        twin.follow(tree, 0, &fitted, &others, 0);
    }
    assert!(std::ptr::eq(twin.world, world));
    twin.predictor
}

/// By comparing with every cut; missing values are the last code.
fn twin_codes(world: &World, bins: &[Bins]) -> Array2<usize> {
    Array2::from_shape_fn((world.folds.len(), bins.len()), |(row, column)| match &bins[column] {
        Bins::Numbers(cuts) => {
            let value = world.numbers[(row, column)];
            if value.is_nan() {
                cuts.len() + 1
            } else {
                cuts.iter().filter(|cut| **cut < value).count()
            }
        }
        Bins::Levels(count) => usize::try_from(world.factors[(row, column - 3)]).unwrap_or(*count),
    })
}

fn hold_against_the_twin(asked: Asked, shape: Shape, n_trees: usize) {
    let world = world(asked);
    let monitor = Monitor::default();
    let bins = cut(&world.table(), |row| world.response.weight[row] > 0.0, &monitor).unwrap();
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
        world
            .response
            .outcome
            .iter_mut()
            .for_each(|y| *y = f64::from(u8::from(draw.below(2) == 1)));
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
fn codes_of_missing_values_are_never_those_of_others() {
    let numbers = Array2::from_shape_vec((3, 1), vec![f64::NAN, 0.0, 1.0]).unwrap();
    let factors = Array2::from_shape_vec((3, 1), vec![-1, 0, 1]).unwrap();
    let table = Table { numbers: numbers.view(), factors: factors.view() };
    let bins = cut(&table, |_| true, &Monitor::default()).unwrap();
    let codes = Codes::of(&table, &bins, &Monitor::default()).unwrap();
    let of = |column| [0, 1, 2].map(|row| codes.code(row, column));
    assert_eq!(of(0), [usize::from(MISSING), 0, 1]);
    assert_eq!(of(1), [usize::from(MISSING), 0, 1]);
}
