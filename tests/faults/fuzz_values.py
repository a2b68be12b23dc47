"""Values for junk calls: mostly what a function takes, often enough what it must refuse."""

from __future__ import annotations

import datetime
import decimal
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import polars as pl

import propensity as ps

T = TypeVar("T")

COLUMNS = ("t", "y", "a", "b", "c", "text", "e", "w", "g")
SIZES = (0, 1, 2, 3, 4, 5, 8, 13, 17, 33, 64, 65, 100, 130, 300)
DTYPES = ("float64",) * 12 + (
    *("float32", "float16", "int64", "int8", "uint8", "uint64", "bool", ">f8", ">i4", "<i2"),
    *("longdouble", "complex128", "object", "U3", "S2", "datetime64[s]", "timedelta64[s]"),
)
JUNK: Sequence[Callable[[], Any]] = (
    *(lambda v=v: v for v in (None, True, False, -1, 0, 1, 2, 3, 10**30, -(10**30), 2**63, 0.5, -0.5, 1e308)),
    *(lambda v=v: v for v in (math.nan, math.inf, "", "ATE", "junk", "a", b"x", (), 1j, "é\0", int, len)),
    *(list, dict, set, object),
    *(lambda v=v: v for v in (np.int64(3), np.float64(0.2), np.float32(math.nan), np.bool_(True))),
    lambda: np.array([1.0]),
    lambda: np.array(3.0),
    lambda: np.zeros((0, 0)),
    lambda: np.zeros((2, 2, 2)),
    lambda: pd.Series([1.0, 2.0]),
    lambda: pd.NA,
    lambda: decimal.Decimal("0.2"),
    lambda: datetime.date(2026, 1, 1),
    lambda: [1, "a", None],
    lambda: {"scores": 0.2},
    lambda: np.random.default_rng(0),
)


def _words(*words: str) -> tuple[str, ...]:
    return words


WORDS: dict[str, tuple[str, ...]] = {
    "estimand": _words("ATE", "ATT", "ATC", "ATO", "ATM"),
    "on": _words("score", "logit", "mahalanobis", "robust_mahalanobis", "euclidean"),
    "denominator": _words("pooled", "treated", "control", "all"),
    "method": _words("aipw", "ipwra", "regression", "nearest", "optimal"),
    "outcome_model": _words("linear", "logistic"),
    "contrast": _words("difference", "ratio", "percent", "odds_ratio"),
    "kind": _words("percentile", "basic", "normal", "bca", "studentized", "calibrated"),
    "order": _words("largest", "smallest", "closest", "random", "data"),
    "caliper_unit": _words("sd", "raw"),
    "caliper_sd": _words("all", "pooled"),
    "discard": _words("treated", "control", "both", "hull"),
    "alternative": _words("two-sided", "greater", "less"),
    "target": _words("autoc", "qini"),
    "ties": _words("average", "all", "random"),
}
NUMBERS: dict[str, tuple[Any, ...]] = {
    "penalty": (0.0, 1.0, 0.01, 1e-300, 1e300),
    "caliper": (None, 0.2, 1.0, 1e-9, 1e9, 1e-320),
    "n_neighbors": (1, 2, 3, 5, 50),
    "n_reps": (2, 3, 5),
    "n_folds": (2, 3, 5),
    "seed": (0, 1, 7, 2**63 - 1, 2**64 - 1),
    "n_threads": (None, 1, 2, 3),
    "level": (0.95, 0.5, 0.999999999, 1e-12),
    "replace": (True, False),
    "within": (False, False, True),
    "winsorize": (None, 0.9, (0.1, 0.9), (0.0, 1.0), (0.01, 1.0)),
    "q": (0.5, (0.5, 0.9), (0.01, 0.5, 0.99), (1e-9,)),
    "value": (0.0, 0.1, -1e300, 1.0),
    "margin": (None, 0.1, 1e-300, 1e300),
    "max_reuse": (None, 1, 2, 5),
    "analytic": (True, False),
    "studentized": (True, False),
    "squares": (True, False),
    "interactions": (True, False),
    "progress": (None, None, len),
    "n_subclasses": (2, 5, 10, 100),
}
FORMULAS = (
    "a + b",
    "a * text",
    "bs(a, df=4) + b",
    "poly(b, 2)",
    "log(a)",
    "C(text)",
    "1",
    "0 + a",
    "a +",
    "zz",
    "a:b",
    "scale(a) + center(b)",
    "`a`",
    "I(a**2)",
    "y + a",
    "t",
    "a | b",
    "~ a",
    "exp(a)",
    "lag(a)",
    "hashed(text)",
)


