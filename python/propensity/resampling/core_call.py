"""The call of the core: which rows, columns and draws a bootstrap gets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from propensity import core
from propensity.effects.group_means import origin_of
from propensity.effects.sample import rows_there
from propensity.frames.checks import Bools, Floats
from propensity.outcomes.models import (
    Study,
    matrix_and_codes,
    places_of_rows,
    side_by_side,
)
from propensity.resampling.balanced import Balanced
from propensity.resampling.options import Groups, ResamplingOptions


def run_on(
    study: Study,
    outcomes: tuple[Sequence[str], str | None],
    groups: Groups,
    options: ResamplingOptions,
    balanced: Balanced,
    **what: Any,
) -> Callable[..., core.Replicates]:
    """Give the core's bootstrap of the rows that are there, for as many replicates as are asked for later.

    `outcomes` are their columns, and that which each is divided by.
    """
    sample, (names, per) = study.sample, outcomes
    columns = names if per is None else [*names, per]
    there = rows_there(sample.sample_weight)
    x, places = _columns(study, balanced, there)
    drawn = groups.numbered(partial(places_of_rows, study, columns), there)
    own = [sample.frame.outcome(name)[there].copy() for name in columns]
    # Differences are taken of means, which lose digits far from zero; ratios are of the means themselves.
    if len(names) > 1 and per is None and not what["means"]:
        own = [y - origin_of(y, np.ones(len(y), dtype=bool)) for y in own]
    return partial(
        core.bootstrap,
        x,
        sample.treated[there].copy(),  # what is worked out later is of the data as they are now
        own[0],
        cluster=drawn.cluster,
        strata=drawn.strata,
        sample_weight=None if sample.sample_weight is None else sample.sample_weight[there],
        frequency=None if sample.frequency is None else sample.frequency[there],
        **places,
        per=None if per is None else own[-1],
        others=own[1 : len(names)],
        **options.core_options,
        **what,
    )


def _levels_of(factor: Any, rows: Bools | slice) -> Any:
    """Give a factor's codes of some rows, and the numbers that its levels have slopes of if there are any."""
    return tuple(own[rows] for own in factor) if isinstance(factor, tuple) else factor[rows]


def _columns(study: Study, balanced: Balanced, there: Bools | slice) -> tuple[Floats, dict[str, Any]]:
    """Give the core a matrix of the rows that are there, and what stands beside it."""
    if not balanced.specs:
        x, beside = matrix_and_codes(study)
        if "factors" in beside:
            beside["factors"] = [_levels_of(factor, there) for factor in beside["factors"]]
        return _taken(x, there), beside
    x, score_columns, outcome_columns = side_by_side(study)
    if score_columns is None and balanced.has_products:
        score_columns = outcome_columns = list(range(x.shape[1]))
    x, balanced_columns = balanced.beside(x)
    columns = {
        "score_columns": score_columns,
        "outcome_columns": outcome_columns,
        "balanced_columns": balanced_columns,
    }
    return _taken(x, there), columns


def _taken(x: Floats, there: Bools | slice) -> Floats:
    return x if isinstance(there, slice) else np.asfortranarray(x[there])
