"""Weights that cannot be what they are given as: a model of scores, scores themselves, another estimand's."""

from __future__ import annotations

import numpy as np

from propensity.errors import BalanceWarning, InvalidInputError
from propensity.frames.checks import Bools, Floats
from propensity.scores.model import ModelScores

_MADE = 'ps.balancing_weights(df, treatment=..., scores={}, estimand="ATE")'

_NAME = "propensity"
"""What the scores of a model are called, as a series."""

# The arm that an effect is for weighs one a row, whatever made the weights; rounding moves that by less.
_EVEN_ARM = {"ATT": True, "ATC": False}
_ROUNDING = 1e-4


def refuse_model(weights: object, role: str) -> None:
    """Refuse a model of scores: it has weights for each estimand, which are made of its scores.

    Raises
    ------
    TypeError
        It is one.
    """
    if isinstance(weights, ModelScores):
        raise TypeError(
            f"{role}: a model has scores, and weights are made of them for an estimand: "
            f"{role}={_MADE.format('model')}"
        )


def refuse_scores(weights: object, values: Floats, role: str, scores: Floats | None = None) -> None:
    """Refuse scores in the place of weights: a series or column called so, or the `scores` (n,) at hand.

    Raises
    ------
    InvalidInputError
        They are scores.
    """
    name = weights if isinstance(weights, str) else getattr(weights, "name", None)
    called = name == _NAME and bool(((values > 0) & (values < 1)).all())
    if called or (scores is not None and np.array_equal(values, scores)):
        raise InvalidInputError(
            f"{role}: these are propensity scores, and weights are made of them for an estimand: "
            f"{role}={_MADE.format('...')}"
        )


def uneven_arm_cautions(values: Floats, treated: Bools, there: Bools, estimand: str) -> tuple[Warning, ...]:
    """Say of weights (n,) that they are not the estimand's, where its own arm has uneven ones.

    Rows of weight 0 are left out by it, and tell nothing.
    """
    if estimand not in _EVEN_ARM:
        return ()
    focal = _EVEN_ARM[estimand]
    own = values[(treated == focal) & there & (values > 0)]
    if own.max() <= (1 + _ROUNDING) * own.min():
        return ()
    arm, other = ("treated", "controls") if focal else ("control", "treated")
    return (
        BalanceWarning(
            f"weights for the {estimand} are the same for all {arm} rows, whose effect it is, and bring the "
            f"{other} to them; these go from {own.min():.4g} to {own.max():.4g}, as those for the ATE do: "
            f'say estimand="ATE" if they are for everybody, or make them for the {estimand}; sample weights '
            "that are in them go to sample_weight="
        ),
    )
