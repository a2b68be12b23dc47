//! How a replicate weighs the rows. Lots are drawn: a lot is a row, or a cluster of rows that belong
//! together; freely, or within strata whose sizes the design of the study had fixed.

use crate::checks;
use crate::error::{Error, Result};
use crate::resampling::crowd::Crowd;
use crate::resampling::stream::Stream;
use crate::resampling::urn::Urn;

/// The joint law of the lots' weights, each of mean 1 and variance 1 (but for 1 / n).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// n draws with replacement (Efron 1979).
    Multinomial,
    /// Independent Poisson counts: the multinomial without its fixed sum.
    Poisson,
    /// Independent exponential weights, Dirichlet but for their sum (Rubin 1981): no row is ever left
    /// out, so that no arm is empty and nothing becomes separated.
    Bayesian,
}

/// How n rows are resampled.
#[derive(Debug, Clone)]
pub struct Resample {
    scheme: Scheme,
    n_lots: usize,
    /// The rows of each cluster; without clusters every row is a lot of its own.
    clusters: Option<Partition>,
    /// The lots of each stratum.
    strata: Option<Partition>,
    /// The lots themselves, where they are counted freely.
    urn: Option<Urn>,
    /// The order in which rows take their random numbers, where that is not the one they come in.
    order: Option<Vec<u32>>,
    /// The users of each row, where rows stand for several and no clusters are drawn: they are the lots then, and what
    /// a row weighs is what its users weigh on average.
    crowd: Option<Crowd>,
}

impl Resample {
    /// # Errors
    /// Labels of other length than `n_rows`, a single cluster, a cluster in several strata, strata with
    /// Poisson weights.
    pub fn new(
        scheme: Scheme,
        n_rows: usize,
        cluster: Option<&[i64]>,
        strata: Option<&[i64]>,
    ) -> Result<Self> {
        for (name, labels) in [("cluster", cluster), ("strata", strata)] {
            labels.map_or(Ok(()), |labels| checks::same_length(name, labels.len(), n_rows))?;
        }
        if scheme == Scheme::Poisson && strata.is_some() {
            let found = "given: Poisson counts with fixed sums are multinomial".into();
            return Err(Error::Argument {
                name: "strata",
                found,
                allowed: "left out with Poisson weights",
            });
        }
        let clusters = cluster.map(Partition::by);
        let n_lots = clusters.as_ref().map_or(n_rows, Partition::len);
        if clusters.is_some() && n_lots < 2 {
            let found = format!("{n_lots}");
            return Err(Error::Argument { name: "cluster", found, allowed: "2 clusters or more" });
        }
        let strata = match (strata, &clusters) {
            (Some(labels), Some(clusters)) => {
                Some(Partition::by(&labels_of_clusters(labels, clusters)?))
            }
            (labels, _) => labels.map(Partition::by),
        };
        let strata = strata.filter(|strata| strata.len() > 1);
        let is_free = scheme != Scheme::Bayesian && strata.is_none();
        let urn = is_free.then(|| Urn::of_rows(n_lots, scheme == Scheme::Multinomial));
        Ok(Self { scheme, n_lots, clusters, strata, urn, order: None, crowd: None })
    }

    /// The same of rows that stand for so many users each. Clusters are drawn whole, however many are in them.
    #[must_use]
    pub fn of_users(self, frequency: Option<&[f64]>) -> Self {
        let Some(users) = frequency.filter(|_| self.clusters.is_none()) else { return self };
        Self { urn: None, crowd: Some(Crowd::new(users)), ..self }
    }

    /// Whether users are drawn, of whom a row stands for several: rows then have weights that are no whole numbers.
    #[must_use]
    pub fn draws_users(&self) -> bool {
        self.crowd.is_some()
    }

    /// The same with rows that take their random numbers in this order, whatever order they come in. Clusters
    /// take theirs in the order of their labels anyway.
    #[must_use]
    pub fn taking_rows_in(&self, order: Vec<u32>) -> Self {
        if self.is_clustered() {
            return self.clone();
        }
        let urn = self.urn_of_cells(&vec![1; self.n_lots], &order);
        let strata = self.strata.as_ref().map(|strata| strata.in_order(&order));
        Self { urn, strata, order: Some(order), ..self.clone() }
    }

    /// The order in which rows take their random numbers; `None` for that in which they come.
    #[must_use]
    pub fn order(&self) -> Option<&[u32]> {
        self.order.as_deref()
    }

