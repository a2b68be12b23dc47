//! The effect of nearest neighbours on a resample, whose units mostly lie in the order of their values.

use super::adjacent::Adjacent;
use super::ascent::Ascent;
use super::bits::for_each;
use super::neighbors::Search;
use super::sorted_donors::{Gap, SortedDonors};
use super::spec::NearestSpec;
use crate::error::{Error, Result};
use crate::kernels::{BLOCK, Tallies};
use crate::monitor::Monitor;
use crate::units::one_arm::OneArm;
use crate::units::tally::Units;

/// Units to be matched; kept from one resample to the next for its memory.
#[derive(Debug, Default)]
pub struct Line {
    /// Which units have rows, control first.
    present: [Vec<u64>; 2],
    /// Units of the focal arm that have no company, or none that is sure to be all.
    seeking: Vec<u64>,
    ascent: Ascent,
    sorted: SortedDonors,
}

impl Line {
    /// The effect on the focal units of a resample: the mean over their matched rows of the difference to
    /// the mean of their donors, treated minus control.
    ///
    /// # Errors
    /// [`Error::NoMatches`] where nobody has a donor within the caliper, [`Error::Stopped`].
    pub fn effect<U: Units>(
        &mut self,
        values: &[f64],
        units: &U,
        spec: &NearestSpec,
        monitor: &Monitor,
    ) -> Result<f64> {
        let search = Search::new(spec, spec.width(values, units));
        let in_order = spec.n_neighbors == 1 && self.ascent.look(values);
        let mut all = Gap::default();
        for focal in [false, true].into_iter().filter(|arm| spec.focal.includes(*arm)) {
            let gap = if in_order {
                self.gap_in_order((values, units), focal, search.reach, monitor)?
            } else {
                self.sorted.gap((values, units), focal, search, monitor)?
            };
            all.rows += gap.rows;
            all.sum += gap.sum;
        }
        if all.rows > 0.0 {
            Ok(all.sum / all.rows)
        } else {
            Err(Error::NoMatches { caliper_width: search.reach })
        }
    }

    /// The means of the matched rows of both arms, control first, whose difference is the effect.
    ///
    /// # Errors
    /// Those of [`Self::effect`].
    pub fn means<U: Units>(
        &mut self,
        values: &[f64],
        units: &U,
        spec: &NearestSpec,
        monitor: &Monitor,
    ) -> Result<[f64; 2]> {
        let treated = self.effect(values, &OneArm { units, arm: true }, spec, monitor)?;
        Ok([-self.effect(values, &OneArm { units, arm: false }, spec, monitor)?, treated])
    }

    /// What the units of the focal arm find: a donor is the unit's own other arm, or beside it.
    fn gap_in_order<U: Units>(
        &mut self,
        (values, units): (&[f64], &U),
        focal: bool,
        width: f64,
        monitor: &Monitor,
    ) -> Result<Gap> {
        let mut gap = self.company(units, focal);
        let Self { present, seeking, ascent, .. } = self;
        let [control, treated] = &*present;
        let (own, donors) = if focal { (treated, control) } else { (control, treated) };
        seeking.clear();
        seeking.extend(own.iter().zip(donors).map(|(own, donors)| own & !donors));
        let adjacent = Adjacent { values, units, ascent, donors, donor: !focal, width };
        let mut take = |unit, mean, times: f64| {
            let (rows, outcome) = units.arm_there(unit, focal);
            gap.rows += times * rows;
            gap.sum += times * (outcome - rows * mean);
        };
        adjacent.each(seeking, monitor, |unit, mean| take(unit, mean, 1.0))?;
        for (word, close) in ascent.close().into_iter().flatten().enumerate() {
            for_each(&[close & own[word] & donors[word]], |bit| {
                // Others tie with its company: all of them in place of that.
                let unit = 64 * word + bit;
                let (rows, outcome) = units.arm_there(unit, !focal);
                take(unit, outcome / rows, -1.0);
                if let Some(mean) = adjacent.mean_of_close(unit) {
                    take(unit, mean, 1.0);
                }
            });
        }
        if !focal {
            gap.sum = -gap.sum;
        }
        Ok(gap)
    }

