//! Growing a tree, from the root down, the left child first.

use std::ops::Range;

use super::bins::Bins;
use super::codes::Codes;
use super::histogram::{Bin, Entry, Histograms, Rows};
use super::loss::Loss;
use super::split::{self, Limits, Split, best};
use super::tree::{Node, Tree};
use crate::error::Result;
use crate::kernels::Scales;
use crate::monitor::Monitor;

/// The most questions that a tree may ask on the way to a leaf: the number of a leaf is a byte.
pub const DEEPEST: usize = 8;

const LEAVES: usize = 1 << DEEPEST;

/// How trees are to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// Questions from the root to a leaf, at most.
    pub depth: usize,
    /// The share of Newton's step that a leaf takes.
    pub learning_rate: f64,
    /// Rows of a leaf, at least.
    pub min_leaf: usize,
}

/// What trees are grown on, all that does not change while one grows.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    pub codes: &'a Codes,
    pub bins: &'a [Bins],
    pub rows: Rows<'a>,
    pub loss: Loss,
    pub shape: Shape,
    pub limits: Limits<'a>,
    pub scales: Scales,
}

/// Room to grow trees in, one after the other.
#[derive(Debug, Default)]
pub struct Workspace {
    /// The entries of the nodes of even depth, and of odd depth.
    pub entries: [Vec<Entry>; 2],
    /// By point, the number of the leaf that it ended up in.
    leaf: Vec<u8>,
    histograms: Vec<Histograms>,
}

/// One tree in growth.
struct Growth<'a, 'g> {
    ground: &'g Ground<'a>,
    leaf: &'g mut [u8],
    values: Vec<f32>,
    spare: &'g mut Vec<Histograms>,
    nodes: Vec<Node>,
    monitor: &'g Monitor,
}

/// A node: its entries, and as many places for those of its children; what it holds.
struct Plot<'e> {
    entries: &'e mut [Entry],
    room: &'e mut [Entry],
    total: Bin,
    depth: usize,
}

/// Grow a tree on the entries of even depth, which hold `total` and are those of the points `fitted`, and raise the
/// predictors of these by it.
///
/// # Errors
/// [`crate::error::Error::Stopped`].
pub fn grow(
    ground: &Ground<'_>,
    workspace: &mut Workspace,
    total: Bin,
    fitted: &[Range<usize>],
    predictor: &mut [f32],
    monitor: &Monitor,
) -> Result<Tree> {
    let Workspace { entries: [entries, spare], leaf, histograms } = workspace;
    spare.resize(entries.len(), Entry::default());
    leaf.resize(predictor.len(), 0);
    let (nodes, values) = (Vec::new(), Vec::new());
    let mut growth = Growth { ground, leaf, values, spare: histograms, nodes, monitor };
    let root = Plot { entries, room: spare, total, depth: 0 };
    let filled = growth.can_split(&root).then(|| growth.filled(root.entries));
    growth.node(root, filled)?;
    let Growth { leaf, values, nodes, .. } = growth;
    // One pass in order, where every leaf would have been one through the points that it has.
    let mut by_leaf = [0.0; LEAVES];
    by_leaf[..values.len()].copy_from_slice(&values);
    for points in fitted {
        let own = predictor[points.clone()].iter_mut().zip(&leaf[points.clone()]);
        own.for_each(|(predictor, leaf)| *predictor += by_leaf[usize::from(*leaf)]);
    }
    Ok(Tree { nodes })
}

impl Growth<'_, '_> {
    /// Add a node, and all below it. The histograms, which there are if it may be split, are used up.
    fn node(&mut self, plot: Plot<'_>, histograms: Option<Histograms>) -> Result<u32> {
        self.monitor.check()?;
        let place = self.nodes.len();
        let number = u32::try_from(place).unwrap_or(u32::MAX);
        let Ground { codes, bins, limits, .. } = self.ground;
        let split = histograms.as_ref().and_then(|own| best(own, codes, bins, plot.total, limits));
        let (Some(split), Some(histograms)) = (split, histograms) else {
            self.leaf(&plot);
            return Ok(number);
        };
        self.nodes.push(Node::Fork(split.question.clone(), [0, 0]));
        let children = if plot.depth + 1 == self.ground.shape.depth {
            self.spare.push(histograms);
            self.leaves(&plot, &split)
        } else {
            self.children(plot, &split, histograms)?
        };
        self.nodes[place] = Node::Fork(split.question, children);
        Ok(number)
    }

