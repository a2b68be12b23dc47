//! The random numbers of a replicate. A stream belongs to (seed, replicate number), never to a thread.

use rand::Rng;
use rand_pcg::Pcg64Dxsm;

/// PCG64 (O'Neill 2014, the DXSM output function) with the seed as its state and the replicate number as
/// its stream. Every number below takes one draw of 64 bits, a normal one two.
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

    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A uniform number from the middles of 2^52 equal parts of (0, 1): never zero nor one.
    #[inline]
    pub fn uniform(&mut self) -> f64 {
        const PARTS: f64 = (1_u64 << 52) as f64;
        ((self.0.next_u64() >> 12) as f64 + 0.5) / PARTS
    }

    /// A standard normal number (Box and Muller 1958), of two draws.
    #[inline]
    pub fn normal(&mut self) -> f64 {
        let radius = (2.0 * self.exponential()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// An exponential number of mean 1, by inversion of a uniform number from the middles of 2^52 equal
    /// parts of (0, 1): never zero, at most 36.8.
    #[inline]
    pub fn exponential(&mut self) -> f64 {
        -self.uniform().ln()
    }
}

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
    fn exponential_has_its_moments() {
        let found = moments(Stream::exponential);
        for (found, expected) in found.into_iter().zip([1.0, 1.0, 2.0]) {
            assert!((found - expected).abs() < 0.1, "{found}");
        }
    }

    #[test]
    fn normal_has_its_moments() {
        let found = moments(Stream::normal);
        for (found, expected) in found.into_iter().zip([0.0, 1.0, 0.0]) {
            assert!((found - expected).abs() < 0.02, "{found}");
        }
    }

    #[test]
    fn below_reaches_every_number_alike() {
        let (mut stream, mut counts) = (Stream::new(3, 0), [0; 7]);
        (0..70_000).for_each(|_| counts[stream.below(7)] += 1);
        assert!(counts.iter().all(|count: &i32| (count - 10_000).abs() < 500), "{counts:?}");
    }
}
