"""What there is to say of single groups, summed up: once for each kind, with each group's own numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from propensity.frames.grouping import Grouping

# A number that stands by itself: the 1 of x1 is a part of a name, and the comma after 5 ends a clause.
_NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?%?(?![\w])")

_NAMED = 3  # groups in a message: the table has the note of each


def told_of_groups(cautions: Sequence[Sequence[Warning]], groups: Grouping) -> tuple[Warning, ...]:
    """Sum up cautions of groups that differ by their numbers alone.

    Parameters
    ----------
    cautions : sequence (G,) of sequence of Warning
        Of each group.
    groups : Grouping

    Returns
    -------
    tuple of Warning
        Each names the first groups, every one with its own numbers where these differ, and has in its words
        from which to which they go.
    """
    by_kind: dict[tuple[type[Warning], str], dict[int, str]] = {}
    for place, own in enumerate(cautions):
        for caution in own:
            kind = type(caution), _NUMBER.sub("#", str(caution))
            by_kind.setdefault(kind, {}).setdefault(place, str(caution))
    return tuple(kind(_summed_up(told, groups)) for (kind, _), told in by_kind.items())


def _summed_up(told: dict[int, str], groups: Grouping) -> str:
    """Write one caution of several groups, by the places of these."""
    numbers = [_NUMBER.findall(words) for words in told.values()]
    varying = [slot for slot in range(len(numbers[0])) if len({own[slot] for own in numbers}) > 1]

    def own_numbers(own: list[str]) -> str:
        return f" ({', '.join(own[slot] for slot in varying)})" if varying else ""

    first = list(zip(told, numbers, strict=True))[:_NAMED]
    named = "; ".join(groups.name(place) + own_numbers(own) for place, own in first)
    n_others = len(told) - len(first)
    others = f" and {n_others:,} other{'s' if n_others > 1 else ''}" if n_others else ""
    slots = iter(range(len(numbers[0])))

    def from_to(found: re.Match[str]) -> str:
        slot = next(slots)
        if slot not in varying:
            return found.group()
        ordered = sorted((own[slot] for own in numbers), key=_value)
        return f"{ordered[0]} to {ordered[-1]}"

    return f"{named}{others}: {_NUMBER.sub(from_to, next(iter(told.values())))}"


def _value(number: str) -> float:
    return float(number.replace(",", "").removesuffix("%"))