    /// Whether rows are drawn in clusters.
    #[must_use]
    pub fn is_clustered(&self) -> bool {
        self.clusters.is_some()
    }

    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Where rows are counted, each by itself, out of all of them: what counts them.
    #[must_use]
    pub fn urn(&self) -> Option<&Urn> {
        self.urn.as_ref().filter(|_| self.clusters.is_none())
    }

    /// The same for cells of so many rows, which take their random numbers in the order `order`.
    #[must_use]
    pub fn urn_of_cells(&self, sizes: &[u32], order: &[u32]) -> Option<Urn> {
        self.urn()?;
        Some(Urn::of_cells(sizes, order, self.scheme == Scheme::Multinomial))
    }

    /// Draw a replicate of whole counts. `add` is given a row and a count, and may be given a row again.
    pub fn count(&self, stream: Stream, mut add: impl FnMut(usize, u32)) {
        match &self.clusters {
            None => self.count_lots(stream, add),
            Some(clusters) => self.count_lots(stream, |lot, count| {
                clusters.group(lot).iter().for_each(|row| add(*row, count));
            }),
        }
    }

    /// Draw a replicate of any scheme, as [`Self::count`] does.
    pub fn weigh(&self, stream: Stream, mut add: impl FnMut(usize, f64)) {
        match &self.clusters {
            None => self.weigh_lots(stream, add),
            Some(clusters) => self.weigh_lots(stream, |lot, weight| {
                clusters.group(lot).iter().for_each(|row| add(*row, weight));
            }),
        }
    }

    fn count_lots(&self, mut stream: Stream, mut add: impl FnMut(usize, u32)) {
        if let Some(urn) = &self.urn {
            let mut counts = vec![0_u32; self.n_lots];
            urn.draw(&mut stream, &mut counts);
            counts.into_iter().enumerate().for_each(|(lot, count)| add(lot, count));
        }
        for lots in self.strata.iter().flat_map(Partition::iter) {
            for _ in lots {
                add(lots[stream.below(lots.len())], 1);
            }
        }
    }

    /// As [`Self::weigh`], with lots in place of rows.
    pub fn weigh_lots(&self, mut stream: Stream, mut add: impl FnMut(usize, f64)) {
        if let Some(crowd) = &self.crowd {
            return self.weigh_users(crowd, stream, add);
        }
        match (self.scheme, &self.strata) {
            (Scheme::Bayesian, None) => {
                let mut weigh = |lot| add(lot, stream.exponential());
                match &self.order {
                    None => (0..self.n_lots).for_each(weigh),
                    Some(order) => order.iter().for_each(|lot| weigh(*lot as usize)),
                }
            }
            (Scheme::Bayesian, Some(strata)) => {
                for lots in strata.iter() {
                    // Drawn twice, first for their sum, rather than kept.
                    let mut again = stream.clone();
                    let sum: f64 = lots.iter().map(|_| stream.exponential()).sum();
                    let scale = lots.len() as f64 / sum;
                    for lot in lots {
                        add(*lot, scale * again.exponential());
                    }
                }
            }
            _ => self.count_lots(stream, |lot, count| add(lot, f64::from(count))),
        }
    }

    /// Weigh each row as its users do on average.
    fn weigh_users(&self, crowd: &Crowd, mut stream: Stream, mut add: impl FnMut(usize, f64)) {
        let users = crowd.users();
        let mut add = |row: usize, weight: f64| add(row, weight / users[row]);
        let everybody = || match &self.order {
            None => (0..self.n_lots).collect(),
            Some(order) => order.iter().map(|row| *row as usize).collect::<Vec<_>>(),
        };
        match (self.scheme, &self.strata) {
            (Scheme::Multinomial, None) => crowd.draw(&mut stream, &everybody(), add),
            (Scheme::Multinomial, Some(strata)) => {
                strata.iter().for_each(|rows| crowd.draw(&mut stream, rows, &mut add));
            }
            (Scheme::Poisson, _) => {
                let rows = everybody().into_iter();
                rows.for_each(|row| add(row, crowd.count_freely(&mut stream, row)));
            }
            (Scheme::Bayesian, None) => {
                let rows = everybody().into_iter();
                rows.for_each(|row| add(row, crowd.weigh(&mut stream, row)));
            }
            (Scheme::Bayesian, Some(strata)) => {
                for rows in strata.iter() {
                    let weights: Vec<f64> =
                        rows.iter().map(|row| crowd.weigh(&mut stream, *row)).collect();
                    let scale = crowd.total(rows) / weights.iter().sum::<f64>();
                    rows.iter().zip(weights).for_each(|(row, weight)| add(*row, scale * weight));
                }
            }
        }
    }

