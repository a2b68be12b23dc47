//! In which order, and how many to a unit, the rows stand that replicates are counted over.

use std::borrow::Cow;

use ndarray::{Array2, ArrayView2, ShapeBuilder};

use super::by_score::ByScore;
use super::order::{ascending, by_content};
use super::{Data, Pipeline};
use crate::error::Result;
use crate::kernels::Tallies;
use crate::resampling::resample::{Resample, Scheme};
use crate::resampling::urn::Urn;
use crate::reserve::room_for;
use crate::score::links::Link;
use crate::score::logistic::{Columns, WarmStart, standardized_penalty};
use crate::units::cells::Cells;
use crate::units::sorted_rows::SortedRows;
use crate::units::tally::{Outcomes, Tally, Totals, Units};

/// Entries of x, 64 MiB of them, and rows of which copies are kept for all threads, in the order of their
/// scores, and standardized in blocks.
const MOST_KEPT: usize = 1 << 23;
const MOST_ROWS_KEPT: usize = 1 << 18;

/// What a copied row takes beside its columns, at most.
const BYTES_A_ROW: usize = 64;

/// How the rows are laid out. Where there is a score, patterns and copied rows stand in the order of the full
/// sample's linear predictors once it is known: those of a replicate are then nearly sorted.
pub(super) enum Layout {
    /// Rows with equal covariates make a pattern, and those with equal outcomes and treatments too a cell.
    Cells {
        cells: Cells,
        /// What counts cells where rows are drawn freely and with replacement, as mostly they are.
        urn: Option<Urn>,
    },
    /// Copies of rows that do not repeat, where they are few enough.
    Sorted {
        rows: SortedRows,
        /// Their covariates, column-major.
        x: Array2<f64>,
        /// The rows by what they hold.
        by_content: Vec<u32>,
    },
    /// Where they are too many for that, with the bands that scores are split into for matching.
    AsTheyCome(Option<ByScore>),
}

/// The full sample as units, its tallies added up beforehand or asked of each row.
pub(super) enum FullUnits<'a> {
    Totals(Totals),
    Rows(Outcomes<'a>),
}

impl Units for FullUnits<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Totals(units) => units.len(),
            Self::Rows(units) => units.len(),
        }
    }

    fn tally(&self, unit: usize) -> Tally {
        match self {
            Self::Totals(units) => units.tally(unit),
            Self::Rows(units) => units.tally(unit),
        }
    }

    fn block<'b>(&'b self, start: usize, outcome: bool, room: &'b mut Tallies) -> &'b Tallies {
        match self {
            Self::Totals(units) => units.block(start, outcome, room),
            Self::Rows(units) => units.block(start, outcome, room),
        }
    }
}

/// Do something with the units of a resample, counted as `$counts` says, `$totals` being what cells add up to, and
/// with their covariates.
macro_rules! with_units {
    ($pipeline:expr, $counts:expr, $totals:expr, |$x:pat_param, $units:ident| $body:expr) => {
        match &$pipeline.layout {
            $crate::pipeline::layout::Layout::Cells { cells, .. } => {
                let ($x, $units) = (cells.patterns.view(), &*$totals);
                $body
            }
            $crate::pipeline::layout::Layout::Sorted { rows, x, .. } => {
                let ($x, $units) = (x.view(), &rows.counted($counts));
                $body
            }
            $crate::pipeline::layout::Layout::AsTheyCome(_) => {
                let ($x, $units) = ($pipeline.data.x, &$pipeline.rows(Some($counts)));
                $body
            }
        }
    };
}
pub(super) use with_units;

impl Layout {
    /// The number under which a row is counted: of its cell, or its own.
    pub fn unit_of(&self, row: usize) -> usize {
        match self {
            Self::Cells { cells, .. } => cells.of(row),
            Self::Sorted { rows, .. } => rows.places()[row] as usize,
            Self::AsTheyCome(_) => row,
        }
    }

    /// How many rows each cell has; nothing where rows are counted.
    pub fn sizes(&self) -> Vec<u32> {
        if let Self::Cells { cells, .. } = self { cells.sizes() } else { Vec::new() }
    }

    /// What counts the units where rows are drawn freely. Rows take the same random numbers wherever they stand.
    pub fn urn<'b>(&'b self, resample: &'b Resample) -> Option<Cow<'b, Urn>> {
        match self {
            Self::Cells { cells, urn } => {
                resample.urn()?;
                let own = urn.as_ref().filter(|_| resample.scheme() == Scheme::Multinomial);
                let made = || {
                    let order = cells.in_order_of_content();
                    resample.urn_of_cells(&cells.sizes(), &order).map(Cow::Owned)
                };
                own.map(Cow::Borrowed).or_else(made)
            }
            Self::Sorted { rows, .. } => {
                let (once, places) = (vec![1; rows.places().len()], rows.places());
                let order: Option<Vec<u32>> = resample
                    .order()
                    .map(|order| order.iter().map(|row| places[*row as usize]).collect());
                resample.urn_of_cells(&once, order.as_deref().unwrap_or(places)).map(Cow::Owned)
            }
            Self::AsTheyCome(_) => resample.urn().map(Cow::Borrowed),
        }
    }
}

