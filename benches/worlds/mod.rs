//! Made-up rows for timing: the same on every machine, from no random crate.

use ndarray::{Array2, ShapeBuilder};

/// n rows of d covariates, in Fortran order, with who was treated and what came of it.
pub struct World {
    pub x: Array2<f64>,
    pub treatment: Vec<bool>,
    pub outcome: Vec<f64>,
    pub scores: Vec<f64>,
}

impl World {
    /// Covariates that never repeat, roughly normal; a third of the rows are treated.
    pub fn continuous(n: usize, d: usize) -> Self {
        Self::new(n, d, |row, column| {
            let key = 2 * (row * d + column);
            let sum: f64 = (0..4).map(|part| uniform(7 * key + part)).sum();
            (sum - 2.0) * 3.0_f64.sqrt()
        })
    }

    /// Like the tutorial's: a few levels, and a share rounded to three digits. About one row in three
    /// brings a new pattern.
    pub fn discrete(n: usize) -> Self {
        Self::new(n, 3, |row, column| match column {
            2 => (uniform(3 * row + 2) * 1000.0).round() / 1000.0,
            _ => f64::from(u8::from(uniform(3 * row) > 0.4 + 0.4 * column as f64)),
        })
    }

    fn new(n: usize, d: usize, covariate: impl Fn(usize, usize) -> f64) -> Self {
        let x = Array2::from_shape_fn((n, d).f(), |(row, column)| covariate(row, column));
        let slope = |column: usize| (0.8 - 0.5 * column as f64) / (d as f64).sqrt();
        let scores: Vec<f64> = x
            .rows()
            .into_iter()
            .map(|row| {
                let eta: f64 = row.iter().enumerate().map(|(k, x)| slope(k % 4) * x).sum();
                1.0 / (1.0 + (0.7 - eta).exp())
            })
            .collect();
        let draw = |row: usize, stream: usize| uniform((1_usize << 40) + 2 * row + stream);
        let treatment: Vec<bool> = (0..n).map(|row| draw(row, 0) < scores[row]).collect();
        let outcome =
            (0..n).map(|row| f64::from(u8::from(draw(row, 1) < 0.3 + 0.2 * scores[row]))).collect();
        Self { x, treatment, outcome, scores }
    }
}

/// A number in [0, 1) for each index: the finalizer of SplitMix64 (Steele, Lea and Flood 2014).
fn uniform(index: usize) -> f64 {
    let mut bits = (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}
