//! Sites in several dimensions: a k-d tree of bounding boxes (Bentley 1975; Friedman, Bentley and Finkel
//! 1977), one for each stratum.
//!
//! A box is passed over when nothing in it can be near enough, when it lies beyond a caliper, or when all of
//! it is used up. Calipers are coordinates of the tree that are not part of the distance, so that tight ones
//! make a search shorter, not longer.

use std::ops::Range;

use super::sites::Sites;
use super::space::Space;

/// Sites that are compared one by one: fewer make more boxes, more make more distances.
const LEAF: usize = 8;
const NONE: u32 = u32::MAX;

/// What a search keeps of the sites it is offered.
pub trait Collector {
    /// Nothing farther than the root of this is of use.
    fn limit_squared(&self) -> f64;
    fn offer(&mut self, site: usize, distance: f64);
}

#[derive(Debug, Clone)]
pub struct Tree {
    dims: usize,
    metric: usize,
    nodes: Vec<Node>,
    /// For each node the lowest and then the highest coordinates.
    boxes: Vec<f64>,
    /// Sites, those of a leaf side by side, and their coordinates in this order.
    order: Vec<u32>,
    points: Vec<f64>,
    /// For each stratum; `NONE` where it has no site.
    roots: Vec<u32>,
    /// The leaf of each site, and which sites are gone.
    leaf: Vec<u32>,
    gone: Vec<bool>,
}

#[derive(Debug, Clone)]
struct Node {
    first: u32,
    last: u32,
    /// The right child; the left one is the next node. `NONE` for a leaf.
    right: u32,
    parent: u32,
    /// Sites that are left over.
    left_over: u32,
}

impl Tree {
    #[allow(clippy::cast_possible_truncation)] // rows are numbered in u32
    pub fn new(space: &Space, sites: &Sites) -> Self {
        let mut tree = Self {
            dims: space.dims,
            metric: space.metric,
            nodes: Vec::with_capacity(sites.len() / (LEAF / 2) + 1),
            boxes: Vec::new(),
            order: (0..sites.len() as u32).collect(),
            points: Vec::new(),
            roots: Vec::with_capacity(space.n_strata),
            leaf: vec![0; sites.len()],
            gone: vec![false; sites.len()],
        };
        let point = |site: u32| space.point(sites.any_row(site as usize));
        for stratum in 0..space.n_strata {
            let members = sites.of_stratum(stratum);
            let root = if members.is_empty() { NONE } else { tree.nodes.len() as u32 };
            tree.roots.push(root);
            if root != NONE {
                tree.grow(members, NONE, &point, &space.widths);
            }
        }
        tree.points = tree.order.iter().flat_map(|site| point(*site)).copied().collect();
        tree
    }

