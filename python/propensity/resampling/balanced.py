"""What a bootstrap needs of estimators that balance: their terms beside those of the models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from propensity import core
from propensity.effects.estimators import Balancing, Estimator
from propensity.errors import InfeasibleError
from propensity.frames.checks import Floats
from propensity.outcomes.models import Study
from propensity.scores.scored import warn_of_left_out
from propensity.weighting.balanced_terms import BalancedTerms


@dataclass(frozen=True, eq=False)
class Balanced:
    """The specifications that balance, each with its terms: those of the score, and products of them."""

    study: Study
    specs: tuple[Balancing, ...]
    terms: tuple[BalancedTerms, ...]

    @classmethod
    def of(cls, study: Study, estimators: Sequence[Estimator]) -> Balanced:
        """Make the terms of those that balance among the estimators."""
        specs = tuple(spec for spec in estimators if isinstance(spec, Balancing))
        rows = study.score
        terms = (BalancedTerms.of(rows.x, rows.recipe, spec, rows.sample_weight) for spec in specs)
        return cls(study, specs, tuple(terms))

    @property
    def has_products(self) -> bool:
        """Whether terms are balanced that no model has."""
        return any(terms.x is not self.study.score.x for terms in self.terms)

    def beside(self, x: Floats) -> tuple[Floats, list[list[int]] | None]:
        """Give the core one matrix, those of the score (n, d) first, and which columns each balances."""
        if not self.specs:
            return x, None
        d, width = self.study.score.x.shape[1], x.shape[1]
        more: dict[tuple[int, bool], Floats] = {}
        places: dict[tuple[int, bool], list[int]] = {}
        columns = []
        for spec, terms in zip(self.specs, self.terms, strict=True):
            key = (spec.moments, spec.interactions)
            if key not in places:
                own = terms.x[:, d:]
                places[key] = list(range(width, width + own.shape[1]))
                width += own.shape[1]
                more[key] = own
            columns.append([*range(d), *places[key]])
        return (np.asfortranarray(np.hstack([x, *more.values()])) if self.has_products else x), columns

    @contextmanager
    def naming_infeasible(self) -> Iterator[None]:
        """Let an `InfeasibleError` of the core, which knows terms by number, name them."""
        try:
            yield
        except InfeasibleError:
            rows = self.study.score
            for spec, terms in zip(self.specs, self.terms, strict=True):
                terms.fit(rows.treated, rows.sample_weight, spec)
            raise

    def warn_of_dropped(self, found: core.Replicates, told: Sequence[str]) -> None:
        """Warn of terms that repeat earlier ones, but for those that were told of already."""
        known = {name.replace("[T.", "[") for name in told}
        names = [
            name
            for terms, dropped in zip(self.terms, found.balanced_aliased, strict=True)
            for name in (*terms.empty, *(terms.names[column] for column in dropped))
        ]
        warn_of_left_out([name for name in dict.fromkeys(names) if name not in known])