    /// How many lots a row is: one, or its users, where these are drawn.
    fn lots_of(&self, row: usize) -> f64 {
        self.crowd.as_ref().map_or(1.0, |crowd| crowd.users()[row])
    }

    /// Add up powers of `totals`, each shared out among the lots that a row is.
    #[must_use]
    pub fn moment(&self, totals: &[f64], power: i32) -> f64 {
        let of_lot = |(lot, total): (usize, &f64)| {
            let lots = self.lots_of(lot);
            lots * (total / lots).powi(power)
        };
        totals.iter().enumerate().map(of_lot).sum()
    }

    /// Add up `values` of rows by lot, measured from the mean of their stratum: what is left of them when
    /// the strata's shares are fixed.
    #[must_use]
    pub fn totals(&self, values: &[f64]) -> Vec<f64> {
        let sum = |rows: &[usize]| rows.iter().map(|row| values[*row]).sum();
        let mut totals: Vec<f64> = match &self.clusters {
            None => values.to_vec(),
            Some(clusters) => clusters.iter().map(sum).collect(),
        };
        let lots_of = |lot: usize| self.lots_of(lot);
        match &self.strata {
            None => center(&mut totals, 0..self.n_lots, lots_of),
            Some(strata) => {
                strata.iter().for_each(|lots| center(&mut totals, lots.iter().copied(), lots_of));
            }
        }
        totals
    }

    /// The sum of squares that a sandwich is made of, within a replicate that weighs the rows: a lot that
    /// was drawn c times is c lots of equal influence, which together have what `influence` says. Times
    /// G / (G - 1) for clusters (Liang and Zeger 1986).
    #[must_use]
    pub fn spread_within(&self, influence: &[f64], weights: &[f64]) -> f64 {
        let (mut totals, counts): (Vec<f64>, Vec<f64>) = match &self.clusters {
            None => {
                let drawn = weights.iter().enumerate().map(|(row, w)| w * self.lots_of(row));
                (influence.to_vec(), drawn.collect())
            }
            Some(clusters) => clusters
                .iter()
                .map(|rows| (rows.iter().map(|row| influence[*row]).sum::<f64>(), weights[rows[0]]))
                .unzip(),
        };
        for lots in self.strata.iter().flat_map(Partition::iter) {
            let sum = |values: &[f64]| lots.iter().map(|lot| values[*lot]).sum::<f64>();
            let mean = sum(&totals) / sum(&counts);
            for lot in lots {
                totals[*lot] -= counts[*lot] * mean;
            }
        }
        let drawn = totals.iter().zip(&counts).filter(|(_, count)| **count > 0.0);
        let squares: f64 = drawn.map(|(total, count)| total * total / count).sum();
        let lots = self.n_lots as f64;
        if self.clusters.is_some() { squares * lots / (lots - 1.0) } else { squares }
    }
}

/// Measure some of the values, each the sum over so many lots, from the mean of a lot.
fn center(
    values: &mut [f64],
    some: impl ExactSizeIterator<Item = usize> + Clone,
    lots_of: impl Fn(usize) -> f64,
) {
    let n: f64 = some.clone().map(&lots_of).sum();
    let mean = some.clone().map(|item| values[item]).sum::<f64>() / n;
    some.for_each(|item| values[item] -= mean * lots_of(item));
}

/// Each cluster's stratum.
fn labels_of_clusters(labels: &[i64], clusters: &Partition) -> Result<Vec<i64>> {
    let split = |rows: &&[usize]| rows.iter().any(|row| labels[*row] != labels[rows[0]]);
    let n_split = clusters.iter().filter(split).count();
    if n_split > 0 {
        let found = format!("different within {n_split} of {}", clusters.len());
        return Err(Error::Argument {
            name: "strata",
            found,
            allowed: "the same within a cluster",
        });
    }
    Ok(clusters.iter().map(|rows| labels[rows[0]]).collect())
}

/// Items in groups of equal labels: the groups by ascending label, the items of each ascending.
#[derive(Debug, Clone)]
struct Partition {
    first: Vec<usize>,
    items: Vec<usize>,
}

impl Partition {
    fn by(labels: &[i64]) -> Self {
        let mut items: Vec<usize> = (0..labels.len()).collect();
        items.sort_by_key(|item| labels[*item]);
        let starts = (0..items.len())
            .filter(|place| *place == 0 || labels[items[*place]] != labels[items[*place - 1]]);
        let first = starts.chain([items.len()]).collect();
        Self { first, items }
    }

