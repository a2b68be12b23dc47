"""Numbers of which single rows would carry the weights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from propensity import core
from propensity.errors import InvalidInputError
from propensity.frames.checks import Floats
from propensity.frames.levels import is_categorical, written
from propensity.frames.native import Column
from propensity.study.check_result import Finding
from propensity.study.check_rows import CheckedRows

_FAR_OUT = 15.0
"""In standard deviations: of a million rows the normal law puts the farthest at 5, the exponential at 13."""

_MUCH = 0.3  # of a column's variance, owed to one row

_WORTH_TELLING = 0.001  # of an arm's weight

_MOST_WEIGHED = 5  # columns for which a score is fitted, the farthest out first


def tails(rows: CheckedRows) -> Iterator[Finding]:
    """Find columns with a row far out, and say what it would weigh in a score of that column alone."""
    found = {
        name: out
        for name, column in rows.columns.items()
        if not is_categorical(column)
        and column.dtype.kind in "if"
        and (out := _farthest(column, rows.users)) is not None
    }
    for place, name in enumerate(sorted(found, key=lambda name: -found[name][1])):
        row, far = found[name]
        values = rows.columns[name].to_numpy()
        what = "row" if rows.users is None else "cell"
        said = (
            f"{what} {rows.index[row]}: {written(values[row])}, {far:,.0f} standard deviations from the mean"
        )
        if place < _MOST_WEIGHED:
            said += _weighed(rows, values.astype(np.float64), row)
        subject = rows.subject(name)
        if np.nanmin(values) >= 0:
            remedy = f"take log1p: {subject.log1p()}; in a formula: np.log1p({name})"
        else:
            remedy = f"bound it: {subject.bounded(0.001, 0.999)}"
        yield rows.finding("warning", name, 1, said, remedy)


def _farthest(column: Column, users: Floats | None) -> tuple[int, float] | None:
    """Give the row that is farthest out, and by how many standard deviations, if that is far."""
    values = column.to_numpy().astype(np.float64, copy=False)
    known = np.isfinite(values)
    f = known.astype(np.float64) if users is None else np.where(known, users, 0.0)
    n_rows = int(f.sum())
    if n_rows < 3:
        return None
    centre = np.average(values[known], weights=f[known])
    deviation = np.sqrt(np.average((values[known] - centre) ** 2, weights=f[known]))
    if not (np.isfinite(deviation) and deviation > 0):
        return None
    row = int(np.abs(np.where(known, values - centre, 0.0)).argmax())
    far = float(abs(values[row] - centre) / deviation)
    is_far = far >= _FAR_OUT or (far**2 / n_rows >= _MUCH and n_rows >= 30)
    return (row, far) if is_far and f[values == values[row]].sum() == 1 else None


def _weighed(rows: CheckedRows, values: Floats, row: int) -> str:
    """Say which share of an arm's weight one row would have, by a score of this column alone."""
    if rows.treated is None or rows.control is None or not (rows.treated | rows.control)[row]:
        return ""
    known = np.isfinite(values) & (rows.treated | rows.control)
    treated, x = rows.treated[known], np.asfortranarray(values[known][:, np.newaxis])
    users = np.ones(len(treated)) if rows.users is None else rows.users[known]
    try:
        scores = core.fit_propensity(x, treated, frequency=rows.of(known)).scores
        place = int(known[:row].sum())
        if scores[place] in (0, 1):
            arm = "treated" if scores[place] else "a control"
            return (
                f"; a score that is linear in it is {scores[place]:g} exactly there, as if the row were sure "
                f"to be {arm}, and no weights are to be had of it"
            )
        weights = core.balancing_weights(treated, scores, estimand="ATE", frequency=rows.of(known)).weights
    except InvalidInputError:
        return ""
    arm = treated == treated[place]
    share = weights[place] / (weights @ (users * arm))
    if share < _WORTH_TELLING:
        return ""
    whose = "treated" if treated[place] else "controls"
    return f"; in a score of it alone this row has {share:.1%} of the weight of the {whose}"
