"""What is read like the table that it holds: by column, and by `.loc`."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from propensity.calls.keywords import answered_methods


class LikeItsTable:
    """A result with a `table`, whose columns and rows can be read without naming it."""

    if TYPE_CHECKING:  # a field of each result

        @property
        def table(self) -> pd.DataFrame:
            """The numbers."""

    def __getitem__(self, column: Any) -> Any:
        return self.table[column]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.table, dtype=dtype)

    def __len__(self) -> int:
        return len(self.table)

    def __bool__(self) -> bool:
        return True

    @property
    def loc(self) -> Any:
        """Rows of the table by label."""
        return self.table.loc

    def xs(
        self, key: Hashable, axis: Literal[0, 1, "index", "columns"] = 0, level: Hashable = None
    ) -> pd.DataFrame | pd.Series[Any]:
        """Take a cross-section of the table, as pandas does.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> weights = ps.fit_weights(users, treatment=treatment, covariates=covariates)
        >>> table = ps.balance(users, treatment=treatment, covariates=covariates, weights={"EB": weights})
        >>> table.xs("smd", axis=1, level="measure").shape
        (4, 2)
        """
        found: pd.DataFrame | pd.Series[Any] = self.table.xs(key, axis=axis, level=level)
        return found

    @property
    def index(self) -> pd.Index[Any]:
        """What the rows of the table are called."""
        return self.table.index

    @property
    def columns(self) -> pd.Index[Any]:
        """What the columns of the table are called."""
        return self.table.columns

    @property
    def attrs(self) -> dict[Hashable, Any]:
        """What the table knows beside its numbers."""
        return dict(self.table.attrs)


answered_methods(LikeItsTable)
