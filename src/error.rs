//! Everything that can go wrong, in one enum with named fields. Messages name the argument, count
//! the offending rows, show the first of them and say what to do.

use std::fmt;

use crate::linalg;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, Clone, PartialEq)]
pub enum Error {
    /// An argument is outside what it may be.
    Argument { name: &'static str, found: String, allowed: &'static str },
    /// Two arrays that should be equally long are not.
    Length { name: &'static str, expected: usize, found: usize },
    /// Missing or infinite values.
    NotFinite { name: &'static str, column: Option<usize>, rows: Rows },
    /// Missing or infinite values in several columns of a matrix.
    NotFiniteColumns { name: &'static str, columns: Vec<(usize, Rows)> },
    /// Infinite values, where missing ones may be.
    Infinite { name: &'static str, column: usize, rows: Rows },
    /// Values whose squares are more, or less, than a float64 can be.
    Extreme { name: &'static str, column: Option<usize> },
    /// A treatment that is not binary: its first levels in order, and whether there are more.
    Levels { levels: Vec<f64>, more: bool },
    /// Values outside their range.
    OutOfRange { name: &'static str, allowed: &'static str, rows: Rows },
    /// Scores of exactly 0 or 1.
    CertainScores { zeros: usize, ones: usize, rows: Rows },
    /// An arm with fewer units than it takes.
    EmptyArm { treated: usize, control: usize, fewest: usize },
    /// More coefficients than rows to fit them to.
    TooFewRows { model: &'static str, rows: usize, terms: usize },
    /// An arm whose weights are all zero.
    WeightlessArm { arm: &'static str },
    /// Covariates predict the treatment of some rows perfectly, these columns above all: no
    /// maximum-likelihood fit exists.
    Separation { columns: Vec<usize> },
    /// No weights of an arm (of both together: `None`) balance these columns.
    Infeasible { arm: Option<&'static str>, columns: Vec<usize> },
    /// Newton's method ran out of iterations.
    NotConverged { iterations: usize, gradient_norm: f64, tolerance: f64 },
    /// No focal unit has a neighbour within the caliper.
    NoMatches { caliper_width: f64 },
    /// Not one bootstrap replicate could be estimated.
    AllReplicatesFailed { n_reps: usize, first: Box<Error> },
    /// Rows whose outcome in an arm its own rows do not tell: they lie outside the space that these span, in these
    /// columns of the outcome model's.
    Outside { arm: &'static str, columns: Vec<usize>, rows: Vec<usize> },
    /// An outcome that is always 0, or always 1, in an arm, where such a model has no maximum.
    NoEvents { arm: &'static str, always: u8, model: &'static str },
    /// Rows that every tree of a forest has seen, and how many trees would leave each of them out, if any do.
    InEveryBag { rows: Vec<usize>, n_trees: usize, enough: Option<usize> },
    /// Sums over the rows that are not numbers any more.
    Overflow,
    /// There is no room for what the call needs.
    Memory { bytes: usize },
    /// The caller asked to stop.
    Stopped,
}

/// The rows an error is about: how many, and the first few.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    pub count: usize,
    pub first: Vec<usize>,
}

impl Rows {
    const SHOWN: usize = 5;

    /// These rows, in order.
    #[must_use]
    pub fn of(rows: &[usize]) -> Self {
        Self { count: rows.len(), first: rows.iter().take(Self::SHOWN).copied().collect() }
    }

    /// The rows where `bad` holds, or `None` where it never does.
    pub fn matching<T: Copy>(
        values: impl IntoIterator<Item = T>,
        bad: impl Fn(T) -> bool,
    ) -> Option<Self> {
        let mut rows = Self { count: 0, first: Vec::new() };
        for (row, value) in values.into_iter().enumerate() {
            if bad(value) {
                rows.count += 1;
                if rows.first.len() < Self::SHOWN {
                    rows.first.push(row);
                }
            }
        }
        (rows.count > 0).then_some(rows)
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first: Vec<String> = self.first.iter().map(ToString::to_string).collect();
        let more = if self.count > self.first.len() { ", ..." } else { "" };
        write!(f, "row{} {}{more}", plural(self.count), first.join(", "))
    }
}

/// What makes two arms of these levels, in order; of two that are not 0, the larger is taken for the treated.
fn two_arms(levels: &[f64], more: bool) -> String {
    match (levels, more) {
        ([treated, control] | [control, treated], false) if *control == 0.0 => {
            format!("say which one is treated: treatment == {treated}")
        }
        ([_, treated], false) => format!("say which one is treated: treatment == {treated}"),
        ([_], false) => "both arms are needed".into(),
        _ => "keep the rows of two arms first, and then say which one is treated".into(),
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// So many values that are missing or infinite, and where.
struct NotFinite<'a>(&'a Rows);

impl fmt::Display for NotFinite<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(rows) = self;
        write!(f, "{} missing or infinite value{} ({rows})", rows.count, plural(rows.count))
    }
}

impl fmt::Display for Error {
    #[allow(clippy::too_many_lines)] // a table of messages
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument { name, found, allowed } => {
                write!(f, "{name} must be {allowed}, not {found}")
            }
            Self::Length { name, expected, found } => {
                write!(f, "{name} has {found} rows where {expected} are expected")
            }
            Self::NotFinite { name, column, rows } => {
                let column = column.map_or(String::new(), |k| format!(", column {k}"));
                write!(f, "{name}{column}: {}; drop or impute them first", NotFinite(rows))
            }
            Self::NotFiniteColumns { name, columns } => {
                let named =
                    |(k, rows): &(usize, Rows)| format!("{name}, column {k}: {}", NotFinite(rows));
                let columns: Vec<String> = columns.iter().map(named).collect();
                write!(f, "{}; drop or impute them first", columns.join("; "))
            }
            Self::Infinite { name, column, rows } => write!(
                f,
                "{name}, column {column}: {} infinite value{} ({rows}); missing values may be NaN, all others must be \
                 finite",
                rows.count,
                plural(rows.count)
            ),
            Self::Extreme { name, column } => {
                let column = column.map_or(String::new(), |k| format!(", column {k}"));
                write!(
                    f,
                    "{name}{column}: values so large, or so small, that their squares are out of a \
                     float64's range; take other units"
                )
            }
            Self::Levels { levels, more } => {
                let remedy = two_arms(levels, *more);
                let levels: Vec<String> = levels.iter().map(ToString::to_string).collect();
                let more = if *more { ", ..." } else { "" };
                let levels = levels.join(", ");
                write!(
                    f,
                    "treatment must be boolean or hold only 0 and 1, not the levels {levels}{more}; {remedy}"
                )
            }
            Self::OutOfRange { name, allowed, rows } => {
                let count = rows.count;
                write!(f, "{name}: {count} value{} outside {allowed} ({rows})", plural(count))
            }
            Self::CertainScores { zeros, ones, rows } => certain(f, *zeros, *ones, rows),
            Self::EmptyArm { treated, control, fewest } => write!(
                f,
                "treatment: {treated} treated and {control} control rows; at least {fewest} of each needed"
            ),
            Self::TooFewRows { model, rows, terms } => write!(
                f,
                "{model}: {rows} rows for {terms} terms, the intercept included; leave terms out"
            ),
            Self::WeightlessArm { arm } => {
                write!(
                    f,
                    "weights: the {arm} rows weigh nothing, or next to nothing; both arms are needed"
                )
            }
            Self::Separation { columns } => {
                let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "x, column(s) {}: some rows are certain to be treated, or not to be \
                     (separation), so no maximum-likelihood fit exists; leave out what decides the \
                     treatment, or use penalty=1.0",
                    columns.join(", ")
                )
            }
            Self::Infeasible { arm, columns } => infeasible(f, *arm, columns),
            Self::NotConverged { iterations, gradient_norm, tolerance } => write!(
                f,
                "the fit did not converge in {iterations} iterations: gradient norm \
                 {gradient_norm:.1e}, tolerance {tolerance:.1e}; a penalty (1.0, say) helps"
            ),
            Self::NoMatches { caliper_width } if caliper_width.is_infinite() => {
                write!(f, "no unit has a neighbour that it may be matched with; ask for less")
            }
            Self::NoMatches { caliper_width } => write!(
                f,
                "no unit has a neighbour within the caliper (a distance of {caliper_width:.3e}); \
                 widen it"
            ),
            Self::AllReplicatesFailed { n_reps, first } => {
                write!(f, "none of the {n_reps} replicates could be estimated; the first: {first}")
            }
            Self::Outside { arm, columns, rows } => outside(f, arm, columns, rows),
            Self::NoEvents { arm, always, model } => write!(
                f,
                "outcome: {always} for all {arm} rows, where a {model} outcome model has no maximum; take \
                 outcome_model=\"linear\""
            ),
            Self::InEveryBag { rows, n_trees, enough } => in_every_bag(f, rows, *n_trees, *enough),
            Self::Overflow => write!(
                f,
                "sums over the rows are out of a float64's range; take other units, or weights that are \
                 nearer to each other"
            ),
            Self::Memory { bytes } => write!(
                f,
                "this call needs {bytes} bytes ({:.1} GB) of memory, which cannot be had",
                *bytes as f64 / 1e9
            ),
            Self::Stopped => write!(f, "stopped by the caller"),
        }
    }
}

fn certain(f: &mut fmt::Formatter<'_>, zeros: usize, ones: usize, rows: &Rows) -> fmt::Result {
    let count = rows.count;
    write!(
        f,
        "scores: {count} value{} ({rows}) at 0 or 1 exactly ({zeros} at 0, {ones} at 1): these units have nobody \
         to be compared with; drop them, and say that the effect is for the others",
        plural(count)
    )
}

fn infeasible(f: &mut fmt::Formatter<'_>, arm: Option<&str>, columns: &[usize]) -> fmt::Result {
    let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
    let whose = arm.map_or("arms meet".into(), |arm| format!("{arm} rows reach the means wanted"));
    write!(
        f,
        "x, column(s) {}: there are no weights with which the {whose}; leave columns out, or take penalty=1.0, which \
         balances as well as can be",
        columns.join(", ")
    )
}

fn outside(
    f: &mut fmt::Formatter<'_>,
    arm: &str,
    columns: &[usize],
    rows: &[usize],
) -> fmt::Result {
    let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
    let rows = Rows::of(rows);
    write!(
        f,
        "x, column(s) {} of the outcome model: what the {arm} rows hold there does not tell what {rows} would \
         have been in that arm; drop these rows and say that the effect is for the others, or leave the columns \
         out",
        columns.join(", ")
    )
}

fn in_every_bag(
    f: &mut fmt::Formatter<'_>,
    rows: &[usize],
    n_trees: usize,
    enough: Option<usize>,
) -> fmt::Result {
    let rows = Rows::of(rows);
    let remedy = match enough {
        Some(enough) => format!("take n_trees={enough}"),
        None => {
            "sample weights so large leave hardly any tree without them: take another score model"
                .into()
        }
    };
    let were = if rows.count == 1 { "was" } else { "were" };
    write!(
        f,
        "scores: {rows} {were} drawn for all {n_trees} trees, which leaves none to score by; {remedy}"
    )
}

impl std::error::Error for Error {}

impl From<linalg::NotFinite> for Error {
    fn from(_: linalg::NotFinite) -> Self {
        Self::Overflow
    }
}
