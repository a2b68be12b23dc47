//! Random draws that belong to a row's id, never to its place: they break ties without a rule that could
//! favour anybody, and a shuffled frame has the same.

/// A draw of 64 bits for each of `n_rows` rows: a hash of its id (its number where there are none) and of
/// the seed, by the finalizer of SplitMix64 (Steele, Lea and Flood 2014), twice.
#[must_use]
#[allow(clippy::cast_sign_loss)] // bits
pub fn draws(ids: Option<&[i64]>, n_rows: usize, seed: u64) -> Vec<u64> {
    let start = mix(seed);
    let draw = |id: u64| mix(id ^ start);
    match ids {
        Some(ids) => ids.iter().map(|id| draw(*id as u64)).collect(),
        None => (0..n_rows as u64).map(draw).collect(),
    }
}

fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mix_is_splitmix64() {
        // The first number of Vigna's reference implementation from the state 1234567.
        assert_eq!(mix(1_234_567), 6_457_827_717_110_365_317);
    }

    #[test]
    fn draws_belong_to_ids_and_change_with_the_seed() {
        let numbers = draws(None, 3, 5);
        assert_eq!(draws(Some(&[2, 0, 1]), 3, 5), [numbers[2], numbers[0], numbers[1]]);
        assert!(draws(None, 3, 6).iter().all(|draw| !numbers.contains(draw)));
    }
}
