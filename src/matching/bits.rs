//! Which units have rows: a bit each.

use crate::kernels::{BLOCK, Tallies};
use crate::units::tally::Units;

/// Note who is there, control first.
pub fn note<U: Units>(units: &U, present: &mut [Vec<u64>; 2]) {
    let mut room = Box::new(Tallies::EMPTY);
    present.iter_mut().for_each(Vec::clear);
    for start in (0..units.len()).step_by(BLOCK) {
        let found = units.present(start, &mut room);
        present.iter_mut().zip(&found).for_each(|(present, own)| present.extend(own));
    }
}

/// Visit the places of the bits that are set, ascending.
#[inline]
pub fn for_each(words: &[u64], mut visit: impl FnMut(usize)) {
    for (place, word) in words.iter().enumerate() {
        let mut rest = *word;
        while rest != 0 {
            visit((64 * place) | rest.trailing_zeros() as usize);
            rest &= rest - 1;
        }
    }
}

#[inline]
pub fn contains(words: &[u64], place: usize) -> bool {
    words[place / 64] >> (place % 64) & 1 == 1
}

/// The first bit that is set at a place or behind it.
#[inline]
pub fn first_from(words: &[u64], place: usize) -> Option<usize> {
    let mut word = place / 64;
    let mut rest = words.get(word)? & (u64::MAX << (place % 64));
    while rest == 0 {
        word += 1;
        rest = *words.get(word)?;
    }
    Some(64 * word + rest.trailing_zeros() as usize)
}

/// The last bit that is set before a place.
#[inline]
pub fn last_before(words: &[u64], place: usize) -> Option<usize> {
    let word = (place / 64).min(words.len());
    let rest = words.get(word).map_or(0, |bits| bits & !(u64::MAX << (place % 64)));
    let (mut word, mut rest) = (word, rest);
    while rest == 0 {
        word = word.checked_sub(1)?;
        rest = words[word];
    }
    Some(64 * word + 63 - rest.leading_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_found_on_either_side_of_any_place() {
        let words = [0, 1 << 5 | 1 << 63, 0, 0, 1];
        let set: Vec<usize> = (0..320).filter(|place| contains(&words, *place)).collect();
        assert_eq!(set, [69, 127, 256]);
        for place in 0..400 {
            let behind = set.iter().copied().find(|bit| *bit >= place);
            let before = set.iter().copied().rfind(|bit| *bit < place);
            assert_eq!((first_from(&words, place), last_before(&words, place)), (behind, before));
        }
        assert_eq!((first_from(&[], 0), last_before(&[], 0)), (None, None));
    }
}
