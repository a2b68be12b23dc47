//! Random numbers of any size: Poisson counts and gamma numbers, exact to rounding.

use crate::resampling::stream::Stream;

/// Means below which a Poisson number is found by adding up chances.
const SMALL: f64 = 10.0;

/// A Poisson number of this mean, by inversion, or for larger means by transformed rejection (Hormann 1993, "The
/// transformed rejection method for generating Poisson random variables", algorithm PTRS): whatever the mean, in about
/// one and a tenth tries.
pub fn poisson(stream: &mut Stream, mean: f64) -> f64 {
    if mean < SMALL {
        return by_inversion(stream, mean);
    }
    // In Hormann's letters a, b, 1 / alpha, v_r, and of a try U, u_s and V.
    let b = 0.931 + 2.53 * mean.sqrt();
    let a = -0.059 + 0.024_83 * b;
    let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
    let accepted_at_once = 0.9277 - 3.6224 / (b - 2.0);
    loop {
        let (place, height) = (stream.uniform() - 0.5, stream.uniform());
        let from_end = 0.5 - place.abs();
        let k = ((2.0 * a / from_end + b) * place + mean + 0.43).floor();
        if from_end >= 0.07 && height <= accepted_at_once {
            return k;
        }
        if k < 0.0 || (from_end < 0.013 && height > from_end) {
            continue;
        }
        let density = a / (from_end * from_end) + b;
        if (height * inverse_alpha / density).ln() <= log_chance(k, mean) {
            return k;
        }
    }
}

fn by_inversion(stream: &mut Stream, mean: f64) -> f64 {
    let mut left = stream.uniform();
    let (mut k, mut chance) = (0.0, (-mean).exp());
    // Below the smallest uniform number chances are too small to be told apart.
    while left > chance && chance > 0.0 {
        left -= chance;
        k += 1.0;
        chance *= mean / k;
    }
    k
}

/// The logarithm of the chance of k, which keeps its digits for any mean (Loader 2000, "Fast and accurate computation
/// of binomial probabilities").
fn log_chance(k: f64, mean: f64) -> f64 {
    if k == 0.0 {
        return -mean;
    }
    -beyond_stirling(k) - deviance(k, mean) - 0.5 * (std::f64::consts::TAU * k).ln()
}

/// log k! less Stirling's formula for it.
fn beyond_stirling(k: f64) -> f64 {
    if k < 16.0 {
        let mut factorial = 1.0;
        let mut factor = 2.0;
        while factor <= k {
            factorial *= factor;
            factor += 1.0;
        }
        return f64::ln(factorial) - (k + 0.5) * k.ln() + k - 0.5 * std::f64::consts::TAU.ln();
    }
    let square = k * k;
    let series = 1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / 1188.0 / square) / square;
    (1.0 / 12.0 - (1.0 / 360.0 - series / square) / square) / k
}

/// k log(k / mean) + mean - k.
fn deviance(k: f64, mean: f64) -> f64 {
    if (k - mean).abs() >= 0.1 * (k + mean) {
        return k * (k / mean).ln() + mean - k;
    }
    let v = (k - mean) / (k + mean);
    let (mut sum, mut term) = ((k - mean) * v, 2.0 * k * v);
    for j in 1..1000 {
        term *= v * v;
        let more = sum + term / f64::from(2 * j + 1);
        if more.to_bits() == sum.to_bits() {
            break;
        }
        sum = more;
    }
    sum
}

