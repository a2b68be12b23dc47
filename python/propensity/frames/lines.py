"""Lines of code that mend a column, in the library that the column is of: what a message ends with."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

Library: TypeAlias = Literal["pandas", "polars", "pyarrow"]

THE_TREATMENT = "<the treatment>"
THE_OUTCOME = "<the outcome>"
THE_TREATED = "<the treated level>"
"""Slots in a line, for what only the user knows."""


@dataclass(frozen=True)
class Subject:
    """What a message calls some values, and how code that changes them is written.

    Attributes
    ----------
    words : str
        "column 'day'" for a column of a frame, the argument's name for values given row by row.
    name : str or None
        The column's; None for values given row by row, which code calls by the argument's name.
    library : {"pandas", "polars", "pyarrow"}
    mixed : bool
        Whether a pandas Series holds numbers and text, which have to be made text first.
    """

    words: str
    name: str | None = None
    library: Library = "pandas"
    mixed: bool = False

    @classmethod
    def column(cls, name: str, data: object) -> Subject:
        """Call a column of a frame."""
        return cls(f"column '{name}'", name, library_of(data))

    @classmethod
    def given(cls, role: str, values: object) -> Subject:
        """Call values that are given row by row."""
        return cls(role, None, library_of(values))

    def __str__(self) -> str:
        return self.words

    @property
    def _values(self) -> str:
        """The values as an expression, which polars evaluates within the frame."""
        if self.name is None:
            return f"{self.words}{'.astype(str)' if self.mixed else ''}"
        if self.library == "polars":
            return f"pl.col({self.name!r})"
        return f"df[{self.name!r}]{'.astype(str)' if self.mixed else ''}"

    def _becomes(self, expression: str) -> str:
        """Write the line that gives the column these values."""
        if self.name is None:
            return f"{self.words} = {expression}"
        if self.library == "polars":
            return f"df = df.with_columns({expression})"  # which keeps the name of its first column
        if self.library == "pyarrow":
            place = f"df.column_names.index({self.name!r})"
            return f"df = df.set_column({place}, {self.name!r}, {expression})"
        return f"df[{self.name!r}] = {expression}"

    def equals(self, level: object) -> str:
        """Make it true at one level, and false at the others."""
        value = shown(level)
        if self.library == "pyarrow":
            return self._becomes(f"pc.equal({self._values}, {value})")
        return self._becomes(f"{self._values} == {value}")

    def equals_though_missing(self, level: object, *, nullable: bool) -> str:
        """Make it true at one level, and false at the others and where it is missing.

        In pandas a `nullable` type keeps what is missing missing.
        """
        value = shown(level)
        expression = {
            "pandas": f"{self._values}.eq({value})" + (".fillna(False)" if nullable else ""),
            "polars": f"{self._values}.eq_missing({value})",
            "pyarrow": f"pc.fill_null(pc.equal({self._values}, {value}), False)",
        }
        return self._becomes(expression[self.library])

    def is_known(self) -> str:
        """Make it true where there is a value, and false where it is missing."""
        expression = {
            "pandas": f"{self._values}.notna()",
            "polars": f"{self._values}.is_not_null()",
            "pyarrow": f"pc.is_valid({self._values})",
        }
        return self._becomes(expression[self.library])

    def exceeds(self, bound: str) -> str:
        """Make it true above a bound."""
        if self.library == "pyarrow":
            return self._becomes(f"pc.greater({self._values}, {bound})")
        return self._becomes(f"{self._values} > {bound}")

    def keep(self, levels: Sequence[object]) -> str:
        """Keep the rows at some levels."""
        listed = "[" + ", ".join(map(shown, levels)) + "]"
        name = repr(self.name if self.name is not None else self.words)
        return {
            "pandas": f"df = df[df[{name}].isin({listed})]",
            "polars": f"df = df.filter(pl.col({name}).is_in({listed}))",
            "pyarrow": f"df = df.filter(pc.field({name}).isin({listed}))",
        }[self.library]

    def spelled_out(self) -> str:
        """Repeat each row of the frame as often as these whole numbers say."""
        times = self.words if self.name is None else f"df[{self.name!r}]"
        rows = f"np.repeat(np.arange(len(df)), np.asarray({times}).astype(int))"
        return {
            "pandas": f"df = df.iloc[{rows}].reset_index(drop=True)",
            "polars": f"df = df[{rows}]",
            "pyarrow": f"df = df.take({rows})",
        }[self.library]

    def number(
        self, *, without: str = "", point: str = ".", brackets: bool = False, lenient: bool = False
    ) -> str:
        """Make text a number.

        Parameters
        ----------
        without : str
            Characters that go first.
        point : str
            What stands between whole and broken parts.
        brackets : bool
            Whether numbers in brackets are negative.
        lenient : bool
            Whether text that is no number becomes a missing value.
        """
        replaced = [(character, "") for character in without]
        replaced += [("(", "-"), (")", "")] if brackets else []
        replaced += [] if point == "." else [(point, ".")]
        expression = self._values
        for old, new in replaced:
            expression = {
                "pandas": f"{expression}.str.replace({old!r}, {new!r}, regex=False)",
                "polars": f"{expression}.str.replace_all({old!r}, {new!r}, literal=True)",
                "pyarrow": f"pc.replace_substring({expression}, {old!r}, {new!r})",
            }[self.library]
        pandas = "pd.to_numeric({0}, errors='coerce')" if lenient else "pd.to_numeric({0})"
        polars = "{0}.cast(pl.Float64, strict=False)" if lenient else "{0}.cast(pl.Float64)"
        arrow = "pc.cast({0}, pa.float64())"
        if lenient and self.library == "pyarrow":
            expression = f"pd.to_numeric({expression}.to_pandas(), errors='coerce')"
            arrow = "pa.array({0}, from_pandas=True)"
        wrapped = {"pandas": pandas, "polars": polars, "pyarrow": arrow}[self.library]
        return self._becomes(wrapped.format(expression))

    def code(self) -> str:
        """Make text a categorical."""
        return self._becomes(
            {
                "pandas": f"{self._values}.astype('category')",
                "polars": f"{self._values}.cast(pl.Categorical)",
                "pyarrow": f"pc.dictionary_encode({self._values})",
            }[self.library]
        )

    def from_least(self) -> str:
        """Count from the least value."""
        return self._becomes(
            {
                "pandas": f"{self._values} - {self._values}.min()",
                "polars": f"{self._values} - {self._values}.min()",
                "pyarrow": f"pc.subtract({self._values}, pc.min({self._values}))",
            }[self.library]
        )

    def days(self, *, objects: bool = False, periods: bool = False) -> str:
        """Make dates the days since the first; `objects` are Python's own dates in a pandas Series."""
        values = f"pd.to_datetime({self._values})" if objects else self._values
        values += ".dt.to_timestamp()" if periods else ""
        return self._becomes(
            {
                "pandas": f"({values} - {values}.min()).dt.days",
                "polars": f"({values} - {values}.min()).dt.total_days()",
                "pyarrow": f"pc.days_between(pc.min({values}), {values})",
            }[self.library]
        )

    def days_of_text(self, *, times: bool, zones: bool, lenient: bool) -> str:
        """Make ISO dates that are text the days since the first.

        Parameters
        ----------
        times, zones : bool
            Whether some have a time of the day, and an offset from UTC.
        lenient : bool
            Whether text that is no date becomes a missing value.
        """
        options = (
            "format='ISO8601'" + (", utc=True" if zones else "") + (", errors='coerce'" if lenient else "")
        )
        dates = f"pd.to_datetime({self._values}, {options})"
        if self.library == "pyarrow" and (times or lenient):
            dates = f"pd.to_datetime({self._values}.to_pandas(), {options})"
            return self._becomes(f"pa.array(({dates} - {dates}.min()).dt.days, from_pandas=True)")
        if self.library == "polars":
            strict = "strict=False" if lenient else ""
            as_utc = "time_zone='UTC'" if zones else ""
            read = (
                f"str.to_datetime({', '.join(filter(None, [as_utc, strict]))})"
                if times
                else f"str.to_date({strict})"
            )
            dates = f"{self._values}.{read}"
        if self.library == "pyarrow":
            dates = f"pc.cast({self._values}, pa.date32())"
        return self._becomes(
            {
                "pandas": f"({dates} - {dates}.min()).dt.days",
                "polars": f"({dates} - {dates}.min()).dt.total_days()",
                "pyarrow": f"pc.days_between(pc.min({dates}), {dates})",
            }[self.library]
        )

    def seconds(self, *, objects: bool = False) -> str:
        """Make durations seconds."""
        values = f"pd.to_timedelta({self._values})" if objects else self._values
        return self._becomes(
            {
                "pandas": f"{values}.dt.total_seconds()",
                "polars": f"{values}.dt.total_seconds()",
                "pyarrow": f"pc.divide(pc.cast(pc.cast({values}, pa.duration('us')), pa.int64()), 1e6)",
            }[self.library]
        )

    def hours(self) -> str:
        """Make times of the day hours."""
        return self._becomes(
            {
                "pandas": f"{self._values}.map(lambda time: time.hour + time.minute / 60)",
                "polars": f"({self._values}.dt.hour() + {self._values}.dt.minute() / 60)",
                "pyarrow": f"pc.hour({self._values})",
            }[self.library]
        )

    def log1p(self) -> str:
        """Take the logarithm of one more."""
        return self._becomes(
            {
                "pandas": f"np.log1p({self._values})",
                "polars": f"{self._values}.log1p()",
                "pyarrow": f"pc.log1p({self._values})",
            }[self.library]
        )

    def bounded(self, low: float, high: float) -> str:
        """Set what is below one quantile, or above another, to these."""
        within = f"{self._values}.clip({self._values}.quantile({low}), {self._values}.quantile({high}))"
        return self._becomes(
            {
                "pandas": within,
                "polars": within,
                "pyarrow": (
                    f"pc.max_element_wise(pc.quantile({self._values}, {low})[0], "
                    f"pc.min_element_wise({self._values}, pc.quantile({self._values}, {high})[0]))"
                ),
            }[self.library]
        )

    def first_of_each(self) -> str:
        """Keep the first row of each value."""
        name = repr(self.name if self.name is not None else self.words)
        return {
            "pandas": f"df = df.drop_duplicates({name})",
            "polars": f"df = df.unique({name}, keep='first', maintain_order=True)",
            "pyarrow": f"df = pa.Table.from_pandas(df.to_pandas().drop_duplicates({name}))",
        }[self.library]

    def plain_words(self) -> str:
        """Write text in small letters, without spaces around it."""
        return self._becomes(
            {
                "pandas": f"{self._values}.str.strip().str.lower()",
                "polars": f"{self._values}.str.strip_chars().str.to_lowercase()",
                "pyarrow": f"pc.utf8_lower(pc.utf8_trim_whitespace({self._values}))",
            }[self.library]
        )

    def merged(self, levels: Sequence[str], into: str) -> str:
        """Make one level of several."""
        to = "{" + ", ".join(f"{level!r}: {into!r}" for level in levels) + "}"
        among = f"pc.is_in({self._values}, pa.array({list(levels)!r}))"
        return self._becomes(
            {
                # A type of fixed levels has no room for one more.
                "pandas": f"{self._values}.astype(object).replace({to})",
                "polars": f"{self._values}.cast(pl.String).replace({to})",
                "pyarrow": f"pc.if_else({among}, {into!r}, {self._values})",
            }[self.library]
        )

    def classes(self) -> str:
        """Cut an amount into five classes of about as many rows each, in a column of their own."""
        name = repr(f"{self.name}_class")
        as_numbers = f"df[{self.name!r}]{'.to_pandas()' if self.library == 'pyarrow' else ''}"
        cut = f"pd.qcut({as_numbers}, 5, duplicates='drop').astype(str)"
        return {
            "pandas": f"df[{name}] = {cut}",
            "polars": f"df = df.with_columns((({self._values}.rank() - 1) * 5 // pl.len()).alias({name}))",
            "pyarrow": f"df = df.append_column({name}, pa.array({cut}))",
        }[self.library]

    def text(self) -> str:
        """Make it text."""
        return self._becomes(
            {
                "pandas": f"{self._values}.astype(str)",
                "polars": f"{self._values}.cast(pl.String)",
                "pyarrow": f"pc.cast({self._values}, pa.string())",
            }[self.library]
        )


