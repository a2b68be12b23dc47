"""The only module that knows narwhals and formulaic: a frame and its columns in, arrays and names out.

Whatever the library a frame comes from, its columns are first read as one of four kinds of pandas Series:
bool, int64, float64, or categorical. What follows (the checks, the formulas) then has one path.
"""

from __future__ import annotations

import ast
import builtins
import math
import re
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from propensity import _check, _lookup
from propensity._check import Bools, Floats, Rows
from propensity.errors import InvalidInputError

if TYPE_CHECKING:
    from formulaic import ModelSpec, SimpleFormula
    from formulaic.parser.types import Factor

AnyFrame: TypeAlias = Any
"""A pandas, polars or pyarrow frame, or another that narwhals reads in memory."""

AnySeries: TypeAlias = Any
"""A series of the library that the caller's frame comes from."""

Column: TypeAlias = "pd.Series[Any]"
Covariates: TypeAlias = Sequence[str] | str
"""A list of columns, or the right-hand side of a formula."""

INTERCEPT = "Intercept"
"""What formulaic calls the constant term."""

# A hundred million squares of it have a sum in the range of a float64; and so have those of its inverse.
_LARGEST = 1e150


# Frames


@dataclass(frozen=True, eq=False)
class Frame:
    """The columns of a caller's frame that an analysis needs, read and complete.

    Attributes
    ----------
    native : object
        The caller's frame.
    index : pandas.Index
        What rows are called: a pandas frame's own index, positions for other libraries.
    columns : dict of str to Series
        bool, int64, float64 or categorical; no missing and no infinite values.
    given : dict of str to (str, Series)
        What was given row by row beside the frame's columns, or named among them, by role: what a message
        calls it, and the values, read and complete too.
    """

    native: AnyFrame
    index: pd.Index[Any]
    columns: Mapping[str, Column]
    given: Mapping[str, tuple[str, Column]] = field(default_factory=dict)

    def treated(self, name: str) -> Bools:
        """Read the treatment as (n,) bool."""
        _check.column_name("treatment", name)
        recode = "df[{0}] = df[{0}] == {1}"
        if not isinstance(self.native, pd.DataFrame):
            recode = "df = df.with_columns(pl.col({0}) == {1})"
        return _check.treatment(self.columns[name], recode=recode)

    def outcome(self, name: str) -> Floats:
        """Read the outcome as (n,) float64."""
        return _check.outcome(self.columns[name])

    def rowwise(self, values: object, role: str) -> tuple[Floats, str]:
        """Read one number for each row from the name of a column, a series or an array.

        Returns
        -------
        values : ndarray (n,) of float64
            Finite.
        subject : str
            What to call the values in a message.
        """
        subject, column = self._complete(values, role)
        return _floats(column, subject), subject

    def groups(self, values: object, role: str) -> Rows:
        """Read the group of each row from the name of a column, a series or an array.

        Returns
        -------
        ndarray (n,) of int
            0 to G - 1: the rank of the row's label.
        """
        return _ranks(self._complete(values, role)[1])

    def _complete(self, values: object, role: str) -> tuple[str, Column]:
        if role in self.given:
            return self.given[role]
        subject, column = _given(values, self.native, self.index, role)
        _check.complete({subject: column}, subject="{}")
        return subject, column

    def is_category(self, name: str) -> bool:
        """Whether the caller's column is of a categorical type, and not text."""
        if isinstance(self.native, pd.DataFrame):
            dtype = self.native[name].dtype
            return isinstance(dtype, pd.CategoricalDtype) or str(dtype).startswith("dictionary")
        import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

        return nw.from_native(self.native, eager_only=True)[name].dtype in (nw.Categorical, nw.Enum)

    @property
    def numeric_text_remedy(self) -> str:
        """Lines of code that turn text into numbers, or into codes, with braces for the column's name."""
        if isinstance(self.native, pd.DataFrame):
            number, code = "pd.to_numeric(df[{0}])", "df[{0}].astype('category')"
        else:
            number, code = "pl.col({0}).cast(pl.Float64)", "pl.col({0}).cast(pl.Categorical)"
        return f"if they are numbers, take {number}; if they are codes, {code}"

    def measured(self, name: str) -> Floats:
        """Read a numeric or bool column as (n,) float64."""
        return _floats(self.columns[name], f"column '{name}'")

    def agreement(self, names: Sequence[str]) -> Rows:
        """Read which rows agree in all of these columns, as (n,) codes 0 to G - 1."""
        codes = np.zeros(len(self.index), dtype=np.int64)
        for name in names:
            own = _ranks(self.columns[name])
            codes = np.unique(codes * (own.max() + 1) + own, return_inverse=True)[1].astype(np.int64)
        return codes

    def identities(self, ids: object) -> Rows:
        """Read a whole number for each row that its draws belong to, whatever its place.

        Parameters
        ----------
        ids : None, str, Series or array (n,)
            Different for each row; None takes the labels of the index: positions where there are none.

        Returns
        -------
        ndarray (n,) of int
            Whole numbers as they are, other labels hashed.
        """
        if ids is None:
            return _hashed(self.index)
        role, column = self._complete(ids, "ids")
        text = isinstance(column.dtype, pd.CategoricalDtype)
        labels = column.cat.categories.take(column.cat.codes.to_numpy()) if text else pd.Index(column)
        values = _hashed(labels)
        _check.unlike(values, self.index, role)
        return values

    def series(self, values: Floats | Bools, name: str) -> AnySeries:
        """Give (n,) values back as a series of the caller's library, with the caller's index."""
        if isinstance(self.native, pd.DataFrame):
            return pd.Series(values, index=self.index, name=name, copy=False)
        import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

        backend = nw.from_native(self.native, eager_only=True).implementation
        return nw.new_series(name, values, backend=backend).to_native()

    def numbers(self, values: Rows, name: str, *, missing: int) -> AnySeries:
        """Give (n,) whole numbers back as a series of the caller's library, `missing` as a missing value."""
        if isinstance(self.native, pd.DataFrame):
            nullable = pd.arrays.IntegerArray(values, values == missing)
            return pd.Series(nullable, index=self.index, name=name, copy=False)
        import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

        backend = nw.from_native(self.native, eager_only=True).implementation
        content = [None if value == missing else value for value in values.tolist()]
        return nw.new_series(name, content, dtype=nw.Int64, backend=backend).to_native()


