"""Coarsened exact matching: units are compared where their coarsened covariates are all equal."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import pandas as pd

from propensity.effects.balance_terms import BalanceTerms
from propensity.effects.matching_specification import MatchingEstimand
from propensity.effects.sample import Sample, read_sample, warn_once
from propensity.effects.subclass_specification import Bins, CoarsenedMatching, Cutpoints
from propensity.errors import InvalidInputError
from propensity.frames import checks, digits, kinds
from propensity.frames.by_name import columns_by_name
from propensity.frames.checks import Floats, Rows
from propensity.frames.columns import read_column
from propensity.frames.labels import read
from propensity.frames.lines import Subject
from propensity.frames.native import AnyFrame, AnySeries
from propensity.frames.rowwise import Reader
from propensity.frames.takes_cells import takes_cells
from propensity.frames.terms import Terms, make_terms
from propensity.matching.cautions import MatchedBy
from propensity.matching.grouping import CellsAgain, make_subclasses
from propensity.matching.rematching import Rematching
from propensity.matching.subclasses import Subclasses
from propensity.scores.quantiles import quantiles_of

# A value this much of the range below a cut is on it: cuts between equal bins are rounded, whole numbers not.
_ROUNDING = 1e-12

_MOST_LEVELS = 1_000  # whose balance is looked at

_REMEDY = "take finer cutpoints, or aipw, whose outcome models adjust for what is left"

# Cells are numbered anew before their number could overflow.
_MOST_CELLS = 2**40

# Edges of bins that are worth their memory; a histogram of more says nothing that "exact" does not.
_MOST_BINS = 1_000_000


@columns_by_name
@takes_cells()
def match_cem(
    df: AnyFrame,
    *,
    treatment: str,
    covariates: Sequence[str],
    cutpoints: Cutpoints | Mapping[str, Cutpoints] = "sturges",
    grouping: Mapping[str, Mapping[Any, Hashable]] | None = None,
    estimand: MatchingEstimand = "ATT",
    sample_weight: object = None,
) -> Subclasses:
    """Coarsen each covariate, and compare units in whose cell there are rows of both arms.

    The user's choice is how much imbalance to allow, before any look at the outcome; what it costs is rows
    left out, and with them, in part, the question asked.

    Parameters
    ----------
    df, treatment : DataFrame or Cells, and str
        One row a unit, or users counted; and a column of it, bool or 0/1, as for `fit_propensity`.
    covariates : list of str
        Columns known before the treatment. Text, categories, bools, dates and times must agree, up to
        `grouping`.
    cutpoints : str, int, list of float, or dict of str to these, default "sturges"
        How numbers are coarsened. An int is a number of bins of equal width from the smallest to the largest
        value; a list has the cut points themselves, and a value on one belongs to the bin above it.
        "sturges", "scott" and "fd" (Freedman and Diaconis) choose the number of bins as R's `hist`
        does, "exact" keeps every value apart. A dict has the covariates that differ by name; the others get
        "sturges", the default of the cem package.
    grouping : dict of str to dict, or None, default None
        For a covariate of text, categories, bools or dates, what its levels become:
        ``{"tier": {"light": "rare", "medium": "rare"}}``. Levels not in it stay as they are.
    estimand : {"ATT", "ATC", "ATE"}, default "ATT"
        Whose effect: the treated units', the control units', everyone's; in each case of those that are not
        left out.
    sample_weight : None, str, Series or array (n,), default None
        How much of the population a row stands for (a survey weight). It does not move cut points; rows of
        weight 0 are not there, and in no subclass.

    Returns
    -------
    Subclasses
        A subclass for each cell with both arms; the other rows are left out.

    Raises
    ------
    NoMatchesError
        No cell has rows of both arms.
    InvalidInputError
        A column is unknown or incomplete, the treatment is not 0/1, cut points do not ascend or are not
        finite, or `cutpoints` or `grouping` name a column that is no such covariate.

    Warns
    -----
    BalanceWarning
        Within cells the arms differ by more than 0.1 standard deviations, as for `match_nn`.

    References
    ----------
    Iacus, King and Porro (2012), Political Analysis 20:1.

    Examples
    --------
    >>> import pandas as pd
    >>> import propensity as ps
    >>> df = pd.DataFrame({"opt_in": [0, 1, 0, 1, 1, 0], "visits": [1, 2, 3, 4, 9, 2]})
    >>> ps.match_cem(df, treatment="opt_in", covariates=["visits"], cutpoints=[3, 5]).weights.tolist()
    [0.5, 1.0, 1.0, 1.0, 0.0, 0.5]
    """
    spec = CoarsenedMatching(
        estimand, covariates=_covariates(covariates), cutpoints=cutpoints, grouping=grouping
    )
    subclasses = coarsened(df, spec, treatment=treatment, sample_weight=sample_weight)
    warn_once(subclasses.cautions)
    return subclasses


def coarsened(
    df: AnyFrame, spec: CoarsenedMatching, *, treatment: str, sample_weight: object = None
) -> Subclasses:
    """Match by a specification that names its covariates, without a word of warning."""
    names, cutpoints, grouping = _covariates(spec.covariates or ()), spec.cutpoints, spec.grouping
    sample = read_sample(
        df, treatment=treatment, covariates=names, reader=_reader(cutpoints), sample_weight=sample_weight
    )
    there = slice(None) if sample.sample_weight is None else sample.sample_weight > 0
    columns = {name: sample.frame.columns[name][there] for name in names}
    _check_grouping(grouping)
    subjects = {name: Subject.column(name, df) for name in names}
    coarsenings = _coarsenings(columns, subjects, cutpoints, grouping or {})
    # As a number, a long one loses its last digits: where they count, it is read as a label.
    exact = [name for name, how in coarsenings.items() if _is_exact(how)]
    columns |= {name: read_column(df, name, read)[there] for name in exact}
    users = None if sample.frequency is None else sample.frequency[there]
    own, cells = _grouped(
        {name: _coarsen(columns[name], how, subjects[name], users) for name, how in coarsenings.items()}
    )
    groups = np.full(len(sample.treated), -1)
    groups[there] = own
    again = CellsAgain(groups, sample.treated, spec.estimand, sample.sample_weight)
    return make_subclasses(
        sample.frame,
        groups,
        sample.treated,
        cells,
        _matched_by(sample, columns, grouping or (), again),
        method="coarsened exact matching",
        estimand=spec.estimand,
        sample_weight=sample.sample_weight,
    )


def _reader(cutpoints: Cutpoints | Mapping[str, Cutpoints]) -> Reader:
    """Give what reads covariates: as amounts; dates, and what keeps all its digits apart, as labels."""

    def read_covariate(values: AnySeries, subject: Subject) -> pd.Series[Any]:
        try:
            return kinds.read(values, subject)
        except TypeError:
            return read(values, subject)
        except InvalidInputError:
            asked = cutpoints.get(subject.name or "") if isinstance(cutpoints, Mapping) else cutpoints
            if asked is None or not _is_exact(asked):
                raise
            return read(values, subject)

    return read_covariate


def _grouped(coarse: Mapping[str, _Coarse]) -> tuple[Rows, pd.DataFrame]:
    """Give the cell of each row, and what tells cells apart."""
    groups, firsts = _cells(list(coarse.values()))
    return groups, pd.DataFrame({name: one.names.take(one.codes[firsts]) for name, one in coarse.items()})


def _matched_by(
    sample: Sample, columns: Mapping[str, pd.Series[Any]], grouped: Collection[str], again: CellsAgain
) -> MatchedBy:
    """Say what rows were matched by; balance is asked of the covariates that have means."""
    measured = Terms(tuple(name for name, column in columns.items() if _has_means(column)), None)
    terms = BalanceTerms.of_terms(*make_terms(sample.frame, measured, all_levels=True, settled=grouped))
    rematching = Rematching(again, sample.treated, None, sample.sample_weight)
    return MatchedBy(tuple(columns), terms, lambda _: _REMEDY, rematching=rematching)


def _has_means(column: pd.Series[Any]) -> bool:
    """Whether a column is an amount, or of so few levels that each has a share; dates are neither."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return len(column.cat.categories) <= _MOST_LEVELS
    return column.dtype.kind in "biuf" and digits.are_kept(column)


