//! Steps from an estimate of the information, mixed so that they make the most of all gradients so far.

use crate::linalg::{Cholesky, NotFinite, add, dot};

/// Falls of the gradient that later ones explain but for this share of their squares tell nothing new.
const EXPLAINED: f64 = 1e-8;

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// A search among the combinations of all steps so far for the one that leaves the least gradient, measured by an
/// estimate of the information, on top of which comes the step that this makes of what is left (Anderson
/// 1965; Walker and Ni 2011, SIAM Journal on Numerical Analysis 49:1715).
#[derive(Debug, Default)]
pub struct Anderson {
    past: Vec<Change>,
    last: Option<Change>,
}

/// A change of the coefficients, and what it took off the gradient and off the step made of that. The last
/// change has what these were before it.
#[derive(Debug)]
struct Change {
    step: Vec<f64>,
    gradient: Vec<f64>,
    newton: Vec<f64>,
}

impl Anderson {
    /// The next change of the coefficients, where the gradient is `gradient` and the step made of it `newton`.
    pub fn change(&mut self, gradient: Vec<f64>, newton: Vec<f64>) -> Vec<f64> {
        if let Some(Change { step, gradient: before, newton: newton_before }) = self.last.take() {
            let fall = difference(&before, &gradient);
            let newton = difference(&newton_before, &newton);
            self.past.push(Change { step, gradient: fall, newton });
        }
        let mut next = newton.clone();
        for (share, past) in self.shares(&gradient).into_iter().zip(self.past.iter().rev()) {
            add(&mut next, share, &past.step);
            add(&mut next, -share, &past.newton);
        }
        self.last = Some(Change { step: next.clone(), gradient, newton });
        next
    }

    /// How much of each fall to take off the gradient, the latest first: it is from nearest by, and earlier ones
    /// that it explains, being as many as there are terms or more, are left out.
    fn shares(&self, gradient: &[f64]) -> Vec<f64> {
        let latest = || self.past.iter().rev();
        let product = |a: &Change, b: &Change| dot(&a.newton, &b.gradient); // symmetric but for rounding
        let products: Vec<f64> =
            latest().flat_map(|a| latest().map(move |b| product(a, b))).collect();
        let mut shares: Vec<f64> = latest().map(|past| dot(&past.newton, gradient)).collect();
        match Cholesky::factor(&products, self.past.len(), EXPLAINED, &[]) {
            Ok(factor) => factor.solve(&mut shares),
            // The next gradient is no number either, and then the search ends.
            Err(NotFinite) => shares.fill(0.0),
        }
        shares
    }
}