def kept_rows(
    data: AnyFrame, index: pd.Index[Any], kept: Bools, columns: Mapping[str, Floats | Rows]
) -> AnyFrame:
    """Give the kept rows of a frame, with further columns of (n,) values.

    Raises
    ------
    InvalidInputError
        The rows are not those of `index`, or the frame has a column of one of these names.
    """
    taken = [name for name in columns if name in _column_names(data)]
    if taken:
        raise InvalidInputError(f"column '{taken[0]}' is in the frame already; rename it first")
    remedy = "give the frame that was matched"
    if isinstance(data, pd.DataFrame):
        _check.same_index("df", data.index, index, remedy)
        return data[kept].assign(**{name: values[kept] for name, values in columns.items()})
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    frame = nw.from_native(data, eager_only=True)
    _check.same_index("df", pd.RangeIndex(len(frame)), index, remedy)
    added = [nw.new_series(name, values, backend=frame.implementation) for name, values in columns.items()]
    return frame.with_columns(*added).filter(kept.tolist()).to_native()


def open_frame(
    data: AnyFrame,
    *,
    treatment: str | None = None,
    outcome: str | Sequence[str] | None = None,
    covariates: Sequence[str] = (),
    also: Mapping[str, object] | None = None,
) -> Frame:
    """Read the columns with a role, and require every one to be known, of a usable type, and complete.

    Parameters
    ----------
    data : DataFrame
    treatment, outcome, covariates
        Names of columns.
    also : dict of str to object, optional
        By role ("scores", "cluster"), what is given row by row: the name of a column, a series or an array.
        Whatever is None is left out. Read here, they are told of together with the columns.

    Raises
    ------
    InvalidInputError
        A column is unknown, has two roles, or holds missing or infinite values (all such columns are named).
    TypeError
        `data` is not a frame, or a column is neither numeric, bool, text nor categorical.
    """
    outcomes = [] if outcome is None else outcome_names(outcome)
    _check.roles(treatment=treatment, outcomes=outcomes, covariates=covariates)
    names = [name for name in (treatment, *outcomes, *covariates) if name is not None]
    beside = {role: values for role, values in (also or {}).items() if values is not None}
    named = [values for values in beside.values() if isinstance(values, str)]
    _check.known([*names, *named], _column_names(data))
    columns = {name: _column(data, name) for name in names}
    index = data.index if isinstance(data, pd.DataFrame) else pd.RangeIndex(len(data))
    given = {role: _given(values, data, index, role) for role, values in beside.items()}
    by_subject = {f"column '{name}'": column for name, column in columns.items()}
    _check.complete(by_subject | dict(given.values()), subject="{}")
    return Frame(data, index, columns, given)