def all_but(names: Sequence[str], data: object) -> str:
    """List the columns of a frame but for some."""
    columns = "column_names" if library_of(data) == "pyarrow" else "columns"
    return f"[name for name in df.{columns} if name not in {tuple(names)!r}]"


def library_of(values: object) -> Library:
    """Tell the library of a frame or series; others are written like pandas."""
    module = type(values).__module__.split(".")[0]
    return {"polars": "polars", "pyarrow": "pyarrow"}.get(module, "pandas")  # type: ignore[return-value]


def shown(level: Any) -> str:
    """Write a level as code: NumPy's scalars as Python's own, a slot as it is."""
    if isinstance(level, str) and level.startswith("<the ") and level.endswith(">"):
        return level
    if isinstance(level, pd.Timestamp):
        return repr(str(level))
    return repr(level.item() if isinstance(level, np.generic) else level)


def drop_line(data: Any, incomplete: Sequence[str], infinite: Collection[str] = ()) -> str:
    """Write the line that drops the rows in which columns of a frame are missing or infinite.

    Parameters
    ----------
    data : DataFrame
    incomplete : sequence of str
        All of these columns.
    infinite : collection of str
        Those that hold infinite values.
    """
    names = list(incomplete)
    library = library_of(data)
    if library == "pandas":
        missing = [name for name in names if name not in infinite]
        lines = [f"df = df.dropna(subset={missing!r})"] if missing else []
        lines += [f"df = df[np.isfinite(df[{name!r}])]" for name in names if name in infinite]
        return "; ".join(lines)  # what is missing is not finite either
    # Neither polars nor pyarrow takes a float's not-a-number for a missing value.
    if library == "polars":
        floats = [name for name in names if data.schema[name].is_float()]
        finite = "".join(f".filter(pl.col({name!r}).is_finite())" for name in floats)
        return f"df = df.drop_nulls({names!r}){finite}"
    conditions = [
        f"pc.is_{'finite' if str(data.schema.field(name).type) in _ARROW_FLOATS else 'valid'}(df[{name!r}])"
        for name in names
    ]
    return "; ".join(f"df = df.filter({condition})" for condition in conditions)


_ARROW_FLOATS = ("halffloat", "float", "double")
