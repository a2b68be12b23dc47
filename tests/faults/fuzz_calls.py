"""One junk call: made from a seed and a number, and judged by what it gives back or raises."""

from __future__ import annotations

import inspect
import math
import pickle
import traceback
import types
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from fuzz_values import COLUMNS, Draw, frame

import propensity as ps
from oracle import disagreement
from oracle.shrink import Given, smallest, written
from oracle.studies import array_study_call, study_call
from propensity import core
from propensity.errors import InternalError, InvalidInputError

PROMISED = (InvalidInputError, TypeError, MemoryError)
"""What docstrings say is raised; TypeError also by Python itself, for keywords and numbers of arguments."""

NOT_OURS = ("Big-endian buffer not supported",)
"""What pandas says of frames it holds and cannot take rows of."""

ARRAY_CALLS: Mapping[str, Callable[..., Any]] = {
    name: getattr(core, name)
    for name in core.__all__
    if isinstance(getattr(core, name), types.BuiltinFunctionType)
}
FRAME_CALLS: Mapping[str, Callable[..., Any]] = {
    name: getattr(ps, name) for name in ps.__all__ if inspect.isfunction(getattr(ps, name))
}
CALLS = {"core": ARRAY_CALLS, "ps": FRAME_CALLS}
PARAMETERS: Mapping[str, Sequence[inspect.Parameter]] = {
    f"{door} {name}": list(inspect.signature(function).parameters.values())
    for door, calls in CALLS.items()
    for name, function in calls.items()
}
"""Looked up once: to parse a signature of the compiled module takes longer than most calls."""
SHARE_OF_ARRAYS = 0.85  # they are fifteen times as fast
SHARE_OF_STUDIES = 0.03  # calls that are right and hard; their twins take a few milliseconds


@dataclass(frozen=True)
class Found:
    """What a call came to: a word for the tally, and what is wrong with that, if anything is."""

    outcome: str
    wrong: str | None = None


def make(seed: int, call: int, *, loud: bool = False) -> Found:
    """Make call number `call` of `seed`."""
    draw = Draw(np.random.default_rng([seed, call]))
    name = "?"
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            name, work = _call(draw)
            if loud:
                print(name)
            wrong = work()
    except PROMISED as error:
        kind = type(error).__name__
        if loud:
            traceback.print_exc()
        return Found(f"refused, {kind}")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a PanicException is no Exception
        if any(words in str(error) for words in NOT_OURS):
            return Found("refused by pandas")
        if loud:
            traceback.print_exc()
        return Found(_fate(error), _description(name, error))
    return Found("wrong answer", f"{name}: {wrong}") if wrong else Found("answered")


def _call(draw: Draw) -> tuple[str, Callable[[], str | None]]:
    if draw.chance(SHARE_OF_STUDIES):
        door, prepare = draw.of((("ps", study_call), ("core", array_study_call)))
        name, given = prepare(draw)
        return f"{door}.{name}", lambda: _compared(door, name, given, CALLS[door][name](**given))
    return _array_call(draw) if draw.chance(SHARE_OF_ARRAYS) else _frame_call(draw)


def _compared(door: str, name: str, given: Given, result: Any) -> str | None:
    """What is wrong with an answer by itself, or beside the twin's; with the smallest call that shows it."""
    wrong = _judge(result)
    if wrong:
        return wrong
    found = disagreement(door, name, given, result)
    if found is None:
        return None

    def still_wrong(fewer: Given) -> bool:
        try:
            return disagreement(door, name, fewer, CALLS[door][name](**fewer)) is not None
        except Exception:  # noqa: BLE001 - another fate is not this finding
            return False

    small = smallest(given, still_wrong)
    last = disagreement(door, name, small, CALLS[door][name](**small)) or found
    return f"{last}\n    {written(door, name, small)}"


def _fate(error: BaseException) -> str:
    # By name, for pyo3 exports no PanicException.
    panicked = isinstance(error, InternalError) or type(error).__name__ == "PanicException"
    return "panicked" if panicked else "another error"


def _description(name: str, error: BaseException) -> str:
    where = traceback.extract_tb(error.__traceback__)[-1]
    kind = "InternalError" if isinstance(error, InternalError) else type(error).__name__
    return f"{name}: {kind} at {where.filename.rsplit('/', 1)[-1]}:{where.lineno}: {str(error)[:90]}"


# The array door


def _array_call(draw: Draw) -> tuple[str, Callable[[], str | None]]:
    if draw.chance(0.04):
        return "PropensityFit", lambda: _unpickled_fit(draw)
    name = draw.of(list(ARRAY_CALLS))
    function = ARRAY_CALLS[name]
    n = draw.size()
    given = {}
    for parameter in PARAMETERS[f"core {name}"]:
        needed = parameter.default is inspect.Parameter.empty
        if needed or draw.chance(0.35):
            given[parameter.name] = draw.argument(parameter.name, n)
    if draw.chance(0.02):
        given["calliper"] = 1
    if draw.chance(0.02) and given:
        given.pop(draw.of(list(given)))
    return name, lambda: _compared("core", name, given, _after(draw, function(**given), n))


