"""Bounds under the marginal sensitivity model, for weighting and AIPW; replicates refit the score."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import pandas as pd

from propensity import core
from propensity.calls.warned import warn
from propensity.effects.arms import Weighting
from propensity.effects.cautions import count_cautions, size_cautions
from propensity.effects.effect import Interval
from propensity.effects.estimators import AIPW, IPW
from propensity.effects.given_away import constant_cautions
from propensity.effects.sample import rows_there, warn_once
from propensity.errors import InvalidInputError, OverlapWarning
from propensity.frames import checks
from propensity.frames.by_name import columns_by_name
from propensity.frames.checks import Floats
from propensity.frames.native import AnyFrame
from propensity.frames.one_column import one_outcome
from propensity.frames.terms import Covariates
from propensity.frames.tidying import Missing, Tidying
from propensity.outcomes.models import Roles, Study, places_of_rows, read_study, side_by_side
from propensity.resampling.failures import TOLERATED
from propensity.resampling.options import Groups, Resampling, ResamplingOptions
from propensity.scores.choice import LOGISTIC
from propensity.scores.own_models import ScoreWord
from propensity.sensitivity.bounds_result import SensitivityBounds
from propensity.sensitivity.gammas import read_gammas
from propensity.sensitivity.hidden_rows import HiddenRows
from propensity.sensitivity.roots import root
from propensity.weighting.doubts import weighting_cautions

_ESTIMANDS = ("ATE", "ATT", "ATC")

# Beyond this no confounder of a product's users is worth a thought.
_LARGEST_GAMMA = 1e6


@columns_by_name
def sensitivity_bounds(  # noqa: PLR0913 - each is a choice a user may have to make, by name
    df: AnyFrame,
    *,
    outcome: str,
    treatment: str,
    covariates: Covariates,
    missing: Missing | None = None,
    min_level_count: int | None = None,
    estimator: IPW | AIPW | None = None,
    gamma: Sequence[float] = (1.1, 1.25, 1.5, 2.0),
    sharp: bool = False,
    outcome_covariates: Covariates | None = None,
    penalty: float = 0.0,
    resampling: Resampling = "multinomial",
    cluster: object = None,
    sample_weight: object = None,
    level: float = 0.95,
    n_reps: int = 500,
    seed: int | np.random.Generator | None = 0,
    n_threads: int | None = None,
    progress: bool | None = None,
) -> SensitivityBounds:
    """Bound an effect where hidden confounders change the odds of treatment by a factor of up to gamma.

    Of two users with the same covariates hidden confounders may make one likelier to opt in. The marginal
    sensitivity model (Tan 2006) says: whatever they are, and however they go with the outcome, they change
    the odds of opting in by no more than gamma, up or down. That leaves each weight open within bounds, and
    these are the least and the largest effect that any such weights give.

    Parameters
    ----------
    df, outcome, treatment, covariates, missing, min_level_count
        As for `bootstrap`: one row a unit; columns, or the right-hand side of a formula.
    estimator : IPW, AIPW or None, default None
        For the ATE, the ATT or the ATC; None takes ``IPW("ATE")``. The score model is the logistic one,
        fitted to all rows. AIPW takes off what its outcome models foretell, which makes the bounds narrower:
        only what is left of the outcome can be confounded. Its models may be any, and are fitted once.
    gamma : list of float, default (1.1, 1.25, 1.5, 2)
        Strengths of confounding, ascending, each at least 1.
    sharp : bool, default False
        Whether to take the sharp bounds (Dorn and Guo 2023), which use that the right weights balance every
        function of the covariates, among them the quantiles of the outcome. They lie within the others.
    outcome_covariates : list of str, str, or None, default None
        Of the outcome models and quantiles, where they are others.
    penalty : float, default 0.0
        L2 strength of the score model, as for `fit_propensity`, in every replicate.
    resampling : {"multinomial", "poisson", "bayesian"}, default "multinomial"
        As for `bootstrap`.
    cluster, sample_weight : None, str, Series or array (n,), default None
        As for `bootstrap`.
    level : float, default 0.95
        Coverage of the intervals.
    n_reps : int, default 500
        Replicates.
    seed, n_threads, progress
        As for `bootstrap`.

    Returns
    -------
    SensitivityBounds
        With `table` and `critical_gamma`; `str()` is a sentence, and `plots.bounds_plot` draws it.

    Raises
    ------
    InvalidInputError
        As for `bootstrap`; the estimand has no such bounds (ATO, ATM), the score model is another, or weights
        are truncated; a gamma is below 1, or they do not ascend.
    SeparationError, OverlapError, ConvergenceError
        As for `bootstrap`.

    Warns
    -----
    CollinearityWarning, SeparationWarning, OverlapWarning, BalanceWarning, SmallSampleWarning
        As for `ipw`, of the data themselves; more than 5% of the replicates could not be estimated.

    Notes
    -----
    With odds a = (1 - e) / e of a treated row (e / (1 - e) of a control), weights are 1 + z a for the ATE and
    z a for the ATT and the ATC, with z between 1 / gamma and gamma. The ends of the weighted (Hajek) mean of
    an arm are a linear fractional program, solved by one cut of the rows in the order of their outcomes
    (Zhao, Small and Bhattacharya 2019). Intervals are from the percentiles of both ends over replicates, in
    each of which the score is refitted; outcome models and quantiles are fitted once, for with any of these
    the bounds hold, and with the right ones they are narrowest.

    Sharp: the largest mean of an arm is its weighted mean plus (gamma - 1 / gamma) times the mean check loss
    of a quantile regression at gamma / (1 + gamma), rows weighted by a; the least likewise.

    AIPW's means are normalized as IPW's are, and so its estimate may differ from that of `aipw` by a little.

    References
    ----------
    Tan (2006), Journal of the American Statistical Association 101:1619. Zhao, Small and Bhattacharya (2019),
    Journal of the Royal Statistical Society B 81:735. Dorn and Guo (2023), Journal of the American
    Statistical Association 118:2645.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    >>> covariates = ["engagement_tier", "query_confidence"]
    >>> found = ps.sensitivity_bounds(users, **roles, covariates=covariates, n_reps=50, progress=False)
    >>> list(found.table)
    ['gamma', 'lower', 'upper', 'conf_low', 'conf_high']
    """
    gammas = read_gammas("gamma", gamma)
    spec = IPW() if estimator is None else estimator
    _check(spec, sharp, penalty, level)
    one_outcome("sensitivity_bounds", outcome, treatment, covariates)
    options = ResamplingOptions(resampling, n_reps, seed, n_threads, progress)
    tidying = Tidying.of(missing, min_level_count)
    roles = Roles(treatment, outcome, covariates, outcome_covariates, cluster, sample_weight, tidying)
    takes_missing = (False, isinstance(spec, AIPW) and spec.learns_outcomes)
    study = read_study(df, roles, takes_missing=takes_missing)
    fitted = study.score.fit(penalty, _word_of(spec), n_threads).usable(study.sample.frame.index)
    fitted.warn_of_terms()
    fitted.warn_of_separation()
    weighting = study.sample.weighting(fitted.fit.scores, spec.estimand)
    alone = isinstance(spec, IPW)
    doubts = weighting_cautions(study.sample, fitted.scored, weighting, estimand=spec.estimand, alone=alone)
    cautions = (*study.cautions, *_cautions(study, outcome, weighting, doubts), *doubts)
    warn_once(cautions, [str(fitted.separation)])
    rows = HiddenRows.of(study, outcome, spec, fitted.fit.scores)
    bounding = _Bounding(rows, spec, outcome, penalty, options, sharp=sharp)
    return bounding.result(gammas, level)


def _cautions(
    study: Study, outcome: str, weighting: Weighting, told: Sequence[Warning]
) -> tuple[Warning, ...]:
    """Say what there is to say of an outcome, of the sizes of the arms, and of sample weights."""
    sample = study.sample
    n_rows = int(sample.treated.sum()), int((~sample.treated).sum())
    ess = weighting.ess_treated, weighting.ess_control
    return (
        *constant_cautions(sample.facts(outcome)),
        *sample.copies(outcome, study.columns),
        *size_cautions(ess, n_rows, sample.n_clusters, told),
        *count_cautions(sample.sample_weight, sample.frame.code_of("sample_weight")),
    )


def _check(spec: object, sharp: object, penalty: float, level: float) -> None:
    """Require an estimator that bounds are known of."""
    checks.confidence_level(level)
    checks.flag("sharp", sharp)
    checks.number("penalty", penalty, minimum=0.0)
    if not isinstance(spec, IPW | AIPW):
        raise InvalidInputError(f"estimator: ps.IPW(...) or ps.AIPW(...) is needed, not {spec!r}")
    if spec.estimand not in _ESTIMANDS:
        raise InvalidInputError(
            f"estimator: bounds are for the ATE, the ATT and the ATC; whom the {spec.estimand} is for hangs "
            "on the very scores that hidden confounders change"
        )
    if not spec.score_choice.is_fitted_to_all and not (
        isinstance(spec, AIPW) and isinstance(spec.score_model, str) and spec.learns_outcomes
    ):
        raise InvalidInputError(
            "estimator: every replicate refits the score to all rows drawn, which takes one of the words for "
            "it; leave score_model and n_folds out"
        )
    if getattr(spec, "truncate", None) is not None:
        raise InvalidInputError(
            "estimator: weights that are bounded already have no bounds that hidden confounders make; leave "
            "truncate out"
        )


def _word_of(spec: IPW | AIPW) -> ScoreWord:
    """Give the word for the score model that every replicate refits."""
    return cast("ScoreWord", spec.score_model) if isinstance(spec.score_model, str) else LOGISTIC


@dataclass(frozen=True, eq=False)
class _Bounding:
    """Rows, and how their effect is bounded."""

    rows: HiddenRows
    spec: IPW | AIPW
    outcome: str
    penalty: float
    options: ResamplingOptions
    sharp: bool

    def result(self, gammas: tuple[float, ...], level: float) -> SensitivityBounds:
        """Bound the effect at each gamma, and find those that take it to none."""
        with self.options.bar() as report:
            # Without confounding the ends are the estimate, which says which of them is to reach none.
            found = self._core(gammas=(1.0, *gammas), n_reps=self.options.n_reps, progress=report)
        self._warn_of_failures(found.n_failed)
        estimate = float(found.bounds[0, 0])
        end = 0 if estimate >= 0 else 1
        tail = (1 - level) / 2
        usable = found.replicates[~np.isnan(found.replicates[:, 0, 0])]
        low = np.quantile(usable[:, :, 0], tail, axis=0)
        high = np.quantile(usable[:, :, 1], 1 - tail, axis=0)
        table = pd.DataFrame(
            {
                "gamma": gammas,
                "lower": found.bounds[1:, 0],
                "upper": found.bounds[1:, 1],
                "conf_low": low[1:],
                "conf_high": high[1:],
            }
        )
        critical, of_estimate = self._critical(found, end, tail, (1.0, *gammas))
        return SensitivityBounds(
            table=table,
            estimate=estimate,
            interval=Interval(float(low[0]), float(high[0])),
            critical_gamma=critical,
            critical_gamma_of_estimate=of_estimate,
            estimator=self.spec.label,
            sharp=self.sharp,
            level=level,
            n_reps=self.options.n_reps,
            n_failed=int(found.n_failed),
            seed=self.options.seed,
        )

    def _critical(
        self, found: core.SensitivityBounds, end: int, tail: float, gammas: tuple[float, ...]
    ) -> tuple[float, float]:
        """Give the gammas from which the interval, and the bounds, include zero."""
        if self.sharp:
            return self._searched(found, end, tail, gammas)
        # An interval includes zero where more than the tail of the replicates' ends are beyond it, and each
        # of these gets there at a gamma of its own.
        of_replicates = found.critical_replicates[:, end]
        of_replicates = np.sort(of_replicates[~np.isnan(of_replicates)])
        place = tail * (len(of_replicates) - 1)
        below, above = of_replicates[math.floor(place)], of_replicates[math.ceil(place)]
        of_interval = below if below == above else below + (place % 1) * (above - below)
        return _or_none(float(of_interval)), _or_none(float(found.critical[end]))

    def _searched(
        self, found: core.SensitivityBounds, end: int, tail: float, gammas: tuple[float, ...]
    ) -> tuple[float, float]:
        """Look for them where the quantiles that sharp bounds are made of hang on gamma."""
        sign, quantile = (1, tail) if end == 0 else (-1, 1 - tail)

        def of_interval(replicates: Floats) -> Floats:
            return np.asarray(sign * np.nanquantile(replicates[:, :, end], quantile, axis=0))

        def interval_at(log: float) -> float:
            at = self._core(gammas=(math.exp(log),), n_reps=self.options.n_reps, ends=(end,))
            return float(of_interval(at.replicates)[0])

        def bound_at(log: float) -> float:
            return sign * float(self._core(gammas=(math.exp(log),), n_reps=0, ends=(end,)).bounds[0, end])

        logs = [math.log(gamma) for gamma in gammas]
        return (
            _first_none(interval_at, logs, list(of_interval(found.replicates))),
            _first_none(bound_at, logs, list(sign * found.bounds[:, end])),
        )

    def _core(
        self,
        *,
        gammas: tuple[float, ...],
        n_reps: int,
        ends: tuple[int, ...] = (0, 1),
        progress: Any = None,
    ) -> core.SensitivityBounds:
        """Let the core bound the effect on the rows that are there, and on replicates of them."""
        study, rows = self.rows.study, self.rows
        sample, there = study.sample, rows_there(study.sample.sample_weight)
        x, score_columns, _ = side_by_side(study)
        groups = Groups(sample.clusters).numbered(partial(places_of_rows, study, self.outcome), there)
        return core.sensitivity_bounds(
            x if isinstance(there, slice) else np.asfortranarray(x[there]),
            sample.treated[there],
            rows.outcome[there],
            gammas=np.array(gammas),
            estimand=self.spec.estimand,
            penalty=self.penalty,
            score_model=_word_of(self.spec),
            fitted=None if rows.fitted is None else rows.fitted[there],
            offset=None if rows.offset is None else rows.offset[there],
            losses=rows.losses(gammas, ends)[there] if self.sharp else None,
            sample_weight=None if sample.sample_weight is None else sample.sample_weight[there],
            cluster=groups.cluster,
            score_columns=score_columns,
            n_reps=n_reps,
            progress=progress,
            **self.options.core_options,
        )

    def _warn_of_failures(self, n_failed: int) -> None:
        n_reps = self.options.n_reps
        if n_failed > TOLERATED * n_reps:
            warn(
                f"of {n_reps:,} replicates {n_failed:,} ({n_failed / n_reps:.0%}) could not be estimated, "
                "for want of treated or control units among those drawn, or because their treatment was "
                "foretold; the intervals are those of the others alone; take resampling='bayesian', merge "
                "small levels, or use a penalty",
                OverlapWarning,
            )


def _or_none(gamma: float) -> float:
    """Give a critical gamma; NaN where there is nothing for a confounder to do."""
    return math.nan if gamma <= 1.0 else gamma


def _first_none(left: Callable[[float], float], logs: list[float], known: list[float]) -> float:
    """Find where what is left of an effect gets to none; it is known at some logarithms of gamma."""
    if known[0] <= 0:
        return math.nan
    low, high = logs[0], math.inf
    for log, value in zip(logs, known, strict=True):
        if value <= 0:
            high = log
            break
        low = log
    while math.isinf(high):
        further = 2 * low + 0.5
        if further > math.log(_LARGEST_GAMMA):
            return math.inf
        low, high = (further, high) if left(further) > 0 else (low, further)
    return math.exp(root(left, low, high, tolerance=1e-5))