def read_covariates(data: AnyFrame, index: pd.Index[Any], role: str) -> Floats:
    """Read every column of a frame of covariates as (n, d) terms, for the rows of `index`.

    Raises
    ------
    InvalidInputError, TypeError
        As for `open_frame`; the rows are others.
    """
    names = [str(name) for name in _column_names(data)]
    terms = parse_covariates(names, data)
    frame = open_frame(data, covariates=names)
    _check.same_index(role, frame.index, index, "give columns of the frame that was matched")
    return make_terms(frame, terms)[0]


def outcome_names(outcome: str | Sequence[str]) -> list[str]:
    """Read one outcome, or a list of several, as names of columns.

    Raises
    ------
    InvalidInputError
        The list is empty, or one is listed twice.
    TypeError
        One is not a name.
    """
    names: list[Any] = list(outcome) if isinstance(outcome, list | tuple) else [outcome]
    for name in names:
        _check.column_name("outcome", name)
        if names.count(name) > 1:
            raise InvalidInputError(f"outcome: column '{name}' is listed {names.count(name)} times")
    if not names:
        raise InvalidInputError("outcome: no column is named; at least one is needed")
    return names


def rowwise(values: object, index: pd.Index[Any], role: str) -> Floats:
    """Read one finite number for each label of `index` from a series or an array.

    Raises
    ------
    InvalidInputError
        The length is another, the index of a pandas Series is another, or values are missing or infinite.
    TypeError
        The values are not numbers in one dimension.
    """
    column = _values(values, index, role)
    _check.complete({role: column}, subject="{}")
    return _floats(column, role)


def rowwise_groups(values: object, index: pd.Index[Any], role: str) -> Rows:
    """Read the groups of a series or an array, one label for each of `index`, as the labels' ranks.

    Raises
    ------
    InvalidInputError, TypeError
        As for `rowwise`; text and categories are labels too.
    """
    column = _values(values, index, role)
    _check.complete({role: column}, subject="{}")
    return _ranks(column)


def _given(values: object, data: AnyFrame, index: pd.Index[Any], role: str) -> tuple[str, Column]:
    """Read what is given row by row, and say what a message calls it."""
    if isinstance(values, str):
        return f"column '{values}'", _column(data, values)
    return role, _values(values, index, role)


def _hashed(labels: pd.Index[Any]) -> Rows:
    if labels.dtype.kind in "iu":
        return labels.to_numpy().astype(np.int64)
    return pd.util.hash_pandas_object(labels, index=False).to_numpy().view(np.int64)


def _ranks(column: Column) -> Rows:
    return pd.factorize(column, sort=True)[0].astype(np.int64)


def _values(values: object, index: pd.Index[Any], role: str) -> Column:
    """Read one value for each label of `index` as one of the four kinds of column."""
    if isinstance(values, pd.Series):
        remedy = f"take {role}.reindex(df.index) to go by labels, {role}.to_numpy() to go by position"
        _check.same_index(role, values.index, index, remedy)
        return _from_pandas(values, role)
    if isinstance(values, np.ndarray | list | tuple):
        array = _unmasked(np.asanyarray(values), role)
        if array.ndim != 1:
            raise TypeError(f"{role}: one value for each row is needed, not an array of shape {array.shape}")
        _check.same_length(role, len(array), len(index))
        return _from_pandas(pd.Series(array, index=index, copy=False), role)
    column = _from_other(values, role)
    _check.same_length(role, len(column), len(index))
    return column


