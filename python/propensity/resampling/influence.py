"""The bootstrap of an estimate's terms: each replicate weighs them anew, and nothing is estimated again."""

from __future__ import annotations

import numpy as np
import pandas as pd

from propensity import core
from propensity.effects import inference
from propensity.effects.arms import Means
from propensity.effects.effect import Effect
from propensity.effects.estimators import NearestNeighbors
from propensity.frames.checks import Rows
from propensity.frames.order import groups_by_content, places_by_content
from propensity.resampling.analytic import Analytic
from propensity.resampling.options import Resampling, progress_bar
from propensity.resampling.result import BootstrapResult

_DIGITS = 9


def bootstrap_influence(
    means: Means,
    spec: NearestNeighbors,
    effect: Effect,
    *,
    resampling: Resampling,
    cluster: Rows | None,
    strata: Rows | None,
    n_reps: int,
    seed: int,
    n_threads: int | None,
    progress: bool | None,
) -> BootstrapResult:
    """Bootstrap an effect by what its rows add to the two means, centred at it (Otsu and Rai 2017)."""
    assert means.influence_treated is not None
    assert means.influence_control is not None
    influence = means.influence_treated - means.influence_control
    # What rows add is known but for rounding, which their order moves.
    scale = float(np.abs(influence).max()) or 1.0
    places = places_by_content([np.round(influence / scale, _DIGITS)])
    cluster = None if cluster is None else groups_by_content(cluster, places)
    strata = None if strata is None else groups_by_content(strata, places)
    with progress_bar(n_reps, progress) as report:
        changes = core.bootstrap_influence(
            influence,
            resampling=resampling,
            cluster=cluster,
            strata=strata,
            n_reps=n_reps,
            seed=seed,
            n_threads=n_threads,
            progress=report,
        )
    labels = pd.Index([spec.label], name="estimator")
    return BootstrapResult(
        estimators=(spec,),
        estimates=pd.Series([effect.estimate], index=labels, name="estimate"),
        replicates=pd.DataFrame({spec.label: effect.estimate + changes}, columns=labels),
        analytic=Analytic.known(
            pd.Series([inference.acceleration(influence, cluster)], index=labels, name="acceleration"),
            pd.Series([effect.std_error], index=labels, name="analytic_std_error"),
        ),
        seed=seed,
        penalty=0.0,
        resampling=resampling,
        cluster=None if cluster is None else "cluster",
        strata=None if strata is None else "strata",
        refitted=False,
    )
