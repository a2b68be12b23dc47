//! The outcome model of one arm, weighted: linear, logistic, or of a logarithm that is linear in the covariates.

use crate::checks;
use crate::design::covariates::Covariates;
use crate::design::least_squares::{self, take_off};
use crate::error::{Error, Result};
use crate::kernels::ScoreEquations;
use crate::linalg::{Cholesky, RANK_TOLERANCE, add, dot};
use crate::monitor::Monitor;
use crate::outcome::kinds::OutcomeModel;
use crate::outcome::log_link::LogLink;
use crate::score::generalized::Generalized;
use crate::score::logistic::{Likelihood, Sweep};
use crate::score::newton::{Objective, Start, maximize_keeping};
use crate::score::spec::PropensitySpec;
use crate::units::tally::{Tally, Units};

/// A fitted outcome model, on the columns of a design.
#[derive(Debug, Clone)]
pub struct ArmFit {
    pub model: OutcomeModel,
    pub coefficients: Vec<f64>,
    information: Cholesky,
}

/// What the full sample says of an arm where a resample of it says nothing: its fit, and the information that this
/// stands on.
///
/// A level that an arm did not draw has no coefficient in a replicate. Of all its fits, which differ along what was
/// not drawn alone, the one is taken whose predictions of the full sample's rows are nearest to those of the full
/// sample's fit, rows weighing what they weigh in its information: it does not depend on which level is the reference.
#[derive(Debug, Clone)]
pub struct Backing {
    pub fit: ArmFit,
    information: Vec<f64>,
}

/// The share of events, or of their absence, that vanishes beside the other in sums of 53 bits.
const NEXT_TO_NOTHING: f64 = 1e-12;

/// A prediction outside what an arm's rows span: by how many standard deviations (of a column) a row breaks what holds
/// of all of these. They themselves do so by 3e-6, the root of [`RANK_TOLERANCE`], at most on average.
const OUTSIDE: f64 = 1e-4;

/// An arm's rows, and what they weigh.
#[derive(Debug)]
pub struct ArmRows<'a, 'x, U, W> {
    pub covariates: &'a Covariates<'x>,
    pub units: &'a U,
    pub arm: bool,
    /// Of a unit of which the arm has rows.
    pub weight: W,
}

impl ArmFit {
    /// A model that is fitted already.
    pub(super) fn of(model: OutcomeModel, coefficients: Vec<f64>, information: Cholesky) -> Self {
        Self { model, coefficients, information }
    }

    /// Fit to the rows of an arm; with a backing where they are a resample's.
    ///
    /// # Errors
    /// No rows in the arm; for the logistic model an outcome outside [0, 1], or one that is always 0 or always 1,
    /// for the Poisson model one that is always 0; separation, no convergence; [`Error::Stopped`].
    pub fn new<U: Units>(
        rows: &ArmRows<'_, '_, U, impl Fn(usize) -> f64 + Sync>,
        model: OutcomeModel,
        backing: Option<&Backing>,
        monitor: &Monitor,
    ) -> Result<Self> {
        match model {
            OutcomeModel::Linear => linear(rows, backing, monitor),
            OutcomeModel::Logistic => logistic(rows, backing, monitor),
            OutcomeModel::Poisson | OutcomeModel::Gamma => log_link(rows, model, backing, monitor),
        }
    }

    /// The expected outcome of every row of `covariates`.
    #[must_use]
    pub fn predict(&self, covariates: &Covariates<'_>) -> Vec<f64> {
        if self.model == OutcomeModel::Logistic {
            return covariates.probabilities(&self.coefficients);
        }
        let mut fitted = covariates.linear(&self.coefficients);
        self.model.mean_in_place(&mut fitted);
        fitted
    }

    /// How the coefficients move with their equations, which are the sums of w r x: see [`OutcomeModel`].
    #[must_use]
    pub fn information(&self) -> &Cholesky {
        &self.information
    }