@dataclass(frozen=True, eq=False)
class _Coarse:
    """The bin (n,) of each row, and what bins are called."""

    codes: Rows
    names: pd.Index[Any]


def _covariates(covariates: Sequence[str]) -> list[str]:
    if isinstance(covariates, str) or not isinstance(covariates, Iterable):
        raise InvalidInputError(f"covariates: a list of columns is needed, not {covariates!r}")
    names = list(covariates)
    if not names:
        raise InvalidInputError("covariates: a list of columns is needed, not an empty one")
    for name in names:
        checks.column_name("covariates", name)
        if names.count(name) > 1:
            raise InvalidInputError(f"covariates: column '{name}' is listed {names.count(name)} times")
    return names


def _check_grouping(grouping: object) -> None:
    if grouping is not None and not isinstance(grouping, Mapping):
        raise InvalidInputError(f"grouping: a dict by column is needed, not {grouping!r}")
    for name, groups in (grouping or {}).items():
        if not isinstance(groups, Mapping):
            raise InvalidInputError(
                f"grouping of {name!r}: a dict from levels to groups is needed, not {groups!r}"
            )


def _coarsenings(
    columns: Mapping[str, pd.Series[Any]],
    subjects: Mapping[str, Subject],
    cutpoints: Cutpoints | Mapping[str, Cutpoints],
    grouping: Mapping[str, Mapping[Any, Hashable]],
) -> dict[str, Cutpoints | Mapping[Any, Hashable]]:
    """Settle for each covariate how it is coarsened: by cut points, or by a grouping of its levels."""
    numeric = [name for name, column in columns.items() if column.dtype.kind in "iuf"]
    by_name = cutpoints if isinstance(cutpoints, Mapping) else dict.fromkeys(numeric, cutpoints)
    for argument, asked in (("cutpoints", by_name), ("grouping", grouping)):
        for name, how in asked.items():
            if name not in columns:
                raise InvalidInputError(
                    f"{argument}: {name!r} is none of the covariates, {checks.listed(columns)}"
                )
            # What is kept apart may be of any kind.
            if (name in numeric) != (argument == "cutpoints") and not _is_exact(how):
                raise InvalidInputError(f"{argument}: {_other_kind(columns[name], subjects[name])}")
    return {
        name: by_name.get(name, "sturges") if name in numeric else grouping.get(name, {}) for name in columns
    }


