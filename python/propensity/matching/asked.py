"""What is asked of matched rows: the effect on one outcome or several, on a ratio of two, by group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar, get_args

from propensity.effects.contrasts import Contrast
from propensity.effects.effect import Effect
from propensity.effects.grouped import GroupedEffects
from propensity.effects.several import Effects
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.checks import Rows
from propensity.frames.design import Design
from propensity.frames.outcome_names import are_names, outcome_names
from propensity.matching.by_group import OutcomeIn, effects_by_group
from propensity.matching.metric import metric_of_matches
from propensity.matching.outcome import MatchedOutcome
from propensity.matching.result import Matched

M = TypeVar("M", bound=Matched)

Read: TypeAlias = Callable[[object], tuple[MatchedOutcome, Design | None]]
"""From an outcome as it was given to it as it was read, and what it is adjusted for (n, d), if anything."""

Compare: TypeAlias = Callable[[M, MatchedOutcome, Design | None, bool], Effect]
"""From matches, an outcome and covariates to the effect; and whether the matches are a part of the sets."""


def effects_of(
    matched: M,
    outcome: object,
    per: object,
    by: str | Sequence[str] | None,
    read: Read,
    compare: Compare[M],
    contrast: Contrast,
    clusters: Rows | None = None,
) -> Effect | Effects | GroupedEffects:
    """Answer what is asked of matches, as `Matches.effect` says.

    `clusters` (n,) or (n, 2) are those that `compare` sums within; None where it sums within none.
    """
    contrast = checks.word("contrast", contrast, get_args(Contrast))
    if are_names(outcome) and by is None:
        names = outcome_names(outcome)
        found = {name: _on_all(matched, name, per, read, compare) for name in names}
        return Effects({name: effect.contrast_as(contrast) for name, effect in found.items()})
    if are_names(outcome):
        raise InvalidInputError(
            f"by: effects by group are of one outcome, named by itself, and not of a list of "
            f"{len(outcome):,}; ask for each in turn"
        )
    if by is None:
        return _on_all(matched, outcome, per, read, compare).contrast_as(contrast)
    named = [name for name in map(_name, (outcome, per)) if name]
    in_part = _asked(outcome, per, read, compare)
    grouped = effects_by_group(
        matched,
        by,
        named,
        lambda part, outcome_in: in_part(part, outcome_in, True),
        _words(outcome, per),
        clusters,
    )
    return grouped.contrast_as(contrast)


def _on_all(matched: M, outcome: object, per: object, read: Read, compare: Compare[M]) -> Effect:
    return _asked(outcome, per, read, compare)(matched, lambda y: y, False)


def _asked(
    outcome: object, per: object, read: Read, compare: Compare[M]
) -> Callable[[M, OutcomeIn, bool], Effect]:
    """Read what is asked about once, and give what estimates it from matches, or from a part of the sets."""
    y, x = read(outcome)
    below = None if per is None else read(per)[0]

    def effect(matched: M, outcome_in: OutcomeIn, is_part: bool) -> Effect:
        def effect_on(one: MatchedOutcome) -> Effect:
            return compare(matched, one, x, is_part)

        if below is None:
            return effect_on(outcome_in(y))
        words = _words(outcome, per)
        return metric_of_matches(matched, outcome_in(y), outcome_in(below), effect_on, words)

    return effect


def _words(outcome: object, per: object) -> str:
    """Say what is measured, where that is a ratio."""
    return "" if per is None else f"{_name(outcome) or 'the outcome'} per {_name(per) or 'the other'}"


def _name(values: object) -> str:
    name = values if isinstance(values, str) else getattr(values, "name", None)
    return name if isinstance(name, str) else ""