    /// Which columns the rows fitted to explain by earlier ones: all of these rows, and perhaps no others.
    #[must_use]
    pub fn aliased(&self) -> &[bool] {
        self.information.aliased()
    }

    /// Whether every prediction `wanted` lies in the space that the rows fitted to span.
    ///
    /// # Errors
    /// [`Error::Outside`] with the units that lie outside, and the columns in which they do.
    pub fn require_inside(
        &self,
        covariates: &Covariates<'_>,
        treated: bool,
        wanted: impl Fn(usize) -> bool,
    ) -> Result<()> {
        let (mut columns, mut outside) = (Vec::new(), vec![false; covariates.n_rows()]);
        let aliased = self.aliased().iter().enumerate().filter(|(_, aliased)| **aliased);
        for column in aliased.map(|(column, _)| column) {
            let broken = covariates.linear(&self.information.relation(column));
            let mut any = false;
            for (unit, broken) in broken.into_iter().enumerate() {
                if broken.abs() > OUTSIDE && wanted(unit) {
                    (any, outside[unit]) = (true, true);
                }
            }
            if any {
                columns.push(covariates.places()[column - 1]);
            }
        }
        if columns.is_empty() {
            return Ok(());
        }
        let rows = (0..outside.len()).filter(|unit| outside[*unit]).collect();
        Err(Error::Outside { arm: arm_name(treated), columns, rows })
    }
}

/// Require that the rows for which a model is `wanted` lie in the space that the rows span which it is fitted to; gives
/// the columns that earlier ones explain among all of these rows.
///
/// # Errors
/// Lengths that differ, no rows to fit to, [`Error::Outside`] as if these were an arm's.
pub fn require_inside(
    covariates: Covariates<'_>,
    fitted_to: &[bool],
    wanted: &[bool],
) -> Result<Vec<usize>> {
    checks::same_length("fitted_to", fitted_to.len(), covariates.n_rows())?;
    checks::same_length("wanted", wanted.len(), covariates.n_rows())?;
    if !fitted_to.contains(&true) {
        return Err(Error::WeightlessArm { arm: "modelled" });
    }
    let one = |flag: &bool| f64::from(u8::from(*flag));
    let either = fitted_to.iter().zip(wanted).map(|(a, b)| one(&(*a || *b))).collect::<Vec<_>>();
    let covariates = covariates.settled(&either)?;
    let weight: Vec<f64> = fitted_to.iter().map(one).collect();
    let information = covariates.products(&weight, &weight).information;
    let terms = covariates.n_columns() + 1;
    let information = Cholesky::factor(&information, terms, RANK_TOLERANCE, &[])?;
    let fit = ArmFit { model: OutcomeModel::Linear, coefficients: vec![0.0; terms], information };
    fit.require_inside(&covariates, true, |row| wanted[row])?;
    Ok(covariates.dropped().to_vec())
}

impl Backing {
    /// # Errors
    /// Those of [`ArmFit::new`].
    pub fn new<U: Units>(
        rows: &ArmRows<'_, '_, U, impl Fn(usize) -> f64 + Sync>,
        model: OutcomeModel,
        monitor: &Monitor,
    ) -> Result<Self> {
        let fit = ArmFit::new(rows, model, None, monitor)?;
        Ok(Self { information: fit.information.product(), fit })
    }

    /// Solve the equations of a resample along all that it tells; what it does not tell is left as it may be.
    ///
    /// # Errors
    /// [`Error::Overflow`].
    pub fn solve(&self, mut information: Vec<f64>, mut rhs: Vec<f64>) -> Result<Vec<f64>> {
        if let Some(hold) = self.hold(&information)? {
            add(&mut information, 1.0, &hold);
        }
        Cholesky::factor(&information, rhs.len(), RANK_TOLERANCE, &[])?.solve(&mut rhs);
        Ok(rhs)
    }