def _other_kind(column: pd.Series[Any], subject: Subject) -> str:
    """Say what a covariate is, and what coarsens such a one."""
    if column.dtype.kind in "iuf":
        return f"{subject} is numeric, and grouping merges levels; cutpoints coarsen numbers"
    objects = isinstance(column.dtype, pd.CategoricalDtype)
    content = pd.api.types.infer_dtype(column.cat.categories) if objects else ""
    if column.dtype.kind == "M" or content == "date":
        days = subject.days(objects=objects)
        return f"{subject} holds dates, and cutpoints are numbers; for days since the first: {days}"
    if column.dtype.kind == "m":
        return f"{subject} holds durations, and cutpoints are numbers; for seconds: {subject.seconds()}"
    return f"{subject} is no number, and cutpoints are; grouping merges its levels"


def _is_exact(how: Cutpoints | Mapping[Any, Hashable]) -> bool:
    return isinstance(how, str) and how == "exact"


def _coarsen(
    column: pd.Series[Any],
    how: Cutpoints | Mapping[Any, Hashable],
    subject: Subject,
    users: Floats | None = None,
) -> _Coarse:
    if isinstance(how, Mapping):
        return _regrouped(column, how)
    if _is_exact(how):
        codes, names = pd.factorize(column, sort=True)
        return _Coarse(codes.astype(np.int64), pd.Index(names))
    digits.require(column, subject)
    values = column.to_numpy(dtype=np.float64)
    cuts = _cuts(str(column.name), values, how, users)
    slack = _ROUNDING * (values.max() - values.min())
    codes = np.searchsorted(cuts - slack, values, side="right").astype(np.int64)
    ends = [-math.inf, *cuts.tolist(), math.inf]
    return _Coarse(codes, pd.Index(pd.IntervalIndex.from_breaks(ends, closed="left")))


