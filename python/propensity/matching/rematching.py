"""The bootstrap that matches again: each replicate fits the score, and matches or groups rows, once more.

The plain bootstrap of matching with replacement is not valid (Abadie and Imbens 2008), and is refused. For
pairs, full matching and subclasses `docs/validation.md` has how often its intervals hold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from propensity.effects import inference
from propensity.effects.effect import Effect
from propensity.effects.estimators import Regrouping
from propensity.effects.matching_specification import NearestNeighbors
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.order import rows_by_content
from propensity.matching.estimated_scores import EstimatedScores
from propensity.resampling.failures import tell_of_failures
from propensity.resampling.options import Groups, ResamplingOptions
from propensity.resampling.replicates import run_replicates
from propensity.resampling.result import BootstrapResult
from propensity.resampling.sampling_units import SamplingUnits
from propensity.results.read_only import ReadOnly

_DIGITS_OF_SCORES = 9  # what is left of them where the same model is fitted in another way


class MatchAgain(Protocol):
    """How rows were matched or put into subclasses, to be done again on some of them."""

    @property
    def columns(self) -> list[Floats]:
        """What rows hold (n,) that it looks at, but for the scores."""

    def weights(self, rows: Rows, scores: Floats | None) -> Floats:
        """Give the matching weights (m,), sample weights included, of these rows with these scores (m,)."""


@dataclass(frozen=True, eq=False)
class Rematching(ReadOnly):
    """What a result remembers of how it was made.

    Attributes
    ----------
    match_again : MatchAgain
    treated : ndarray (n,) of bool
    scores : EstimatedScores or ndarray (n,) or None
        What to fit again; numbers are taken as known, and stay as they are. None where no scores were used.
    sample_weight : ndarray (n,) or None
        Rows of weight 0 are not there, and never drawn.
    quantity : ndarray (n,) or None
        The score or logit that alone decided who is with whom, nobody whom the effect is for being left out;
        None where there is none.
    """

    match_again: MatchAgain
    treated: Bools
    scores: EstimatedScores | Floats | None
    sample_weight: Floats | None
    quantity: Floats | None = None

    @property
    def estimated(self) -> EstimatedScores | None:
        """The scores, where they were fitted to these rows."""
        return self.scores if isinstance(self.scores, EstimatedScores) else None

    def estimate(self, outcome: Floats, rows: Rows) -> float:
        """Estimate the difference of the arms on some of the rows (m,), each as often as it is named.

        Raises
        ------
        InvalidInputError
            The score cannot be fitted to them, or nobody among them be matched.
        """
        if self.estimated is not None:
            scores: Floats | None = self.estimated.refitted(self.treated, rows)
        else:
            scores = None if self.scores is None else np.asarray(self.scores)[rows]
        weights, treated, y = self.match_again.weights(rows, scores), self.treated[rows], outcome[rows]
        return float(np.average(y[treated], weights=weights[treated])) - float(
            np.average(y[~treated], weights=weights[~treated])
        )

    def order(self, outcome: Floats) -> Rows:
        """Give the rows (m,) that count for something, in the order of what they hold.

        First of what stays where arms are swapped, the outcome is turned round, or covariates are written
        otherwise, so that the draws do, too.
        """
        s, estimated = self.sample_weight, self.estimated
        columns = [outcome, self.treated.astype(np.float64), *self.match_again.columns]
        scores = self.scores if estimated is None else estimated.scores
        if scores is not None:
            apart: Floats = np.abs(np.asarray(scores, dtype=np.float64) - 0.5)
            columns.insert(0, apart.round(_DIGITS_OF_SCORES))
        if estimated is not None:
            columns += list(estimated.x.T)
        return rows_by_content(columns if s is None else [*columns, s], s)


def bootstrap_again(
    rematching: Rematching,
    spec: NearestNeighbors | Regrouping,
    effect: Effect,
    outcome: Floats,
    groups: Groups,
    options: ResamplingOptions,
) -> BootstrapResult:
    """Draw rows with replacement, make the matching again, and estimate again, `n_reps` times.

    Replicate r has random numbers of its own, whatever `n_reps` and `n_threads` are, and draws hang on what
    rows hold, not on the order in which they come.

    Raises
    ------
    InvalidInputError
        No replicate could be estimated.

    Warns
    -----
    OverlapWarning
        More than 5% of them could not.
    """
    groups.require_drawable(options.resampling)
    order = rematching.order(outcome)
    units = SamplingUnits.of(order, groups.cluster, groups.strata)
    y = outcome - outcome[order].mean()

    def estimate(replicate: int) -> float:
        numbers = np.random.SeedSequence(options.seed, spawn_key=(replicate,))
        return rematching.estimate(y, units.draw(np.random.default_rng(numbers)))

    with options.bar() as report:
        replicates, failures = run_replicates(
            estimate, options.n_reps, n_threads=options.n_threads, progress=report
        )
    tell_of_failures(failures, options.n_reps)
    influence = effect.influence
    return BootstrapResult.of_effect(
        effect,
        spec,
        replicates,
        groups,
        options,
        acceleration=math.nan if influence is None else inference.acceleration(influence, effect.clusters),
        penalty=0.0 if rematching.estimated is None else rematching.estimated.penalty,
        refitted=True,
        usual_kind="normal",
    )
