"""Studies that are right and hard: far-off and tiny columns, weights of 0, scores at their ends, alike rows.

Junk calls seldom get past the first check; these mostly do, so that the oracle has numbers to compare.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl

import propensity as ps

if TYPE_CHECKING:
    from fuzz_values import Draw

ESTIMANDS = ("ATE", "ATT", "ATC", "ATO", "ATM")
ARMS = ESTIMANDS[:3]


def column(draw: Draw, n: int) -> np.ndarray:
    """A covariate: of any offset and scale, or of few values."""
    rng = draw.rng
    kinds: tuple[Callable[[], np.ndarray], ...] = (
        lambda: rng.normal(size=n),
        lambda: rng.normal(size=n) + draw.of((1e6, 1e9, -1e9)),
        lambda: rng.normal(size=n) * 10.0 ** draw.integer(-15, 15),
        lambda: rng.normal(size=n) * 1e-3 + 1e3,
        lambda: rng.integers(0, 4, n).astype(float),
        lambda: rng.integers(0, 2, n).astype(float),
        lambda: np.exp(3 * rng.normal(size=n)),
        lambda: np.full(n, draw.of((0.0, 1.0, 1e9, 1 / 3))),
    )
    return draw.of(kinds)()


def outcome(draw: Draw, n: int, signal: np.ndarray, t: np.ndarray) -> np.ndarray:
    rng = draw.rng
    y = signal + t + rng.normal(size=n)
    kinds: tuple[Callable[[], np.ndarray], ...] = (
        lambda: y,
        lambda: y + draw.of((1e9, -1e9, 1.7e9)),
        lambda: y * 10.0 ** draw.integer(-15, 15),
        lambda: (y > 0.5).astype(float),
        lambda: np.full(n, draw.of((0.0, 1.0, 1 / 3, 1e9))),
        lambda: np.where(t > 0, 1.0, y),
        lambda: np.round(y),
        lambda: np.where(rng.random(n) < 0.02, 1e6 * y, y),
    )
    return draw.of(kinds)()


def weights(draw: Draw, n: int) -> np.ndarray:
    rng = draw.rng
    kinds: tuple[Callable[[], np.ndarray], ...] = (
        lambda: rng.uniform(0.5, 2, n),
        lambda: rng.integers(0, 4, n).astype(float),
        lambda: rng.integers(1, 4, n).astype(float),
        lambda: np.where(rng.random(n) < 0.3, 0.0, rng.uniform(0.5, 2, n)),
        lambda: np.full(n, draw.of((1.0, 2.0, 1e-8, 1e8))),
        lambda: rng.uniform(0.5, 2, n) * draw.of((1e-12, 1e12)),
    )
    return draw.of(kinds)()


def scores(draw: Draw, n: int, signal: np.ndarray) -> np.ndarray:
    rng = draw.rng
    kinds: tuple[Callable[[], np.ndarray], ...] = (
        lambda: 1 / (1 + np.exp(-signal + rng.normal(size=n) / 3)),
        lambda: rng.uniform(0.02, 0.98, n),
        lambda: rng.integers(1, 8, n) / 8,
        lambda: np.full(n, 0.5),
        lambda: np.where(
            rng.random(n) < 0.1, draw.of((1e-9, 1e-14, 1 - 1e-9, 1 - 1e-14)), rng.uniform(0.1, 0.9, n)
        ),
        lambda: rng.beta(0.2, 0.2, n).clip(1e-12, 1 - 1e-12),
    )
    return draw.of(kinds)()


def study(draw: Draw) -> pd.DataFrame:
    """A frame: covariates a, b, text and code, a treatment t, outcomes y, scores e, weights w, groups g."""
    rng, n = draw.rng, draw.integer(24, 120)
    signal = rng.normal(size=n)
    t = (rng.random(n) < 1 / (1 + np.exp(-draw.of((0.0, 0.5, 1.5)) * signal))).astype(int)
    text = rng.choice(["u", "v", "w"], n)
    if draw.chance(0.2):
        text = np.where(t > 0, text, np.where(text == "w", "u", text))  # a level that the controls have not
    a = column(draw, n)
    frame = pd.DataFrame(
        {
            "t": t,
            "y": outcome(draw, n, signal, t),
            "a": a,
            "b": draw.of(
                (lambda: signal, lambda: column(draw, n), lambda: 2 * a + 1, lambda: signal + 1e-5 * a)
            )(),
            "text": text,
            "e": scores(draw, n, signal),
            "w": weights(draw, n),
            "g": rng.integers(0, draw.of((4, 60)), n),
        }
    )
    if draw.chance(0.25):
        frame = frame.iloc[rng.integers(0, n, n)].reset_index(drop=True)  # rows that are all alike
    return frame


def dressed(draw: Draw, frame: pd.DataFrame) -> Any:
    """The same rows in another order, under other labels, of other types, in another library."""
    frame = frame.sample(frac=1, random_state=draw.integer(0, 10**6))
    labels = draw.of(
        (
            lambda: frame.index,
            lambda: pd.Index(np.uint64(2**64 - 1) - frame.index.to_numpy().astype(np.uint64)),
            lambda: frame.index.astype(str),
            lambda: pd.RangeIndex(len(frame)),
        )
    )()
    frame = frame.set_axis(labels)
    if draw.chance(0.2):
        frame["t"] = draw.of(
            (lambda c: c.astype(bool), lambda c: c.astype("uint8"), lambda c: c.astype(float))
        )(frame["t"])
    if draw.chance(0.2):
        frame["text"] = frame["text"].astype("category")
    if draw.chance(0.2):
        frame["g"] = np.uint64(2**63 + 1) + frame["g"].to_numpy().astype(np.uint64)
    if draw.chance(0.2):
        return pl.DataFrame({name: frame[name].to_numpy() for name in frame if name != "text"}).with_columns(
            pl.Series("text", frame["text"].astype(str).tolist())
        )
    return frame


def study_call(draw: Draw) -> tuple[str, dict[str, Any]]:
    """A call of the frame door by name, its frame among the arguments as "df"."""
    frame = dressed(draw, study(draw))
    name = draw.of(list(_CALLS))
    given = {"df": frame, "treatment": "t", **_CALLS[name](draw)}
    if name == "truncate":
        given = {"weights": frame["w"], **_CALLS[name](draw)}
    elif given.get("scores") == "model":
        also = {"sample_weight": "w"} if "sample_weight" in given else {}
        given["scores"] = ps.fit_propensity(frame, treatment="t", covariates=_covariates(draw), **also)
    return name, given


def array_study_call(draw: Draw) -> tuple[str, dict[str, Any]]:
    """A call of the array door, by name."""
    frame = study(draw)
    x = np.asfortranarray(frame[["a", "b"][: draw.integer(1, 2)]].to_numpy(dtype=float))
    t, y, e, w = (frame[name].to_numpy() for name in ("t", "y", "e", "w"))
    s = {"sample_weight": w} if draw.chance(0.5) else {}
    name = draw.of(("fit_propensity", "ipw", "weighted_effect", "adjust", "smd", "balance", "match_nn"))
    truncate = {"truncate": draw.of((0.5, 0.9, 0.99))} if draw.chance(0.3) else {}
    words = {"estimand": draw.of(ARMS)}
    given: dict[str, dict[str, Any]] = {
        "fit_propensity": {"x": x, "treatment": t, **s},
        "ipw": {
            "outcome": y,
            "treatment": t,
            "scores": e,
            "estimand": draw.of(ESTIMANDS),
            **s,
            **truncate,
        },
        "weighted_effect": {"outcome": y, "treatment": t, "weights": e, **s},
        "adjust": {
            "x": x,
            "treatment": t,
            "outcome": y,
            **words,
            **s,
            "method": draw.of(("aipw", "ipwra", "regression")),
            "outcome_model": draw.of(("linear", "linear", "logistic")),
        },
        "smd": {"x": x, "treatment": t, "denominator": draw.of(("pooled", "treated", "control", "all")), **s},
        "balance": {"x": x, "treatment": t, **s},
        "match_nn": {"scores": e, "treatment": t, **words, **_matching(draw), **s},
    }
    return name, given[name]


def _covariates(draw: Draw) -> list[str]:
    return draw.of((["a"], ["b"], ["a", "b"], ["text"], ["a", "text"], ["b", "a", "text"]))


def _weighted(draw: Draw) -> dict[str, Any]:
    return {"sample_weight": "w"} if draw.chance(0.4) else {}


def _matching(draw: Draw) -> dict[str, Any]:
    given: dict[str, Any] = {"n_neighbors": draw.integer(1, 3), "on": draw.of(("score", "logit"))}
    if draw.chance(0.4):
        given["caliper"] = draw.of((0.05, 0.2, 1.0))
    if draw.chance(0.4):
        given |= {"replace": False, "order": draw.of(("largest", "smallest", "closest"))}
    return given


def _adjusting(draw: Draw) -> dict[str, Any]:
    given = {"outcome": "y", "covariates": _covariates(draw), "estimand": draw.of(ARMS), **_weighted(draw)}
    return given | ({"outcome_model": "logistic"} if draw.chance(0.2) else {})


def _estimators(draw: Draw) -> list[Any]:
    specs = [ps.IPW(draw.of(ESTIMANDS)), ps.AIPW(draw.of(ARMS)), ps.IPWRA(draw.of(ARMS))]
    return [*specs, ps.RegressionAdjustment(draw.of(ARMS))][: draw.integer(1, 4)]


_CALLS: Mapping[str, Callable[[Draw], dict[str, Any]]] = {
    "fit_propensity": lambda d: {
        "covariates": _covariates(d),
        **_weighted(d),
        **({"penalty": 1.0} if d.chance(0.2) else {}),
    },
    "balancing_weights": lambda d: {"scores": "e", "estimand": d.of(ESTIMANDS)},
    "ipw": lambda d: {
        "outcome": "y",
        "scores": d.of(("e", "e", "model")),
        "estimand": d.of(ESTIMANDS),
        **_weighted(d),
        **({"cluster": "g"} if d.chance(0.3) else {}),
        **({"contrast": d.of(("ratio", "odds_ratio"))} if d.chance(0.2) else {}),
        **({"truncate": d.of((0.5, 0.9, 0.99))} if d.chance(0.2) else {}),
    },
    "weighted_effect": lambda d: {
        "outcome": "y",
        "weights": "e",
        "estimand": d.of(ESTIMANDS),
        **_weighted(d),
        **({"cluster": "g"} if d.chance(0.3) else {}),
    },
    "aipw": _adjusting,
    "ipwra": _adjusting,
    "regression_adjustment": _adjusting,
    "smd": lambda d: {
        "covariates": _covariates(d),
        "denominator": d.of(("pooled", "treated", "control", "all")),
        **_balancing(d),
    },
    "balance": lambda d: {"covariates": _covariates(d), **_balancing(d)},
    "overlap": lambda d: {"scores": d.of(("e", "model"))},
    "trim": lambda d: {"scores": "e", "bounds": d.of(((0.1, 0.9), (0.05, 0.95), "crump", "common_support"))},
    "truncate": lambda d: d.of(
        ({"upper": 0.9}, {"lower": 0.1, "upper": 0.95}, {"upper": 1.5, "unit": "raw"})
    ),
    "subclassify": lambda d: {
        "scores": "e",
        "n_subclasses": d.of((2, 5, 10)),
        "estimand": d.of(ARMS),
        "min_per_arm": d.of((1, 2)),
        **_weighted(d),
    },
    "match_nn": lambda d: {
        "scores": d.of(("e", "e", "model")),
        "estimand": d.of(ARMS),
        **_matching(d),
        **_weighted(d),
    },
    "estimate": lambda d: {
        "outcome": "y",
        "covariates": _covariates(d),
        "estimators": _estimators(d),
        **_weighted(d),
    },
}


def _balancing(draw: Draw) -> dict[str, Any]:
    return {**({"weights": "e"} if draw.chance(0.5) else {}), **_weighted(draw)}