def _unpickled_fit(draw: Draw) -> str | None:
    x, treatment = draw.good_matrix(30), np.arange(30) % 2
    state = list(core.fit_propensity(x, treatment, penalty=1.0).__getnewargs__()[0])
    state[draw.integer(0, len(state) - 1)] = draw.of(
        [None, -1, np.zeros(0), np.zeros(3), np.zeros((2, 2)), [10**6], [0, 1], math.nan, "a", draw.vector(5)]
    )
    fit = core.PropensityFit(tuple(state[: draw.of([len(state), len(state), 3])]))
    repr(fit)
    fit.predict(x)
    fit.linear_predictor(x)
    pickle.loads(pickle.dumps(fit))
    return None


def _after(draw: Draw, result: Any, n: int) -> Any:
    """Use what came back, too."""
    if draw.chance(0.2):
        repr(result)
    if isinstance(result, core.PropensityFit) and draw.chance(0.3):
        method = draw.of([result.predict, result.linear_predictor])
        method(draw.argument("x", n))
        pickle.loads(pickle.dumps(result))
    return result


FINITE = (
    "estimate",
    "mean_treated",
    "mean_control",
    "std_error",
    "ess_treated",
    "ess_control",
    "log_likelihood",
)


def _judge(result: Any) -> str | None:
    """What is wrong with an answer: a number that is none, or scores and weights that cannot be."""
    for name in FINITE:
        value = getattr(result, name, 0.0)
        if isinstance(value, float) and not math.isfinite(value):
            return f"{name} is {value}"
    for name in ("scores", "weights", "coefficients", "estimates"):
        values = np.asarray(getattr(result, name, 0.0))
        if name == "scores" and values.ndim and isinstance(result, ps.Effect):
            # Rows of weight 0 are not there.
            values = values[np.asarray(result.weights) > 0]
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            return f"{name} are not finite"
    # A difference over no spread at all is infinite: `smd` of a column that is one number in either arm.
    if isinstance(result, np.ndarray) and result.dtype.kind == "f" and np.isnan(result).any():
        return "values are NaN"
    return None


# The frame door


def _frame_call(draw: Draw) -> tuple[str, Callable[[], str | None]]:
    name = draw.of(list(FRAME_CALLS))
    function = FRAME_CALLS[name]
    n = draw.size()
    df = frame(draw, n)
    given: dict[str, Any] = {}
    for parameter in PARAMETERS[f"ps {name}"][1:]:
        needed = parameter.default is inspect.Parameter.empty
        usual = parameter.name in {"scores", "covariates"}
        if needed or draw.chance(0.8 if usual else 0.25):
            given[parameter.name] = draw.option(parameter.name, n, df)
    if draw.chance(0.02):
        given["calliper"] = 1
    first = df if draw.chance(0.97) else draw.junk()
    if name in {"bootstrap", "sensitivity_bounds"}:
        given.setdefault("n_reps", draw.integer(2, 6))
        given["progress"] = False
    arguments = {**given, _first_name(name): first}
    return name, lambda: _compared("ps", name, arguments, _used(draw, function(first, **given), df, n))


def _first_name(name: str) -> str:
    return PARAMETERS[f"ps {name}"][0].name


def _used(draw: Draw, result: Any, df: Any, n: int) -> Any:
    """Call what the result offers, with junk too."""
    if draw.chance(0.5):
        repr(result)
    if draw.chance(0.15) and not isinstance(result, pd.DataFrame | pd.Series | pl.Series):
        pickle.loads(pickle.dumps(result))
    methods = ["predict", "summary", "conf_int", "effect", "bootstrap", "to_frame", "frame", "_repr_html_"]
    methods += ["rosenbaum", "e_value", "adjusted_interval", "test", "test_equal", "contrast_as"]
    offered = [name for name in methods if callable(getattr(result, name, None))]
    if offered and not isinstance(result, pd.DataFrame | pd.Series | pl.Series) and draw.chance(0.7):
        method = getattr(result, draw.of(offered))
        given = {}
        for parameter in inspect.signature(method).parameters.values():
            if parameter.default is inspect.Parameter.empty or draw.chance(0.3):
                given[parameter.name] = draw.of_method(parameter.name, n, df)
        if method.__name__ == "bootstrap":
            given.setdefault("n_reps", 3)
            given["progress"] = False
        method(**given)
    return result


__all__ = ["COLUMNS", "Found", "make"]
