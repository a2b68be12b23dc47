"""What matching with replacement found of an outcome, put together as an effect."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from propensity.effects.arms import Means, effective_sizes
from propensity.effects.effect import Effect
from propensity.effects.means_covariance import MeansCovariance
from propensity.frames.checks import Bools, Floats
from propensity.frames.design import Design
from propensity.frames.native import series_like
from propensity.matching.outcome import MatchedOutcome
from propensity.matching.remedies import once_adjusted
from propensity.matching.result import Whom
from propensity.matching.score_influence import COUNTED
from propensity.matching.se_words import KNOWN, NOTHING_LEFT, adjusted_words, nothing_left, others_of
from propensity.matching.terms import estimated_at_scores

if TYPE_CHECKING:
    from propensity.matching.matches import Matches


@dataclass(frozen=True, eq=False)
class Found:
    """What matching with replacement says of an outcome: the means, and the variance of their difference.

    `known` is the variance that takes the scores as known, `counted` that which counts that they were
    estimated; None where there is none.
    """

    means: Means
    known: float
    counted: float | None
    ess: tuple[float, float] | None = None

    @property
    def variance(self) -> float:
        """The better of both."""
        return self.known if self.counted is None else self.counted


def effect_of_found(
    matches: Matches,
    y: MatchedOutcome,
    found: Found,
    again: Callable[[MatchedOutcome], Found],
    method: str,
    cautions: tuple[Warning, ...],
    *,
    adjusted: bool = False,
) -> Effect:
    """Put an effect together that has no influence values; `again` is what found it."""
    return matched_effect(
        matches,
        y,
        found.means,
        method,
        std_error=math.sqrt(found.variance),
        ess=found.ess,
        adjusted=adjusted,
        cautions=cautions,
        means_covariance=MeansCovariance(
            partial(_covariance_of_means, y.by_row(matches.treated), y, found, again)
        ),
    )


def _covariance_of_means(
    treated: Bools, y: MatchedOutcome, both: Found, again: Callable[[MatchedOutcome], Found]
) -> Floats:
    """Give the covariance (2, 2) of the two means, the treated's first.

    The variance of a matched estimate is a quadratic form in the outcomes. That of the treated's mean is it
    for outcomes that are 0 in the controls, and the covariance is what the variances of the means and of
    their difference leave: 2 C = V_1 + V_0 - V. Where counting that the scores were estimated leaves no
    covariance of so few rows, they are taken as known.
    """
    arms = [again(y.where(rows)) for rows in (treated, ~treated)]
    counted = [part.variance for part in (*arms, both)]
    for of_treated, of_control, of_difference in (counted, [part.known for part in (*arms, both)]):
        together = (of_treated + of_control - of_difference) / 2
        if together**2 <= of_treated * of_control:
            break
    return np.array([[of_treated, together], [together, of_control]])


def matched_effect(
    matches: Matches,
    y: MatchedOutcome,
    means: Means,
    se_method: str,
    *,
    std_error: float | None = None,
    ess: tuple[float, float] | None = None,
    adjusted: bool = False,
    cautions: tuple[Warning, ...] = (),
    means_covariance: MeansCovariance | None = None,
    n_clusters: int | None = None,
) -> Effect:
    """Put an effect together; `ess` is worked out where the core has not done it."""
    w = np.asarray(matches.weights)
    whom = Whom.of(matches.estimand, matches.n_matched, matches.n_unmatched)
    of_matches = _cautions_of_adjusted(matches) if adjusted else matches.cautions
    found = Effect.of(
        y.means(means),
        y.facts,
        estimand=matches.estimand,
        weights=matches.weights,
        ess=ess or effective_sizes(w, matches.treated),
        se_method=se_method,
        std_error=std_error,
        clusters=means.clusters,
        n_clusters=n_clusters,
        cautions=(*whom.cautions, *of_matches, *cautions),
        treated=matches.treated,
        fingerprint=matches.fingerprint,
        whom=whom.words,
        means_covariance=means_covariance,
    )
    if matches.scores is None:
        return found
    return replace(found, scores=series_like(matches.weights, matches.scores, "propensity"))


def _cautions_of_adjusted(matches: Matches) -> tuple[Warning, ...]:
    """Leave out the advice to do what has been done."""
    return tuple(type(caution)(once_adjusted(str(caution))) for caution in matches.cautions)


def words_in_space(matches: Matches, x: Design | None, found: Found) -> tuple[str, tuple[Warning, ...]]:
    """Say how the error was made, and what it could not count."""
    where = "the scores" if matches.spec.on_scores else "the covariates matched on"
    if matches.exact is not None:
        where += f" and of the same {', '.join(matches.spec.exact)}"
    counted = KNOWN
    cautions: tuple[Warning, ...] = ()
    if found.counted is not None:
        counted = COUNTED
    elif counts_estimation(matches, x):
        counted, cautions = f"{KNOWN}, {NOTHING_LEFT}", nothing_left()
    others = f"{others_of(matches)}neighbours in {where}"
    return f"Abadie and Imbens (2006), {others}; {counted}{adjusted_words(x)}", cautions


def counts_estimation(matches: Matches, x: Design | None) -> bool:
    """Whether there is a theory of what estimating the scores does here."""
    return estimated_at_scores(matches) is not None and matches.spec.max_uses is None and x is None
