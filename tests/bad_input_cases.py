"""What each kind of input answers: one row a case, whichever way it comes in.

A case changes some columns of `bad_input_doors.columns()`, gives a call options, and says what must come of
it: an exception of exactly this type whose message has these words, a warning, the numbers of the plain
columns, or numbers given here.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

import propensity as ps
from bad_input_doors import COVARIATES, Columns, N, columns
from propensity import core
from propensity.errors import (
    CollinearityWarning,
    DegenerateWarning,
    InvalidInputError,
    NoMatchesError,
    OverlapError,
    OverlapWarning,
    SeparationError,
    SeparationWarning,
    SmallSampleWarning,
)

FRAMES, ALL, ARRAYS = ("pandas", "polars"), ("pandas", "polars", "numpy"), ("numpy",)


@dataclass(frozen=True)
class Case:
    """One row of the table.

    `changes` maps a column to its new values, or to a function of the old ones. An option that is a function
    takes the changed columns. `says` are words of the message, `array_says` those of the array door, where
    they are others. `same` asks for the numbers of the unchanged columns and `value` for these, to `rtol`.
    """

    name: str
    call: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    array_options: Mapping[str, Any] | None = None
    doors: Sequence[str] = ALL
    raises: type[Exception] | None = None
    array_raises: type[Exception] | None = None
    warns: type[Warning] | None = None
    says: Sequence[str] = ()
    array_says: Sequence[str] | None = None
    same: bool = False
    finite: bool = True
    value: Callable[[Columns], Any] | None = None
    rtol: float = 1e-12

    def error(self, door: str) -> type[Exception] | None:
        """What is raised by this way in."""
        return self.array_raises if door == "numpy" and self.array_raises else self.raises

    def words(self, door: str) -> Sequence[str]:
        """What the message must say by this way in."""
        return self.says if door != "numpy" or self.array_says is None else self.array_says

    def arguments(self, door: str) -> Mapping[str, Any]:
        """The call's options by this way in."""
        given = self.options if door != "numpy" or self.array_options is None else self.array_options
        return dict(given)


CASES: list[Case] = []


def case(name: str, call: str, changes: Mapping[str, Any] | None = None, **rest: Any) -> None:
    """Add a row."""
    CASES.append(Case(name, call, changes or {}, **rest))


def invalid(name: str, call: str, changes: Mapping[str, Any] | None = None, **rest: Any) -> None:
    """Add a row that is an `InvalidInputError`."""
    case(name, call, changes, **{"raises": InvalidInputError} | rest)


def put(row: int, value: Any) -> Callable[[Any], Any]:
    """Put one value into a row."""

    def change(values: Any) -> Any:
        changed = values.copy()
        changed[row] = value
        return changed

    return change


# Where a column with a role is read, and what the array door calls it.

ROLES = {
    "covariate": ("fit", "tenure", "x, column 1"),
    "covariate of balance": ("smd", "tenure", "x, column 1"),
    "covariate of an outcome model": ("regression", "tenure", "x, column 1"),
    "treatment": ("fit", "opted", "treatment"),
    "outcome": ("ipw", "done", "outcome"),
    "outcome of an outcome model": ("aipw", "done", "outcome"),
    "outcome of matches": ("matched effect", "done", "outcome"),
    "outcome of a bootstrap": ("bootstrap", "done", "outcome"),
    "outcome to be bounded": ("bounds", "done", "outcome"),
    "covariate of bounds": ("bounds", "tenure", "x, column 1"),
    "score": ("ipw", "e", "scores"),
    "score to match on": ("match", "e", "scores"),
}
WEIGHTS = {  # the call, and the argument that takes weights
    "sample weight of a fit": ("fit", "sample_weight"),
    "sample weight of a contrast": ("ipw", "sample_weight"),
    "weight of balance": ("smd", "weights"),
}

# 1. Missing and infinite values: the column, how many, the first rows.

for role, (call, column, array_name) in ROLES.items():
    subject = "outcome" if role == "outcome of matches" else f"column '{column}'"
    for value, what in {np.nan: "missing", np.inf: "infinite", -np.inf: "infinite"}.items():
        invalid(
            f"{value} in a {role}",
            call,
            {column: put(4, value)},
            says=[subject, f"1 {what} value (row 4)", "drop"],  # who is treated is not to be imputed
            array_says=[array_name, "1 missing or infinite value (row 4)", "drop or impute"],
        )
for role, (call, argument) in WEIGHTS.items():
    for value, what in {np.nan: "missing", np.inf: "infinite"}.items():
        invalid(
            f"{value} in a {role}",
            call,
            {"w": put(4, value)},
            options={argument: "w"},
            array_options={argument: lambda c: c["w"]},
            says=["column 'w'", f"1 {what} value (row 4)"],
            array_says=[argument, "1 ", "(row 4)"],
        )
for call in ("ipw", "bootstrap"):
    for argument in ("cluster",) if call == "ipw" else ("cluster", "strata"):
        invalid(
            f"missing in a {argument} of {call}",
            call,
            {"team": lambda v: put(4, np.nan)(v.astype(float))},
            options={argument: "team"},
            doors=FRAMES,
            says=["column 'team'", "1 missing value (row 4)"],
        )
invalid(
    "missing values in many rows",
    "fit",
    {"visits": lambda v: np.where(np.arange(N) > 6, np.nan, v)},
    says=["column 'visits'", f"{N - 7} missing values (rows 7, 8, 9, 10, 11, ...)"],
    array_says=["x, column 0", f"{N - 7} missing or infinite values (rows 7, 8, 9, 10, 11, ...)"],
)
invalid(
    "missing and infinite values in several columns",
    "ipw",
    {"done": put(2, np.nan), "e": put(3, np.inf), "w": put(5, np.nan), "opted": put(7, np.nan)},
    options={"sample_weight": "w"},
    doors=FRAMES,
    says=[
        "drop or impute these first",
        "column 'opted': 1 missing value (row 7)",
        "column 'done': 1 missing value (row 2)",
        "column 'e': 1 infinite value (row 3)",
        "column 'w': 1 missing value (row 5)",
    ],
)
invalid(
    "missing values in columns and in given series",
    "bootstrap",
    {"done": put(2, np.nan), "tenure": put(9, np.nan)},
    options={
        "sample_weight": lambda c: put(3, np.nan)(c["w"]),
        "cluster": lambda c: put(4, np.nan)(c["team"].astype(float)),
        "estimators": [ps.IPW()],
    },
    doors=FRAMES,
    says=[
        "column 'done': 1 missing value (row 2)",
        "column 'tenure': 1 missing value (row 9)",
        "sample_weight: 1 missing value (row 3)",
        "cluster: 1 missing value (row 4)",
    ],
)
invalid(
    "missing values in two columns of a matrix",
    "fit",
    {"visits": put(2, np.nan), "tenure": put(3, -np.inf)},
    says=["column 'visits': 1 missing value (row 2)", "column 'tenure': 1 infinite value (row 3)"],
    array_says=["x, column 0: 1 missing or infinite value (row 2)", "x, column 1: 1 missing", "(row 3)"],
)
NULLABLE = {
    "Int64": lambda v: pd.array(v.astype(int), dtype="Int64"),
    "Float32": lambda v: pd.array(v, dtype="Float32"),
    "boolean": lambda v: pd.array(v > 0, dtype="boolean"),
    "int8[pyarrow]": lambda v: pd.array(v.astype(int), dtype=pd.ArrowDtype(pa.int8())),
    "double[pyarrow]": lambda v: pd.array(v, dtype=pd.ArrowDtype(pa.float64())),
    "bool[pyarrow]": lambda v: pd.array(v > 0, dtype=pd.ArrowDtype(pa.bool_())),
    "category": lambda v: pd.Series(v).astype("category"),
    "string": lambda v: pd.array([f"level {x}" for x in v], dtype="string"),
}
for dtype, make in NULLABLE.items():
    invalid(
        f"NA in a covariate of {dtype}",
        "fit",
        {"tenure": lambda v, make=make: put(4, pd.NA)(make(v))},
        doors=("pandas",),
        says=["column 'tenure': 1 missing value (row 4)"],
    )
for dtype in ("Int64", "boolean", "int8[pyarrow]", "bool[pyarrow]"):
    invalid(
        f"NA in a treatment of {dtype}",
        "fit",
        {"opted": lambda v, make=NULLABLE[dtype]: put(4, pd.NA)(make(v))},
        doors=("pandas",),
        says=["column 'opted': 1 missing value (row 4)"],
    )
for dtype in (pl.Int8, pl.UInt32, pl.Float32, pl.Boolean, pl.String):
    invalid(
        f"null in a polars covariate of {dtype}",
        "fit",
        {"tenure": lambda v, dtype=dtype: pl.Series([None, *v[1:].tolist()], strict=False).cast(dtype)},
        doors=("polars",),
        says=["column 'tenure': 1 missing value (row 0)"],
    )
invalid(
    "None among numbers",
    "fit",
    {"tenure": lambda v: pl.Series([None, *v[1:].tolist()])},
    doors=("polars",),
    says=["column 'tenure': 1 missing value (row 0)"],
)
invalid(
    "missing label of a text covariate",
    "fit",
    {"tier": lambda v: put(4, None)(v.astype(object))},
    options={"covariates": ["tier"]},
    doors=FRAMES,
    says=["column 'tier': 1 missing value (row 4)"],
)

# Masked arrays: masked is missing.

for role, (call, column, array_name) in ROLES.items():
    invalid(
        f"masked {role}",
        call,
        {column: lambda v: np.ma.masked_array(v, mask=np.arange(N) == 4)},
        doors=ARRAYS,
        says=[array_name, "(row 4)"],
    )
