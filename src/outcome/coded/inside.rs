//! Whether rows lie in the space that others span, by their codes.

use super::settled;
use crate::checks;
use crate::design::coded::NumbersAndFactors;
use crate::error::Result;

/// As [`crate::outcome::model::require_inside`], where the only columns that others explain among the rows fitted to are
/// levels that none of these has, nor any row that is wanted; `None` where the matrix has to be asked.
///
/// # Errors
/// [`crate::error::Error::Length`], values that are not finite, [`crate::error::Error::Overflow`].
pub fn inside_of_codes(
    given: &NumbersAndFactors<'_>,
    fitted_to: &[bool],
    wanted: &[bool],
) -> Result<Option<Vec<usize>>> {
    given.check()?;
    checks::same_length("fitted_to", fitted_to.len(), given.x.nrows())?;
    checks::same_length("wanted", wanted.len(), given.x.nrows())?;
    if !fitted_to.contains(&true) {
        return Ok(None);
    }
    let there: Vec<f64> = fitted_to.iter().map(|is_there| f64::from(u8::from(*is_there))).collect();
    let Some(design) = settled(given, Some(&there))? else { return Ok(None) };
    let mut empty = Vec::new();
    for (factor, terms) in given.factors.iter().zip(given.terms().1) {
        let counts = factor.counts(Some(&there));
        let is_outside = |row: usize| wanted[row] && counts[factor.level(row)] == 0.0;
        if (0..wanted.len()).any(is_outside) {
            return Ok(None);
        }
        let levels = terms.iter().zip(&counts[1..]).filter(|(_, count)| **count == 0.0);
        empty.extend(levels.map(|(term, _)| *term));
    }
    empty.sort_unstable();
    Ok((design.dropped() == empty).then_some(empty))
}
