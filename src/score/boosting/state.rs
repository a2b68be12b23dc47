//! A fold's model as two lists of numbers, and back: what is kept of it outside of the process.

use super::bins::Bins;
use super::folds::FoldModel;
use super::tree::{Node, Question, Rule, Tree};

/// What kind of node follows.
const LEAF: i64 = 0;
const UP_TO: i64 = 1;
const LEVELS: i64 = 2;

/// A model in numbers: those of its questions, tree by tree and node by node, and those that leaves raise by, after
/// the start.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    pub questions: Vec<i64>,
    pub values: Vec<f64>,
}

impl State {
    #[must_use]
    pub fn of(model: &FoldModel) -> Self {
        let mut state = Self { questions: Vec::new(), values: vec![f64::from(model.start)] };
        for tree in &model.trees {
            state.push(tree.nodes.len());
            tree.nodes.iter().for_each(|node| state.push_node(node));
        }
        state
    }

    /// The model, unless these are not the numbers of one over such columns.
    #[must_use]
    #[allow(clippy::cast_possible_truncation)] // values were 32 bits before
    pub fn model(&self, bins: &[Bins]) -> Option<FoldModel> {
        let mut reader =
            Reader { questions: self.questions.iter(), values: self.values.iter(), bins };
        let start = *reader.values.next()? as f32;
        let mut trees = Vec::new();
        while !reader.questions.as_slice().is_empty() {
            trees.push(reader.tree()?);
        }
        reader.values.as_slice().is_empty().then_some(FoldModel { start, trees })
    }

    fn push(&mut self, number: usize) {
        self.questions.push(i64::try_from(number).unwrap_or(i64::MAX));
    }

    fn push_node(&mut self, node: &Node) {
        let Node::Fork(Question { column, rule, missing_left }, next) = node else {
            if let Node::Leaf(value) = node {
                self.questions.push(LEAF);
                self.values.push(f64::from(*value));
            }
            return;
        };
        self.questions.push(if matches!(rule, Rule::UpTo(_)) { UP_TO } else { LEVELS });
        self.push(*column);
        self.questions.push(i64::from(*missing_left));
        self.questions.extend(next.map(i64::from));
        match rule {
            Rule::UpTo(last) => self.questions.push(i64::from(*last)),
            Rule::Levels { left, right } => {
                for side in [left, right] {
                    self.push(side.len());
                    self.questions.extend(side.iter().copied().map(i64::from));
                }
            }
        }
    }
}

struct Reader<'a> {
    questions: std::slice::Iter<'a, i64>,
    values: std::slice::Iter<'a, f64>,
    bins: &'a [Bins],
}

impl Reader<'_> {
    /// The next number, where it is from 0 to less than `end`.
    fn below(&mut self, end: usize) -> Option<usize> {
        usize::try_from(*self.questions.next()?).ok().filter(|number| *number < end)
    }

    fn tree(&mut self) -> Option<Tree> {
        let n_nodes = self.below(usize::MAX)?;
        let nodes =
            (0..n_nodes).map(|number| self.node(number, n_nodes)).collect::<Option<Vec<_>>>()?;
        (!nodes.is_empty()).then_some(Tree { nodes })
    }

    #[allow(clippy::cast_possible_truncation)] // values were 32 bits before
    fn node(&mut self, number: usize, n_nodes: usize) -> Option<Node> {
        let kind = *self.questions.next()?;
        if kind == LEAF {
            return Some(Node::Leaf(*self.values.next()? as f32));
        }
        let column = self.below(self.bins.len())?;
        let missing_left = self.below(2)? == 1;
        // Nodes lead to later ones alone, so that whoever follows them arrives.
        let mut next = [0; 2];
        for place in &mut next {
            let after = self.below(n_nodes)?;
            *place = u32::try_from(after).ok().filter(|_| after > number)?;
        }
        let n_bins = self.bins[column].len();
        let rule = match (kind, &self.bins[column]) {
            (UP_TO, Bins::Numbers(_)) => Rule::UpTo(u8::try_from(self.below(n_bins)?).ok()?),
            (LEVELS, Bins::Levels(_)) => {
                Rule::Levels { left: self.levels(n_bins)?, right: self.levels(n_bins)? }
            }
            _ => return None,
        };
        Some(Node::Fork(Question { column, rule, missing_left }, next))
    }

    fn levels(&mut self, n_levels: usize) -> Option<Vec<u16>> {
        let count = self.below(n_levels + 1)?;
        (0..count).map(|_| u16::try_from(self.below(n_levels)?).ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> FoldModel {
        let rule = Rule::Levels { left: vec![0, 299], right: vec![7] };
        let levels = Question { column: 1, rule, missing_left: false };
        let numbers = Question { column: 0, rule: Rule::UpTo(1), missing_left: true };
        let deep = vec![
            Node::Fork(numbers, [1, 2]),
            Node::Fork(levels, [3, 4]),
            Node::Leaf(0.25),
            Node::Leaf(-1.5),
            Node::Leaf(0.0),
        ];
        let trees = vec![Tree { nodes: deep }, Tree { nodes: vec![Node::Leaf(2.0)] }];
        FoldModel { start: -0.7, trees }
    }

    #[test]
    fn a_state_is_the_model_and_nothing_else_is() {
        let bins = [Bins::Numbers(vec![0.0, 1.0]), Bins::Levels(300)];
        let state = State::of(&model());
        assert_eq!(state.model(&bins), Some(model()));
        for place in 0..state.questions.len() {
            let mut broken = state.clone();
            broken.questions[place] = -1;
            assert_eq!(broken.model(&bins), None, "{place}");
            broken.questions.truncate(place);
            assert!(broken.model(&bins).is_none_or(|found| found.trees.len() < 2));
        }
        let mut endless = state.clone();
        endless.questions[4] = 0;
        assert_eq!(endless.model(&bins), None);
        let mut longer = state;
        longer.values.push(1.0);
        assert_eq!(longer.model(&bins), None);
    }
}
