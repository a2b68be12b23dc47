"""What there is to say of single groups, summed up: once for each kind, with each group's own numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from propensity.frames.grouping import Grouping

# A number that stands by itself: the 1 of x1 is a part of a name, and the comma after 5 ends a clause.
_NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?%?(?![\w])")

_NAMED = 3  # groups in a message: the table has the note of each

# Before what is a group's own: a number, a name, a list. Words that begin alike and go on in more ways than
# there are arms, as the terms that still differ, are one kind, told once.
_OWN = re.compile(r"[#:'(]")
_WAYS = 2


def told_of_groups(cautions: Sequence[Sequence[Warning]], groups: Grouping) -> tuple[Warning, ...]:
    """Sum up cautions of groups that differ by their numbers alone, or begin alike and are many.

    Parameters
    ----------
    cautions : sequence (G,) of sequence of Warning
        Of each group.
    groups : Grouping

    Returns
    -------
    tuple of Warning
        Each names the first groups, every one with its own numbers where these differ, and has in its words
        from which to which they go; of such as begin alike it has those of one group.
    """
    by_kind: dict[tuple[type[Warning], str], dict[int, str]] = {}
    for place, own in enumerate(cautions):
        for caution in own:
            kind = type(caution), _NUMBER.sub("#", str(caution))
            by_kind.setdefault(kind, {}).setdefault(place, str(caution))
    alike: dict[tuple[type[Warning], str], list[dict[int, str]]] = {}
    for (category, words), told in by_kind.items():
        alike.setdefault((category, _OWN.split(words)[0]), []).append(told)
    return tuple(category(words) for (category, _), ways in alike.items() for words in _of_ways(ways, groups))


def _of_ways(ways: Sequence[dict[int, str]], groups: Grouping) -> list[str]:
    """Write cautions that begin alike: one of each way of going on, or of many ways one."""
    if len(ways) <= _WAYS or len({place for told in ways for place in told}) <= _NAMED:
        return [_summed_up(told, groups) for told in ways]
    places = sorted({place for told in ways for place in told})
    usual = max(ways, key=len)
    place = next(iter(usual))
    words = f"{groups.name(place)}, {usual[place]}; the table has the note of each group"
    return [f"{_named([groups.name(one) for one in places])}: as of {words}"]


def _named(names: Sequence[str]) -> str:
    """Name the first groups, and say how many there are in all."""
    n_others = len(names) - _NAMED
    others = f" and {n_others:,} other{'s' if n_others > 1 else ''}" if n_others > 0 else ""
    return "; ".join(names[:_NAMED]) + others


def _summed_up(told: dict[int, str], groups: Grouping) -> str:
    """Write one caution of several groups, by the places of these."""
    numbers = [_NUMBER.findall(words) for words in told.values()]
    varying = [slot for slot in range(len(numbers[0])) if len({own[slot] for own in numbers}) > 1]

    def own_numbers(own: list[str]) -> str:
        return f" ({', '.join(own[slot] for slot in varying)})" if varying else ""

    named = _named([groups.name(place) + own_numbers(own) for place, own in zip(told, numbers, strict=True)])
    slots = iter(range(len(numbers[0])))

    def from_to(found: re.Match[str]) -> str:
        slot = next(slots)
        if slot not in varying:
            return found.group()
        ordered = sorted((own[slot] for own in numbers), key=_value)
        return f"{ordered[0]} to {ordered[-1]}"

    return f"{named}: {_NUMBER.sub(from_to, next(iter(told.values())))}"


def _value(number: str) -> float:
    return float(number.replace(",", "").removesuffix("%"))
