//! Which levels of factors are collinear with earlier ones: that is a matter of counts, which are whole numbers.

use super::Coded;
use super::sums::Sums;
use crate::error::Result;
use crate::linalg::Cholesky;

/// What earlier ones leave of a level's dummy, at the most, over its rows, where it is collinear. Sums of counts are
/// exact, and their factor is good to 1e-13; a row that tells levels apart leaves about one over the number of rows.
const COLLINEAR: f64 = 1e-10;

impl Coded<'_> {
    /// Whether each term is a level that the intercept and the levels before it explain, by sums in which every row that
    /// is there has a spread of 1.
    ///
    /// # Errors
    /// [`crate::error::Error::Overflow`].
    pub fn collinear_levels(&self, counts: &Sums) -> Result<Vec<bool>> {
        let mut order: Vec<(usize, usize, usize)> = Vec::new();
        for (factor, terms) in self.levels[..self.n_plain()].iter().enumerate() {
            order.extend(terms.iter().enumerate().map(|(k, term)| (*term, factor, k + 1)));
        }
        order.sort_unstable();
        let size = order.len() + 1;
        let mut gram = vec![0.0; size * size];
        gram[0] = counts.totals()[1];
        for (j, (_, factor, level)) in order.iter().enumerate() {
            gram[j + 1] = counts.spread(*factor, *level);
            for (k, (_, other, second)) in order.iter().enumerate().skip(j) {
                gram[(j + 1) * size + k + 1] = if factor != other {
                    counts.pair(self, (*factor, *level), (*other, *second))
                } else if j == k {
                    counts.spread(*factor, *level)
                } else {
                    0.0
                };
            }
        }
        let factor = Cholesky::factor(&gram, size, COLLINEAR, &[])?;
        let mut collinear = vec![false; self.center.len()];
        for (place, (term, _, _)) in order.iter().enumerate() {
            collinear[*term] = factor.aliased()[place + 1];
        }
        Ok(collinear)
    }
}
