//! The order in which units are kept.

use crate::error::Result;
use crate::matching::Sorted;
use crate::monitor::Monitor;

/// The places of values in ascending order, equal ones by their places: in linear time for values that are spread
/// out, as linear predictors are.
///
/// # Errors
/// [`crate::error::Error::Stopped`].
pub fn ascending(values: &[f64], monitor: &Monitor) -> Result<Vec<u32>> {
    let mut everybody = vec![u64::MAX; values.len().div_ceil(64)];
    if let Some(last) = everybody.last_mut() {
        *last >>= (64 - values.len() % 64) % 64;
    }
    let mut sorted = Sorted::default();
    sorted.sort(values, &everybody, monitor)?;
    Ok(sorted.order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascending_takes_everybody_once() {
        for n in [0, 1, 63, 64, 65, 1000] {
            let values: Vec<f64> = (0..n).map(|i| f64::from(i * 37 % 50)).collect();
            let mut expected: Vec<u32> = (0..).take(values.len()).collect();
            expected.sort_by(|a, b| values[*a as usize].total_cmp(&values[*b as usize]));
            assert_eq!(ascending(&values, &Monitor::default()).unwrap(), expected);
        }
    }
}
