//! The effect of nearest neighbours on more units than a cache holds: they are dropped into bands of near values, each of
//! which fits there, and then sorted and searched band by band. What stands in memory is read and written in runs.

use std::ops::Range;

use super::bits::for_each;
use super::bucket_sort::{Buckets, FEW, PADDING, move_past_greater};
use super::neighbors::Search;
use super::sorted_donors::{Beside, Gap, Near};
use super::spec::NearestSpec;
use crate::bands::Bands;
use crate::error::{Error, Result};
use crate::kernels::{BLOCK, Lane, Tallies, positive};
use crate::moments::Moments;
use crate::monitor::Monitor;
use crate::units::tally::Units;

/// The rows that a unit has in an arm, the sum of their outcomes, and where the unit stands.
#[derive(Debug, Clone, Copy)]
struct Drawn {
    value: f64,
    rows: f64,
    outcome: f64,
}

/// What a row takes at most while a resample is matched: two of three are drawn, into vectors that may be half empty, and then
/// sorted.
pub const BYTES_A_ROW: usize = 48;

/// Units of a resample to be matched; kept from one to the next for its memory.
#[derive(Debug, Default)]
pub struct BandedLine {
    /// By arm, control first, and band.
    drawn: [Vec<Vec<Drawn>>; 2],
    donors: SortedBands,
}

impl BandedLine {
    /// As [`super::Line::means`], of units whose values `values_of` writes: those from a unit on.
    ///
    /// # Errors
    /// Those of [`super::Line::effect`].
    pub fn means<U: Units>(
        &mut self,
        bands: &Bands,
        values_of: impl Fn(usize, &mut [f64]),
        units: &U,
        spec: &NearestSpec,
        monitor: &Monitor,
    ) -> Result<[f64; 2]> {
        let wants_spread = spec.caliper.is_some();
        let spread = self.fill(bands, values_of, units, wants_spread, monitor)?;
        let search = Search::new(spec, spec.width_of(&spread));
        let mut sums = [Gap::default(); 2];
        for focal in [false, true].into_iter().filter(|arm| spec.focal.includes(*arm)) {
            let (own, other) = (usize::from(focal), usize::from(!focal));
            let Self { drawn, donors } = self;
            let [found, theirs] = donors.found_by(&drawn[own], &drawn[other], search, monitor)?;
            sums[own].add(found);
            sums[other].add(theirs);
        }
        let rows = sums[0].rows;
        if rows > 0.0 {
            Ok(sums.map(|arm| arm.sum / rows))
        } else {
            Err(Error::NoMatches { caliper_width: search.reach })
        }
    }

    /// Drop the units that have rows into their bands; gives the moments of all rows' values, where they are wanted.
    fn fill<U: Units>(
        &mut self,
        bands: &Bands,
        values_of: impl Fn(usize, &mut [f64]),
        units: &U,
        wants_spread: bool,
        monitor: &Monitor,
    ) -> Result<Moments> {
        for arm in &mut self.drawn {
            arm.resize_with(bands.sizes().len(), Vec::new);
            arm.iter_mut().for_each(Vec::clear);
        }
        let mut spread = Moments::default();
        let (mut values, mut room) = (vec![0.0; STRETCH], Box::new(Tallies::EMPTY));
        for start in (0..units.len()).step_by(STRETCH) {
            monitor.check()?;
            let values = &mut values[..STRETCH.min(units.len() - start)];
            values_of(start, values);
            for (block, values) in values.chunks(BLOCK).enumerate() {
                let tallies = units.block(start + block * BLOCK, true, &mut room);
                self.drop_block(bands, values, tallies);
                if wants_spread {
                    let [control, treated] = &tallies.rows;
                    let rows: Lane = std::array::from_fn(|slot| control[slot] + treated[slot]);
                    spread.add(values, &rows[..values.len()]);
                }
            }
        }
        Ok(spread)
    }

    fn drop_block(&mut self, bands: &Bands, values: &[f64], tallies: &Tallies) {
        let Tallies { rows, outcome } = tallies;
        for ((drawn, rows), outcome) in self.drawn.iter_mut().zip(rows).zip(outcome) {
            for_each(&positive(rows), |slot| {
                let (value, rows, outcome) = (values[slot], rows[slot], outcome[slot]);
                drawn[bands.band(value)].push(Drawn { value, rows, outcome });
            });
        }
    }
}

/// Units whose values stay in the nearest cache until they are dropped.
const STRETCH: usize = 8 * BLOCK;

/// Donors in the order of their values, and where those of each band stand; kept for its memory.
#[derive(Debug, Default)]
struct SortedBands {
    /// Ascending, behind [`PADDING`] that are infinitely low and before as many infinitely high.
    values: Vec<f64>,
    /// Their rows, and the sums of these rows' outcomes.
    rows: Vec<(f64, f64)>,
    /// Of each band, into what buckets it was dropped, and where among `begins` theirs are.
    buckets: Vec<(Buckets, usize)>,
    /// Where the places of each bucket begin; and where those of the last of a band end.
    begins: Vec<u32>,
}

