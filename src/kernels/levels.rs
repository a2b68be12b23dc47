//! Sums over the rows of each level of a factor, and of each pair of levels: what dummies would be multiplied for.

use super::instructions::dispatched;
use super::{BLOCK, Lane};

/// The level of each row of a block.
pub type LevelLane = [u32; BLOCK];

/// Rows of one level, one after the other.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    length: u16,
    level: u32,
}

impl Run {
    /// Those of a block.
    pub fn all(levels: &LevelLane) -> impl Iterator<Item = Self> {
        #[allow(clippy::cast_possible_truncation)] // of 256 rows
        let run = |rows: &[u32]| Self { length: rows.len() as u16, level: rows[0] };
        levels.chunk_by(|a, b| a == b).map(run)
    }
}

dispatched!(
    /// Lay a block out row by row, so many numbers a row: its spread, its spread times each column, its residual.
    pub fn side_by_side<'a>(
        columns: &'a [Lane],
        residual: &'a Lane,
        spread: &'a Lane,
        stride: usize,
        rows: &'a mut [f64],
    ) -> (),
    |_| {
        for (slot, row) in rows.chunks_exact_mut(stride).take(BLOCK).enumerate() {
            row[0] = spread[slot];
            for (value, column) in row[1..].iter_mut().zip(columns) {
                *value = spread[slot] * column[slot];
            }
            row[columns.len() + 1] = residual[slot];
        }
    }
);
dispatched!(
    /// Add each row of a block to the sums of its level.
    pub fn add_levels<'a>(
        rows: &'a [f64],
        levels: &'a LevelLane,
        stride: usize,
        sums: &'a mut [f64],
    ) -> (),
    |_| match stride {
        4 => add_rows::<4>(rows, levels, sums),
        8 => add_rows::<8>(rows, levels, sums),
        12 => add_rows::<12>(rows, levels, sums),
        16 => add_rows::<16>(rows, levels, sums),
        _ => {
            for (row, level) in rows.chunks_exact(stride).zip(levels) {
                let first = (*level as usize).wrapping_mul(stride);
                let sums = &mut sums[first..][..stride];
                sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            }
        }
    }
);
dispatched!(
    /// Add each row's spread to the sum of its pair of levels, the second of which is one of so many.
    pub fn add_pairs<'a>(
        spread: &'a Lane,
        first: &'a LevelLane,
        second: &'a LevelLane,
        n_second: usize,
        sums: &'a mut [f64],
    ) -> (),
    |_| {
        for slot in 0..BLOCK {
            let place = (first[slot] as usize).wrapping_mul(n_second);
            sums[place.wrapping_add(second[slot] as usize)] += spread[slot];
        }
    }
);
dispatched!(
    /// Add to each row what is said of its level.
    pub fn add_effects<'a>(effects: &'a [f64], levels: &'a LevelLane, eta: &'a mut Lane) -> (),
    |_| eta.iter_mut().zip(levels).for_each(|(eta, level)| *eta += effects[*level as usize])
);
dispatched!(
    /// Add to each row its value times the slope of its level.
    pub fn add_slopes<'a>(
        slopes: &'a [f64],
        levels: &'a LevelLane,
        values: &'a Lane,
        eta: &'a mut Lane,
    ) -> (),
    |_| {
        for slot in 0..BLOCK {
            eta[slot] += values[slot] * slopes[levels[slot] as usize];
        }
    }
);
dispatched!(
    /// Add to each row of a run what is said of its level.
    pub fn add_runs<'a>(effects: &'a [f64], runs: &'a [Run], eta: &'a mut Lane) -> (),
    |_| {
        let mut rest = &mut eta[..];
        for Run { length, level } in runs {
            let (own, others) = rest.split_at_mut(usize::from(*length));
            let effect = effects[*level as usize];
            for eta in own {
                *eta += effect;
            }
            rest = others;
        }
    }
);
dispatched!(
    /// Add the sum of each run to that of its level.
    pub fn add_run_sums<'a>(values: &'a Lane, runs: &'a [Run], sums: &'a mut [f64]) -> (),
    |_| {
        let mut rest = &values[..];
        for Run { length, level } in runs {
            let (own, others) = rest.split_at(usize::from(*length));
            sums[*level as usize] += strands(own);
            rest = others;
        }
    }
);
dispatched!(
    /// Add each row's value to the sum of its level.
    pub fn add_to_levels<'a>(values: &'a Lane, levels: &'a LevelLane, sums: &'a mut [f64]) -> (),
    |_| values.iter().zip(levels).for_each(|(value, level)| sums[*level as usize] += value)
);
dispatched!(
    /// The scores of rows, and their residuals by weight.
    pub fn weighted_residuals<'a>(
        eta: &'a Lane,
        weights: &'a Lane,
        treated: &'a Lane,
        scores: &'a mut Lane,
        residual: &'a mut Lane,
    ) -> (),
    |_| {
        for row in 0..BLOCK {
            let (p, _) = super::arithmetic::probability(eta[row]);
            scores[row] = p;
            residual[row] = weights[row] * (treated[row] - p);
        }
    }
);
dispatched!(
    /// What a logistic likelihood has of each row: successes - trials p, and trials p (1 - p).
    pub fn logistic_residuals<'a>(
        eta: &'a Lane,
        trials: &'a Lane,
        successes: &'a Lane,
        residual: &'a mut Lane,
        spread: &'a mut Lane,
    ) -> (),
    |_| {
        for row in 0..BLOCK {
            let (p, q) = super::arithmetic::probability(eta[row]);
            residual[row] = successes[row] - trials[row] * p;
            spread[row] = trials[row] * (p * q);
        }
    }
);

