"""What a forest plot is drawn from: a table with a row for each estimate, whatever the estimates are in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from propensity.effects.effect import Effect
from propensity.effects.grouped import GroupedEffects
from propensity.effects.several import Effects
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.resampling.result import BootstrapResult
from propensity.study.estimates import Estimates, EstimatesByOutcome

COLUMNS = ["estimate", "conf_low", "conf_high"]
NOTE = "note"


def effects_table(effects: Any, level: float) -> pd.DataFrame:
    """Put an effect, several effects, or a bootstrap into a table; a table stays as it is.

    Raises
    ------
    InvalidInputError
        A column is missing, there is nothing to draw, or differences and ratios are to share an axis.
    TypeError
        There are no effects in what is given.
    """
    if isinstance(effects, Estimates | EstimatesByOutcome):
        table = _one(effects, level)
    elif isinstance(effects, pd.DataFrame):
        table = effects
    elif isinstance(effects, Effect | Effects | GroupedEffects | BootstrapResult):
        table = _one(effects, level)
    elif isinstance(effects, Mapping):
        table = _together({str(name): _one(effect, level) for name, effect in effects.items()})
    elif isinstance(effects, Iterable) and not isinstance(effects, str | pd.Series):
        table = _together(_numbered([_one(effect, level) for effect in effects]))
    else:
        raise _not_effects(effects)
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        raise InvalidInputError(
            f"table: no column {checks.listed(missing)}; a table of ps.estimate has, or effect.to_frame()"
        )
    if table.empty:
        raise InvalidInputError("table: nothing to draw: the table is empty")
    return table


def _one(effect: object, level: float) -> pd.DataFrame:
    """Tabulate one result; a table of its own is taken too."""
    if isinstance(effect, pd.DataFrame):
        return effect
    if isinstance(effect, Estimates | EstimatesByOutcome):
        return _named_by_group(effect.table)
    if isinstance(effect, BootstrapResult):
        return effect.summary(level)
    if isinstance(effect, Effects):
        effects = dict(effect.by_outcome)
        rows = [effect.to_frame(level).assign(note=_cautions(effect)) for effect in effects.values()]
        return _with_facts(pd.concat(rows).set_axis(pd.Index(effects, name="outcome")), rows[0])
    if isinstance(effect, GroupedEffects):
        return _named_by_group(effect.to_frame(level))
    if isinstance(effect, Effect):
        return effect.to_frame(level).assign(note=_cautions(effect))
    raise _not_effects(effect)


def _named_by_group(table: pd.DataFrame) -> pd.DataFrame:
    """Call each row by its group: by the values of several columns where there are several."""
    if not isinstance(table.index, pd.MultiIndex):
        return table
    return _with_facts(table.set_axis([", ".join(map(str, group)) for group in table.index]), table)


def _cautions(effect: Effect) -> str:
    return "; ".join(map(str, effect.cautions))


def _together(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Put tables under each other: a row alone by the name of its table, others by both names."""
    if not tables:
        raise InvalidInputError("effects: nothing to draw: there are none")
    kinds = {_kind(table) for table in tables.values()}
    if len(kinds) > 1:
        raise InvalidInputError(
            f"effects: {' and '.join(sorted(kinds))} have no axis in common; make them alike with "
            "effect.contrast_as, or draw each kind by itself"
        )
    named = [
        table.set_axis([name] if len(table) == 1 else [f"{name}: {row}" for row in table.index])
        for name, table in tables.items()
    ]
    levels = {table.attrs.get("level") for table in tables.values()}
    joined = pd.concat(named)
    joined.attrs = {**named[0].attrs, "level": levels.pop() if len(levels) == 1 else None}
    return joined


def _numbered(tables: list[pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Name tables after their only row, with their place in the list where that does not tell them apart."""
    names = [str(table.index[0]) if len(table) == 1 else "" for table in tables]
    unlike = len(set(names)) == len(names) and "" not in names
    return {
        name if unlike else f"{place}. {name}".strip(): table
        for place, (name, table) in enumerate(zip(names, tables, strict=True), start=1)
    }


def _kind(table: pd.DataFrame) -> str:
    contrast = table.attrs.get("contrast") or ("ratio" if "log_std_error" in table.columns else "difference")
    return {
        "difference": "differences",
        "ratio": "ratios",
        "percent": "changes in percent",
        "odds_ratio": "odds ratios",
    }.get(contrast, str(contrast))


def _with_facts(table: pd.DataFrame, like: pd.DataFrame) -> pd.DataFrame:
    table.attrs = dict(like.attrs)
    return table


def _not_effects(given: object) -> TypeError:
    return TypeError(
        "table: a data frame as ps.estimate gives it is needed, an effect, or several in a list or by name, "
        f"not {type(given).__name__}"
    )