impl SortedBands {
    /// What the focal units find: their own rows that found any, and what these found. A band's search while it and the
    /// next are in the cache; those who may have donors farther off wait until all are sorted.
    fn found_by(
        &mut self,
        focal: &[Vec<Drawn>],
        donors: &[Vec<Drawn>],
        search: Search,
        monitor: &Monitor,
    ) -> Result<[Gap; 2]> {
        self.clear(donors.iter().map(Vec::len).sum());
        let (mut found, mut waiting) = ([Gap::default(); 2], Vec::new());
        for band in 0..=donors.len() {
            monitor.check()?;
            if let Some(own) = donors.get(band) {
                self.append(own);
            }
            if let Some(before) = band.checked_sub(1) {
                let greatest = self.greatest();
                self.search(&focal[before], before, search, |one, own, donors, reach| {
                    if one.value + reach < greatest {
                        found[0].add(own);
                        found[1].add(donors);
                    } else {
                        waiting.push((before, *one));
                    }
                });
            }
        }
        for (band, one) in &waiting {
            self.search(std::slice::from_ref(one), *band, search, |_, own, donors, _| {
                found[0].add(own);
                found[1].add(donors);
            });
        }
        Ok(found)
    }

    /// With room for so many donors, and no more than that.
    fn clear(&mut self, n_donors: usize) {
        self.values.clear();
        self.values.reserve_exact(n_donors + 2 * PADDING);
        self.values.resize(PADDING, f64::NEG_INFINITY);
        self.values.resize(2 * PADDING, f64::INFINITY);
        self.rows.clear();
        self.rows.reserve_exact(n_donors);
        self.buckets.clear();
        self.begins.clear();
    }

    /// The last donor's value that is sorted yet.
    fn greatest(&self) -> f64 {
        self.values[PADDING + self.rows.len() - 1]
    }

    /// Sort a band by as many buckets of equal width as it has donors.
    #[allow(clippy::cast_possible_truncation)] // units are numbered in u32
    fn append(&mut self, band: &[Drawn]) {
        let Self { values, rows, buckets: all, begins } = self;
        let (from, first) = (rows.len(), begins.len());
        let [low, high] =
            band.iter().fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], one| {
                [
                    if one.value < low { one.value } else { low },
                    if one.value > high { one.value } else { high },
                ]
            });
        let buckets = Buckets::between([low, high], band.len());

        // 1. How many each bucket holds; then where it begins.
        begins.resize(first + band.len().max(1) + 1, 0);
        begins[first] = from as u32;
        let next = &mut begins[first + 1..];
        for one in band {
            next[buckets.of(one.value)] += 1;
        }
        let (mut place, mut most) = (from as u32, 0);
        for count in next.iter_mut() {
            most = most.max(*count);
            place = place.wrapping_add(std::mem::replace(count, place)); // no more than there are units
        }

        // 2. Each donor to its bucket's next place; a bucket then ends where the one after it begins.
        rows.resize(from + band.len(), (0.0, 0.0));
        values.resize(2 * PADDING + from + band.len(), f64::INFINITY);
        let places = &mut values[PADDING..][..rows.len()];
        for one in band {
            let slot = &mut next[buckets.of(one.value)];
            rows[*slot as usize] = (one.rows, one.outcome);
            places[*slot as usize] = one.value;
            *slot = slot.wrapping_add(1);
        }

        // 3. Within the buckets.
        if most > FEW {
            for ends in begins[first..].windows(2).filter(|ends| ends[1] - ends[0] > FEW) {
                let crowd = ends[0] as usize..ends[1] as usize;
                sort_crowd(&mut rows[crowd.clone()], &mut places[crowd]);
            }
        }
        move_past_greater(&mut rows[from..], &mut places[from..]);
        all.push((buckets, first));
    }

    /// Let the focal units of a band search among what is sorted: tells of each its rows, and as many of its donors', none
    /// where it found none, and how far it looked.
    fn search(
        &self,
        focal: &[Drawn],
        band: usize,
        search: Search,
        mut tell: impl FnMut(&Drawn, Gap, Gap, f64),
    ) {
        let donors =
            Beside { values: &self.values, search, donor: |place: usize| self.rows[place] };
        for one in focal {
            let Near { rows, outcome, reach } =
                donors.around(one.value, self.among(one.value, band));
            let own = if rows > 0.0 { one.rows } else { 0.0 };
            let mean = if rows > 0.0 { outcome / rows } else { 0.0 };
            let outcome = if rows > 0.0 { one.outcome } else { 0.0 };
            tell(one, Gap { rows: own, sum: outcome }, Gap { rows: own, sum: own * mean }, reach);
        }
    }

    /// The places that a value of a band falls among.
    #[inline]
    fn among(&self, value: f64, band: usize) -> Range<usize> {
        let (buckets, first) = &self.buckets[band];
        let bucket = first + buckets.of(buckets.nearest_inside(value));
        self.begins[bucket] as usize..self.begins[bucket + 1] as usize
    }
}

/// Sort the many that share a bucket, equal ones as they come.
#[cold]
fn sort_crowd(rows: &mut [(f64, f64)], values: &mut [f64]) {
    let mut crowd: Vec<_> = values.iter().copied().zip(rows.iter().copied()).collect();
    crowd.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (place, (value, own)) in crowd.into_iter().enumerate() {
        (values[place], rows[place]) = (value, own);
    }
}
