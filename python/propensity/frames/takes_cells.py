"""Which functions take cells where they take a frame; all others refuse them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from propensity.errors import InvalidInputError
from propensity.frames.counted_rows import CountedRows, CountedTable, refusal

_F = TypeVar("_F", bound=Callable[..., Any])

_MARK = "_takes_cells"


def takes_cells(
    *,
    without: tuple[str, ...] = (),
    values: tuple[str, ...] = (),
    several: Callable[[Mapping[str, Any]], Any] | None = None,
) -> Callable[[_F], _F]:
    """Let a function take cells.

    Parameters
    ----------
    without : tuple of str
        Arguments that need users one by one, and are refused with cells.
    values : tuple of str
        Arguments that need every value of the outcome, and are refused where cells sum it up.
    several : callable, optional
        What puts the results for several outcomes together, by name; cells sum up each by itself.
    """

    def mark(function: _F) -> _F:
        setattr(function, _MARK, (without, values, several))
        return function

    return mark


def called_with_cells(
    function: Callable[..., Any], call: Callable[..., Any], table: CountedTable, options: dict[str, Any]
) -> Any:
    """Call a function that takes cells with rows that know how many users they stand for.

    Raises
    ------
    InvalidInputError
        The function takes no cells, or an argument does not go with them.
    """
    name = getattr(function, "__name__", "this")
    marked = getattr(function, _MARK, None)
    if marked is None:
        raise InvalidInputError(refusal(name, table))
    without, values, several = marked
    for role in without:
        if _is_asked(options, role):
            raise InvalidInputError(f"{role}: {refusal(f'{name} with {role}=', table)}")
    _require_keys(table, options)
    outcome = options.get("outcome")
    names = list(outcome) if isinstance(outcome, list | tuple) else [outcome]
    beside = [options["per"]] if isinstance(options.get("per"), str) else []
    read = [one for one in (*names, *beside) if isinstance(one, str)]
    _require_values(table, read, [role for role in values if _is_asked(options, role)])
    if len(names) > 1 and several is not None and any(one in table.outcomes for one in read):
        each = {one: {**options, "outcome": one} for one in names}
        return several({one: called_with_cells(function, call, table, own) for one, own in each.items()})
    return call(CountedRows.of(table, read), **options)


def _is_asked(options: Mapping[str, Any], role: str) -> bool:
    return options.get(role) is not None and options[role] is not False


def _require_values(table: CountedTable, names: Sequence[str], roles: Sequence[str]) -> None:
    for name in names if roles else ():
        if name in table.outcomes:
            raise InvalidInputError(
                f"{roles[0]}: it looks at every value of column '{name}', and these cells have its mean and "
                f"variance alone; keep the values when users are counted, ps.collapse(..., also=[{name!r}]), "
                "or bound them in the query"
            )


_KEYS = ("cluster", "strata", "by", "exact", "sample_weight")
"""Arguments that name columns in which the users of a cell have to be alike."""


def _require_keys(table: CountedTable, options: Mapping[str, Any]) -> None:
    for role in _KEYS:
        given = options.get(role)
        names = [given] if isinstance(given, str) else given if isinstance(given, list | tuple) else []
        for name in names:
            if isinstance(name, str) and name not in (*table.keys, *table.outcomes):
                raise InvalidInputError(
                    f"{role}: column '{name}' is no key of these cells, whose users may differ in it; keep "
                    f"it when they are counted: ps.collapse(..., also=[{name!r}])"
                )
