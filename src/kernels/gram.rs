//! Gram matrices of many columns, in either precision: products of four columns with four others at a time, whose sums
//! stay in registers while the columns come from the nearest cache. Two rows of such tiles go together, so that a block
//! that is larger than that cache is read half as often.

use pulp::Simd;

use super::instructions::dispatched;
use super::products::Real;
use super::{BLOCK, Lane, SingleLane, blocks::round_lane};

/// Columns from which on tiles are worth their padding.
pub const MANY_COLUMNS: usize = 16;

const TILE: usize = 4;

/// Registers that the sums of a whole tile fit into, with what they are made of.
const MANY_REGISTERS: usize = 32;

type Tile<T> = [[T; BLOCK]; TILE];

dispatched!(
    /// Add the sums of s x x' to the upper triangle of a matrix (row-major, the intercept first), but for the intercept's.
    pub fn add_gram<'a>(columns: &'a [Lane], spread: &'a Lane, information: &'a mut [f64]) -> (),
    |simd| add(simd, columns, spread, information)
);
dispatched!(
    /// The same in single precision, in sums of a block each; `room` is for as many columns.
    pub fn add_gram_in_single<'a>(
        columns: &'a [Lane],
        spread: &'a Lane,
        room: &'a mut [SingleLane],
        information: &'a mut [f64],
    ) -> (),
    |simd| {
        room.iter_mut().zip(columns).for_each(|(to, from)| round_lane(from, to));
        let mut single = [0.0; BLOCK];
        round_lane(spread, &mut single);
        add(simd, room, &single, information);
    }
);

#[inline(always)]
fn add<S: Simd, T: Real>(
    simd: S,
    columns: &[[T; BLOCK]],
    spread: &[T; BLOCK],
    information: &mut [f64],
) {
    let (tiles, rest) = columns.as_chunks::<TILE>();
    let mut last = [[T::default(); BLOCK]; TILE];
    last[..rest.len()].copy_from_slice(rest);
    let tile = |place: usize| tiles.get(place).unwrap_or(&last);
    let (n_tiles, terms) = (columns.len().div_ceil(TILE), columns.len() + 1);
    for first in (0..n_tiles).step_by(2) {
        let own = first..n_tiles.min(first + 2);
        let mut weighted = [[[T::default(); BLOCK]; TILE]; 2];
        for (weighted, row) in weighted.iter_mut().zip(own.clone()) {
            weigh(simd, spread, tile(row), weighted);
        }
        for column in first..n_tiles {
            for (weighted, row) in weighted.iter().zip(own.clone().take_while(|row| *row <= column))
            {
                let sums = products(simd, weighted, tile(column));
                put(&sums, (row * TILE, column * TILE), terms, information);
            }
        }
    }
}

#[inline(always)]
fn weigh<S: Simd, T: Real>(simd: S, spread: &[T; BLOCK], columns: &Tile<T>, into: &mut Tile<T>) {
    let (spread, zero) = (T::vectors::<S>(spread), T::splat(simd, T::default()));
    for (into, column) in into.iter_mut().zip(columns) {
        let products = T::vectors_mut::<S>(into).iter_mut().zip(T::vectors::<S>(column));
        for ((into, x), s) in products.zip(spread) {
            *into = T::mul_add(simd, *s, *x, zero);
        }
    }
}

/// The sums of products of each of these columns with each of those.
#[inline(always)]
fn products<S: Simd, T: Real>(simd: S, down: &Tile<T>, across: &Tile<T>) -> [[f64; TILE]; TILE] {
    if S::REGISTER_COUNT >= MANY_REGISTERS {
        return some_products::<S, T, TILE>(simd, down, across);
    }
    let (halves, _) = down.as_chunks::<{ TILE / 2 }>();
    let mut sums = [[0.0; TILE]; TILE];
    for (sums, half) in sums.chunks_exact_mut(TILE / 2).zip(halves) {
        sums.copy_from_slice(&some_products::<S, T, { TILE / 2 }>(simd, half, across));
    }
    sums
}

#[inline(always)]
fn some_products<S: Simd, T: Real, const R: usize>(
    simd: S,
    down: &[[T; BLOCK]; R],
    across: &Tile<T>,
) -> [[f64; TILE]; R] {
    let length = BLOCK / T::lanes::<S>();
    let mut rows = [T::vectors::<S>(&down[0]); R];
    let mut columns = [T::vectors::<S>(&across[0]); TILE];
    rows.iter_mut().zip(down).for_each(|(row, lane)| *row = &T::vectors::<S>(lane)[..length]);
    columns.iter_mut().zip(across).for_each(|(own, lane)| *own = &T::vectors::<S>(lane)[..length]);
    let mut sums = [[T::splat(simd, T::default()); TILE]; R];
    for i in 0..length {
        for r in 0..R {
            for k in 0..TILE {
                sums[r][k] = T::mul_add(simd, rows[r][i], columns[k][i], sums[r][k]);
            }
        }
    }
    let mut found = [[0.0; TILE]; R];
    for r in 0..R {
        for k in 0..TILE {
            found[r][k] = T::sum(simd, sums[r][k]);
        }
    }
    found
}

/// Add the sums of a tile that starts at these columns, where they belong to the upper triangle.
#[inline(always)]
fn put(
    sums: &[[f64; TILE]; TILE],
    (row, column): (usize, usize),
    terms: usize,
    information: &mut [f64],
) {
    let there = TILE.min(terms - 1 - column);
    for (j, sums) in sums.iter().enumerate().take(terms - 1 - row) {
        let first = (row + j + 1) * terms + column + 1;
        let own = if row == column { j.min(there) } else { 0 };
        let into = &mut information[first + own..first + there];
        into.iter_mut().zip(&sums[own..]).for_each(|(into, sum)| *into += sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gram_is_the_sum_of_products_above_the_diagonal() {
        for n_columns in [1, 4, 7, 8, 18, 21] {
            let lane = |k: usize| std::array::from_fn(|row| ((row * (k + 3)) as f64 * 0.37).sin());
            let columns: Vec<Lane> = (0..n_columns).map(lane).collect();
            let spread: Lane = std::array::from_fn(|row| (row % 4) as f64 / 3.0);
            let terms = n_columns + 1;
            let mut found = vec![1.0; terms * terms];
            let mut single = found.clone();
            add_gram(&columns, &spread, &mut found);
            add_gram_in_single(&columns, &spread, &mut vec![[0.0; BLOCK]; n_columns], &mut single);
            for j in 0..terms {
                for k in 0..terms {
                    let own = |row: usize| columns[j - 1][row] * columns[k - 1][row] * spread[row];
                    let is_there = j > 0 && k >= j;
                    let expected = if is_there { (0..BLOCK).map(own).sum() } else { 0.0 } + 1.0;
                    let place = j * terms + k;
                    assert!((found[place] - expected).abs() < 1e-12, "{n_columns} {j} {k}");
                    assert!((single[place] - expected).abs() < 1e-4, "{n_columns} {j} {k}");
                }
            }
        }
    }
}
