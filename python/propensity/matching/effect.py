"""Effects of matches, by how their standard error is made: on scores, by sets, in any space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

from propensity import core
from propensity.effects.arms import Means
from propensity.effects.clusters import summed_within
from propensity.effects.effect import Effect
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.checks import Floats, Rows
from propensity.frames.design import Design
from propensity.frames.kept import read_adjustment
from propensity.matching.abadie_imbens import adjustments, neighbor_variance
from propensity.matching.clustered import (
    counted_clusters,
    influence_in_clusters,
    summed_by_clusters,
    units_of,
    words_of_clusters,
)
from propensity.matching.counted_effect import effect_of_cells
from propensity.matching.estimation_variance import estimation_variance
from propensity.matching.found import (
    Found,
    counts_estimation,
    effect_of_found,
    matched_effect,
    words_in_space,
)
from propensity.matching.outcome import MatchedOutcome
from propensity.matching.result import outcome_of, require_unknown
from propensity.matching.score_influence import COUNTED
from propensity.matching.se_words import (
    KNOWN,
    adjusted_words,
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
    if bias_adjust is not None:
        matches._require_users("bias_adjust", "a regression among donors")
    y = outcome_of(matches, outcome, bounded=bias_adjust is None)
    require_unknown(matches, outcome)
    if bias_adjust is None:
        return y, None
    return y, read_adjustment(bias_adjust, matches.fingerprint, y.is_held_by, matches.known)


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
    if y.counted is not None:
        _pair_inference(matches, inference, adjusted=False)
        return effect_of_cells(matches, y, clusters, is_part=is_part)
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


def _effect_on_scores(matches: Matches, y: MatchedOutcome) -> Effect:
    """Take the core's, which counts that scores were estimated."""
    found = _found_on_scores(matches, y)
    method, cautions = se_method_on_scores(matches, corrected=found.counted is not None)
    return effect_of_found(matches, y, found, partial(_found_on_scores, matches), method, cautions)


def _found_on_scores(matches: Matches, y: MatchedOutcome) -> Found:
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
        x=None if matches.design is None else matches.design.dense,
        penalty=matches.penalty,
        score_model=matches.score_model,
    )
    variance, correction = found.std_error**2, found.correction
    return Found(
        Means(found.mean_treated, found.mean_control),
        variance if correction is None else variance - correction,
        None if correction is None else variance,
        (found.ess_treated, found.ess_control),
    )


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
    return matched_effect(
        matches, outcome, means, words, adjusted=x is not None, n_clusters=_counted(clusters, means)
    )


def _effect_in_space(matches: Matches, outcome: MatchedOutcome, x: Design | None) -> Effect:
    """Take the variance of outcomes from neighbours in the space that was matched in."""
    found = _found_in_space(matches, x, outcome)
    words, cautions = words_in_space(matches, x, found)
    again = partial(_found_in_space, matches, x)
    return effect_of_found(matches, outcome, found, again, words, cautions, adjusted=x is not None)


def _found_in_space(matches: Matches, x: Design | None, outcome: MatchedOutcome) -> Found:
    y = outcome.values
    fitted, moved = _adjustments(matches, y, x)
    pairing, t, w = matches.pairing, matches.treated, np.asarray(matches.weights)
    variance = neighbor_variance(pairing, y, fitted, _outcome_variance(matches, outcome, fitted))
    means = Means(
        float(np.average(y[t], weights=w[t])) + moved[True],
        float(np.average(y[~t], weights=w[~t])) + moved[False],
    )
    counted = None
    if counts_estimation(matches, x):
        moved_by_scores = variance + _estimation_variance(matches, outcome, means.estimate)
        counted = moved_by_scores if moved_by_scores > 0 else None
    return Found(means, variance, counted)


def _effect_at_scores(matches: Matches, outcome: MatchedOutcome, clusters: Rows | None) -> Effect:
    """Take rows for independent of each other, given their scores, or clusters of them."""
    what = "rows" if clusters is None else "clusters"
    words = f"of {what} that are independent given their scores (Otsu and Rai 2017), factor of HC3; "
    words += "takes the scores as known" if estimated_at_scores(matches) is None else COUNTED
    means = terms_of(matches, outcome, None if clusters is None else units_of(clusters))
    if clusters is not None:
        means = summed_by_clusters(means, np.asarray(matches.weights), matches.treated, clusters)
        words += words_of_clusters(clusters, means.clusters)
    return matched_effect(matches, outcome, means, words, n_clusters=_counted(clusters, means))


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
    if counts_estimation(matches, x):
        means, counted = with_estimated_scores(matches, outcome, means), COUNTED
    means = summed_by_clusters(means, np.asarray(matches.weights), matches.treated, clusters)
    words = f"Abadie and Imbens (2012), terms about fitted means; {counted}{adjusted_words(x)}"
    words += summed_within(means.clusters)
    return matched_effect(
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


def _outcome_variance(matches: Matches, outcome: MatchedOutcome, fitted: Floats) -> Floats:
    """Give the variance (n,) of outcomes in the place of each row that is there and has one, else 0.

    Of adjusted outcomes it is that of what the adjustment leaves, given the covariates of which it is made
    (Abadie and Imbens 2011, theorem 2): what these foretell within a place is taken off the estimate.
    """
    there = outcome.known
    rest = outcome.values - np.where(matches.treated, fitted[1], fitted[0])
    if matches.sample_weight is not None:
        there = there & (matches.sample_weight > 0)
    exact = None if matches.exact is None else matches.exact[there]
    variance = np.zeros(len(there))
    variance[there] = core.outcome_variance(
        rest[there],
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