    #[allow(clippy::cast_possible_truncation)]
    fn grow<'a>(
        &mut self,
        members: Range<usize>,
        parent: u32,
        point: &impl Fn(u32) -> &'a [f64],
        widths: &[f64],
    ) {
        let node = self.nodes.len();
        let (first, last) = (members.start as u32, members.end as u32);
        self.nodes.push(Node { first, last, right: NONE, parent, left_over: last - first });
        let (low, high) = bounds(&self.order[members.clone()], self.dims, point);
        let widest = (0..self.dims).max_by(|a, b| {
            let spread = |k: usize| (high[k] - low[k]) / unit(k, self.metric, widths);
            spread(*a).total_cmp(&spread(*b))
        });
        self.boxes.extend(low.into_iter().chain(high));
        if members.len() <= LEAF {
            for site in &self.order[members] {
                self.leaf[*site as usize] = node as u32;
            }
            return;
        }
        let (middle, widest) = (members.len() / 2, widest.unwrap_or(0));
        self.order[members.clone()].select_nth_unstable_by(middle, |a, b| {
            point(*a)[widest].total_cmp(&point(*b)[widest]).then(a.cmp(b))
        });
        let split = members.start + middle;
        self.grow(members.start..split, node as u32, point, widths);
        self.nodes[node].right = self.nodes.len() as u32;
        self.grow(split..members.end, node as u32, point, widths);
    }

    pub fn remove(&mut self, site: usize) {
        self.gone[site] = true;
        let mut node = self.leaf[site];
        while node != NONE {
            self.nodes[node as usize].left_over -= 1;
            node = self.nodes[node as usize].parent;
        }
    }

    /// Offer the sites that a row may be paired with, the nearer boxes first.
    pub fn search(&self, space: &Space, row: usize, collector: &mut impl Collector) {
        let root = self.roots[space.stratum[row] as usize];
        if root == NONE {
            return;
        }
        let from = From { point: space.point(row), space };
        // The same code with the dimension known is about twice as fast.
        match self.metric {
            1 => self.enter::<1>(root as usize, &from, collector),
            2 => self.enter::<2>(root as usize, &from, collector),
            3 => self.enter::<3>(root as usize, &from, collector),
            4 => self.enter::<4>(root as usize, &from, collector),
            5 => self.enter::<5>(root as usize, &from, collector),
            6 => self.enter::<6>(root as usize, &from, collector),
            8 => self.enter::<8>(root as usize, &from, collector),
            _ => self.enter::<ANY>(root as usize, &from, collector),
        }
    }

    fn enter<const D: usize>(&self, root: usize, from: &From<'_>, collector: &mut impl Collector) {
        let gap = self.gap::<D>(root, from);
        self.descend::<D>(root, gap, from, collector);
    }

    fn descend<const D: usize>(
        &self,
        node: usize,
        gap: f64,
        from: &From<'_>,
        collector: &mut impl Collector,
    ) {
        if gap > collector.limit_squared() {
            return;
        }
        let Node { first, last, right, .. } = self.nodes[node];
        if right == NONE {
            self.compare::<D>(first as usize..last as usize, from, collector);
            return;
        }
        let (left, right) = (node + 1, right as usize);
        let gaps = (self.gap::<D>(left, from), self.gap::<D>(right, from));
        let (near, far) = if gaps.0 <= gaps.1 {
            ((left, gaps.0), (right, gaps.1))
        } else {
            ((right, gaps.1), (left, gaps.0))
        };
        self.descend::<D>(near.0, near.1, from, collector);
        self.descend::<D>(far.0, far.1, from, collector);
    }

    fn compare<const D: usize>(
        &self,
        members: Range<usize>,
        from: &From<'_>,
        collector: &mut impl Collector,
    ) {
        let points = &self.points[members.start * self.dims..members.end * self.dims];
        let sites = self.order[members].iter().zip(points.chunks_exact(self.dims));
        for (site, point) in sites {
            let squared = squares::<D>(self.metric, |k| from.point[k] - point[k]);
            if squared > collector.limit_squared() || self.gone[*site as usize] {
                continue;
            }
            let distance = squared.sqrt();
            let calipers = from.point[self.metric..].iter().zip(&point[self.metric..]);
            let within = calipers.zip(&from.space.widths).all(|((a, b), w)| (a - b).abs() <= *w);
            if within && distance <= from.space.reach {
                collector.offer(*site as usize, distance);
            }
        }
    }

    /// The least squared distance to anything in a node's box; infinite where none of it may be taken.
    /// Each difference rounds as that to a point does, so that it is never above the distance to one.
    fn gap<const D: usize>(&self, node: usize, from: &From<'_>) -> f64 {
        if self.nodes[node].left_over == 0 {
            return f64::INFINITY;
        }
        let bounds = &self.boxes[node * 2 * self.dims..(node + 1) * 2 * self.dims];
        let (low, high) = bounds.split_at(self.dims);
        let outside = |k: usize| (low[k] - from.point[k]).max(from.point[k] - high[k]).max(0.0);
        let beyond = |k: usize| outside(k) > from.space.widths[k - self.metric];
        if (self.metric..self.dims).any(beyond) {
            return f64::INFINITY;
        }
        squares::<D>(self.metric, outside)
    }
}

/// A dimension that is not known beforehand.
const ANY: usize = 0;

/// The sum of squares of the first D (or `dims`) differences.
#[inline]
fn squares<const D: usize>(dims: usize, difference: impl Fn(usize) -> f64) -> f64 {
    let square = |k: usize| difference(k) * difference(k);
    if D == ANY { (0..dims).map(square).sum() } else { (0..D).map(square).sum() }
}

/// Whom neighbours are sought for.
struct From<'a> {
    point: &'a [f64],
    space: &'a Space,
}

/// The scale on which a coordinate's spread counts when boxes are split: a caliper cuts by its width.
fn unit(coordinate: usize, metric: usize, widths: &[f64]) -> f64 {
    if coordinate < metric { 1.0 } else { widths[coordinate - metric].max(f64::MIN_POSITIVE) }
}

fn bounds<'a>(
    members: &[u32],
    dims: usize,
    point: &impl Fn(u32) -> &'a [f64],
) -> (Vec<f64>, Vec<f64>) {
    let (mut low, mut high) = (vec![f64::INFINITY; dims], vec![f64::NEG_INFINITY; dims]);
    for site in members {
        for (k, value) in point(*site).iter().enumerate() {
            low[k] = low[k].min(*value);
            high[k] = high[k].max(*value);
        }
    }
    (low, high)
}
