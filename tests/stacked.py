"""The slow twin of every standard error: all equations of an estimator stacked, derived by differences.

An estimator solves mean(psi(theta; row)) = 0 for all its parameters at once: the score model's coefficients,
those of the outcome models, the two means. Its covariance is A^-1 B A^-T / n with A = -d mean(psi) / d theta
and B = mean(psi psi') (Stefanski and Boos 2002). The twin writes down psi and nothing else: it solves by
Newton's method and differentiates by central differences, so that no derivative is worked out by hand.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from reference import expit, tilt


@dataclass(frozen=True)
class Design:
    """The rows, and what is to be estimated from them."""

    x: np.ndarray
    treatment: np.ndarray
    outcome: np.ndarray
    method: str
    estimand: str = "ATE"
    outcome_model: str = "linear"
    penalty: float = 0.0
    sample_weight: np.ndarray | None = None
    bounds: tuple[float, float] | None = None  # on the weights of the treated and of the controls, known
    score_model: str = "logistic"

    @property
    def columns(self):
        """X with the constant in front."""
        return np.column_stack([np.ones(len(self.x)), self.x])

    @property
    def weight(self):
        return np.ones(len(self.x)) if self.sample_weight is None else self.sample_weight

    @property
    def target(self):
        """How much each row counts in the average over those the effect is for."""
        t = self.treatment.astype(float)
        return {"ATE": np.ones(len(t)), "ATT": t, "ATC": 1 - t}[self.estimand]


LINKS = {"logistic": expit, "probit": norm.cdf, "cloglog": lambda eta: -np.expm1(-np.exp(eta))}


def _score_equations(design, beta):
    """The derivative of the log-likelihood of each row, by differences where the link is not the logit."""
    columns, w = design.columns, design.weight
    strength = design.penalty * w[w > 0].mean()
    ridge = strength * np.concatenate([[0.0], beta[1:]]) / len(columns)
    eta, t = columns @ beta, design.treatment
    e = LINKS[design.score_model](eta)
    residual = t - e
    if design.score_model != "logistic":
        rises = [LINKS[design.score_model](eta + step) for step in (1e-4, -1e-4, 2e-4, -2e-4)]
        slope = (
            8 * (rises[0] - rises[1]) - (rises[2] - rises[3])
        ) / 12e-4  # off by the fourth power of the step
        residual = residual * slope / (e * (1 - e))
    return (w * residual)[:, None] * columns - ridge


def _arm_weights(design, beta):
    e = LINKS[design.score_model](design.columns @ beta)
    h = tilt(e, design.estimand)
    above = (np.inf, np.inf) if design.bounds is None else design.bounds
    return {True: np.minimum(h / e, above[0]), False: np.minimum(h / (1 - e), above[1])}


def weighting_equations(design, theta, means):
    """Score model (d + 1); then what has mean zero at the means, treated and control, in two columns."""
    k = _arm_weights(design, theta)
    moments = [
        design.weight * (design.treatment == arm) * k[arm] * (design.outcome - means[arm])
        for arm in (True, False)
    ]
    return _score_equations(design, theta), np.column_stack(moments)


def adjustment_equations(design, theta, means):
    """Score model (d + 1, none for regression), outcome models (d + 1 each); then the means' two columns."""
    d = design.columns.shape[1]
    scored = design.method != "regression"
    beta, rest = (theta[:d], theta[d:]) if scored else (None, theta)
    k = _arm_weights(design, beta) if scored else None
    equations, moments = [_score_equations(design, beta)] if scored else [], []
    for place, arm in enumerate((True, False)):
        gamma = rest[place * d : (place + 1) * d]
        in_arm, w = (design.treatment == arm).astype(float), design.weight
        eta = design.columns @ gamma
        m = {"linear": lambda eta: eta, "logistic": expit}.get(design.outcome_model, np.exp)(eta)
        residual = in_arm * (design.outcome - m)
        fitting = k[arm] if design.method == "ipwra" else 1.0
        scale = 1 / m if design.outcome_model == "gamma" else 1.0  # the variance goes with the mean's square
        equations.append((w * fitting * scale * residual)[:, None] * design.columns)
        augmentation = k[arm] * residual if design.method == "aipw" else 0.0
        moments.append(w * (design.target * (m - means[arm]) + augmentation))
    return np.column_stack(equations), np.column_stack(moments)


