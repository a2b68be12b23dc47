"""How much rows hold their own predictions, and what intervals make up for it.

A model follows the rows it was fitted to: what is left of row i is too small by 1 - h_i, h_i its leverage.
Influence as it stands is HC0; with residuals divided by sqrt(1 - h) it is HC2, whose squares are right on
average where outcomes vary alike, and by 1 - h HC3, near to leaving each row out (MacKinnon and White 1985,
Journal of Econometrics 29, 305). Where a row's prediction lies, which is the other part of its influence, is
not too small, and stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol, TypeAlias, get_args

import numpy as np

from propensity.calls.intervals import from_bootstrap, is_kind
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.checks import Bools, Floats
from propensity.frames.pieces import pieces
from propensity.results.read_only import ReadOnly

Correction: TypeAlias = Literal["HC0", "HC2", "HC3"]
ErrorKind: TypeAlias = Literal["HC0", "HC2", "HC3", "jackknife"]

# Of what leverage leaves of a residual; a root is many times as fast as a power.
_DIVISORS: dict[Correction, Callable[[Floats], Floats]] = {
    "HC0": np.ones_like,
    "HC2": np.sqrt,
    "HC3": np.positive,
}

USUAL: Correction = "HC2"
"""That of intervals and p-values: with Student's law it held where HC0 was too short and HC3 too wide."""

# A row with more has a term to itself: it is its own prediction, and nothing is left of it to divide.
_ALONE = 1 - 1e-6


@dataclass(frozen=True, eq=False)
class Leverage(ReadOnly):
    """The leverage of n rows in the models of their arms, and what it holds back.

    Attributes
    ----------
    values : ndarray (n,)
        From 0 to 1.
    residual : ndarray (n,)
        The part of a row's influence on the mean of its own arm that its residual makes.
    treated : ndarray (n,) of bool or None
        Whose arm each is of, where rows are not those that weights are of: of cells two values each.
    """

    values: Floats
    residual: Floats
    treated: Bools | None = None

    def added(self, kind: Correction = USUAL) -> Floats:
        """Give what a correction adds to the influence (n,) of rows on the means of their own arms."""
        return self.residual * (scale_of(self.values, kind) - 1)

    def among(self, rows: Bools | slice) -> Leverage:
        """Leave those of some rows; without the others, whose influence is 0, theirs is of fewer."""
        values = self.values[rows]
        return Leverage(values, self.residual[rows] * (len(values) / len(self.values)))


class LeftOut(Protocol):
    """What knows how to leave each of n rows out of an effect, and to estimate it again."""

    def influence(self) -> Floats:
        """Give what each row does to both means, the treated's first: (2, n), for the jackknife's error."""


@dataclass(frozen=True, eq=False)
class SharesOfWeight(ReadOnly):
    """The leverage of rows in the weighted means of their arms, worked out when it is asked for.

    It is their shares of the weight.

    A mean is a model with an intercept alone, from which a row is as far as its outcome. Rows may stand for
    several users each: weights and leverage are then of one of them.

    Attributes
    ----------
    weights, outcome : ndarray (n,)
    arm : ndarray (n,) of bool
        Whose weights these are: the treated's where it is true.
    means : (float, float)
        Of the outcome, the treated's first.
    frequency : ndarray (n,) or None
        How many users rows stand for.
    treated : ndarray (n,) of bool or None
        As of `Leverage`.
    """

    weights: Floats
    arm: Bools
    outcome: Floats
    means: tuple[float, float]
    frequency: Floats | None = None
    treated: Bools | None = None

    @property
    def values(self) -> Floats:
        """As of `Leverage`."""
        return self._worked_out.values

    @property
    def residual(self) -> Floats:
        """As of `Leverage`."""
        return self._worked_out.residual

    def added(self, kind: Correction = USUAL) -> Floats:
        """As of `Leverage`."""
        return self._worked_out.added(kind)

    def among(self, rows: Bools | slice) -> Leverage:
        """As of `Leverage`."""
        return self._worked_out.among(rows)

    @cached_property
    def _worked_out(self) -> Leverage:
        weights, treated, frequency = self.weights, self.arm, self.frequency
        total = np.zeros(2)
        for rows in pieces(len(weights)):
            counted = weights[rows] if frequency is None else weights[rows] * frequency[rows]
            total += np.bincount(treated[rows], weights=counted, minlength=2)
        n_users = len(weights) if frequency is None else frequency.sum()
        values, moved = np.empty(len(weights)), np.empty(len(weights))
        for rows in pieces(len(weights)):
            # A row of weight 0 has no share, whatever its outcome is.
            away = np.where(weights[rows] > 0, self.outcome[rows] - np.where(treated[rows], *self.means), 0.0)
            values[rows] = weights[rows] / np.where(treated[rows], total[1], total[0])
            moved[rows] = n_users * values[rows] * away
        return Leverage(values, moved, self.treated)


def scale_of(leverage: Floats, kind: Correction = USUAL) -> Floats:
    """Give what residuals are to be multiplied by, (n,), to be corrected as `kind` says."""
    held = np.where(leverage < _ALONE, leverage, 0.0)
    return 1 / _DIVISORS[kind](1 - held)


AFTER_IPW = "it is worked out after ps.ipw, for all rows or with by=, within=True"
"""Why rows are not left out of an effect that does not say why."""


def require_kind(
    kind: ErrorKind, leverage: Leverage | SharesOfWeight | None, left_out: LeftOut | str | None
) -> None:
    """Require an error of this kind of an effect that has this; `left_out` may say why there is none.

    Raises
    ------
    InvalidInputError
        There is none.
    """
    if is_kind(kind):
        raise InvalidInputError(
            f"se: {kind!r} is an interval of a bootstrap: {from_bootstrap(kind)}; se is one of "
            f"{checks.listed(get_args(ErrorKind))}"
        )
    checks.choice("se", kind, get_args(ErrorKind))
    if leverage is None and kind in ("HC2", "HC3"):
        raise InvalidInputError(
            f"se: {kind!r} corrects for the leverage of rows in an outcome model or a weighted mean, and "
            "this effect has none, or has a correction in its standard error; leave se= out"
        )
    if kind == "jackknife" and (left_out is None or isinstance(left_out, str)):
        others = (
            "leave se= out" if leverage is None else "take se='HC3', which is near to it, or leave se= out"
        )
        raise InvalidInputError(f"se: there is no 'jackknife' here: {left_out or AFTER_IPW}; {others}")


def words_of_intervals(corrected: bool) -> str:
    """Say how intervals and p-values are made, with or without a correction for leverage."""
    law = "Student's t, df degrees of freedom"
    return f"{law}; their errors corrected for leverage ({USUAL})" if corrected else law