impl<'a> Pipeline<'a, '_> {
    /// How many fitted units there are: patterns, or rows.
    pub(super) fn n_units(&self) -> usize {
        self.covariates().nrows()
    }

    /// How many numbers rows are counted under: cells, or rows.
    pub(super) fn n_counted(&self) -> usize {
        let Layout::Cells { cells, .. } = &self.layout else { return self.data.x.nrows() };
        cells.n_cells()
    }

    /// The covariates of the units.
    pub(super) fn covariates(&self) -> ArrayView2<'_, f64> {
        match &self.layout {
            Layout::Cells { cells, .. } => cells.patterns.view(),
            Layout::Sorted { x, .. } => x.view(),
            Layout::AsTheyCome(_) => self.data.x,
        }
    }

    /// All rows once each, as units.
    pub(super) fn full_sample(&self) -> FullUnits<'_> {
        match &self.layout {
            Layout::Cells { cells, .. } => FullUnits::Totals(cells.totals()),
            Layout::Sorted { rows, .. } => {
                let once = vec![1_u8; self.data.x.nrows()];
                FullUnits::Totals(Totals::of(&rows.counted(&once)))
            }
            Layout::AsTheyCome(_) => FullUnits::Rows(self.rows(None)),
        }
    }

    /// Let rows take their random numbers in the order of what they hold, whatever order they come in. Cells
    /// that are drawn as wholes do so in any case, and clusters take theirs by their labels.
    pub(super) fn drawing_by_content<'b>(&self, resample: &'b Resample) -> Cow<'b, Resample> {
        let order = match &self.layout {
            _ if resample.is_clustered() => return Cow::Borrowed(resample),
            Layout::Cells { .. } if resample.urn().is_some() => return Cow::Borrowed(resample),
            Layout::Cells { cells, .. } => cells.rows_in_order_of_content(),
            Layout::Sorted { by_content, .. } => by_content.clone(),
            Layout::AsTheyCome(_) => by_content(self.data.x, &self.rows::<u8>(None)),
        };
        Cow::Owned(resample.taking_rows_in(order))
    }

    /// The layout that replicates are counted over, and what refits of their score start from, where there is one.
    pub(super) fn prepared(&self) -> Result<(Layout, Option<WarmStart<'a>>)> {
        self.monitor.check()?;
        let Data { x, .. } = self.data;
        // A copy of x, and the score's columns standardized in both precisions.
        let standardized = (size_of::<f64>() + size_of::<f32>()) * self.score_design.n_columns();
        let columns = size_of::<f64>() * x.ncols() + standardized;
        if let Layout::Cells { cells, .. } = &self.layout {
            room_for(cells.patterns.nrows(), columns)?;
            let cells = cells.in_order(&self.order_of(cells.patterns.view())?);
            let design = self.score_design.with_rows(cells.patterns.view());
            let (warm_start, urn) = rayon::join(
                || self.warm_start_of(|| Columns::ready(&design), &cells.totals()),
                || Urn::of_cells(&cells.sizes(), &cells.in_order_of_content(), true),
            );
            return Ok((Layout::Cells { cells, urn: Some(urn) }, warm_start?));
        }
        if x.nrows() > MOST_ROWS_KEPT || x.len() > MOST_KEPT {
            return self.read_where_they_lie();
        }
        room_for(x.nrows(), columns + BYTES_A_ROW)?;
        let order = self.order_of(x)?;
        let rows = SortedRows::in_order(&order, &self.rows(None));
        let x = Array2::from_shape_fn(x.raw_dim().f(), |(new, k)| x[(order[new] as usize, k)]);
        let design = self.score_design.with_rows(x.view());
        let once = vec![1_u8; x.nrows()];
        let (warm_start, by_content) = rayon::join(
            || self.warm_start_of(|| Columns::ready(&design), &rows.counted(&once)),
            || by_content(self.data.x, &self.rows::<u8>(None)),
        );
        Ok((Layout::Sorted { rows, x, by_content }, warm_start?))
    }

    /// As [`Self::prepared`] for more rows than are copied.
    pub(super) fn read_where_they_lie(&self) -> Result<(Layout, Option<WarmStart<'a>>)> {
        let read = || Columns::Read(self.score_design.clone());
        let warm_start = self.warm_start_of(read, &self.rows::<u8>(None))?;
        Ok((Layout::AsTheyCome(self.by_score()?), warm_start))
    }

    /// The order of units by their linear predictors; as they stand without a score.
    fn order_of(&self, x: ArrayView2<'_, f64>) -> Result<Vec<u32>> {
        if self.score.is_none() {
            return Ok((0..).take(x.nrows()).collect());
        }
        ascending(&self.score_design.with_rows(x).linear(self.beta()), self.monitor)
    }

    /// What refits of a score start from, where there is one.
    fn warm_start_of<U: Units>(
        &self,
        columns: impl FnOnce() -> Columns<'a>,
        units: &U,
    ) -> Result<Option<WarmStart<'a>>> {
        let Some(score) = self.score.as_ref().filter(|_| self.spec.link == Link::Logit) else {
            return Ok(None);
        };
        let ridge = standardized_penalty(&self.score_design, self.spec.penalty);
        let (beta, spec, monitor) = (score.beta.clone(), self.spec, self.monitor);
        WarmStart::new(columns(), units, beta, ridge, spec, monitor).map(Some)
    }
}