def _jacobian(function, theta, step=1e-5):
    """d mean(psi) / d theta by central differences."""
    columns = []
    for j in range(len(theta)):
        up, down = theta.copy(), theta.copy()
        up[j] += step
        down[j] -= step
        columns.append((function(up).mean(axis=0) - function(down).mean(axis=0)) / (2 * step))
    return np.column_stack(columns)


@dataclass(frozen=True)
class Solution:
    """The two means (treated, control), their covariance (2, 2), and what is left of the equations."""

    means: np.ndarray
    covariance: np.ndarray
    left: float

    @property
    def estimate(self):
        return self.means[0] - self.means[1]

    @property
    def std_error(self):
        return self.std_error_of(lambda treated, control: treated - control)

    def std_error_of(self, contrast, step=1e-6):
        """By the delta method, the contrast differentiated by differences."""
        moves = np.eye(2) * step
        rises = [contrast(*(self.means + move)) - contrast(*(self.means - move)) for move in moves]
        slopes = np.array(rises) / (2 * step)
        return float(np.sqrt(slopes @ self.covariance @ slopes))


def solve(design):
    """Solve the stacked equations from zero, and give the sandwich."""
    found = solve_groups(design, np.zeros(len(design.x), dtype=int))
    return Solution(found.means[0], found.covariance, found.left)


@dataclass(frozen=True)
class GroupSolution:
    """The means (G, 2) of groups, treated and control, and their covariance (2 G, 2 G); as `Solution`."""

    means: np.ndarray
    covariance: np.ndarray
    left: float

    def contrast(self, link=lambda mean: mean, step=1e-6):
        """A difference on a scale by group, and its covariance (G, G), differentiated by differences."""
        g = len(self.means)
        rises = (link(self.means + step) - link(self.means - step)) / (2 * step)
        slopes = np.zeros((g, 2 * g))
        for place in range(g):
            slopes[place, 2 * place : 2 * place + 2] = rises[place] * [1, -1]
        return link(self.means[:, 0]) - link(self.means[:, 1]), slopes @ self.covariance @ slopes.T


def solve_scores(design):
    """Solve the equations of the score model alone: its coefficients, and their sandwich."""
    return _solved(lambda beta: _score_equations(design, beta), design.columns.shape[1])


def solve_groups(design, codes, clusters=None):
    """Solve for the means of groups of rows, with models that are fitted once to all of them."""
    d, size = design.columns.shape[1], codes.max() + 1
    equations = weighting_equations if design.method == "ipw" else adjustment_equations
    n_models = {"ipw": 1, "regression": 2}.get(design.method, 3) * d

    def psi(theta):
        own = theta[n_models:].reshape(size, 2)[codes]
        models, moments = equations(design, theta[:n_models], {True: own[:, 0], False: own[:, 1]})
        by_group = [moments * (codes == place)[:, None] for place in range(size)]
        return np.column_stack([models, *by_group])

    found = _solved(psi, n_models + 2 * size, clusters)
    means = found.theta[n_models:].reshape(size, 2)
    return GroupSolution(means, found.covariance[n_models:, n_models:], found.left)


def solve_equations(psi, n_parameters):
    """Solve mean(psi) = 0 from zero, the means of both arms last, and give the sandwich."""
    found = _solved(psi, n_parameters)
    return Solution(found.theta[-2:], found.covariance[-2:, -2:], found.left)


@dataclass(frozen=True)
class _Solved:
    theta: np.ndarray
    covariance: np.ndarray
    left: float


def _solved(psi, n_parameters, clusters=None):
    """Newton's method with numeric derivatives, and the sandwich of all parameters."""
    theta = np.zeros(n_parameters)
    for _ in range(50):
        step = np.linalg.solve(_jacobian(psi, theta), psi(theta).mean(axis=0))
        theta = theta - step
        if np.abs(step).max() < 1e-12:
            break
    bread, rows, factor = np.linalg.inv(_jacobian(psi, theta)), psi(theta), 1.0
    n, left = len(rows), np.abs(rows.mean(axis=0)).max()
    if clusters is not None:
        rows = np.array([rows[clusters == label].sum(axis=0) for label in np.unique(clusters)])
        factor = len(rows) / (len(rows) - 1)
    covariance = factor * bread @ (rows.T @ rows / n) @ bread.T / n
    return _Solved(theta, covariance, left)