def _regrouped(column: pd.Series[Any], grouping: Mapping[Any, Hashable]) -> _Coarse:
    codes, found = pd.factorize(column, sort=True)
    levels = _index(found)  # in one of dates, their text would be found too
    unknown = [level for level in grouping if level not in levels]
    if unknown:
        raise InvalidInputError(
            f"grouping: column '{column.name}' has no level {unknown[0]!r}; it has {checks.listed(levels)}"
        )
    merged = _index(grouping.get(level, level) for level in levels)
    group_of_level, names = pd.factorize(merged)
    return _Coarse(group_of_level[codes].astype(np.int64), names)


def _index(levels: Iterable[Any]) -> pd.Index[Any]:
    """Name levels by themselves, tuples too, of which pandas would make columns."""
    return pd.Index(list(levels), dtype=object, tupleize_cols=False)


def _cuts(name: str, values: Floats, how: Cutpoints, users: Floats | None) -> Floats:
    """Give the cut points inside the range, ascending; `users` (n,) is how many have each value."""
    if isinstance(how, str):
        checks.choice(f"cutpoints of '{name}'", how, get_args(Bins))
        n_bins = _n_bins(values, how, users)
    elif isinstance(how, Sequence | np.ndarray):
        cuts = np.array(how if _are_numbers(how) else [np.nan], dtype=np.float64)
        if not np.isfinite(cuts).all() or (np.diff(cuts) <= 0).any():
            raise InvalidInputError(f"cutpoints of '{name}': finite numbers, ascending, not {how!r}")
        return cuts
    else:
        checks.count(f"cutpoints of '{name}'", how)
        n_bins = int(how)
    low, high = values.min(), values.max()
    _check_bins(name, n_bins, how, values)
    return np.linspace(low, high, n_bins + 1)[1:-1] if low < high else np.empty(0)


def _check_bins(name: str, n_bins: int, how: Cutpoints, values: Floats) -> None:
    """Require bins that can hold anybody: a single value far from all others makes their width hopeless."""
    if n_bins > _MOST_BINS:
        low, high = np.quantile(values, [0.25, 0.75])
        raise InvalidInputError(
            f"cutpoints of '{name}': {how!r} makes {n_bins:,} bins from {values.min():g} to "
            f"{values.max():g}, of which half of the values take those from {low:g} to {high:g} alone; "
            'give the cut points themselves, as a list, or take "sturges"'
        )


def _are_numbers(values: object) -> bool:
    if isinstance(values, np.ndarray) and values.ndim != 1:
        return False
    if isinstance(values, bytes) or not isinstance(values, Iterable):
        return False
    return all(checks.is_real(value) for value in values)


def _n_bins(values: Floats, rule: str, users: Floats | None = None) -> int:
    """Count bins: Sturges (1926), Scott (1979), or Freedman and Diaconis (1981), as R's `nclass` does."""
    n = len(values) if users is None else float(users.sum())
    if rule == "sturges":
        return math.ceil(math.log2(n) + 1)
    if rule == "scott":
        squares = (values - np.average(values, weights=users)) ** 2
        deviation = math.sqrt(float(np.average(squares, weights=users)) * n / (n - 1))
        width = 3.5 * deviation * n ** (-1 / 3)
    else:
        low, high = quantiles_of(values, [0.25, 0.75], frequency=users)
        width = 2 * float(high - low) * n ** (-1 / 3)
    spread = float(values.max() - values.min())
    # Half of the values or more are equal: an interquartile range of 0 says nothing of a width.
    return max(1, math.ceil(spread / width)) if width > 0 else 1


def _cells(coarse: Sequence[_Coarse]) -> tuple[Rows, Rows]:
    """Give each row the number of its cell, in the order of the bins, and each cell one of its rows."""
    groups, size = np.zeros(len(coarse[0].codes), dtype=np.int64), 1
    for one in coarse:
        if size * len(one.names) > _MOST_CELLS:
            levels, groups = np.unique(groups, return_inverse=True)
            size = len(levels)
        groups, size = groups * len(one.names) + one.codes, size * len(one.names)
    numbers, levels = pd.factorize(groups)
    order = np.argsort(levels, kind="stable")
    rank = np.empty(len(levels), dtype=np.int64)
    rank[order] = np.arange(len(levels))
    groups = rank[numbers]
    firsts = np.empty(len(levels), dtype=np.int64)
    firsts[groups[::-1]] = np.arange(len(groups))[::-1]
    return groups, firsts
