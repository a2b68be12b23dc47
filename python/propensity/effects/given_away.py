"""Outcomes that a column gives away, or that are the same for all: there is nothing to estimate."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from propensity.effects.arms import ArmMeans, OutcomeFacts
from propensity.errors import DegenerateWarning
from propensity.frames import arms
from propensity.frames.checks import Bools, Floats, Rows, listed
from propensity.frames.native import Column

# In as few rows a column may have the outcome's values by chance, as two of a few values have.
_FEWEST_ROWS = 20

_LOOKED_AT_FIRST = 1_000  # rows that nearly every column is told apart by

_LEFT_OVER = 1e-12  # the share of the squares that rounding leaves when a multiple is taken away


def exact_cautions(facts: OutcomeFacts, means: ArmMeans, std_error: float) -> tuple[Warning, ...]:
    """Say why an effect has no error at all, if it has none.

    Parameters
    ----------
    facts : OutcomeFacts
    means : ArmMeans
        As they are reported.
    std_error : float
    """
    if std_error != 0:
        return ()
    if facts.constant:
        return constant_cautions(facts)
    ends = {facts.low, facts.high}
    found = [
        next((end for end in ends if abs(mean - end) <= facts.rounding()), None) for mean in _both(means)
    ]
    if None not in found and found[0] != found[1]:
        return (
            DegenerateWarning(
                f"the outcome is {found[0]:g} in every treated row and {found[1]:g} in every control row: "
                "it is the treatment, or made of it"
            ),
        )
    return (
        DegenerateWarning(
            "the standard error is 0: what is adjusted for foretells the outcome without error; look for a "
            "column that is made of it"
        ),
    )


def constant_cautions(facts: OutcomeFacts) -> tuple[Warning, ...]:
    """Say that the outcome is the same for all, where it is."""
    if not facts.constant:
        return ()
    return (DegenerateWarning(f"the outcome is {facts.low:g} in every row: there is nothing to estimate"),)


def _both(means: ArmMeans) -> tuple[float, float]:
    return means.mean_treated, means.mean_control


def copy_cautions(columns: Mapping[str, Column], outcome: Floats, there: Bools) -> tuple[Warning, ...]:
    """Say which columns are the outcome (n,), in whatever units, in the rows that are there."""
    first = _first(there)
    if len(first) < _FEWEST_ROWS:
        return ()
    found = []
    for name, column in columns.items():
        values = arms.numbers(column)
        if values is None:
            continue
        alike = _same_but_for_units(values[first], outcome[first])
        if alike and _same_but_for_units(values[there], outcome[there]):
            found.append(name)
    if not found:
        return ()
    which = f"column {listed(found)} is" if len(found) == 1 else f"columns {listed(found)} are"
    return (
        DegenerateWarning(
            f"{which} the outcome itself, perhaps in other units: to adjust for it takes the effect away; "
            "leave it out of the covariates"
        ),
    )


def _first(there: Bools) -> Rows:
    """Give the first of the rows that are there: in most samples they stand at its beginning."""
    found = np.flatnonzero(there[:_LOOKED_AT_FIRST])
    return found if len(found) == _LOOKED_AT_FIRST else np.flatnonzero(there)[:_LOOKED_AT_FIRST]


def _same_but_for_units(values: Floats, y: Floats) -> bool:
    """Whether one is the other times a number, plus a number, up to rounding; neither being constant."""
    x = values.astype(np.float64)
    x, y = _on_one_scale(x), _on_one_scale(y)
    both, own = float(x @ y) ** 2, float(x @ x) * float(y @ y)
    return own > 0 and own - both <= _LEFT_OVER * own


def _on_one_scale(values: Floats) -> Floats:
    """Measure values from their mean, in units in which products of squares have a float64."""
    away = values - values.mean()
    largest = float(np.abs(away).max(initial=0.0))
    return np.asarray(away / largest if largest > 0 else away)
