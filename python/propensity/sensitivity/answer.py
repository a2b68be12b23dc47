"""What all answers about hidden confounding are: a sentence, and a table behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from propensity.results.show import Shown


class Answer(Shown):
    """A result whose `str()` is a sentence for a report, with its numbers in `table`."""

    if TYPE_CHECKING:  # a field or a property of each result

        @property
        def table(self) -> pd.DataFrame:
            """The numbers."""

    def _sentence(self) -> str:
        raise NotImplementedError

    def __str__(self) -> str:
        return self._sentence()

    def _headline(self) -> str:
        return self._sentence()

    def _table(self) -> pd.DataFrame:
        return self.table
