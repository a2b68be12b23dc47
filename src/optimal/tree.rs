//! Points in boxes within boxes (a k-d tree: Bentley 1975), each of which knows the most that anything in it saves.
//!
//! A point costs its distance less what it saves. A box whose least distance less its greatest saving is no less
//! than the best found so far is passed over, as is one that lies beyond a caliper.

use super::layout::Coordinates;
use super::ranges::outside;
use super::whole::{Measure, Whole};

/// Points that are compared in one go.
const LEAF: usize = 8;
const NONE: u32 = u32::MAX;

/// A dimension that is not known beforehand.
const ANY: usize = 0;

/// The most points that may be asked for at once.
pub const MOST: usize = 8;

/// A point, and what it costs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Found {
    pub cost: Whole,
    pub place: u32,
    pub length: i64,
}

/// The cheapest points, ascending; none costs as much as `limit`.
pub struct Cheapest {
    found: [Found; MOST],
    n_found: usize,
    wanted: usize,
    pub limit: Whole,
}

impl Cheapest {
    pub fn below(limit: Whole, wanted: usize) -> Self {
        Self { found: [Found::default(); MOST], n_found: 0, wanted, limit }
    }

    pub fn found(&self) -> &[Found] {
        &self.found[..self.n_found]
    }

    fn offer(&mut self, new: Found) {
        let after = self.found().iter().rposition(|old| old.cost <= new.cost);
        let at = after.map_or(0, |after| after + 1);
        self.n_found = (self.n_found + 1).min(self.wanted);
        self.found[at..self.n_found].rotate_right(1);
        self.found[at] = new;
        if self.n_found == self.wanted {
            self.limit = self.found[self.n_found - 1].cost;
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Node {
    first: u32,
    last: u32,
    /// The left half; the right one is the next node. `NONE` for a leaf.
    halves: u32,
    parent: u32,
}

pub struct Tree<'a> {
    dimensions: usize,
    metric: usize,
    /// The longest distance allowed, and the largest difference in each column that is not of the distance.
    reach: f64,
    widths: &'a [f64],
    measure: Measure,
    nodes: Vec<Node>,
    /// The lowest and then the highest of each node's coordinates.
    boxes: Vec<f64>,
    /// Points are numbered by place, those of a box next to each other; one after the other, and leaf by leaf, the
    /// first coordinates of all its points first.
    points: Vec<f64>,
    columns: Vec<f64>,
    order: Vec<u32>,
    /// By every `LEAF` places.
    leaves: Vec<u32>,
    savings: Vec<Whole>,
    /// By node.
    most: Vec<Whole>,
}

impl<'a> Tree<'a> {
    #[allow(clippy::cast_possible_truncation)] // rows are numbered in u32
    pub fn new(points: &Coordinates<'a>, reach: f64, measure: Measure) -> Self {
        let n = points.len();
        let mut tree = Self {
            dimensions: points.dimensions,
            metric: points.metric,
            reach,
            widths: points.widths,
            measure,
            nodes: vec![Node { first: 0, last: n as u32, halves: NONE, parent: NONE }],
            boxes: Vec::new(),
            points: Vec::with_capacity(points.flat.len()),
            columns: Vec::new(),
            order: (0..n as u32).collect(),
            leaves: vec![0; n.div_ceil(LEAF)],
            savings: vec![0; n],
            most: Vec::new(),
        };
        let mut keys = Vec::with_capacity(n);
        let mut node = 0;
        while node < tree.nodes.len() {
            tree.split(node, points, &mut keys);
            node += 1;
        }
        tree.most = vec![0; tree.nodes.len()];
        for item in &tree.order {
            tree.points.extend_from_slice(points.point(*item as usize));
        }
        tree.columns = by_leaf(&tree.points, points.dimensions);
        tree
    }

    /// Bound a node, and halve it along its widest side unless it is a leaf.
    #[allow(clippy::cast_possible_truncation)]
    fn split(&mut self, node: usize, points: &Coordinates<'_>, keys: &mut Vec<(f64, u32)>) {
        let Node { first, last, .. } = self.nodes[node];
        let items = &mut self.order[first as usize..last as usize];
        let start = self.boxes.len();
        self.boxes.resize(start + self.dimensions, f64::INFINITY);
        self.boxes.resize(start + 2 * self.dimensions, f64::NEG_INFINITY);
        let (lows, highs) = self.boxes[start..].split_at_mut(self.dimensions);
        for item in &*items {
            for (k, value) in points.point(*item as usize).iter().enumerate() {
                lows[k] = lows[k].min(*value);
                highs[k] = highs[k].max(*value);
            }
        }
        if items.len() <= LEAF {
            if let Some(leaf) = self.leaves.get_mut(first as usize / LEAF) {
                *leaf = node as u32;
            }
            return;
        }
        // A caliper cuts by its width.
        let unit = |k: usize| match k.checked_sub(self.metric) {
            Some(k) => self.widths[k].max(f64::MIN_POSITIVE),
            None => 1.0,
        };
        let spread = |k: &usize| (highs[*k] - lows[*k]) / unit(*k);
        let widest = (0..self.dimensions).max_by(|a, b| spread(a).total_cmp(&spread(b)));
        let along = |item: u32| points.point(item as usize)[widest.unwrap_or(0)];
        // The left half fills its leaves, so that each begins at a multiple of their size.
        let middle = (items.len() / 2).next_multiple_of(LEAF);
        keys.clear();
        keys.extend(items.iter().map(|item| (along(*item), *item)));
        keys.select_nth_unstable_by(middle, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        items.iter_mut().zip(&*keys).for_each(|(item, key)| *item = key.1);
        self.nodes[node].halves = self.nodes.len() as u32;
        let middle = first + middle as u32;
        for (first, last) in [(first, middle), (middle, last)] {
            self.nodes.push(Node { first, last, halves: NONE, parent: node as u32 });
        }
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Which of the points it was made from is at a place.
    pub fn item(&self, place: usize) -> usize {
        self.order[place] as usize
    }

    pub fn point(&self, place: usize) -> &[f64] {
        &self.points[place * self.dimensions..][..self.dimensions]
    }

    pub fn saving(&self, place: usize) -> Whole {
        self.savings[place]
    }

    pub fn savings(&self) -> &[Whole] {
        &self.savings
    }

    pub fn set(&mut self, place: usize, saving: Whole) {
        self.savings[place] = saving;
        let mut node = self.leaves[place / LEAF] as usize;
        let mut most = self.most_in_leaf(node);
        while self.most[node] != most {
            self.most[node] = most;
            if self.nodes[node].parent == NONE {
                return;
            }
            node = self.nodes[node].parent as usize;
            most = self.most_in_halves(node);
        }
    }

    pub fn set_all(&mut self, savings: impl Iterator<Item = Whole>) {
        self.savings.clear();
        self.savings.extend(savings);
        // Halves come after the whole.
        for node in (0..self.nodes.len()).rev() {
            let is_leaf = self.nodes[node].halves == NONE;
            self.most[node] =
                if is_leaf { self.most_in_leaf(node) } else { self.most_in_halves(node) };
        }
    }

    fn most_in_leaf(&self, node: usize) -> Whole {
        let Node { first, last, .. } = self.nodes[node];
        let savings = &self.savings[first as usize..last as usize];
        savings.iter().copied().fold(Whole::MIN, Whole::max)
    }

    fn most_in_halves(&self, node: usize) -> Whole {
        let halves = self.nodes[node].halves as usize;
        self.most[halves].max(self.most[halves + 1])
    }

    /// The cheapest places as seen from a point, the nearer boxes first.
    pub fn search(&self, point: &[f64], cheapest: &mut Cheapest) {
        if self.least(0, point).is_some_and(|least| least < cheapest.limit) {
            self.descend(0, point, cheapest);
        }
    }

    /// Whether anything costs less than `limit`.
    pub fn any_below(&self, point: &[f64], limit: Whole) -> bool {
        self.least(0, point).is_some_and(|least| least < limit) && self.finds(0, point, limit)
    }

    fn descend(&self, node: usize, point: &[f64], cheapest: &mut Cheapest) {
        let Node { first, last, halves, .. } = self.nodes[node];
        if halves == NONE {
            let farthest = self.measure.below(cheapest.limit + self.most[node]);
            for (place, squared) in (first..last).zip(self.squares(first, point)) {
                if squared > farthest * farthest {
                    continue;
                }
                let found = self.cost(place, squared.sqrt(), point);
                if let Some(found) = found.filter(|found| found.cost < cheapest.limit) {
                    cheapest.offer(found);
                }
            }
            return;
        }
        for (half, least) in self.by_cost(halves, point) {
            if least.is_some_and(|least| least < cheapest.limit) {
                self.descend(half, point, cheapest);
            }
        }
    }

    fn finds(&self, node: usize, point: &[f64], limit: Whole) -> bool {
        let Node { first, last, halves, .. } = self.nodes[node];
        let is_below = |cost: Option<Whole>| cost.is_some_and(|cost| cost < limit);
        if halves == NONE {
            let farthest = self.measure.below(limit + self.most[node]);
            return (first..last).zip(self.squares(first, point)).any(|(place, squared)| {
                squared <= farthest * farthest
                    && is_below(self.cost(place, squared.sqrt(), point).map(|found| found.cost))
            });
        }
        let mut halves = self.by_cost(halves, point).into_iter();
        halves.any(|(half, least)| is_below(least) && self.finds(half, point, limit))
    }

    /// Both halves and the least that anything in them may cost, that with less first.
    fn by_cost(&self, halves: u32, point: &[f64]) -> [(usize, Option<Whole>); 2] {
        let left = halves as usize;
        let leasts = [self.least(left, point), self.least(left + 1, point)];
        let found = [(left, leasts[0]), (left + 1, leasts[1])];
        let is_right = leasts[1].is_some_and(|right| leasts[0].is_none_or(|left| right < left));
        if is_right { [found[1], found[0]] } else { found }
    }

    fn least(&self, node: usize, point: &[f64]) -> Option<Whole> {
        let length = self.apart(node, point)?;
        Some(self.measure.whole(self.measure.length(length)) - self.most[node])
    }

    /// What a point at this distance costs; none beyond a caliper.
    fn cost(&self, place: u32, length: f64, point: &[f64]) -> Option<Found> {
        if !self.is_allowed(place, length, point) {
            return None;
        }
        let length = self.measure.length(length);
        let cost = self.measure.whole(length) - self.savings[place as usize];
        Some(Found { cost, place, length })
    }

    fn is_allowed(&self, place: u32, length: f64, point: &[f64]) -> bool {
        let further = self.point(place as usize).iter().zip(point).skip(self.metric);
        let within = |((a, b), width): ((&f64, &f64), &f64)| (a - b).abs() <= *width;
        length <= self.reach && further.zip(self.widths).all(within)
    }

    /// The squared distances of the points of a leaf.
    fn squares(&self, first: u32, point: &[f64]) -> [f64; LEAF] {
        // The same with the dimension known is faster.
        match self.metric {
            2 => self.squares_of::<2>(first, point),
            3 => self.squares_of::<3>(first, point),
            4 => self.squares_of::<4>(first, point),
            5 => self.squares_of::<5>(first, point),
            6 => self.squares_of::<6>(first, point),
            _ => self.squares_of::<ANY>(first, point),
        }
    }

    #[inline]
    fn squares_of<const D: usize>(&self, first: u32, point: &[f64]) -> [f64; LEAF] {
        let columns = &self.columns[first as usize * self.dimensions..];
        let metric = if D == ANY { self.metric } else { D };
        let mut squares = [0.0; LEAF];
        for (column, from) in columns.as_chunks::<LEAF>().0[..metric].iter().zip(&point[..metric]) {
            for (square, value) in squares.iter_mut().zip(column) {
                *square += (value - from) * (value - from);
            }
        }
        squares
    }

    /// The least distance of anything in a box; none where nothing in it may be taken. Each difference rounds as that
    /// to a point does, so that it is never above the distance to one.
    fn apart(&self, node: usize, point: &[f64]) -> Option<f64> {
        let square = match self.metric {
            2 => self.square_to_box::<2>(node, point),
            3 => self.square_to_box::<3>(node, point),
            4 => self.square_to_box::<4>(node, point),
            5 => self.square_to_box::<5>(node, point),
            6 => self.square_to_box::<6>(node, point),
            _ => self.square_to_box::<ANY>(node, point),
        };
        let length = square.sqrt();
        let beyond = |(k, width): (usize, &f64)| {
            let k = self.metric + k;
            let (low, high) = self.side(node, k);
            outside(point[k], low, high) > *width
        };
        let allowed = length <= self.reach && !self.widths.iter().enumerate().any(beyond);
        allowed.then_some(length)
    }

    /// The range of a coordinate in a box.
    fn side(&self, node: usize, k: usize) -> (f64, f64) {
        let start = 2 * self.dimensions * node;
        (self.boxes[start + k], self.boxes[start + self.dimensions + k])
    }

    #[inline]
    fn square_to_box<const D: usize>(&self, node: usize, point: &[f64]) -> f64 {
        let d = self.dimensions;
        let (lows, highs) = self.boxes[2 * d * node..][..2 * d].split_at(d);
        let metric = if D == ANY { self.metric } else { D };
        let sides = lows[..metric].iter().zip(&highs[..metric]).zip(&point[..metric]);
        let gaps = sides.map(|((low, high), from)| outside(*from, *low, *high));
        gaps.fold(0.0, |sum, gap| sum + gap * gap)
    }

    /// The nearest of the points it was made from, of several as near the first, and its distance.
    pub fn nearest(&self, point: &[f64]) -> Option<(usize, f64)> {
        let mut nearest = None;
        self.approach(0, point, &mut nearest);
        nearest
    }

    fn approach(&self, node: usize, point: &[f64], nearest: &mut Option<(usize, f64)>) {
        let Node { first, last, halves, .. } = self.nodes[node];
        if halves == NONE {
            for (place, squared) in (first..last).zip(self.squares(first, point)) {
                let length = squared.sqrt();
                if !self.is_allowed(place, length, point) {
                    continue;
                }
                let item = self.item(place as usize);
                if nearest.is_none_or(|(old, least)| (length, item) < (least, old)) {
                    *nearest = Some((item, length));
                }
            }
            return;
        }
        let left = halves as usize;
        let mut apart = [left, left + 1].map(|half| (self.apart(half, point), half));
        if apart[1].0.is_some_and(|right| apart[0].0.is_none_or(|left| right < left)) {
            apart.swap(0, 1);
        }
        for (length, half) in apart {
            let Some(length) = length else { continue };
            if nearest.is_none_or(|(_, least)| length <= least) {
                self.approach(half, point, nearest);
            }
        }
    }
}

/// Coordinates leaf by leaf, those of the last filled up with points infinitely far away.
fn by_leaf(points: &[f64], dimensions: usize) -> Vec<f64> {
    let leaf = |points: &[f64]| {
        let value = |k: usize, at: usize| points.get(at * dimensions + k).copied();
        let column = |k: usize| (0..LEAF).map(move |at| value(k, at).unwrap_or(f64::INFINITY));
        (0..dimensions).flat_map(column).collect::<Vec<f64>>()
    };
    points.chunks(LEAF * dimensions).flat_map(leaf).collect()
}
