//! Where the scores of both arms lie, and what weighting by them would rest on: all of it from the scores of either arm in
//! order, for in an arm weights only rise, or only fall, with the score, whomever the effect is for.

use rayon::prelude::*;

use crate::checks;
use crate::design::chunks::CHUNK;
use crate::error::Result;
use crate::weighting::estimand::Estimand;

/// Whom effects may be for, in the order that sums are given in.
pub const ESTIMANDS: [Estimand; 5] =
    [Estimand::Ate, Estimand::Att, Estimand::Atc, Estimand::Ato, Estimand::Atm];

/// The scores of both arms, controls first where there is one for each.
#[derive(Debug, Clone)]
pub struct Overlap {
    /// Ascending.
    pub scores: [Vec<f64>; 2],
    /// The largest distance of the arms' distribution functions (Kolmogorov and Smirnov); 0 where an arm is empty.
    pub ks: f64,
    /// By estimand: what the weights of either arm come to.
    pub weights: Vec<[WeightSums; 2]>,
}

/// Sums of an arm's balancing weights.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct WeightSums {
    pub total: f64,
    pub squares: f64,
    pub largest: f64,
    /// What the heaviest hundredth of the rows weighs together, a part of a row counting as one.
    pub heaviest: f64,
}

/// Put the scores of both arms in order, and sum up what they weigh.
///
/// # Errors
/// Lengths that differ, scores outside (0, 1).
pub fn overlap(scores: &[f64], treatment: &[bool]) -> Result<Overlap> {
    checks::same_length("treatment", treatment.len(), scores.len())?;
    checks::scores(scores)?;
    let [control, treated] = in_order(scores, treatment);
    let ks = largest_distance(&control, &treated);
    let weights =
        ESTIMANDS.map(|estimand| [sums(&control, false, estimand), sums(&treated, true, estimand)]);
    Ok(Overlap { scores: [control, treated], ks, weights: weights.to_vec() })
}

/// The scores of either arm, ascending.
fn in_order(scores: &[f64], treatment: &[bool]) -> [Vec<f64>; 2] {
    let sorted = |arm: bool| {
        let rows = scores.iter().zip(treatment).filter(|(_, treated)| **treated == arm);
        let mut own: Vec<f64> = rows.map(|(score, _)| *score).collect();
        own.par_sort_unstable_by(f64::total_cmp);
        own
    };
    rayon::join(|| sorted(false), || sorted(true)).into()
}

/// The largest distance of the distribution functions of two ascending lists.
fn largest_distance(control: &[f64], treated: &[f64]) -> f64 {
    if control.is_empty() || treated.is_empty() {
        return 0.0;
    }
    let per_row = [1.0 / control.len() as f64, 1.0 / treated.len() as f64];
    let (mut below, mut largest) = ([0_usize; 2], 0.0_f64);
    let lists = [control, treated];
    while below[0] < control.len() && below[1] < treated.len() {
        let here = control[below[0]].min(treated[below[1]]);
        for (arm, list) in lists.iter().enumerate() {
            while list.get(below[arm]).is_some_and(|score| *score <= here) {
                below[arm] += 1;
            }
        }
        let [f0, f1] = [0, 1].map(|arm| below[arm] as f64 * per_row[arm]);
        largest = largest.max((f1 - f0).abs());
    }
    largest
}

/// What the weights of an arm come to, whose scores ascend: by chunks, in their order.
fn sums(scores: &[f64], treated: bool, estimand: Estimand) -> WeightSums {
    let weight = |score: &f64| estimand.weight(treated, *score);
    let of_chunk = |scores: &[f64]| {
        scores.iter().map(weight).fold([0.0; 3], |[total, squares, largest], w| {
            [total + w, squares + w * w, if w > largest { w } else { largest }]
        })
    };
    let chunks: Vec<[f64; 3]> = scores.par_chunks(CHUNK).map(of_chunk).collect();
    // The treated weigh the more, the lower their score; controls the higher.
    let count = scores.len().div_ceil(100);
    let heavy = if treated { &scores[..count] } else { &scores[scores.len() - count..] };
    WeightSums {
        total: chunks.iter().map(|chunk| chunk[0]).sum(),
        squares: chunks.iter().map(|chunk| chunk[1]).sum(),
        largest: chunks.iter().fold(0.0, |most, chunk| chunk[2].max(most)),
        heaviest: heavy.iter().map(weight).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(n: usize) -> (Vec<f64>, Vec<bool>) {
        let scores: Vec<f64> =
            (0..n).map(|i| 0.5 + 0.49 * (i as f64 * 0.7).sin() * (i as f64 * 0.13).cos()).collect();
        let treatment =
            scores.iter().enumerate().map(|(i, e)| (i as f64 * 1.3).cos() < 2.0 * e - 1.0);
        let treatment = treatment.collect();
        (scores, treatment)
    }

    #[test]
    fn overlap_sums_the_weights_of_each_arm() {
        let (scores, treatment) = world(457);
        let found = overlap(&scores, &treatment).unwrap();
        for (estimand, of_arms) in ESTIMANDS.into_iter().zip(&found.weights) {
            for (arm, sums) in [false, true].into_iter().zip(of_arms) {
                let own = (0..scores.len()).filter(|i| treatment[*i] == arm);
                let mut own: Vec<f64> = own.map(|i| estimand.weight(arm, scores[i])).collect();
                own.sort_by(f64::total_cmp);
                let total: f64 = own.iter().sum();
                let squares: f64 = own.iter().map(|w| w * w).sum();
                let heaviest: f64 = own[own.len() - own.len().div_ceil(100)..].iter().sum();
                assert!((sums.total / total - 1.0).abs() < 1e-13, "{estimand:?}");
                assert!((sums.squares / squares - 1.0).abs() < 1e-13, "{estimand:?}");
                assert!((sums.heaviest / heaviest - 1.0).abs() < 1e-13, "{estimand:?}");
                assert_eq!(Some(&sums.largest), own.last(), "{estimand:?}");
            }
        }
    }

    #[test]
    fn overlap_measures_the_distance_of_the_distributions() {
        let (scores, treatment) = world(311);
        let share_below = |arm: bool, at: f64| {
            let own = (0..scores.len()).filter(|i| treatment[*i] == arm);
            let own: Vec<bool> = own.map(|i| scores[i] <= at).collect();
            own.iter().filter(|below| **below).count() as f64 / own.len() as f64
        };
        let gaps = scores.iter().map(|at| (share_below(true, *at) - share_below(false, *at)).abs());
        let found = overlap(&scores, &treatment).unwrap();
        assert!((found.ks - gaps.fold(0.0, f64::max)).abs() < 1e-14);
        assert!(found.scores.iter().all(|own| own.is_sorted()));
    }

    #[test]
    fn overlap_of_one_arm_has_no_distance() {
        let found = overlap(&[0.2, 0.6], &[true, true]).unwrap();
        assert_eq!((found.ks, found.scores[0].len()), (0.0, 0));
        assert_eq!(found.weights[0][0], WeightSums::default());
        assert!(overlap(&[0.2, 1.0], &[true, false]).is_err());
    }
}
