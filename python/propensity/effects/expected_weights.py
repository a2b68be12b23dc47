"""How many rows the weights of an arm rest on, as the scores of all rows say: also of the other arm's.

A row of score e is treated with probability e and then weighs w, so that its squared weight is e w^2 on
average, and the fourth power e w^4. Summed over all rows they are what the weights of the treated come to in
the mean, and (sum e w^2)^2 / sum e w^4 is the `df` that the variance of their mean has by weights alone,
outcomes apart. The weights that are there say it too; but where few rows weigh much these are not in most
samples, and what is there looks more even than it is.
"""

from __future__ import annotations

import math

import numpy as np

from propensity.frames.checks import Floats

WEIGHED = {"ATE": ("treated", "control"), "ATT": ("control",), "ATC": ("treated",)}
"""The arms whose weights have no bound."""


def rows_behind_weights(
    scores: Floats,
    estimand: str,
    frequency: Floats | None = None,
    largest: tuple[float, float] = (math.inf, math.inf),
) -> float:
    """Give how many rows carry the squares of an arm's weights, the fewer of the arms that are weighed.

    Parameters
    ----------
    scores : ndarray (n,)
        Of all rows that are there, strictly between 0 and 1.
    estimand : {"ATE", "ATT", "ATC"}
    frequency : ndarray (n,) or None
        How many users rows stand for.
    largest : (float, float)
        What weights of the treated and of the controls are bounded by.

    Returns
    -------
    float
    """
    users = np.ones(len(scores)) if frequency is None else frequency
    found = []
    for arm in WEIGHED[estimand]:
        own = scores if arm == "treated" else 1 - scores
        can_be = own > 0  # others are known to be of the other arm
        own, counted = own[can_be], (users * own)[can_be]
        w = (1.0 if estimand == "ATE" else 1 - own) / own
        w = np.minimum(w, largest[0 if arm == "treated" else 1])
        w = w / (w.max(initial=0.0) or 1.0)  # powers of what is left are numbers
        found.append(effective_number(float(counted @ w**2), float(counted @ w**4)))
    return min(found)


def effective_number(squares: float, fourths: float) -> float:
    """Give how many rows carry squared weights, from their sum and that of their squares."""
    return squares**2 / fourths if fourths > 0 else math.inf
