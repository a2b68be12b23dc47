"""Effects of a table that an engine holds: means from sums, and their errors from sums of influence.

The formulas are those of `src/weighting/ipw.rs` and `src/outcome/doubly_robust.rs`: given the fits every
influence value is an expression of its row, which a query can square and add up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from propensity.effects.cautions import Weighed, carried_cautions, size_cautions, uneven_cautions
from propensity.effects.contrasts import Contrast
from propensity.effects.effect import Effect
from propensity.effects.estimators import AIPW, IPW, Estimator, RegressionAdjustment
from propensity.effects.expected_weights import WEIGHED, effective_number
from propensity.effects.influence_moments import InfluenceMoments
from propensity.errors import InvalidInputError
from propensity.frames.checks import Floats
from propensity.outcomes.adjusted import STACKED
from propensity.tables import engine, facts, models
from propensity.tables.engine import Source
from propensity.tables.models import FittedScore
from propensity.tables.passes import Passes, col
from propensity.weighting.by_group import ESTIMATED, KNOWN

NAIVE = "naive gap"


@dataclass(frozen=True, eq=False)
class Asked:
    """What is asked of a table.

    Attributes
    ----------
    treatment : str
    outcomes, covariates : tuple of str
    estimators : tuple of Estimator
    penalty : float
    contrast : Contrast
    cluster : str or None
    """

    treatment: str
    outcomes: tuple[str, ...]
    covariates: tuple[str, ...]
    estimators: tuple[Estimator, ...]
    penalty: float
    contrast: Contrast
    cluster: str | None

    @property
    def needs_score(self) -> bool:
        """Whether some estimator weighs by scores."""
        return any(not isinstance(spec, RegressionAdjustment) for spec in self.estimators)

    @property
    def models_outcomes(self) -> bool:
        """Whether some estimator has outcome models."""
        return any(not isinstance(spec, IPW) for spec in self.estimators)


class _Means(NamedTuple):
    """The means of both arms less the mean of all, and what makes them: influences u, v as expressions."""

    label: str
    outcome: str
    estimand: str
    treated: float
    control: float
    ess: tuple[float, float]
    influence: tuple[Any, Any]
    se_method: str
    told: tuple[Warning, ...]
    behind: float = math.inf  # how many rows the weights rest on


@dataclass(frozen=True, eq=False)
class Estimated:
    """Effects by outcome and label, the naive gap first; terms left out; how many queries it took."""

    effects: dict[str, dict[str, Effect]]
    left_out: tuple[str, ...]
    n_queries: int


def estimated(table: Any, asked: Asked) -> Estimated:
    """Estimate effects where a table lies.

    Raises
    ------
    InvalidInputError
        As the functions for frames do; the table gives other rows at a later query.
    """
    source = engine.opened(table)
    found, terms = facts.read_facts(
        source,
        treatment=asked.treatment,
        outcomes=asked.outcomes,
        covariates=asked.covariates,
        cluster=asked.cluster,
    )
    columns = facts.picked(source, terms, found, asked.treatment, asked.outcomes, asked.cluster)
    passes = Passes(columns, terms, asked.outcomes, found, asked.cluster is not None)
    grams = passes.grams()
    if asked.needs_score and asked.penalty == 0:
        models.require_both_arms_in_levels(passes, grams, _flags(passes, source))
    everything = grams[0] + grams[1]
    size = len(terms) + 1
    kept = ~models.aliased(everything[:size, :size])[1:]
    left_out = (*terms.empty, *(name for name, keep in zip(terms.names, kept, strict=True) if not keep))
    if not kept.all():
        terms = terms.kept(kept)
        columns = facts.picked(source, terms, found, asked.treatment, asked.outcomes, asked.cluster)
        passes = Passes(columns, terms, asked.outcomes, found, asked.cluster is not None)
        which = np.concatenate([[True], kept, np.ones(len(asked.outcomes), dtype=bool)])
        grams = (grams[0][np.ix_(which, which)], grams[1][np.ix_(which, which)])
    score = None
    if asked.needs_score:
        score = models.fit_score(passes, source, asked.treatment, asked.penalty)
    effects = _Estimates(passes, asked, grams, score).effects()
    return Estimated(effects, left_out, 5 + (0 if score is None else score.n_queries))


def _flags(passes: Passes, source: Source) -> list[tuple[int, object]]:
    """Give the places of the columns of two numbers, 0 and 1, and what the second is called."""
    terms, numbers = passes.terms, passes.facts.numbers
    return [
        (place, True if engine.is_bool(source, column) else 1)
        for place, (column, level) in enumerate(zip(terms.columns, terms.levels, strict=True))
        if level is None and numbers[column]["neither"] == 0
    ]


@dataclass(frozen=True, eq=False)
class _Estimates:
    """Estimators of a table whose score, if any asks for one, is fitted."""

    passes: Passes
    asked: Asked
    grams: tuple[Floats, Floats]
    score: FittedScore | None

    def effects(self) -> dict[str, dict[str, Effect]]:
        """Give the effects by outcome and label."""
        outcome_models, inverses = self._outcome_models()
        estimands = list(
            dict.fromkeys(
                spec.estimand for spec in self.asked.estimators if not isinstance(spec, RegressionAdjustment)
            )
        )
        beta = None if self.score is None else self.score.beta
        sums = None
        if beta is not None:
            sums = self.passes.weighted(beta, estimands, outcome_models)
        found = []
        for place, outcome in enumerate(self.asked.outcomes):
            found.append(self._naive(place, outcome))
            for spec in self.asked.estimators:
                if isinstance(spec, IPW):
                    found.append(self._weighted(spec, place, outcome, sums))
                else:
                    found.append(self._adjusted(spec, place, outcome, sums, outcome_models, inverses))
        influences = [means.influence for means in found]
        moments, n_clusters = self.passes.influence(beta, estimands, outcome_models, influences)
        if n_clusters is not None and n_clusters < 2:
            raise InvalidInputError(
                f"column '{self.asked.cluster}': there is 1 cluster, and at least 2 are needed"
            )
        effects: dict[str, dict[str, Effect]] = {name: {} for name in self.asked.outcomes}
        for means, sums_of in zip(found, moments, strict=True):
            effects[means.outcome][means.label] = self._effect(means, sums_of, n_clusters)
        return effects

    def _outcome_models(self) -> tuple[list[tuple[Floats, Floats]], tuple[Floats, Floats]]:
        """Fit the outcome models of both arms, controls first, by outcome; none where nobody asks."""
        n_terms = len(self.passes.terms)
        if not self.asked.models_outcomes:
            return [], (np.zeros((0, 0)), np.zeros((0, 0)))
        control, of_control = models.least_squares(self.grams[0], n_terms, "control", self.passes.terms)
        treated, of_treated = models.least_squares(self.grams[1], n_terms, "treated", self.passes.terms)
        return list(zip(of_control, of_treated, strict=True)), (control, treated)

    # Estimators

    def _naive(self, place: int, outcome: str) -> _Means:
        """Compare the arms as they are."""
        facts = self.passes.facts
        arms = facts.n_control, facts.n_treated
        at = len(self.passes.terms) + 1 + place
        control, treated = (float(gram[0, at]) / n for gram, n in zip(self.grams, arms, strict=True))
        t, y = col("t"), col(f"y{place}")
        own_treated = t * (y - treated) * (facts.n_rows / arms[1])
        own_control = (1.0 - t) * (y - control) * (facts.n_rows / arms[0])
        influence = own_treated - own_control, own_control
        ess = arms[1], arms[0]
        return _Means(NAIVE, outcome, "ATE", treated, control, ess, influence, KNOWN.format("scores"), ())

    def _weighted(self, spec: IPW, place: int, outcome: str, sums: pd.DataFrame | None) -> _Means:
        """Contrast two weighted means; each row's influence through the score too."""
        assert sums is not None
        assert self.score is not None
        n, name = self.passes.facts.n_rows, spec.estimand
        weight = sums[f"{name}/w"].to_numpy()
        mean = sums[f"{name}/w/y{place}"].to_numpy() / weight
        slopes = [
            self._over_terms(sums, f"{name}/s/y{place}", arm)
            - mean[arm] * self._over_terms(sums, f"{name}/s", arm)
            for arm in (0, 1)
        ]
        t, y, w, r = col("t"), col(f"y{place}"), col(f"w{name}"), col("r")
        moved = [n / weight[arm] * (self.score.inverse @ slopes[arm]) for arm in (0, 1)]
        pull = [float(self.score.pull @ moved[arm]) / n for arm in (0, 1)]
        own_treated = t * w * (y - float(mean[1])) * float(n / weight[1])
        own_control = (1.0 - t) * w * (y - float(mean[0])) * float(n / weight[0])
        u = own_treated - own_control + r * self.passes.linear(moved[1] - moved[0]) - (pull[1] - pull[0])
        v = own_control + r * self.passes.linear(moved[0]) - pull[0]
        ess, told = self._doubts(name, sums, alone=True)
        means = float(mean[1]), float(mean[0])
        return _Means(spec.label, outcome, name, *means, ess, (u, v), ESTIMATED, told, _behind(name, sums))

    def _adjusted(
        self,
        spec: Estimator,
        place: int,
        outcome: str,
        sums: pd.DataFrame | None,
        outcome_models: Sequence[tuple[Floats, Floats]],
        inverses: tuple[Floats, Floats],
    ) -> _Means:
        """Average outcome models over those the effect is for, with AIPW's weighted rest."""
        assert isinstance(spec, AIPW | RegressionAdjustment)
        facts, name = self.passes.facts, spec.estimand
        weighs = isinstance(spec, AIPW)
        size = len(self.passes.terms) + 1
        shares = {"ATE": (1.0, 1.0), "ATT": (0.0, 1.0), "ATC": (1.0, 0.0)}[name]
        target = shares[0] * self.grams[0][0, :size] + shares[1] * self.grams[1][0, :size]
        n_target = shares[0] * facts.n_control + shares[1] * facts.n_treated
        scale = facts.n_rows / n_target
        mean, inner, moved = [0.0, 0.0], [np.zeros(size)] * 2, [np.zeros(size)] * 2
        for arm in (0, 1):
            total, left = float(target @ outcome_models[place][arm]), target
            if weighs:
                assert sums is not None
                assert self.score is not None
                total += float(sums[f"{name}/w/e{place}"].iloc[arm])
                left = target - self._over_terms(sums, f"{name}/w", arm)
                slopes = self._over_terms(sums, f"{name}/s/e{place}", arm)
                moved[arm] = self.score.inverse @ slopes
            mean[arm] = total / n_target
            inner[arm] = inverses[arm] @ left
        u, v = self._influence_of_models(place, name, mean, inner, moved if weighs else None)
        ess: tuple[float, float] = facts.n_treated, facts.n_control
        told: tuple[Warning, ...] = ()
        if weighs:
            ess, told = self._doubts(name, sums, alone=False)
        means = mean[1], mean[0]
        words = STACKED[spec.method]
        return _Means(spec.label, outcome, name, *means, ess, (u * scale, v * scale), words, told)

    def _influence_of_models(
        self,
        place: int,
        estimand: str,
        mean: Sequence[float],
        inner: Sequence[Floats],
        moved: Sequence[Floats] | None,
    ) -> tuple[Any, Any]:
        """Write g (m - mu) + k (y - m) and what rows add through the models, for u and for v."""
        t, left = col("t"), col(f"e{place}")
        of_control, of_treated = col(f"c{place}"), col(f"d{place}")
        target = {"ATE": 1.0, "ATT": t, "ATC": 1.0 - t}[estimand]
        u = (of_treated - of_control - float(mean[1] - mean[0])) * target
        v = (of_control - float(mean[0])) * target
        through = [self.passes.linear(one) for one in inner]
        if moved is not None:
            through = [one + col(f"w{estimand}") for one in through]
        u = u + left * (t * through[1] - (1.0 - t) * through[0])
        v = v + (1.0 - t) * left * through[0]
        if moved is None:
            return u, v
        assert self.score is not None
        pull = [float(self.score.pull @ one) / self.passes.facts.n_rows for one in moved]
        u = u + col("r") * self.passes.linear(moved[1] - moved[0]) - (pull[1] - pull[0])
        v = v + col("r") * self.passes.linear(moved[0]) - pull[0]
        return u, v

    def _over_terms(self, sums: pd.DataFrame, name: str, arm: int) -> Floats:
        """Give sums over the intercept and all terms, (d + 1,)."""
        return np.array([sums[f"{name}/z{k}"].iloc[arm] for k in range(len(self.passes.terms) + 1)])

    # Effects

    def _doubts(
        self, estimand: str, sums: pd.DataFrame | None, *, alone: bool
    ) -> tuple[tuple[float, float], tuple[Warning, ...]]:
        """Give effective sample sizes, treated and controls; of weights `alone` say where they are small."""
        assert sums is not None
        weight, squares = sums[f"{estimand}/w"].to_numpy(), sums[f"{estimand}/ww"].to_numpy()
        sizes, most = weight**2 / squares, sums[f"{estimand}/most"].to_numpy()
        facts = self.passes.facts
        arms = {
            "treated": Weighed(facts.n_treated, float(sizes[1]), float(most[1] / weight[1])),
            "control": Weighed(facts.n_control, float(sizes[0]), float(most[0] / weight[0])),
        }
        told = uneven_cautions(estimand, arms) if alone else ()
        return (float(sizes[1]), float(sizes[0])), told

    def _effect(self, means: _Means, sums: tuple[Floats, Floats], n_clusters: int | None) -> Effect:
        """Put an effect together."""
        passes = self.passes
        facts, known = passes.facts, passes.facts.numbers[means.outcome]
        moments = InfluenceMoments(*sums, facts.n_rows, n_clusters)
        slopes = np.array([1.0, -1.0])
        n_rows = int(facts.n_treated), int(facts.n_control)
        told = means.told
        if means.se_method == ESTIMATED and n_clusters is None:
            df = moments.degrees_of_freedom(slopes)
            carried = carried_cautions(
                means.estimand,
                n_rows,
                df,
                lambda: means.behind,
                told,
                outcome=means.outcome,
                jackknife=False,
            )
            told = (*told, *carried)
        bounded = known["low"] >= 0 and known["high"] <= 1
        within = "" if n_clusters is None else f"; summed within {n_clusters:,} clusters, factor G / (G - 1)"
        effect = Effect(
            estimand=means.estimand,
            estimate=means.treated - means.control,
            mean_treated=means.treated + known["mean"],
            mean_control=means.control + known["mean"],
            ess_treated=means.ess[0],
            ess_control=means.ess[1],
            weights=None,
            std_error=float(np.sqrt(moments.variance(slopes))),
            se_method=means.se_method + within,
            cautions=(*told, *size_cautions(means.ess, n_rows, n_clusters, told)),
            bounded=bounded,
            binary=bounded and known["neither"] == 0,
            outcome_std_dev=float(np.sqrt(max(known["variance"], 0.0))),
            means_covariance=moments,
        )
        return effect.contrast_as(self.asked.contrast)


def _behind(estimand: str, sums: pd.DataFrame) -> float:
    """Give how many rows the weights rest on; all that there are where these have a bound."""
    powers = [
        [float(sums[f"{estimand}/{arm}/{power}"].sum()) for power in ("ww", "wwww")]
        for arm in WEIGHED.get(estimand, ())
    ]
    return min((effective_number(*both) for both in powers), default=math.inf)
