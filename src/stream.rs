//! The random numbers of a replicate. A stream belongs to (seed, replicate number), never to a thread.

use rand::Rng;
use rand_pcg::Pcg64Dxsm;

/// PCG64 (O'Neill 2014, the DXSM output function) with the seed as its state and the replicate number as
/// its stream. Every number below takes one draw of 64 bits.
#[derive(Debug, Clone)]
pub struct Stream(Pcg64Dxsm);

impl Stream {
    #[must_use]
    pub fn new(seed: u64, replicate: usize) -> Self {
        Self(Pcg64Dxsm::new(u128::from(seed), replicate as u128))
    }

    /// A whole number below `bound`, each with the same chance to within 2^-64: the high half of a 64 by
    /// 64 bit product.
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // smaller than the bound
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.0.next_u64()) * bound as u128) >> 64) as usize
    }

    /// A Poisson number of mean 1, by inversion: how many of the cumulative chances lie at or below a
    /// uniform number.
    #[inline]
    pub fn poisson(&mut self) -> u32 {
        let uniform = self.0.next_u64();
        let mut number = 0;
        for chance in POISSON {
            if uniform < chance {
                break;
            }
            number += 1;
        }
        number
    }

    /// An exponential number of mean 1, by inversion of a uniform number from the middles of 2^52 equal
    /// parts of (0, 1): never zero, at most 36.8.
    #[inline]
    pub fn exponential(&mut self) -> f64 {
        const PARTS: f64 = (1_u64 << 52) as f64;
        let uniform = ((self.0.next_u64() >> 12) as f64 + 0.5) / PARTS;
        -uniform.ln()
    }
}

/// 2^64 times the chances that a Poisson number of mean 1 is at most 0, 1, 2, ...; more than 20 has a
/// chance under 2^-64.
const POISSON: [u64; 21] = {
    const PER_E: u128 = 0x5e2d_58d8_b3bc_df1a_bade_c782_9054_f90d; // 2^128 / e
    let (mut chances, mut term, mut sum, mut k) = ([0; 21], PER_E, 0, 0);
    while k < chances.len() {
        sum += term;
        #[allow(clippy::cast_possible_truncation)] // the high half
        let chance = (sum >> 64) as u64;
        chances[k] = chance;
        k += 1;
        term /= k as u128;
    }
    chances
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean, variance and third central moment of 200,000 numbers.
    fn moments(mut number: impl FnMut(&mut Stream) -> f64) -> [f64; 3] {
        let mut stream = Stream::new(1, 2);
        let numbers: Vec<f64> = (0..200_000).map(|_| number(&mut stream)).collect();
        let mean = |f: &dyn Fn(f64) -> f64| {
            numbers.iter().map(|x| f(*x)).sum::<f64>() / numbers.len() as f64
        };
        let center = mean(&|x| x);
        [center, mean(&|x| (x - center).powi(2)), mean(&|x| (x - center).powi(3))]
    }

    #[test]
    fn poisson_has_its_moments() {
        let found = moments(|stream| f64::from(stream.poisson()));
        for (found, expected) in found.into_iter().zip([1.0, 1.0, 1.0]) {
            assert!((found - expected).abs() < 0.05, "{found}");
        }
    }

    #[test]
    fn exponential_has_its_moments() {
        let found = moments(Stream::exponential);
        for (found, expected) in found.into_iter().zip([1.0, 1.0, 2.0]) {
            assert!((found - expected).abs() < 0.1, "{found}");
        }
    }

    #[test]
    fn poisson_chances_are_those_of_the_formula() {
        let (mut sum, mut term) = (0.0, (-1.0_f64).exp());
        for (k, chance) in POISSON.into_iter().enumerate() {
            sum += term;
            term /= (k + 1) as f64;
            assert!((chance as f64 / 2.0_f64.powi(64) - sum).abs() < 1e-15);
        }
        assert!(POISSON[20] > u64::MAX - 8);
    }

    #[test]
    fn below_reaches_every_number_alike() {
        let (mut stream, mut counts) = (Stream::new(3, 0), [0; 7]);
        (0..70_000).for_each(|_| counts[stream.below(7)] += 1);
        assert!(counts.iter().all(|count: &i32| (count - 10_000).abs() < 500), "{counts:?}");
    }
}
