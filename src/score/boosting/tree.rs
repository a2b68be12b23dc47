//! Trees: what a node asks, and where points end up.

use super::bins::Bins;
use super::codes::{Codes, Place};
use super::histogram::Entry;

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

/// A question, answered for every code beforehand.
#[derive(Debug, Clone)]
pub struct Answers {
    place: Place,
    goes_left: Vec<bool>,
}

/// Answers beside the codes that they are for.
pub enum Answering<'a> {
    Bytes { codes: &'a [u8], width: usize, lane: usize, goes_left: &'a [bool; 256] },
    Words { codes: &'a [u16], goes_left: &'a [bool] },
}

impl Question {
    /// `n_bins` are the column's, that of missing values aside.
    #[must_use]
    pub fn answers(&self, codes: &Codes, n_bins: usize) -> Answers {
        let place = codes.place(self.column);
        let n_codes = if matches!(place, Place::Byte { .. }) { 256 } else { n_bins + 1 };
        let mut goes_left = vec![self.missing_left; n_codes];
        match &self.rule {
            Rule::UpTo(last) => {
                let cut = usize::from(*last) + 1;
                goes_left[..cut].fill(true);
                goes_left[cut..n_bins].fill(false);
            }
            Rule::Levels { left, right } => {
                for level in left {
                    goes_left[usize::from(*level)] = true;
                }
                for level in right {
                    goes_left[usize::from(*level)] = false;
                }
            }
        }
        Answers { place, goes_left }
    }
}

impl Answers {
    #[must_use]
    pub fn beside<'a>(&'a self, codes: &'a Codes) -> Answering<'a> {
        match (self.place, self.goes_left.first_chunk()) {
            (Place::Byte { group, lane }, Some(goes_left)) => {
                let own = &codes.groups[group];
                Answering::Bytes { codes: &own.codes, width: own.columns.len(), lane, goes_left }
            }
            (Place::Byte { .. }, None) => Answering::Words { codes: &[], goes_left: &[] },
            (Place::Word(word), _) => {
                Answering::Words { codes: &codes.words[word].codes, goes_left: &self.goes_left }
            }
        }
    }
}

impl Answering<'_> {
    #[inline]
    #[must_use]
    pub fn goes_left(&self, point: usize) -> bool {
        match self {
            Self::Bytes { codes, width, lane, goes_left } => {
                goes_left[usize::from(codes[point * width + lane])]
            }
            Self::Words { codes, goes_left } => goes_left[usize::from(codes[point])],
        }
    }

    /// Move the entries of a node to those of its children, the left ones first; how many these are.
    pub fn part(&self, entries: &[Entry], into: &mut [Entry]) -> usize {
        match *self {
            Self::Bytes { codes, width, lane, goes_left } => {
                part(entries, into, |at| goes_left[usize::from(codes[at * width + lane])])
            }
            Self::Words { codes, goes_left } => {
                part(entries, into, |at| goes_left[usize::from(codes[at])])
            }
        }
    }

    /// Raise the predictors of a node's points, by one value on the left, by the other on the right.
    pub fn raise(&self, entries: &[Entry], by: [f32; 2], predictor: &mut [f32]) {
        match *self {
            Self::Bytes { codes, width, lane, goes_left } => {
                raise(entries, by, predictor, |at| {
                    goes_left[usize::from(codes[at * width + lane])]
                });
            }
            Self::Words { codes, goes_left } => {
                raise(entries, by, predictor, |at| goes_left[usize::from(codes[at])]);
            }
        }
    }
}

/// Which way an entry goes is as good as a coin: its place is worked out without a jump. The left are written from
/// the front and the right from the back: points in order stay in order, one way or the other, which memory is read
/// as fast in, and sums of whole numbers are the same.
fn part(entries: &[Entry], into: &mut [Entry], goes_left: impl Fn(usize) -> bool) -> usize {
    let (mut left, mut right) = (0, into.len());
    for entry in entries {
        let goes_left = goes_left(entry.point as usize);
        right -= usize::from(!goes_left);
        into[if goes_left { left } else { right }] = *entry;
        left += usize::from(goes_left);
    }
    left
}

fn raise(
    entries: &[Entry],
    [left, right]: [f32; 2],
    predictor: &mut [f32],
    goes_left: impl Fn(usize) -> bool,
) {
    for entry in entries {
        let point = entry.point as usize;
        predictor[point] += if goes_left(point) { left } else { right };
    }
}

/// A tree, ready to be asked about many points.
pub struct Asked<'a> {
    nodes: Vec<AskedNode<'a>>,
}

enum AskedNode<'a> {
    Leaf(f32),
    Fork(Answering<'a>, [u32; 2]),
}

impl Tree {
    /// The answers of all nodes; a leaf has none.
    #[must_use]
    pub fn answers(&self, codes: &Codes, bins: &[Bins]) -> Vec<Option<Answers>> {
        let of = |node: &Node| match node {
            Node::Leaf(_) => None,
            Node::Fork(question, _) => Some(question.answers(codes, bins[question.column].len())),
        };
        self.nodes.iter().map(of).collect()
    }

    #[must_use]
    pub fn asked<'a>(&self, answers: &'a [Option<Answers>], codes: &'a Codes) -> Asked<'a> {
        let of = |(node, answers): (&Node, &'a Option<Answers>)| match (node, answers) {
            (Node::Fork(_, next), Some(answers)) => AskedNode::Fork(answers.beside(codes), *next),
            (Node::Leaf(value), _) => AskedNode::Leaf(*value),
            (Node::Fork(..), None) => AskedNode::Leaf(0.0),
        };
        Asked { nodes: self.nodes.iter().zip(answers).map(of).collect() }
    }
}

impl Asked<'_> {
    /// Raise the predictors of the points from `start` on by what their leaves say.
    pub fn raise(&self, start: usize, predictor: &mut [f32]) {
        for (point, predictor) in (start..).zip(predictor) {
            let mut node = &self.nodes[0];
            while let AskedNode::Fork(asked, next) = node {
                node = &self.nodes[next[usize::from(!asked.goes_left(point))] as usize];
            }
            if let AskedNode::Leaf(value) = node {
                *predictor += value;
            }
        }
    }
}