    /// What to add to the information of a resample that some columns are collinear in, so that solutions stay where
    /// they are along what it does not tell, and are the same otherwise; `None` where it tells everything.
    ///
    /// With A the information, V a basis of its null space and G the full sample's, that is P = G V (V'G V)^-1 V'G: of
    /// (A + P) s = g, where V'g = 0, follows V'G s = 0, and A s = g.
    fn hold(&self, information: &[f64]) -> Result<Option<Vec<f64>>> {
        let terms = self.fit.coefficients.len();
        let own = Cholesky::factor(information, terms, RANK_TOLERANCE, &[])?;
        let aliased = (0..terms).filter(|column| own.aliased()[*column]);
        let basis: Vec<Vec<f64>> = aliased.map(|column| own.relation(column)).collect();
        if basis.is_empty() {
            return Ok(None);
        }
        let times = |v: &Vec<f64>| -> Vec<f64> {
            self.information.chunks_exact(terms).map(|row| dot(row, v)).collect()
        };
        let moved: Vec<Vec<f64>> = basis.iter().map(times).collect();
        let inner: Vec<f64> =
            basis.iter().flat_map(|v| moved.iter().map(move |gv| dot(v, gv))).collect();
        let inverse = Cholesky::factor(&inner, basis.len(), RANK_TOLERANCE, &[])?.inverse();
        let mut hold = vec![0.0; terms * terms];
        for (shares, left) in inverse.chunks_exact(basis.len()).zip(&moved) {
            for (share, right) in shares.iter().zip(&moved) {
                for (row, left) in hold.chunks_exact_mut(terms).zip(left) {
                    add(row, share * left, right);
                }
            }
        }
        Ok(Some(hold))
    }
}

impl<U: Units, W: Fn(usize) -> f64> ArmRows<'_, '_, U, W> {
    /// The weight of a unit's rows, and the weighted sum of their outcomes.
    fn sums(&self, unit: usize) -> [f64; 2] {
        let (rows, outcome) = self.units.arm(unit, self.arm);
        if rows <= 0.0 {
            return [0.0; 2];
        }
        let weight = (self.weight)(unit);
        [weight * rows, weight * outcome]
    }
}

/// The rows as the binomial counts of a logistic fit: "treated" stands for the outcome.
#[derive(Debug)]
struct Events<'a, 'r, 'x, U, W>(&'a ArmRows<'r, 'x, U, W>);

impl<U: Units, W: Fn(usize) -> f64 + Sync> Units for Events<'_, '_, '_, U, W> {
    fn len(&self) -> usize {
        self.0.units.len()
    }

    fn tally(&self, unit: usize) -> Tally {
        let (rows, outcome) = self.0.units.arm(unit, self.0.arm);
        if rows <= 0.0 {
            return Tally::default();
        }
        let weight = (self.0.weight)(unit);
        let (treated, control) = (weight * outcome, weight * (rows - outcome));
        Tally { treated, control, ..Tally::default() }
    }
}

pub(super) fn arm_name(treated: bool) -> &'static str {
    if treated { "treated" } else { "control" }
}

