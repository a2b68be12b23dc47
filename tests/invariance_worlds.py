"""Small worlds that every estimator is asked in, once as they are and once transformed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

Native = Callable[[pd.DataFrame], Any]


@dataclass(frozen=True, eq=False)
class World:
    """A table of users, and which of its columns play a role.

    `frame` has the columns t, y, yes (0/1), x (continuous), z (few whole numbers), plan (text), e (a known
    score), w (sample weights), team (clusters) and id. `native` makes of it what the functions are given.
    """

    name: str
    frame: pd.DataFrame
    covariates: tuple[str, ...]
    sample_weight: str | None = None
    cluster: str | None = None
    ids: str | None = "id"
    native: Native = pd.DataFrame.copy

    @cached_property
    def df(self) -> Any:
        """What the functions are given."""
        return self.native(self.frame)

    @property
    def id(self) -> np.ndarray:
        """Who the rows are, in their order."""
        return self.frame["id"].to_numpy()

    def columns(self, names: Sequence[str]) -> Any:
        """Give some columns of what the functions are given."""
        return self.df[list(names)] if isinstance(self.df, pd.DataFrame) else self.df.select(list(names))

    def roles(self, function: Callable[..., Any], *leave_out: str) -> dict[str, Any]:
        """Give the roles that a function knows as its arguments."""
        given = {
            "treatment": "t",
            "covariates": list(self.covariates),
            "sample_weight": self.sample_weight,
            "cluster": self.cluster,
            "ids": self.ids,
        }
        known = inspect.signature(function).parameters
        return {
            role: value
            for role, value in given.items()
            if role in known and value is not None and role not in leave_out
        }

    def but(self, **changes: Any) -> World:
        """Give a world that differs in some columns."""
        return replace(self, frame=self.frame.assign(**changes))

    def of(self, frame: pd.DataFrame) -> World:
        """Give a world of other rows."""
        return replace(self, frame=frame)


def _users(n: int, seed: int) -> pd.DataFrame:
    """Draw users, of whom those with more visits and a dearer plan opt in more often.

    Outcomes are multiples of 1/64, which keep every digit when 10^9 is added to them.
    """
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=n), rng.integers(0, 4, n)
    plan = rng.choice(["basic", "pro", "team"], n, p=[0.5, 0.3, 0.2])
    step = (plan == "pro") * 0.5 + (plan == "team") * 0.9
    opted = rng.random(n) < 1 / (1 + np.exp(1.3 - 0.5 * x - 0.3 * z - step))
    y = 1.5 * opted + x + 0.7 * z + step + rng.normal(size=n)
    yes = rng.random(n) < 1 / (1 + np.exp(0.8 - 0.5 * opted - 0.4 * x - 0.2 * z))
    return pd.DataFrame(
        {
            "t": opted.astype(int),
            "y": np.round(64 * y) / 64,
            "yes": yes.astype(int),
            "x": x,
            "z": z,
            "plan": plan,
            "e": np.round(20 / (1 + np.exp(1.0 - 0.5 * x - 0.3 * z))).clip(2, 18) / 20,
            "w": np.round(rng.lognormal(0.0, 0.5, n), 2) + 0.1,
            "team": rng.integers(0, n // 5, n),
            "id": 1000 + rng.permutation(n),
        }
    )


def _labelled(frame: pd.DataFrame, label: str) -> pd.DataFrame:
    """Give the rows labels that mean something and are in no order."""
    return frame.set_axis([f"{label}{row}" for row in frame["id"]], axis=0)


WORLDS = {
    world.name: world
    for world in (
        World("continuous", _labelled(_users(240, 1), "user "), ("x", "z", "plan")),
        World("ties", _users(220, 2).pipe(lambda f: f.set_axis(f["id"].to_numpy())), ("z", "plan")),
        World("weights", _labelled(_users(230, 3), "u"), ("x", "plan"), sample_weight="w"),
        World(
            "whole weights and ties",
            _users(210, 4).assign(w=lambda f: 1.0 + f["id"] % 3),
            ("z", "plan"),
            sample_weight="w",
        ),
        World("clusters", _users(250, 5), ("x", "z"), cluster="team"),
    )
}
