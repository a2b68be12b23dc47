//! Factors: the level of every row, as a code in the smallest type that holds it. A factor stands for a dummy for each
//! of its levels but the first, or, beside a number of every row, for each dummy times the number: a slope for each
//! level. A pass over the rows costs the same however many these are.

use std::sync::Arc;

use ndarray::{Array1, ArrayView1};
use rayon::prelude::*;

use crate::checks;
use crate::design::chunks::CHUNK;
use crate::error::{Error, Result};
use crate::kernels::{BLOCK, LevelLane};

/// The codes of n rows.
#[derive(Debug, Clone)]
enum Codes {
    Bytes(Vec<u8>),
    Words(Vec<u16>),
    Longs(Vec<u32>),
}

/// A factor of n rows.
#[derive(Debug, Clone)]
pub struct Factor {
    codes: Codes,
    n_levels: usize,
    /// What its dummies are multiplied by, row by row; nothing where they are 1.
    values: Option<Arc<[f64]>>,
}

/// What a model has to know of a factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pub n_levels: usize,
    /// Whether its dummies are multiplied by a number.
    pub has_slopes: bool,
}

impl Factor {
    /// Of levels counted from 0, in any type of integers: as many as there are in `n_levels`, or up to the highest.
    ///
    /// # Errors
    /// [`Error::Argument`] for what is none of these levels.
    pub fn new<T: Copy + Ord + Into<i64>>(
        levels: ArrayView1<'_, T>,
        n_levels: Option<usize>,
    ) -> Result<Self> {
        let highest = levels.iter().copied().max().map_or(0, Into::into);
        let needed = usize::try_from(highest).unwrap_or(0) + 1;
        let n_levels = n_levels.unwrap_or(needed);
        let lowest = levels.iter().copied().min().map_or(0, Into::into);
        let beyond = needed > n_levels.min(u32::MAX as usize);
        let amiss = (lowest < 0).then(|| levels.iter().map(|level| (*level).into()));
        let amiss = amiss.and_then(|mut levels| levels.find(|level| *level < 0));
        if let Some(level) = amiss.or(beyond.then_some(highest)) {
            let found = format!("a level of {level}");
            let allowed = "levels counted from 0, none missing, and known where a model was fitted";
            return Err(Error::Argument { name: "factors", found, allowed });
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // just looked at
        let codes = levels.iter().map(|level| (*level).into() as u32);
        Ok(Self::of_codes(codes, n_levels))
    }

    /// Of codes all of which are levels.
    #[must_use]
    pub fn of_codes(codes: impl Iterator<Item = u32>, n_levels: usize) -> Self {
        Self { codes: Codes::of(codes, n_levels), n_levels, values: None }
    }

    /// Of the levels of several.
    ///
    /// # Errors
    /// [`Error::Argument`].
    pub fn all(levels: &[Array1<i64>]) -> Result<Vec<Self>> {
        levels.iter().map(|levels| Self::new(levels.view(), None)).collect()
    }

    /// Of so many rows, all of one level: it has no dummy.
    #[must_use]
    pub fn of_one_level(n_rows: usize) -> Self {
        Self::of_codes(std::iter::repeat_n(0, n_rows), 1)
    }

    /// Its dummies times a number of every row.
    ///
    /// # Errors
    /// [`Error::Length`]; those of [`checks::squarable`].
    pub fn times(self, values: Vec<f64>) -> Result<Self> {
        checks::same_length("numbers of factors", values.len(), self.n_rows())?;
        checks::squarable("factors", &values)?;
        Ok(Self { values: Some(values.into()), ..self })
    }

    /// What its dummies are multiplied by, where that is not 1.
    #[must_use]
    pub fn values(&self) -> Option<&Arc<[f64]>> {
        self.values.as_ref()
    }

    /// What a row's dummy is multiplied by.
    #[must_use]
    pub fn value(&self, row: usize) -> f64 {
        self.values.as_ref().map_or(1.0, |values| values[row])
    }

    #[must_use]
    pub fn shape(&self) -> Shape {
        Shape { n_levels: self.n_levels, has_slopes: self.values.is_some() }
    }

    #[must_use]
    pub fn n_levels(&self) -> usize {
        self.n_levels
    }

    #[must_use]
    pub fn n_rows(&self) -> usize {
        match &self.codes {
            Codes::Bytes(codes) => codes.len(),
            Codes::Words(codes) => codes.len(),
            Codes::Longs(codes) => codes.len(),
        }
    }

    #[must_use]
    pub fn level(&self, row: usize) -> usize {
        match &self.codes {
            Codes::Bytes(codes) => usize::from(codes[row]),
            Codes::Words(codes) => usize::from(codes[row]),
            Codes::Longs(codes) => codes[row] as usize,
        }
    }

    /// The levels of the block that starts at row `start`, padded with the first.
    pub fn load(&self, start: usize, lane: &mut LevelLane) {
        fn fill<T: Copy + Into<u32>>(codes: &[T], start: usize, lane: &mut LevelLane) {
            let codes = &codes[start..codes.len().min(start + BLOCK)];
            let (filled, padding) = lane.split_at_mut(codes.len());
            filled.iter_mut().zip(codes).for_each(|(slot, code)| *slot = (*code).into());
            padding.fill(0);
        }
        match &self.codes {
            Codes::Bytes(codes) => fill(codes, start, lane),
            Codes::Words(codes) => fill(codes, start, lane),
            Codes::Longs(codes) => fill(codes, start, lane),
        }
    }

    /// The same rows with level k called `number[k]`.
    #[must_use]
    pub fn renumbered(&self, number: &[u32]) -> Self {
        let n_levels = number.iter().max().map_or(0, |most| *most as usize) + 1;
        let codes = (0..self.n_rows()).map(|row| number[self.level(row)]);
        Self { values: self.values.clone(), ..Self::of_codes(codes, n_levels) }
    }

    /// Some of its rows; it keeps its levels.
    #[must_use]
    pub fn taken(&self, rows: &[usize]) -> Self {
        #[allow(clippy::cast_possible_truncation)] // it was no more before
        let codes = rows.iter().map(|row| self.level(*row) as u32);
        let own = |values: &Arc<[f64]>| rows.iter().map(|row| values[*row]).collect();
        let values = self.values.as_ref().map(own);
        Self { values, ..Self::of_codes(codes, self.n_levels) }
    }

    /// Whether the rows of each level that are there are treated all, or none; `None` of levels with both, and of those
    /// without rows.
    #[must_use]
    pub fn lone_levels(
        &self,
        treatment: &[bool],
        sample_weight: Option<&[f64]>,
    ) -> Vec<Option<bool>> {
        fn see<T: Copy + Into<u32>>(codes: &[T], arms: impl Iterator<Item = u8>, seen: &mut [u8]) {
            codes.iter().zip(arms).for_each(|(code, arm)| seen[(*code).into() as usize] |= arm);
        }
        let weights = sample_weight.into_iter().flatten().map(|weight| *weight > 0.0);
        let there = weights.chain(std::iter::repeat(true));
        let arm = |(treated, is_there): (&bool, bool)| {
            u8::from(is_there) << u8::from(*treated) // 1 is control, 2 is treated
        };
        let (arms, mut seen) = (treatment.iter().zip(there).map(arm), vec![0; self.n_levels]);
        match &self.codes {
            Codes::Bytes(codes) => see(codes, arms, &mut seen),
            Codes::Words(codes) => see(codes, arms, &mut seen),
            Codes::Longs(codes) => see(codes, arms, &mut seen),
        }
        seen.iter().map(|arms| [None, Some(false), Some(true), None][usize::from(*arms)]).collect()
    }

    /// How many rows of each level are there: those of weight 0 are not.
    #[must_use]
    pub fn counts(&self, sample_weight: Option<&[f64]>) -> Vec<f64> {
        let chunk = |first: usize| {
            let mut counts = vec![0_u32; self.n_levels];
            for row in first..self.n_rows().min(first + CHUNK) {
                let is_there = sample_weight.is_none_or(|weight| weight[row] > 0.0);
                counts[self.level(row)] += u32::from(is_there);
            }
            counts
        };
        // A piece for each thread would do; many levels and few rows of each are counted in one go.
        if self.n_levels > CHUNK / 4 {
            let mut counts = vec![0.0; self.n_levels];
            for row in 0..self.n_rows() {
                let is_there = sample_weight.is_none_or(|weight| weight[row] > 0.0);
                counts[self.level(row)] += f64::from(u8::from(is_there));
            }
            return counts;
        }
        let chunks: Vec<Vec<u32>> = (0..self.n_rows().div_ceil(CHUNK))
            .into_par_iter()
            .map(|index| chunk(index * CHUNK))
            .collect();
        let total = |level: usize| chunks.iter().map(|one| f64::from(one[level])).sum();
        (0..self.n_levels).map(total).collect()
    }
}

impl Codes {
    #[allow(clippy::cast_possible_truncation)] // chosen so that none is
    fn of(codes: impl Iterator<Item = u32>, n_levels: usize) -> Self {
        if n_levels <= 1 << 8 {
            Self::Bytes(codes.map(|code| code as u8).collect())
        } else if n_levels <= 1 << 16 {
            Self::Words(codes.map(|code| code as u16).collect())
        } else {
            Self::Longs(codes.collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_any_width_are_read_back() {
        for n_levels in [2_i64, 256, 257, 65_536, 65_537] {
            let levels = Array1::from_iter((0..700_i64).map(|row| (row * 7_919 + 1) % n_levels));
            let factor = Factor::new(levels.view(), None).unwrap();
            let found = (0..700).map(|row| i64::try_from(factor.level(row)).unwrap());
            assert!(found.eq(levels.iter().copied()));
            let mut lane = [9; BLOCK];
            factor.load(2 * BLOCK, &mut lane);
            let expected = |slot: usize| levels.get(2 * BLOCK + slot).copied().unwrap_or(0);
            assert!((0..BLOCK).all(|slot| i64::from(lane[slot]) == expected(slot)));
        }
    }

    #[test]
    fn counts_are_those_of_the_rows_that_are_there() {
        let levels = Array1::from(vec![0, 2, 2, 3, 0]);
        let factor = Factor::new(levels.view(), None).unwrap();
        assert_eq!(factor.counts(None), [2.0, 0.0, 2.0, 1.0]);
        assert_eq!(factor.counts(Some(&[1.0, 0.0, 0.5, 2.0, 0.0])), [1.0, 0.0, 1.0, 1.0]);
        assert_eq!(factor.renumbered(&[0, 0, 0, 1]).counts(None), [4.0, 1.0]);
    }

    #[test]
    fn lone_levels_have_rows_of_one_arm_alone() {
        let factor = Factor::new(Array1::from(vec![0_i8, 2, 2, 3, 0]).view(), Some(5)).unwrap();
        let treatment = [true, true, false, false, true];
        let expected = [Some(true), None, None, Some(false), None];
        assert_eq!(factor.lone_levels(&treatment, None), expected);
        let weight = [0.5, 1.0, 0.0, 0.0, 2.0];
        let expected = [Some(true), None, Some(true), None, None];
        assert_eq!(factor.lone_levels(&treatment, Some(&weight)), expected);
    }

    #[test]
    fn levels_below_zero_or_unknown_are_refused() {
        let levels = Array1::from(vec![0, -1, 2]);
        assert!(Factor::new(levels.view(), None).is_err());
        let levels = Array1::from(vec![0, 1, 2]);
        assert!(Factor::new(levels.view(), Some(2)).is_err());
    }
}
