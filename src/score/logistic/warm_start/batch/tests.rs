use super::super::tests::World;
use super::*;
use crate::error::Error;
use crate::kernels::{ArmSums, FittedScores};
use crate::resampling::stream::Stream;
use crate::resampling::urn::Urn;
use crate::score::logistic::Columns;

/// Counts of rows in `many` resamples.
fn draws(n: usize, many: usize) -> Vec<Vec<u32>> {
    let urn = Urn::of_rows(n, true);
    let mut counts = vec![vec![0; n]; many];
    for (replicate, counts) in counts.iter_mut().enumerate() {
        urn.draw(&mut Stream::new(3, replicate), counts);
    }
    counts
}

fn refits(batch: &Batch<'_, '_>, counts: &[Vec<u32>]) -> Vec<(Option<Refit>, Vec<Lane>)> {
    let counts: Vec<&[u32]> = counts.iter().map(|counts| &counts[..]).collect();
    let mut scores = vec![Vec::new(); counts.len()];
    let mut places: Vec<Option<&mut Vec<Lane>>> = scores.iter_mut().map(Some).collect();
    let found = batch.refit(&counts, true, &mut places, &Monitor::default()).unwrap();
    found.into_iter().map(Result::unwrap).zip(scores).collect()
}

#[test]
fn refits_together_are_those_of_newtons_method() {
    for (d, penalty, n) in [(1, 0.0, 2500), (4, 3.0, 2500), (13, 0.0, 3000), (45, 1.0, 6000)] {
        let (world, monitor) = (World::new(n, d), Monitor::default());
        let (full, covariates) = (world.rows(None), world.covariates());
        let starts = world.warm_starts(penalty);
        let counts = draws(n, 6);
        let found = starts.each_ref().map(|a| refits(&Batch::new(a, full).unwrap(), &counts));
        for (counts, [(kept, scores), (read, _)]) in
            counts.iter().zip(found[0].iter().zip(&found[1]).map(|(a, b)| [a, b]))
        {
            let (kept, read) = (kept.as_ref().unwrap(), read.as_ref().unwrap());
            assert_eq!(kept.beta, read.beta);
            let units = world.rows(Some(counts));
            let expected = world.newton(Some(counts), penalty);
            for (a, b) in expected.iter().zip(&kept.beta) {
                assert!((a - b).abs() < 1e-8, "{d}: {a} {b}");
            }
            let probabilities = covariates.probabilities(&expected);
            for (a, b) in probabilities.iter().zip(scores.as_flattened()) {
                assert!((a - b).abs() < 1e-8);
            }
            let mut at = FittedScores::default();
            let alone = starts[0].refit(&units, true, &mut at, &monitor).unwrap().unwrap();
            for arm in 0..2 {
                let [a, b] = [&alone, kept].map(|refit| {
                    let ArmSums { odds, overlap, smaller } = refit.sums[arm];
                    [odds, overlap, smaller, refit.totals[arm]].concat()
                });
                for (a, b) in a.iter().zip(&b) {
                    assert!((a - b).abs() < 1e-7 * a, "{d}: {a} {b}");
                }
            }
        }
    }
}

#[test]
fn refits_are_the_same_in_any_company() {
    let world = World::new(2300, 11);
    let start = world.warm_start(Columns::ready(&world.covariates()), 0.0);
    let (batch, counts) = (Batch::new(&start, world.rows(None)).unwrap(), draws(2300, 13));
    let alone: Vec<_> = counts.chunks(1).flat_map(|one| refits(&batch, one)).collect();
    for company in 2..=13 {
        let found = counts.chunks(company).flat_map(|some| refits(&batch, some));
        for ((a, scores), (b, expected)) in found.zip(&alone) {
            let (a, b) = (a.unwrap(), b.as_ref().unwrap());
            assert_eq!((a.beta, a.sums, a.totals), (b.beta.clone(), b.sums, b.totals));
            assert_eq!(&scores, expected);
        }
    }
}

#[test]
fn scores_that_nobody_wants_are_not_left_and_change_nothing() {
    let world = World::new(2000, 9);
    let start = world.warm_start(Columns::ready(&world.covariates()), 0.0);
    let batch = Batch::new(&start, world.rows(None)).unwrap();
    let counts = draws(2000, 3);
    let wanted = refits(&batch, &counts);
    let counts: Vec<&[u32]> = counts.iter().map(|counts| &counts[..]).collect();
    let found = batch.refit(&counts, true, &mut [None, None, None], &Monitor::default()).unwrap();
    for ((wanted, _), found) in wanted.into_iter().zip(found) {
        let (wanted, found) = (wanted.unwrap(), found.unwrap().unwrap());
        assert_eq!(wanted.beta, found.beta);
        assert_eq!(format!("{:?}", wanted.sums), format!("{:?}", found.sums));
    }
}

#[test]
fn separated_and_empty_resamples_do_not_disturb_the_others() {
    let world = World::new(2000, 2);
    let start = world.warm_start(Columns::ready(&world.covariates()), 0.0);
    let batch = Batch::new(&start, world.rows(None)).unwrap();
    let of_rows = |keep: &dyn Fn(usize) -> bool| -> Vec<u32> {
        (0..2000).map(|row| u32::from(keep(row))).collect()
    };
    let separated = of_rows(&|row| world.treatment[row] == (world.x[(row, 0)] > 0.0));
    let no_controls = of_rows(&|row| world.treatment[row]);
    let drawn = draws(2000, 1).swap_remove(0);
    let counts = [&separated[..], &drawn, &no_controls];
    let mut scores = vec![Vec::new(); 3];
    let mut places: Vec<Option<&mut Vec<Lane>>> = scores.iter_mut().map(Some).collect();
    let found = batch.refit(&counts, false, &mut places, &Monitor::default()).unwrap();
    assert!(matches!(found[0], Ok(None)));
    assert_eq!(found[2].as_ref().unwrap_err(), &Error::WeightlessArm { arm: "control" });
    let (alone, _) = refits(&batch, std::slice::from_ref(&drawn)).swap_remove(0);
    assert_eq!(found[1].as_ref().unwrap().as_ref().unwrap().beta, alone.unwrap().beta);
}
