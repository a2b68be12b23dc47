"""What no answer may hang on: one table, every estimator and matching method by every transformation.

A new estimator enters by a line in `invariance_estimators.py`, a new transformation by one in
`invariance_transformations.py`.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from invariance_asked import ESTIMATORS
from invariance_estimators import Answer
from invariance_failing import FAILING, FAILING_AFTERWARDS
from invariance_transformations import (
    DRAWN,
    IN_UNITS_OF_THE_OUTCOME,
    ROWWISE,
    SPREAD,
    TRANSFORMATIONS,
    Transformation,
    after,
    redundant,
    share_of_all,
    typed,
)
from invariance_worlds import WORLDS, World

# Samples of some two hundred rows are warned of, and nothing here is about that.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

NOT_YET = pytest.mark.xfail(reason="does not hold yet", strict=True)

# What rightly does not hold, and why.
EXCEPTIONS: dict[tuple[str, str], str] = {}


# Of some estimators only these kinds of numbers do not, and why.
PARTS: dict[tuple[str, str], tuple[tuple[str, ...], str]] = {}

# Of others only these worlds do not, and why.
SOME_WORLDS: dict[tuple[str, str], tuple[tuple[str, ...], str]] = {}


def except_for(
    transformations: str,
    estimators: str,
    reason: str,
    *,
    kinds: tuple[str, ...] | None = None,
    worlds: tuple[str, ...] | None = None,
) -> None:
    """Except estimators from transformations, both separated by semicolons; or kinds, or worlds."""
    for pair in itertools.product(transformations.split("; "), estimators.split("; ")):
        if pair in (EXCEPTIONS, PARTS, SOME_WORLDS)[(kinds is not None) + 2 * (worlds is not None)]:
            raise ValueError(f"excepted twice: {pair}")
        if worlds is not None:
            SOME_WORLDS[pair] = (worlds, reason)
        elif kinds is None:
            EXCEPTIONS[pair] = reason
        else:
            PARTS[pair] = (kinds, reason)


except_for(
    "arms swapped",
    "ipwra cloglog",
    "the complementary log-log of what is left of a chance is another: swapped arms have another model",
)
except_for(
    "outcome + 1e9; outcome x 1e+15; outcome x 1e-15; outcome x -1",
    "aipw logistic; aipw poisson; ipwra logistic; regression_adjustment logistic; bootstrap logistic",
    "a logistic outcome model is of outcomes between 0 and 1, and a Poisson model of their logarithms",
)
except_for(
    "weight 2 = row twice",
    "3-NN; 1-NN max_reuse; pairs; pairs of a column; pairs optimal; match_full",
    "a unit that is there twice has its copy beside it as a second neighbour, or a partner more",
)
except_for("weight 2 = row twice", "aipw cross-fitted; placebo cross-fitted", "folds are dealt out to rows")
except_for(
    "weight 2 = row twice",
    "fit_propensity penalized; fit_weights penalized; fit_weights products",
    "a penalty is per unit of mean weight, and of more rows each tells less",
)
except_for("redundant column", "1-NN euclidean", "every column adds to a Euclidean distance, told or not")
except_for(
    "redundant column",
    "fit_propensity penalized; fit_weights penalized; fit_weights products",
    "a penalty shrinks two equal columns less than one",
)
except_for("redundant column", "balance_summary", "its terms are one more to count")
except_for(
    "arms swapped; levels renamed; outcome x -1",
    "fit_weights bootstrapped",
    "where rows tie, which of them a seed draws hangs on what they hold",
    worlds=("ties", "whole weights and ties"),
)
except_for(
    "columns rescaled", "fit_propensity penalized", "the penalty is on coefficients, per unit of a column"
)
except_for(
    "levels renamed",
    "fit_propensity penalized; fit_weights penalized; fit_weights products",
    "a penalty shrinks levels towards the one without a term, the first",
)
except_for(
    "outcome x -1; arms swapped; levels renamed",
    "; ".join(name for name in ESTIMATORS if name.startswith(("bootstrap", "sensitivity_bounds"))),
    "a draw hangs on what rows hold: they hold something else, and where rows of both arms are alike in all "
    "else, these may be the very rows that were there before they were swapped",
    kinds=DRAWN,
)
except_for(
    "outcome x -1; arms swapped",
    "Matches.bootstrap",
    "two rows of a cell are as far from its mean as each other, one above it and one below: which is drawn "
    "hangs on the sign",
    kinds=DRAWN,
)
except_for(
    "outcome x -1; arms swapped; levels renamed",
    "aipw cross-fitted; placebo cross-fitted",
    "a fold hangs on what rows hold, and they hold something else",
)
except_for(
    "weight 2 = row twice",
    "subclassify",
    "weights have no unit, and a quantile of definition 7 is elsewhere where every row is there twice",
)
except_for(
    "arms swapped",
    "pairs optimal; match_full; match_full rosenbaum; match_full m",
    "of pairs whose distances have the same sum those of lower scores are made, which are others when scores "
    "are turned around",
)
except_for(
    "arms swapped",
    "subclassify; subclassify rosenbaum",
    "a score on a cut point belongs to the subclass above, which is below when scores are turned around",
)

except_for(
    "weight 2 = row twice",
    "robustness_value; robustness_value aipw",
    "what it takes to leave nothing certain hangs on the rows that there are, as errors do",
    kinds=("share", "ends"),
)

except_for(
    "outcome + 1e9; outcome x 1e+15; outcome x 1e-15",
    "placebo cross-fitted",
    "it is asked of the other outcome, of 0 and 1",
)

OUT_OF_FOLD = ("fit_propensity cross-fitted", "fit_propensity boosted", "ipw boosted", "aipw boosted")

except_for(
    "weight 2 = row twice",
    "; ".join((*OUT_OF_FOLD, "fit_propensity forest")),
    "rows, and not what they weigh, are dealt to folds and drawn into bags",
)
except_for(
    "outcome + 1e9; outcome x 1e+15; outcome x 1e-15; outcome x -1; weights x 1e+06; weights x 1e-06; "
    "weights alike; columns rescaled; redundant column; arms swapped; levels renamed; unused columns",
    "; ".join((*OUT_OF_FOLD, "fit_propensity forest")),
    "rows that a score model cannot tell apart are dealt to folds by all they hold, which is something else",
    worlds=("ties", "whole weights and ties"),
)
except_for(
    "redundant column",
    "fit_propensity boosted; ipw boosted; aipw boosted",
    "trees are added until all columns are balanced on average, and one of them counts twice",
)
except_for(
    "redundant column; levels renamed; arms swapped",
    "fit_propensity forest",
    "trees choose among columns that are drawn by their place; and a tree of the controls is another tree",
)

except_for(
    "outcome + 1e9",
    "ipw per; aipw per; ipw per by",
    "what is divided by stays, and the ratio of means is another",
)
except_for("outcome + 1e9; outcome x -1", "e_value by", "a size, which has no sign and no other zero")
except_for(
    "outcome x -1; arms swapped; levels renamed",
    "quantile_effect",
    "a draw hangs on what rows hold, and they hold something else",
    kinds=DRAWN,
)
except_for(
    "arms swapped", "ipw percent", "a lift of the other arm over this one is no multiple of this one's"
)
except_for("weight 2 = row twice", "ipw percent", "an error hangs on the number of rows", kinds=("share",))
except_for(
    "weight 2 = row twice; outcome x -1; arms swapped; levels renamed",
    "best_linear_projection; rank_effect",
    "a fold hangs on what rows hold, and they hold something else",
)

# Estimators that fit no model to the covariates, so that none can be redundant.
OF_NO_MODEL = (
    *("fit_propensity boosted", "fit_propensity forest", "ipw boosted", "aipw boosted"),  # trees take all
    *("ipw of a column", "1-NN of a column", "pairs of a column", "match_cem"),
    *("1-NN mahalanobis", "1-NN euclidean"),  # distances have no coefficients to tell apart
    *(
        "fit_propensity penalized",
        *("fit_weights penalized", "fit_weights products"),
    ),  # a penalty tells equal columns apart: each has half
)


# Results that are asked by group read the frame again, and answer that it is another.
READING_GROUPS_LATER = ("1-NN by", "fit_weights by")


# The comparison


def compare(
    transformation: Transformation, before: Answer, found: Answer, skips: tuple[str, ...] = ()
) -> list[str]:
    """List the numbers that did not move as they had to."""
    problems = []
    for (kind, name), value in before.items():
        new_name = transformation.names(name)
        if kind in transformation.skips or kind in skips or new_name is None:
            continue
        if (kind, new_name) not in found:
            problems.append(f"{kind} {new_name}: is gone")
            continue
        expected, actual = value, found[kind, new_name]
        if kind in ROWWISE:
            expected, actual = _by_user(kind, expected, actual)
        if kind in transformation.moves:
            expected = transformation.moves[kind](expected)
            if transformation.moves[kind] is share_of_all:
                actual = share_of_all(actual)
        if not _close(transformation, kind, expected, actual):
            problems.append(f"{kind} {new_name}: {_shown(actual, expected)}")
    return problems


def _by_user(kind: str, expected: pd.Series[Any], actual: pd.Series[Any]) -> tuple[Any, Any]:
    """Put users in one order; those who are new weigh nothing, and have no other number to compare."""
    new = actual.index.difference(expected.index)
    if kind == "weight" and len(new):
        expected = pd.concat([expected, pd.Series(0.0, index=new)])
    actual = actual.loc[expected.index]
    if kind == "part":  # whatever the parts are called
        return pd.Series(pd.factorize(expected)[0]), pd.Series(pd.factorize(actual)[0])
    return expected.astype(float), actual.astype(float)


def _close(transformation: Transformation, kind: str, expected: Any, actual: Any) -> bool:
    scale = SPREAD * transformation.unit if kind in IN_UNITS_OF_THE_OUTCOME else 1.0
    tolerance = transformation.tolerance
    if np.shape(expected) != np.shape(actual):
        return False
    return bool(np.allclose(actual, expected, rtol=tolerance, atol=tolerance * scale, equal_nan=True))


def _shown(actual: Any, expected: Any) -> str:
    actual, expected = np.atleast_1d(actual).astype(float), np.atleast_1d(expected).astype(float)
    if actual.shape != expected.shape:
        return f"{len(actual)} values, not {len(expected)}"
    worst = int(np.nanargmax(np.abs(actual - expected))) if np.isfinite(actual - expected).any() else 0
    return f"{actual[worst]:.12g}, not {expected[worst]:.12g}"


@functools.cache
def answer_before(estimator: str, transformation: str, world: str) -> Answer:
    """Give the answer before; that of a world as it is once for all transformations."""
    before, _ = TRANSFORMATIONS[transformation].worlds_of(world)
    return (
        _answer_as_it_is(estimator, world)
        if before is WORLDS[world]
        else ESTIMATORS[estimator].answer(before)
    )


@functools.cache
def _answer_as_it_is(estimator: str, world: str) -> Answer:
    return ESTIMATORS[estimator].answer(WORLDS[world])


def applies(transformation: str, estimator: str, world: str) -> bool:
    weighs = WORLDS[world].sample_weight or transformation == "weights alike"
    if weighs and not ESTIMATORS[estimator].takes_weights:
        return False
    if world in SOME_WORLDS.get((transformation, estimator), ((), ""))[0]:
        return False
    return not any((transformation, name) in EXCEPTIONS for name in (estimator, "*"))


def cells() -> list[Any]:
    """Give a test for each cell of the table; marked, where it does not hold yet."""
    found = []
    for transformation, what in TRANSFORMATIONS.items():
        for estimator in ESTIMATORS:
            for world in what.worlds:
                if applies(transformation, estimator, world):
                    failing = FAILING.get(transformation, {}).get(estimator, "")
                    marks = [NOT_YET] if failing == "all" or world in failing.split(", ") else []
                    found.append(pytest.param(transformation, estimator, world, marks=marks))
    return found


def each(test: str, *estimators: str) -> list[Any]:
    """Give estimators, those marked for which a test does not hold yet."""
    failing = FAILING_AFTERWARDS.get(test, ())
    return [pytest.param(name, marks=[NOT_YET] if name in failing else []) for name in estimators]


@pytest.mark.parametrize(("transformation", "estimator", "world"), cells())
def test_answer_moves_as_the_world_does(transformation, estimator, world):
    what = TRANSFORMATIONS[transformation]
    expected = answer_before(estimator, transformation, world)
    found = ESTIMATORS[estimator].answer(what.worlds_of(world)[1])
    problems = compare(what, expected, found, PARTS.get((transformation, estimator), ((), ""))[0])
    assert not problems, "\n".join(problems[:12])


@pytest.mark.parametrize(
    "estimator",
    each("test_redundant_column_is_told", *(name for name in ESTIMATORS if name not in OF_NO_MODEL)),
)
def test_redundant_column_is_told(estimator):
    world = redundant(WORLDS["continuous"])
    with pytest.warns(ps.errors.CollinearityWarning, match="again"):
        ESTIMATORS[estimator].results(world)


# What happens to the caller's frame, and to a result, afterwards


def editable(name: str) -> World:
    """Give a world whose columns are of the types that are read without a copy."""
    return typed(t=bool, z=float, team="int64")(WORLDS[name])


def turn_around(frame: pd.DataFrame) -> None:
    """Write the rows of a frame in the opposite order into it, where it lies."""
    for column in frame:
        frame.loc[:, column] = frame[column].to_numpy()[::-1].copy()


@pytest.mark.parametrize("world", ["weights", "clusters"])
@pytest.mark.parametrize("estimator", [name for name in ESTIMATORS if name not in READING_GROUPS_LATER])
def test_result_is_of_the_frame_as_it_was(estimator, world):
    if not (what := ESTIMATORS[estimator]).takes_weights and WORLDS[world].sample_weight:
        return
    kept, edited = editable(world), editable(world)
    results = what.results(edited)
    turn_around(edited.df)
    same = Transformation(after(lambda world: world))
    problems = compare(same, what.answer(kept), what.numbers(results, kept))
    assert not problems, "\n".join(problems[:12])


def deface(result: Any, depth: int = 2) -> None:
    """Try to write zeros wherever a result lets one."""
    for name in [name for name in object.__dir__(result) if not name.startswith("_")]:
        try:
            value = getattr(result, name)
        except (AttributeError, ps.errors.InvalidInputError):  # as the sets of matches with replacement
            continue
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            setattr(result, name, None)
        for overwrite in (_fill, _fill_series, _fill_frame, _empty):
            with contextlib.suppress(Exception):
                overwrite(value)
        if depth and type(value).__module__.startswith("propensity"):
            deface(value, depth - 1)


def _fill(value: Any) -> None:
    value[...] = 0


def _fill_series(value: Any) -> None:
    value.iloc[:] = 0


def _fill_frame(value: Any) -> None:
    value.iloc[:, :] = 0


def _empty(value: Any) -> None:
    value.clear()


@pytest.mark.parametrize("estimator", each("test_result_cannot_be_written_into", *ESTIMATORS))
def test_result_cannot_be_written_into(estimator):
    what, world = ESTIMATORS[estimator], editable("clusters")
    results = what.results(world)
    if any(isinstance(result, pd.Series | pd.DataFrame) for result in results.values()):
        return  # the caller's own
    expected = what.numbers(results, world)
    for result in results.values():
        deface(result)
    problems = compare(Transformation(after(lambda world: world)), expected, what.numbers(results, world))
    assert not problems, "\n".join(problems[:12])
