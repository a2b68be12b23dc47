//! Places in several dimensions: a k-d tree of bounding boxes (Bentley 1975; Friedman, Bentley and Finkel
//! 1977), one for each stratum.
//!
//! A box is passed over when nothing in it can be near enough, when it lies beyond a caliper, or when all of
//! it is used up. Calipers are coordinates of the tree that are not part of the distance, so that tight ones
//! make a search shorter, not longer.

use std::ops::Range;

use super::places::Places;
use super::space::Space;
use crate::error::Result;
use crate::monitor::Monitor;
use crate::optimal::ranges::{greater, lesser, outside};

/// Places that are compared in one go: fewer make more boxes, more make more distances.
const LEAF: usize = 16;
const NONE: u32 = u32::MAX;

/// What a search keeps of the places it is offered.
pub trait Collector {
    /// Nothing farther than the root of this is of use; finite, so that what is forbidden is passed over.
    fn limit_squared(&self) -> f64;
    fn offer(&mut self, place: usize, distance: f64);
}

#[derive(Debug, Clone)]
pub struct Tree {
    dims: usize,
    metric: usize,
    /// In pairs: the two halves of a box are next to each other, a root is next to nothing.
    nodes: Vec<Node>,
    /// For each pair and coordinate the lowest of both nodes, then the highest of both.
    boxes: Vec<[f64; 4]>,
    /// Places, those of a leaf side by side, and a leaf's coordinates, the first ones of all its places first.
    order: Vec<u32>,
    points: Vec<f64>,
    /// For each stratum; `NONE` where it has no place.
    roots: Vec<u32>,
    /// The leaf of each place, and which places are gone.
    leaf: Vec<u32>,
    gone: Vec<bool>,
}

#[derive(Debug, Clone)]
struct Node {
    first: u32,
    last: u32,
    /// The left half; the right one is the next node. `NONE` for a leaf.
    halves: u32,
    parent: u32,
    /// Places that are left over.
    left_over: u32,
}

/// What a tree is made of.
struct Builder<'a> {
    /// Row-major, by place.
    coords: Vec<f64>,
    widths: &'a [f64],
    /// One coordinate of some places, while they are split.
    keys: Vec<(f64, u32)>,
    monitor: &'a Monitor,
}

impl Tree {
    /// # Errors
    /// [`crate::error::Error::Stopped`].
    #[allow(clippy::cast_possible_truncation)] // rows are numbered in u32
    pub fn new(space: &Space, places: &Places, monitor: &Monitor) -> Result<Self> {
        let mut tree = Self {
            dims: space.dims,
            metric: space.metric,
            nodes: Vec::with_capacity(4 * (places.len() / LEAF + space.n_strata)),
            boxes: Vec::new(),
            order: (0..places.len() as u32).collect(),
            points: Vec::with_capacity(places.len() * space.dims),
            roots: Vec::with_capacity(space.n_strata),
            leaf: vec![0; places.len()],
            gone: vec![false; places.len()],
        };
        let coords = (0..places.len()).flat_map(|place| space.point(places.any_row(place)));
        let coords = coords.copied().collect();
        let mut builder = Builder { coords, widths: &space.widths, keys: Vec::new(), monitor };
        for stratum in 0..space.n_strata {
            let members = places.of_stratum(stratum);
            if members.is_empty() {
                tree.roots.push(NONE);
                continue;
            }
            let root = tree.add_pair([members.clone(), 0..0], NONE);
            tree.roots.push(root);
            tree.grow(root as usize, members, &mut builder)?;
        }
        Ok(tree)
    }

    #[allow(clippy::cast_possible_truncation)]
    fn add_pair(&mut self, halves: [Range<usize>; 2], parent: u32) -> u32 {
        let pair = self.nodes.len() as u32;
        for Range { start, end } in halves {
            let (first, last) = (start as u32, end as u32);
            self.nodes.push(Node { first, last, halves: NONE, parent, left_over: last - first });
        }
        let empty = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
        self.boxes.extend(std::iter::repeat_n(empty, self.dims));
        pair
    }

