//! Coefficients and gradients of a design of numbers and factors in the caller's terms.

use ndarray::Array2;

use super::Coded;

impl Coded<'_> {
    /// Slopes by term, on the caller's scale; zero for those left out.
    #[must_use]
    pub fn slopes(&self, theta: &[f64]) -> Vec<f64> {
        let (theta, mut slopes) = (self.outer(theta), vec![0.0; self.center.len()]);
        for (place, term) in self.coefficients() {
            slopes[term] = theta[place];
        }
        self.places.iter().for_each(|term| slopes[*term] /= self.deviation[*term]);
        self.levels[self.widest].iter().for_each(|term| slopes[*term] -= theta[0]);
        slopes
    }

    /// Slopes by term, a standard deviation each.
    #[must_use]
    pub fn by_standard_deviation(&self, theta: &[f64]) -> Vec<f64> {
        let slopes = self.slopes(theta);
        slopes.iter().zip(&self.deviation).map(|(slope, deviation)| slope * deviation).collect()
    }

    /// The same linear map, of each column, to the intercept at zero and the slopes by term.
    #[must_use]
    pub fn to_callers(&self, columns: &Array2<f64>) -> Array2<f64> {
        let (outer, mut own) =
            (self.outer_columns(columns), Array2::zeros((self.center.len() + 1, columns.ncols())));
        let columns = &*outer;
        for (place, term) in self.coefficients() {
            own.row_mut(term + 1).assign(&columns.row(place));
        }
        for term in &self.levels[self.widest] {
            own.row_mut(term + 1).scaled_add(-1.0, &columns.row(0));
        }
        own.row_mut(0).assign(&columns.row(0));
        for term in &self.places {
            let mut slope = own.row_mut(term + 1);
            slope.mapv_inplace(|value| value / self.deviation[*term]);
            let slope = slope.to_owned();
            own.row_mut(0).scaled_add(-self.center[*term], &slope);
        }
        own
    }

    /// By term, the intercept before it, what stands at the places of the coefficients; zero for all others.
    #[must_use]
    pub fn by_term(&self, values: &[f64]) -> Vec<f64> {
        let mut own = vec![0.0; self.center.len() + 1];
        self.coefficients().for_each(|(place, term)| own[term + 1] = values[place]);
        own
    }

    /// The gradient in standardized terms, the intercept first, from that in the coefficients; `total` is the
    /// intercept's.
    #[must_use]
    pub fn standardized_gradient(&self, gradient: &[f64], total: f64) -> Vec<f64> {
        let (gradient, mut own) = (self.outer_gradient(gradient, total), vec![total]);
        own.extend_from_slice(&gradient[1..=self.places.len()]);
        let factors = self.coefficients().skip(self.places.len());
        own.extend(factors.map(|(place, term)| {
            (gradient[place] - self.center[term] * total) / self.deviation[term]
        }));
        own
    }
}
