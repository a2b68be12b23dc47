"""Effects of matches, by how their standard error is made: on scores, by sets, in any space."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

from propensity import core
from propensity.effects.arms import Means, effective_sizes
from propensity.effects.clusters import summed_within
from propensity.effects.effect import Effect
from propensity.effects.means_covariance import MeansCovariance
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.design import Design
from propensity.frames.kept import read_adjustment
from propensity.frames.native import series_like
from propensity.matching.abadie_imbens import adjustments, neighbor_variance
from propensity.matching.cautions import neighbor_remedy
from propensity.matching.clustered import (
    counted_clusters,
    influence_in_clusters,
    summed_by_clusters,
    units_of,
    words_of_clusters,
)
from propensity.matching.estimation_variance import estimation_variance
from propensity.matching.outcome import MatchedOutcome
from propensity.matching.result import Whom, outcome_of, require_unknown
from propensity.matching.score_influence import COUNTED
from propensity.matching.se_words import (
    KNOWN,
    NOTHING_LEFT,
    adjusted_words,
    nothing_left,
    others_of,
    se_method_on_scores,
)
from propensity.matching.subclass_influence import clustered_influence
from propensity.matching.terms import estimated_at_scores, terms_of, with_estimated_scores

if TYPE_CHECKING:
    from propensity.matching.matches import Matches

PairInference: TypeAlias = Literal["score", "cluster"]


def effect_of_matches(
    matches: Matches, outcome: object, bias_adjust: object = None, inference: PairInference | None = None
) -> Effect:
    """Compare the outcome of the matched units, as `Matches.effect` says."""
    y, x = read_matched(matches, outcome, bias_adjust)
    return effect_on_matched(matches, y, x, inference)


def read_matched(
    matches: Matches, outcome: object, bias_adjust: object
) -> tuple[MatchedOutcome, Design | None]:
    """Read an outcome, and what it is adjusted for (n, d), if anything."""
    y = outcome_of(matches, outcome, bounded=bias_adjust is None)
    require_unknown(matches, outcome)
    if bias_adjust is None:
        return y, None
    return y, read_adjustment(bias_adjust, matches.fingerprint, y.is_held_by)


def effect_on_matched(
    matches: Matches,
    y: MatchedOutcome,
    x: Design | None,
    inference: PairInference | None,
    *,
    is_part: bool = False,
    clusters: Rows | None = None,
) -> Effect:
    """Compare an outcome that has been read; `is_part` where some of the sets were left out."""
    if _pair_inference(matches, inference, adjusted=x is not None) == "score":
        return _effect_at_scores(matches, y, clusters)
    if matches.spec.max_uses == 1:
        return _effect_of_sets(matches, y, x, clusters)
    if clusters is not None:
        return _effect_in_clusters(matches, y, x, clusters)
    s = matches.sample_weight
    everybody = not is_part and y.known.all() and (s is None or s.min() > 0)
    if matches.spec.is_plain and matches.weighs_evenly and everybody and x is None:
        return _effect_on_scores(matches, y)
    return _effect_in_space(matches, y, x)


def _pair_inference(matches: Matches, asked: PairInference | None, *, adjusted: bool) -> PairInference | None:
    """Settle how the standard error without replacement is made; None with replacement."""
    if asked is not None:
        checks.choice("inference", asked, get_args(PairInference))
    if matches.spec.max_uses != 1:
        if asked is not None:
            raise InvalidInputError(f"inference: {asked!r} is for matching without replacement; leave it out")
        return None
    at_scores = matches.rematching is not None and matches.rematching.quantity is not None and not adjusted
    if asked == "score" and not at_scores:
        raise InvalidInputError(
            "inference: 'score' is for matching on the score or logit alone, without exact or "
            "bias_adjust, that leaves nobody out whom the effect is for; take 'cluster', or "
            "matches.bootstrap(outcome, refit=True)"
        )
    estimated = at_scores and matches.rematching is not None and matches.rematching.estimated is not None
    return asked or ("score" if estimated else "cluster")


@dataclass(frozen=True, eq=False)
class _Found:
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


def _effect_on_scores(matches: Matches, y: MatchedOutcome) -> Effect:
    """Take the core's, which counts that scores were estimated."""
    found = _found_on_scores(matches, y)
    method, cautions = se_method_on_scores(matches, corrected=found.counted is not None)
    return _effect_of_found(matches, y, found, partial(_found_on_scores, matches), method, cautions)