/// A gamma number of this shape, at least 1, and of scale 1 (Marsaglia and Tsang 2000, "A simple method for generating
/// gamma variables"): the sum of so many exponential numbers.
pub fn gamma(stream: &mut Stream, shape: f64) -> f64 {
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = stream.normal();
        let root = c * x;
        if root <= -1.0 {
            continue;
        }
        let beyond_one = root * (3.0 + root * (3.0 + root)); // v - 1
        let bound = 0.5 * x * x + d * (3.0 * root.ln_1p() - beyond_one);
        if stream.uniform().ln() < bound {
            return d * (1.0 + beyond_one);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::frequency::whole;

    /// Mean, variance and third central moment of many numbers.
    fn moments(n: usize, mut number: impl FnMut(&mut Stream) -> f64) -> [f64; 3] {
        let mut stream = Stream::new(3, 1);
        let numbers: Vec<f64> = (0..n).map(|_| number(&mut stream)).collect();
        let mean = numbers.iter().sum::<f64>() / n as f64;
        let central =
            |power| numbers.iter().map(|x| (x - mean).powi(power)).sum::<f64>() / n as f64;
        [mean, central(2), central(3)]
    }

    #[test]
    fn poisson_has_its_moments() {
        let n = 200_000;
        for mean in [0.01, 0.7, 9.9, 10.0, 37.5, 1e3, 1e7, 1e10, 1e15] {
            let [first, second, third] = moments(n, |stream| poisson(stream, mean));
            let root = (n as f64).sqrt();
            assert!((first - mean).abs() < 5.0 * mean.sqrt() / root, "{mean}: {first}");
            let error = ((2.0 * mean * mean + mean) / n as f64).sqrt();
            assert!((second - mean).abs() < 5.0 * error, "{mean}: {second}");
            let skewness = third / second.powf(1.5);
            let limit = 5.0 * (6.0 / n as f64).sqrt() * (1.0 + 3.0 / mean);
            assert!((skewness - 1.0 / mean.sqrt()).abs() < limit, "{mean}: {skewness}");
        }
    }

    /// Counts of every number near the mean against the chances of the formula (chi-square).
    #[test]
    fn poisson_has_the_chances_of_the_formula() {
        let n = 400_000;
        for mean in [3.0, 10.0, 14.3, 80.0] {
            let mut stream = Stream::new(8, 2);
            let mut counts = vec![0.0; 400];
            for _ in 0..n {
                counts[whole(poisson(&mut stream, mean))] += 1.0;
            }
            let (mut statistic, mut n_bins, mut chance) = (0.0, 0.0, (-mean).exp());
            for (k, count) in counts.iter().enumerate() {
                let expected = chance * f64::from(n);
                chance *= mean / (k + 1) as f64;
                if expected >= 10.0 {
                    statistic += (count - expected).powi(2) / expected;
                    n_bins += 1.0;
                }
            }
            let limit = n_bins + 4.0 * (2.0_f64 * n_bins).sqrt();
            assert!(statistic < limit, "{mean}: {statistic} of {n_bins}");
        }
    }

    #[test]
    fn log_chance_is_that_of_the_formula() {
        for mean in [10.0, 55.5, 120.0] {
            let mut expected = -mean;
            for k in 0..300_u32 {
                assert!(
                    (log_chance(f64::from(k), mean) - expected).abs() < 1e-11 * (1.0 - expected)
                );
                expected += f64::ln(mean) - f64::from(k + 1).ln();
            }
        }
        // At its mean, 1 / sqrt(2 pi mean) but for 1 / (12 mean).
        let at_mean = log_chance(1e12, 1e12) + 0.5 * (std::f64::consts::TAU * 1e12).ln();
        assert!(at_mean.abs() < 1e-12);
    }

    #[test]
    fn gamma_has_its_moments() {
        let n = 200_000;
        for shape in [1.0, 2.0, 40.0, 1e6, 1e12] {
            let [first, second, third] = moments(n, |stream| gamma(stream, shape));
            assert!((first - shape).abs() < 5.0 * (shape / n as f64).sqrt(), "{shape}: {first}");
            let error = shape * ((2.0 + 6.0 / shape) / n as f64).sqrt();
            assert!((second - shape).abs() < 5.0 * error, "{shape}: {second}");
            let skewness = third / second.powf(1.5);
            assert!((skewness - 2.0 / shape.sqrt()).abs() < 0.1, "{shape}: {skewness}");
        }
    }
}
