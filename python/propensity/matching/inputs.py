"""What a matching is made from, but for the scores: to match all rows, or those of a replicate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from propensity.effects.matching_specification import Matching
from propensity.frames.checks import Bools, Floats, Rows
from propensity.results.read_only import ReadOnly


@dataclass(frozen=True, eq=False)
class MatchingInputs(ReadOnly):
    """What is matched on and what is allowed.

    Attributes
    ----------
    spec : Matching
        What was asked for.
    treated : ndarray (n,) of bool
    covariates : ndarray (n, d) or None
        Of the distances between covariates.
    calipers : mapping of str to (ndarray (n,) or None, float)
        By what it is on, its values and the width asked for; those on "scores" and "logit" have no values.
    exact : ndarray (n,) of int, or None
        Which rows agree in the columns to be matched exactly.
    sample_weight : ndarray (n,) or None
        What each row counts for; None where every row counts one.
    """

    spec: Matching
    treated: Bools
    covariates: Floats | None
    calipers: Mapping[str, tuple[Floats | None, float]]
    exact: Rows | None
    sample_weight: Floats | None

    @property
    def columns(self) -> list[Floats]:
        """What rows hold (n,) that matching looks at, but for the scores."""
        found = [] if self.covariates is None else list(self.covariates.T)
        found += [values for values, _ in self.calipers.values() if values is not None]
        return found if self.exact is None else [*found, self.exact.astype(np.float64)]

    def core_arguments(self, scores: Floats | None, rows: Rows | None = None) -> dict[str, Any]:
        """Give the arguments that the core matches all rows with, or some of them (m,); scores are theirs."""
        spec, at = self.spec, slice(None) if rows is None else rows
        named = isinstance(spec.caliper, Mapping)
        return spec.core_options | {
            "scores": scores,
            "treatment": self.treated[at],
            "covariates": None if self.covariates is None else np.asfortranarray(self.covariates[at]),
            "caliper": None if isinstance(spec.caliper, Mapping) else spec.caliper,
            "calipers": self._named_calipers(scores, at) if named else None,
            "exact": None if self.exact is None else self.exact[at],
            "sample_weight": None if self.sample_weight is None else self.sample_weight[at],
        }

    def _named_calipers(self, scores: Floats | None, at: Rows | slice) -> list[tuple[Floats, float]]:
        found = []
        for name, (values, width) in self.calipers.items():
            if values is not None:
                found.append((values[at], width))
                continue
            assert scores is not None
            found.append((on_scores(name, scores), width))
        return found


def on_scores(name: str, scores: Floats) -> Floats:
    """Give what is called "logit", or the scores themselves."""
    return np.asarray(np.log(scores / (1 - scores))) if name == "logit" else scores
