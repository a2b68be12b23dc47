"""What is done to a world, and how each kind of number has to move with it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from invariance_worlds import WORLDS, World

ROWWISE = ("weight", "score", "keep", "part")
DRAWN = ("draws", "drawn error", "drawn ends")
IN_UNITS_OF_THE_OUTCOME = ("estimate", "error", "ends", "mean", "spread", *DRAWN)
IN_UNITS_OF_COLUMNS = ("coefficient", "coefficient_error", "column")
# What a count of rows goes into: a row twice is more evidence, and moves the divisor n - 1.
OF_THE_NUMBER_OF_ROWS = (
    "error",
    "ends",
    *DRAWN,
    "test",
    "smd",
    "variance_ratio",
    "coefficient_error",
    "coefficient_test",
)
SPREAD = 2.0  # of the outcome, about


@dataclass(frozen=True, eq=False)
class Transformation:
    """Two worlds made of one, and how each kind of number has to move from the first to the second.

    Attributes
    ----------
    pair : function
        Gives the world before and after.
    moves : mapping of str to function
        By kind; kinds that are not in it do not move.
    skips : collection of str
        Kinds that rightly move as nothing here says.
    names : function
        What a number is called after, by what it was called before; None for one that has no counterpart.
    tolerance : float
        Relative to the number, or to the spread of the outcome where that is larger.
    unit : float
        What the outcome is multiplied by.
    worlds : tuple of str
    """

    pair: Callable[[World], tuple[World, World]]
    moves: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    skips: tuple[str, ...] = ()
    names: Callable[[str], str | None] = str
    tolerance: float = 1e-9
    unit: float = 1.0
    worlds: tuple[str, ...] = tuple(WORLDS)

    @functools.cache  # noqa: B019 - a world and its answers are made once
    def worlds_of(self, name: str) -> tuple[World, World]:
        """Give the world of this name, before and after."""
        return self.pair(WORLDS[name])


def after(change: Callable[[World], World]) -> Callable[[World], tuple[World, World]]:
    return lambda world: (world, change(world))


def times(factor: float) -> Callable[[Any], Any]:
    return lambda value: (
        np.sort(factor * value) if np.ndim(value) == 1 and len(value) == 2 else factor * value
    )


def share_of_all(values: pd.Series[float]) -> pd.Series[float]:
    return values / values.sum()


# Changes of a world


def shuffled(world: World) -> World:
    return world.of(world.frame.sample(frac=1, random_state=3))


def relabelled(world: World) -> World:
    return world.of(shuffled(world).frame.reset_index(drop=True))


def twice(world: World) -> tuple[World, World]:
    """Write rows down as often as their weight says; the further copies are other users."""
    counts = world.frame["w"].astype(int).to_numpy()
    copies = world.frame.iloc[np.repeat(np.arange(len(counts)), counts)]
    number = copies.groupby("id").cumcount().to_numpy()
    written = copies.assign(id=copies["id"] + 10_000 * number).reset_index(drop=True)
    return world, replace(world, frame=written, sample_weight=None)


def emptied(world: World) -> tuple[World, World]:
    """Drop every fifth row; or leave it there, with a weight of 0 and like no other."""
    gone = world.frame["id"] % 5 == 0
    wild = {"x": 1e9, "z": 9, "y": -4096.0, "e": 1.0, "yes": 7, "plan": "pro"}
    zero = {name: world.frame[name].mask(gone, value) for name, value in wild.items()}
    return world.of(world.frame[~gone]), world.but(**zero, w=world.frame["w"].mask(gone, 0.0))


def weighed_alike(world: World) -> World:
    return replace(world.but(w=7.0), sample_weight="w")


def rescaled(world: World) -> World:
    return world.but(x=1000 * world.frame["x"] + 1e6, z=1024 * world.frame["z"] + 2**20)


def redundant(world: World) -> World:
    """Add a column that is a dummy of the plan, or of the visits, once more."""
    level = world.frame["plan"] == "pro" if "plan" in world.covariates else world.frame["z"] * 2 + 1
    return replace(world.but(again=level.astype(int)), covariates=(*world.covariates, "again"))


def swapped(world: World) -> World:
    return world.but(t=1 - world.frame["t"], e=1 - world.frame["e"])


def renamed(world: World) -> World:
    return world.but(plan=world.frame["plan"].map({"basic": "zero", "pro": "medium", "team": "all-in"}))


def besieged(world: World) -> World:
    """Turn the columns around, and add some that nobody asked for, incomplete ones among them."""
    more = world.frame.assign(note=None, later=np.nan, when=pd.Timestamp("2026-11-30"))
    return world.of(more[more.columns[::-1]])


def typed(**types: Any) -> Callable[[World], World]:
    return lambda world: world.of(world.frame.astype(types))


def with_unused_level(world: World) -> World:
    levels = ["nobody", "basic", "pro", "team", "none"]
    return world.but(plan=pd.Categorical(world.frame["plan"], categories=levels))


def in_polars_types(frame: pd.DataFrame) -> pl.DataFrame:
    return pl.from_pandas(frame).with_columns(
        pl.col("t").cast(pl.Boolean),
        pl.col("z").cast(pl.UInt8),
        pl.col("plan").cast(pl.Enum(["basic", "nobody", "pro", "team"])),
        pl.col("team").cast(pl.Decimal(38, 0)),
        pl.col("id").cast(pl.UInt64),
    )


# Names of numbers


def arms_swapped(name: str) -> str | None:
    if "propensity" in name:  # the row of the scores, which are turned around themselves
        return None
    other = {"treated": "control", "control": "treated", "ATT": "ATC", "ATC": "ATT"}
    return " ".join(other.get(word, word) for word in name.split(" "))


def without_levels(name: str) -> str | None:
    return None if "plan[" in name else name


SOME = ("continuous", "whole weights and ties")
WEIGHTED = tuple(name for name, world in WORLDS.items() if world.sample_weight)
UNWEIGHTED = tuple(name for name in WORLDS if name not in WEIGHTED)
LABELLED = tuple(name for name, world in WORLDS.items() if not isinstance(world.frame.index, pd.RangeIndex))

TRANSFORMATIONS = {
    "outcome + 1e9": Transformation(
        after(lambda world: world.but(y=world.frame["y"] + 1e9)), {"mean": lambda mean: mean + 1e9}
    ),
    **{
        f"outcome x {factor:g}": Transformation(
            after(lambda world, factor=factor: world.but(y=factor * world.frame["y"])),
            dict.fromkeys(("estimate", "ends", "draws", "drawn ends", "mean"), times(factor))
            | dict.fromkeys(("error", "spread", "drawn error"), times(abs(factor))),
            unit=abs(factor),
        )
        for factor in (1e15, 1e-15, -1.0)
    },
    **{
        f"weights x {factor:g}": Transformation(
            lambda world, factor=factor: (world, world.but(w=factor * world.frame["w"])),
            {"weight": share_of_all},
            worlds=WEIGHTED,
        )
        for factor in (1e6, 1e-6)
    },
    "weights alike": Transformation(
        after(weighed_alike),
        {"weight": share_of_all},
        # The model's errors are of the sandwich where there are weights, of the information where not.
        skips=("coefficient_error", "coefficient_test"),
        worlds=UNWEIGHTED,
    ),
    "weight 2 = row twice": Transformation(
        twice, skips=(*OF_THE_NUMBER_OF_ROWS, "weight", "part"), worlds=("whole weights and ties",)
    ),
    "weight 0 = row dropped": Transformation(emptied, worlds=WEIGHTED),
    "rows shuffled": Transformation(after(shuffled)),
    "rows shuffled and relabelled": Transformation(after(relabelled)),
    "rows shuffled, drawn by label": Transformation(
        lambda world: (replace(world, ids=None), replace(shuffled(world), ids=None)), worlds=LABELLED
    ),
    "polars": Transformation(after(lambda world: replace(world, native=pl.from_pandas))),
    "polars, shuffled": Transformation(
        after(lambda world: replace(shuffled(world), native=pl.from_pandas)), worlds=SOME
    ),
    "pyarrow": Transformation(after(lambda world: replace(world, native=pa.Table.from_pandas)), worlds=SOME),
    "columns rescaled": Transformation(after(rescaled), skips=IN_UNITS_OF_COLUMNS, tolerance=1e-7),
    "redundant column": Transformation(after(redundant), tolerance=1e-8),
    "arms swapped": Transformation(
        after(swapped),
        dict.fromkeys(("estimate", "ends", "draws", "drawn ends", "smd", "coefficient"), times(-1.0))
        | {"score": lambda score: 1 - score, "variance_ratio": lambda ratio: 1 / ratio},
        names=arms_swapped,
    ),
    "levels renamed": Transformation(
        after(renamed),
        names=without_levels,
        worlds=("continuous", "ties", "weights", "whole weights and ties"),
    ),
    "unused columns": Transformation(after(besieged), worlds=SOME),
    "unused levels": Transformation(after(with_unused_level), worlds=SOME),
    "bool and categorical": Transformation(
        after(typed(t=bool, yes=bool, z="int8", plan="category", team="category", w="float32", id="uint64")),
        worlds=("continuous", "clusters"),
    ),
    "float and object": Transformation(
        after(typed(t=float, yes=float, z=float, plan=object, team=float)),
        worlds=("whole weights and ties", "clusters"),
    ),
    "nullable": Transformation(
        after(
            typed(
                t="Int64",
                yes="boolean",
                z="Int16",
                y="Float64",
                x="Float64",
                w="Float64",
                team="Int64",
                id="Int64",
            )
        ),
        worlds=("continuous", "weights", "clusters"),
    ),
    "categorical treatment": Transformation(after(typed(t="category")), worlds=("ties",)),
    "arrow in pandas": Transformation(
        after(
            typed(
                t="bool[pyarrow]",
                y="double[pyarrow]",
                z="int32[pyarrow]",
                plan="string[pyarrow]",
                team="int64[pyarrow]",
            )
        ),
        worlds=("continuous", "clusters"),
    ),
    "polars types": Transformation(
        after(lambda world: replace(world, native=in_polars_types)), worlds=("continuous", "clusters")
    ),
}
