//! Everything that can go wrong, in one enum with named fields. Messages name the argument, count
//! the offending rows, show the first of them and say what to do.

use std::fmt;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, Clone, PartialEq)]
pub enum Error {
    /// An argument is outside what it may be.
    Argument { name: &'static str, found: String, allowed: &'static str },
    /// Two arrays that should be equally long are not.
    Length { name: &'static str, expected: usize, found: usize },
    /// Missing or infinite values.
    NotFinite { name: &'static str, column: Option<usize>, rows: Rows },
    /// Values outside their range.
    OutOfRange { name: &'static str, allowed: &'static str, rows: Rows },
    /// An arm without units.
    EmptyArm { treated: usize, control: usize },
    /// An arm whose weights are all zero.
    WeightlessArm { arm: &'static str },
    /// Covariates predict the treatment of some rows perfectly, these columns above all: no
    /// maximum-likelihood fit exists.
    Separation { columns: Vec<usize> },
    /// Newton's method ran out of iterations.
    NotConverged { iterations: usize, gradient_norm: f64, tolerance: f64 },
    /// No focal unit has a neighbour within the caliper.
    NoMatches { caliper_width: f64 },
    /// Not one bootstrap replicate could be estimated.
    AllReplicatesFailed { n_reps: usize, first: Box<Error> },
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
        write!(f, "rows {}{more}", first.join(", "))
    }
}

impl fmt::Display for Error {
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
                let count = rows.count;
                write!(
                    f,
                    "{name}{column}: {count} missing or infinite values ({rows}); drop or impute them first"
                )
            }
            Self::OutOfRange { name, allowed, rows } => {
                write!(f, "{name}: {} values outside {allowed} ({rows})", rows.count)
            }
            Self::EmptyArm { treated, control } => write!(
                f,
                "treatment: {treated} treated and {control} control rows; both arms are needed"
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
            Self::NotConverged { iterations, gradient_norm, tolerance } => write!(
                f,
                "the logistic fit did not converge in {iterations} iterations: gradient norm \
                 {gradient_norm:.1e}, tolerance {tolerance:.1e}; a penalty (1.0, say) helps"
            ),
            Self::NoMatches { caliper_width } => write!(
                f,
                "no unit has a neighbour within the caliper (a distance of {caliper_width:.3e}); \
                 widen it"
            ),
            Self::AllReplicatesFailed { n_reps, first } => {
                write!(f, "none of the {n_reps} replicates could be estimated; the first: {first}")
            }
            Self::Memory { bytes } => write!(
                f,
                "this call needs {bytes} bytes ({:.1} GB) of memory, which cannot be had",
                *bytes as f64 / 1e9
            ),
            Self::Stopped => write!(f, "stopped by the caller"),
        }
    }
}

impl std::error::Error for Error {}
