//! A ridge on the slopes of a coded design, on the caller's scale.

use super::Coded;
use crate::design::arrow::Arrow;

/// What is taken off a likelihood: half the strength times the sum of the squared slopes.
#[derive(Debug, Clone, Copy)]
pub struct Ridge<'a, 'x> {
    pub design: &'a Coded<'x>,
    pub strength: f64,
}

impl Ridge<'_, '_> {
    /// How much it takes off.
    #[must_use]
    pub fn loss(&self, theta: &[f64]) -> f64 {
        let slopes = self.design.slopes(theta);
        self.strength / 2.0 * slopes.iter().map(|slope| slope * slope).sum::<f64>()
    }

    /// Take its gradient off.
    pub fn take_off(&self, theta: &[f64], gradient: &mut [f64]) {
        if self.strength == 0.0 {
            return;
        }
        let design = self.design;
        let slopes = design.slopes(theta);
        for (place, term) in design.coefficients() {
            gradient[place] -= self.strength * slopes[term] * self.per_scale(place, term);
        }
        // beta k = alpha k - alpha 0.
        let first: f64 = design.levels[design.widest].iter().map(|term| slopes[*term]).sum();
        gradient[0] += self.strength * first;
    }

    /// Add its second derivatives.
    pub fn add(&self, arrow: &mut Arrow) {
        let (design, strength) = (self.design, self.strength);
        let n_corner = design.n_corner();
        for (place, term) in design.coefficients() {
            if place < n_corner {
                let per = self.per_scale(place, term);
                arrow.corner[(place, place)] += strength * per * per;
            }
        }
        arrow.corner[(0, 0)] += strength * arrow.diagonal.len() as f64;
        arrow.diagonal.iter_mut().for_each(|own| *own += strength);
        arrow.beside.column_mut(0).mapv_inplace(|value| value - strength);
    }

    /// The slope per unit of a coefficient.
    fn per_scale(&self, place: usize, term: usize) -> f64 {
        if place <= self.design.places.len() { 1.0 / self.design.deviation[term] } else { 1.0 }
    }
}
