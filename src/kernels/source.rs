//! Where passes get their columns from: standardized, block by block, in double precision or in single.

#![allow(clippy::inline_always)] // inlining carries the wider instruction set into the loop

use pulp::{Simd, WithSimd};

use super::instructions::dispatch;
use super::{BLOCK, Lane};

/// One value in single precision for each row of a block.
pub type RoughLane = [f32; BLOCK];

/// Standardized columns, block by block.
pub trait Source: Sync {
    /// The columns of a block, lent or in `room`.
    fn columns<'a>(&'a self, index: usize, room: &'a mut Room) -> &'a [Lane];

    /// The same in single precision.
    fn rough_columns<'a>(&'a self, index: usize, room: &'a mut Room) -> &'a [RoughLane];
}

/// Room for the columns of a block.
#[derive(Debug, Clone)]
pub struct Room {
    pub columns: Vec<Lane>,
    pub rough: Vec<RoughLane>,
}

impl Room {
    #[must_use]
    pub fn new(n_columns: usize) -> Self {
        Self { columns: vec![[0.0; BLOCK]; n_columns], rough: vec![[0.0; BLOCK]; n_columns] }
    }

    /// Round what `columns` holds.
    pub fn round(&mut self) -> &[RoughLane] {
        self.rough.iter_mut().zip(&self.columns).for_each(|(to, from)| *to = round(from));
        &self.rough
    }
}

/// A column in single precision.
#[must_use]
pub fn round(lane: &Lane) -> RoughLane {
    dispatch(Round(lane))
}

struct Round<'a>(&'a Lane);

impl WithSimd for Round<'_> {
    type Output = RoughLane;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> RoughLane {
        let mut rounded = [0.0; BLOCK];
        round_lane(self.0, &mut rounded);
        rounded
    }
}

#[inline(always)]
#[allow(clippy::cast_possible_truncation)] // on purpose
pub(super) fn round_lane(from: &Lane, to: &mut RoughLane) {
    for row in 0..BLOCK {
        to[row] = from[row] as f32;
    }
}