    /// The same groups, the items of each as they come in `order`.
    fn in_order(&self, order: &[u32]) -> Self {
        let mut rank = vec![0; order.len()];
        (0..).zip(order).for_each(|(place, item): (usize, _)| rank[*item as usize] = place);
        let mut items = self.items.clone();
        for ends in self.first.windows(2) {
            items[ends[0]..ends[1]].sort_unstable_by_key(|item| rank[*item]);
        }
        Self { first: self.first.clone(), items }
    }

    fn len(&self) -> usize {
        self.first.len() - 1
    }

    fn group(&self, group: usize) -> &[usize] {
        &self.items[self.first[group]..self.first[group + 1]]
    }

    fn iter(&self) -> impl Iterator<Item = &[usize]> {
        (0..self.len()).map(|group| self.group(group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(resample: &Resample, stream: Stream, n_rows: usize) -> Vec<f64> {
        let mut weights = vec![0.0; n_rows];
        resample.weigh(stream, |row, weight| weights[row] += weight);
        weights
    }

    #[test]
    fn count_gives_as_many_rows_as_there_are() {
        let resample = Resample::new(Scheme::Multinomial, 50, None, None).unwrap();
        let mut n_drawn = 0;
        resample.count(Stream::new(7, 3), |_, count| n_drawn += count);
        assert_eq!(n_drawn, 50);
    }

    #[test]
    fn count_of_neighbouring_replicates_is_unrelated() {
        let n = 10_000;
        let resample = Resample::new(Scheme::Multinomial, n, None, None).unwrap();
        let [a, b] = [0, 1].map(|replicate| weights(&resample, Stream::new(1, replicate), n));
        // Counts are Poisson(1) but for their sum: covariance 0, standard error 1 / sqrt(n).
        let products = a.iter().zip(&b).map(|(a, b)| (a - 1.0) * (b - 1.0));
        assert!((products.sum::<f64>() / n as f64).abs() < 5.0 / (n as f64).sqrt());
    }

    #[test]
    fn clusters_are_drawn_whole() {
        let cluster: Vec<i64> = (0..60).map(|row| row * 7 % 11 - 3).collect();
        for scheme in [Scheme::Multinomial, Scheme::Poisson, Scheme::Bayesian] {
            let resample = Resample::new(scheme, 60, Some(&cluster), None).unwrap();
            let weights = weights(&resample, Stream::new(2, 0), 60);
            for row in 0..60 {
                let first = cluster.iter().position(|label| *label == cluster[row]).unwrap();
                assert_eq!(weights[row].to_bits(), weights[first].to_bits());
            }
        }
    }

    #[test]
    fn strata_keep_their_sizes() {
        let strata: Vec<i64> = (0..90).map(|row| row % 3 * row % 2).collect();
        for scheme in [Scheme::Multinomial, Scheme::Bayesian] {
            let resample = Resample::new(scheme, 90, None, Some(&strata)).unwrap();
            let weights = weights(&resample, Stream::new(2, 0), 90);
            for label in 0..2 {
                let own = || weights.iter().zip(&strata).filter(|(_, found)| **found == label);
                let (sum, size) = (own().map(|(w, _)| w).sum::<f64>(), own().count() as f64);
                assert!((sum - size).abs() < 1e-10);
            }
        }
    }

    #[test]
    fn rows_in_another_order_take_the_same_random_numbers() {
        let order = [3_u32, 1, 4, 0, 2];
        let strata = [0, 1, 0, 1, 1];
        for scheme in [Scheme::Multinomial, Scheme::Poisson, Scheme::Bayesian] {
            for strata in [None, Some(&strata[..])] {
                if scheme == Scheme::Poisson && strata.is_some() {
                    continue;
                }
                let here = Resample::new(scheme, 5, None, strata).unwrap();
                let here = here.taking_rows_in(order.to_vec());
                let moved: Option<Vec<i64>> =
                    strata.map(|own| order.iter().map(|row| own[*row as usize]).collect());
                let there = Resample::new(scheme, 5, None, moved.as_deref()).unwrap();
                for replicate in 0..50 {
                    let [here, there] = [&here, &there]
                        .map(|resample| weights(resample, Stream::new(3, replicate), 5));
                    let expected: Vec<f64> = order.iter().map(|row| here[*row as usize]).collect();
                    assert_eq!(there, expected);
                }
            }
        }
    }

    #[test]
    fn totals_are_measured_from_the_mean_of_their_stratum() {
        let (cluster, strata) = ([1, 1, 2, 3, 3], [0, 0, 0, 5, 5]);
        let resample =
            Resample::new(Scheme::Multinomial, 5, Some(&cluster), Some(&strata)).unwrap();
        assert_eq!(resample.totals(&[1.0, 2.0, 5.0, 4.0, 4.0]), [-1.0, 1.0, 0.0]);
    }

    #[test]
    fn spread_within_counts_a_lot_as_often_as_it_was_drawn() {
        let (influence, weights) = ([-1.0, 3.0, -2.0], [1.0, 2.0, 0.0]);
        let rows = Resample::new(Scheme::Multinomial, 3, None, None).unwrap();
        assert!((rows.spread_within(&influence, &weights) - (1.0 + 2.0 * 1.5 * 1.5)).abs() < 1e-15);
        let cluster = [1, 2, 2];
        let clusters = Resample::new(Scheme::Multinomial, 3, Some(&cluster), None).unwrap();
        let expected = 2.0 * (1.0 + 2.0 * 0.5 * 0.5);
        let found = clusters.spread_within(&influence, &[1.0, 2.0, 2.0]);
        assert!((found - expected).abs() < 1e-15);
    }

    #[test]
    fn rows_of_several_users_weigh_as_their_users_do() {
        // 4,000 rows of one user each, and the same in 4 rows: means, variances and their sum.
        let frequency = [400.0, 1600.0, 1999.0, 1.0];
        let strata = [0, 0, 1, 1];
        for scheme in [Scheme::Multinomial, Scheme::Poisson, Scheme::Bayesian] {
            for strata in [None, Some(&strata[..])] {
                if scheme == Scheme::Poisson && strata.is_some() {
                    continue;
                }
                let rows = Resample::new(scheme, 4, None, strata).unwrap();
                let rows = rows.of_users(Some(&frequency));
                let n_reps = 20_000;
                let (mut sums, mut squares) = ([0.0; 4], [0.0; 4]);
                for replicate in 0..n_reps {
                    let weights = weights(&rows, Stream::new(9, replicate), 4);
                    for row in 0..4 {
                        let away = (weights[row] - 1.0) * frequency[row];
                        sums[row] += away;
                        squares[row] += away * away;
                    }
                    if let Some(strata) = strata {
                        let own = (0..4).filter(|row| strata[*row] == 1);
                        let total: f64 = own.map(|row| weights[row] * frequency[row]).sum();
                        assert!((total - 2000.0).abs() < 1e-8);
                    }
                }
                for row in 0..4 {
                    let group = if strata.is_some() { 2000.0 } else { 4000.0 };
                    let is_fixed = scheme == Scheme::Multinomial || strata.is_some();
                    let left = if is_fixed { 1.0 - frequency[row] / group } else { 1.0 };
                    let expected = frequency[row] * left;
                    let mean = sums[row] / n_reps as f64;
                    assert!(mean.abs() < 5.0 * (expected / n_reps as f64).sqrt());
                    let variance = squares[row] / n_reps as f64;
                    assert!(
                        (variance / expected - 1.0).abs() < 0.15,
                        "{scheme:?} {row} {variance}"
                    );
                }
            }
        }
    }

    #[test]
    fn spread_within_counts_the_users_of_a_row() {
        // Rows of 2, 1 and 3 users, all drawn once: as six rows.
        let rows = Resample::new(Scheme::Multinomial, 3, None, None).unwrap();
        let rows = rows.of_users(Some(&[2.0, 1.0, 3.0]));
        let found = rows.spread_within(&[-2.0, 5.0, -3.0], &[1.0; 3]);
        assert!((found - (2.0 * 1.0 + 25.0 + 3.0 * 1.0)).abs() < 1e-14);
        let third = rows.moment(&[-2.0, 5.0, -3.0], 3);
        assert!((third - (-2.0 + 125.0 - 3.0)).abs() < 1e-13);
    }

    #[test]
    fn new_refuses_what_cannot_be_drawn() {
        let refused = |scheme, cluster: Option<&[i64]>, strata: Option<&[i64]>| {
            Resample::new(scheme, 3, cluster, strata).is_err()
        };
        assert!(refused(Scheme::Multinomial, Some(&[1, 1]), None));
        assert!(refused(Scheme::Multinomial, Some(&[1, 1, 1]), None));
        assert!(refused(Scheme::Multinomial, Some(&[1, 1, 2]), Some(&[1, 2, 2])));
        assert!(refused(Scheme::Poisson, None, Some(&[1, 2, 2])));
    }
}