    #[allow(clippy::cast_possible_truncation)]
    fn grow(
        &mut self,
        node: usize,
        members: Range<usize>,
        builder: &mut Builder<'_>,
    ) -> Result<()> {
        builder.monitor.check()?;
        let (pair, half) = (node / 2 * self.dims, node % 2);
        let places = &mut self.order[members.clone()];
        let bounds = &mut self.boxes[pair..pair + self.dims];
        builder.bound(places, bounds, half);
        if places.len() <= LEAF {
            for place in &*places {
                self.leaf[*place as usize] = node as u32;
            }
            self.points.extend(builder.columns(places, self.dims));
            return Ok(());
        }
        let spread = |k: usize| {
            (bounds[k][half + 2] - bounds[k][half]) / unit(k, self.metric, builder.widths)
        };
        let widest = (0..self.dims).max_by(|a, b| spread(*a).total_cmp(&spread(*b)));
        // The left half fills its leaves.
        let middle = (places.len() / 2).next_multiple_of(LEAF);
        builder.split(places, middle, (widest.unwrap_or(0), self.dims));
        let (left, right) =
            (members.start..members.start + middle, members.start + middle..members.end);
        let halves = self.add_pair([left.clone(), right.clone()], node as u32);
        self.nodes[node].halves = halves;
        self.grow(halves as usize, left, builder)?;
        self.grow(halves as usize + 1, right, builder)
    }

    pub fn remove(&mut self, place: usize) {
        self.gone[place] = true;
        let mut node = self.leaf[place];
        while node != NONE {
            self.nodes[node as usize].left_over -= 1;
            node = self.nodes[node as usize].parent;
        }
    }

    /// Offer the places that a row may be paired with, the nearer boxes first.
    pub fn search(&self, space: &Space, row: usize, collector: &mut impl Collector) {
        let root = self.roots[space.stratum[row] as usize];
        if root == NONE {
            return;
        }
        let from = Seeker { point: space.point(row), space };
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

    fn enter<const D: usize>(
        &self,
        root: usize,
        from: &Seeker<'_>,
        collector: &mut impl Collector,
    ) {
        let [gap, _] = self.gaps::<D>(root, from);
        self.descend::<D>(root, gap, from, collector);
    }

    fn descend<const D: usize>(
        &self,
        node: usize,
        gap: f64,
        from: &Seeker<'_>,
        collector: &mut impl Collector,
    ) {
        if gap > collector.limit_squared() {
            return;
        }
        let Node { first, last, halves, .. } = self.nodes[node];
        if halves == NONE {
            self.compare::<D>(first as usize..last as usize, from, collector);
            return;
        }
        let left = halves as usize;
        let gaps = self.gaps::<D>(left, from);
        let near = usize::from(gaps[1] < gaps[0]);
        self.descend::<D>(left + near, gaps[near], from, collector);
        self.descend::<D>(left + 1 - near, gaps[1 - near], from, collector);
    }

    #[allow(clippy::needless_bitwise_bool)] // no branch for each place
    fn compare<const D: usize>(
        &self,
        members: Range<usize>,
        from: &Seeker<'_>,
        collector: &mut impl Collector,
    ) {
        let n = members.len();
        let columns = &self.points[members.start * self.dims..members.end * self.dims];
        let mut squared = [0.0; LEAF];
        add_squares::<D>(&mut squared, columns, n, &from.point[..self.metric]);
        let squared = &squared[..n];
        let limit = collector.limit_squared();
        if !squared.iter().fold(false, |any, squared| any | (*squared <= limit)) {
            return;
        }
        for (lane, (place, squared)) in self.order[members].iter().zip(squared).enumerate() {
            if *squared > collector.limit_squared() || self.gone[*place as usize] {
                continue;
            }
            let distance = squared.sqrt();
            let within = |(k, width): (usize, &f64)| {
                let column = self.metric + k;
                (from.point[column] - columns[column * n + lane]).abs() <= *width
            };
            let within = from.space.widths.iter().enumerate().all(within);
            if within && distance <= from.space.reach {
                collector.offer(*place as usize, distance);
            }
        }
    }

    /// For a node and the next, the least squared distance to anything in its box; infinite where none of it
    /// may be taken. Each difference rounds as that to a point does, so that it is never above the distance
    /// to one.
    #[inline]
    fn gaps<const D: usize>(&self, left: usize, from: &Seeker<'_>) -> [f64; 2] {
        let start = left / 2 * self.dims;
        let bounds = &self.boxes[start..start + self.dims];
        let mut gaps = squared_gaps::<D>(bounds, &from.point[..self.metric]);
        for half in 0..2 {
            let beyond = |k: usize| {
                let bounds = &bounds[self.metric + k];
                outside(from.point[self.metric + k], bounds[half], bounds[half + 2])
                    > from.space.widths[k]
            };
            let used_up = self.nodes[left + half].left_over == 0;
            if used_up || (0..self.dims - self.metric).any(beyond) {
                gaps[half] = f64::INFINITY;
            }
        }
        gaps
    }
}

impl Builder<'_> {
    /// The box of some places.
    fn bound(&self, places: &[u32], bounds: &mut [[f64; 4]], half: usize) {
        let dims = bounds.len();
        for place in places {
            let point = &self.coords[*place as usize * dims..][..dims];
            for (bounds, value) in bounds.iter_mut().zip(point) {
                bounds[half] = lesser(bounds[half], *value);
                bounds[half + 2] = greater(bounds[half + 2], *value);
            }
        }
    }