invalid(
    "masked sample weight",
    "fit",
    options={"sample_weight": lambda c: np.ma.masked_array(c["w"], mask=np.arange(N) == 4)},
    says=["sample_weight", "(row 4)"],
)
invalid(
    "masked scores given to a frame",
    "ipw",
    options={"scores": lambda c: np.ma.masked_array(c["e"], mask=np.arange(N) == 4)},
    doors=FRAMES,
    says=["scores: 1 missing value (row 4)"],
)
invalid(
    "masked weights of integers given to a frame",
    "smd",
    options={"weights": lambda c: np.ma.masked_array(c["w"].astype(int), mask=np.arange(N) == 4)},
    doors=FRAMES,
    says=["weights: 1 missing value (row 4)"],
)
invalid(
    "masked clusters given to a frame",
    "ipw",
    options={"cluster": lambda c: np.ma.masked_array(c["team"], mask=np.arange(N) == 4)},
    doors=FRAMES,
    says=["cluster: 1 missing value (row 4)"],
)
invalid(
    "masked text given to a frame",
    "ipw",
    options={"cluster": lambda c: np.ma.masked_array(c["tier"], mask=np.arange(N) == 4)},
    doors=FRAMES,
    says=["cluster: 1 missing value (row 4)"],
)
case(
    "masked array without a mask",
    "ipw",
    options={"scores": lambda c: np.ma.masked_array(c["e"])},
    array_options={"sample_weight": lambda c: np.ma.masked_array(np.ones(N))},
    same=True,
)

# 2. Types that are real numbers: the same answer as float64.

REAL = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float32",
    "float64",
]
ROLE_OF_NUMBERS = {"covariate": "fit", "treatment": "fit", "outcome": "aipw", "scores": "ipw"}


def _exactly(column: str, dtype: str) -> bool:
    """Whether a column's values all fit into a type."""
    values = columns()[column]
    return bool((np.asarray(values).astype(dtype).astype(float) == values).all())


COLUMN_OF = {"covariate": "tenure", "treatment": "opted", "outcome": "done", "scores": "e"}
for role, call in ROLE_OF_NUMBERS.items():
    column = COLUMN_OF[role]
    for dtype in [*REAL, "float16", ">f8", ">f4", ">i4", "<i8"]:
        if _exactly(column, dtype):
            doors = ("pandas", "numpy") if dtype in {">f8", ">f4", ">i4"} else ALL
            case(f"{role} of {dtype}", call, {column: lambda v, d=dtype: v.astype(d)}, doors=doors, same=True)
    for dtype in ["Int8", "UInt16", "Int64", "Float32", "Float64", "boolean"]:
        if _exactly(column, dtype.lower().replace("boolean", "bool")):
            case(
                f"{role} of {dtype}",
                call,
                {column: lambda v, d=dtype: pd.Series(v).astype(d)},
                doors=("pandas",),
                same=True,
            )
    for arrow in (pa.int8(), pa.uint32(), pa.float32(), pa.float64(), pa.decimal128(12, 6), pa.bool_()):
        if column == "opted" or not (arrow == pa.bool_() or (column == "e" and "int" in str(arrow))):
            if column == "done" and arrow == pa.uint32():
                continue
            case(
                f"{role} of pyarrow's {arrow}",
                call,
                {column: lambda v, a=arrow: _arrow(v, a)},
                doors=("pandas",),
                same=True,
            )


def _arrow(values: Any, dtype: pa.DataType) -> pd.Series:
    array = pa.array(values)
    if pa.types.is_decimal(dtype):
        return pd.Series(pd.array(array.cast(dtype), dtype=pd.ArrowDtype(dtype)))
    return pd.Series(array.to_numpy()).astype(pd.ArrowDtype(dtype))


case(
    "treatment categorical of 0 and 1",
    "fit",
    {"opted": lambda v: pd.Series(v.astype(int)).astype("category")},
    doors=("pandas",),
    same=True,
)
case(
    "treatment categorical of booleans",
    "fit",
    {"opted": lambda v: pd.Series(v > 0).astype("category")},
    doors=("pandas",),
    same=True,
)
case("sparse covariate", "fit", {"tenure": pd.arrays.SparseArray}, doors=("pandas",), same=True)
for kind in ("str", "string", "category", "object"):
    case(
        f"text covariate of {kind}",
        "fit",
        {"tier": lambda v, kind=kind: pd.Series(v).astype(kind)},
        options={"covariates": ["tier"]},
        doors=("pandas",),
        value=lambda c: _shares(c["opted"], c["tier"]),
        rtol=1e-8,
    )
for kind in (pl.String, pl.Categorical, pl.Enum(["heavy", "light", "medium", "absent"])):
    case(
        f"text covariate of {kind}",
        "fit",
        {"tier": lambda v, kind=kind: pl.Series(v.tolist()).cast(kind)},
        options={"covariates": ["tier"]},
        doors=("polars",),
        value=lambda c: _shares(c["opted"], np.asarray(c["tier"])),
        rtol=1e-8,
    )


def _shares(treated: Any, level: Any) -> Any:
    """The share of treated in each row's level: what a model of the level alone fits."""
    return pd.Series(np.asarray(treated, dtype=float)).groupby(np.asarray(level)).transform("mean").to_numpy()


# Layouts.


def strided(values: Any) -> Any:
    """Every other element of twice as many."""
    wide = np.zeros(2 * len(values), dtype=values.dtype)
    wide[::2] = values
    wide[1::2] = 77
    return wide[::2]


def backwards(values: Any) -> Any:
    """The same values with a negative stride."""
    return values[::-1].copy()[::-1]


def read_only(values: Any) -> Any:
    """The same values, not to be written to."""
    copy = values.copy()
    copy.flags.writeable = False
    return copy


def misaligned(values: Any) -> Any:
    """The same values, one byte off."""
    room = np.zeros(values.nbytes + 1, dtype=np.uint8)
    view = room[1:].view(values.dtype).reshape(values.shape)
    view[...] = values
    return view


def packed(values: Any) -> Any:
    """A field of records of 13 bytes."""
    records = np.zeros(len(values), dtype=[("flag", "u1"), ("value", "f8"), ("tail", "f4")])
    records["flag"], records["value"], records["tail"] = 255, values, 7
    return records["value"]


def packed_bool(values: Any) -> Any:
    """A boolean field of records of 9 bytes."""
    records = np.zeros(len(values), dtype=[("flag", "?"), ("value", "f8")])
    records["flag"], records["value"] = values != 0, np.nan
    return records["flag"]


def broadcast(values: Any) -> Any:
    """One number for all rows, with a stride of zero."""
    return np.broadcast_to(values[:1], values.shape)


LAYOUTS = {f.__name__: f for f in (strided, backwards, read_only, misaligned, packed)}
for role, call in ROLE_OF_NUMBERS.items():
    for layout, make in LAYOUTS.items():
        case(f"{role}, {layout}", call, {COLUMN_OF[role]: make}, doors=("pandas", "numpy"), same=True)
case("treatment, packed booleans", "fit", {"opted": packed_bool}, doors=("pandas", "numpy"), same=True)
case("treatment, strided booleans", "fit", {"opted": lambda v: strided(v > 0)}, same=True)
case(
    "sample weight of a stride of zero",
    "fit",
    options={"sample_weight": lambda c: broadcast(np.full(N, 2.0))},
    same=True,
)


def _records(v: Columns) -> Any:
    table = np.zeros(N, dtype=[("flag", "u1"), *((name, "f8") for name in COVARIATES)])
    for name in COVARIATES:
        table[name] = v[name]
    return np.ndarray((N, 2), "f8", buffer=table, offset=1, strides=(table.itemsize, 8))


MATRICES = {
    "Fortran order": lambda c: np.asfortranarray(_plain_matrix(c)),
    "transposed": lambda c: _plain_matrix(c).T.copy().T,
    "strided both ways": lambda c: _wide(c)[::2, ::3],
    "both ways backwards": lambda c: _plain_matrix(c)[::-1, ::-1].copy()[::-1, ::-1],
    "misaligned": lambda c: misaligned(_plain_matrix(c)),
    "of packed records": _records,
    "big-endian Fortran order": lambda c: np.asfortranarray(_plain_matrix(c).astype(">f8")),
    "read-only": lambda c: read_only(_plain_matrix(c)),
    "float16": lambda c: _plain_matrix(c).astype(np.float16),
}


def _plain_matrix(c: Columns) -> Any:
    return np.column_stack([c[name] for name in COVARIATES])


def _wide(c: Columns) -> Any:
    wide = np.full((2 * N, 6), np.nan)
    wide[::2, ::3] = _plain_matrix(c)
    return wide


for layout, make in MATRICES.items():
    for call in ("fit", "smd", "aipw"):
        case(f"covariates {layout}, {call}", call, {"x": make}, doors=ARRAYS, same=True)
case(
    "frame backed by one block in Fortran order",
    "fit",
    options={"covariates": COVARIATES},
    doors=FRAMES,
    same=True,
)

# 3. Types that are not: a TypeError that names the column.

NOT_NUMBERS: dict[str, tuple[Callable[[Any], Any], Sequence[str]]] = {
    "complex": (lambda v: v + 0j, ("pandas", "numpy")),
    "longdouble": (lambda v: v.astype(np.longdouble), ("pandas", "numpy")),
    "datetime": (lambda v: v.astype("int64").astype("datetime64[ms]"), ALL),
    "timedelta": (lambda v: v.astype("int64").astype("timedelta64[ms]"), ALL),
    "objects": (lambda v: v.astype(object), ("numpy",)),
    "mixed objects": (lambda v: put(3, "three")(v.astype(object)), ("pandas", "numpy")),
    "lists": (lambda v: pd.Series([[x] for x in v]), ("pandas",)),
    "polars lists": (lambda v: [[x] for x in v], ("polars",)),
    "polars structs": (lambda v: [{"a": x} for x in v], ("polars",)),
    "periods": (lambda v: pd.period_range("2026-01", periods=len(v), freq="D"), ("pandas",)),
    "times with a zone": (lambda v: pd.date_range("2026-01-01", periods=len(v), tz="UTC"), ("pandas",)),
    "bytes": (lambda v: v.astype("int64").astype("S8"), ("pandas", "numpy")),
    "pyarrow timestamps": (
        lambda v: pd.Series(pd.array(v.astype("int64"), dtype=pd.ArrowDtype(pa.timestamp("s")))),
        ("pandas",),
    ),
}
for kind, (make, doors) in NOT_NUMBERS.items():
    for role, call in ROLE_OF_NUMBERS.items():
        argument = "x" if role == "covariate" else role
        case(
            f"{role} of {kind}",
            call,
            {COLUMN_OF[role]: make},
            # A matrix has one type: `test_core_arrays` has those that do not mix with float64.
            doors=[door for door in doors if door != "numpy" or not (role == "covariate" and "time" in kind)],
            raises=TypeError,
            says=[f"column '{COLUMN_OF[role]}'"],
            array_says=[argument, "must hold real numbers"],
        )
