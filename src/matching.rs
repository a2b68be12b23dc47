//! Matching: who of the other arm is compared with whom, on the score or among covariates, and the effect of it.

mod adjacent;
mod ascent;
mod available;
mod bands;
mod bits;
mod bucket_sort;
mod caliper;
mod choice;
mod draws;
mod effect;
mod estimated_scores;
mod grid;
mod groups;
mod in_turn;
mod kd_tree;
mod linked_line;
mod matched_arm;
mod matches;
mod metric;
mod neighbors;
mod on_scores;
mod optimal;
mod outcome_variance;
mod pair;
mod places;
mod present;
mod resampled;
mod sorted_donors;
mod sorted_scores;
mod space;
mod spec;
mod with_replacement;

pub use bands::{BYTES_A_ROW as BANDED_BYTES_A_ROW, BandedLine};
pub(crate) use bucket_sort::Sorted;
pub use effect::{MatchedEffect, effect};
pub use matched_arm::MatchedRows;
pub use matches::{Matches, Pairs};
pub use on_scores::nearest;
pub use optimal::full;
pub use outcome_variance::{Neighborhood, outcome_variance};
pub use pair::pair;
pub use resampled::Line;
pub use spec::{
    CaliperUnit, Candidates, Discard, Focal, MatchSpec, Method, Metric, NearestSpec, Order,
    Quantity,
};
