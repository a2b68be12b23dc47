"""Subclasses: rows in groups that hold both arms, weighed so that the arms of a group count the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from propensity.effects.arms import Means, effective_sizes
from propensity.effects.effect import Effect
from propensity.effects.estimators import Regrouping
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.kept import kept_rows
from propensity.frames.native import AnySeries, SomeFrame
from propensity.frames.one_column import one_outcome_of_matches
from propensity.matching.clustered import counted_clusters, summed_by_clusters, units_of, words_of_clusters
from propensity.matching.local_outcomes import tie_cells
from propensity.matching.outcome import MatchedOutcome
from propensity.matching.rematching import bootstrap_again
from propensity.matching.result import FRAME, Whom, outcome_of, require_unknown
from propensity.matching.score_influence import COUNTED, score_influence, with_estimation
from propensity.matching.subclass_influence import (
    ONE_SUBCLASS,
    as_single_rows,
    clustered_influence,
    stratified_influence,
)
from propensity.matching.subclasses_effects import Inference, SubclassesWithEffects
from propensity.resampling.options import Groups, ResamplingOptions
from propensity.resampling.result import BootstrapResult

Grouping: TypeAlias = Literal["full matching", "coarsened exact matching", "subclassification"]

_METHODS: Mapping[Inference, str] = {
    "score": "of rows that are independent given their scores (Otsu and Rai 2017), factor of HC3",
    "stratified": "within subclasses, as of a stratified experiment (Neyman), and between them",
    "cluster": "summed within {n:,} subclasses, factor G / (G - 1)",
}
_GIVEN = "takes the subclasses as given"


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Subclasses(SubclassesWithEffects):
    """Groups of alike rows of both arms: by full matching, coarsened exact matching, or subclassification.

    Attributes
    ----------
    method : {"full matching", "coarsened exact matching", "subclassification"}
        How the groups were made.
    estimand, weights, treated, index, fingerprint, known, cautions, alike, rematching
        As for every `Matched`. Within a subclass the rows of an arm share the weight of those the effect is
        for: of its treated rows (ATT), its controls (ATC), all of its rows (ATE).
    subclass : Series (n,) of nullable integers
        Which of the subclasses 1 to S a row is in; missing where it is left out.
    labels : ndarray (n,) of int
        The same, 0 where it is left out.
    cells : DataFrame (S, k)
        What tells the subclasses apart, by subclass; without columns for full matching.
    sample_weight : ndarray (n,) or None
        What each row counted for; None where every row counted one. Rows of weight 0 are not there: in no
        subclass, and in no count.
    n_asked : int or None
        How many subclasses were asked for, where that was a choice; those too small were merged.
    total_distance : float
        Sum over a matching's pairs; NaN where there are no pairs.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
    >>> subclasses = ps.match_cem(users, treatment=treatment, covariates=covariates)
    >>> subclasses.n_subclasses, subclasses.n_matched
    (31, 538)
    >>> print(f"{subclasses.effect('task_completed').estimate:.3f}")
    0.113
    """

    method: Grouping
    subclass: AnySeries
    labels: Rows
    cells: pd.DataFrame
    sample_weight: Floats | None = None
    n_asked: int | None = None
    total_distance: float = float("nan")

    @property
    def n_subclasses(self) -> int:
        """How many subclasses there are."""
        return len(self.cells)

    @property
    def n_matched(self) -> int:
        """Rows that the effect is for and that are in a subclass."""
        return self.fingerprint.n_users(self._focal & (self.labels > 0))

    @property
    def n_unmatched(self) -> int:
        """Rows that the effect would be for, but are in no subclass."""
        return self.fingerprint.n_users(self._focal & (self.labels == 0))

    @property
    def arms(self) -> pd.DataFrame:
        """What is left of each arm: `n`, `n_matched`, `n_unmatched` and `ess` of "treated" and "control"."""
        count = self.fingerprint.n_users
        sizes = effective_sizes(np.asarray(self.weights), self.treated, self.fingerprint.frequency)
        rows = {}
        for (arm, members), ess in zip(
            {"treated": self.treated, "control": ~self.treated}.items(), sizes, strict=True
        ):
            n, matched = count(members & self._there), count(members & (self.labels > 0))
            rows[arm] = {"n": n, "n_matched": matched, "n_unmatched": n - matched, "ess": ess}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("arm")

    def to_frame(self) -> pd.DataFrame:
        """Count the rows of each subclass.

        Returns
        -------
        DataFrame (S, 3 + k)
            By subclass: `n_treated`, `n_control`, the `share` of those the effect is for, and what tells the
            subclasses apart.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> subclasses = ps.match_cem(users, treatment=treatment, covariates=covariates)
        >>> subclasses.to_frame()[["n_treated", "n_control"]].head(3)
                  n_treated  n_control
        subclass
        1                 1          1
        2                 1          2
        3                 7          3
        """
        counts = self._counts()
        w = (self._users * np.asarray(self.weights))[self.treated]
        share = np.bincount(self.labels[self.treated], weights=w, minlength=self.n_subclasses + 1)[1:]
        table = pd.DataFrame(
            {"n_treated": counts[1], "n_control": counts[0], "share": share / share.sum()},
            index=self.cells.index,
        )
        taken = {name: f"{name} (covariate)" for name in table}
        return table.join(self.cells.rename(columns=taken))

    def frame(self, df: SomeFrame) -> SomeFrame:
        """Give the matched rows, for use elsewhere.

        Parameters
        ----------
        df : DataFrame
            As for `Matches.frame`.

        Returns
        -------
        DataFrame
            Of the library of `df`: its rows that are in a subclass, in its order, with the columns `weights`
            and `subclass`.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> subclasses = ps.match_cem(users, treatment=treatment, covariates=covariates)
        >>> len(subclasses.frame(users))
        1979
        """
        columns = {"weights": np.asarray(self.weights), "subclass": self.labels}
        return kept_rows(df, self.fingerprint, self.labels > 0, columns, FRAME)

    def read(self, outcome: object) -> tuple[MatchedOutcome, None]:
        """Read an outcome, for which nothing is adjusted here."""
        y = outcome_of(self, outcome)
        require_unknown(self, outcome)
        return y, None

    def _effect_on(self, outcome: object, inference: Inference | None) -> Effect:
        return self.compared(self.read(outcome)[0], inference)

    def compared(
        self, y: MatchedOutcome, inference: Inference | None, clusters: Rows | None = None
    ) -> Effect:
        """Compare an outcome that has been read, rows varying together within clusters (n,) where given."""
        how = self._inference(inference)
        w, treated, labels = map(y.by_row, (np.asarray(self.weights), self.treated, self.labels))
        quantity = None if self._quantity is None else y.by_row(self._quantity)
        clusters = None if clusters is None else y.by_row(clusters)
        units = None if clusters is None else units_of(clusters)
        if how == "cluster":
            means = clustered_influence(y.values, treated, labels, w, y.frequency)
            words = f"{_METHODS[how].format(n=self.n_subclasses)}; {_GIVEN}"
            return self._effect(y, means, words, clusters)
        if how == "score":
            assert quantity is not None
            cells = tie_cells(quantity)
            share = self._focal_share()
            means = score_influence(y.values, treated, w, quantity, share, cells, units)
        else:
            cells, share = labels, y.by_row(self._focal_share())
            means = stratified_influence(y.values, treated, cells, w, share, units, y.frequency)
        counted = _GIVEN
        estimated = None if self.rematching is None else self.rematching.estimated
        if estimated is not None and quantity is not None:
            counted = COUNTED
            means = with_estimation(
                means,
                estimated.of_rows(y.counted),
                y,
                treated,
                quantity,
                estimand=self.estimand,
                cells=cells,
            )
        if clusters is None:
            means = as_single_rows(means, y.frequency)
        return self._effect(y, means, f"{_METHODS[how]}; {counted}", clusters)

    @property
    def _quantity(self) -> Floats | None:
        """The score or logit (n,) that alone decided who is with whom, if one did."""
        return None if self.rematching is None else self.rematching.quantity

    def bootstrap(
        self,
        outcome: object,
        *,
        cluster: object = None,
        strata: object = None,
        n_reps: int = 500,
        seed: int | np.random.Generator | None = 0,
        n_threads: int | None = None,
        progress: bool | None = None,
    ) -> BootstrapResult:
        """Bootstrap the effect: fit the score and make the subclasses again on rows drawn with replacement.

        Parameters
        ----------
        outcome : str, Series or array (n,)
            As for `effect`; of every row.
        cluster, strata : str, Series or array (n,), or None, default None
            A column of the frame that was matched, or labels of groups, as for `Matches.bootstrap`.
        n_reps : int, default 500
            Replicates. Each takes as long as the matching did; 500 settle a standard error to 3%.
        seed, n_threads, progress
            As for `propensity.bootstrap`.

        Returns
        -------
        BootstrapResult
            Of one estimator, as of `Matches.bootstrap`, with its errors and warnings.

        Notes
        -----
        Scores of a `PropensityModel` are fitted again; numbers are taken as known, and stay as they are. The
        cells of coarsened exact matching stay what they are, too.

        It is for what `effect` does not count: that scores were estimated where calipers, `exact` or rows
        left out decided too, and clusters. Otherwise it has little to add. Rows that are drawn twice make
        subclasses uneven, and its standard errors came out as the estimates' spread to 29% above it in
        simulations with 500 rows, where those of `effect` were from 1% below to 8% above. Intervals are
        "normal" unless asked for otherwise: the replicates are not centred at the estimate.
        `docs/validation.md` has the numbers ("Matched again").

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> subclasses = ps.match_cem(users, treatment=treatment, covariates=covariates)
        >>> boot = subclasses.bootstrap("task_completed", n_reps=200, seed=7)
        >>> boot.conf_int().round(2)
                                      conf_low  conf_high
        estimator
        coarsened exact matching ATT      0.06       0.17
        """
        self._require_users("bootstrap", "a replicate that makes subclasses again")
        one_outcome_of_matches("subclasses.bootstrap", outcome, len(self.index))
        options = ResamplingOptions("multinomial", n_reps, seed, n_threads, progress)
        groups = Groups.read(cluster, strata, self.fingerprint)
        assert self.rematching is not None
        return bootstrap_again(
            self.rematching,
            Regrouping(self.method, self.estimand),
            self._effect_on(outcome, None),
            outcome_of(self, outcome).of_every_row(self.index),
            groups,
            options,
        )

    def _inference(self, asked: Inference | None) -> Inference:
        """Settle how the standard error is made; one without a variance in any subclass needs clusters."""
        if asked is not None:
            checks.choice("inference", asked, get_args(Inference))
        if asked == "score" and self._quantity is None:
            raise InvalidInputError(
                "inference: 'score' is for subclasses that the score alone decided, with nobody left out; "
                "here take 'cluster' or 'stratified', or .bootstrap(outcome)"
            )
        usual: Inference = "cluster" if self._quantity is None else "score"
        how = asked or (usual if self.method == "full matching" else "stratified")
        if how == "score":
            self._require_users("inference", "a curve through outcomes in the score")
            return how
        if self._counts().min(axis=0).max() < 2:  # a lone row in every subclass
            how = "cluster"
        if how == "cluster" and self.n_subclasses < 2:
            raise InvalidInputError(ONE_SUBCLASS)
        return how

    def _effect(self, y: MatchedOutcome, means: Means, se_method: str, clusters: Rows | None) -> Effect:
        n_clusters = None
        if clusters is not None:
            w, treated = map(y.by_row, (np.asarray(self.weights), self.treated))
            means = summed_by_clusters(means, w, treated, clusters, y.frequency)
            assert means.clusters is not None
            n_clusters = counted_clusters(clusters, means.clusters)
            se_method += words_of_clusters(clusters, means.clusters, y.frequency)
        arms, whom = self.arms["ess"], Whom.of(self.estimand, self.n_matched, self.n_unmatched)
        return Effect.of(
            y.means(means),
            y.facts,
            estimand=self.estimand,
            weights=self.weights,
            ess=(float(arms["treated"]), float(arms["control"])),
            se_method=se_method,
            clusters=means.clusters,
            frequency=y.frequency,
            n_clusters=n_clusters,
            cautions=(*whom.cautions, *self.cautions),
            treated=self.treated,
            fingerprint=self.fingerprint,
            whom=whom.words,
        )

    @property
    def _there(self) -> Bools:
        """Who counts for something (n,)."""
        return (
            np.ones(len(self.treated), dtype=bool) if self.sample_weight is None else self.sample_weight > 0
        )

    @property
    def _focal(self) -> Bools:
        if self.estimand == "ATE":
            return self._there
        return np.asarray(self._there & (self.treated == (self.estimand == "ATT")))

    def _focal_share(self) -> Floats:
        """Give each row's share (n,) of those that the effect is for."""
        s = np.ones(len(self.treated)) if self.sample_weight is None else self.sample_weight
        share = np.where(self._focal & (self.labels > 0), s, 0.0)
        return np.asarray(share / (share @ self._users))

    @property
    def _users(self) -> Floats:
        """How many users each row stands for (n,)."""
        users = self.fingerprint.frequency
        return np.ones(len(self.treated)) if users is None else users

    def _counts(self) -> Rows:
        """Count the rows by arm (control first) and subclass, (2, S)."""
        size = self.n_subclasses + 1
        arms = (~self.treated, self.treated)
        counts = [np.bincount(self.labels[arm], self._users[arm], size)[1:] for arm in arms]
        return np.array(counts).astype(np.int64)

    def _headline(self) -> str:
        asked = "" if self.n_asked in {None, self.n_subclasses} else f" of {self.n_asked:,} asked for"
        plural = "" if self.n_subclasses == 1 else "es"
        lines = [
            f"Subclasses ({self.estimand}): {self.method}, {self.n_subclasses:,} subclass{plural}{asked}"
        ]
        if self.n_unmatched:
            lines.append(
                f"{self.n_unmatched:,} of {self.n_matched + self.n_unmatched:,} rows that the effect would "
                "be for are left out: it is the effect for the others"
            )
        lines.extend([f"Tidied: {self.fingerprint.tidied}"] if self.fingerprint.tidied else [])
        lines.extend(f"Caution: {caution}" for caution in self.cautions)
        return "\n".join(lines)

    def _table(self) -> pd.DataFrame:
        return self.arms
