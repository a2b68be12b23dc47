"""What a design says: the smallest effect by estimand, its power, and the users it takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from propensity.effects.student import student_quantile, upper
from propensity.results.read_only import ReadOnly
from propensity.results.show import Shown

# A number of users that no product has: where weights rest on a handful of rows.
_MOST_USERS = 1e15
_ROUNDS = 100


@dataclass(frozen=True)
class Precision(ReadOnly):
    """How precisely an effect is known with some users.

    Attributes
    ----------
    n_users : int
    ess_treated, ess_control : float
        What the arms are worth once weighted (Kish).
    std_error, df : float
        As of an `Effect`.
    """

    n_users: int
    ess_treated: float
    ess_control: float
    std_error: float
    df: float

    def with_users(self, n_users: float) -> Precision:
        """Give that of more, or fewer, users like these."""
        times = n_users / self.n_users
        return Precision(
            round(n_users),
            self.ess_treated * times,
            self.ess_control * times,
            self.std_error / math.sqrt(times),
            self.df * times,
        )

    def smallest_effect(self, power: float, level: float) -> float:
        """Give the effect that is found with this chance."""
        return self.std_error * (student_quantile(level, self.df) + student_quantile(2 * power - 1, self.df))

    def power(self, effect: float, level: float) -> float:
        """Give the chance that the interval leaves out 0, on the side of the effect."""
        if self.std_error == 0:
            return 1.0
        return upper(student_quantile(level, self.df) - abs(effect) / self.std_error, self.df)

    def users_for(self, effect: float, power: float, level: float) -> float:
        """Give how many users like these find an effect with this chance; infinity where none do."""
        low, high = 2.0, float(self.n_users)
        while self.with_users(high).smallest_effect(power, level) > abs(effect):
            low, high = high, 2 * high
            if high > _MOST_USERS:
                return math.inf
        for _ in range(_ROUNDS):
            middle = (low + high) / 2
            enough = self.with_users(middle).smallest_effect(power, level) <= abs(effect)
            low, high = (low, middle) if enough else (middle, high)
            if high - low < 1e-6:
                break
        return float(math.ceil(high - 1e-6))


@dataclass(frozen=True, eq=False, repr=False)
class Design(Shown):
    """How small an effect can be found, by estimand; made by `design`.

    Attributes
    ----------
    table : DataFrame
        By estimand: `n_users`, what the arms are worth once weighted (`ess_treated`, `ess_control`), the
        `std_error` to expect and its `df`, the `smallest_effect` that is found with the power asked for. With
        an effect also its `power` among these users, how many it takes (`users_needed`), and how many more
        these are (`more_users`).
    effect : float or None
    power, level : float
    """

    table: pd.DataFrame
    effect: float | None
    power: float
    level: float

    @classmethod
    def of(
        cls, found: Mapping[str, Precision], *, effect: float | None, power: float, level: float
    ) -> Design:
        """Tabulate what is known of each estimand."""
        lines = {}
        for estimand, own in found.items():
            line = {
                "n_users": own.n_users,
                "ess_treated": own.ess_treated,
                "ess_control": own.ess_control,
                "std_error": own.std_error,
                "df": own.df,
                "smallest_effect": own.smallest_effect(power, level),
            }
            if effect is not None:
                needed = own.users_for(effect, power, level)
                line |= {
                    "power": own.power(effect, level),
                    "users_needed": needed,
                    "more_users": max(needed - own.n_users, 0.0),
                }
            lines[estimand] = line
        table = pd.DataFrame.from_dict(lines, orient="index").rename_axis("estimand")
        return cls(table, effect, power, level)

    def __str__(self) -> str:
        return "\n".join(self._sentence(str(name), self.table.loc[name]) for name in self.table.index)

    def _sentence(self, estimand: str, line: pd.Series[float]) -> str:
        words = (
            f"{estimand}: {line['n_users']:,.0f} users are worth {line['ess_treated']:,.0f} treated and "
            f"{line['ess_control']:,.0f} controls, and find an effect of {line['smallest_effect']:.4g} with "
            f"{self.power:.0%} power"
        )
        if self.effect is None:
            return f"{words}."
        if math.isinf(line["users_needed"]):
            return f"{words}; one of {self.effect:g} no number of users like these finds."
        return (
            f"{words}; one of {self.effect:g} with {line['power']:.0%}, and with {self.power:.0%} among "
            f"{line['users_needed']:,.0f} users."
        )

    def _headline(self) -> str:
        return f"Design: effects found at {self.level:.0%} with {self.power:.0%} power\n{self}"

    def _table(self) -> pd.DataFrame:
        return self.table
