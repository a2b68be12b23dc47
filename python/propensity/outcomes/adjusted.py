"""Effects by parametric outcome models, of several outcomes at once: what these share is worked out once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from propensity import core
from propensity.effects.arms import Means, Weighting
from propensity.effects.cautions import terms_cautions
from propensity.effects.contrasts import Contrast
from propensity.effects.effect import Effect
from propensity.effects.estimators import AIPW, IPWRA, RegressionAdjustment
from propensity.effects.leverage import Leverage
from propensity.errors import InvalidInputError
from propensity.outcomes.models import (
    Study,
    given_to_core,
    naming_rows_outside_models,
    naming_separation_of_outcome,
    require_modelled,
    warn_of_outcome_terms,
)
from propensity.scores.choice import LOGISTIC
from propensity.scores.scored import FittedScores
from propensity.weighting.doubts import weighting_cautions

STACKED = {
    "aipw": "stacked estimating equations of score, outcome models and means",
    "ipwra": "stacked estimating equations of score, weighted outcome models and means",
    "regression": "stacked estimating equations of outcome models and means",
}


@dataclass(frozen=True, eq=False)
class AdjustedEffects:
    """What estimates the effect on an outcome with parametric models, the score being fitted already.

    Of several `outcomes` that are asked for the means of all are worked out together, when those of the
    first are.
    """

    study: Study
    spec: AIPW | IPWRA | RegressionAdjustment
    fitted: FittedScores | None
    contrast: Contrast
    weighting: Weighting
    cautions: tuple[Warning, ...]
    outcomes: Sequence[str] = ()
    left_out: dict[int, None] = field(default_factory=dict)
    _means: dict[str, Means] = field(default_factory=dict)

    @property
    def estimand(self) -> str:
        """Whose effect."""
        return self.spec.estimand

    @property
    def se_method(self) -> str:
        """How standard errors are made."""
        return STACKED[self.spec.method]

    def __call__(self, outcome: str) -> Effect:
        """Estimate one effect."""
        return self.study.sample.effect(
            outcome,
            self.means(outcome),
            self.weighting,
            estimand=self.spec.estimand,
            contrast=self.contrast,
            se_method=self.se_method,
            cautions=self.cautions,
            covariates=self.study.columns,
            scores=None if self.fitted is None else self.fitted.scores,
        )

    def warn_of_terms(self) -> None:
        """Warn of terms that the outcome models leave out, but of none that the score model warned of."""
        told = None if self.fitted is None else self.fitted.dropped
        warn_of_outcome_terms(self.study, self.left_out, told)

    def means(self, outcome: str) -> Means:
        """Estimate the means of both arms."""
        if outcome not in self._means:
            self._means.update(self._together(outcome) or self._estimated([outcome]))
        return self._means[outcome]

    def _together(self, outcome: str) -> dict[str, Means]:
        """Give the means of all outcomes; nothing where one of them has none, which the others may have."""
        if len(self.outcomes) < 2 or outcome not in self.outcomes or self._means:
            return {}
        try:
            return self._estimated(self.outcomes)
        except InvalidInputError:
            return {}

    def _estimated(self, outcomes: Sequence[str]) -> dict[str, Means]:
        study, sample = self.study, self.study.sample
        for outcome in outcomes:
            require_modelled(study, outcome, [self.spec])
        x, beside = given_to_core(study)
        first, *others = map(sample.frame.outcome, outcomes)
        with naming_separation_of_outcome(study), naming_rows_outside_models(study):
            found = core.adjust(
                x,
                sample.treated,
                first,
                method=self.spec.method,
                estimand=self.spec.estimand,
                outcome_model=self.spec.outcome_model,
                penalty=0.0 if self.fitted is None else self.fitted.fit.penalty,
                score_model=LOGISTIC if self.fitted is None else self.fitted.fit.score_model,
                **sample.row_weights,
                scores=None if self.fitted is None else self.fitted.scores,
                leverage=True,
                others=others,
                **beside,
            )
        self.left_out.update(dict.fromkeys(map(int, found.outcome_aliased)))
        return dict(zip(outcomes, map(_means_of, [found, *found.others]), strict=True))


def _means_of(found: core.AdjustedEstimate) -> Means:
    assert found.leverage is not None
    assert found.residual_influence is not None
    return Means(
        found.mean_treated,
        found.mean_control,
        found.influence_treated,
        found.influence_control,
        difference=found.estimate,
        leverage=Leverage(found.leverage, found.residual_influence),
    )


def adjusted_effects(
    study: Study,
    spec: AIPW | IPWRA | RegressionAdjustment,
    fitted: FittedScores | None,
    contrast: Contrast,
    outcomes: Sequence[str] = (),
) -> AdjustedEffects:
    """Weigh the rows, as far as that needs no outcome; `outcomes` are all that will be asked for."""
    sample = study.sample
    cautions: tuple[Warning, ...] = ()
    if fitted is None:
        weighting = sample.unweighted()
    else:
        weighting = sample.weighting(fitted.scores, spec.estimand)
        cautions = weighting_cautions(sample, fitted.scored, weighting, estimand=spec.estimand, alone=False)
    rows = (weighting.ess_treated, weighting.ess_control) if spec.method == "ipwra" else sample.outcome_rows()
    weighted, n_terms = spec.method == "ipwra", study.outcome.design.n_terms + 1
    few = terms_cautions(rows, n_terms, spec.estimand, weighted=weighted)
    said = (*study.cautions, *cautions, *few)
    return AdjustedEffects(study, spec, fitted, contrast, weighting, said, outcomes)