for role, call in ROLE_OF_NUMBERS.items():
    numeric_text = {COLUMN_OF[role]: lambda v: np.array([str(x) for x in v])}
    error = InvalidInputError if role == "treatment" else TypeError
    case(
        f"{role} of numeric text",
        call,
        numeric_text,
        doors=FRAMES,
        raises=error,
        says=[f"column '{COLUMN_OF[role]}'", {"treatment": "== '1.0'"}.get(role, "text")],
    )
    case(f"{role} of text in an array", call, numeric_text, doors=ARRAYS, raises=TypeError)
case(
    "covariate of numeric text, with the remedy",
    "fit",
    {"tenure": lambda v: np.array([str(int(x)) for x in v])},
    doors=("pandas",),
    raises=TypeError,
    says=["column 'tenure'", "pd.to_numeric", "astype('category')"],
)
case(
    "covariate of numeric text, with polars' remedy",
    "fit",
    {"tenure": lambda v: np.array([str(int(x)) for x in v])},
    doors=("polars",),
    raises=TypeError,
    says=["column 'tenure'", "pl.Float64", "pl.Categorical"],
)
case(
    "codes of digits as categories",
    "fit",
    {"tier": lambda v: pd.Series(v).map({"light": "1", "medium": "2", "heavy": "3"}).astype("category")},
    options={"covariates": ["tier"]},
    doors=("pandas",),
    value=lambda c: _shares(c["opted"], c["tier"]),
    rtol=1e-8,
)
case(
    "codes of digits as categories of a formula",
    "fit",
    {"tier": lambda v: pd.Series(v).map({"light": "1", "medium": "2", "heavy": "3"})},
    options={"covariates": "C(tier)"},
    doors=("pandas",),
    value=lambda c: _shares(c["opted"], c["tier"]),
    rtol=1e-8,
)
case(
    "outcome of text",
    "ipw",
    {},
    options={"outcome": "tier"},
    doors=FRAMES,
    raises=TypeError,
    says=["column 'tier'", "an outcome must be numeric or bool", "== <the level>"],
)
case(
    "sample weight of text",
    "fit",
    options={"sample_weight": "tier"},
    doors=FRAMES,
    raises=TypeError,
    says=["column 'tier': numbers are needed, not text"],
)
case(
    "scores of longdouble given to a frame",
    "ipw",
    options={"scores": lambda c: c["e"].astype(np.longdouble)},
    doors=FRAMES,
    raises=TypeError,
    says=["scores", "longdouble" if np.dtype(np.longdouble).name == "longdouble" else "float128"],
)
case(
    "scores of complex given to a frame",
    "ipw",
    options={"scores": lambda c: c["e"] + 0j},
    doors=FRAMES,
    raises=TypeError,
    says=["scores", "complex128"],
)
for argument in ("cluster", "strata"):
    case(
        f"{argument} of floats in an array",
        "bootstrap",
        array_options={argument: lambda c: c["team"] + 0.5},
        doors=ARRAYS,
        raises=TypeError,
        says=[argument, "must hold integers"],
    )
    invalid(
        f"{argument} of another length in an array",
        "bootstrap",
        array_options={argument: lambda c: c["team"][:7]},
        doors=ARRAYS,
        says=[argument, "7 rows", f"{N} are expected"],
    )
MANY_ROWS = {name: lambda v: np.resize(v, 40_000) for name in columns()}
invalid(
    "text of more than 1,000 levels",
    "fit",
    MANY_ROWS | {"tier": lambda _: np.array([f"v{k % 1_200}" for k in range(40_000)])},
    options={"covariates": ["tier"]},
    doors=FRAMES,
    says=["column 'tier'", "1,200 levels", "1,000"],
)
invalid(
    "categories of more than 1,000 levels in balance",
    "smd",
    MANY_ROWS | {"tier": lambda _: pd.Categorical([f"v{k % 1_200}" for k in range(40_000)])},
    options={"covariates": ["tier"]},
    doors=("pandas",),
    says=["column 'tier'", "1,200 levels", "1,000"],
)
invalid(
    "an identifier as covariate",
    "fit",
    {"tier": lambda v: np.array([f"user {k}" for k in range(len(v))])},
    options={"covariates": ["tier"]},
    doors=FRAMES,
    says=["column 'tier'", f"{N} levels in {N} rows", "identifier"],
)

# 4. The treatment.

THREE = lambda v: np.where(np.arange(N) < 9, 2, v.astype(int))  # noqa: E731 - one of a table
TREATMENTS: dict[str, tuple[Callable[[Any], Any], Sequence[str], Sequence[str]]] = {
    "1 and 2": (lambda v: v.astype(int) + 1, ["1, 2", "== 2"], ["1, 2", "treatment == 2"]),
    "-1 and 1": (lambda v: 2 * v.astype(int) - 1, ["-1, 1", "== 1"], ["-1, 1", "treatment == 1"]),
    "one half": (put(4, 0.5), ["0.0, 0.5, 1.0", "keep two"], ["0, 0.5, 1", "two arms"]),
    "three levels": (THREE, ["0, 1, 2", "keep two", "== <the treated level>"], ["0, 1, 2", "two arms"]),
}
for levels, (make, says, array_says) in TREATMENTS.items():
    for call in ("fit", "ipw", "match", "smd", "aipw", "bootstrap"):
        invalid(
            f"treatment of {levels}, {call}",
            call,
            {"opted": make},
            says=["column 'opted'", *says],
            array_says=["treatment", *array_says],
        )
invalid(
    "treatment of text",
    "fit",
    {"opted": lambda v: np.where(v > 0, "yes", "no")},
    doors=("pandas",),
    says=["column 'opted'", "'no', 'yes'", "df['opted'] = df['opted'] == 'yes'"],
)
invalid(
    "treatment of text in polars",
    "fit",
    {"opted": lambda v: np.where(v > 0, "yes", "no")},
    doors=("polars",),
    says=["column 'opted'", "'no', 'yes'", "df = df.with_columns(pl.col('opted') == 'yes')"],
)
invalid(
    "treatment of categories that cannot be ordered",
    "fit",
    {"opted": lambda v: pd.Categorical.from_codes((v > 0).astype(int), categories=[3, "yes"])},
    doors=("pandas",),
    says=["column 'opted'", "3, 'yes'"],
)
invalid(
    "treatment of many values",
    "fit",
    {"opted": lambda v: np.arange(N) / 7},
    says=["column 'opted'", "and 110 more"],
    array_says=["treatment", "..."],
)
for treated in (0, 1, N - 1, N):
    for call in (
        "fit",
        "ipw",
        "match",
        "smd",
        "aipw",
        "bootstrap",
        "regression",
        "matched effect",
        "estimate",
    ):
        control = N - treated
        invalid(
            f"{treated} treated, {call}",
            call,
            {"opted": lambda v, treated=treated: (np.arange(N) < treated).astype(float)},
            # A single unit can be matched and described, if not compared.
            doors=FRAMES
            if call == "estimate" or (call in {"match", "smd"} and min(treated, control) == 1)
            else ALL,
            says=[f"{treated} treated and {control} control", "at least 2"],
            array_says=[f"{treated} treated and {control} control", "2"],
        )

# 5. A series beside the frame.

