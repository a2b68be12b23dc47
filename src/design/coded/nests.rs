//! Nests: a factor of combinations of levels, such as `a:b` in `a * b`, and the factors whose levels its own tell.
//!
//! Its first level is that of all combinations without a coefficient there, which the coarser factors tell apart. The rows of
//! a nest are so of cells, each of which has a linear predictor of its own.

use std::cmp::Reverse;

use super::Coded;
use crate::design::factors::Factor;
use crate::linalg::add;

#[derive(Debug)]
pub struct Nest {
    /// The coarser ones first.
    factors: Vec<Nested>,
    /// The cell of every row: that of the finest level but the first, or 0 where it has the first of all.
    pub cells: Factor,
}

#[derive(Debug)]
struct Nested {
    factor: usize,
    /// The cell of its second level.
    first_cell: usize,
    /// Places of coarser ones, and by level of this one which of theirs it tells.
    told: Vec<(usize, Vec<usize>)>,
}

impl Coded<'_> {
    /// The factors without slopes, each in a nest with those that it tells, or by itself.
    #[must_use]
    pub fn nests(&self) -> Vec<Nest> {
        let mut order: Vec<usize> = (0..self.n_plain()).collect();
        order.sort_by_key(|factor| Reverse(self.levels[*factor].len()));
        let mut nests: Vec<Nest> = Vec::new();
        for top in order {
            let has_top = |nest: &Nest| nest.factors.iter().any(|own| own.factor == top);
            if !nests.iter().any(has_top) {
                nests.push(self.nest(top).unwrap_or_else(|| Nest::alone(top, &self.factors[top])));
            }
        }
        nests
    }

    /// A factor and those that it tells; `None` where there are none, or rows have levels of which none tells the others.
    fn nest(&self, top: usize) -> Option<Nest> {
        let told_by = |one: usize, others: &[usize]| -> Vec<(usize, Vec<usize>)> {
            let others = others.iter().filter(|other| **other != one);
            others.filter_map(|other| Some((*other, self.levels_told(one, *other, 1)?))).collect()
        };
        let all: Vec<usize> = (0..self.n_plain()).collect();
        let mut members: Vec<usize> = told_by(top, &all).into_iter().map(|(k, _)| k).collect();
        if members.is_empty() {
            return None;
        }
        let others = members.clone();
        members.sort_by_key(|member| told_by(*member, &others).len());
        members.push(top);
        let (mut factors, mut n_cells) = (Vec::<Nested>::new(), 1);
        for (place, factor) in members.iter().enumerate() {
            let told = told_by(*factor, &members[..place]).into_iter();
            let told = told.map(|(other, levels)| {
                (members.iter().position(|member| *member == other).unwrap_or(0), levels)
            });
            factors.push(Nested { factor: *factor, first_cell: n_cells, told: told.collect() });
            n_cells += self.levels[*factor].len();
        }
        let cells: Option<Vec<u32>> =
            (0..self.n_rows()).map(|row| self.cell(&factors, row)).collect();
        Some(Nest { factors, cells: Factor::of_codes(cells?.into_iter(), n_cells) })
    }

    /// The cell of a row: `None` where its finest level does not tell all others but first ones.
    fn cell(&self, factors: &[Nested], row: usize) -> Option<u32> {
        let level = |nested: &Nested| self.factors[nested.factor].level(row);
        let Some(place) = factors.iter().rposition(|nested| level(nested) > 0) else {
            return Some(0);
        };
        let finest = &factors[place];
        let is_told = |other: usize| finest.told.iter().any(|(told, _)| *told == other);
        let mut coarser = (0..place).filter(|other| level(&factors[*other]) > 0);
        let cell = finest.first_cell + level(finest) - 1;
        coarser.all(is_told).then(|| u32::try_from(cell).ok())?
    }

    /// By level of one factor, from one of them on, which level of another all of its rows have; `None` where rows of one
    /// have several.
    pub(super) fn levels_told(&self, one: usize, other: usize, from: usize) -> Option<Vec<usize>> {
        let (one, other) = (&self.factors[one], &self.factors[other]);
        let mut told = vec![usize::MAX; one.n_levels()];
        for row in (0..one.n_rows()).filter(|row| one.level(*row) >= from) {
            let (slot, level) = (&mut told[one.level(row)], other.level(row));
            if *slot == usize::MAX {
                *slot = level;
            } else if *slot != level {
                return None;
            }
        }
        Some(told.into_iter().map(|level| if level == usize::MAX { 0 } else { level }).collect())
    }
}

