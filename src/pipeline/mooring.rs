//! What refits start from: units in an order, and the full sample's fit on them.

use ndarray::ArrayView2;

use super::order::{ascending, by_content};
use super::{Data, Pipeline};
use crate::error::Result;
use crate::resampling::urn::Urn;
use crate::reserve::room_for;
use crate::score::logistic::{Anchor, Columns, standardized_penalty};
use crate::units::cells::Cells;
use crate::units::sorted_rows::SortedRows;
use crate::units::tally::{Totals, Units};

/// Entries of x, 64 MiB of them, and rows of which copies are kept for all threads, in the order of their
/// scores, and standardized in blocks.
const MOST_KEPT: usize = 1 << 23;
const MOST_ROWS_KEPT: usize = 1 << 18;

/// What a copied row takes beside its columns, at most.
const BYTES_A_ROW: usize = 64;

/// Units in order, and the full sample's fit on them, where there is a score.
pub(super) struct Moored<'a> {
    pub cells: Option<Cells>,
    pub sorted: Option<SortedRows>,
    pub order_of_rows: Option<Vec<u32>>,
    pub urn: Option<Urn>,
    pub anchor: Option<Anchor<'a>>,
}

impl<'a> Pipeline<'a, '_> {
    /// What refits start from. Patterns, and rows that are few enough, then stand in the order of their
    /// linear predictors, in which those of a replicate are nearly sorted.
    pub(super) fn moored(&self) -> Result<Moored<'a>> {
        self.monitor.check()?;
        let Data { x, .. } = self.data;
        // A copy of x, and the score's columns standardized in both precisions.
        let standardized = (size_of::<f64>() + size_of::<f32>()) * self.score_design.n_columns();
        let columns = size_of::<f64>() * x.ncols() + standardized;
        if let Some(cells) = &self.cells {
            room_for(cells.patterns.nrows(), columns)?;
            let cells = cells.in_order(&self.order_of(cells.patterns.view())?);
            let design = self.score_design.with_rows(cells.patterns.view());
            let mut totals = Totals::default();
            cells.total(&cells.sizes(), &mut totals);
            let (anchor, urn) = rayon::join(
                || self.anchor_of(|| Columns::ready(&design), &totals),
                || Urn::of_cells(&cells.sizes(), &cells.in_order_of_content(), true),
            );
            let (cells, urn) = (Some(cells), Some(urn));
            return Ok(Moored { cells, sorted: None, order_of_rows: None, urn, anchor: anchor? });
        }
        if x.nrows() > MOST_ROWS_KEPT || x.len() > MOST_KEPT {
            let read = || Columns::Read(self.score_design.clone());
            let anchor = self.anchor_of(read, &self.rows(None::<&[u32]>))?;
            let (sorted, order_of_rows) = (None, None);
            return Ok(Moored { cells: None, sorted, order_of_rows, urn: None, anchor });
        }
        room_for(x.nrows(), columns + BYTES_A_ROW)?;
        let sorted = SortedRows::in_order(&self.order_of(x)?, x, &self.rows(None));
        let design = self.score_design.with_rows(sorted.x.view());
        let once = vec![1_u8; x.nrows()];
        let (anchor, order) = rayon::join(
            || self.anchor_of(|| Columns::ready(&design), &sorted.counted(&once)),
            || by_content(x, &self.rows::<u8>(None)),
        );
        let (sorted, order_of_rows) = (Some(sorted), Some(order));
        Ok(Moored { cells: None, sorted, order_of_rows, urn: None, anchor: anchor? })
    }

    /// The order of units by their linear predictors; as they stand without a score.
    fn order_of(&self, x: ArrayView2<'_, f64>) -> Result<Vec<u32>> {
        if self.start.is_empty() {
            return Ok((0..).take(x.nrows()).collect());
        }
        ascending(&self.score_design.with_rows(x).linear(&self.start), self.monitor)
    }

    /// What refits of a score start from, where there is one.
    fn anchor_of<U: Units>(
        &self,
        columns: impl FnOnce() -> Columns<'a>,
        units: &U,
    ) -> Result<Option<Anchor<'a>>> {
        if self.start.is_empty() {
            return Ok(None);
        }
        let ridge = standardized_penalty(&self.score_design, self.spec.penalty);
        let (beta, spec, monitor) = (self.start.clone(), self.spec, self.monitor);
        Anchor::new(columns(), units, beta, ridge, spec, monitor).map(Some)
    }
}