    /// Part a node's entries, and go on with both sides.
    fn children(
        &mut self,
        plot: Plot<'_>,
        split: &Split,
        histograms: Histograms,
    ) -> Result<[u32; 2]> {
        let Ground { codes, bins, .. } = *self.ground;
        let n_left = split.question.asking(codes, bins).part(plot.entries, plot.room);
        // The entries' place is free now for those of the grandchildren.
        let (left, right) = plot.room.split_at_mut(n_left);
        let (left_room, right_room) = plot.entries.split_at_mut(n_left);
        let depth = plot.depth + 1;
        let left = Plot { entries: left, room: left_room, total: split.left, depth };
        let right = Plot { entries: right, room: right_room, total: split.right, depth };
        let [of_left, of_right] = self.divided(histograms, &left, &right);
        Ok([self.node(left, of_left)?, self.node(right, of_right)?])
    }

    /// The histograms of both sides, of those that may be split: the smaller is summed up, the larger is what that
    /// leaves of their parent's.
    fn divided(
        &mut self,
        mut parent: Histograms,
        left: &Plot<'_>,
        right: &Plot<'_>,
    ) -> [Option<Histograms>; 2] {
        let wanted = [left, right].map(|plot| self.can_split(plot));
        if wanted == [false, false] {
            self.spare.push(parent);
            return [None, None];
        }
        let left_is_smaller = left.entries.len() <= right.entries.len();
        let smaller = if left_is_smaller { &left.entries } else { &right.entries };
        let own = self.filled(smaller);
        parent.subtract(&own);
        let both = if left_is_smaller { [own, parent] } else { [parent, own] };
        let mut wanted = wanted.into_iter();
        both.map(|own| {
            if wanted.next() == Some(true) {
                return Some(own);
            }
            self.spare.push(own);
            None
        })
    }

    fn filled(&mut self, entries: &[Entry]) -> Histograms {
        let Ground { codes, bins, rows, limits, .. } = *self.ground;
        let mut own = self.spare.pop().unwrap_or_else(|| Histograms::room(codes, bins));
        own.fill(codes, entries, rows, limits.packing);
        own
    }

    fn can_split(&self, plot: &Plot<'_>) -> bool {
        let Limits { packing, min_leaf, .. } = self.ground.limits;
        plot.depth < self.ground.shape.depth && packing.sums(plot.total).rows / 2 >= min_leaf
    }

    fn leaf(&mut self, plot: &Plot<'_>) {
        let number = self.next_leaf();
        self.add_leaf(plot.total);
        for entry in &*plot.entries {
            self.leaf[entry.point as usize] = number;
        }
    }

    /// Two leaves: nobody looks at the order of their entries any more.
    fn leaves(&mut self, plot: &Plot<'_>, split: &Split) -> [u32; 2] {
        let Ground { codes, bins, .. } = *self.ground;
        let left = self.next_leaf();
        split.question.asking(codes, bins).settle(plot.entries, left, self.leaf);
        [split.left, split.right].map(|total| self.add_leaf(total))
    }

    /// The number of the next leaf; there are at most as many as a byte has values.
    #[allow(clippy::cast_possible_truncation)]
    fn next_leaf(&self) -> u8 {
        self.values.len() as u8
    }

    /// Add the node of a leaf that holds this.
    fn add_leaf(&mut self, total: Bin) -> u32 {
        let value = self.value(total);
        self.values.push(value);
        self.nodes.push(Node::Leaf(value));
        u32::try_from(self.nodes.len() - 1).unwrap_or(u32::MAX)
    }

    #[allow(clippy::cast_possible_truncation)] // predictors are kept in 32 bits
    fn value(&self, total: Bin) -> f32 {
        let Ground { loss, shape, limits, scales, .. } = self.ground;
        let sums = limits.packing.sums(total);
        if sums.rows == 0 {
            return 0.0;
        }
        let gradient = sums.gradient as f64 / scales.gradient;
        let curvature = sums.curvature as f64 / scales.curvature;
        (shape.learning_rate * loss.step(gradient, curvature)) as f32
    }
}

/// By column, what share of a factor's gain at the root is noise, as [`split::noise_shares`] has it.
#[must_use]
pub fn noise_shares(ground: &Ground<'_>, entries: &[Entry], total: Bin) -> Vec<f64> {
    let Ground { codes, bins, rows, limits, .. } = *ground;
    let mut own = Histograms::room(codes, bins);
    own.fill(codes, entries, rows, limits.packing);
    split::noise_shares(&own, codes, bins, total, &limits)
}
