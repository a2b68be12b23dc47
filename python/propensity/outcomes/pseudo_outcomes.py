"""What cross-fitted AIPW says of each row: an outcome whose mean, among whomever, is their effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from propensity.calls.seeds import settle_seed
from propensity.effects.estimators import AIPW
from propensity.effects.sample import Sample, warn_once
from propensity.frames import checks
from propensity.frames.checks import Floats, Rows
from propensity.frames.native import AnyFrame, AnySeries
from propensity.outcomes.cross_fitted import warn_of_cross_fitted_terms
from propensity.outcomes.models import Roles, read_study
from propensity.outcomes.split_scores import cross_fitted
from propensity.scores.flexible import require_no_penalty
from propensity.scores.learners import Learner
from propensity.scores.own_models import own_learner


@dataclass(frozen=True)
class Models:
    """How pseudo-outcomes are made: models, folds and repeats, as for `aipw`."""

    outcome_model: Learner = "linear"
    score_model: Learner = "logistic"
    penalty: float = 0.0
    n_folds: int = 5
    n_repeats: int = 1
    seed: object = 0

    def spec(self) -> AIPW:
        """Check them.

        Raises
        ------
        InvalidInputError
            There are fewer than two folds, or a penalty for somebody else's model.
        """
        checks.count("n_folds", self.n_folds, minimum=2)
        checks.number("penalty", self.penalty, minimum=0.0)
        require_no_penalty(self.score_model, self.penalty)
        return AIPW(
            "ATE",
            self.outcome_model,
            score_model=self.score_model,
            n_folds=self.n_folds,
            n_repeats=self.n_repeats,
            seed=settle_seed(self.seed),
        )


@dataclass(frozen=True, eq=False)
class PseudoOutcomes:
    """Of n rows m1 - m0 + T (Y - m1) / e - (1 - T) (Y - m0) / (1 - e), with models that have not seen them.

    Attributes
    ----------
    sample : Sample
    values : ndarray (n,)
        The mean over repeats; 0 for rows that are not there.
    cautions : tuple of Warning
    made : str
        How the models were fitted.
    """

    sample: Sample
    values: Floats
    cautions: tuple[Warning, ...]
    made: str

    @classmethod
    def read(
        cls,
        df: AnyFrame,
        roles: Roles,
        outcome: str,
        models: Models,
        *,
        also: Mapping[str, object] | None = None,
        beside: Sequence[Rows] = (),
    ) -> PseudoOutcomes:
        """Fit the models to all folds but one, and warn of what there is to say of them.

        `also` is what else is given row by row, by role; by it and by what is `beside` rows are told apart
        that are alike in all that models see.
        """
        spec = models.spec()
        study = read_study(df, roles, also, takes_missing=spec.takes_missing)
        given = (study.sample.frame.rowwise(values, role)[0] for role, values in (also or {}).items())
        study = replace(study, beside=(*beside, *given))
        effects = cross_fitted(study, outcome, spec, models.penalty, "difference")
        _, repeats = effects.terms(outcome)
        values = np.mean([terms[True] - terms[False] for terms in repeats], axis=0)
        s = study.sample.sample_weight
        if s is not None:
            values = np.divide(values, s, out=np.zeros(len(s)), where=s > 0)
        copies = study.sample.copies(outcome, study.columns)
        warn_once((*copies, *effects.cautions))
        learners = own_learner(models.score_model, models.penalty), own_learner(models.outcome_model)
        warn_of_cross_fitted_terms(study, *learners)
        return cls(study.sample, values, (*copies, *effects.cautions), effects.split.splits.words)

    @property
    def weights(self) -> Floats:
        """What each row counts for, (n,)."""
        s = self.sample.sample_weight
        return np.ones(len(self.values)) if s is None else s

    def series(self) -> AnySeries:
        """Give the values with the caller's index, NaN for rows that are not there."""
        values = np.where(self.sample.present_rows, self.values, np.nan)
        return self.sample.frame.series(values, "pseudo_outcome")
