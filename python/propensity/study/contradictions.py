"""Where estimators of one thing on the same rows contradict each other."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from propensity.effects import inference
from propensity.effects.contrasts import SCALES
from propensity.effects.effect import Effect

# Estimators of one thing on the same rows differ by little, and their difference has a standard error far
# below their own: it may be certain and not matter. A bias of half a standard error lowers the coverage of a
# 95% interval to 92%; below that a difference is not worth a note.
_WORTH_A_NOTE = 0.5


def contradictions(effects: Mapping[str, Effect]) -> dict[str, list[str]]:
    """Say of each label which others of the same estimand it contradicts."""
    influence = {label: effect.influence for label, effect in effects.items()}
    pairs = [
        (one, other, phi - psi)
        for (one, phi), (other, psi) in itertools.combinations(influence.items(), 2)
        if phi is not None and psi is not None and effects[one].estimand == effects[other].estimand
    ]
    notes: dict[str, list[str]] = {}
    for one, other, influence_on_gap in pairs:
        gap = _comparable(effects[one]) - _comparable(effects[other])
        frequency = effects[one].frequency
        both = effects[one].clusters, effects[other].clusters
        known = inference.joined(*both, counted=frequency is not None), frequency
        error = inference.std_error(influence_on_gap, *known)
        df = inference.degrees_of_freedom(influence_on_gap, *known)
        # Without any error the gap is rounding, as of outcomes that are all the same.
        certain = error > 0 and abs(gap) > inference.half_width(error, 1 - 0.05 / len(pairs), df)
        if certain and abs(gap) > _WORTH_A_NOTE * min(effects[one].std_error, effects[other].std_error):
            for here, there in ((one, other), (other, one)):
                words = (
                    f"contradicts {there}: {abs(gap) / error:.1f} standard errors of their difference apart"
                )
                notes.setdefault(here, []).append(words)
    return notes


def _comparable(effect: Effect) -> float:
    """Give the estimate on the scale of its influence values: the logarithm of a ratio."""
    return SCALES[effect.contrast].read(effect.estimate)
