//! How a replicate weighs the rows. Lots are drawn: a lot is a row, or a cluster of rows that belong
//! together; freely, or within strata whose sizes the design of the study had fixed.

#[cfg(test)]
mod tests;

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
    #[must_use]
    pub fn lots_of(&self, row: usize) -> f64 {
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