def strided(values: np.ndarray) -> np.ndarray:
    """Every other element, in every dimension, of a larger array."""
    wide = np.zeros([2 * size for size in values.shape], dtype=values.dtype)
    view = wide[tuple(slice(None, None, 2) for _ in values.shape)]
    view[...] = values
    return view


def misaligned(values: np.ndarray) -> np.ndarray:
    """The same values, one byte off."""
    if values.dtype == object:
        return values
    room = np.zeros(values.nbytes + 1, dtype=np.uint8)
    view = room[1:].view(values.dtype).reshape(values.shape)
    view[...] = values
    return view


def read_only(values: np.ndarray) -> np.ndarray:
    """The same values, not to be written to."""
    copy = values.copy()
    copy.flags.writeable = False
    return copy


class Draw:
    """A source of values, good and bad."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        # Half of the calls are right in all but a few things: the others seldom get past the first check.
        self.evil = self.of((0.0, 0.03, 0.03, 0.1, 0.5))

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def integer(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def of(self, values: Sequence[T]) -> T:
        return values[int(self.rng.integers(len(values)))]

    def size(self) -> int:
        return self.of(SIZES) if self.chance(0.4) else self.integer(6, 60)

    def junk(self) -> Any:
        return self.of(JUNK)()

    # Arrays

    def numbers(self, n: int) -> np.ndarray:
        """Real numbers of one of many kinds: ties, constants, far-off, huge, tiny."""
        rng = self.rng
        kinds: dict[str, Callable[[], np.ndarray]] = {
            "normal": lambda: rng.normal(size=n),
            "spread": lambda: rng.normal(size=n),
            "few": lambda: rng.integers(-2, 3, n).astype(float),
            "ties": lambda: rng.integers(-2, 3, n).astype(float),
            "zero or one": lambda: rng.integers(0, 2, n).astype(float),
            "constant": lambda: np.full(n, self.of((0.0, 1.0, 1 / 3, -1e9, 1e300, 5e-324))),
            "far": lambda: rng.normal(size=n) + self.of((1e6, 1e9, -1e12, 1e15)),
            "mixed": lambda: rng.normal(size=n) * 10.0 ** rng.integers(-12, 13, n),
            "huge": lambda: rng.normal(size=n) * self.of((1e9, 1e100, 1e160, 1e305)),
            "tiny": lambda: rng.normal(size=n) * self.of((1e-9, 1e-100, 1e-160, 1e-310)),
        }
        return kinds[self.of(list(kinds))]()

    def spoil(self, values: np.ndarray) -> np.ndarray:
        """Put a few values that are no numbers among them."""
        if self.chance(self.evil) and values.size and values.dtype == np.float64:
            values = values.copy()
            bad = self.of((math.nan, math.inf, -math.inf, 1e308, -0.0, 5e-324))
            values.flat[self.rng.integers(0, values.size, self.integer(1, 3))] = bad
        return values

    def shaped(self, values: np.ndarray) -> np.ndarray:
        """The same values of another type, in another layout, or of another shape."""
        if not self.chance(max(self.evil, 0.1)):
            return values
        dtype = self.of(DTYPES)
        if not (self.chance(self.evil) or dtype in {"float64", "float32", ">f8"}):
            dtype = "float64"
        try:
            values = values.astype("int64").astype(dtype) if dtype[0] in "dt" else values.astype(dtype)
        except (TypeError, ValueError, OverflowError):
            return values
        values = self.laid_out(values)
        if self.chance(self.evil / 2):
            values = self.of(
                (
                    lambda v: v[:-1],
                    lambda v: v[None],
                    lambda v: v[..., None],
                    lambda v: v.ravel(),
                    lambda v: v[:0],
                    lambda v: v.T,
                    lambda v: v[::2],
                )
            )(values)
        return values

    def laid_out(self, values: np.ndarray) -> np.ndarray:
        """The same values in another layout; the masked and the repeated are other values."""
        masks = (0.0, 0.1, 1.0) if self.chance(self.evil) else (0.0,)
        layouts: dict[str, Callable[[], np.ndarray]] = {
            "plain": lambda: values,
            "strided": lambda: strided(values),
            "backwards": lambda: values[::-1].copy()[::-1],
            "fortran": lambda: np.asfortranarray(values),
            "misaligned": lambda: misaligned(values),
            "read-only": lambda: read_only(values),
            "masked": lambda: np.ma.masked_array(values, mask=self.rng.random(values.shape) < self.of(masks)),
            "swapped": lambda: (
                values if values.dtype == object else values.astype(values.dtype.newbyteorder())
            ),
            "repeated": lambda: np.broadcast_to(values[:1], values.shape) if len(values) else values,
        }
        allowed = [name for name in layouts if name != "repeated" or self.chance(self.evil)]
        return layouts[self.of(allowed)]()

    def vector(self, n: int) -> np.ndarray:
        return self.shaped(self.spoil(self.numbers(self.length(n))))

    def length(self, n: int) -> int:
        return self.size() if self.chance(self.evil / 4) else n

    def good_matrix(self, n: int) -> np.ndarray:
        return self.rng.normal(size=(n, self.integer(0, 4)))

    def matrix(self, n: int) -> np.ndarray:
        n, width = self.length(n), self.of((0, 1, 1, 2, 2, 3, 5, 20))
        x = np.column_stack([self.numbers(n) for _ in range(width)]) if width else np.zeros((n, 0))
        return self.shaped(self.spoil(x))

    def treatment(self, n: int) -> Any:
        values = (self.rng.random(self.length(n)) < self.of((0.5, 0.5, 0.3, 0.9, 0.02))).astype(float)
        if self.chance(0.3):
            values = values > 0
        if self.chance(self.evil / 3):
            values = values + self.of((0.5, 1.0, -1.0))
        return self.shaped(values)

    def scores(self, n: int) -> np.ndarray:
        n = self.length(n)
        e = self.of(
            (
                lambda: self.rng.uniform(0.1, 0.9, n),
                lambda: self.rng.integers(1, 8, n) / 8,
                lambda: self.rng.beta(0.1, 0.1, n).clip(1e-300, 1 - 1e-16),
                lambda: np.full(n, 0.5),
                lambda: self.numbers(n) if self.chance(self.evil) else self.rng.uniform(0.01, 0.99, n),
            )
        )()
        return self.shaped(self.spoil(e))

    def weights(self, n: int) -> np.ndarray:
        w = np.abs(self.numbers(self.length(n)))
        if self.chance(0.7):
            w = self.rng.integers(0, 4, len(w)).astype(float) if self.chance(0.5) else self.rng.random(len(w))
        return self.shaped(self.spoil(-w if self.chance(self.evil / 5) else w))

    def labels(self, n: int) -> np.ndarray:
        return self.shaped(self.rng.integers(0, self.of((1, 2, 5, 1000)), self.length(n)))

    def estimators(self) -> Any:
        pool: list[Any] = [
            lambda: ps.IPW(self.of(WORDS["estimand"])),
            lambda: ps.NearestNeighbors(self.of(("ATE", "ATT", "ATC")), n_neighbors=self.integer(1, 3)),
            lambda: ps.NearestNeighbors(caliper=self.of((0.2, 1e-9)), on=self.of(("score", "logit"))),
            lambda: ps.AIPW(self.of(("ATE", "ATT", "ATC")), self.of(WORDS["outcome_model"])),
            lambda: ps.IPWRA(self.of(("ATE", "ATT", "ATC")), self.of(WORDS["outcome_model"])),
            lambda: ps.RegressionAdjustment("ATT"),
        ]
        chosen = {spec.label: spec for spec in (self.of(pool)() for _ in range(self.integer(1, 3)))}
        return list(chosen.values()) if not self.chance(self.evil) else [*chosen.values(), self.junk()]

    # Arguments by name

    def argument(self, name: str, n: int) -> Any:
        """A value for an argument of the array door."""
        if self.chance(self.evil / 4):
            return self.junk()
        made: dict[str, Callable[[], Any]] = {
            "x": lambda: self.matrix(n),
            "treatment": lambda: self.treatment(n),
            "outcome": lambda: self.vector(n),
            "influence": lambda: self.vector(n),
            "scores": lambda: self.scores(n),
            "sample_weight": lambda: None if self.chance(0.3) else self.weights(n),
            "weights": lambda: self.weights(n),
            "cluster": lambda: self.labels(n),
            "strata": lambda: self.labels(n),
            "exact": lambda: self.labels(n),
            "estimators": self.estimators,
            "score_columns": lambda: [self.integer(-1, 3) for _ in range(self.integer(0, 3))],
            "outcome_columns": lambda: [self.integer(0, 2) for _ in range(self.integer(0, 3))],
        }
        if name == "weights" and self.chance(0.5):
            return self.of(("multinomial", "poisson", "bayesian", [self.weights(n)]))
        if name in made:
            return made[name]()
        if name in WORDS:
            return self.of(WORDS[name])
        if name in NUMBERS:
            return self.of(NUMBERS[name])
        return self.of((None, self.vector(n), self.matrix(n), self.labels(n), self.junk()))

    def option(self, name: str, n: int, df: Any) -> Any:
        """A value for an argument of the frame door."""
        if self.chance(self.evil / 4):
            return self.junk()
        made: dict[str, Callable[[], Any]] = {
            "treatment": lambda: self.named("t"),
            "outcome": lambda: self.named("y"),
            "exact": lambda: [self.named("text")],
            "sample_weight": lambda: self.named("w") if self.chance(0.6) else self.beside(name, n, df),
            "cluster": lambda: (
                self.of((self.named("g"), ["g", "c"], ["g", "text"]))
                if self.chance(0.6)
                else self.beside(name, n, df)
            ),
            "strata": lambda: self.named("g") if self.chance(0.6) else self.beside(name, n, df),
            "by": lambda: None if self.chance(0.5) else self.of(("text", "g", "c", ["text", "c"], "a")),
            "per": lambda: None if self.chance(0.6) else self.of(("w", "e", "y", "g")),
            "priority": lambda: self.of(("a", "e", "g", self.vector(n))),
            "projection": self.covariates,
            "covariates": self.covariates,
            "outcome_covariates": self.covariates,
            "scores": lambda: self.given_scores(n, df),
            "weights": lambda: self.of((None, "w", "multinomial", "bayesian", self.weights(n), {"w": "w"})),
            "estimators": self.estimators,
            "estimator": lambda: self.of((None, None, ps.AIPW("ATT"), ps.IPW("ATO"), ps.NearestNeighbors())),
            "gamma": lambda: self.of(([1.5], (1, 2, 4.5), [2, 1], [0.5])),
            "gammas": lambda: self.of((None, [1.0, 1.5], [1.2], [3, 2], "2")),
            "benchmarks": lambda: self.of((None, [], ["a"], ["text", ["a", "b"]], ["y"])),
            "leave_out": lambda: self.of(([], ["a"], ["text", "b"], "a")),
            "placebo_outcomes": lambda: self.of(("b", "c", ["a", "b"], "y", [])),
            "multiples": lambda: self.of(([1], (0.5, 3), [0])),
        }
        if name in made:
            return made[name]()
        if name in WORDS:
            return self.of(WORDS[name])
        if name in NUMBERS:
            return self.of(NUMBERS[name])
        return self.junk() if self.chance(self.evil) else None

    def named(self, usual: str) -> str:
        return self.of(COLUMNS) if self.chance(self.evil / 2) else usual

    def covariates(self) -> Any:
        if self.chance(0.2):
            return self.of(FORMULAS)
        return [self.of(("a", "b", "c", "text")) for _ in range(self.integer(0, 3))]

    def beside(self, name: str, n: int, df: Any) -> Any:
        values = self.labels(n) if name in {"cluster", "strata"} else self.weights(n)
        if values.ndim == 1 and self.chance(0.5):
            index = getattr(df, "index", None)
            usable = isinstance(index, pd.Index) and len(index) == len(values) and not self.chance(self.evil)
            try:
                return pd.Series(values, index=index if usable else None)
            except (TypeError, ValueError):  # a type that pandas has not
                return values
        return values

    def given_scores(self, n: int, df: Any) -> Any:
        if self.chance(0.5):
            return "e"
        if self.chance(0.5):
            return self.beside("scores", n, df) if self.chance(self.evil) else self.scores(n)
        return ps.fit_propensity(df, treatment="t", covariates=["a", "text"], penalty=self.of((0.0, 1.0)))

    def of_method(self, name: str, n: int, df: Any) -> Any:
        """A value for an argument of a result's method."""
        if name in {"new", "df"}:
            return df if self.chance(0.5) else frame(self, self.size())
        if name == "outcome":
            try:
                return df["y"] if self.chance(0.7) else self.vector(n)
            except (KeyError, TypeError, pl.exceptions.PolarsError):
                return self.vector(n)
        if name in {"cluster", "strata"}:
            return self.beside(name, n, df)
        return self.option(name, n, df)


