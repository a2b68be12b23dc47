//! Which points of a few are near enough to one.

use super::instructions::dispatched;

/// Points that are looked at in one go.
pub const ABREAST: usize = 32;

/// A value of each of them.
pub type Abreast = [f64; ABREAST];

dispatched!(
    /// Whose distance from a point is at most `reach` and what is added to it, a bit each. `columns` has the coordinates
    /// of all, one after the other. Whether it is just at most so much depends on how that rounds.
    pub fn within_reach<'a>(
        columns: &'a [Abreast],
        point: &'a [f64],
        reach: f64,
        added: &'a Abreast,
    ) -> u32,
    |_| bits(columns, point, reach, added)
);

#[inline(always)]
fn bits(columns: &[Abreast], point: &[f64], reach: f64, added: &Abreast) -> u32 {
    let mut squares = [0.0; ABREAST];
    for (column, from) in columns.iter().zip(point) {
        for lane in 0..ABREAST {
            let gap = column[lane] - from;
            squares[lane] += gap * gap;
        }
    }
    let mut any = false;
    for lane in 0..ABREAST {
        let reach = reach + added[lane];
        squares[lane] -= reach * reach.abs();
        any |= squares[lane] <= 0.0;
    }
    if !any {
        return 0;
    }
    (0..ABREAST).fold(0, |bits, lane| bits | u32::from(squares[lane] <= 0.0) << lane)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn within_reach_is_by_the_distance_less_what_is_added() {
        let columns: [Abreast; 2] = [std::array::from_fn(|at| at as f64), [4.0; ABREAST]];
        let mut added = [0.0; ABREAST];
        (added[0], added[9], added[20]) = (-1.0, 9.0, 9.0);
        // 3 and 4 make 5; a reach that is less than nothing reaches nobody, nor a point that is not there.
        assert_eq!(within_reach(&columns, &[3.0, 0.0], 5.0, &added), 0b10_0111_1110);
        assert_eq!(within_reach(&columns, &[3.0, 4.0], -1.0, &added), 1 << 9);
        let nowhere = [[f64::INFINITY; ABREAST]];
        assert_eq!(within_reach(&nowhere, &[0.0], f64::INFINITY, &added), 0);
    }
}
