"""Which penalty to advise: what one does hangs on the spread of the columns that it is per unit of."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from propensity.frames.checks import Bools, Floats

# Standard deviations between which a penalty of 1 does what it does to a column of zeros and ones, which has
# at most one half: beyond, it lets scores run to 0 and 1 all the same, or lets nothing move them.
_TAME = (0.05, 5.0)


def penalty_advice(
    x: Floats, names: Sequence[str], running: Collection[int], there: Bools | None = None
) -> str:
    """Advise a penalty that fits the scale of the terms.

    It has to hold those terms whose coefficients run away, and to leave the others their say.

    Parameters
    ----------
    x : ndarray (n, d)
        The terms.
    names : sequence of str
        What they are called.
    running : collection of int
        Those whose coefficients grow without bound.
    there : ndarray (n,) of bool, or None, default None
        Which rows count; None for all.

    Returns
    -------
    str
        As the end of a sentence.
    """
    rows = x if there is None else x[there]
    numeric = ((rows != 0) & (rows != 1)).any(axis=0)  # levels and flags are of one scale, however rare
    low, high = _TAME
    wild = {
        name: deviation
        for place, (name, deviation) in enumerate(zip(names, rows.std(axis=0).tolist(), strict=True))
        if numeric[place] and (0 < deviation < low or (deviation > high and place in running))
    }
    if not wild:
        return "use penalty=1.0"
    scaled = " and ".join(f"scale({_quoted(name)})" for name in wild)
    deviations = ", ".join(f"{name} {deviation:.3g}" for name, deviation in wild.items())
    return (
        f"use penalty=1.0 with {scaled} in a formula, for a penalty is per unit of the column, and some have "
        f"standard deviations far from 1 ({deviations})"
    )


def _quoted(name: str) -> str:
    """Write a column's name as a formula wants it; what is no column alone is left as it is."""
    return name if name.isidentifier() or "(" in name else f"`{name}`"
