//! A slow twin: trees by exhaustion, from the definitions, in floating point, over rows.

use ndarray::Array2;

use super::bins::Bins;
use super::tests::World;
use super::tree::{Node, Rule, Tree};
use super::{Loss, Shape};

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
                order[..cut].iter().for_each(|code| sides[*code] = true);
                order[cut..].iter().for_each(|code| sides[*code] = false);
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
pub fn follow(
    world: &World,
    bins: &[Bins],
    loss: Loss,
    shape: Shape,
    fold: u32,
    trees: &[Tree],
) -> Vec<f64> {
    let n = world.folds.len();
    let codes = twin_codes(world, bins);
    let World { outcome, weight, .. } = world;
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
