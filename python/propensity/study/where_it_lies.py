"""The questions of a study to a table that an engine holds: what is asked of it, and what cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from propensity.effects.contrasts import Contrast
from propensity.effects.estimators import AIPW, IPW, Estimator, RegressionAdjustment
from propensity.effects.sample import warn_once
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.outcome_names import outcome_names
from propensity.frames.terms import Covariates
from propensity.scores.choice import LOGISTIC
from propensity.scores.scored import warn_of_left_out
from propensity.study.estimates import NAIVE, Estimates, EstimatesByOutcome
from propensity.tables.asked import INSTEAD, columns_alone
from propensity.tables.estimated import Asked, estimated

_BY_DEFAULT: tuple[Estimator, ...] = (IPW("ATE"), AIPW("ATE"), IPW("ATT"), AIPW("ATT"))


@dataclass(frozen=True)
class Lazy:
    """A table that an engine holds, and the roles of its columns."""

    table: Any
    treatment: str
    covariates: Covariates
    cluster: object

    def estimates(
        self,
        outcome: str | Sequence[str],
        estimators: Sequence[Estimator] | None,
        *,
        penalty: float,
        contrast: Contrast,
        level: float,
    ) -> Estimates | EstimatesByOutcome:
        """Estimate in several ways, as `estimate` does of a frame."""
        asked = _BY_DEFAULT if estimators is None else tuple(estimators)
        for spec in asked:
            _require_sums(spec)
        names = outcome_names(outcome)
        covariates = columns_alone(self.covariates)
        checks.roles(treatment=self.treatment, outcomes=names, covariates=covariates)
        roles = Asked(
            self.treatment, tuple(names), covariates, asked, float(penalty), contrast, self._cluster()
        )
        found = estimated(self.table, roles)
        warn_of_left_out(found.left_out)
        labels = [NAIVE, *(spec.label for spec in asked)]
        several = {name: Estimates.of(found.effects[name], {}, labels, name, level) for name in names}
        effects = (effect for own in found.effects.values() for effect in own.values())
        warn_once(caution for effect in effects for caution in effect.cautions)
        return several[outcome] if isinstance(outcome, str) else EstimatesByOutcome(several)

    def _cluster(self) -> str | None:
        if self.cluster is None or isinstance(self.cluster, str):
            return self.cluster
        raise TypeError(
            "cluster: of a table that an engine holds one column is needed, by its name, not "
            f"{type(self.cluster).__name__}"
        )


def _require_sums(spec: Estimator) -> None:
    """Require an estimator that is made of sums."""
    why = ""
    if not isinstance(spec, IPW | AIPW | RegressionAdjustment):
        why = "it needs rows beside each other"
    elif isinstance(spec, IPW) and spec.truncate is not None:
        why = "a quantile of weights is no sum"
    elif isinstance(spec, IPW | AIPW) and spec.score_model != LOGISTIC:
        why = "scores are logistic there"
    elif isinstance(spec, AIPW) and spec.is_cross_fitted:
        why = "models of folds need rows"
    elif isinstance(spec, AIPW | RegressionAdjustment) and spec.outcome_model != "linear":
        why = "outcome models are linear there"
    if why:
        raise InvalidInputError(
            f"estimators: {spec.label!r} is not to be had of a table that an engine holds, for {why}; take "
            f"IPW, AIPW or RegressionAdjustment as they are by default, or {INSTEAD}"
        )
