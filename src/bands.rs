//! Values split into bands, each of near values and small enough for a cache: what is sorted or looked up band by band
//! never waits for memory.

use std::ops::Range;

use crate::kernels::{BLOCK, extremes};

/// Values in a band: with what goes with each of them they take a fourth of a second-level cache of 1 MiB.
const BAND: usize = 1 << 14;

/// Cells of equal width that bands are made of; a table of them leaves room in the nearest cache.
const CELLS: usize = 1 << 13;

/// Where values are split: into bands of about as many each, one equal to another always in the same. Resamples of the
/// values then have about as many in each, too.
#[derive(Debug, Clone)]
pub struct Bands {
    low: f64,
    per_width: f64,
    /// The band of each cell, ascending.
    band_of: Vec<u16>,
    /// How many values each has.
    sizes: Vec<usize>,
}

impl Bands {
    /// Of finite values.
    #[must_use]
    pub fn of<T: Copy + Into<f64>>(values: &[T]) -> Self {
        // No fewer values to a band than would make more of them than 16 bits number.
        Self::of_size(values, BAND.max(values.len() / usize::from(u16::MAX)))
    }

    /// Of no fewer values than so many each, but for the last.
    pub fn of_size<T: Copy + Into<f64>>(values: &[T], size: usize) -> Self {
        let [low, high] = range(values);
        let per_width = if high > low { CELLS as f64 / (high - low) } else { 0.0 };
        let mut bands = Self { low, per_width, band_of: Vec::new(), sizes: vec![0] };
        let mut counts = vec![0; CELLS];
        for value in values {
            counts[bands.cell((*value).into())] += 1;
        }
        let mut band = 0;
        for count in counts {
            if bands.sizes[usize::from(band)] >= size {
                band += 1;
                bands.sizes.push(0);
            }
            bands.sizes[usize::from(band)] += count;
            bands.band_of.push(band);
        }
        bands
    }

    /// How many values each band has; the last may have none.
    #[must_use]
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// Where the values of each band stand once they are put together by band.
    pub fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        self.sizes.iter().scan(0, |end, size| {
            *end += size;
            Some(*end - size..*end)
        })
    }

    /// Never descending in the value; a conversion takes what lies outside, and what is no number, to an end.
    #[inline]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates
    fn cell(&self, value: f64) -> usize {
        (((value - self.low) * self.per_width) as usize).min(CELLS - 1)
    }

    /// The band of a value.
    #[inline]
    #[must_use]
    pub fn band(&self, value: f64) -> usize {
        usize::from(self.band_of[self.cell(value)])
    }
}

fn range<T: Copy + Into<f64>>(values: &[T]) -> [f64; 2] {
    let mut room = [0.0; BLOCK];
    let ends = [f64::INFINITY, f64::NEG_INFINITY];
    values.chunks(BLOCK).fold(ends, |[low, high], some| {
        room.iter_mut().zip(some).for_each(|(slot, value)| *slot = (*value).into());
        let [least, greatest] = extremes(&room[..some.len()]);
        [low.min(least), high.max(greatest)]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_hold_near_values_and_about_as_many_each() {
        let waves: Vec<f64> = (0..5000).map(|i| (f64::from(i) * 0.7).sin()).collect();
        let far: Vec<f64> = waves.iter().map(|x| x.powi(41) * 1e300).collect();
        for values in [waves, far, vec![-f64::MAX, f64::MAX, 0.0], vec![3.0; 900], vec![]] {
            let bands = Bands::of_size(&values, 300);
            let mut sizes = vec![0; bands.sizes().len()];
            for value in &values {
                sizes[bands.band(*value)] += 1;
            }
            assert_eq!(sizes, bands.sizes());
            assert!(sizes.iter().rev().skip(1).all(|size| *size >= 300));
            let mut ascending = values.clone();
            ascending.sort_by(f64::total_cmp);
            assert!(ascending.windows(2).all(|pair| bands.band(pair[0]) <= bands.band(pair[1])));
        }
    }

    #[test]
    #[allow(clippy::cast_possible_truncation)] // on purpose
    fn bands_of_singles_are_those_of_their_values() {
        let singles: Vec<f32> = (0..3000).map(|i| (i as f32 * 0.3).cos()).collect();
        let doubles: Vec<f64> = singles.iter().map(|x| f64::from(*x)).collect();
        let (of_singles, of_doubles) =
            (Bands::of_size(&singles, 100), Bands::of_size(&doubles, 100));
        assert_eq!(of_singles.sizes(), of_doubles.sizes());
    }
}