    /// Put those with the `middle` lowest of a coordinate first.
    fn split(&mut self, places: &mut [u32], middle: usize, (coordinate, dims): (usize, usize)) {
        self.keys.clear();
        let value = |place: u32| self.coords[place as usize * dims + coordinate];
        self.keys.extend(places.iter().map(|place| (value(*place), *place)));
        self.keys.select_nth_unstable_by(middle, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        places.iter_mut().zip(&self.keys).for_each(|(place, key)| *place = key.1);
    }

    fn columns(&self, places: &[u32], dims: usize) -> impl Iterator<Item = f64> {
        (0..dims).flat_map(move |k| {
            places.iter().map(move |place| self.coords[*place as usize * dims + k])
        })
    }
}

/// A dimension that is not known beforehand.
const ANY: usize = 0;

/// Add the squared distances of `n` places from a point.
#[inline]
fn add_squares<const D: usize>(
    squared: &mut [f64; LEAF],
    columns: &[f64],
    n: usize,
    point: &[f64],
) {
    let add = |squared: &mut [f64], column: &[f64], from: f64| {
        for (sum, value) in squared.iter_mut().zip(column) {
            *sum += (from - value) * (from - value);
        }
    };
    let dims = if D == ANY { point.len() } else { D };
    // The same with all lengths known.
    if n == LEAF {
        let columns = columns.as_chunks::<LEAF>().0;
        columns[..dims]
            .iter()
            .zip(&point[..dims])
            .for_each(|(column, from)| add(squared, column, *from));
    } else {
        columns.chunks_exact(n).zip(point).for_each(|(column, from)| add(squared, column, *from));
    }
}

/// The squared distances of a point from two boxes.
#[inline]
fn squared_gaps<const D: usize>(bounds: &[[f64; 4]], point: &[f64]) -> [f64; 2] {
    let add = |sums: [f64; 2], ([low, other_low, high, other_high], value): (&[f64; 4], &f64)| {
        let gaps = [outside(*value, *low, *high), outside(*value, *other_low, *other_high)];
        [sums[0] + gaps[0] * gaps[0], sums[1] + gaps[1] * gaps[1]]
    };
    let dims = if D == ANY { point.len() } else { D };
    bounds[..dims].iter().zip(&point[..dims]).fold([0.0; 2], add)
}

/// Whom neighbours are sought for.
struct Seeker<'a> {
    point: &'a [f64],
    space: &'a Space,
}

/// The scale on which a coordinate's spread counts when boxes are split: a caliper cuts by its width.
fn unit(coordinate: usize, metric: usize, widths: &[f64]) -> f64 {
    if coordinate < metric { 1.0 } else { widths[coordinate - metric].max(f64::MIN_POSITIVE) }
}