def _found_on_scores(matches: Matches, y: MatchedOutcome) -> _Found:
    assert matches.scores is not None
    assert matches.spec.on in ("score", "logit")
    assert not isinstance(matches.spec.caliper, Mapping)
    found = core.matching_effect(
        y.values,
        matches.treated,
        matches.scores,
        estimand=matches.estimand,
        n_neighbors=matches.spec.n_neighbors,
        caliper=matches.spec.caliper,
        on=matches.spec.on,
        variance_neighbors=matches.spec.variance_neighbors,
        x=matches.x,
        penalty=matches.penalty,
        score_model=matches.score_model,
    )
    variance, correction = found.std_error**2, found.correction
    return _Found(
        Means(found.mean_treated, found.mean_control),
        variance if correction is None else variance - correction,
        None if correction is None else variance,
        (found.ess_treated, found.ess_control),
    )


def _effect_of_found(
    matches: Matches,
    y: MatchedOutcome,
    found: _Found,
    again: Callable[[MatchedOutcome], _Found],
    method: str,
    cautions: tuple[Warning, ...],
    *,
    adjusted: bool = False,
) -> Effect:
    """Put an effect together that has no influence values; `again` is what found it."""
    return _effect(
        matches,
        y,
        found.means,
        method,
        std_error=math.sqrt(found.variance),
        ess=found.ess,
        adjusted=adjusted,
        cautions=cautions,
        means_covariance=MeansCovariance(partial(_covariance_of_means, matches.treated, y, found, again)),
    )


