"""The bootstrap of matches: which one is valid for them, and the one that weighs an estimate's terms anew."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from propensity import core
from propensity.effects import inference
from propensity.effects.arms import Means
from propensity.effects.effect import Effect
from propensity.effects.matching_specification import NearestNeighbors
from propensity.errors import InvalidInputError
from propensity.frames.checks import Floats, Rows
from propensity.frames.one_column import one_outcome_of_matches
from propensity.frames.order import places_by_content
from propensity.matching.effect import effect_of_matches
from propensity.matching.rematching import bootstrap_again
from propensity.matching.result import outcome_of
from propensity.matching.terms import terms_of
from propensity.resampling.options import Groups, ResamplingOptions
from propensity.resampling.result import BootstrapResult

_DIGITS = 36  # binary ones, of the largest value

if TYPE_CHECKING:
    from propensity.matching.matches import Matches


def bootstrap_matches(
    matches: Matches, outcome: object, groups: Groups, options: ResamplingOptions, *, refit: bool
) -> BootstrapResult:
    """Bootstrap the effect of matches, as `Matches.bootstrap` says."""
    one_outcome_of_matches("matches.bootstrap", outcome, len(matches.index))
    if refit:
        _require_refit(matches, options)
    else:
        _require_theory(matches)
    effect = effect_of_matches(matches, outcome)
    y = outcome_of(matches, outcome)
    every = y.of_every_row(matches.index)
    if refit:
        assert matches.rematching is not None
        return bootstrap_again(matches.rematching, matches.spec, effect, every, groups, options)
    there = slice(None) if matches.sample_weight is None else matches.sample_weight > 0
    terms = terms_of(matches, y).among(there)
    return _bootstrap_terms(terms, matches.spec, effect, groups.among(there), options)


def _bootstrap_terms(
    means: Means, spec: NearestNeighbors, effect: Effect, groups: Groups, options: ResamplingOptions
) -> BootstrapResult:
    """Weigh anew what rows add to the two means, centred at the effect (Otsu and Rai 2017)."""
    assert means.influence_treated is not None
    assert means.influence_control is not None
    groups.require_drawable(options.resampling)
    influence = _rounded(means.influence_treated - means.influence_control)
    drawn = groups.numbered(partial(_places, influence))
    with options.bar() as report:
        changes = core.bootstrap_influence(
            influence,
            **options.core_options,
            cluster=drawn.cluster,
            strata=drawn.strata,
            n_reps=options.n_reps,
            progress=report,
        )
    return BootstrapResult.of_effect(
        effect,
        spec,
        effect.estimate + changes,
        groups,
        options,
        acceleration=inference.acceleration(influence, groups.cluster),
        penalty=0.0,
        refitted=False,
    )


def _places(influence: Floats) -> Rows:
    """Give rows their places by what they add."""
    return places_by_content([influence])


def _rounded(influence: Floats) -> Floats:
    """Leave out the last digits: two rows of a cell are as far from its mean as each other.

    Draws go by size, and which of the two comes first must not hang on rounding.
    """
    unit = float(np.abs(influence).max()) / 2**_DIGITS
    return influence if unit == 0 else np.round(influence / unit) * unit


def _require_refit(matches: Matches, options: ResamplingOptions) -> None:
    """Require matching that may be made again on rows drawn anew, and whole rows."""
    if matches.spec.max_uses != 1:
        known = matches.spec.is_plain and matches.weighs_evenly
        alone = ", or matches.bootstrap(outcome), which leaves the matches alone" if known else ""
        raise InvalidInputError(
            "refit: to match again on rows drawn anew is not valid where a unit may serve more than once "
            f"(Abadie and Imbens 2008): take matches.effect(outcome).conf_int(){alone}"
        )
    if options.resampling != "multinomial":
        raise InvalidInputError(
            f"resampling: {options.resampling!r} has no whole number of rows to match again; with refit=True "
            "take 'multinomial'"
        )


def _require_theory(matches: Matches) -> None:
    """Require matching whose terms can be resampled.

    Raises
    ------
    InvalidInputError
        There is no theory of it.
    """
    if not (matches.spec.is_plain and matches.weighs_evenly):
        again = "matches.bootstrap(outcome, refit=True), or " if matches.spec.max_uses == 1 else ""
        raise InvalidInputError(
            f"there is no theory of this bootstrap for {matches.spec.label}"
            f"{'' if matches.weighs_evenly else ' with sample weights'}; take {again}"
            "matches.effect(outcome).conf_int()"
        )
    if matches.estimand == "ATE" and matches.n_unmatched:
        raise InvalidInputError(
            f"{matches.n_unmatched:,} units are unmatched, and there is no theory of this bootstrap for an "
            "ATE without them; take matches.effect(outcome).conf_int(), or match without a caliper"
        )