impl Nest {
    fn alone(factor: usize, codes: &Factor) -> Self {
        let nested = Nested { factor, first_cell: 1, told: Vec::new() };
        Self { factors: vec![nested], cells: codes.clone() }
    }

    /// The terms of its levels.
    #[must_use]
    pub fn terms(&self, design: &Coded<'_>) -> Vec<usize> {
        let own = self.factors.iter().map(|nested| &design.levels[nested.factor]);
        own.flatten().copied().collect()
    }

    /// Raise the linear predictors of the rows of each cell.
    pub fn raise(&self, design: &Coded<'_>, theta: &mut [f64], by: &[f64]) {
        add(theta, 1.0, &design.of_intercept(by[0]));
        let mut raised: Vec<Vec<f64>> = Vec::new();
        for Nested { factor, first_cell, told } in &self.factors {
            let mut own = vec![0.0];
            for (level, by_cell) in (1..=design.levels[*factor].len()).zip(&by[*first_cell..]) {
                // What the coarser ones raise it by is not added again.
                let coarser = told.iter().map(|(place, levels)| raised[*place][levels[level]]);
                own.push(by_cell - by[0] - coarser.sum::<f64>());
                design.raise(theta, *factor, level, own[level]);
            }
            raised.push(own);
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::super::NumbersAndFactors;
    use super::*;

    fn factor(n: usize, level: impl Fn(usize) -> u32) -> Factor {
        let levels: Vec<u32> = (0..n).map(level).collect();
        let n_levels = levels.iter().max().unwrap() + 1;
        Factor::of_codes(levels.into_iter(), n_levels as usize)
    }

    /// Whether the rows of every cell are raised as it says, in so many cells.
    fn raises_cells(factors: &[Factor], n_cells: &[usize]) {
        let (n, after) = (factors[0].n_rows(), vec![0; factors.len()]);
        let x = Array2::zeros((n, 0));
        let given = NumbersAndFactors { x: x.view(), factors, after: &after };
        let design = Coded::new(&given, None).unwrap();
        let nests = design.nests();
        let found: Vec<usize> = nests.iter().map(|nest| nest.cells.n_levels()).collect();
        assert_eq!(found, n_cells);
        for nest in nests {
            let by: Vec<f64> = (0..nest.cells.n_levels()).map(|cell| (cell as f64).cos()).collect();
            let mut theta = vec![0.0; design.n_coefficients()];
            nest.raise(&design, &mut theta, &by);
            for (row, value) in design.linear(&theta).into_iter().enumerate() {
                assert!((value - by[nest.cells.level(row)]).abs() < 1e-12, "{row}");
            }
        }
    }

    #[test]
    #[allow(clippy::cast_possible_truncation)] // rows are few
    fn cells_of_interactions_are_raised_by_themselves() {
        let n = 500;
        let (a, b) = (|row: usize| row as u32 % 5, |row: usize| row as u32 / 5 % 3);
        let c = |row: usize| row as u32 / 15 % 4;
        let of = |first: u32, second: u32, width: u32| match (first, second) {
            (0, _) | (_, 0) => 0,
            _ => (first - 1) * width + second,
        };
        let ab = |row: usize| of(a(row), b(row), 2);
        let [one, two, three] = [factor(n, a), factor(n, b), factor(n, c)];
        raises_cells(&[one.clone(), two.clone()], &[5, 3]);
        raises_cells(&[one.clone(), two.clone(), factor(n, ab), three.clone()], &[15, 4]);
        let combined = factor(n, |row| a(row) + 5 * b(row));
        raises_cells(&[two.clone(), combined], &[17]); // the two cells of b alone have no row
        let [ac, bc] =
            [factor(n, |row| of(a(row), c(row), 3)), factor(n, |row| of(b(row), c(row), 3))];
        let abc = factor(n, |row| of(ab(row), c(row), 3));
        let all = [one.clone(), two.clone(), three.clone(), factor(n, ab), ac, bc, abc.clone()];
        raises_cells(&all, &[60]);
        // Without the pairs no level of a row tells the others.
        raises_cells(&[one, two, three, abc], &[25, 5, 4, 3]);
    }
}