/// Solve X'WX b = X'W (y - c), c the weighted mean of y, which takes no digits from the slopes then. With a backing b is measured from its coefficients.
fn linear<U: Units>(
    rows: &ArmRows<'_, '_, U, impl Fn(usize) -> f64 + Sync>,
    backing: Option<&Backing>,
    monitor: &Monitor,
) -> Result<ArmFit> {
    let covariates = rows.covariates;
    let sums: Vec<[f64; 2]> = (0..rows.units.len()).map(|unit| rows.sums(unit)).collect();
    let weight: Vec<f64> = sums.iter().map(|[weight, _]| *weight).collect();
    let [total, outcome] = sums.iter().fold([0.0; 2], |[w, y], sums| [w + sums[0], y + sums[1]]);
    if total <= 0.0 {
        return Err(Error::WeightlessArm { arm: arm_name(rows.arm) });
    }
    let mut coefficients = match backing {
        Some(backing) => backing.fit.coefficients.clone(),
        None => [&[outcome / total], &vec![0.0; covariates.n_columns()][..]].concat(),
    };
    let mut left: Vec<f64> = sums.iter().map(|[_, y]| *y).collect();
    take_off(&mut left, &weight, &covariates.linear(&coefficients));
    let ScoreEquations { gradient, mut information } = covariates.products(&left, &weight);
    if let Some(hold) = backing.map(|backing| backing.hold(&information)).transpose()?.flatten() {
        add(&mut information, 1.0, &hold);
    }
    let information = Cholesky::factor(&information, gradient.len(), RANK_TOLERANCE, &[])?;
    let found =
        least_squares::solve(covariates, &information, gradient, &weight, &mut left, monitor)?;
    add(&mut coefficients, 1.0, &found.beta);
    Ok(ArmFit { model: OutcomeModel::Linear, coefficients, information })
}

fn logistic<U: Units>(
    rows: &ArmRows<'_, '_, U, impl Fn(usize) -> f64 + Sync>,
    backing: Option<&Backing>,
    monitor: &Monitor,
) -> Result<ArmFit> {
    let events = Events(rows);
    let (mut successes, mut failures) = (0.0, 0.0);
    for tally in (0..events.len()).map(|unit| events.tally(unit)) {
        if tally.treated < 0.0 || tally.control < 0.0 {
            return Err(Error::Argument {
                name: "outcome_model",
                found: "\"logistic\" with an outcome outside [0, 1]".into(),
                allowed: "\"linear\" for such an outcome",
            });
        }
        (successes, failures) = (successes + tally.treated, failures + tally.control);
    }
    let next_to_nothing = NEXT_TO_NOTHING * (successes + failures);
    if successes.max(failures) > 0.0 && successes.min(failures) <= next_to_nothing {
        let always = u8::from(failures <= next_to_nothing);
        return Err(Error::NoEvents { arm: arm_name(rows.arm), always, model: "logistic" });
    }
    let likelihood = Likelihood::new(rows.covariates, &events, 0.0, Sweep::Serial)?;
    maximum(&likelihood, OutcomeModel::Logistic, backing, monitor)
}

fn log_link<U: Units>(
    rows: &ArmRows<'_, '_, U, impl Fn(usize) -> f64 + Sync>,
    model: OutcomeModel,
    backing: Option<&Backing>,
    monitor: &Monitor,
) -> Result<ArmFit> {
    let sums: Vec<[f64; 2]> = (0..rows.units.len()).map(|unit| rows.sums(unit)).collect();
    let family = LogLink::new(model, sums, arm_name(rows.arm))?;
    let likelihood = Generalized {
        covariates: rows.covariates,
        ridge: vec![0.0; rows.covariates.n_columns() + 1],
        total: family.total(),
        intercept: (family.outcome / family.weight).ln(),
        variance: None,
        family,
    };
    maximum(&likelihood, model, backing, monitor)
}

/// The fit of greatest likelihood; with a backing from its coefficients.
fn maximum(
    likelihood: &impl Objective,
    model: OutcomeModel,
    backing: Option<&Backing>,
    monitor: &Monitor,
) -> Result<ArmFit> {
    let mut start = Start::intercept_only(likelihood);
    if let Some(backing) = backing {
        let beta = backing.fit.coefficients.clone();
        let equations = likelihood.equations(&beta, &mut [], monitor)?;
        let hold = backing.hold(&equations.information)?;
        start = Start { beta, equations: Some(equations), third: None, hold };
    }
    let limits = PropensitySpec::default().limits();
    let optimum = maximize_keeping(likelihood, start, &mut [], limits, monitor)?;
    let (coefficients, information) = (optimum.beta, optimum.information);
    Ok(ArmFit { model, coefficients, information })
}