def _covariance_of_means(
    treated: Bools, y: MatchedOutcome, both: _Found, again: Callable[[MatchedOutcome], _Found]
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


def _effect_of_sets(
    matches: Matches, outcome: MatchedOutcome, x: Design | None, clusters: Rows | None
) -> Effect:
    """Square what each set adds, and what each of the caller's clusters does."""
    labels, y = matches.labels, outcome.values
    if matches.n_matched < 2:
        raise InvalidInputError(
            "outcome: one matched set shows nothing of how estimates vary between sets; match more units"
        )
    weights = np.asarray(matches.weights)
    fitted, moved = _adjustments(matches, y, x)
    rest = y - fitted.sum(axis=0)  # one arm has donors
    plain = clustered_influence(y, matches.treated, labels, weights)
    adjusted = plain if x is None else clustered_influence(rest, matches.treated, labels, weights)
    means = replace(
        adjusted,
        mean_treated=plain.mean_treated + moved[True],
        mean_control=plain.mean_control + moved[False],
    )
    words = f"summed within {matches.n_matched:,} sets (Abadie and Spiess 2022), factor G / (G - 1)"
    if clusters is not None:
        means = summed_by_clusters(means, weights, matches.treated, clusters)
        words = "of matched sets (Abadie and Spiess 2022)"
        words += words_of_clusters(clusters, means.clusters)
    words += f"; takes the sets as given{adjusted_words(x)}"
    return _effect(
        matches, outcome, means, words, adjusted=x is not None, n_clusters=_counted(clusters, means)
    )


def _effect_in_space(matches: Matches, outcome: MatchedOutcome, x: Design | None) -> Effect:
    """Take the variance of outcomes from neighbours in the space that was matched in."""
    found = _found_in_space(matches, x, outcome)
    where = "the scores" if matches.spec.on_scores else "the covariates matched on"
    if matches.exact is not None:
        where += f" and of the same {', '.join(matches.spec.exact)}"
    counted = KNOWN
    cautions: tuple[Warning, ...] = ()
    if found.counted is not None:
        counted = COUNTED
    elif _counts_estimation(matches, x):
        counted, cautions = f"{KNOWN}, {NOTHING_LEFT}", nothing_left()
    others = f"{others_of(matches)}neighbours in {where}"
    words = f"Abadie and Imbens (2006), {others}; {counted}{adjusted_words(x)}"
    again = partial(_found_in_space, matches, x)
    return _effect_of_found(matches, outcome, found, again, words, cautions, adjusted=x is not None)


def _found_in_space(matches: Matches, x: Design | None, outcome: MatchedOutcome) -> _Found:
    y = outcome.values
    fitted, moved = _adjustments(matches, y, x)
    pairing, t, w = matches.pairing, matches.treated, np.asarray(matches.weights)
    variance = neighbor_variance(pairing, y, fitted, _outcome_variance(matches, outcome))
    means = Means(
        float(np.average(y[t], weights=w[t])) + moved[True],
        float(np.average(y[~t], weights=w[~t])) + moved[False],
    )
    counted = None
    if _counts_estimation(matches, x):
        moved_by_scores = variance + _estimation_variance(matches, outcome, means.estimate)
        counted = moved_by_scores if moved_by_scores > 0 else None
    return _Found(means, variance, counted)


def _counts_estimation(matches: Matches, x: Design | None) -> bool:
    """Whether there is a theory of what estimating the scores does here."""
    return estimated_at_scores(matches) is not None and matches.spec.max_uses is None and x is None


def _effect_at_scores(matches: Matches, outcome: MatchedOutcome, clusters: Rows | None) -> Effect:
    """Take rows for independent of each other, given their scores, or clusters of them."""
    what = "rows" if clusters is None else "clusters"
    words = f"of {what} that are independent given their scores (Otsu and Rai 2017), factor of HC3; "
    words += "takes the scores as known" if estimated_at_scores(matches) is None else COUNTED
    means = terms_of(matches, outcome, None if clusters is None else units_of(clusters))
    if clusters is not None:
        means = summed_by_clusters(means, np.asarray(matches.weights), matches.treated, clusters)
        words += words_of_clusters(clusters, means.clusters)
    return _effect(matches, outcome, means, words, n_clusters=_counted(clusters, means))


def _effect_in_clusters(
    matches: Matches, outcome: MatchedOutcome, x: Design | None, clusters: Rows
) -> Effect:
    """Sum what rows add to an estimate with replacement within clusters."""
    means = influence_in_clusters(matches, outcome, x, clusters)
    moved = _adjustments(matches, outcome.values, x)[1]
    means = replace(
        means,
        mean_treated=means.mean_treated + moved[True],
        mean_control=means.mean_control + moved[False],
    )
    counted = KNOWN
    if _counts_estimation(matches, x):
        means, counted = with_estimated_scores(matches, outcome, means), COUNTED
    means = summed_by_clusters(means, np.asarray(matches.weights), matches.treated, clusters)
    words = f"Abadie and Imbens (2012), terms about fitted means; {counted}{adjusted_words(x)}"
    words += summed_within(means.clusters)
    return _effect(
        matches, outcome, means, words, adjusted=x is not None, n_clusters=_counted(clusters, means)
    )


def _counted(clusters: Rows | None, means: Means) -> int | None:
    """Count the clusters that the caller's rows are in; matched sets are none of theirs."""
    if clusters is None or means.clusters is None:
        return None
    return counted_clusters(clusters, means.clusters)


def _estimation_variance(matches: Matches, outcome: MatchedOutcome, tau: float) -> float:
    """Give what estimating the scores adds to the variance: mostly something negative."""
    estimated = estimated_at_scores(matches)
    assert estimated is not None
    return estimation_variance(
        estimated,
        outcome.values,
        matches.treated,
        matches.quantity,
        estimand=matches.estimand,
        tau=tau,
        weights=np.asarray(matches.weights),
        known=outcome.known,
    )


def _outcome_variance(matches: Matches, outcome: MatchedOutcome) -> Floats:
    """Give the variance (n,) of outcomes in the place of each row that is there and has one, else 0."""
    there = outcome.known
    if matches.sample_weight is not None:
        there = there & (matches.sample_weight > 0)
    exact = None if matches.exact is None else matches.exact[there]
    variance = np.zeros(len(there))
    variance[there] = core.outcome_variance(
        outcome.values[there],
        matches.treated[there],
        matches.places[there],
        exact=exact,
        variance_neighbors=matches.spec.variance_neighbors,
    )
    return variance


def _adjustments(matches: Matches, y: Floats, x: Design | None) -> tuple[Floats, dict[bool, float]]:
    if x is None:
        return np.zeros((2, len(y))), {True: 0.0, False: 0.0}
    return adjustments(matches.pairing, y, x)


def _effect(
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
    advice = neighbor_remedy(matches.spec), neighbor_remedy(matches.spec, adjusted=True)
    return tuple(type(caution)(str(caution).replace(*advice)) for caution in matches.cautions)
