"""What a bootstrap gives back: estimates, replicates, and what is made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from propensity.calls.intervals import from_effect, is_error
from propensity.calls.warned import warn
from propensity.effects.contrasts import SCALES, Contrast
from propensity.effects.effect import Effect
from propensity.effects.estimators import Estimator, Regrouping
from propensity.errors import IntervalWarning, InvalidInputError
from propensity.frames import checks
from propensity.frames.checks import Bools, Floats
from propensity.resampling.analytic import Analytic
from propensity.resampling.contrasted import on_scale
from propensity.resampling.doubtful import beside_doubtful, doubtful
from propensity.resampling.end_errors import TOLERATED, end_errors, replicates_needed, too_few_replicates
from propensity.resampling.ends import ends_of
from propensity.resampling.intervals import BY_ERRORS, KINDS, Interval, IntervalKind, lacking
from propensity.resampling.options import Groups, Resampling, ResamplingOptions
from propensity.results.show import Shown


@dataclass(frozen=True, eq=False, repr=False)
class BootstrapResult(Shown):
    """Replicates of one or more estimators.

    Attributes
    ----------
    estimators : tuple of Estimator
        What was estimated.
    estimates : Series (k,)
        On the data themselves, by label.
    replicates : DataFrame (n_reps, k)
        A column per label; NaN where a replicate could not be estimated (no treated unit drawn, separation).
    analytic : Analytic
        What can be said without resampling, worked out when it is first asked for.
    seed : int
        With which the same replicates come again, also where none was given.
    penalty : float
        The L2 strength of the propensity model.
    resampling : {"multinomial", "poisson", "bayesian"}
        How a replicate weighs the rows.
    cluster, strata : str or None
        By what rows were drawn together, and within what.
    refitted : bool
        Whether a replicate estimates everything again, the propensity model included, or weighs the
        influence of the rows on the one estimate (`Matches.bootstrap`).
    replicate_std_errors : DataFrame (n_reps, k) or None
        Of each replicate by itself, by label, where asked for; NaN for nearest neighbours.
    usual_kind : {"percentile", "normal"}
        Which intervals are given where none are asked for: "normal" where rows were matched again, whose
        replicates are not centred at the estimate.
    contrast : {"difference", "ratio", "percent", "odds_ratio"}
        What the means of both arms were made into. The standard errors of all but differences are those of
        logarithms, as those of an `Effect` are.
    measured : str
        What was measured, where that is not the outcome as it stands: "clicks per views".
    tidied : str
        What stands for missing values and rare levels of covariates, where that was asked for; else empty.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    >>> covariates = ["engagement_tier", "query_confidence"]
    >>> boot = ps.bootstrap(users, **roles, covariates=covariates, n_reps=200, seed=7)
    >>> boot.replicates.shape
    (200, 2)
    >>> boot.std_errors.round(2)
    estimator
    IPW ATE    0.03
    IPW ATT    0.03
    Name: std_error, dtype: float64
    """

    estimators: tuple[Estimator | Regrouping, ...]
    estimates: pd.Series[float]
    replicates: pd.DataFrame
    analytic: Analytic
    seed: int
    penalty: float
    resampling: Resampling = "multinomial"
    cluster: str | None = None
    strata: str | None = None
    refitted: bool = True
    replicate_std_errors: pd.DataFrame | None = None
    usual_kind: IntervalKind = "percentile"
    contrast: Contrast = "difference"
    measured: str = ""
    tidied: str = ""

    @classmethod
    def of_effect(
        cls,
        effect: Effect,
        spec: Estimator | Regrouping,
        replicates: Floats,
        groups: Groups,
        options: ResamplingOptions,
        *,
        acceleration: float,
        penalty: float,
        refitted: bool,
        usual_kind: IntervalKind = "percentile",
        measured: str = "",
    ) -> BootstrapResult:
        """Put the replicates (n_reps,) of one effect together, whose figures without resampling are known."""
        labels = pd.Index([spec.label], name="estimator")
        index = pd.RangeIndex(len(replicates), name="replicate")
        return cls(
            estimators=(spec,),
            estimates=pd.Series([effect.estimate], index=labels, name="estimate"),
            replicates=pd.DataFrame({spec.label: replicates}, index=index, columns=labels),
            analytic=Analytic.known(
                pd.Series([acceleration], index=labels, name="acceleration"),
                pd.Series([effect.std_error], index=labels, name="analytic_std_error"),
            ),
            seed=options.seed,
            penalty=penalty,
            resampling=options.resampling,
            cluster=groups.cluster_name,
            strata=groups.strata_name,
            refitted=refitted,
            usual_kind=usual_kind,
            contrast=effect.contrast,
            measured=measured,
        )

    @property
    def n_failed(self) -> pd.Series[int]:
        """By label, the replicates in which that estimator could not be had, which others need not share."""
        return self.replicates.isna().sum().rename("n_failed")

    @property
    def acceleration(self) -> pd.Series[float]:
        """Efron's, for BCa intervals, by label; NaN where there is none (nearest neighbours)."""
        return self.analytic.acceleration

    @property
    def analytic_std_errors(self) -> pd.Series[float]:
        """Without resampling, by label: what the estimators' own functions give; NaN where there is none."""
        return self.analytic.std_errors

    @property
    def std_errors(self) -> pd.Series[float]:
        """Standard deviation (n - 1) of the replicates, failed ones left out, by label.

        Of all contrasts but differences that of their logarithms.
        """
        values = on_scale(self.replicates.to_numpy(), self.contrast)
        table = pd.DataFrame(values, index=self.replicates.index, columns=self.replicates.columns)
        return table.std(ddof=1).rename("std_error")

    def conf_int(self, level: float = 0.95, kind: IntervalKind | None = None) -> pd.DataFrame:
        """Give intervals from the replicates, failed ones left out.

        Parameters
        ----------
        level : float, default 0.95
            Coverage.
        kind : {"percentile", "basic", "normal", "bca", "studentized", "calibrated"} or None, default None
            None takes `usual_kind`.
            "percentile": the quantiles (1 - level) / 2 and (1 + level) / 2 of the replicates, linearly
            interpolated; they need no standard error and stay within the range of the estimator.
            "basic": the percentile interval mirrored at the estimate.
            "normal": the estimate plus and minus normal quantiles times the standard error; the only one to
            be trusted with a few hundred replicates.
            "bca": percentiles moved for bias and skewness (bias-corrected and accelerated), the most
            accurate of the four with 5,000 replicates or more; they need 1,200. There is none without an
            `acceleration`, nor where the estimate is beyond all its replicates. The acceleration is that of
            counts, not of "bayesian" weights, which are twice as skewed.
            "studentized": from the replicates' own t statistics, which follow a skewed estimate best where
            overlap is poor; needs `bootstrap(..., studentized=True)`, and 1,200 replicates. There is none for
            nearest neighbours.
            "calibrated": percentiles at the level at which those of a second bootstrap within each replicate,
            made of its standard error, would hold the estimate as often as asked: wider where rows are few.
            They need what "studentized" needs, and 2,000 replicates: with 500 an end may lie 10% of the width
            from where more would put it, which is enough to move it across 0.
            Of ratios, changes in percent and odds ratios "basic", "normal" and "studentized" intervals are
            made of logarithms.

        Returns
        -------
        DataFrame (k, 2)
            `conf_low`, `conf_high`, by label; NaN where there is no such interval, of which a warning says
            why, and where none of the replicates could be estimated.

        Raises
        ------
        InvalidInputError
            There is no such interval for any of the estimates.

        Warns
        -----
        IntervalWarning
            There is none for some of them; or there are fewer replicates than its ends need to lie within 5%
            of the width of where others would put them (19 of 20 times, at 95%): 1,200 for "bca" and
            "studentized", 2,000 for "calibrated". The ends of percentiles need 800; `end_errors` has the
            errors of any.

        References
        ----------
        Efron (1987), Journal of the American Statistical Association 82:171; Loh (1987), the same, 82:155;
        DiCiccio and Efron (1996), Statistical Science 11:189.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
        >>> covariates = ["engagement_tier", "query_confidence"]
        >>> boot = ps.bootstrap(users, **roles, covariates=covariates, n_reps=200, seed=7)
        >>> boot.conf_int(kind="basic").round(2)
                   conf_low  conf_high
        estimator
        IPW ATE        0.08       0.19
        IPW ATT        0.06       0.16
        """
        kind = self._asked(level, kind)
        found = self._intervals(self._ends(level, kind), kind)
        few = too_few_replicates(kind, len(self.replicates))
        if few:
            warn(few, IntervalWarning)
        return found

    def end_errors(self, level: float = 0.95, kind: IntervalKind | None = None) -> pd.DataFrame:
        """Say how far the ends of the intervals would be elsewhere with other replicates.

        Parameters
        ----------
        level, kind : as for `conf_int`

        Returns
        -------
        DataFrame (k, 2)
            `conf_low`, `conf_high`: the standard errors of both ends that come of having drawn so many
            replicates and no more, by label; NaN with fewer than 100, or where there is no such interval.

        Notes
        -----
        By the jackknife over ten parts of the replicates. Four times as many halve them. How the ends vary
        with the rows is what the interval itself says.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
        >>> boot = ps.bootstrap(users, **roles, covariates=["engagement_tier"], n_reps=400, seed=7)
        >>> half_widths = boot.conf_int().diff(axis=1).iloc[:, -1] / 2
        >>> bool((boot.end_errors().max(axis=1) < half_widths / 3).all())
        True
        """
        kind = self._asked(level, kind)
        errors = end_errors(
            lambda kept: np.array(self._ends(level, kind, kept), dtype=np.float64), len(self.replicates)
        )
        return pd.DataFrame(errors, index=self.estimates.index, columns=["conf_low", "conf_high"])

    def _asked(self, level: float, kind: IntervalKind | None) -> IntervalKind:
        checks.confidence_level(level)
        kind = self.usual_kind if kind is None else kind
        if is_error(kind):
            raise InvalidInputError(
                f"kind: {kind!r} is a standard error of an effect, and no interval of replicates: "
                f"{from_effect(kind)}; kind is one of {checks.listed(KINDS)}"
            )
        checks.choice("kind", kind, KINDS)
        if kind in BY_ERRORS and self.replicate_std_errors is None:
            raise InvalidInputError(
                f"kind={kind!r} needs a standard error for each replicate: bootstrap with studentized=True"
            )
        return kind

    def _ends(self, level: float, kind: IntervalKind, kept: Bools | slice = slice(None)) -> list[Interval]:
        """Give the ends of all intervals, from some of the replicates."""
        return ends_of(self, level, kind, kept)

    def _intervals(self, ends: list[Interval], kind: str) -> pd.DataFrame:
        """Name the intervals, and say of those that there are none of why, unless all replicates failed."""
        table = pd.DataFrame(ends, index=self.estimates.index, columns=["conf_low", "conf_high"])
        tried = table[self.replicates.notna().sum().to_numpy() >= 2]
        missing = tried.index[tried["conf_low"].isna()]
        if len(missing):
            why = "; ".join(f"{label}, for {self._lacks(label, kind)}" for label in missing)
            message = f"kind={kind!r}: there is no such interval of {why}"
            if len(missing) == len(table):
                raise InvalidInputError(message)
            warn(message, IntervalWarning)
        return table

    def _lacks(self, label: str, kind: str) -> str:
        """Say what an interval of this kind would need that there is not."""
        return lacking(kind, self.std_errors[label], self.acceleration[label] if kind == "bca" else 0.0)

    def summary(self, level: float = 0.95, kind: IntervalKind | None = None) -> pd.DataFrame:
        """Tabulate the estimators.

        Parameters
        ----------
        level : float, default 0.95
            Coverage of the intervals.
        kind : {"percentile", "basic", "normal", "bca", "studentized", "calibrated"} or None, default None
            As in `conf_int`.

        Returns
        -------
        DataFrame (k, 5 or 8)
            `estimate`, `std_error` (`log_std_error` for all but differences), `conf_low`, `conf_high` and
            `end_error`, the larger of the two of `end_errors`, by label; with nearest neighbours matched
            again in every replicate also `note`, which warns of their bootstrap, and for these alone
            `analytic_low`, `analytic_high`: the estimate and normal quantiles of its standard error without
            resampling. `Matches.effect` has the same error and Student's t, which is wider where rows are
            few; and it has one where users are counted or in clusters, of which these are NaN.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
        >>> covariates = ["engagement_tier", "query_confidence"]
        >>> boot = ps.bootstrap(users, **roles, covariates=covariates, n_reps=200, seed=7)
        >>> boot.summary()[["estimate", "std_error"]].round(2)
                   estimate  std_error
        estimator
        IPW ATE        0.14       0.03
        IPW ATT        0.11       0.03
        """
        errors = self.std_errors
        if SCALES[self.contrast].logarithmic:
            errors = errors.rename("log_std_error")
        table = pd.concat([self.estimates, errors, self.conf_int(level, kind)], axis="columns")
        table["end_error"] = self.end_errors(level, kind).max(axis="columns")
        if doubtful(self).any():
            table = beside_doubtful(self, table, level)
        return table

    def _too_few(self) -> str:
        """Say where an end of the usual intervals would be elsewhere with other replicates; else nothing."""
        widths = np.ptp(np.array(self._ends(0.95, self.usual_kind), dtype=np.float64), axis=1)
        told = (widths > 0) & ~doubtful(self).to_numpy()
        shares = self.end_errors().max(axis="columns")[told] / widths[told]
        if not (shares > TOLERATED).any():
            return ""
        n_reps = replicates_needed(float(shares.max()), len(self.replicates))
        return (
            f"\nFew replicates: an end of {shares.idxmax()} is uncertain by {shares.max():.0%} of the width "
            f"of its interval; take n_reps={n_reps}"
        )

    def _failures(self) -> str:
        failed = self.n_failed[self.n_failed > 0]
        named = ", ".join(f"{n:,} of {label}" for label, n in failed.items())
        return f"failed: {named}" if named else "none failed"

    def _what(self) -> str:
        """Say what the means were made into, and how it is counted, where that is no difference."""
        if self.contrast == "difference":
            return ""
        scale = SCALES[self.contrast]
        return f"{scale.words} in percent" if scale.unit else scale.words

    def _headline(self) -> str:
        return self._headline_of(self.measured)

    def _headline_of(self, measured: str) -> str:
        facts = [
            " of ".join(filter(None, [self._what(), measured])),
            "" if self.resampling == "multinomial" else f"{self.resampling} weights",
            f"whole clusters by {self.cluster}" if self.cluster else "",
            f"strata by {self.strata}" if self.strata else "",
            "" if self.refitted else "no refit (Otsu and Rai 2017)",
            self._failures(),
            f"seed {self.seed}; 95% {self.usual_kind} intervals",
        ]
        words = f"Bootstrap: {len(self.replicates):,} replicates, {', '.join(filter(None, facts))}"
        return words + self._too_few() + (f"\nTidied: {self.tidied}" if self.tidied else "")

    def _table(self) -> pd.DataFrame:
        return self.summary()
