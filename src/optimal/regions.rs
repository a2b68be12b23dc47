//! Where which side of a matching within a caliper is the scarce one.
//!
//! In a largest matching the units split into three regions (Dulmage and Mendelsohn 1958): where units of the
//! one side are left over, and all of the other are matched; the reverse; and where both sides are matched to
//! the last unit. No largest matching has a pair across regions, so that each can be solved by itself.

use super::assignment::NONE;

/// Which side has units left over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Region {
    One,
    Other,
    Neither,
}

/// The region of each unit of both sides; values ascend.
pub fn regions(one: &[f64], other: &[f64], width: f64) -> [Vec<Region>; 2] {
    let (partner, other_partner) = largest(one, other, width);
    let mut found = [vec![Region::Neither; one.len()], vec![Region::Neither; other.len()]];
    let left_over = reached(one, other, &partner, &other_partner, width);
    mark(&mut found, [&left_over.0, &left_over.1], Region::One);
    let left_over = reached(other, one, &other_partner, &partner, width);
    mark(&mut found, [&left_over.1, &left_over.0], Region::Other);
    found
}

fn mark(found: &mut [Vec<Region>; 2], reached: [&Vec<bool>; 2], region: Region) {
    for (side, reached) in found.iter_mut().zip(reached) {
        for (mark, _) in side.iter_mut().zip(reached).filter(|(_, reached)| **reached) {
            *mark = region;
        }
    }
}

/// A largest matching: each unit takes the lowest in reach that is left, for those after it reach
/// no lower.
fn largest(one: &[f64], other: &[f64], width: f64) -> (Vec<usize>, Vec<usize>) {
    let mut partner = (vec![NONE; one.len()], vec![NONE; other.len()]);
    let mut next = 0;
    for (unit, value) in one.iter().enumerate() {
        while next < other.len() && other[next] < *value && !is_near(*value, other[next], width) {
            next += 1;
        }
        if next < other.len() && is_near(*value, other[next], width) {
            partner.0[unit] = next;
            partner.1[next] = unit;
            next += 1;
        }
    }
    partner
}

/// One expression for whether two units may be a pair, so that rounding has one answer.
fn is_near(a: f64, b: f64, width: f64) -> bool {
    (a - b).abs() <= width
}

/// The units of both sides that alternating paths lead to from those of `one` that are left over.
fn reached(
    one: &[f64],
    other: &[f64],
    partner: &[usize],
    other_partner: &[usize],
    width: f64,
) -> (Vec<bool>, Vec<bool>) {
    let mut seen: Vec<bool> = partner.iter().map(|partner| *partner == NONE).collect();
    let mut other_seen = vec![false; other.len()];
    // Of each unit the first not before it that is not yet seen; each is passed over but once.
    let mut unseen: Vec<usize> = (0..=other.len()).collect();
    let mut waiting: Vec<usize> = (0..one.len()).filter(|unit| seen[*unit]).collect();
    while let Some(unit) = waiting.pop() {
        let value = one[unit];
        let first = other.partition_point(|x| *x < value && !is_near(value, *x, width));
        let mut at = first_unseen(&mut unseen, first);
        while at < other.len() && is_near(value, other[at], width) {
            other_seen[at] = true;
            unseen[at] = at + 1;
            let next = other_partner[at];
            if next != NONE && !seen[next] {
                seen[next] = true;
                waiting.push(next);
            }
            at = first_unseen(&mut unseen, at + 1);
        }
    }
    (seen, other_seen)
}

fn first_unseen(unseen: &mut [usize], from: usize) -> usize {
    let mut at = from;
    while unseen[at] != at {
        unseen[at] = unseen[unseen[at]];
        at = unseen[at];
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_say_which_side_has_units_left_over() {
        let one = [0.0, 0.1, 0.2, 5.0, 9.0];
        let other = [0.1, 5.2, 9.0, 9.1];
        let [found, other_found] = regions(&one, &other, 0.5);
        assert_eq!(found[..3], [Region::One; 3]);
        assert_eq!(found[3..], [Region::Neither, Region::Other]);
        assert_eq!(other_found[..2], [Region::One, Region::Neither]);
        assert_eq!(other_found[2..], [Region::Other; 2]);
    }
}
