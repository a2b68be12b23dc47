//! Trees: what a node asks, and where points end up.

use std::ops::Range;

use super::bins::Bins;
use super::codes::{Codes, Column};
use super::histogram::{BYTES, Entry};

/// Which codes of a column go left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// Those up to this one.
    UpTo(u8),
    /// Some levels, and others to the right. A level of which the node had too few rows goes where missing values go.
    Levels { left: Vec<u16>, right: Vec<u16> },
}

/// A question to a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub column: usize,
    pub rule: Rule,
    pub missing_left: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// What the predictor rises by.
    Leaf(f32),
    /// A question, and the nodes that it leads to, left and right.
    Fork(Question, [u32; 2]),
}

/// Nodes, the root first.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    pub nodes: Vec<Node>,
}

/// A question, answered for every code beforehand: whether it goes right.
#[derive(Debug, Clone)]
enum Answers {
    Bytes(Box<[bool; BYTES]>),
    Words(Vec<bool>),
}

/// Answers beside the codes that they are for.
pub struct Asking<'a> {
    codes: &'a Column,
    answers: Answers,
}

impl Question {
    #[must_use]
    pub fn asking<'a>(&self, codes: &'a Codes, bins: &[Bins]) -> Asking<'a> {
        let codes = &codes.columns[self.column];
        let n_bins = bins[self.column].len();
        let answers = match codes {
            Column::Bytes(_) => {
                let mut goes_right = Box::new([!self.missing_left; BYTES]);
                self.answer(&mut goes_right[..n_bins]);
                Answers::Bytes(goes_right)
            }
            Column::Words(_) => {
                let mut goes_right = vec![!self.missing_left; n_bins + 1];
                self.answer(&mut goes_right[..n_bins]);
                Answers::Words(goes_right)
            }
        };
        Asking { codes, answers }
    }

    /// Answer for the codes of all bins.
    fn answer(&self, goes_right: &mut [bool]) {
        match &self.rule {
            Rule::UpTo(last) => {
                let (left, right) = goes_right.split_at_mut(usize::from(*last) + 1);
                left.fill(false);
                right.fill(true);
            }
            Rule::Levels { left, right } => {
                for level in left {
                    goes_right[usize::from(*level)] = false;
                }
                for level in right {
                    goes_right[usize::from(*level)] = true;
                }
            }
        }
    }
}

impl Asking<'_> {
    #[inline]
    fn goes_right(&self, point: usize) -> bool {
        match (self.codes, &self.answers) {
            (Column::Bytes(codes), Answers::Bytes(answers)) => answers[usize::from(codes[point])],
            (Column::Words(codes), Answers::Words(answers)) => answers[usize::from(codes[point])],
            _ => false,
        }
    }

    /// Move the entries of a node to those of its children, the left ones first; how many these are.
    pub fn part(&self, entries: &[Entry], into: &mut [Entry]) -> usize {
        match (self.codes, &self.answers) {
            (Column::Bytes(codes), Answers::Bytes(answers)) => {
                part(entries, into, |point| answers[usize::from(codes[point])])
            }
            _ => part(entries, into, |point| self.goes_right(point)),
        }
    }

    /// Note the leaf of each point of a node whose children are leaves, the right one that after `left`.
    pub fn settle(&self, entries: &[Entry], left: u8, leaf: &mut [u8]) {
        let mut settle = |point: usize, goes_right: bool| {
            leaf[point] = left.wrapping_add(u8::from(goes_right));
        };
        match (self.codes, &self.answers) {
            (Column::Bytes(codes), Answers::Bytes(answers)) => {
                for entry in entries {
                    let point = entry.point as usize;
                    settle(point, answers[usize::from(codes[point])]);
                }
            }
            _ => {
                for entry in entries {
                    let point = entry.point as usize;
                    settle(point, self.goes_right(point));
                }
            }
        }
    }
}

/// Which way an entry goes is as good as a coin: its place is worked out without a jump. The left are written from
/// the front and the right from the back: points in order stay in order, one way or the other, which memory is read
/// as fast in, and sums of whole numbers are the same.
fn part(entries: &[Entry], into: &mut [Entry], goes_right: impl Fn(usize) -> bool) -> usize {
    let (mut left, mut right) = (0_usize, into.len());
    for entry in entries {
        let goes_right = goes_right(entry.point as usize);
        right = right.wrapping_sub(usize::from(goes_right));
        into[if goes_right { right } else { left }] = *entry;
        left = left.wrapping_add(usize::from(!goes_right));
    }
    left
}

impl Tree {
    /// Raise the predictors of the points from `start` on by what their leaves say.
    pub fn raise(&self, codes: &Codes, bins: &[Bins], start: usize, predictor: &mut [f32]) {
        let depth = self.depth(0);
        let asking = self.nodes.iter().map(|node| match node {
            Node::Leaf(_) => None,
            Node::Fork(question, _) => Some(question.asking(codes, bins)),
        });
        let asking: Vec<Option<Asking<'_>>> = asking.collect();
        let values: Vec<f32> = self.nodes.iter().map(Node::value).collect();
        if let Some(steps) = self.byte_steps(&asking, start..start + predictor.len()) {
            for (place, predictor) in predictor.iter_mut().enumerate() {
                let mut node = 0;
                for _ in 0..depth {
                    let step = &steps[node];
                    let goes_right = step.answers[usize::from(step.codes[place])];
                    node = step.next[usize::from(goes_right)] as usize;
                }
                *predictor += values[node];
            }
            return;
        }
        for (point, predictor) in (start..).zip(predictor) {
            let mut node = 0;
            while let (Node::Fork(_, next), Some(asking)) = (&self.nodes[node], &asking[node]) {
                node = next[usize::from(asking.goes_right(point))] as usize;
            }
            *predictor += values[node];
        }
    }

    /// Steps for a stretch of points, where all columns are of bytes. A leaf leads to itself, so that every point takes
    /// as many steps and none has to be foreseen.
    fn byte_steps<'a>(
        &self,
        asking: &'a [Option<Asking<'_>>],
        points: Range<usize>,
    ) -> Option<Vec<ByteStep<'a>>> {
        let root: &'a [u8] = match asking[0].as_ref().map(|own| own.codes) {
            Some(Column::Bytes(codes)) => &codes[points.clone()],
            _ => return None,
        };
        let step = |(number, (node, asking)): (u32, (&Node, &'a Option<Asking<'_>>))| {
            let Node::Fork(_, next) = node else {
                return Some(ByteStep { codes: root, answers: &[false; BYTES], next: [number; 2] });
            };
            let own = asking.as_ref()?;
            match (own.codes, &own.answers) {
                (Column::Bytes(codes), Answers::Bytes(answers)) => {
                    Some(ByteStep { codes: &codes[points.clone()], answers, next: *next })
                }
                _ => None,
            }
        };
        (0..).zip(self.nodes.iter().zip(asking)).map(step).collect()
    }

    fn depth(&self, node: u32) -> usize {
        match &self.nodes[node as usize] {
            Node::Leaf(_) => 0,
            Node::Fork(_, [left, right]) => 1 + self.depth(*left).max(self.depth(*right)),
        }
    }
}

/// A node on the way of points through columns of bytes.
struct ByteStep<'a> {
    codes: &'a [u8],
    answers: &'a [bool; BYTES],
    next: [u32; 2],
}

impl Node {
    fn value(&self) -> f32 {
        if let Self::Leaf(value) = self { *value } else { 0.0 }
    }
}
