"""Balance by group: a table of each group, below one another, and one of them taken out again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from propensity.frames.grouping import Grouping

if TYPE_CHECKING:
    from propensity.balance.compared import BalanceRows

# What the tables of single samples know beside their numbers, and what a group without an arm has of it.
_FACTS: dict[str, Any] = {"ess_treated": 0.0, "ess_control": 0.0, "products": {}}
_FEWEST_ROWS = 2  # of an arm, for it to vary


def tables_of_groups(
    rows: BalanceRows, groups: Grouping, tabulated: Callable[[BalanceRows], pd.DataFrame]
) -> pd.DataFrame:
    """Tabulate each group; one that lacks an arm, or all of its weight, has no numbers."""
    tables: list[pd.DataFrame | None] = []
    for place in range(groups.n_groups):
        part = rows.taken(groups.rows(place))
        tables.append(tabulated(part) if _can_be_compared(part) else None)
    like = next((table for table in tables if table is not None), None)
    if like is None:
        like = tabulated(rows)
    empty = pd.DataFrame(np.nan, index=like.index, columns=like.columns)
    filled = [empty if table is None else table for table in tables]
    joined: pd.DataFrame = pd.concat(filled, keys=list(groups.index), names=list(groups.by))
    joined.attrs = {key: value for key, value in like.attrs.items() if key not in _FACTS}
    joined.attrs["by"] = groups.by
    for fact, nothing in _FACTS.items():
        joined.attrs[fact] = {
            sample: {
                group: nothing if table is None else table.attrs[fact][sample]
                for group, table in zip(groups.index, tables, strict=True)
            }
            for sample in like.attrs[fact]
        }
    return joined


def groups_of_table(table: pd.DataFrame) -> list[Any]:
    """Give what the groups of a table are called, in its order."""
    index = cast("pd.MultiIndex", table.index)
    return list(index.droplevel(len(table.attrs["by"])).unique())  # below the groups are the terms


def table_of_group(table: pd.DataFrame, group: Any) -> pd.DataFrame:
    """Take the table of one group out of that of all."""
    by = list(table.attrs["by"])
    found = pd.DataFrame(table.xs(group, level=by if len(by) > 1 else by[0]))
    found.attrs = {**table.attrs, "by": ()}
    for fact in _FACTS.keys() & table.attrs.keys():
        found.attrs[fact] = {sample: of_groups[group] for sample, of_groups in table.attrs[fact].items()}
    return found


def _can_be_compared(rows: BalanceRows) -> bool:
    """Whether both arms have rows that weigh something in every sample."""
    s = np.ones(len(rows.treated)) if rows.sample_weight is None else rows.sample_weight
    return (
        all(
            bool(((weights * s)[arm] > 0).any())
            for weights in (s, *rows.weightings.values())
            for arm in (rows.treated, ~rows.treated)
        )
        and min(rows.treated.sum(), (~rows.treated).sum()) >= _FEWEST_ROWS
    )
