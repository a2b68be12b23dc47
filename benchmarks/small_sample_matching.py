"""Pairs, full matching and subclasses in the study of few rows: effects as frames give them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pandas as pd

import propensity as ps
from propensity.effects.effect import Effect
from propensity.errors import BalanceWarning, InvalidInputError, OverlapWarning, SmallSampleWarning
from world_rows import Sample

SIZES = (250, 1_000)
"""Numbers of rows that these are counted at; they take long."""

_MATCHED: dict[tuple[str, str], Callable[..., Any]] = {
    ("pairs", "ATT"): partial(ps.match_nn, replace=False, n_threads=1),
    ("full", "ATE"): partial(ps.match_full, n_threads=1),
    ("full", "ATT"): partial(ps.match_full, n_threads=1),
    ("10 subclasses", "ATE"): ps.subclassify,
    ("10 subclasses", "ATT"): ps.subclassify,
}


def matched_effects(sample: Sample) -> Iterator[tuple[str, str, Effect]]:
    """Give the effects of matched rows, by estimator and estimand; what is refused is left out."""
    names = [f"x{k}" for k in range(sample.x.shape[1])]
    df = pd.DataFrame(sample.x, columns=names).assign(t=sample.treatment, y=sample.outcome)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = ps.fit_propensity(df, treatment="t", covariates=names, n_threads=1)
        except InvalidInputError:
            return
        for (name, estimand), match in _MATCHED.items():
            try:
                effect: Effect = match(df, treatment="t", scores=model, estimand=estimand).effect("y")
            except InvalidInputError:
                continue
            yield name, estimand, effect


def is_warned_of(effect: Effect) -> bool:
    """Whether the package says of an effect that its interval may not hold: weights, sizes or balance."""
    kinds = (OverlapWarning, SmallSampleWarning, BalanceWarning)
    return any(isinstance(caution, kinds) for caution in effect.cautions)
