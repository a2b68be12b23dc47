"""What can be tried where matched rows are not balanced: told by what differs most."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from propensity.effects.imbalance import Imbalance
from propensity.effects.matching_specification import Matching, NearestNeighbors

Remedy: TypeAlias = Callable[[Imbalance], str]
"""From what the arms still differ in, what can be done about it."""

BIASED = "an estimate is biased by it"

_ADJUST = ", or adjust for what is left (bias_adjust= of effect)"

AGAIN = "then look at balance again (ps.balance, weights= the matches)"

_WIDTH = 0.2  # standard deviations (Austin 2011), where nobody has said another


class Worst(NamedTuple):
    """The columns behind the terms that the arms differ most in.

    Attributes
    ----------
    amount : str or None
        The first that a caliper can be on: of numbers, more than two of them.
    label : str or None
        The first of few values, which can be asked to agree.
    label_first : bool
        Whether that comes before the other.
    """

    amount: str | None
    label: str | None
    label_first: bool = False


def neighbor_remedy(spec: NearestNeighbors, worst: Worst, *, scored: bool) -> str:
    """Say what can be tried about imbalance after matching with neighbours."""
    caliper = caliper_remedy(spec, worst.amount, scored=scored)
    exact = _exact_remedy(spec, worst.label)
    first, second = (exact, caliper) if worst.label_first else (caliper, exact)
    return f"try {first}, or {second}, and {AGAIN}{_ADJUST}"


def caliper_remedy(spec: Matching, amount: str | None, *, scored: bool) -> str:
    """Ask for a caliper on a column, on the scores, or where there is one for a narrower one.

    Without scores (`scored`) a number alone is refused, for it is of the scores. Of a caliper in raw units
    nobody here knows a width.
    """
    known = spec.calipers
    if known:
        more = "" if amount is None or amount in known else f", or one on {amount!r} beside it"
        if more and spec.caliper_unit != "raw":
            both = {**known, str(amount): _WIDTH}
            more += f" (caliper={both!r})"
        return f"a narrower caliper{more}"
    on_scores = f"caliper={_WIDTH}" if scored else f"scores=ps.fit_propensity(...), caliper={_WIDTH}"
    if amount is None:
        return f"a caliper ({on_scores})"
    return f"a caliper on {amount!r} (caliper={ {amount: _WIDTH}!r}), or on the scores ({on_scores})"


def _exact_remedy(spec: NearestNeighbors, label: str | None) -> str:
    if label is not None and label not in spec.exact:
        return f"matches within {label!r} (exact={[*spec.exact, label]!r})"
    return "matches within more columns (exact=)" if spec.exact else "matches within columns (exact=)"


def once_adjusted(words: str) -> str:
    """Leave the advice to adjust out of a caution of matches, where that is done."""
    if not words.endswith(_ADJUST):
        return words
    what, _, remedy = words.removesuffix(_ADJUST).partition(f"{BIASED}; ")
    return f"{what}{BIASED}; bias_adjust= takes off what its covariates foretell; {remedy}"
