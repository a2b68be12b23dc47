"""Matches: which units of one arm stand for each unit of the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from propensity.effects.matching_specification import NearestNeighbors, Space
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.checks import Floats, Rows
from propensity.frames.design import Design
from propensity.frames.kept import kept_rows
from propensity.frames.native import SomeFrame
from propensity.matching.abadie_imbens import Pairing
from propensity.matching.bootstrap import bootstrap_matches
from propensity.matching.matches_effects import MatchesWithEffects
from propensity.matching.pairs import pairs_of
from propensity.matching.result import FRAME
from propensity.resampling.options import Groups, Resampling, ResamplingOptions
from propensity.resampling.result import BootstrapResult
from propensity.scores.choice import LOGISTIC
from propensity.scores.own_models import ScoreWord

_ON: Mapping[Space, str] = {
    "score": "score",
    "logit": "logit",
    "mahalanobis": "covariates (Mahalanobis distance)",
    "robust_mahalanobis": "ranks of the covariates (Mahalanobis distance)",
    "euclidean": "standardized covariates (Euclidean distance)",
}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Matches(MatchesWithEffects):
    """Which units of one arm stand for each unit of the other.

    The focal units are those the effect is for (ATT the treated, ATC the controls, ATE all), the donors of
    each are in the other arm. Pairs are kept as ranges of the donors, and spelled out only when asked for.

    Attributes
    ----------
    spec : NearestNeighbors
        What was asked for.
    estimand, weights, treated, index, fingerprint, known, cautions, alike, rematching
        As for every `Matched`; weights are the sample weight of a matched focal unit, plus for every use as a
        donor that of the focal unit, which its donors share in proportion to their own. Without sample
        weights that is 1, and 1 / (donors of the focal unit).
    n_matched, n_unmatched : int
        Focal units with and without a donor; without are also those discarded.
    n_discarded : int
        Units of either arm that were left out for the range of their scores.
    n_pairs : int
        Pairs of a focal unit and a donor.
    max_distance : float
        Between a focal unit and its farthest donor.
    caliper_width : float
        The caliper on the quantity matched on, in its units; infinite without one.
    calipers : DataFrame (c, 3)
        By what it is on: each `caliper` as asked for, the standard deviation it counts (`std_dev`, missing
        for raw ones), and the `width` that comes of it.
    scores : ndarray (n,) or None
        The propensity scores, in row order.
    design : Design or None
        The terms of the model that gave the scores; None where they are taken as known.
    penalty : float
        Of that model.
    score_model : str
        The word for it.
    coordinates : ndarray (n, d) or None
        Where distances are between covariates: places whose Euclidean distance it is.
    exact : ndarray (n,) of int, or None
        Which rows agree in the columns to be matched exactly.
    sample_weight : ndarray (n,) or None
        What each row counts for; None where every row counts one. Rows of weight 0 are not there: in no pair,
        and in no count.
    focal : ndarray (n_matched,) of int
        Rows of the matched focal units, ascending.
    donors : ndarray of int
        Rows that serve; one may stand here several times.
    first, last : ndarray (n_matched,) of int
        The donors of `focal[i]` are `donors[first[i]:last[i]]`.
    ids : Index (n,) or None
        What rows are called in `pairs`, where the index repeats labels.
    drawn : bool
        Whether a draw decided who is matched with whom: ties, where units may not be used freely.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
    >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
    >>> matches = ps.match_nn(users, treatment=treatment, scores=model)
    >>> matches.n_matched, matches.n_unmatched, matches.n_pairs
    (538, 0, 554)
    >>> print(f"{matches.effect('task_completed').estimate:.3f}")
    0.099
    """

    spec: NearestNeighbors
    n_matched: int
    n_unmatched: int
    n_discarded: int
    n_pairs: int
    max_distance: float
    caliper_width: float
    calipers: pd.DataFrame
    scores: Floats | None
    design: Design | None
    penalty: float
    coordinates: Floats | None
    exact: Rows | None
    sample_weight: Floats | None
    focal: Rows
    donors: Rows
    first: Rows
    last: Rows
    ids: pd.Index[Any] | None = None
    drawn: bool = False
    score_model: ScoreWord = LOGISTIC

    @property
    def places(self) -> Floats:
        """What distances were measured between, (n, d) in row order: one column on the score or logit."""
        if self.coordinates is not None:
            return self.coordinates
        assert self.scores is not None
        e = self.scores
        return (e if self.spec.on == "score" else np.log(e / (1 - e)))[:, None]

    @property
    def quantity(self) -> Floats:
        """The score or logit matched on, (n,) in row order.

        Raises
        ------
        InvalidInputError
            Distances are between covariates.
        """
        if not self.spec.on_scores:
            raise InvalidInputError(f"on={self.spec.on!r}: distances are between covariates; see .places")
        return self.places[:, 0]

    @property
    def labels(self) -> Rows:
        """The set (n,) that each row is in, 1 to `n_matched`; 0 where it is left out.

        A set is a focal unit and its donors.

        Raises
        ------
        InvalidInputError
            Units may be donors more than once, and then are in several sets.
        """
        self._require_users("labels", "a set of its own for each")
        if self.spec.max_uses != 1:
            raise InvalidInputError(
                "subclass: matching with replacement puts a unit into several sets; .pairs tells which"
            )
        labels = np.zeros(len(self.treated), dtype=np.int64)
        sets = np.arange(1, self.n_matched + 1)
        labels[self.focal] = sets
        labels[self.donors] = np.repeat(sets, self.last - self.first)
        return labels

    @property
    def pairs(self) -> pd.DataFrame:
        """Every pair: labels of the `treated` and the `control`, their `distance`, and the pair's `weight`.

        Labels are those of the index, or the `ids` that were given where it repeats labels. The weights of a
        focal unit's pairs sum to what it counts for: equal parts of 1 without sample weights, else of its own
        in proportion to those of its donors. For the ATE two units may be a pair twice, and a column `focal`
        says for whose sake, "treated" or "control". Built anew at each call.

        Raises
        ------
        MemoryError
            There are more than 50 million pairs (scores with few distinct values).
        InvalidInputError
            The index repeats labels, which then name nobody; matching takes `ids`.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
        >>> matches = ps.match_nn(users, treatment=treatment, scores=model)
        >>> matches.pairs[["treated", "control", "weight"]].head(3)
           treated  control  weight
        0        2     1419     1.0
        1        5      624     1.0
        2       11      891     1.0
        """
        self._require_users("pairs", "who is matched with whom")
        return pairs_of(self)

    def frame(self, df: SomeFrame) -> SomeFrame:
        """Give the matched rows, for use elsewhere.

        Parameters
        ----------
        df : DataFrame
            The frame that was matched, or another with the same rows.

        Returns
        -------
        DataFrame
            Of the library of `df`: its rows with a weight, in its order, with the column `weights`, and
            without replacement `subclass`, the set a row is in: a regression with these weights, clustered by
            `subclass`, has the standard error of Abadie and Spiess (2022). With replacement a row may be in
            several sets; `pairs` has them.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
        >>> matches = ps.match_nn(users, treatment=treatment, scores=model, replace=False, caliper=0.2)
        >>> matched = matches.frame(users)
        >>> len(matched) == 2 * matches.n_matched
        True
        >>> [name for name in matched if name not in users]
        ['weights', 'subclass']
        """
        weights = np.asarray(self.weights)
        columns: dict[str, Floats | Rows] = {"weights": weights}
        if self.spec.max_uses == 1:
            columns["subclass"] = self.labels
        return kept_rows(df, self.fingerprint, weights > 0, columns, FRAME)

    def _require_sets(self) -> None:
        if self.spec.max_uses != 1:
            raise InvalidInputError(
                "rosenbaum: there are no sets, for rows may be donors more than once, and chances of "
                "treatment within one set would be those within another; match with replace=False, or by "
                "match_full, or take ps.sensitivity_bounds, which is for weighting"
            )

    @property
    def weighs_evenly(self) -> bool:
        """Whether all rows that are there count the same, whatever that is."""
        s = self.sample_weight
        return s is None or bool(s[s > 0].min() == s.max())

    @property
    def pairing(self) -> Pairing:
        """Who is matched with whom, by rows."""
        return Pairing(
            treated=self.treated,
            weights=np.asarray(self.weights),
            sample_weight=np.ones(len(self.treated)) if self.sample_weight is None else self.sample_weight,
            focal=self.focal,
            donors=self.donors,
            first=self.first,
            last=self.last,
        )

    def bootstrap(
        self,
        outcome: object,
        *,
        refit: bool = False,
        resampling: Resampling = "multinomial",
        cluster: object = None,
        strata: object = None,
        n_reps: int | None = None,
        seed: int | np.random.Generator | None = 0,
        n_threads: int | None = None,
        progress: bool | None = None,
    ) -> BootstrapResult:
        """Bootstrap the effect: with replacement leaving the matches alone, without by matching again.

        With replacement, where matching again is not valid (Abadie and Imbens 2008), a replicate weighs the
        terms of the bias-corrected estimate, and leaves alone how often each unit was used (Otsu and Rai
        2017). Centred at `effect(outcome)`: the correction, of the order of the distances, is left out of the
        estimate itself.

        Without replacement, and with `refit`, a replicate draws rows with replacement, fits the score again,
        and matches again.

        Parameters
        ----------
        outcome : str, Series or array (n,)
            As for `effect`; of every row.
        refit : bool, default False
            Whether a replicate matches again; for matching without replacement alone.
        resampling : {"multinomial", "poisson", "bayesian"}, default "multinomial"
            As for `propensity.bootstrap`; to match again takes whole rows, "multinomial".
        cluster, strata : str, Series or array (n,), or None, default None
            A column of the frame that was matched, or labels of groups for every row of it; as for
            `propensity.bootstrap`.
        n_reps : int or None, default None
            Replicates. None takes 2,000 without a refit, which are cheap and enough for the ends of a 95%
            interval, and 500 with one.
        seed, n_threads, progress
            As for `propensity.bootstrap`.

        Returns
        -------
        BootstrapResult
            Of one estimator, with `std_errors`, `conf_int()` and `summary()`. Replicates that could not be
            estimated are NaN there, and counted.

        Raises
        ------
        InvalidInputError
            The bootstrap asked for is not valid for this matching, or there is no theory of it; no replicate
            could be estimated; a cluster lies in several strata.

        Warns
        -----
        OverlapWarning
            More than 5% of the replicates could not be estimated.

        Notes
        -----
        Without a refit, with the scores of a `PropensityModel`, and where nobody is left out whom the effect
        is for, the terms have what estimating the scores adds to them, as the standard error of `effect` does
        (Abadie and Imbens 2016). With calipers that leave units out the scores are taken as known.

        With a refit scores that are numbers stay as they are. It is for what `effect` does not count:
        that scores were estimated where calipers or `exact` decided too, controls that run short, clusters.
        Its intervals are "normal" unless asked for otherwise: the replicates are not centred at the estimate,
        for rows that are drawn twice find other partners, and percentiles held the truth in all of 125
        simulated data sets, the normal interval in 94%. `docs/validation.md` has the numbers ("Matched
        again").

        References
        ----------
        Otsu and Rai (2017), Journal of the American Statistical Association 112:1720. Austin and Small
        (2014), Statistics in Medicine 33:4306, on bootstraps of matching without replacement.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
        >>> matches = ps.match_nn(users, treatment=treatment, scores=model)
        >>> boot = matches.bootstrap("task_completed", n_reps=200, seed=7)
        >>> boot.conf_int().round(2)
                   conf_low  conf_high
        estimator
        1-NN ATT       0.04       0.17
        """
        self._require_users("bootstrap", "a replicate that weighs them")
        checks.flag("refit", refit)
        n_reps = n_reps if n_reps is not None else 500 if refit else 2_000
        options = ResamplingOptions(resampling, n_reps, seed, n_threads, progress)
        groups = Groups.read(cluster, strata, self.fingerprint)
        return bootstrap_matches(self, outcome, groups, options, refit=refit)

    def to_frame(self) -> pd.DataFrame:
        """Put the counts and distances into a table of one row, named after the estimand.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
        >>> matches = ps.match_nn(users, treatment=treatment, scores=model)
        >>> matches.to_frame()[["n_matched", "n_unmatched"]]
                  n_matched  n_unmatched
        estimand
        ATT             538            0
        """
        names = ["n_matched", "n_unmatched", "n_pairs", "max_distance", "caliper_width"]
        if self.spec.discard is not None:
            names.insert(2, "n_discarded")
        numbers = {name: getattr(self, name) for name in names}
        return pd.DataFrame(numbers, index=pd.Index([self.estimand], name="estimand"))

    def _headline(self) -> str:
        lines = [f"Matches: {self.spec.label}, on the {_ON[self.spec.on]}"]
        for name, row in self.calipers.iterrows():
            size = f"{row['caliper']:g}"
            if self.spec.caliper_unit == "sd":
                over = "all units" if self.spec.caliper_sd == "all" else "pooled within the arms"
                size += f" standard deviations ({over}: {row['std_dev']:.4g}) = {row['width']:.4g}"
            lines.append(f"Caliper on {name}: {size}")
        lines.extend([f"Tidied: {self.fingerprint.tidied}"] if self.fingerprint.tidied else [])
        lines.extend(f"Caution: {caution}" for caution in self.cautions)
        return "\n".join(lines)

    def _table(self) -> pd.DataFrame:
        return self.to_frame()
