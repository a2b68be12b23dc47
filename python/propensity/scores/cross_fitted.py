"""Scores of any model, by models that have not seen the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from propensity.errors import InvalidInputError
from propensity.frames.checks import Floats, Rows
from propensity.frames.counted_rows import as_rows
from propensity.frames.fingerprint import Fingerprint
from propensity.frames.native import AnyFrame, AnySeries, series_for, series_like
from propensity.scores.folds import Folds, n_cut
from propensity.scores.inputs import Intake
from propensity.scores.model import ModelScores
from propensity.scores.own_models import own_learner
from propensity.scores.quantiles import quantiles_of
from propensity.scores.score_learners import FoldModels
from propensity.scores.separation import Separation

_QUANTILES = {"q05": 0.05, "median": 0.5, "q95": 0.95}


@dataclass(frozen=True, eq=False, repr=False)
class CrossFittedScores(ModelScores):
    """Scores P(treatment | covariates) of n rows by a model of any kind, fitted to other rows than these.

    They go wherever a `PropensityModel` goes, and standard errors take them as known: what a flexible model
    adds to an error is not known, and that scores were estimated mostly makes an effect more precise, so that
    intervals are rather too wide. `aipw` does without: with cross-fitted outcome models beside them the error
    of the scores is of second order.

    Attributes
    ----------
    treatment : str
        The column they foretell.
    scores : Series (n,)
        The probabilities, called "propensity", with the caller's index; the mean over the repeats.
    score_model : object
        What was fitted, unfitted as it was given.
    label : str
        What it is called.
    covariates : tuple of str
        The columns it was given.
    n_folds : int or None
        Each row is scored by a model that was fitted outside of its fold; None where scores are out of bag.
    n_repeats : int
        How often rows were split into folds.
    seed : int
        Of the folds, the bags, and what models draw.
    path : DataFrame or None
        Of a boosted model, by the number of trees: what stopping looks at. None where there is none.
    n_trees : int or None
        Of a boosted model how many it stopped at, of a forest how many it has; None of others.
    repeats : ndarray (n_repeats, n)
        The scores of each repeat.
    folds : ndarray (n_repeats, n) of int
        The fold of each row, -1 for rows of sample weight 0; without rows where scores are out of bag.
    order : ndarray (m,) of int
        The rows that weigh something, in the order in which models got them, which hangs on what they hold.
    models : tuple
        The fitted models of each repeat; empty where they cannot be applied to other rows.
    intake : Intake
        How the columns of a frame become what models are given.
    fingerprint : Fingerprint
        Which rows they are of: every function that takes them compares.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"treatment": "opt_in_agent_mode", "covariates": ["engagement_tier", "query_confidence"]}
    >>> scores = ps.fit_propensity(users, **roles, score_model=ps.Boosting(max_trees=50), n_repeats=2)
    >>> isinstance(scores, ps.CrossFittedScores), scores.repeats.shape
    (True, (2, 2000))
    """

    treatment: str
    scores: AnySeries
    score_model: object
    label: str
    covariates: tuple[str, ...]
    n_folds: int | None
    n_repeats: int
    seed: int
    path: pd.DataFrame | None
    n_trees: int | None
    repeats: Floats
    folds: Rows
    order: Rows
    models: tuple[FoldModels, ...]
    intake: Intake
    fingerprint: Fingerprint

    @property
    def values(self) -> Floats:
        """The scores (n,) as numbers."""
        return np.asarray(self.repeats.mean(axis=0))

    @property
    def of_those_there(self) -> Floats:
        """The scores (n_repeats, n) as weights are made of them; of rows of weight 0, which get none, 1/2."""
        return np.where(self.there, self.repeats, 0.5)

    @property
    def log_odds(self) -> AnySeries:
        """The logarithms of the odds of treatment, (n,), called "log_odds", with the caller's index."""
        e = self.values
        return series_like(self.scores, np.log(e) - np.log1p(-e), "log_odds")

    @property
    def separation(self) -> Separation | None:
        """None: whom a flexible model cannot tell from the treated is not told by levels and sides."""
        return None

    @property
    def known_as(self) -> str:
        """What a standard error calls them, which takes them as known."""
        return "out-of-bag scores" if self.n_folds is None else "out-of-fold scores"

    @property
    def splits(self) -> tuple[Folds, ...]:
        """The folds of each repeat; empty where scores are out of bag."""
        return tuple(Folds(np.maximum(own, 0), self.order) for own in self.folds)

    def require_whole_clusters(self, clusters: Rows | None) -> None:
        """Require that no model has seen others of a row's own clusters (n,), or of one of two (n, 2).

        What rows of a cluster share, such a model knows of the row from the others, and follows it: the
        scores are then too sure, as those of rows that it was fitted to.

        Raises
        ------
        InvalidInputError
            One has, or may have.
        """
        if clusters is None:
            return
        if self.n_folds is None:
            raise InvalidInputError(
                f"cluster: the scores of the {self.label} are of trees that have not seen the row, and these "
                "may have seen the others of its cluster; take a model whose folds keep clusters whole, as "
                "fit_propensity(..., score_model=ps.Boosting(), cluster=)"
            )
        ways = [clusters] if clusters.ndim == 1 else list(clusters.T)
        cut, way = max((n_cut(folds, own), way) for folds in self.folds for way, own in enumerate(ways))
        if not cut:
            return
        remedy = (
            "fit the scores with the same clusters, fit_propensity(..., cluster=), which folds keep whole"
        )
        if len(ways) > 1:
            remedy = (
                "folds keep those of one column whole, and not of two that cross: name the column that the "
                "scores are fitted with, fit_propensity(..., cluster=), or take the logistic model, which "
                "has none"
            )
        raise InvalidInputError(
            f"cluster: {cut:,} of {int(ways[way].max()) + 1:,} clusters lie in several folds of the scores, "
            f"whose models have then seen others of a row's own cluster, and are far too sure of it; {remedy}"
        )

    def predict(self, new: AnyFrame) -> AnySeries:
        """Score the rows of another frame, which no model has seen.

        Parameters
        ----------
        new : DataFrame or Cells
            With the covariates' columns; needs no treatment. Not the rows of the fit: their scores are
            `scores`, and all models but one have seen them.

        Returns
        -------
        Series (m,)
            Called "propensity", of the frame's own library and with its index: the mean over the models of
            all folds and repeats.

        Raises
        ------
        InvalidInputError
            A column is missing, or a level was not seen when fitted; the model gives scores out of bag alone.
        TypeError
            A column is text that was numeric when fitted, or the reverse.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> options = {"treatment": treatment, "covariates": covariates}
        >>> scores = ps.fit_propensity(users, **options, score_model=ps.Boosting(max_trees=20))
        >>> bool(scores.predict(users.head()).between(0, 1).all())
        True
        """
        if not self.models:
            raise InvalidInputError(
                f"new: the {self.label} gives scores of its own rows alone, out of bag; take a model that is "
                "cross-fitted, as ps.Boosting()"
            )
        inputs, frame = self.intake.read(as_rows(new), own_learner(self.score_model))
        values = np.mean([model.predict(inputs) for model in self.models], axis=0)
        return series_for(frame.native, values, "propensity")

    def summary(self) -> pd.DataFrame:
        """Tabulate the scores of both arms.

        Returns
        -------
        DataFrame (2, 7)
            By arm, treated and control: `n` rows, and of their scores the `mean`, `least`, `q05`, `median`,
            `q95` and `largest`, with sample weights where there are some.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> options = {"treatment": treatment, "covariates": covariates, "score_model": ps.Forest(n_trees=50)}
        >>> ps.fit_propensity(users, **options).summary().shape[0]
        2
        """
        e, weight = self.values, self.sample_weight
        rows = {}
        for arm, members in {"treated": self.treated, "control": ~self.treated}.items():
            own = members & self.there
            w = None if weight is None else weight[own]
            rows[arm] = {
                "n": int(own.sum()),
                "mean": float(np.average(e[own], weights=w)),
                "least": e[own].min(),
                **dict(zip(_QUANTILES, quantiles_of(e[own], list(_QUANTILES.values()), w), strict=True)),
                "largest": e[own].max(),
            }
        table = pd.DataFrame(rows).T.astype({"n": int})
        order: list[Any] = ["n", "mean", "least", *_QUANTILES, "largest"]
        return table[order].rename_axis("arm")

    def _headline(self) -> str:
        how = "out of bag" if self.n_folds is None else f"out of fold, {self.n_folds} folds"
        repeats = f", {self.n_repeats} repeats" if self.n_repeats > 1 else ""
        facts = [
            f"{self.there.sum():,} rows",
            f"{(self.treated & self.there).sum():,} treated",
            f"{how}{repeats}, seed {self.seed}",
            f"AUC {self.auc:.3f}",
        ]
        if self.n_trees is not None:
            facts.append(f"{self.n_trees:,} trees")
        if self.sample_weight is not None:
            facts.append("sample weights")
        words = f"Scores of {self.treatment} by {self.label}: {', '.join(facts)}"
        tidied = self.intake.recipe.tidied_words
        return f"{words}\nTidied: {tidied}" if tidied else words

    def _table(self) -> pd.DataFrame:
        return self.summary()
