"""Validators of values row by row: scores, weights, clusters, and whether they are of the frame's rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from propensity.errors import InvalidInputError, OverlapError
from propensity.frames.checks import Bools, Floats, Rows, counted
from propensity.frames.pieces import pieces

SMALLEST, LARGEST = 1e-50, 1e50
"""Between these the squares of weighted outcomes are in a float64's range, as the core's checks say."""

HIGHEST = 1 - 2.0**-53
"""The largest score below 1."""

_NOBODY = "these units have nobody to be compared with"
_DROP_THEM = "drop them, as ps.trim and discard= of matchings do, and say that the effect is for the others"


def same_length(what: str, found: int, expected: int) -> None:
    """Require one value for each row."""
    if found != expected:
        raise InvalidInputError(f"{what}: {found:,} values for a frame of {expected:,} rows")


def same_index(what: str, found: pd.Index[Any], expected: pd.Index[Any], remedy: str) -> None:
    """Require the very labels of the frame, in its order: nothing is aligned in silence."""
    if found.equals(expected):
        return
    if len(found) != len(expected):
        problem = f"{len(found):,} values for a frame of {len(expected):,} rows"
    else:
        pairs = enumerate(zip(found, expected, strict=True))
        row, (here, there) = next(((row, pair) for row, pair in pairs if pair[0] != pair[1]), (0, ("", "")))
        problem = f"the index is not the frame's (row number {row} is {here!r} here, {there!r} there)"
    raise InvalidInputError(f"{what}: {problem}; {remedy}")


def same_treated(what: str, found: Bools, expected: Bools, index: pd.Index[Any], remedy: str) -> None:
    """Require the same units to be treated: equal labels alone do not make rows the same."""
    differ = found != expected
    if differ.any():
        where = counted(differ, "row", index)
        raise InvalidInputError(f"{what}: the treatment differs in {where}; {remedy}")


def are_inside(values: Floats) -> bool:
    """Whether all lie strictly between 0 and 1, so that weights can be made of them; without a copy."""
    return len(values) == 0 or bool(values.min() >= SMALLEST and values.max() < 1)


def chances(values: Floats, index: pd.Index[Any], subject: str) -> Bools:
    """Require probabilities, and give which are 0 or 1 exactly, as far as weights can be made of them."""
    if are_inside(values):
        return np.zeros(len(values), dtype=bool)
    outside = (values < 0) | (values > 1)
    if outside.any():
        raise InvalidInputError(
            f"{subject}: {counted(outside, 'value', index)} below 0 or above 1; a score is a probability, "
            "strictly between 0 and 1"
        )
    return np.asarray((values < SMALLEST) | (values == 1))


def scores(
    values: Floats,
    index: pd.Index[Any],
    subject: str,
    remedy: str = "",
    cause: Callable[[Bools], str] | None = None,
) -> None:
    """Require probabilities strictly between 0 and 1; without another `remedy`, of rows to be dropped.

    `cause` gives what else may be done about these rows (n,), and ends in "or ".
    """
    if are_inside(values):
        return
    certain = chances(values, index, subject)
    otherwise = "" if cause is None else cause(certain)
    raise OverlapError(
        f"{certain_words(values, certain, index, subject)}: {remedy or f'{_NOBODY}; {otherwise}{_DROP_THEM}'}"
    )


def certain_words(values: Floats, certain: Bools, index: pd.Index[Any], subject: str) -> str:
    """Count the scores of 0 or 1, and name their rows."""
    n_zeros, n_ones = int((values[certain] < SMALLEST).sum()), int((values[certain] == 1).sum())
    where = counted(certain, "score", index)
    return f"{subject}: {where} at 0 or 1 exactly ({n_zeros:,} at 0, {n_ones:,} at 1)"


def no_classes(values: Floats, subject: str) -> None:
    """Require scores that are given not to be what a classifier decides, 0 and 1."""
    zero, one = int((values == 0).sum()), int((values == 1).sum())
    if len(values) > 1 and zero + one == len(values):
        raise OverlapError(
            f"{subject}: all {len(values):,} are 0 or 1 exactly ({zero:,} at 0, {one:,} at 1), as what a "
            "classifier predicts, or a tree grown to its end; a score is a probability: take "
            "model.predict_proba(x)[:, 1], of a model that is not certain of anybody"
        )


def weights(values: Floats, treated: Bools, index: pd.Index[Any], subject: str) -> None:
    """Require weights of at least 0, some in each arm above it."""
    not_negative(values, index, subject)
    for arm, members in {"treated": treated, "control": ~treated}.items():
        if not any(values[rows][members[rows]].any() for rows in pieces(len(values))):
            raise InvalidInputError(f"{subject}: every {arm} row has weight 0; both groups are needed")


def two_of_each_arm(there: Bools, treated: Bools, subject: str, frequency: Floats | None = None) -> None:
    """Require two rows, or users, of each arm that count for something."""
    arms = there & treated, there & ~treated
    n_treated, n_control = (int(arm.sum() if frequency is None else frequency[arm].sum()) for arm in arms)
    if min(n_treated, n_control) < 2:
        raise InvalidInputError(
            f"{subject}: {n_treated:,} treated and {n_control:,} control rows have a weight above 0; at "
            "least 2 of each are needed"
        )


def not_negative(values: Floats, index: pd.Index[Any], subject: str) -> None:
    """Require weights of at least 0, whose squares are in a float64's range."""
    if len(values) == 0 or (values.min() >= SMALLEST and values.max() <= LARGEST):
        return  # as nearly all are, which is told without a mask of them
    negative = values < 0
    if negative.any():
        raise InvalidInputError(f"{subject}: {counted(negative, 'negative value', index)}")
    extreme = (values != 0) & ((values < SMALLEST) | (values > LARGEST))
    if extreme.any():
        where = counted(extreme, "value", index)
        raise InvalidInputError(f"{subject}: {where} above {LARGEST:g} or below {SMALLEST:g}; scale them")


