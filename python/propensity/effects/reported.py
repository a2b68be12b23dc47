"""What an effect says of itself: intervals, p-values, means, tests, its table and its words."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import pandas as pd

from propensity.effects import inference
from propensity.effects.contrasts import SCALES, Contrast
from propensity.effects.hypotheses import Alternative, EffectTest, tested
from propensity.effects.leverage import ErrorKind, require_kind, words_of_intervals
from propensity.effects.tidy import tidied
from propensity.effects.weighted_result import WeightedResult
from propensity.frames import checks
from propensity.sensitivity.e_value import EValue
from propensity.sensitivity.explained_away import e_value_of_effect

if TYPE_CHECKING:
    from propensity.effects.effect import Effect
    from propensity.effects.leverage import LeftOut, Leverage, SharesOfWeight
    from propensity.frames.checks import Floats


class Interval(NamedTuple):
    """The two ends of a confidence interval."""

    conf_low: float
    conf_high: float


class ReportedEffect(WeightedResult):
    """An effect as it is read; `Effect` is the one kind, and says what it holds."""

    if TYPE_CHECKING:  # fields and methods of `Effect`
        estimand: str
        estimate: float
        mean_treated: float
        mean_control: float
        ess_treated: float
        ess_control: float
        std_error: float
        se_method: str
        contrast: Contrast
        cautions: tuple[Warning, ...]
        whom: str
        measured: str
        tidied: str

        leverage: Leverage | SharesOfWeight | None
        left_out: LeftOut | str | None

        @property
        def df(self) -> float: ...  # noqa: D102

        @property
        def interval_error(self) -> float: ...  # noqa: D102

        def _error_by(self, kind: ErrorKind) -> float: ...

        def _covariance_of_means(self) -> Floats: ...

        def _errors_of_means(self) -> tuple[Floats, Floats]: ...

    @property
    def p_value(self) -> float:
        """Of no effect: a difference of 0, a ratio of 1. Two-sided, as `conf_int` is made.

        NaN for an outcome that is the same for all: there is nothing to test.
        """
        return inference.two_sided_p(SCALES[self.contrast].read(self.estimate), self.interval_error, self.df)

    def conf_int(
        self, level: float = 0.95, *, df: float | None = None, se: ErrorKind | None = None
    ) -> Interval:
        """Give the interval estimate -+ t interval_error, made on the logarithm for ratios.

        Parameters
        ----------
        level : float, default 0.95
            Coverage.
        df : float or None, default None
            Degrees of freedom of Student's t. None takes the effect's own, `df`, with which intervals of few
            rows hold; ``math.inf`` the normal law: estimate -+ z std_error, as in R and Stata.
        se : {"HC0", "HC2", "HC3", "jackknife"} or None, default None
            How the standard error is corrected for the leverage of rows. None takes HC2, and `std_error` as
            it stands with degrees of freedom of one's own. HC0 is without, HC3 near to the jackknife, which
            leaves each row out, for `ipw` with scores that are logistic or known. Where there is no leverage
            (matching, balancing weights) there is HC0 alone.

        Returns
        -------
        Interval
            `conf_low`, `conf_high`, on the scale of the estimate.

        Raises
        ------
        InvalidInputError
            A level outside (0, 1), degrees of freedom that are not above 0, a correction that there is not.

        Notes
        -----
        Errors by HC2 with this many degrees of freedom are what held best of those counted in
        `docs/validation.md`; in the normal law with HC0 all that miss are too short.

        Examples
        --------
        >>> import math
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=300)
        >>> roles = {"treatment": "opt_in_agent_mode", "covariates": ["engagement_tier"]}
        >>> effect = ps.aipw(users, outcome="task_completed", **roles)
        >>> by_t, by_normal_law = effect.conf_int(), effect.conf_int(df=math.inf)
        >>> print(f"{by_t.conf_low:.2f}, {by_normal_law.conf_low:.2f}")
        -0.09, -0.08

        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
        >>> effect = ps.ipw(users, outcome="task_completed", treatment=treatment, scores=model)
        >>> low, high = effect.conf_int(level=0.9)
        >>> print(f"[{low:.2f}, {high:.2f}]")
        [0.09, 0.18]
        """
        scale, reach = SCALES[self.contrast], self._half_width(level, df, se)
        center = scale.read(self.estimate)
        return Interval(scale.report(center - reach), scale.report(center + reach))

    def _half_width(self, level: float, df: float | None, se: ErrorKind | None = None) -> float:
        """Give how far the interval of `conf_int` reaches to either side, on the scale of the error."""
        checks.confidence_level(level)
        if se is not None:
            error = self._asked_error(se)
        else:
            error = self.interval_error if df is None else self.std_error
        return inference.half_width(error, level, self.df if df is None else checks.degrees(df))

    def _asked_error(self, se: ErrorKind) -> float:
        require_kind(se, self.leverage, self.left_out)
        return self._error_by(se)

    @property
    def means(self) -> pd.DataFrame:
        """The mean outcome of either arm, had everybody been in it; Stata calls them POmeans.

        Returns
        -------
        DataFrame (2, 4)
            Of "treated" and "control": `estimate`, `std_error`, and the ends of the 95% interval, `conf_low`
            and `conf_high`, made for each mean as `conf_int` is for the effect, with its own degrees of
            freedom; in units of the outcome.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
        >>> effect = ps.ipw(users, outcome="task_completed", treatment=treatment, scores=model)
        >>> effect.means[["estimate", "std_error"]].round(3)
                 estimate  std_error
        arm
        treated     0.712      0.025
        control     0.575      0.013
        """
        estimates = np.array([self.mean_treated, self.mean_control])
        in_intervals, df = self._errors_of_means()
        each = zip(in_intervals.tolist(), df.tolist(), strict=True)
        half_widths = np.array([inference.half_width(error, 0.95, own) for error, own in each])
        table = pd.DataFrame(
            {
                "estimate": estimates,
                "std_error": np.sqrt(np.diag(self._covariance_of_means())),
                "conf_low": estimates - half_widths,
                "conf_high": estimates + half_widths,
            },
            index=pd.Index(["treated", "control"], name="arm"),
        )
        table.attrs = {"level": 0.95}
        return table

    def test(
        self,
        value: float | None = None,
        alternative: Alternative = "two-sided",
        margin: float | None = None,
    ) -> EffectTest:
        """Test the effect against a value: superiority, non-inferiority, equivalence.

        Parameters
        ----------
        value : float or None, default None
            What to test against, in units of the estimate; None takes no effect: 0, for a ratio 1.
        alternative : {"two-sided", "greater", "less"}, default "two-sided"
            What the data may speak for: an effect that is another than `value`; one above it (superiority by
            that much, where more is better); one below it.
        margin : float or None, default None
            How much worse than `value` is still good enough, in units of the estimate. With "greater" the
            data may speak for an effect above `value - margin` (non-inferiority), with "less" for one below
            `value + margin`, with "two-sided" for one between the two (equivalence).

        Returns
        -------
        EffectTest
            With `p_value`; `str()` of it is a sentence.

        Raises
        ------
        InvalidInputError
            A bound is none that a ratio can have.

        Notes
        -----
        As `conf_int` is made, on the logarithm for ratios. An equivalence is the larger p-value of two
        one-sided tests (Schuirmann 1987, Journal of Pharmacokinetics and Biopharmaceutics 15, 657): below
        0.05 where the 90% interval lies between the bounds.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"treatment": "opt_in_agent_mode", "covariates": ["engagement_tier"]}
        >>> effect = ps.aipw(users, outcome="task_completed", **roles)
        >>> print(effect.test(0.02, "greater"))
        The difference (ATE) of +0.137209, against one of +0.02 at most: p = 1.7...e-05, one-sided
        (superiority by a threshold).
        """
        return tested(cast("Effect", self), value, alternative, margin)

    def e_value(
        self,
        *,
        rare: bool = False,
        exact: bool = False,
        level: float = 0.95,
        df: float | None = None,
    ) -> EValue:
        """Say how strong a hidden confounder would have to be to explain the effect away.

        Parameters
        ----------
        rare : bool, default False
            Whether the outcome of an odds ratio is rare (15% or less), which is then taken as a risk ratio;
            of a common outcome its square root is.
        exact : bool, default False
            For a difference of two risks: search for the bias that leaves nothing of the difference itself,
            and of the end of its interval, instead of taking the ratio of the two. The estimate's E-value is
            the same.
        level : float, default 0.95
            Coverage of the interval.
        df : float or None, default None
            Degrees of freedom of the interval, as for `conf_int`.

        Returns
        -------
        EValue
            With `point`, `limit` (of the end of the interval nearest to no effect) and `table`; `str()` is a
            sentence.

        Raises
        ------
        InvalidInputError
            A mean that a risk ratio needs is not positive; `exact` is asked of something else than a
            difference of two risks, or of a method without influence values (matching).

        Notes
        -----
        Of a ratio it is that of the ratio; so it is for the difference of an outcome of 0 and 1, by the ratio
        of the two means. A difference of another outcome, be it a share, is counted in standard deviations d
        of the outcome, whatever its unit, and stands for a risk ratio of exp(0.91 d); for the ratio of its
        means ask ``effect.contrast_as("ratio").e_value()``. A confounder of that strength could explain the
        effect away, and none could that is weaker with both; one that is weaker with the one has to be
        stronger with the other (VanderWeele and Ding 2017).

        References
        ----------
        VanderWeele and Ding (2017), Annals of Internal Medicine 167:268. Ding and VanderWeele (2016),
        Epidemiology 27:368, for `exact`.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
        >>> effect = ps.aipw(users, **roles, covariates=["engagement_tier", "query_confidence"])
        >>> print(effect.e_value())
        to explain it away a confounder would need risk ratios of 1.78 with both opting in and the outcome,
        1.54 for the interval
        """
        return e_value_of_effect(cast("Effect", self), rare=rare, exact=exact, level=level, df=df)

    def to_frame(self, level: float = 0.95) -> pd.DataFrame:
        """Put the numbers into a table of one row, named after the estimand.

        Parameters
        ----------
        level : float, default 0.95
            Coverage of the interval.

        Returns
        -------
        DataFrame (1, 10)
            `estimate`, `std_error` (`log_std_error` for ratios), `df`, `conf_low`, `conf_high`, `p_value`,
            and the means and effective sample sizes of the arms. `attrs` has the `level` and the `contrast`.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
        >>> effect = ps.ipw(users, outcome="task_completed", treatment=treatment, scores=model)
        >>> effect.to_frame()[["estimate", "std_error"]].round(3)
                  estimate  std_error
        estimand
        ATE          0.137      0.028
        """
        table = pd.DataFrame(self._row(level), index=pd.Index([self.estimand], name="estimand"))
        table.attrs = {"level": level, "contrast": self.contrast}
        return table

    def tidy(self) -> pd.DataFrame:
        """Give the estimate under the names that other packages have for it.

        Returns
        -------
        DataFrame (1, 7)
            `term` (the estimand), `estimate`, `std_error`, `statistic` (their ratio), `p_value`, `conf_low`,
            `conf_high` (95%). The error and statistic of a ratio are those of its logarithm.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
        >>> effect = ps.ipw(users, outcome="task_completed", treatment=treatment, scores=model)
        >>> effect.tidy()["estimate"].round(2).tolist()
        [0.14]
        """
        return tidied(self.to_frame(), self.contrast)

    def to_series(self, level: float = 0.95) -> pd.Series[float]:
        """Give the numbers as a series.

        Parameters
        ----------
        level : float, default 0.95
            Coverage of the interval.

        Returns
        -------
        Series (9,)
            What `to_frame` has in its one row, called by the estimand.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
        >>> effect = ps.ipw(users, outcome="task_completed", treatment=treatment, scores=model)
        >>> effect.to_series()[["estimate", "std_error"]].round(3)
        estimate     0.137
        std_error    0.028
        Name: ATE, dtype: float64
        """
        return pd.Series(self._row(level), name=self.estimand)

    def _row(self, level: float) -> dict[str, float]:
        error = "log_std_error" if SCALES[self.contrast].logarithmic else "std_error"
        return {
            "estimate": self.estimate,
            error: self.std_error,
            "df": self.df,
            **self.conf_int(level)._asdict(),
            "p_value": self.p_value,
            "mean_treated": self.mean_treated,
            "mean_control": self.mean_control,
            "ess_treated": self.ess_treated,
            "ess_control": self.ess_control,
        }

    def _headline(self) -> str:
        scale = SCALES[self.contrast]
        of = f", of {self.measured}" if self.measured else ""
        whom = f"{of}, for {self.whom}" if self.whom else of
        lines = [f"Effect ({self.estimand}): {scale.words} {scale.written(self.estimate)}{whom}"]
        lines.append(f"Standard error: {self.se_method}")
        lines.append(f"Intervals: {words_of_intervals(self.leverage is not None)}")
        lines.extend([f"Tidied: {self.tidied}"] if self.tidied else [])
        lines.extend(f"Caution: {caution}" for caution in self.cautions)
        return "\n".join(lines)

    def _table(self) -> pd.DataFrame:
        return self.to_frame()
