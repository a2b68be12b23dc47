"""Balancing weights: what rows weigh so that the means of terms are balanced, and the effects they give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, get_args

import numpy as np
import pandas as pd

from propensity.balance.result import Balance
from propensity.balance.tables import balance
from propensity.effects.contrasts import Contrast
from propensity.effects.estimators import AdjustmentEstimand, Balancing
from propensity.frames import checks
from propensity.frames.checks import Bools, Floats
from propensity.frames.counted_rows import require_users, source_of
from propensity.frames.fingerprint import Fingerprint, Made
from propensity.frames.native import AnySeries
from propensity.frames.terms import Covariates
from propensity.frames.tidying import Tidied
from propensity.resampling.options import Groups, Resampling, ResamplingOptions
from propensity.resampling.result import BootstrapResult
from propensity.weighting.balanced_effects import BalancedWithEffects
from propensity.weighting.balanced_groups import named
from propensity.weighting.balanced_terms import BalancedTerms
from propensity.weighting.bootstrap import bootstrap_weights


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class BalancingWeights(BalancedWithEffects):
    """Weights of n rows with which both arms have the same means of k terms.

    Attributes
    ----------
    spec : Balancing
        What was asked for.
    weights : Series (n,)
        With the caller's index; an arm's sum to what its target weighs. Sample weights are in them (the
        series is then called "total_weights", and `balancing_weights` are those without).
    coefficients : DataFrame (k, 1 or 2)
        By term, `Intercept` first, those of the linear predictors that the weights are made of, per unit; a
        column for each arm that has its own ("treated", "control"), or one for "both".
    ess_treated, ess_control : float
        Kish's effective sample size (sum w)^2 / sum w^2.
    imbalance : Series (k - 1,)
        By term, how far the worse of both arms' means is from what it is to be (with one score for both, the
        arms' means from each other), in standard deviations over all rows.
    dropped : tuple of str
        Terms left out because earlier ones already say the same; they are balanced with these.
    treated : ndarray (n,) of bool
        Who was treated, in row order.
    treatment : str
        The column of it.
    covariates : tuple of str, or str
        The list of columns, or the formula, that was given.
    index : Index
        What rows are called.
    terms : BalancedTerms
        What is balanced, row by row.
    known : tuple of str
        The columns that the terms are made of.
    fingerprint : Fingerprint
        Which rows the weights are of, and what each counts for: functions that take them compare.
    cautions : tuple of Warning
        Why an interval may not be what it promises; empty where there is no known reason.
    iterations : int
        Newton steps over all rows.
    tidied : Tidied or None
        What stands for missing values and rare levels, where that was asked for.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
    >>> weights = ps.fit_weights(users, treatment=treatment, covariates=covariates)
    >>> weights.max_imbalance < 1e-9
    True
    >>> print(f"{weights.effect('task_completed').estimate:.3f}")
    0.108
    """

    made: ClassVar[Made] = Made(
        "weights", "the weights were made", "these weights are of other rows: make them of these"
    )

    spec: Balancing
    weights: AnySeries
    coefficients: pd.DataFrame
    ess_treated: float
    ess_control: float
    imbalance: pd.Series[float]
    dropped: tuple[str, ...]
    treated: Bools
    treatment: str
    covariates: Covariates
    index: pd.Index[Any]
    terms: BalancedTerms
    known: tuple[str, ...]
    fingerprint: Fingerprint
    cautions: tuple[Warning, ...]
    iterations: int
    tidied: Tidied | None = None

    @property
    def estimand(self) -> AdjustmentEstimand:
        """Whose effect the weights are for: "ATE", "ATT" or "ATC"."""
        return self.spec.estimand

    @property
    def sample_weight(self) -> Floats | None:
        """What each row counts for, (n,); None where all count one."""
        return self.fingerprint.sample_weight

    @property
    def max_imbalance(self) -> float:
        """The largest `imbalance` of a term: rounding without a penalty."""
        return float(self.imbalance.max()) if len(self.imbalance) else 0.0

    def bootstrap(  # noqa: PLR0913 - as for `propensity.bootstrap`, by name
        self,
        outcome: object,
        *,
        per: object = None,
        contrast: Contrast = "difference",
        resampling: Resampling = "multinomial",
        cluster: object = None,
        strata: object = None,
        n_reps: int = 500,
        seed: int | np.random.Generator | None = 0,
        studentized: bool = False,
        n_threads: int | None = None,
        progress: bool | None = None,
    ) -> BootstrapResult:
        """Bootstrap the effect: every replicate makes the weights anew.

        Parameters
        ----------
        outcome : str, Series or array (n,)
            As for `effect`.
        per, contrast
            As for `propensity.bootstrap`; `per` may be values too, as the outcome may.
        resampling, n_reps, seed, studentized, n_threads, progress
            As for `propensity.bootstrap`.
        cluster, strata : str, Series or array (n,), or None, default None
            A column of the frame that the weights were made for, or labels of groups for every row of it; as
            for `propensity.bootstrap`.

        Returns
        -------
        BootstrapResult
            Of one estimator, with `std_errors`, `conf_int()` and `summary()`. Replicates for which there are
            no such weights are NaN there, and counted.

        Raises
        ------
        InvalidInputError
            As for `effect`; no replicate could be estimated; a cluster lies in several strata.

        Warns
        -----
        OverlapWarning
            More than 5% of the replicates could not be estimated.

        Notes
        -----
        Where terms are few for the rows it agrees with `effect`. With a term for each five rows of an arm's
        effective size and more both a bootstrap and errors without the correction for leverage are too small
        (with 59 terms at n = 1,000 its intervals covered 70% to 90%): take `effect(outcome).conf_int()`.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> weights = ps.fit_weights(users, treatment=treatment, covariates=covariates)
        >>> boot = weights.bootstrap("task_completed", n_reps=200, seed=7)
        >>> boot.conf_int().round(2)
                   conf_low  conf_high
        estimator
        EB ATT         0.06       0.15
        """
        checks.flag("studentized", studentized)
        require_users(self.fingerprint.frame, "bootstrap", "a replicate that makes weights again")
        options = ResamplingOptions(resampling, n_reps, seed, n_threads, progress)
        groups = Groups.read(cluster, strata, self.fingerprint)
        contrast = checks.word("contrast", contrast, get_args(Contrast))
        return bootstrap_weights(
            self,
            self._outcome(outcome).values,
            groups,
            options,
            per=None if per is None else self._amounts(per).values,
            measured="" if per is None else " per ".join(named([outcome, per])),
            contrast=contrast,
            studentized=studentized,
        )

    def balance(self, *, squares: bool = False, interactions: bool = False) -> Balance:
        """Tabulate the balance of the covariates, before and after.

        Parameters
        ----------
        squares, interactions : bool, default False
            Whether to look at squares and products too, as for `balance`: those that were not asked to be
            balanced may be far from it.

        Returns
        -------
        Balance
            What `balance` gives for the frame and the covariates that the weights were made for.

        Raises
        ------
        InvalidInputError
            The rows have changed since.
        TypeError
            The weights come out of a pickle, which leaves the frame behind.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> weights = ps.fit_weights(users, treatment=treatment, covariates=covariates)
        >>> weights.balance().xs("smd", axis=1, level="measure").abs().round(2)
        sample                   unadjusted  adjusted
        term
        engagement_tier[heavy]         0.77       0.0
        engagement_tier[light]         0.88       0.0
        engagement_tier[medium]        0.22       0.0
        query_confidence               0.08       0.0
        """
        if self.fingerprint.frame is None:
            raise TypeError("the frame is not in a pickle; take balance(df, ..., weights=these)")
        tidying = None if self.tidied is None else self.tidied.tidying
        return balance(
            source_of(self.fingerprint.frame),
            treatment=self.treatment,
            covariates=self.covariates,
            missing=None if tidying is None else tidying.missing,
            min_level_count=None if tidying is None else tidying.min_level_count,
            weights=self,
            sample_weight=self.sample_weight,
            squares=squares,
            interactions=interactions,
        )

    def summary(self) -> pd.DataFrame:
        """Tabulate what was to be reached, and what was.

        Returns
        -------
        DataFrame (k - 1, 5)
            By term: the mean of those the effect is for (`target`), the arms' means as they were
            (`raw_treated`, `raw_control`) and with the weights (`mean_treated`, `mean_control`), and the
            `imbalance`. With one score for both arms (method "cbps", ATE) these meet each other, and not the
            target.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> weights = ps.fit_weights(users, treatment=treatment, covariates=covariates)
        >>> weights.summary()[["raw_control", "mean_control", "target"]].round(3)
                                 raw_control  mean_control  target
        term
        engagement_tier[light]         0.655         0.253   0.253
        engagement_tier[medium]        0.269         0.370   0.370
        query_confidence               0.716         0.728   0.728
        """
        f = np.ones(len(self.treated)) if self.fingerprint.frequency is None else self.fingerprint.frequency
        s = f if self.sample_weight is None else f * self.sample_weight
        w, t = f * np.asarray(self.weights), self.treated
        target = {"ATE": s, "ATT": s * t, "ATC": s * ~t}[self.estimand]
        columns = {
            "target": target,
            "raw_treated": s * t,
            "raw_control": s * ~t,
            "mean_treated": w * t,
            "mean_control": w * ~t,
        }
        means = {name: self.terms.x.T @ values / values.sum() for name, values in columns.items()}
        table = pd.DataFrame(means, index=pd.Index(self.terms.names, name="term"))
        return table.assign(imbalance=self.imbalance)

    def _headline(self) -> str:
        n = len(self.imbalance)
        how = {"entropy": "entropy balancing", "cbps": "one score (CBPS)", "ipt": "tilting (IPT)"}[
            self.spec.method
        ]
        facts = [
            f"{n:,} term{'' if n == 1 else 's'}",
            f"largest imbalance left {self.max_imbalance:.2g} standard deviations",
            f"effective sample {self.ess_treated:,.0f} treated, {self.ess_control:,.0f} control",
        ]
        if self.spec.penalty:
            facts.append(f"penalty {self.spec.penalty:g}")
        if self.dropped:
            facts.append(f"left out as collinear: {', '.join(self.dropped)}")
        lines = [f"Balancing weights for the {self.estimand} by {how}: {', '.join(facts)}"]
        lines.extend([f"Tidied: {self.tidied.words}"] if self.tidied and self.tidied.words else [])
        lines.extend(f"Caution: {caution}" for caution in self.cautions)
        return "\n".join(lines)

    def _table(self) -> pd.DataFrame:
        return self.summary()