def unlike(values: Rows, index: pd.Index[Any], role: str) -> None:
    """Require no value twice: what tells rows apart cannot be shared."""
    repeated = pd.Series(values).duplicated().to_numpy()
    if repeated.any():
        where = counted(repeated, "repeated value", index)
        raise InvalidInputError(f"{role}: {where}; one for each row is needed")


def unlike_labels(index: pd.Index[Any], subject: str) -> None:
    """Require no label of an index twice, where labels have to tell rows apart."""
    if not index.is_unique:
        where = counted(index.duplicated(), "repeated label", index)
        raise InvalidInputError(
            f"{subject} has {where}, which tell nobody apart; take df.reset_index(drop=True), or say what "
            "rows are called (ids=)"
        )


def same_weights(then: Floats | None, now: Floats | None, made: str, remedy: str) -> None:
    """Require sample weights to be those with which something was made.

    Parameters
    ----------
    then, now : ndarray (n,) or None
        None where every row counted one.
    made : str
        What was made, and how: "the model was fitted".
    remedy : str
        What else can be done.
    """
    if then is now or (then is not None and now is not None and np.array_equal(then, now)):
        return
    if then is None:
        problem = f"{made} without sample weights, and some are given here: take the same for both"
    elif now is None:
        problem = f"{made} with sample weights, and none are given here: give the same, sample_weight=..."
    else:
        differ = int((then != now).sum())
        problem = f"{made} with others, which differ in {differ:,} rows: take the same for both"
    raise InvalidInputError(f"sample_weight: {problem}; {remedy}")


def clusters(groups: Rows, treated: Bools, subject: str) -> None:
    """Require two clusters of each arm: how a mean varies between clusters cannot be seen in one.

    Parameters
    ----------
    groups : ndarray (n,) of int
        0 to G - 1, and -1 for rows that are not there.
    treated : ndarray (n,) of bool
    subject : str
    """
    if groups.max() < 1:
        raise InvalidInputError(f"{subject}: all rows are in one cluster; at least 2 are needed")
    for arm, members in {"treated": treated, "control": ~treated}.items():
        own = groups[members & (groups >= 0)]
        if own.min() == own.max():
            raise InvalidInputError(
                f"{subject}: every {arm} row is in one cluster, so that what the arms differ by may be what "
                "that cluster is, and no standard error tells; at least 2 clusters of each arm are needed"
            )


def modelled(
    model: str, y: Floats, rows: Bools, subject: str, whose: str, index: pd.Index[Any] | None = None
) -> None:
    """Require of an outcome (n,) that there is such a model of it in these rows (n,).

    Parameters
    ----------
    model : {"linear", "logistic", "poisson", "gamma"}
    y, rows, subject, whose
        As for `events`.
    index : Index or None
        What the rows are called.
    """
    index = pd.RangeIndex(len(y)) if index is None else index
    if model == "logistic":
        events(y, rows, subject, whose)
    elif model == "poisson":
        negative = (y < 0) & rows
        if negative.any():
            raise InvalidInputError(
                f"{subject}: {counted(negative, 'negative value', index)}, of which there is no Poisson "
                "model; take outcome_model='linear'"
            )
        if rows.any() and not y[rows].any():
            raise InvalidInputError(
                f"{subject}: 0 in all {rows.sum():,} {whose}, so that the coefficients of a Poisson outcome "
                "model grow without bound there; take outcome_model='linear', which predicts 0 for them"
            )
    elif model == "gamma":
        bad = (y <= 0) & rows
        if bad.any():
            other = "'linear'" if (y[bad] < 0).any() else "'poisson', which takes zeros"
            raise InvalidInputError(
                f"{subject}: {counted(bad, 'value', index)} not above 0, of which there is no gamma model; "
                f"take outcome_model={other}"
            )


def shares(low: Floats, high: Floats, subject: str) -> None:
    """Require the least and greatest outcomes (n,) of rows' users to be in [0, 1], for a logistic model."""
    outside = int(((low < 0) | (high > 1)).sum())
    if outside:
        raise InvalidInputError(
            f"{subject}: {outside:,} values below 0 or above 1, where a logistic model has nothing to say; "
            'take outcome_model="linear"'
        )


def events(y: Floats, rows: Bools, subject: str, whose: str) -> None:
    """Require of a logistic model's outcome (n,) that it is not 0, and not 1, in all of these rows (n,).

    Parameters
    ----------
    y : ndarray (n,)
    rows : ndarray (n,) of bool
    subject : str
        What to call the outcome.
    whose : str
        What to call the rows, in the plural.
    """
    own = y[rows]
    for value in (0, 1):
        if len(own) and (own == value).all():
            raise InvalidInputError(
                f"{subject}: {value} in all {len(own):,} {whose}, so that a logistic outcome model has "
                f"nothing to tell apart there; take outcome_model='linear', which predicts {value} for them"
            )
