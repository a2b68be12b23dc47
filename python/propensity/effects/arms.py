"""What an effect is made of: the means of both arms, what rows weigh, how far the outcome's digits reach."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from propensity.effects.leverage import LeftOut, Leverage
from propensity.errors import InvalidInputError
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.pieces import pieces

# In units of the last place of the largest outcome: a row is a few of them away from a mean that it equals or
# a prediction that fits exactly, and what nearly collinear covariates add is in the rest; the mean of n rows,
# added up one after the other, strays by another sqrt(n).
_ROUNDING = 64
_EPSILON = float(np.finfo(np.float64).eps)


class ArmMeans(Protocol):
    """The means of both arms, and each row's influence (n,) on them, mean zero, where the method has any."""

    @property
    def mean_treated(self) -> float:
        """Of the treated."""

    @property
    def mean_control(self) -> float:
        """Of the controls."""

    @property
    def estimate(self) -> float:
        """Their difference, with digits for which the means of outcomes far from zero have no room."""

    @property
    def influence_treated(self) -> Floats | None:
        """On the mean of the treated."""

    @property
    def influence_control(self) -> Floats | None:
        """On the mean of the controls."""


TOTAL = "total_weights"
"""What a series of weights is called that has sample weights in it."""


def weights_name(sample_weight: Floats | None) -> str:
    """Call a series of weights by what is in it."""
    return "weights" if sample_weight is None else TOTAL


def require_balancing(weights: object, role: str) -> None:
    """Require weights that are to be multiplied by sample weights not to have them in them.

    Raises
    ------
    InvalidInputError
        They are a series that a result has given, and do.
    """
    if getattr(weights, "name", None) == TOTAL:
        raise InvalidInputError(
            f"{role}: these are the weights of a result, with the sample weights in them, which would be "
            "multiplied by these again; give the result itself, or its balancing_weights"
        )


def balancing_part(weights: Floats, sample_weight: Floats | None) -> Floats:
    """Take the sample weights (n,) out of what rows weigh; a row of sample weight 0 has no weight."""
    if sample_weight is None:
        return weights
    return np.divide(weights, sample_weight, out=np.zeros(len(weights)), where=sample_weight > 0)


@dataclass(frozen=True, eq=False)
class Means:
    """The means of both arms, where they are not the core's: as `ArmMeans`, and which rows vary together.

    `clusters` (n,) is None where each row varies by itself; -1 for rows that are left out. `difference` is
    None where the means tell it. `leverage` is that of rows in the models that their influence goes through;
    None where there are no such models, or it is not known. `left_out` leaves each row out, or says why
    that is not worked out.
    """

    mean_treated: float
    mean_control: float
    influence_treated: Floats | None = None
    influence_control: Floats | None = None
    clusters: Rows | None = None
    difference: float | None = None
    leverage: Leverage | None = None
    left_out: LeftOut | str | None = None

    def among(self, there: Bools | slice) -> Means:
        """Leave out rows that are not there, whose influence is 0; that of the others is of fewer rows."""

        def left(values: Floats | None) -> Floats | None:
            return None if values is None else values[there] * (len(values[there]) / len(values))

        clusters = None if self.clusters is None else self.clusters[there]
        leverage = None if self.leverage is None else self.leverage.among(there)
        return replace(
            self,
            influence_treated=left(self.influence_treated),
            influence_control=left(self.influence_control),
            clusters=clusters,
            leverage=leverage,
        )

    @property
    def estimate(self) -> float:
        """The difference of the means: where it was not given, as good as these."""
        return self.mean_treated - self.mean_control if self.difference is None else self.difference


@dataclass(frozen=True, eq=False)
class Weighting:
    """The weights (n,) of the rows, sample weights included, and what each arm is worth (Kish)."""

    weights: Floats
    ess_treated: float
    ess_control: float


@dataclass(frozen=True)
class OutcomeFacts:
    """What has to be known of an outcome beside its means.

    Attributes
    ----------
    low, high : float
        The smallest and the largest value.
    bounded : bool
        Whether every value lies in [0, 1], so that its mean has odds.
    std_dev : float
        Its standard deviation, with divisor n; of the population that sample weights stand for.
    binary : bool
        Whether every value is 0 or 1, so that its mean is a risk.
    """

    low: float
    high: float
    bounded: bool
    std_dev: float = math.nan
    binary: bool = False

    @classmethod
    def of(
        cls,
        outcome: Floats,
        *,
        bounded: bool = True,
        sample_weight: Floats | None = None,
        ends: tuple[float, float] | None = None,
    ) -> OutcomeFacts:
        """Look at the values (n,) that means are made of; `bounded` is False where means may leave [0, 1].

        `ends` are the least and the greatest outcome, where values stand for others, and may lie beyond.
        """
        low, high = (float(outcome.min()), float(outcome.max())) if ends is None else ends
        center = np.average(outcome, weights=sample_weight)
        variance = 0.0 if low == high else np.average((outcome - center) ** 2, weights=sample_weight)
        bounded = bounded and low >= 0 and high <= 1
        return cls(low, high, bounded, math.sqrt(variance), bounded and bool(is_event(outcome).all()))

    @classmethod
    def among(
        cls,
        rows: Bools | Rows | slice,
        outcome: Floats,
        mass: Floats | None,
        ends: tuple[Floats, Floats] | None = None,
        *,
        bounded: bool = True,
    ) -> OutcomeFacts:
        """Look at the outcome in some of n rows: `mass` (n,) is what the users of each count for together.

        `ends` are the least and the greatest outcome (n,) of each row's users.
        """
        low_high = None if ends is None else (float(ends[0][rows].min()), float(ends[1][rows].max()))
        own = None if mass is None else mass[rows]
        return cls.of(outcome[rows], bounded=bounded, sample_weight=own, ends=low_high)

    @property
    def origin(self) -> float:
        """From where sums keep their digits, as `origin_between` says."""
        return origin_between(self.low, self.high)

    def rounding(self, n_rows: float = 0.0) -> float:
        """Say below what the mean of so many rows, or what one is away from it, cannot be told from 0."""
        return (_ROUNDING + math.sqrt(n_rows)) * _EPSILON * max(-self.low, self.high)

    @property
    def constant(self) -> bool:
        """Whether it is the same for all, so that there is nothing to estimate."""
        return self.low == self.high


def origin_between(low: float, high: float) -> float:
    """Give the middle of outcomes far from zero, else 0: from there sums of them keep their digits."""
    middle = low / 2 + high / 2
    return middle if abs(middle) > high - low else 0.0


def rounding_of(outcome: Floats) -> Floats:
    """Say of each value (n,) below what it, or what it is away from another, cannot be told from 0."""
    return _ROUNDING * _EPSILON * np.abs(outcome)


def is_event(outcome: Floats) -> Bools:
    """Say of each value (n,) whether it is 0 or 1."""
    return np.asarray((outcome == 0) | (outcome == 1))


def effective_sizes(weights: Floats, treated: Bools, frequency: Floats | None = None) -> tuple[float, float]:
    """Give Kish's effective sample size of either arm, treated and controls; `weights` are of one user."""
    totals, squares = np.zeros(2), np.zeros(2)
    for rows in pieces(len(weights)):
        own, arm = weights[rows], treated[rows]
        counted = own if frequency is None else own * frequency[rows]
        totals += np.bincount(arm, weights=counted, minlength=2)
        squares += np.bincount(arm, weights=counted * own, minlength=2)
    control, of_treated = totals**2 / squares
    return float(of_treated), float(control)