def _unmasked(array: NDArray[Any], role: str) -> NDArray[Any]:
    """Make what is masked missing."""
    if not isinstance(array, np.ma.MaskedArray):
        return np.asarray(array)
    mask: Bools = np.ma.getmaskarray(array)
    values = np.asarray(array.data)
    if not mask.any():
        return values
    if values.dtype.kind not in "biuf":
        values = values.astype(object)
        values[mask] = None
        return values
    _require_float64(values.dtype, role)
    return np.where(mask, np.nan, values.astype(np.float64))


def series_like(given: AnySeries, values: Floats, name: str) -> AnySeries:
    """Give (n,) values as a series of the library of `given`, with its index; pandas' for an array."""
    if isinstance(given, np.ndarray | list | tuple):
        return pd.Series(values, name=name, copy=False)
    if isinstance(given, pd.Series):
        return pd.Series(values, index=given.index, name=name, copy=False)
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    backend = nw.from_native(given, series_only=True).implementation
    return nw.new_series(name, values, backend=backend).to_native()


def row_labels(series: AnySeries) -> pd.Index[Any]:
    """Give what rows are called: a pandas Series' index, positions for other libraries."""
    return series.index if isinstance(series, pd.Series) else pd.RangeIndex(len(series))


def _column_names(data: AnyFrame) -> list[object]:
    if isinstance(data, pd.DataFrame):
        return list(data.columns)
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    try:
        return list(nw.from_native(data, eager_only=True).columns)
    except TypeError as error:
        lazy = "; collect it first" if hasattr(data, "collect") else ""
        raise TypeError(
            f"a data frame is needed (pandas, polars or pyarrow), not {type(data).__name__}{lazy}"
        ) from error


# Columns


def _column(data: AnyFrame, name: str) -> Column:
    _check.known([name], _column_names(data))
    if isinstance(data, pd.DataFrame):
        return _from_pandas(data[name], f"column '{name}'")
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    column = nw.from_native(data, eager_only=True)[name]
    return _from_other(column.to_native(), f"column '{name}'").rename(name)


