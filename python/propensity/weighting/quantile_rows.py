"""Rows whose outcome has quantiles by weight: in the data, by influence, and drawn anew."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from propensity import core
from propensity.effects import inference
from propensity.effects.cautions import count_cautions
from propensity.effects.estimators import WeightingEstimand
from propensity.effects.sample import Sample
from propensity.errors import InvalidInputError, OverlapError, SmallSampleWarning
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.order import rows_by_content
from propensity.resampling.failures import tell_of_failures
from propensity.resampling.options import Groups, ResamplingOptions
from propensity.resampling.replicates import run_replicates
from propensity.resampling.sampling_units import SamplingUnits
from propensity.scores.scored import FittedScores
from propensity.weighting.doubts import weighting_cautions
from propensity.weighting.quantile_result import QuantileContrast
from propensity.weighting.weighted_quantiles import SortedOutcome

_ENOUGH_BEYOND = 10  # rows that an arm is worth beyond a quantile, for this to be more than their largest
_FEW_VALUES = 0.02  # of an arm's weight at the very quantile, which then jumps from one value to the next


@dataclass(frozen=True, eq=False)
class QuantileRows:
    """Rows with their scores and weights, the outcome sorted once."""

    sample: Sample
    fitted: FittedScores
    outcome: Floats
    q: tuple[float, ...]
    estimand: WeightingEstimand
    weights: Floats
    laid_out: SortedOutcome

    @classmethod
    def of(
        cls,
        sample: Sample,
        fitted: FittedScores,
        outcome: str,
        q: tuple[float, ...],
        estimand: WeightingEstimand,
    ) -> QuantileRows:
        """Weigh the rows, and sort them by their outcome."""
        y = sample.frame.outcome(outcome)
        weights = sample.weighting(fitted.fit.scores, estimand).weights
        return cls(sample, fitted, y, q, estimand, weights, SortedOutcome.of(y, sample.treated))

    @property
    def quantiles(self) -> Floats:
        """Of both arms, (2, k), the treated first."""
        return self.laid_out.quantiles(self.weights, self.q)

    def std_errors(self, contrast: QuantileContrast) -> Floats:
        """Give the standard errors (k,) by influence."""
        quantiles, densities = self.quantiles, self.laid_out.densities(self.weights, self.q)
        slopes = np.ones_like(quantiles) if contrast == "difference" else 1 / quantiles
        of_each = zip(self.q, quantiles.T, densities.T, slopes.T, strict=True)
        return np.array([self._std_error(*of_q) for of_q in of_each])

    def _std_error(self, q: float, quantiles: Floats, densities: Floats, slopes: Floats) -> float:
        """Give the standard error of one contrast: that of a weighted contrast of means of 0."""
        sample, t = self.sample, self.sample.treated
        below = np.empty(len(t))
        for arm, quantile in zip((t, ~t), quantiles, strict=True):
            below[arm] = _share_below(self.outcome[arm], self.weights[arm], q, quantile)
        u = -below * np.where(t, *(slopes / densities))
        found = core.ipw(
            u,
            t,
            self.fitted.fit.scores,
            estimand=self.estimand,
            x=self.fitted.rows.design.terms,
            penalty=self.fitted.fit.penalty,
            score_model=self.fitted.fit.score_model,
            sample_weight=sample.sample_weight,
            **self._coded,
        )
        return inference.std_error(found.influence_treated - found.influence_control, sample.clusters)

    def replicated(
        self, groups: Groups, options: ResamplingOptions, contrast: QuantileContrast
    ) -> tuple[pd.DataFrame, list[tuple[int, InvalidInputError]]]:
        """Draw rows, fit the score, and take the quantiles again, `n_reps` times; which failed, and why."""
        order = self._order()
        units = SamplingUnits.of(order, groups.cluster, groups.strata)
        values = np.full((options.n_reps, 2, len(self.q)), np.nan)

        def estimate(replicate: int) -> float:
            numbers = np.random.SeedSequence(options.seed, spawn_key=(replicate,))
            drawn = units.draw(np.random.default_rng(numbers))
            found = self._again(np.bincount(drawn, minlength=len(self.outcome)))
            require_positive(found, contrast)
            values[replicate] = found
            return 0.0

        with options.bar() as report:
            _, failures = run_replicates(
                estimate, options.n_reps, n_threads=options.n_threads, progress=report
            )
        tell_of_failures(failures, options.n_reps)
        columns = pd.MultiIndex.from_product([["treated", "control"], self.q], names=["arm", "q"])
        index = pd.RangeIndex(options.n_reps, name="replicate")
        drawn = pd.DataFrame(values.reshape(options.n_reps, -1), index=index, columns=columns)
        return drawn, sorted(failures, key=lambda failure: failure[0])

    def _order(self) -> Rows:
        """Give the rows that are there in the order of what they hold."""
        s, design = self.sample.sample_weight, self.fitted.rows.design
        columns: list[Floats | Rows | Bools] = [self.outcome, self.sample.treated, *design.by_content]
        return rows_by_content(columns if s is None else [*columns, s], s)

    @cached_property
    def _coded(self) -> dict[str, Any]:
        return self.fitted.rows.design.coded

    def _again(self, counts: Rows) -> Floats:
        """Give the quantiles (2, k) of rows that are there so often."""
        sample, rows = self.sample, self.fitted.rows
        s = counts if sample.sample_weight is None else counts * sample.sample_weight
        s = s.astype(np.float64)
        fit = core.fit_propensity(
            rows.design.terms,
            sample.treated,
            penalty=self.fitted.fit.penalty,
            score_model=self.fitted.fit.score_model,
            sample_weight=s,
            n_threads=1,
            **self._coded,
        )
        e = np.where(counts > 0, fit.scores, 0.5)
        if not (e.min() > 0 and e.max() < 1):
            raise OverlapError("scores: some are 0 or 1")
        weights = core.balancing_weights(
            sample.treated, e, estimand=self.estimand, sample_weight=s, n_threads=1
        ).weights
        return self.laid_out.quantiles(weights, self.q)

    def cautions(self) -> tuple[Warning, ...]:
        """Say what there is to say of the weights, of the tails, and of values that tie."""
        sample, scored = self.sample, self.fitted.scored
        weighting = sample.weighting(scored.scores, self.estimand)
        ties = self.laid_out.ties(self.weights, self.q)
        sizes = zip(("treated", "control"), (weighting.ess_treated, weighting.ess_control), ties, strict=True)
        found = [
            caution
            for arm, size, tied in sizes
            for q, own in zip(self.q, tied, strict=True)
            for caution in _said_of_quantile(arm, q, size * min(q, 1 - q), own)
        ]
        return (
            *weighting_cautions(sample, scored, weighting, estimand=self.estimand),
            *found,
            *count_cautions(sample.sample_weight, sample.frame.code_of("sample_weight")),
        )


def require_positive(quantiles: Floats, contrast: QuantileContrast) -> None:
    """Require quantiles (2, k) that have such a contrast: a ratio of those that are not positive is none."""
    least = float(quantiles.min())
    if contrast != "difference" and least <= 0:
        raise InvalidInputError(f"contrast {contrast!r}: a quantile is {least:.4g}; take 'difference'")


def _said_of_quantile(arm: str, q: float, beyond: float, tied: float) -> tuple[Warning, ...]:
    """Say of an arm's quantile where few rows lie beyond it, or many at it."""
    if beyond < _ENOUGH_BEYOND:
        return (
            SmallSampleWarning(
                f"the {arm} arm is worth {beyond:.1f} rows beyond its quantile {q:g}; below "
                f"{_ENOUGH_BEYOND} it is not much more than their largest or smallest"
            ),
        )
    if tied > _FEW_VALUES:
        return (
            SmallSampleWarning(
                f"{tied:.0%} of the {arm} arm hold the very value of the quantile {q:g}, which jumps from "
                "one such value to the next: intervals are rough; look at the share beyond a value instead, "
                "as an outcome of zeros and ones"
            ),
        )
    return ()


def _share_below(values: Floats, weights: Floats, q: float, quantile: float) -> Floats:
    """Say how much of each row (n,) lies below a quantile: as much of one upon it as makes up the share q."""
    below, upon = values < quantile, values == quantile
    there = weights[upon].sum()
    part = (q * weights.sum() - weights[below].sum()) / there if there > 0 else 0.0
    return np.where(upon, np.clip(part, 0.0, 1.0), below)
