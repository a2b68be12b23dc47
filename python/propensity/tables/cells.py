"""Cells: a table in which users alike are one row, with how many they are and what their outcomes were.

A cell holds the users of one arm who have the same covariates. How many there are, the mean of an outcome and
its variance are all that estimates and standard errors ask of them: every influence is linear in a user's
outcome, given the fits, and the fits ask for sums alone (Wong, Forsell, Lewis, Mao and Wardrop 2021, "You
Only Compress Once", arXiv 2102.11297, of linear models).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from propensity.calls.keywords import answered_methods
from propensity.errors import InvalidInputError
from propensity.frames import checks, rowwise_checks
from propensity.frames.checks import Bools
from propensity.frames.counted_rows import CountedOutcome, CountedTable
from propensity.results.numbers import for_the_eye
from propensity.results.show import Shown
from propensity.tables import counted, points
from propensity.tables.counted import FREQUENCY

_SHOWN = 10  # cells in a notebook: enough to see what they are

_MOST_EXPANDED = 500_000_000
"""Users that are spelled out: ten columns of more are 40 GB, and what needs them one by one takes days."""


@dataclass(frozen=True, eq=False, repr=False)
class Cells(CountedTable, Shown):
    """Users counted: a row for all who have the same covariates and are in the same arm.

    A table like any other, which functions take where they take a frame, and of which they tell what the
    users themselves would (what looks at single users refuses it, and says so): how many users a row stands
    for is a fact of the table, and no sample weight. Weights, scores and influence are of one user of the
    row, and `n` counts users. `ps.collapse` makes it where a table lies, `Cells.from_counts` from a table
    that is counted already.

    Attributes
    ----------
    frame : DataFrame
        (n_cells,) rows, sorted by the keys: the keys; `frequency`, how many users; and of each outcome `y`
        its `y_mean`, `y_variance` (divided by the count, not by one less), `y_low` and `y_high`, the least
        and the greatest.
    keys : tuple of str
        What users of a cell have in common: covariates, further columns, and the treatment last.
    outcomes : tuple of str
        The columns that are summed up.
    treatment : str
        The key that says who was treated.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    >>> cells = ps.collapse(users, **roles, covariates=["engagement_tier"])
    >>> cells.n_users, cells.n_cells
    (2000, 6)
    >>> cells.frame[["engagement_tier", "opt_in_agent_mode", "frequency"]].head(2)
      engagement_tier  opt_in_agent_mode  frequency
    0           heavy                  0        110
    1           heavy                  1        203
    """

    frame: pd.DataFrame
    keys: tuple[str, ...]
    outcomes: tuple[str, ...]
    treatment: str

    @classmethod
    def from_counts(
        cls,
        table: Any,
        *,
        treatment: str,
        covariates: Iterable[str],
        outcome: str | Iterable[str] = (),
        also: Iterable[str] = (),
        frequency: str = FREQUENCY,
    ) -> Cells:
        """Take a table that is counted already, as a query of one's own gives it.

        Parameters
        ----------
        table : DataFrame
            A row a cell, pandas or what becomes it by `to_pandas`: the keys, how many users, and of each
            outcome `y` the columns `y_mean`, `y_variance`, `y_low` and `y_high`; in SQL `AVG(y)`,
            `VAR_POP(y)`, `MIN(y)` and `MAX(y)`. A table of values and their counts goes to
            `ps.collapse(frequency=)`.
        treatment : str
            The column that says who was treated.
        covariates : list of str
            Columns that users of a cell have in common.
        outcome : str or list of str, optional
            The outcomes.
        also : list of str, optional
            Further columns that users of a cell have in common: clusters, strata, groups, sample weights.
        frequency : str, default "frequency"
            The column of whole numbers that says how many users a row stands for.

        Returns
        -------
        Cells

        Raises
        ------
        InvalidInputError
            Two rows have the same keys, a count is no whole number above 0, a variance is negative, or a mean
            lies outside of what was observed.

        Examples
        --------
        >>> import pandas as pd
        >>> import propensity as ps
        >>> counts = pd.DataFrame({"tier": ["a", "a", "b", "b"], "opted_in": [0, 1, 0, 1]})
        >>> counts = counts.assign(n=[50, 20, 30, 60], y_mean=[0.5, 0.75, 0.2, 0.4], y_low=0, y_high=1)
        >>> summed = counts.assign(y_variance=[0.25, 0.1875, 0.16, 0.24])
        >>> roles = {"outcome": "y", "treatment": "opted_in", "covariates": ["tier"]}
        >>> ps.Cells.from_counts(summed, **roles, frequency="n").n_users
        160
        """
        outcomes = counted.named("outcome", outcome)
        keys = counted.keys_of(covariates, also, treatment)
        frame = counted.read(table, keys, outcomes, frequency)
        return cls(frame=frame, keys=keys, outcomes=outcomes, treatment=treatment)

    @property
    def n_users(self) -> int:
        """How many users all the cells stand for."""
        return int(self._held[FREQUENCY].sum())

    @property
    def n_cells(self) -> int:
        """How many cells there are."""
        return len(self._held)

    def __len__(self) -> int:
        return self.n_cells

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, name: Any) -> Any:
        """Give a key or the counts by name, an outcome as it is summed up, or some of the cells.

        `cells[trimmed.keep]` and `cells[trimmed]` are the cells to go on with.
        """
        chosen = name(self) if callable(name) else name
        if isinstance(chosen, pd.Series | np.ndarray) and chosen.dtype == bool:
            return self._some(chosen)
        if name in self.outcomes:
            return CountedOutcome(name, self.rows(name), self)
        column: pd.Series[Any] = self._held[self._known(name, (*self.keys, FREQUENCY))].copy()
        return column

    def _some(self, keep: pd.Series[bool] | Bools) -> Cells:
        rowwise_checks.same_length("cells", len(keep), self.n_cells)
        held = self._held[np.asarray(keep)].reset_index(drop=True)
        return replace(self, frame=held)

    def to_frame(self) -> pd.DataFrame:
        """Give the table of cells, as `frame` does.

        Returns
        -------
        DataFrame

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
        >>> ps.collapse(users, **roles, covariates=["engagement_tier"]).to_frame().shape
        (6, 7)
        """
        return self.frame

    def rows(self, outcome: str | None = None) -> pd.DataFrame:
        """Give rows of one value each with their counts, which together say what the users say.

        Parameters
        ----------
        outcome : str, optional
            Which outcome; with none a row a cell, without outcomes.

        Returns
        -------
        DataFrame
            The keys, the outcome and `frequency` (int64), under the labels of the cells. Of an outcome of
            zeros and ones each cell is its ones and its zeros. Of another it is two rows, of half its users
            each, which have its count, its mean and its variance; that is all that estimates and errors ask,
            and higher moments are lost.

        Raises
        ------
        InvalidInputError
            It is no outcome of these cells.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
        >>> rows = ps.collapse(users, **roles, covariates=["engagement_tier"]).rows("task_completed")
        >>> len(rows), int(rows["frequency"].sum())
        (12, 2000)
        """
        held = self._held
        if outcome is None:
            return held[[*self.keys, FREQUENCY]].copy()
        self._known(outcome, self.outcomes)
        count = held[FREQUENCY].to_numpy()
        summed = counted.summed_of(held, outcome)
        which, values, frequency = points.spread(count, summed)
        rows = held[[*self.keys]].iloc[which].copy()
        rows[outcome] = values
        rows[FREQUENCY] = frequency
        return rows

    def expand(self, outcome: str | None = None) -> pd.DataFrame:
        """Give a row for each user, for what needs users one by one.

        Parameters
        ----------
        outcome : str, optional
            Which outcome; with none the one that there is. Of several it is not known which values belong to
            one user, so that one has to be named.

        Returns
        -------
        DataFrame
            (n_users,) rows of the keys and the outcome, as `rows` has them.

        Raises
        ------
        InvalidInputError
            There are several outcomes and none is named, or more than 500,000,000 users.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
        >>> ps.collapse(users, **roles, covariates=["engagement_tier"]).expand().shape
        (2000, 3)
        """
        if outcome is None and len(self.outcomes) > 1:
            raise InvalidInputError(
                f"outcome: these cells sum up {checks.listed(self.outcomes)}, each by itself, and do not say "
                f"which values belong to one user; name one, cells.expand({self.outcomes[0]!r})"
            )
        if self.n_users > _MOST_EXPANDED:
            raise InvalidInputError(
                f"a row for each of {self.n_users:,} users does not fit; at most {_MOST_EXPANDED:,} are "
                "spelled out: draw a sample of users where the table lies"
            )
        rows = self.rows(outcome or next(iter(self.outcomes), None))
        which = np.repeat(np.arange(len(rows)), rows[FREQUENCY].to_numpy())
        return rows.drop(columns=FREQUENCY).iloc[which].reset_index(drop=True)

    @property
    def _held(self) -> pd.DataFrame:
        """The frame itself, which nobody may change; `frame` is a copy for each reader."""
        held: pd.DataFrame = vars(self)["frame"]
        return held

    def _known(self, name: object, among: tuple[str, ...]) -> str:
        checks.column_name("column", name)
        if name in among:
            return str(name)
        have = f"they have {checks.listed(among)}" if among else "they have none"
        what = "an outcome" if among == self.outcomes else "a column"
        raise InvalidInputError(f"column '{name}' is not {what} of these cells; {have}")

    def _headline(self) -> str:
        named = f", with {checks.listed(self.outcomes)} summed up" if self.outcomes else ""
        return f"Cells: {self.n_users:,} users in {self.n_cells:,} cells by {checks.listed(self.keys)}{named}"

    def _table(self) -> pd.DataFrame:
        return self._held.head(_SHOWN)

    def _written(self) -> tuple[pd.DataFrame, list[str]]:
        more = self.n_cells - _SHOWN
        notes = [f"{more:,} more cells are in `frame`"] if more > 0 else []
        return for_the_eye(self._table()), notes


answered_methods(Cells)
