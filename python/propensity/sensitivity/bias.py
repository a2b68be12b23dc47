"""What a confounder of given strength could do to an estimate: by least squares, and by any models."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from propensity.effects.student import student_quantile
from propensity.frames.checks import Floats
from propensity.sensitivity.roots import root


class Bias(Protocol):
    """The bias of an estimate by a confounder, by its partial R2 with the treatment and with the outcome.

    It is at most `scale` sqrt(r2_outcome r2_treatment / (1 - r2_treatment)).
    """

    @property
    def estimate(self) -> float:
        """As it was estimated."""

    @property
    def std_error(self) -> float:
        """Of the estimate."""

    @property
    def scale(self) -> float:
        """In units of the outcome."""

    def error(self, r2_treatment: float, r2_outcome: float) -> float:
        """Give the standard error of what a confounder leaves; infinite where it tells who was treated."""

    def reach(self, level: float) -> float:
        """Give how many standard errors an interval of this coverage reaches."""

    def value_at(self, share: float, level: float) -> float:
        """Give the robustness value of the end of the interval nearest to none."""


def bias_factor(r2_treatment: float, r2_outcome: float) -> float:
    """Give what the scale is multiplied by; infinite where a confounder tells who was treated."""
    if r2_treatment >= 1:
        return math.inf if r2_outcome > 0 else 0.0
    return math.sqrt(r2_outcome * r2_treatment / (1 - r2_treatment))


def robustness(f: float) -> float:
    """Give the partial R2 with both that makes the bias f times the scale: (sqrt(f^4 + 4 f^2) - f^2) / 2."""
    if f <= 0:
        return 0.0
    return 2 / (1 + math.sqrt(1 + 4 / f**2)) if f > 1e-150 else f


class Left(NamedTuple):
    """What a confounder leaves of an estimate, at the worst."""

    estimate: float
    std_error: float
    conf_low: float
    conf_high: float


def left_by(bias: Bias, r2_treatment: float, r2_outcome: float, level: float) -> Left:
    """Give what a confounder leaves of the estimate; NaN where no partial R2 are these."""
    if not (0 <= r2_treatment < 1 and 0 <= r2_outcome <= 1):
        return Left(*(math.nan,) * 4)
    size = bias.scale * bias_factor(r2_treatment, r2_outcome)
    center = bias.estimate - math.copysign(size, bias.estimate)
    error = bias.error(r2_treatment, r2_outcome)
    half_width = bias.reach(level) * error
    return Left(center, error, center - half_width, center + half_width)


@dataclass(frozen=True)
class LinearBias:
    """Of the coefficient of a regression (Cinelli and Hazlett 2020): t and degrees of freedom tell all.

    With f the coefficient over its standard error times sqrt(df), the scale is that error times sqrt(df), and
    a confounder makes the error sqrt((1 - r2_outcome) / (1 - r2_treatment) df / (df - 1)) times what it is.
    """

    estimate: float
    std_error: float
    df: float

    @property
    def scale(self) -> float:
        """The standard error without the number of rows in it."""
        return self.std_error * math.sqrt(self.df)

    def error(self, r2_treatment: float, r2_outcome: float) -> float:
        """Give the standard error of what a confounder leaves; infinite where it tells who was treated."""
        if r2_treatment >= 1:
            return math.inf
        ratio = (1 - r2_outcome) / (1 - r2_treatment)
        return self.std_error * math.sqrt(ratio * self.df / (self.df - 1))

    def reach(self, level: float) -> float:
        """Give how many standard errors an interval of this coverage reaches."""
        return student_quantile(level, self.df - 1)

    def value_at(self, share: float, level: float) -> float:
        """Give the robustness value of the end of the interval nearest to none."""
        if self.std_error == 0:
            return 1.0 if self.estimate != 0 else 0.0
        f = share * abs(self.estimate) / self.scale
        wanted = self.reach(level) / math.sqrt(self.df - 1)
        if f <= wanted:
            return 0.0
        if f * wanted > 1:
            # The worst confounder of so few rows is weaker with the outcome: strong, it narrows the interval.
            return (f**2 - wanted**2) / (1 + f**2)
        return robustness(f - wanted)


@dataclass(frozen=True, eq=False)
class DebiasedBias:
    """Of any average of contrasts of an outcome model (Chernozhukov et al. 2022).

    Attributes
    ----------
    estimate : float
    outcome_variance : float
        sigma^2, the mean square of what the outcome model leaves.
    weight_square : float
        nu^2, the mean square of the Riesz representer: of the weights.
    covariance : ndarray (3, 3)
        Of the three, by their influence values.
    df : float
        Degrees of freedom of the estimate, for Student's law.
    """

    estimate: float
    outcome_variance: float
    weight_square: float
    covariance: Floats
    df: float

    @property
    def std_error(self) -> float:
        """Of the estimate."""
        return math.sqrt(self.covariance[0, 0])

    @property
    def scale(self) -> float:
        """S = sigma nu."""
        return math.sqrt(self.outcome_variance * self.weight_square)

    def error(self, r2_treatment: float, r2_outcome: float) -> float:
        """Give the standard error of what a confounder leaves; infinite where it tells who was treated."""
        factor = bias_factor(r2_treatment, r2_outcome)
        if math.isinf(factor):
            return math.inf
        # The bound is theta -+ S factor, and S varies as sigma^2 and nu^2 do.
        by_variance, by_square = (
            (factor * self.scale / (2 * value) if value > 0 else 0.0)
            for value in (self.outcome_variance, self.weight_square)
        )
        side = -1.0 if self.estimate >= 0 else 1.0
        slopes = np.array([1.0, side * by_variance, side * by_square])
        variance = float((slopes[:, None] * self.covariance * slopes).sum())
        return math.sqrt(max(variance, 0.0))

    def reach(self, level: float) -> float:
        """Give how many standard errors an interval of this coverage reaches."""
        return student_quantile(level, self.df)

    def value_at(self, share: float, level: float) -> float:
        """Give the robustness value of the end of the interval nearest to none."""
        wanted = share * abs(self.estimate)

        def left(r: float) -> float:
            return wanted - self.scale * bias_factor(r, r) - self.reach(level) * self.error(r, r)

        if left(0.0) <= 0:
            return 0.0
        high = robustness(wanted / self.scale) if self.scale > 0 else 1.0
        if high >= 1:
            return 1.0
        return root(left, 0.0, high, tolerance=1e-14)