    /// Note who is there; gives what those find who have company.
    fn company<U: Units>(&mut self, units: &U, focal: bool) -> Gap {
        let mut room = Box::new(Tallies::EMPTY);
        self.present.iter_mut().for_each(Vec::clear);
        let mut gap = Gap::default();
        for start in (0..units.len()).step_by(BLOCK) {
            let found = units.company(start, focal, &mut room);
            gap.rows += found.rows;
            gap.sum += found.gap;
            self.present.iter_mut().zip(&found.present).for_each(|(all, own)| all.extend(own));
        }
        gap
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bands::Bands;
    use crate::matching::bands::BandedLine;
    use crate::matching::caliper::TIE;
    use crate::matching::spec::{Focal, Quantity};
    use crate::resampling::stream::Stream;
    use crate::units::sorted_rows::SortedRows;
    use crate::units::tally::{Outcomes, Totals};
    use crate::weighting::estimand::Estimand;

    fn spec(focal: Focal, caliper: Option<f64>) -> NearestSpec {
        NearestSpec {
            focal,
            n_neighbors: 1,
            caliper,
            quantity: Quantity::Score,
            variance_neighbors: 1,
        }
    }

    /// Every focal unit is held against every donor.
    fn plain<U: Units>(values: &[f64], units: &U, spec: &NearestSpec) -> Option<f64> {
        let width = Search::new(spec, spec.width(values, units)).reach;
        let mut all = Gap::default();
        for focal in [false, true].into_iter().filter(|arm| spec.focal.includes(*arm)) {
            let of_arm = |arm| (0..units.len()).filter(move |unit| units.arm(*unit, arm).0 > 0.0);
            for unit in of_arm(focal) {
                let distance = |donor: &usize| (values[*donor] - values[unit]).abs();
                let nearest =
                    of_arm(!focal).map(|donor| distance(&donor)).fold(f64::INFINITY, f64::min);
                if nearest > width || nearest.is_infinite() {
                    continue;
                }
                let limit = (nearest + TIE).min(width);
                let (donors, donated) = of_arm(!focal)
                    .filter(|donor| distance(donor) <= limit)
                    .map(|donor| units.arm(donor, !focal))
                    .fold((0.0, 0.0), |(rows, sum), (n, y)| (rows + n, sum + y));
                let (rows, outcome) = units.arm(unit, focal);
                let gap = outcome - rows * donated / donors;
                all.rows += rows;
                all.sum += if focal { gap } else { -gap };
            }
        }
        (all.rows > 0.0).then(|| all.sum / all.rows)
    }

    /// Values of all kinds, ascending but for the last.
    fn values(n: usize) -> Vec<Vec<f64>> {
        let mut stream = Stream::new(4, 0);
        let mut sorted = |value: &mut dyn FnMut(usize, f64) -> f64| {
            let mut values: Vec<f64> = (0..n).map(|i| value(i, stream.exponential())).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let spread = sorted(&mut |_, e| e);
        let grid = sorted(&mut |_, e| (4.0 * e).floor());
        let close = sorted(&mut |_, e| 3e-13 * (f64::from(8_u8) * e).floor());
        let apart = sorted(&mut |i, e| (i / 7) as f64 + 4e-13 * (2.0 * e).floor());
        let huge = sorted(&mut |i, e| (90.0 * e * f64::from(u8::from(i % 2 == 0))).exp());
        let tiny = sorted(&mut |_, e| (-700.0 * e).exp());
        let mut swapped = spread.clone();
        swapped.swap(n / 3, n / 2);
        vec![spread, grid, close, apart, huge, tiny, vec![0.25; n], swapped]
    }

    /// Every `one_in` units one with rows of an arm, at least one of them.
    fn totals(n: usize, one_in: [usize; 2]) -> Totals {
        let (mut stream, mut totals) = (Stream::new(5, n), Totals::default());
        totals.clear(n);
        for unit in 0..n {
            for arm in [false, true] {
                let each = one_in[usize::from(arm)];
                if stream.below(each) == 0 || unit == n / 2 + usize::from(arm) {
                    let rows = 1.0 + stream.below(3) as f64;
                    totals.add(unit, arm, rows, rows * stream.exponential());
                }
            }
        }
        totals
    }

    fn check<U: Units>(values: &[f64], units: &U) {
        let mut line = Line::default();
        check_bands(values, units);
        for focal in [Focal::Treated, Focal::Control, Focal::Both] {
            for caliper in [None, Some(0.1), Some(1e-12)] {
                let spec = spec(focal, caliper);
                let found = line.effect(values, units, &spec, &Monitor::default());
                match (found, plain(values, units, &spec)) {
                    (Ok(found), Some(expected)) => {
                        assert!((found - expected).abs() < 1e-11, "{found} {expected} {spec:?}");
                    }
                    (Err(Error::NoMatches { .. }), None) => {}
                    other => panic!("{other:?} {spec:?}"),
                }
            }
        }
    }

    /// In bands of few units each, and with several neighbours, they find the same.
    fn check_bands<U: Units>(values: &[f64], units: &U) {
        let (monitor, mut line, mut banded) =
            (Monitor::default(), Line::default(), BandedLine::default());
        let values_of = |start: usize, own: &mut [f64]| {
            own.copy_from_slice(&values[start..][..own.len()]);
        };
        for focal in [Focal::Treated, Focal::Control, Focal::Both] {
            for (n_neighbors, caliper) in [(1, None), (1, Some(0.1)), (3, None), (2, Some(0.01))] {
                let spec = NearestSpec { n_neighbors, ..spec(focal, caliper) };
                let expected = line.means(values, units, &spec, &monitor);
                for size in [1, 40, values.len()] {
                    let bands = Bands::of_size(values, size);
                    let found = banded.means(&bands, values_of, units, &spec, &monitor);
                    match (&found, &expected) {
                        (Ok(found), Ok(expected)) => {
                            for (found, expected) in found.iter().zip(expected) {
                                assert!((found - expected).abs() < 1e-11, "{spec:?} {size}");
                            }
                        }
                        (Err(Error::NoMatches { .. }), Err(Error::NoMatches { .. })) => {}
                        other => panic!("{other:?} {spec:?}"),
                    }
                }
            }
        }
    }

    #[test]
    fn effect_agrees_with_a_plain_loop_on_units_of_both_arms() {
        for n in [3, 65, 300] {
            for values in values(n) {
                for one_in in [[2, 2], [5, 1], [n, 1], [1, n], [n, n]] {
                    check(&values, &totals(n, one_in));
                }
            }
        }
    }

    #[test]
    fn effect_agrees_with_a_plain_loop_on_rows_that_are_counted() {
        let n = 300;
        for values in values(n) {
            for treated in [2, 5, n] {
                let mut stream = Stream::new(6, treated);
                let treatment: Vec<bool> =
                    (0..n).map(|row| stream.below(treated) == 0 || row == 9).collect();
                let outcome: Vec<f64> = (0..n).map(|_| stream.exponential()).collect();
                let counts: Vec<u8> = (0..n)
                    .map(|row| (0..=3).nth(stream.below(4)).unwrap_or(0).max(u8::from(row == 9)))
                    .collect();
                let rows = Outcomes::<u32> {
                    treatment: &treatment,
                    outcome: &outcome,
                    sample_weight: None,
                    counts: None,
                };
                let mut order = values.clone();
                order.sort_by(f64::total_cmp);
                let mut places: Vec<u32> = (0..).take(n).collect();
                places.sort_by(|a, b| values[*a as usize].total_cmp(&values[*b as usize]));
                let sorted = SortedRows::in_order(&places, &rows);
                check(&order, &sorted.counted(&counts));
                // Scores of a replicate lie in nearly this order.
                check(&values, &sorted.counted(&counts));
            }
        }
    }

    #[test]
    fn effect_of_nobody_is_an_error() {
        let mut totals = Totals::default();
        totals.clear(5);
        totals.add(2, true, 1.0, 1.0);
        let spec = spec(Focal::Treated, None);
        let found =
            Line::default().effect(&[0.1, 0.2, 0.3, 0.4, 0.5], &totals, &spec, &Monitor::default());
        assert!(matches!(found, Err(Error::NoMatches { .. })));
        assert_eq!(spec.focal.estimand(), Estimand::Att);
    }
}
