"""What a matching is made from, but for the scores: to match all rows, or those of a replicate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from propensity import core
from propensity.effects.estimators import NearestNeighbors
from propensity.frames.checks import Bools, Floats, Rows
from propensity.results.held import Held


@dataclass(frozen=True, eq=False)
class MatchingInputs(Held):
    """What is matched on and what is allowed.

    Attributes
    ----------
    spec : NearestNeighbors
        What was asked for; for full matching only what it says of distances and limits.
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

    spec: NearestNeighbors
    treated: Bools
    covariates: Floats | None
    calipers: Mapping[str, tuple[Floats | None, float]]
    exact: Rows | None
    sample_weight: Floats | None

    def match(
        self,
        scores: Floats | None,
        ids: Rows | None = None,
        rows: Rows | None = None,
        n_threads: int | None = None,
    ) -> core.Matches:
        """Match all rows, or some of them (m,); scores and ids are theirs."""
        spec = self.spec
        return core.match_nn(
            scores,
            estimand=spec.estimand,
            n_neighbors=spec.n_neighbors,
            replace=spec.replace,
            max_reuse=spec.max_reuse,
            method=spec.method,
            order=spec.order,
            **self._shared(scores, rows),
            ids=ids,
            n_threads=n_threads,
        )

    def match_full(
        self,
        scores: Floats | None,
        ids: Rows | None = None,
        rows: Rows | None = None,
        n_threads: int | None = None,
    ) -> core.FullMatch:
        """Put all rows, or some of them (m,), into the stars of a full matching."""
        return core.match_full(scores, **self._shared(scores, rows), ids=ids, n_threads=n_threads)

    @property
    def columns(self) -> list[Floats]:
        """What rows hold (n,) that matching looks at, but for the scores."""
        found = [] if self.covariates is None else list(self.covariates.T)
        found += [values for values, _ in self.calipers.values() if values is not None]
        return found if self.exact is None else [*found, self.exact.astype(np.float64)]

    def weights(self, rows: Rows, scores: Floats | None) -> Floats:
        """Match these rows, and give their weights (m,)."""
        if self.spec.order != "data":
            return self.match(scores, np.arange(len(rows)), rows, n_threads=1).weights
        came = np.argsort(rows, kind="stable")
        weights = np.empty(len(rows))
        own = None if scores is None else scores[came]
        weights[came] = self.match(own, np.arange(len(rows)), rows[came], n_threads=1).weights
        return weights

    def _shared(self, scores: Floats | None, rows: Rows | None) -> dict[str, Any]:
        spec, at = self.spec, slice(None) if rows is None else rows
        named = isinstance(spec.caliper, Mapping)
        return {
            "treatment": self.treated[at],
            "covariates": None if self.covariates is None else np.asfortranarray(self.covariates[at]),
            "on": spec.on,
            "caliper": None if isinstance(spec.caliper, Mapping) else spec.caliper,
            "calipers": self._named_calipers(scores, at) if named else None,
            "caliper_unit": spec.caliper_unit,
            "caliper_sd": spec.caliper_sd,
            "exact": None if self.exact is None else self.exact[at],
            "discard": spec.discard,
            "sample_weight": None if self.sample_weight is None else self.sample_weight[at],
            "seed": spec.seed,
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