def frame(draw: Draw, n: int) -> Any:
    """A frame with a treatment, an outcome, covariates and what goes with them; some columns spoilt."""
    text = draw.rng.choice(["u", "v", "w", "1", ""], n)
    columns: dict[str, Any] = {
        "t": draw.treatment(n),
        "y": draw.vector(n),
        "a": draw.vector(n),
        "b": draw.vector(n),
        "c": draw.labels(n),
        "text": text,
        "e": draw.scores(n),
        "w": draw.weights(n),
        "g": draw.labels(n),
    }
    usable = {name: values for name, values in columns.items() if np.ndim(values) == 1 and len(values) == n}
    for name in set(usable) & {"a", "b", "c", "text", "t", "y"}:
        if draw.chance(draw.evil / 2):
            usable[name] = _retyped(draw, usable[name])
    if draw.chance(0.25):
        try:
            return pl.DataFrame({name: np.asarray(values) for name, values in usable.items()}, strict=False)
        except Exception:  # noqa: BLE001 - what polars will not hold is no business of ours
            return pl.DataFrame({"t": [0, 1], "y": [1.0, 2.0]})
    try:
        df = pd.DataFrame(usable)
    except Exception:  # noqa: BLE001 - nor what pandas will not
        df = pd.DataFrame({"t": [0, 1], "y": [1.0, 2.0]})
    if len(df) and draw.chance(0.2):
        df.index = draw.of((df.index[::-1], df.index // 2, df.index.astype(str), pd.Index([0] * len(df))))
    if draw.chance(0.05):
        df = df.rename(columns={draw.of(COLUMNS): draw.of(("t", "y", "a", 7, ("t", "y"), ""))})
    return df


def _retyped(draw: Draw, values: Any) -> Any:
    # Not to pyarrow's types: its own conversion now and then ends a process whose address space is limited
    # (a segmentation fault in pandas' _box_pa_array). The table of cases has columns of those.
    kind = draw.of(("category", "string[python]", "Int64", "Float64", "boolean", "object"))
    try:
        column = pd.Series(np.array(values)).astype(kind)
        if len(column) and draw.chance(0.3):
            column.iloc[draw.integer(0, len(column) - 1)] = draw.of((None, np.nan, pd.NA))
    except Exception:  # noqa: BLE001 - pandas' own refusals
        return values
    return column.to_numpy() if kind == "object" else column
