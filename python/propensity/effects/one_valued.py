"""Arms whose outcomes are all the same, of which a standard error knows nothing."""

from __future__ import annotations

import math

from propensity.effects.arms import OutcomeFacts
from propensity.errors import SmallSampleWarning

_NOT_RULED_OUT = 0.05


def one_valued_cautions(
    facts: OutcomeFacts, means: tuple[float, float], std_error: float, ess: tuple[float, float]
) -> tuple[Warning, ...]:
    """Say that an arm has the same outcome throughout, so that only the error of the other is counted.

    Of few treated rows without an event the interval looks the surest, and holds nearly never.

    Parameters
    ----------
    facts : OutcomeFacts
    means : (float, float)
        Of the treated and of the controls, as they are reported.
    std_error : float
        Where it is 0 that is told elsewhere.
    ess : (float, float)
        What the treated and the controls are worth.
    """
    if std_error == 0 or facts.constant or not math.isfinite(std_error):
        return ()
    found = []
    for arm, mean, size in zip(("treated", "control"), means, ess, strict=True):
        end = next((end for end in (facts.low, facts.high) if abs(mean - end) <= facts.rounding()), None)
        if end is not None and size > 0:
            found.append(SmallSampleWarning(_words(arm, end, size, binary=facts.binary)))
    return tuple(found)


def _words(arm: str, end: float, size: float, *, binary: bool) -> str:
    """Word it; of n rows without an event a share p is not ruled out where (1 - p)^n is 5% (Hanley 1983)."""
    share = 1 - _NOT_RULED_OUT ** (1 / size)
    truth = f"; {size:,.0f} such rows do not rule out a share of {abs(end - share):.1%}" if binary else ""
    return (
        f"the outcome is {end:g} in every {arm} row behind this effect: the standard error is that of the "
        f"other arm alone, and the interval is too narrow{truth}"
    )