def _from_pandas(column: Column, subject: str) -> Column:
    """Read a pandas Series as bool, int64 or float64 (uncopied where it is that already), or categorical."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return column.cat.remove_unused_categories()
    if isinstance(dtype, pd.ArrowDtype):
        arrow: Any = column.array
        read = _from_other(arrow.__arrow_array__(), subject)
        return pd.Series(read.array, index=column.index, name=column.name, copy=False)
    if pd.api.types.is_numeric_dtype(dtype) and dtype.kind != "c":
        _require_float64(dtype, subject)
        return _from_numeric(column)
    if isinstance(dtype, pd.StringDtype):
        return column.astype("category")
    # A column of objects may hold anything: text is taken, the rest is not guessed at.
    content = pd.api.types.infer_dtype(column, skipna=True) if dtype.kind == "O" else ""
    if content in {"string", "empty"}:
        return column.astype("category")
    held = f" holding {content} values" if content else ""
    raise TypeError(
        f"{subject}: the type {dtype}{held} is none of numeric, bool, text and categorical; convert it first"
    )


def _require_float64(dtype: Any, subject: str) -> None:
    """Refuse numbers with more digits than a float64 has."""
    if dtype.kind == "f" and getattr(dtype, "itemsize", 8) > 8:
        raise TypeError(f"{subject}: the type {dtype} has more digits than float64; convert it first")


def _from_numeric(column: Column) -> Column:
    # What has no room in bool or int64 becomes float64: missing values of nullable columns, and uint64.
    nullable = pd.api.types.is_extension_array_dtype(column.dtype)
    kind = column.dtype.kind
    fits = kind in "biu" and column.dtype.name.lower() != "uint64"
    if fits and not (nullable and column.isna().any()):
        values = column.to_numpy(dtype=bool if kind == "b" else np.int64)
    elif nullable:
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        values = column.to_numpy(dtype=np.float64)
    return pd.Series(values, index=column.index, name=column.name, copy=False)


def _from_other(values: AnySeries, subject: str) -> Column:
    """Read a series of another library: numbers through NumPy (without a copy where possible), text as codes.

    The text itself never crosses over: a polars or pyarrow column of a million words becomes a million codes
    and a few levels. A polars Enum keeps the order of its levels; others are sorted, as pandas would.
    """
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    try:
        series = nw.from_native(values, series_only=True)
    except TypeError as error:
        raise TypeError(f"{subject}: a series or an array is needed, not {type(values).__name__}") from error
    dtype = series.dtype
    if dtype.is_decimal() or (dtype == nw.Boolean and series.null_count() > 0):
        series = series.cast(nw.Float64)
    if dtype.is_numeric() or dtype == nw.Boolean:
        return _from_pandas(pd.Series(series.to_numpy(), copy=False), subject)
    if dtype not in (nw.String, nw.Categorical, nw.Enum):
        raise TypeError(
            f"{subject}: the type {dtype} is none of numeric, bool, text and categorical; convert it first"
        )
    text = series.cast(nw.String)
    levels = text.drop_nulls().unique().sort().to_list()
    if isinstance(dtype, nw.Enum):
        levels = [level for level in dtype.categories if level in set(levels)]
    codes = text.replace_strict([*levels, None], [*range(len(levels)), -1], return_dtype=nw.Int64)
    return pd.Series(pd.Categorical.from_codes(codes.to_numpy(), levels))


def _floats(column: Column, subject: str) -> Floats:
    if column.dtype.kind not in "bif":
        raise TypeError(f"{subject}: numbers are needed, not text")
    return column.to_numpy(dtype=np.float64)


# Covariates


@dataclass(frozen=True, eq=False)
class Terms:
    """Parsed covariates: the columns they need and what formulaic is to make of them.

    `formula` is None for a list of columns, which become terms as they are.
    """

    columns: tuple[str, ...]
    formula: SimpleFormula | None


@dataclass(frozen=True, eq=False)
class Recipe:
    """How columns become terms, remembered, so that new rows get the very same ones. It pickles.

    Attributes
    ----------
    names : tuple of str
        The d terms, without the intercept (the core fits one itself).
    empty : tuple of str
        Terms without a column: text with a single level, which the intercept already stands for.
    levels : dict of str to Index
        The levels seen in each text or categorical column.
    columns : tuple of str
        The columns needed.
    origins : tuple of int
        Which term of the formula each of the d columns is of: the levels of a categorical share one.
    spec : formulaic.ModelSpec, or None
        With the state of its transforms: knots, means, levels. None for columns as they are.
    all_levels : bool
        Whether every categorical has a term for each of its levels, also the first.
    """

    names: tuple[str, ...]
    empty: tuple[str, ...]
    levels: Mapping[str, pd.Index[Any]]
    columns: tuple[str, ...]
    origins: tuple[int, ...]
    spec: ModelSpec | None
    all_levels: bool

    def apply(self, data: AnyFrame) -> tuple[Floats, Frame]:
        """Make the (m, d) terms of m rows of a new frame.

        Raises
        ------
        InvalidInputError
            A column is missing, a value is missing or infinite, or a level was not there when fitted.
        TypeError
            A column was text when fitted and is not now, or the reverse.
        """
        frame = open_frame(data, covariates=self.columns)
        columns = {name: self._with_known_levels(name, column) for name, column in frame.columns.items()}
        if self.spec is None:
            x = _lookup.matrix(columns, len(frame.index), all_levels=self.all_levels)
            _require_finite(x, self.names, frame.index, among=columns)
            return x, frame
        return _materialize(self.spec, columns, frame.index)[0], frame

    def _with_known_levels(self, name: str, column: Column) -> Column:
        levels = self.levels.get(name)
        if (levels is None) == isinstance(column.dtype, pd.CategoricalDtype):
            then, now = ("numeric", "text") if levels is None else ("text", "numeric")
            raise TypeError(f"column '{name}': it was {then} when the model was fitted and is {now} here")
        if levels is None:
            return column
        known = column.cat.set_categories(levels)
        unseen = known.isna().to_numpy()
        if unseen.any():
            found = _check.counted(unseen, "value", column.index)
            raise InvalidInputError(
                f"column '{name}': {found} at levels that the model has not seen, "
                f"{_check.listed(sorted(set(column[unseen])))}; it knows {_check.listed(levels)}"
            )
        return known


def parse_covariates(covariates: Covariates, data: AnyFrame, *, may_be_none: bool = False) -> Terms:
    """Read a list of columns or a formula; of the frame only the names of its columns matter.

    Parameters
    ----------
    covariates : list of str, or str
    data : DataFrame
    may_be_none : bool, default False
        Whether there may be none, which leaves a model its intercept. A table of them would be empty.

    Raises
    ------
    InvalidInputError
        The formula cannot be read, has a left-hand side or no intercept, or nothing is named, or one twice.
    TypeError
        `covariates` is neither, or `data` is not a frame.
    """
    if isinstance(covariates, str):
        terms = _parse_formula(covariates, _column_names(data))
    elif isinstance(covariates, Iterable):
        terms = _parse_list(covariates)
    else:
        raise TypeError(f"covariates: a list of columns or a formula is needed, not {covariates!r}")
    if not terms.columns and not may_be_none:
        raise InvalidInputError("covariates: no column is named; at least one is needed")
    if INTERCEPT in terms.columns:
        raise InvalidInputError(f"covariates: the model has its own '{INTERCEPT}'; leave the column out")
    return terms


def make_terms(frame: Frame, terms: Terms, *, all_levels: bool = False) -> tuple[Floats, Recipe]:
    """Make the (n, d) terms of a frame, in column order, and the recipe for more rows.

    With `all_levels` every categorical has a term for each of its levels, also the first.
    """
    columns = {name: frame.columns[name] for name in terms.columns}
    levels = _checked_levels(frame, terms, columns)
    if terms.formula is not None:
        return _make_by_formula(frame, terms.formula, columns, levels, all_levels=all_levels)
    names = _lookup.names(columns, all_levels=all_levels)
    x = _lookup.matrix(columns, len(frame.index), all_levels=all_levels)
    flat = [(place, term) for place, own in enumerate(names.values()) for term in own]
    recipe = Recipe(
        names=tuple(term for _, term in flat),
        empty=tuple(name for name, own in names.items() if not own),
        levels=levels,
        columns=terms.columns,
        origins=tuple(place for place, _ in flat),
        spec=None,
        all_levels=all_levels,
    )
    _check.unlike_terms(recipe.names)
    _require_finite(x, recipe.names, frame.index, among=columns)
    return x, recipe


def _checked_levels(frame: Frame, terms: Terms, columns: Mapping[str, Column]) -> dict[str, pd.Index[Any]]:
    """Give the levels of the text and categorical columns, none of which are too many, or numbers."""
    if terms.formula is None:
        plain = set(columns)
    else:
        plain = {factor.expr for term in terms.formula for factor in term.factors if _is_lookup(factor)}
    text = {name: column for name, column in columns.items() if isinstance(column.dtype, pd.CategoricalDtype)}
    for name, column in text.items():
        _check.levels(column)
        if name in plain and not frame.is_category(name):
            _check.no_numeric_text(column, frame.numeric_text_remedy)
    return {name: column.cat.categories for name, column in text.items()}


def _make_by_formula(
    frame: Frame,
    formula: SimpleFormula,
    columns: Mapping[str, Column],
    levels: Mapping[str, pd.Index[Any]],
    *,
    all_levels: bool,
) -> tuple[Floats, Recipe]:
    from formulaic import ModelSpec  # noqa: PLC0415 - slow to import, and lists of columns do without it

    spec = ModelSpec(formula, ensure_full_rank=not all_levels, na_action="ignore", output="pandas")
    x, spec = _materialize(spec, columns, frame.index)
    _check.unlike_terms(spec.column_names)
    flat = [(place, name) for place, term in enumerate(spec.structure) for name in term.columns]
    recipe = Recipe(
        names=tuple(name for name in spec.column_names if name != INTERCEPT),
        empty=tuple(str(term.term) for term in spec.structure if not term.columns),
        levels=levels,
        columns=tuple(columns),
        origins=tuple(place for place, name in flat if name != INTERCEPT),
        spec=spec,
        all_levels=all_levels,
    )
    return x, recipe


def _parse_list(covariates: Iterable[str]) -> Terms:
    columns = tuple(covariates)
    for name in columns:
        _check.column_name("covariates", name)
        if columns.count(name) > 1:
            raise InvalidInputError(f"covariates: column '{name}' is listed {columns.count(name)} times")
    return Terms(columns, None)


def _parse_formula(text: str, columns: Collection[object]) -> Terms:
    from formulaic import Formula, SimpleFormula  # noqa: PLC0415 - slow to import
    from formulaic.errors import FormulaicError  # noqa: PLC0415

    try:
        formula = Formula(text)
    except (FormulaicError, SyntaxError) as error:
        reason = re.split(r"\n|\. ", str(error))[0]  # the rest points at the place in colour, or is long
        raise InvalidInputError(f"covariates: formulaic cannot read {text!r}: {reason}") from error
    if not isinstance(formula, SimpleFormula):
        raise InvalidInputError(f"covariates: only the right-hand side of a formula is needed, not {text!r}")
    if "1" not in {str(term) for term in formula}:
        raise InvalidInputError(
            f"covariates: the formula {text!r} removes the intercept, which every propensity model needs; "
            "leave out '0' or '-1'"
        )
    names = [name for term in formula for factor in term.factors for name in _columns_of(factor, columns)]
    return Terms(tuple(dict.fromkeys(names)), formula)


def _is_lookup(factor: Factor) -> bool:
    """Whether a factor is a column as it is, in no function."""
    return bool(factor.eval_method.value == "lookup")


def _columns_of(factor: Factor, columns: Collection[object]) -> list[str]:
    """Name the columns that a factor of a formula needs, in order: what is no column, but should be, too.

    formulaic's own `Factor.required_variables` (1.2.2) finds none inside `bs(...)` and its other stateful
    transforms, which it would evaluate before there is data, and takes 'user' for the column `user.age`.
    """
    from formulaic.transforms import TRANSFORMS  # noqa: PLC0415 - slow to import
    from formulaic.utils.code import sanitize_variable_names  # noqa: PLC0415

    if factor.eval_method.value == "literal":
        return []
    if _is_lookup(factor):
        return [factor.expr]
    quoted: dict[str, str] = {}  # columns in backticks, by the Python names they get
    nodes = list(ast.walk(ast.parse(sanitize_variable_names(factor.expr, {}, quoted), mode="eval")))
    functions = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    found = [node.id for node in nodes if isinstance(node, ast.Name) and id(node) not in functions]
    names = [quoted.get(name, name) for name in found]
    # A column goes before what else has its name: 'type', 'max', 'log', 'np'.
    return [name for name in names if name in columns or not (name in TRANSFORMS or hasattr(builtins, name))]


def _materialize(
    spec: ModelSpec, columns: Mapping[str, Column], index: pd.Index[Any]
) -> tuple[Floats, ModelSpec]:
    """Let formulaic build the terms, and lay them out as (n, d) float64, column by column."""
    from formulaic.errors import DataMismatchWarning, FormulaicError  # noqa: PLC0415 - slow to import

    rows = pd.RangeIndex(len(index))
    data = pd.DataFrame({name: column.array for name, column in columns.items()}, index=rows, copy=False)
    try:
        # A level that formulaic has not seen would become a missing value, with a warning: an error here.
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error", DataMismatchWarning)
            matrix = spec.get_model_matrix(data, context={})
    except (FormulaicError, DataMismatchWarning) as error:
        raise InvalidInputError(f"covariates: formulaic cannot build the terms: {error}") from error
    names = [name for name in matrix.columns if name != INTERCEPT]
    x = np.empty((len(data), len(names)), order="F")
    for k, name in enumerate(names):
        x[:, k] = matrix[name]
    _require_finite(x, names, index)
    return x, matrix.model_spec


def _require_finite(
    x: Floats, names: Sequence[str], index: pd.Index[Any], among: Collection[str] | None = None
) -> None:
    """Look at all terms, or at those `among` the names: dummies by hand need no look."""
    # The columns are complete, but log(0) is not finite, and lag(x) has no first value.
    for k, name in enumerate(names if len(x) else ()):
        if among is not None and name not in among:
            continue
        low, high = x[:, k].min(), x[:, k].max()  # NaN where there is one
        if not (math.isfinite(low) and math.isfinite(high)):
            bad = _check.counted(~np.isfinite(x[:, k]), "missing or infinite value", index)
            raise InvalidInputError(
                f"term '{name}': {bad} though the columns are complete; change the formula, or leave these "
                "rows out"
            )
        if max(-low, high) > _LARGEST or 0 < high - low < 1 / _LARGEST:
            raise InvalidInputError(
                f"term '{name}': its values, from {low:g} to {high:g}, have squares that are out of a "
                "float64's range; take other units"
            )