SERIES: dict[str, tuple[Callable[[pd.Series], Any], Sequence[str]]] = {
    "of another length": (lambda s: s.head(10), [f"10 values for a frame of {N} rows"]),
    "of other labels": (lambda s: s.set_axis(s.index + 1), ["the index is not the frame's", "of other rows"]),
    "in another order": (lambda s: s[::-1], ["the index is not the frame's", "reindex"]),
    "of duplicated labels": (lambda s: s.set_axis(s.index // 2), ["the index is not the frame's"]),
}
ARGUMENTS = {
    "scores": ("ipw", "e"),
    "sample_weight": ("fit", "w"),
    "weights": ("smd", "w"),
    "cluster": ("ipw", "team"),
    "strata": ("bootstrap", "team"),
    "outcome": ("matched effect", "done"),
}
for argument, (call, column) in ARGUMENTS.items():
    for what, (make, says) in SERIES.items():
        invalid(
            f"{argument} {what}",
            call,
            options={argument: lambda c, m=make, col=column: m(pd.Series(c[col]))},
            doors=("pandas",),
            says=[argument, *says],
        )
    invalid(
        f"{argument} of a short array",
        call,
        options={argument: lambda c, col=column: c[col][:-1]},
        doors=FRAMES,
        says=[argument, f"{N - 1} values for a frame of {N} rows"],
    )
    invalid(
        f"{argument} of a long polars series",
        call,
        options={argument: lambda c, col=column: pl.Series([*c[col], c[col][0]])},
        doors=FRAMES,
        says=[argument, f"{N + 1} values for a frame of {N} rows"],
    )
    case(
        f"{argument} of two dimensions",
        call,
        options={argument: lambda c, col=column: c[col][:, None]},
        doors=FRAMES,
        raises=TypeError,
        says=[argument, f"({N}, 1)"],
    )
    case(
        f"{argument} a number",
        call,
        options={argument: 0.5},
        doors=FRAMES,
        raises=TypeError,
        says=[argument, "float"],
    )
for given in ("series", "array", "list", "polars series"):
    case(
        f"scores as a {given} of the same rows",
        "ipw",
        options={
            "scores": {
                "series": lambda c: pd.Series(c["e"]),
                "array": lambda c: c["e"],
                "list": lambda c: c["e"].tolist(),
                "polars series": lambda c: pl.Series(c["e"]),
            }[given]
        },
        doors=FRAMES,
        same=True,
    )
for name, index in {
    "duplicated labels": np.arange(N) // 3,
    "dates": pd.date_range("2026-01-01", periods=N),
    "two levels": pd.MultiIndex.from_arrays([np.arange(N) % 7, np.arange(N)]),
}.items():
    case(
        f"frame and scores of the same {name}",
        "ipw",
        {"__index__": index},
        options={"scores": lambda c, index=index: pd.Series(c["e"], index=index)},
        doors=("pandas",),
        same=True,
    )
    invalid(
        f"scores of the same {name} in another order",
        "ipw",
        {"__index__": index},
        options={"scores": lambda c, index=index: pd.Series(c["e"], index=index)[::-1]},
        doors=("pandas",),
        says=["scores", "the index is not the frame's"],
    )
for argument, (call, column) in ARGUMENTS.items():
    if argument in {"cluster", "strata"}:
        continue
    name = {"strata": "strata"}.get(argument, argument)
    short = {
        "scores": {"e": lambda v: v[:-1]},
        "outcome": {"done": lambda v: v[:-1]},
    }.get(argument, {})
    invalid(
        f"{argument} of another length in an array",
        call,
        short,
        array_options={} if short else {argument: lambda c, col=column: c[col][:-1]},
        doors=ARRAYS,
        says=["rows", str(N - 1), "expected"],
    )

# 6. Names and roles.

invalid(
    "unknown covariate",
    "fit",
    options={"covariates": ["vists"]},
    doors=FRAMES,
    says=["column 'vists' is not in the frame", "did you mean 'visits'?"],
)
invalid(
    "unknown covariate in other letters",
    "fit",
    options={"covariates": ["VISITS"]},
    doors=FRAMES,
    says=["column 'VISITS' is not in the frame", "did you mean 'visits'?"],
)
invalid(
    "unknown treatment",
    "fit",
    options={"treatment": "optd"},
    doors=FRAMES,
    says=["column 'optd' is not in the frame", "did you mean 'opted'?"],
)
invalid(
    "unknown outcome",
    "aipw",
    options={"outcome": "dne"},
    doors=FRAMES,
    says=["column 'dne' is not in the frame", "did you mean 'done'?"],
)
for argument, call in {"scores": "ipw", "sample_weight": "ipw", "cluster": "ipw", "weights": "smd"}.items():
    invalid(
        f"unknown column of {argument}",
        call,
        options={argument: "tema"},
        doors=FRAMES,
        says=["column 'tema' is not in the frame", "did you mean 'team'?"],
    )
invalid(
    "unknown name like no other",
    "fit",
    options={"treatment": "zzz"},
    doors=FRAMES,
    says=["column 'zzz' is not in the frame", "the columns are 'opted', 'done'"],
)
invalid(
    "two unknown columns",
    "fit",
    options={"covariates": ["vists", "tenur"]},
    doors=FRAMES,
    says=["'vists'", "'visits'", "'tenur'", "'tenure'"],
)
invalid(
    "unknown column of a formula",
    "fit",
    options={"covariates": "visits + log(tenur)"},
    doors=FRAMES,
    says=["column 'tenur' is not in the frame", "did you mean 'tenure'?"],
)
for call in ("fit", "smd", "aipw", "regression", "bootstrap", "estimate"):
    invalid(
        f"treatment among the covariates of {call}",
        call,
        options={"covariates": ["visits", "opted"]},
        doors=FRAMES,
        says=["column 'opted' is the treatment", "remove it from the covariates"],
    )
for call in ("aipw", "ipwra", "bootstrap", "estimate"):
    invalid(
        f"outcome among the covariates of {call}",
        call,
        options={"covariates": ["visits", "done"]},
        doors=FRAMES,
        says=["column 'done' is the outcome", "remove it from the covariates"],
    )
invalid(
    "treatment as outcome",
    "ipw",
    options={"outcome": "opted"},
    doors=FRAMES,
    says=["column 'opted' is both the treatment and the outcome"],
)
invalid(
    "a covariate twice",
    "fit",
    options={"covariates": ["visits", "visits"]},
    doors=FRAMES,
    says=["'visits' is listed 2 times"],
)
case(
    "a covariate by number",
    "fit",
    options={"covariates": [3]},
    doors=FRAMES,
    raises=TypeError,
    says=["covariates", "not by 3"],
)
case(
    "covariates None",
    "fit",
    options={"covariates": None},
    doors=FRAMES,
    raises=TypeError,
    says=["covariates: a list of columns or a formula"],
)
case(
    "treatment as a series",
    "fit",
    options={"treatment": lambda c: pd.Series(c["opted"])},
    doors=FRAMES,
    raises=TypeError,
    says=["treatment: a column is given by its name"],
)

# 7. The design: constant, duplicate and collinear columns; separation; scales.


def _without_second(c: Columns) -> Any:
    """The scores of the first covariate alone."""
    plain = columns()
    return core.fit_propensity(plain["visits"][:, None], plain["opted"]).scores


COLLINEAR: dict[str, Callable[[Any], Any]] = {
    "constant": lambda v: np.full(N, 3.0),
    "constant zero": lambda v: np.zeros(N),
    "huge constant": lambda v: np.full(N, 1e15),
    "tiny constant": lambda v: np.full(N, 1e-300),
    "constant a third": lambda v: np.full(N, 1 / 3),
    "duplicate": lambda v: columns()["visits"],
    "multiple": lambda v: -1e7 * columns()["visits"],
    "shifted": lambda v: columns()["visits"] / 3 + 1e6,
}
for what, make in COLLINEAR.items():
    case(
        f"{what} column",
        "fit",
        {"tenure": make},
        doors=FRAMES,
        warns=CollinearityWarning,
        says=["tenure"],
        value=_without_second,
        rtol=1e-9,
    )
    case(
        f"{what} column of an array", "fit", {"tenure": make}, doors=ARRAYS, value=_without_second, rtol=1e-9
    )
case(
    "text with one level",
    "fit",
    {"tier": lambda v: np.full(N, "light")},
    options={"covariates": ["visits", "tier"]},
    doors=FRAMES,
    warns=CollinearityWarning,
    says=["tier"],
    value=_without_second,
    rtol=1e-9,
)
SEPARATED: dict[str, tuple[Mapping[str, Any], Sequence[str], Sequence[str]]] = {
    "one column": ({"tenure": lambda v: 3 + 2 * columns()["opted"]}, ["'tenure'"], ["1"]),
    "one column but for noise": (
        {"tenure": lambda v: columns()["opted"] + 0.1 * np.sin(np.arange(N))},
        ["'tenure'"],
        ["1"],
    ),
    "a combination": (
        {
            "visits": lambda v: v + 0.001 * columns()["opted"],
            "tenure": lambda v: columns()["visits"] - 0.001 * columns()["opted"],
        },
        ["'visits', 'tenure'"],
        ["0, 1"],
    ),
}
for what, (changes, names, numbers) in SEPARATED.items():
    for call in ("fit", "aipw", "bootstrap"):
        case(
            f"separation by {what}, {call}",
            call,
            changes,
            raises=SeparationError,
            says=[*names, "separation", "penalty=1.0"],
            array_says=["x, column", *numbers, "separation", "penalty=1.0"],
        )
QUASI = {"tenure": lambda v: ((np.arange(N) % 7 == 0) & (columns()["opted"] > 0)).astype(float)}
for call in ("fit", "bootstrap"):
    case(
        f"quasi-separation, {call}",
        call,
        QUASI,
        doors=FRAMES,
        warns=SeparationWarning,
        says=["with tenure == 1 are all treated", "separation", "penalty=1.0"],
    )
case(
    "a value that only the treated have, of an outcome model",
    "aipw",
    QUASI,
    doors=ARRAYS,
    raises=OverlapError,
    says=["column(s) 1 of the outcome model", "control rows", "rows 0, 14, 28", "drop these rows"],
)
case(
    "influence of no rows",
    "influence",
    {"done": lambda v: v[:0]},
    doors=ARRAYS,
    raises=InvalidInputError,
    says=["influence"],
)
case(
    "influence whose squares overflow",
    "influence",
    {"done": lambda v: 1e200 * v},
    doors=ARRAYS,
    raises=InvalidInputError,
    says=["influence", "units"],
)
for column, call in {"done": "ipw", "w": "fit"}.items():
    argument = {"sample_weight": lambda c: c["w"]} if column == "w" else {}
    for factor in (1e200, 1e-200):
        case(
            f"{column} times {factor:g}, {call}",
            call,
            {column: lambda v, factor=factor: factor * v},
            options=argument,
            raises=InvalidInputError,
            says=["scale" if column == "w" else "units"],
            array_says=["units"],
        )
case(
    "a column too narrow for its squares, balance",
    "smd",
    {"tenure": lambda v: 1e-200 * v},
    raises=InvalidInputError,
    says=["tenure", "units"],
    array_says=["column 1", "units"],
)


def _scores_of(**replaced: Any) -> Callable[[Columns], Any]:
    """The scores of covariates in ordinary units."""

    def value(_: Columns) -> Any:
        c = {**columns(), **{name: make(columns()) for name, make in replaced.items()}}
        return core.fit_propensity(_plain_matrix(c), c["opted"]).scores

    return value


SCALES: dict[str, Mapping[str, Callable[[Any], Any]]] = {
    "1e9 beside 1e-6": {"visits": lambda v: 1e9 * v, "tenure": lambda v: 1e-6 * v},
    "1e140 beside 1e-140": {"visits": lambda v: 1e140 * v, "tenure": lambda v: 1e-140 * v},
    "a shift of 1e9": {"visits": lambda v: v + 1e9, "tenure": lambda v: v - 1e9},
    "near 1e9 beside near 1e-6": {"visits": lambda v: 1e9 + v, "tenure": lambda v: 1e-6 * (1 + v / 1024)},
}
for what, changes in SCALES.items():
    for call in ("fit", "predict", "smd", "aipw", "ipwra", "regression", "bootstrap"):
        case(f"{what}, {call}", call, changes, same=True, rtol=1e-8)
for call in ("ipw", "aipw", "matched effect", "bootstrap"):
    case(
        f"an outcome shifted by 2^30, {call}",
        call,
        {"done": lambda v: v + 2.0**30},
        same=True,
        rtol=1e-5,  # of an effect near 1: 1e-14 of the outcome
    )
invalid(
    "values whose squares overflow",
    "fit",
    {"tenure": lambda v: 1e200 * v},
    says=["tenure", "units"],
    array_says=["column 1", "units"],
)
for call in ("fit", "aipw"):
    invalid(
        f"fewer rows than terms, {call}",
        call,
        {name: lambda v: v[:10] for name in ("done", "visits", "tenure", "tier", "e", "w", "team")}
        | {"opted": lambda v: np.arange(10) % 2}
        | {f"x{k}": lambda v, k=k: np.random.default_rng(k).normal(size=10) for k in range(12)}
        | {"x": lambda c: np.random.default_rng(0).normal(size=(10, 12))},
        options={"covariates": [f"x{k}" for k in range(12)]},
        array_options={},
        says=["10 rows", "13 terms"],
    )

# 8. Scores, weights, overlap.

for value, error in {
    0.0: OverlapError,
    1.0: OverlapError,
    -0.1: InvalidInputError,
    1.5: InvalidInputError,
}.items():
    for call in ("weights", "ipw", "match", "matched effect"):
        where = "at 0 or 1 exactly" if error is OverlapError else "below 0 or above 1"
        case(
            f"a score of {value}, {call}",
            call,
            {"e": lambda v, value=value: put(9, value)(put(4, value)(v))},
            raises=error,
            says=["column 'e'", "2 ", "(rows 4, 9)", where],
            array_says=["scores", "2 values", "(rows 4, 9)"],
        )
invalid(
    "percentages for scores",
    "ipw",
    {"e": lambda v: 100 * v},
    says=[f"{N} values", "a probability"],
    array_says=["scores", f"{N} values outside (0, 1)"],
)
for argument, call in {"sample_weight": "fit", "weights": "smd"}.items():
    for what, make, says in (
        ("negative", put(4, -1.0), ["1 negative value (row 4)"]),
        (
            "all zero among the treated",
            lambda v: v * (columns()["opted"] == 0),
            ["every treated row has weight 0"],
        ),
        (
            "all zero among the controls",
            lambda v: v * (columns()["opted"] == 1),
            ["every control row has weight 0"],
        ),
    ):
        invalid(
            f"{argument} {what}",
            call,
            {"w": make},
            options={argument: "w"},
            array_options={argument: lambda c: c["w"]},
            says=["column 'w'", *says],
            array_says=["weight", "1 value" if what == "negative" else "weigh nothing"],
        )
    case(
        f"{argument} with a single zero is the row left out",
        call,
        {"w": lambda v: put(4, 0.0)(np.ones(N))},
        options={argument: "w"},
        array_options={argument: lambda c: c["w"]},
        value={
            "fit": lambda _: _left_out(4),
            "smd": lambda c: core.smd(
                _plain_matrix(columns()), columns()["opted"], weights=put(4, 0.0)(np.ones(N))
            ),
        }[call],
        rtol=1e-9,
    )


def _left_out(row: int) -> Any:
    """The scores of all rows by a model that has not seen one of them."""
    c, kept = columns(), np.arange(N) != row
    fit = core.fit_propensity(_plain_matrix(c)[kept], c["opted"][kept])
    return fit.predict(_plain_matrix(c))


EXTREME = {"e": put(int(np.flatnonzero(columns()["opted"])[0]), 1e-4)}
for call, options in {"ipw": {}, "weights": {}}.items():
    case(
        f"one row with nearly all the weight, {call}",
        call,
        EXTREME,
        options=options,
        doors=FRAMES,
        warns=OverlapWarning,
        says=["treated rows are worth", "of the weight", "trim", "ATO"],
    )
case(
    "many rows worth less than a tenth of their arm",
    "weights",
    {
        **{
            name: lambda v: np.tile(v, 100)
            for name in ("visits", "tenure", "tier", "done", "w", "team", "opted")
        },
        "e": lambda v: np.where(
            np.random.default_rng(0).random(100 * N)
            < np.where(np.tile(columns()["opted"], 100) == 1, 0.02, 0.3),
            1e-4,
            0.58,
        ),
    },
    doors=FRAMES,
    warns=OverlapWarning,
    says=["rows are worth", "ESS", "trim", "ATO"],
)

# 9. Arguments.

OPTIONS: list[tuple[str, str, Any, Sequence[str]]] = [
    # what, call, value, words
    ("estimand", "ipw", "ATX", ["'ATE', 'ATT', 'ATC', 'ATO', 'ATM'", "'ATX'"]),
    ("estimand", "ipw", "treated", ["'ATT'", "'treated'"]),
    ("estimand", "ipw", None, ["'ATE'", "None"]),
    ("estimand", "weights", 3, ["'ATE'", "3"]),
    ("estimand", "aipw", "ATO", ["'ATE', 'ATT', 'ATC'", "'ATO'"]),
    ("estimand", "regression", "", ["'ATE'", "''"]),
    ("estimand", "match", "ATO", ["'ATT', 'ATC', 'ATE'", "'ATO'"]),
    ("n_neighbors", "match", 0, ["at least 1", "0"]),
    ("n_neighbors", "match", -1, ["at least 1", "-1"]),
    ("n_neighbors", "match", True, ["at least 1", "True"]),
    ("n_neighbors", "match", 1.5, ["at least 1", "1.5"]),
    ("n_neighbors", "match", 10**30, ["with 60 control rows"]),
    ("n_neighbors", "match", N, ["120 with 60 control rows"]),
    ("n_neighbors", "matched effect", N, ["control"]),
    ("score_model", "fit", "logit", ["'logistic', 'probit', 'cloglog'", "'logit'"]),
    ("score_model", "aipw", "linear", ["'logistic', 'probit', 'cloglog'", "'linear'"]),
    ("variance_neighbors", "matched effect", 0, ["at least 1", "0"]),
    ("variance_neighbors", "matched effect", 1.5, ["at least 1", "1.5"]),
    ("variance_neighbors", "matched effect", N, ["smaller arm", "120"]),
    ("caliper", "match", 0, ["greater than 0", "0"]),
    ("caliper", "match", -0.5, ["greater than 0", "-0.5"]),
    ("caliper", "match", np.nan, ["greater than 0", "nan"]),
    ("caliper", "match", np.inf, ["greater than 0", "inf"]),
    ("caliper", "match", True, ["greater than 0", "True"]),
    ("on", "match", "probit", ["'score', 'logit'", "'probit'"]),
    ("penalty", "fit", -1.0, ["at least 0", "-1.0"]),
    ("penalty", "fit", np.nan, ["at least 0", "nan"]),
    ("penalty", "fit", np.inf, ["at least 0", "inf"]),
    ("penalty", "fit", True, ["at least 0", "True"]),
    ("penalty", "aipw", -1.0, ["at least 0", "-1.0"]),
    ("n_threads", "fit", 0, ["at least 1", "0"]),
    ("n_threads", "fit", True, ["at least 1", "True"]),
    ("n_threads", "fit", 2.0, ["at least 1", "2.0"]),
    ("n_threads", "fit", 10**6, ["1024", "1000000"]),
    ("n_threads", "bootstrap", -3, ["at least 1", "-3"]),
    ("denominator", "smd", "sd", ["'pooled', 'treated', 'control', 'all'", "'sd'"]),
    ("n_reps", "bootstrap", 0, ["at least 2", "0"]),
    ("n_reps", "bootstrap", 1, ["at least 2", "1"]),
    ("n_reps", "bootstrap", True, ["at least 2", "True"]),
    ("n_reps", "bootstrap", 100.0, ["at least 2", "100.0"]),
    ("n_reps", "bootstrap", -(10**30), ["at least 2", "-1000000000"]),
    ("seed", "bootstrap", -1, ["at least 0", "-1"]),
    ("seed", "bootstrap", True, ["True"]),
    ("seed", "bootstrap", 1.0, ["1.0"]),
    ("seed", "bootstrap", "7", ["'7'"]),
    ("seed", "bootstrap", 2**70, [str(2**70)]),
    ("resampling", "bootstrap", "jackknife", ["'multinomial', 'poisson', 'bayesian'", "'jackknife'"]),
    ("outcome_model", "regression", "probit", ["'linear', 'logistic', 'poisson', 'gamma'", "'probit'"]),
]


def _in_rust(argument: str, value: Any, shown: str) -> list[str]:
    """How the core writes what was given."""
    if isinstance(value, str):
        return [shown if argument == "seed" else shown.replace("'", '"')]
    return [] if argument == "estimand" else [shown.replace("nan", "NaN")]


for argument, call, value, says in OPTIONS:
    invalid(
        f"{argument}={value!r} of {call}",
        call,
        options={argument: value},
        says=[argument, *says],
        array_says=[argument, *_in_rust(argument, value, says[-1])],
        # A word that is no text is refused before the core sees it.
        array_raises=TypeError if argument == "estimand" and not isinstance(value, str) else None,
    )
for argument, call, value, says in [
    ("contrast", "ipw", "gap", ["'difference', 'ratio', 'percent', 'odds_ratio'", "'gap'"]),
    ("level", "estimate", 0, ["between 0 and 1", "0"]),
    ("level", "estimate", 1.0, ["between 0 and 1", "1.0"]),
    ("level", "estimate", 95, ["between 0 and 1", "95"]),
    ("level", "estimate", True, ["between 0 and 1", "True"]),
    ("level", "estimate", np.nan, ["between 0 and 1", "nan"]),
    ("level", "estimate", "0.95", ["between 0 and 1", "'0.95'"]),
    ("seed", "bootstrap", np.random.RandomState(0), ["Generator"]),
    ("seed", "aipw", "7", ["seed", "'7'"]),
    ("seed", "aipw", -1, ["seed", "-1"]),
    ("n_folds", "aipw", 1, ["at least 2", "1"]),
    ("n_folds", "aipw", N, ["folds"]),
    ("estimators", "bootstrap", [], ["at least one"]),
    ("estimators", "bootstrap", ["IPW"], ["'IPW' is a word of tables", "estimators=[ps.IPW()]"]),
    ("estimators", "bootstrap", "IPW ATT", ["'IPW ATT'", 'estimators=[ps.IPW("ATT")]']),
    ("estimators", "bootstrap", ["psm"], ["a specification such as IPW()", "'psm'"]),
    ("estimators", "bootstrap", "psm", ["a list", "'psm'"]),
    ("estimators", "bootstrap", ps.IPW(), ["a list", "IPW("]),
    ("estimators", "estimate", None, ["a list", "None"]),
    ("estimators", "bootstrap", [ps.IPW(), ps.IPW()], ["'IPW ATE'", "twice"]),
]:
    extra = {"n_folds": 2} if (argument, call) == ("seed", "aipw") else {}
    is_list = argument != "estimators" or isinstance(value, list)
    error = InvalidInputError if is_list else TypeError
    shown = re.sub(" at 0x.*", "", repr(value))  # a test has the same name in every run
    case(
        f"{argument}={shown} of {call}",
        call,
        options={argument: value, **extra},
        doors=FRAMES,
        raises=error,
        says=[argument, *says],
    )
for argument, call, value in [
    ("penalty", "fit", "1"),
    ("caliper", "match", "0.2"),
    ("penalty", "fit", None),
]:
    case(
        f"{argument}={value!r} of {call}, no number",
        call,
        options={argument: value},
        raises=InvalidInputError,
        says=[argument, repr(value)],
    )
for call in ("fit", "predict", "weights", "ipw", "aipw", "ipwra", "regression", "match", "smd", "bootstrap"):
    case(
        f"unknown keyword of {call}",
        call,
        options={"calliper": 1},
        raises=TypeError,
        says=["calliper"],
    )
case(
    "generator for a seed",
    "bootstrap",
    options={"seed": lambda c: np.random.default_rng(3)},
    doors=FRAMES,
    value=lambda c: _replicates(int(np.random.default_rng(3).integers(2**63))),
)
case(
    "generator for a seed of folds",
    "aipw",
    options={"seed": lambda c: np.random.default_rng(3), "n_folds": 3},
    doors=FRAMES,
    value=lambda c: _cross_fitted(int(np.random.default_rng(3).integers(2**63))),
)


def _replicates(seed: int) -> Any:
    c = columns()
    specs = [ps.IPW("ATE"), ps.IPW("ATT")]
    found = core.bootstrap(_plain_matrix(c), c["opted"], c["done"], estimators=specs, n_reps=4, seed=seed)
    return found.replicates.ravel()


def _cross_fitted(seed: int) -> Any:
    df = pd.DataFrame(columns())
    effect = ps.aipw(df, outcome="done", treatment="opted", covariates=COVARIATES, seed=seed, n_folds=3)
    return np.array([effect.estimate, effect.std_error, effect.ess_treated])


case(
    "a caliper that nobody is within",
    "match",
    {"e": lambda v: np.where(columns()["opted"] > 0, 0.9, 0.1) + 1e-3 * np.arange(N) / N},
    options={"caliper": 1e-9},
    raises=NoMatchesError,
    says=["caliper", "widen"],
)

# 10. Rows that a model has not seen.


def _new(**changes: Any) -> Callable[[Columns], Any]:
    def make(c: Columns) -> Any:
        frame = pd.DataFrame({name: c[name] for name in ("visits", "tenure", "tier")})
        return frame.assign(**changes)

    return make


BOTH = ["visits", "tier"]
invalid(
    "predict without a column",
    "predict",
    options={"new": lambda c: pd.DataFrame({"visits": c["visits"]})},
    doors=FRAMES,
    says=["column 'tenure' is not in the frame"],
)
invalid(
    "predict without two columns",
    "predict",
    options={"new": lambda c: pd.DataFrame({"x": c["visits"]})},
    doors=FRAMES,
    says=["'visits'", "'tenure'"],
)
invalid(
    "predict at a new level",
    "predict",
    options={"covariates": BOTH, "new": _new(tier="giant")},
    doors=FRAMES,
    says=["column 'tier'", f"{N} values", "'giant'", "'heavy', 'light', 'medium'"],
)
case(
    "predict on numbers that were text",
    "predict",
    options={"covariates": BOTH, "new": _new(tier=1.0)},
    doors=FRAMES,
    raises=TypeError,
    says=["column 'tier'", "text when the model was fitted"],
)
case(
    "predict on text that was numbers",
    "predict",
    options={"covariates": BOTH, "new": _new(visits="many")},
    doors=FRAMES,
    raises=TypeError,
    says=["column 'visits'", "numeric when the model was fitted"],
)
case(
    "predict on dates",
    "predict",
    options={"covariates": BOTH, "new": _new(visits=pd.Timestamp(0))},
    doors=FRAMES,
    raises=TypeError,
    says=["column 'visits'", "datetime64"],
)
invalid(
    "predict on missing values",
    "predict",
    options={"covariates": BOTH, "new": _new(visits=np.nan)},
    doors=FRAMES,
    says=["column 'visits'", f"{N} missing values"],
)
invalid(
    "predict on missing text",
    "predict",
    options={"covariates": BOTH, "new": _new(tier=None)},
    doors=FRAMES,
    says=["column 'tier'", f"{N} missing values"],
)
case(
    "predict on a dictionary",
    "predict",
    options={"new": {"visits": [1.0]}},
    doors=FRAMES,
    raises=TypeError,
    says=["a data frame is needed", "dict"],
)
case(
    "predict on other real types",
    "predict",
    options={"new": lambda c: pd.DataFrame({"tenure": c["tenure"].astype("int8"), "visits": c["visits"]})},
    array_options={"new": lambda c: _plain_matrix(c).astype("float32")},
    same=True,
)
invalid(
    "predict on another width",
    "predict",
    array_options={"new": np.zeros((3, 5))},
    doors=ARRAYS,
    says=["x", "5 columns"],
)
case(
    "predict on no rows",
    "predict",
    options={"new": lambda c: pd.DataFrame({"visits": c["visits"][:0], "tenure": c["tenure"][:0]})},
    array_options={"new": np.zeros((0, 2))},
    value=lambda c: np.zeros(0),
)
invalid(
    "predict on missing values of an array",
    "predict",
    array_options={"new": np.array([[1.0, np.nan], [2.0, 3.0]])},
    doors=ARRAYS,
    says=["x, column 1", "1 missing or infinite value (row 0)"],
)

# 11. Few rows, few columns.


def _first(n: int) -> Mapping[str, Any]:
    return {name: lambda v, n=n: v[:n] for name in columns()}


for call in ("fit", "ipw", "match", "smd", "aipw", "bootstrap", "regression", "matched effect"):
    for n in (0, 1):
        invalid(
            f"{n} rows, {call}",
            call,
            _first(n),
            says=["column 'opted'", "treated", "control", "at least 2"],
            array_says=["treatment", f"{n * int(columns()['opted'][0])} treated", "control", "at least"],
        )
NONE: dict[str, tuple[Mapping[str, Any], Callable[[Columns], Any]]] = {
    "fit": ({}, lambda c: np.full(N, columns()["opted"].mean())),
    "predict": ({}, lambda c: np.full(N, columns()["opted"].mean())),
    "regression": ({}, lambda c: _raw_gap()),
    "aipw": ({}, lambda c: _raw_gap()),
    "ipwra": ({}, lambda c: _raw_gap()),
    "bootstrap": ({"estimators": [ps.IPW()]}, lambda c: _raw_gaps()),
}
for call, (options, value) in NONE.items():
    case(
        f"no columns, {call}",
        call,
        {"x": lambda c: np.zeros((N, 0))},
        array_options=options,
        doors=ARRAYS,
        value=value,
    )
    case(
        f"a formula of the intercept alone, {call}",
        call,
        options={"covariates": "1", **options},
        doors=FRAMES,
        warns=DegenerateWarning,
        says=["nothing is adjusted for", "the arms are compared as they are"],
        value=value,
    )
for call in (*NONE, "estimate"):
    for what, none in {"list": [], "tuple": (), "formula": "", "formula of spaces": " "}.items():
        invalid(
            f"an empty {what} of covariates, {call}",
            call,
            options={"covariates": none},
            doors=FRAMES,
            says=[
                "covariates: no column is named; at least one is needed; covariates='1' is a model of none"
            ],
        )
for call in ("aipw", "ipwra", "regression", "estimate", "bootstrap"):
    invalid(
        f"an empty list of outcome covariates, {call}",
        call,
        options={"outcome_covariates": []},
        doors=FRAMES,
        says=["outcome_covariates: no column is named", "outcome_covariates='1' is a model of none"],
    )
case(
    "outcome models of none beside a score",
    "aipw",
    options={"outcome_covariates": "1"},
    doors=FRAMES,
)
case(
    "no outcome covariate of a regression",
    "regression",
    options={"outcome_covariates": "1"},
    doors=FRAMES,
    warns=DegenerateWarning,
    says=["nothing is adjusted for"],
    value=lambda c: _raw_gap(),
)


def _raw_gap() -> Any:
    c = columns()
    return np.array([c["done"][c["opted"] == 1].mean() - c["done"][c["opted"] == 0].mean()])


def _raw_gaps() -> Any:
    """Replicates by a covariate that says nothing."""
    c = columns()
    x = np.zeros((N, 1))
    return core.bootstrap(
        x, c["opted"], c["done"], estimators=[ps.IPW()], n_reps=4, seed=1
    ).replicates.ravel()


invalid(
    "no covariates, balance",
    "smd",
    {"x": lambda c: np.zeros((N, 0))},
    options={"covariates": []},
    doors=FRAMES,
    says=["covariates: no column is named"],
)

# 12. Bootstraps of which replicates fail.

RARE = {
    "tenure": lambda v: (np.arange(N) < 3).astype(float),
    "opted": lambda v: np.where(np.arange(N) < 3, np.arange(N) % 2, v),
}
case(
    "replicates that fail",
    "bootstrap",
    {"opted": lambda v: (np.arange(N) < 2).astype(float)},
    options={"n_reps": 200, "estimators": [ps.NearestNeighbors()]},
    doors=FRAMES,
    warns=OverlapWarning,
    says=["of 200 replicates", "could not be estimated"],
    finite=False,
)

# 13. Balance, overlap, trimming, and matching in groups and pairs: the same layer, by the same rules.

BY_SCORES = ("overlap", "trim", "full", "subclasses")
for call in ("balance", *BY_SCORES, "coarsened"):
    doors = ALL if call in ("balance", "full") else FRAMES
    case(f"plain columns, {call}", call, doors=doors, same=True)
    invalid(
        f"missing treatment, {call}",
        call,
        {"opted": put(3, np.nan)},
        doors=FRAMES,
        says=["column 'opted'", "1 missing value (row 3)"],
    )
    invalid(
        f"treatment in 1 and 2, {call}",
        call,
        {"opted": lambda v: v + 1},
        doors=FRAMES,
        says=["column 'opted'", "levels are 1.0, 2.0", "== 2.0"],
    )
    invalid(
        f"nobody treated, {call}",
        call,
        {"opted": lambda v: v * 0},
        doors=FRAMES,
        says=["0 treated and 120 control", "at least 2 of each"],
    )
for call in BY_SCORES:
    invalid(
        f"missing score, {call}",
        call,
        {"e": put(4, np.nan)},
        doors=FRAMES,
        says=["column 'e'", "1 missing value (row 4)", "drop or impute"],
    )
    case(
        f"score of 1, {call}",
        call,
        {"e": put(4, 1.0)},
        doors=FRAMES,
        **({} if call == "trim" else {"says": ["column 'e'", "1 score (row 4)", "0 at 0, 1 at 1"]}),
        **{"overlap": {"warns": OverlapWarning}, "trim": {}}.get(call, {"raises": OverlapError}),
    )
    invalid(
        f"no probabilities, {call}",
        call,
        options={"scores": "done"},
        doors=FRAMES,
        says=["column 'done'", "below 0 or above 1"],
    )
for call in ("balance", "coarsened"):
    invalid(
        f"missing covariate, {call}",
        call,
        {"tenure": put(4, np.nan)},
        doors=FRAMES,
        says=["column 'tenure'", "1 missing value (row 4)"],
    )
    invalid(
        f"treatment among the covariates, {call}",
        call,
        options={"covariates": ["opted"]},
        doors=FRAMES,
        says=["column 'opted' is the treatment"],
    )
case(
    "score without a value where it is not asked for",
    "coarsened",
    {"e": put(4, np.nan)},
    doors=FRAMES,
    same=True,
)

REFUSED = {
    "balance": [
        ({"weights": {"a": "nope"}}, ["column 'nope' is not in the frame"]),
        ({"weights": {"unadjusted": "w"}}, ["'unadjusted' is the sample as it is"]),
        ({"denominator": "sd"}, ["denominator must be one of", "not 'sd'"]),
        ({"covariates": []}, ["covariates: no column is named"]),
    ],
    "overlap": [({"by": "tiers"}, ["column 'tiers' is not in the frame; did you mean 'tier'?"])],
    "trim": [
        ({"bounds": (0.7, 0.3)}, ["bounds[1]", "greater than 0.7, not 0.3"]),
        ({"bounds": (0.5,)}, ["bounds must be two numbers"]),
        ({"bounds": (True, False)}, ["bounds[0]", "not True"]),
        ({"bounds": "crumps"}, ["bounds must be one of 'crump'", "not 'crumps'"]),
        ({"bounds": np.empty(0), "quantiles": (0.1, 0.9)}, ["quantiles: ", "bounds='quantiles' alone"]),
        ({"bounds": "quantiles", "quantiles": (0.9, 0.1)}, ["quantiles[1]", "not 0.1"]),
    ],
    "full": [
        ({"caliper": 0}, ["caliper must be a finite number greater than 0, not 0"]),
        ({"caliper": {"nope": 1}}, ["column 'nope' is not in the frame"]),
        ({"on": "distance"}, ["on must be one of 'score'", "not 'distance'"]),
        ({"on": "mahalanobis"}, ["covariates: on='mahalanobis'", "name them"]),
        ({"exact": ["tiers"]}, ["did you mean 'tier'?"]),
        ({"discard": "hull"}, ["discard must be one of", "not 'hull'"]),
        ({"ids": "team"}, ["column 'team'", "repeated values", "one for each row"]),
        ({"seed": -1}, ["seed", "not -1"]),
        ({"estimand": "ATO"}, ["estimand must be one of 'ATT', 'ATC', 'ATE', not 'ATO'"]),
    ],
    "coarsened": [
        ({"cutpoints": {"visits": 0}}, ["cutpoints of 'visits'", "at least 1, not 0"]),
        ({"cutpoints": {"nope": 3}}, ["'nope' is none of the covariates"]),
        ({"cutpoints": {"visits": [3, 1]}}, ["cutpoints of 'visits'", "ascending"]),
        ({"cutpoints": {"visits": [np.nan]}}, ["cutpoints of 'visits'", "finite"]),
        ({"cutpoints": "sturge"}, ["must be one of 'sturges'", "not 'sturge'"]),
        ({"cutpoints": {"visits": ["a"]}}, ["cutpoints of 'visits'", "finite numbers"]),
        ({"cutpoints": {"visits": b"x"}}, ["cutpoints of 'visits'", "finite numbers"]),
        ({"cutpoints": {"visits": np.ones((2, 2))}}, ["cutpoints of 'visits'", "finite numbers"]),
        ({"cutpoints": {"visits": [True]}}, ["cutpoints of 'visits'", "finite numbers"]),
        ({"grouping": np.ones(2)}, ["grouping: a dict by column is needed"]),
        ({"grouping": {"tier": ["light"]}}, ["grouping of 'tier': a dict from levels to groups"]),
        ({"covariates": ["visits", "visits"]}, ["'visits' is listed 2 times"]),
    ],
    "subclasses": [
        ({"n_subclasses": 0}, ["n_subclasses must be a whole number of at least 1, not 0"]),
        ({"n_subclasses": True}, ["n_subclasses", "not True"]),
        ({"n_subclasses": 2.5}, ["n_subclasses", "not 2.5"]),
        ({"min_per_arm": 1_000}, ["min_per_arm: ", "at least 1,000 of each"]),
        ({"sample_weight": "nope"}, ["column 'nope' is not in the frame"]),
    ],
    "match": [
        ({"replace": 1}, ["replace must be True or False, not 1"]),
        ({"replace": False, "order": "first"}, ["order must be one of 'largest'", "not 'first'"]),
        ({"replace": False, "max_reuse": 2}, ["max_reuse", "replace=False", "leave one of the two out"]),
        ({"max_reuse": 0}, ["max_reuse must be a whole number of at least 1, not 0"]),
        ({"replace": False, "n_neighbors": 1_000}, ["n_neighbors", "1000 with ", "rows to choose from"]),
        ({"replace": False, "estimand": "ATE"}, ["estimand: there is no ATE without replacement"]),
        ({"method": "optimal"}, ["replace", "take replace=False"]),
        ({"on": "mahalanobis"}, ["covariates: on='mahalanobis'", "name them"]),
        ({"covariates": ["visits"]}, ["covariates: on='score' looks at the scores alone"]),
        ({"caliper": {"visits": -1}}, ["caliper['visits']", "not -1"]),
        ({"caliper_unit": "meters"}, ["caliper_unit must be one of 'sd', 'raw'"]),
        ({"caliper_sd": "treated"}, ["caliper_sd must be one of 'all', 'pooled'"]),
        ({"exact": ["visit"]}, ["did you mean 'visits'?"]),
        ({"ties": "first"}, ["ties must be one of 'average', not 'first'"]),
        ({"seed": True}, ["seed", "not True"]),
    ],
}
for call, rows in REFUSED.items():
    for options, says in rows:
        invalid(f"{call} with {options}", call, options=options, doors=FRAMES, says=says)

# 11. Labels of every type, and what is no number by itself.

LABELS: dict[str, tuple[Callable[[Any], Any], Sequence[str]]] = {
    "dates": (lambda v: v.astype("datetime64[D]"), FRAMES),
    "instants": (lambda v: v.astype("datetime64[ms]"), FRAMES),
    "durations": (lambda v: v.astype("timedelta64[ms]"), FRAMES),
    "whole numbers of 64 bits": (lambda v: (2**60 + v).astype("uint64"), FRAMES),
    "decimals": (lambda v: pl.Series(2**60 + v).cast(pl.Decimal(38, 0)), ("polars",)),
    "whole numbers of 128 bits": (
        lambda v: pl.Series([2**66 * int(k) for k in v], dtype=pl.Int128),
        ("polars",),
    ),
    "objects of whole numbers": (lambda v: (2**60 + v).astype(object), ("pandas",)),
    "text": (lambda v: np.array([f"team {k:02}" for k in v]), FRAMES),
}
for kind, (make, doors) in LABELS.items():
    for call, argument in (("ipw", "cluster"), ("bootstrap", "cluster"), ("bootstrap", "strata")):
        case(
            f"{argument} of {call} of {kind}",
            call,
            {"team": lambda v, make=make: make(v % 12)},
            options={argument: "team"} | ({"estimators": [ps.IPW()]} if call == "bootstrap" else {}),
            doors=doors,
            warns=SmallSampleWarning if call == "ipw" else None,
            says=["12 clusters"] if call == "ipw" else [],
            value=lambda c, call=call, argument=argument: _by_small_numbers(call, argument),
        )
for call, options in {
    "match": {"exact": ["team"]},
    "full": {"exact": ["team"]},
    "overlap": {"by": "team"},
    "coarsened": {"covariates": ["team"]},
    "ipw": {"cluster": "team"},
    "bootstrap": {"strata": "team", "estimators": [ps.IPW()]},
}.items():
    invalid(
        f"missing dates as labels of {call}",
        call,
        {"team": lambda v: put(4, np.datetime64("NaT"))(v.astype("datetime64[ms]"))},
        options=options,
        doors=FRAMES,
        says=["column 'team': 1 missing value (row 4)"],
    )
for call, options in {
    "fit": {"covariates": ["visits", "tenure"]},
    "aipw": {"covariates": ["visits", "tenure"]},
    "smd": {"covariates": ["tenure"]},
    "balance": {"covariates": ["tenure"]},
    "bootstrap": {"covariates": ["visits", "tenure"]},
    "estimate": {"covariates": ["visits", "tenure"]},
}.items():
    case(
        f"dates as a covariate of {call}",
        call,
        {"tenure": lambda v: v.astype("int64").astype("datetime64[D]").astype("datetime64[ms]")},
        options=options,
        doors=FRAMES,
        raises=TypeError,
        says=["column 'tenure'", "for days since the first:", ".dt."],
    )
    for formula, word in {
        "visits + tenure**2": "I(tenure**2)",
        "visits - tenure": "I(visits - tenure)",
        "visits / tenure": "I(visits / tenure)",
        "visits*visits": "I(visits**2)",
        "I(visits^2)": "exclusive or",
        "factor(tenure) + visits": "C(x)",
        "sqrt(tenure + 9)": "np.sqrt(x)",
    }.items():
        invalid(
            f"{formula} in {call}",
            call,
            options={"covariates": formula},
            doors=FRAMES,
            says=["covariates: ", word],
        )
for call in ("ipw", "aipw", "bootstrap", "regression"):
    case(
        f"outcome of text numbers of {call}",
        call,
        {"done": lambda v: np.array([f"{k:.1f}" for k in v])},
        doors=FRAMES,
        raises=TypeError,
        says=["column 'done': an outcome must be numeric or bool, not text; these are numbers, "],
    )
    case(
        f"outcome of categories of numbers of {call}",
        call,
        {"done": pd.Categorical},
        doors=("pandas",),
        same=True,
    )


def _by_small_numbers(call: str, argument: str) -> Any:
    from bad_input_doors import FRAME_CALLS

    c = columns()
    df = pd.DataFrame(c | {"team": c["team"] % 12})
    options = {"estimators": [ps.IPW()]} if call == "bootstrap" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return FRAME_CALLS[call](df, **{argument: "team"}, **options)


NAMES = [case.name for case in CASES]

# Scores of any model: what a flexible one takes, and what it does not.

case("missing covariate of a boosted score", "boosted", {"tenure": put(4, np.nan)}, doors=FRAMES)
for value in (np.inf, -np.inf):
    invalid(
        f"{value} in a covariate of a boosted score",
        "boosted",
        {"tenure": put(4, value)},
        doors=FRAMES,
        says=["column 'tenure'", "1 infinite value (row 4)", "drop or impute"],
    )
invalid(
    "missing treatment of a boosted score",
    "boosted",
    {"opted": put(4, np.nan)},
    doors=FRAMES,
    says=["column 'opted'", "1 missing value (row 4)", "drop"],
)
invalid(
    "missing covariate of a cross-fitted logistic score",
    "boosted",
    {"tenure": put(4, np.nan)},
    options={"score_model": "logistic", "n_folds": 3},
    doors=FRAMES,
    says=["column 'tenure'", "1 missing value (row 4)", "drop or impute"],
)
invalid(
    "more folds than rows of an arm",
    "boosted",
    options={"n_folds": 100},
    doors=FRAMES,
    says=["n_folds: 100 folds of", "treated rows; take at most"],
)
invalid(
    "score above 1 of a doubly robust effect",
    "aipw of scores",
    {"e": put(4, 1.5)},
    doors=FRAMES,
    says=["column 'e'", "1 value (row 4) below 0 or above 1"],
)
case(
    "score of 1 of a doubly robust effect",
    "aipw of scores",
    {"e": put(4, 1.0)},
    doors=FRAMES,
    raises=OverlapError,
    says=["column 'e'", "1 score (row 4) at 0 or 1 exactly"],
)
invalid(
    "scores that are an outcome",
    "aipw of scores",
    options={"scores": "done"},
    doors=FRAMES,
    says=["column 'done'", "it cannot be the scores too"],
)

# How much, and for whom: groups, what outcomes are divided by, bounds, quantiles, projections, rules.

for call in ("by", "per", "winsorized", "quantiles", "projection", "rank"):
    case(f"plain columns, {call}", call, doors=FRAMES)
for call, column in {"by": "tier", "per": "w", "projection": "w", "rank": "w", "quantiles": "visits"}.items():
    text = column == "tier"
    invalid(
        f"missing in what {call} asks for",
        call,
        {column: lambda v, text=text: put(4, None)(v.astype(object)) if text else put(4, np.nan)(v)},
        doors=FRAMES,
        says=[f"column '{column}'", "1 missing value (row 4)"],
    )
for column in ("per", "rank", "projection"):
    invalid(
        f"infinite in what {column} asks for",
        column,
        {"w": put(4, np.inf)},
        doors=FRAMES,
        says=["column 'w'", "1 infinite value (row 4)"],
    )
ASKED = {
    "by": [
        ({"by": "tiers"}, ["column 'tiers' is not in the frame; did you mean 'tier'?"]),
        ({"by": "opted"}, ["by: column 'opted' is the treatment"]),
        ({"by": "done"}, ["by: column 'done' is the outcome"]),
        ({"by": []}, ["by: no column is named"]),
        ({"by": ["tier", "tier"]}, ["by: column 'tier' is listed 2 times"]),
        ({"by": None, "within": True}, ["within: there are no groups to fit models in"]),
        ({"within": 1}, ["within must be True or False, not 1"]),
        ({"within": True}, ["within"]),
        ({"outcome": ["done", "visits"]}, ["by: effects by group are of one outcome, and 2 are named"]),
        ({"contrast": "lift"}, ["contrast must be one of", "not 'lift'"]),
    ],
    "per": [
        ({"per": "done"}, ["per: column 'done' is the outcome; divided by itself it is 1 for all"]),
        ({"per": "visits"}, ["column 'visits'", "negative"]),
        ({"per": "nope"}, ["column 'nope' is not in the frame"]),
        ({"winsorize": 0.9}, ["winsorize: a ratio has two columns"]),
    ],
    "winsorized": [
        ({"winsorize": 0.4}, ["winsorize: 0.4 is no quantile of the upper end"]),
        ({"winsorize": (0.9, 0.1)}, ["winsorize: (0.9, 0.1) is no quantile"]),
        ({"winsorize": (0.1, 0.5, 0.9)}, ["winsorize: one quantile or two are needed, not 3"]),
        ({"winsorize": "0.9"}, ["winsorize: '0.9' is no quantile"]),
        ({"winsorize": True}, ["winsorize: True is no quantile"]),
        ({"winsorize": np.nan}, ["winsorize: nan is no quantile"]),
    ],
    "quantiles": [
        ({"q": 1.0}, ["q", "1.0"]),
        ({"q": []}, ["q"]),
        ({"q": "0.5"}, ["q", "'0.5'"]),
        ({"q": [0.5, 0.5]}, ["q", "0.5"]),
        ({"n_reps": 1}, ["n_reps", "1"]),
        ({"contrast": "odds_ratio"}, ["contrast must be one of", "not 'odds_ratio'"]),
    ],
    "projection": [
        ({"projection": []}, ["projection: no column is named"]),
        ({"projection": ["opted"]}, ["projection: column 'opted' is the treatment"]),
        ({"projection": "done"}, ["projection: column 'done' is"]),
        ({"projection": "w +"}, ["projection: "]),
        ({"n_folds": 1}, ["n_folds", "1"]),
    ],
    "rank": [
        ({"priority": "done"}, ["priority: column 'done' is the outcome"]),
        ({"priority": np.ones(N)}, ["priority is the same for all rows"]),
        ({"priority": np.ones(3)}, ["priority", "3"]),
        ({"target": "auuc"}, ["target must be one of 'autoc', 'qini', not 'auuc'"]),
    ],
}
for call, rows in ASKED.items():
    for options, says in rows:
        invalid(f"{call} asked with {options}", call, options=options, doors=FRAMES, says=says)

for call in ("by", "per"):
    case(
        f"{call} that is no name",
        call,
        options={call: 3},
        doors=FRAMES,
        raises=TypeError,
        says=[f"{call}: a column is given by its name, as text, not by 3"],
    )

WARNED_ALONGSIDE = SmallSampleWarning

# What a newcomer gives for something else.

for words, call, argument, says in [
    ("boosting", "fit", "score_model", ["take score_model=ps.Boosting()"]),
    ("XGBoost", "aipw", "score_model", ["take score_model=ps.Boosting()"]),
    ("random_forest", "fit", "score_model", ["take score_model=ps.Forest()"]),
    ("svm", "fit", "score_model", ["ps.Boosting(), ps.Forest() and any scikit-learn classifier"]),
    ("gradient boosting", "aipw", "outcome_model", ["take outcome_model=ps.Boosting()"]),
    ("rf", "aipw", "outcome_model", ["RandomForestRegressor() of scikit-learn, or ps.Boosting()"]),
    ("ols", "aipw", "outcome_model", ["ps.Boosting() and any scikit-learn regressor"]),
    ("boosting", "ipwra", "outcome_model", ["other models are for ps.aipw"]),
    ("boosting", "regression", "outcome_model", ["other models are for ps.aipw"]),
]:
    invalid(
        f"{argument}={words!r} of {call}",
        call,
        options={argument: words},
        doors=FRAMES,
        says=[f"{argument} must be one of", f"not {words!r}", *says],
    )
for kind, call, argument in [
    (ps.Boosting, "fit", "score_model"),
    (ps.Forest, "aipw", "score_model"),
    (ps.Boosting, "aipw", "outcome_model"),
]:
    invalid(
        f"the class {kind.__name__} as {argument} of {call}",
        call,
        options={argument: lambda _, kind=kind: kind},  # a class by itself would be called
        doors=FRAMES,
        says=[f"{kind.__name__} is a class; call it: {argument}=ps.{kind.__name__}()"],
    )
case(
    "outcome divided by text",
    "per",
    options={"per": "tier"},
    doors=FRAMES,
    raises=TypeError,
    says=["column 'tier': what an outcome is divided by (per=) must be numeric"],
)
invalid(
    "outcome that is a ratio",
    "ipw",
    options={"outcome": "done/w"},
    doors=FRAMES,
    says=["a ratio of two columns is outcome='done', per='w'"],
)
for given in (True, "0.9", (0.1, None)):
    invalid(
        f"winsorize={given!r}",
        "winsorized",
        options={"winsorize": given},
        doors=FRAMES,
        says=[f"winsorize: {given!r} is no quantile of the upper end, as 0.99"],
    )
invalid(
    "groups by an amount",
    "by",
    {"tier": lambda _: np.arange(N) / 7},
    doors=FRAMES,
    says=["column 'tier' has 120 different numbers", "cut it into classes, df", "tier_class"],
)
for call in ("smd", "weighted"):
    invalid(
        f"scores as weights of {call}",
        call,
        options={"weights": lambda c: pd.Series(c["e"], name="propensity")},
        doors=("pandas",),
        says=["weights: these are propensity scores", "weights=ps.balancing_weights(df, "],
    )