/// A sum in eight strands.
#[inline(always)]
fn strands(values: &[f64]) -> f64 {
    let (groups, rest) = values.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for group in groups {
        for k in 0..8 {
            sums[k] += group[k];
        }
    }
    sums.iter().sum::<f64>() + rest.iter().sum::<f64>()
}

#[inline(always)]
fn add_rows<const N: usize>(rows: &[f64], levels: &LevelLane, sums: &mut [f64]) {
    let (rows, sums) = (rows.as_chunks::<N>().0, sums.as_chunks_mut::<N>().0);
    for (row, level) in rows.iter().zip(levels) {
        let sums = &mut sums[*level as usize];
        for k in 0..N {
            sums[k] += row[k];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_by_level_are_those_of_dummies() {
        let column: Lane = std::array::from_fn(|row| (row as f64 * 0.37).sin());
        let residual: Lane = std::array::from_fn(|row| (row as f64 * 0.11).cos());
        let spread: Lane = std::array::from_fn(|row| (row % 4) as f64);
        let levels: LevelLane =
            std::array::from_fn(|row| u32::from(row % 3 > 0) + u32::from(row % 3 > 1));
        let others: LevelLane =
            std::array::from_fn(|row| (1..5).map(|k| u32::from(row % 5 >= k)).sum());
        for stride in [4, 5, 8, 12, 16] {
            let mut rows = vec![0.0; BLOCK * stride];
            side_by_side(&[column], &residual, &spread, stride, &mut rows);
            let mut sums = vec![0.0; 3 * stride];
            add_levels(&rows, &levels, stride, &mut sums);
            for level in 0..3 {
                let own = |values: &dyn Fn(usize) -> f64| -> f64 {
                    (0..BLOCK).filter(|row| row % 3 == level).map(values).sum()
                };
                let expected = [
                    own(&|row| spread[row]),
                    own(&|row| spread[row] * column[row]),
                    own(&|row| residual[row]),
                ];
                for (found, expected) in sums[level * stride..].iter().zip(expected) {
                    assert!((found - expected).abs() < 1e-12);
                }
            }
        }
        let mut pairs = vec![0.0; 15];
        add_pairs(&spread, &levels, &others, 5, &mut pairs);
        for (place, found) in pairs.iter().enumerate() {
            let is_own = |row: &usize| row % 3 == place / 5 && row % 5 == place % 5;
            let expected: f64 = (0..BLOCK).filter(is_own).map(|row| spread[row]).sum();
            assert!((found - expected).abs() < 1e-12);
        }
    }
}
