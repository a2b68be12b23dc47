"""Effects: a contrast of the two arms' means, with what each row adds to it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, get_args

import numpy as np
import pandas as pd

from propensity.effects import inference
from propensity.effects.arms import ArmMeans, OutcomeFacts
from propensity.effects.cautions import size_cautions
from propensity.effects.contrasts import SCALES, Contrast, require_means
from propensity.effects.given_away import exact_cautions
from propensity.effects.hypotheses import Alternative, EffectTest, tested
from propensity.effects.means_covariance import MeansCovariance
from propensity.effects.rounding import without_rounding
from propensity.effects.weighted_result import WeightedResult
from propensity.errors import DegenerateWarning
from propensity.frames import checks
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.fingerprint import Fingerprint, Made
from propensity.frames.native import AnySeries
from propensity.sensitivity.e_value import EValue
from propensity.sensitivity.explained_away import e_value_of_effect


class Interval(NamedTuple):
    """The two ends of a confidence interval."""

    conf_low: float
    conf_high: float


@dataclass(frozen=True, eq=False, repr=False)
class Effect(WeightedResult):
    """A contrast of the means of an outcome over n rows, had everyone been treated and had nobody.

    Attributes
    ----------
    estimand : str
        Whose effect: everyone's (ATE), the treated units' (ATT), the control units' (ATC), that of the units
        that could well have been in either arm (ATO, ATM).
    estimate : float
        The contrast of `mean_treated` and `mean_control`; a difference is in units of the outcome, a ratio
        and an odds ratio have none, and percent are those of the control mean (a lift).
    mean_treated, mean_control : float
        Each a ratio of weighted sums (Hajek), so that adding a constant to the outcome adds it to both.
    ess_treated, ess_control : float
        Kish's effective sample size (sum w)^2 / sum w^2: as many equally weighted units are as informative.
    weights : Series (n,)
        Of the rows, sample weights included (the series is then called "total_weights", and
        `balancing_weights` are those without); with the caller's index.
    std_error : float
        Of the estimate; of the natural logarithm of the ratio where the contrast is one, in percent or not,
        or of the odds ratio.
    se_method : str
        How the standard error was made.
    contrast : {"difference", "ratio", "percent", "odds_ratio"}
        What the estimate is.
    cautions : tuple of Warning
        Why the interval may be narrower than it should be; empty where there is no known reason.
    influence_treated, influence_control : ndarray (n,) or None
        Each row's influence on the two means, mean zero; None where the method has none (matching with
        replacement: a row's part hangs on which others it was matched with).
    means_covariance : MeansCovariance or None
        The covariance of the two means where there is no influence to make it from; else None.
    clusters : ndarray (n,) of int, or None
        Which cluster a row is in; -1 for rows that are left out.
    bounded : bool
        Whether every outcome lies in [0, 1], so that its mean has odds.
    treated : ndarray (n,) of bool, or None
        Who was treated, in row order.
    fingerprint : Fingerprint or None
        Which rows it was estimated from, and what each counted for: functions that take its weights compare.
    whom : str
        Whom it is for, where some of those that the estimand names are left out; else empty.
    outcome_std_dev : float
        Standard deviation of the outcome among the rows that there are (or that are matched), divisor n.
    scores : Series (n,) or None
        The propensity scores it was made with, called "propensity", with the caller's index; of several
        repeats their mean. None where it has none, or not the scores of the rows themselves; NaN for rows of
        weight 0, which are not there.
    """

    made: ClassVar[Made] = Made(
        "weights", "the effect was estimated", "this effect is of other rows: estimate it from these"
    )

    estimand: str
    estimate: float
    mean_treated: float
    mean_control: float
    ess_treated: float
    ess_control: float
    weights: AnySeries
    std_error: float = math.nan
    se_method: str = "none"
    contrast: Contrast = "difference"
    cautions: tuple[Warning, ...] = ()
    influence_treated: Floats | None = None
    influence_control: Floats | None = None
    clusters: Rows | None = None
    bounded: bool = False
    treated: Bools | None = None
    fingerprint: Fingerprint | None = None
    whom: str = ""
    outcome_std_dev: float = math.nan
    means_covariance: MeansCovariance | None = None
    scores: AnySeries | None = None

    @classmethod
    def of(  # noqa: PLR0913 - what any method knows of its estimate, by name
        cls,
        means: ArmMeans,
        facts: OutcomeFacts,
        *,
        estimand: str,
        treated: Bools,
        weights: AnySeries,
        fingerprint: Fingerprint,
        ess: tuple[float, float],
        se_method: str,
        std_error: float | None = None,
        clusters: Rows | None = None,
        n_clusters: int | None = None,
        contrast: Contrast = "difference",
        cautions: tuple[Warning, ...] = (),
        whom: str = "",
        means_covariance: MeansCovariance | None = None,
    ) -> Effect:
        """Make an effect of the means of both arms: the one way there is.

        Parameters
        ----------
        means : ArmMeans
            With each row's influence on them; without where the method has none.
        facts : OutcomeFacts
            Of the outcome's values that the means are made of.
        estimand : str
            Whose effect.
        treated : ndarray (n,) of bool
            Who was treated.
        weights : Series (n,)
            Of the rows, sample weights included.
        fingerprint : Fingerprint
            Of the rows.
        ess : (float, float)
            Kish's effective sample size of the treated and of the controls.
        se_method : str
            How the standard error is made.
        std_error : float or None, default None
            Of the difference, where there are no influence values to make it from.
        clusters : ndarray (n,) of int, or None, default None
            Which rows vary together; -1 for rows that are left out.
        n_clusters : int or None, default None
            How many clusters the caller's data are in; None where rows are independent, though matched sets
            may be their clusters here.
        contrast : {"difference", "ratio", "percent", "odds_ratio"}, default "difference"
            What the two means are made into.
        cautions : tuple of Warning, default ()
            What the method has to say of itself; those of the arms' sizes are added here.
        whom : str, default ""
            Whom it is for, where that is not all whom the estimand names.
        means_covariance : MeansCovariance or None, default None
            Of the two means, where there are no influence values to make it from.

        Raises
        ------
        InvalidInputError
            The means have no such contrast.
        """
        n_rows = int(treated.sum()), int((~treated).sum())
        means, std_error = without_rounding(means, facts, ess, std_error, clusters)
        if not any(isinstance(caution, DegenerateWarning) for caution in cautions):
            cautions = (*cautions, *exact_cautions(facts, means, std_error))
        difference = cls(
            estimand=estimand,
            estimate=means.estimate,
            mean_treated=means.mean_treated,
            mean_control=means.mean_control,
            ess_treated=ess[0],
            ess_control=ess[1],
            weights=weights,
            std_error=std_error,
            se_method=se_method,
            cautions=(*cautions, *size_cautions(ess, n_rows, n_clusters, cautions)),
            influence_treated=means.influence_treated,
            influence_control=means.influence_control,
            clusters=clusters,
            bounded=facts.bounded,
            treated=treated,
            fingerprint=fingerprint,
            whom=whom,
            outcome_std_dev=facts.std_dev,
            means_covariance=means_covariance,
        )
        return difference.contrast_as(contrast)

    @property
    def p_value(self) -> float:
        """Of no effect: a difference of 0, a ratio of 1. Two-sided, by the normal law.

        NaN for an outcome that is the same for all: there is nothing to test.
        """
        return inference.two_sided_p(SCALES[self.contrast].read(self.estimate), self.std_error)

    @property
    def influence(self) -> Floats | None:
        """Each row's influence (n,) on the estimate; on its logarithm where that is a ratio.

        Two effects on the same rows have the covariance sum(influence * other.influence) / n^2, where rows
        vary by themselves.
        """
        if self.influence_treated is None or self.influence_control is None:
            return None
        slope = SCALES[self.contrast].slope
        return (
            slope(self.mean_treated) * self.influence_treated
            - slope(self.mean_control) * self.influence_control
        )

    def conf_int(self, level: float = 0.95) -> Interval:
        """Give the interval estimate -+ z std_error, made on the logarithm for ratios.

        Parameters
        ----------
        level : float, default 0.95
            Coverage.

        Returns
        -------
        Interval
            `conf_low`, `conf_high`, on the scale of the estimate.
        """
        checks.confidence_level(level)
        scale = SCALES[self.contrast]
        center = scale.read(self.estimate)
        half_width = inference.normal_quantile(level) * self.std_error
        return Interval(scale.report(center - half_width), scale.report(center + half_width))

    def contrast_as(self, contrast: Contrast) -> Effect:
        """Give the same effect as another contrast of the same two means, by the delta method.

        Parameters
        ----------
        contrast : {"difference", "ratio", "percent", "odds_ratio"}
            A ratio, and its change in percent, need positive means; an odds ratio outcomes in [0, 1], and
            means strictly between.

        Returns
        -------
        Effect

        Raises
        ------
        InvalidInputError
            The means have no such contrast.
        """
        checks.choice("contrast", contrast, get_args(Contrast))
        if contrast == self.contrast:
            return self
        require_means(contrast, self.mean_treated, self.mean_control, bounded=self.bounded)
        scale = SCALES[contrast]
        moved = replace(
            self,
            contrast=contrast,
            estimate=scale.report(scale.link(self.mean_treated) - scale.link(self.mean_control)),
        )
        influence = moved.influence
        if influence is not None:  # what both means share cancels row by row, with all digits
            return replace(moved, std_error=inference.std_error(influence, self.clusters))
        slopes = np.array([scale.slope(self.mean_treated), -scale.slope(self.mean_control)])
        variance = float(slopes @ self._covariance_of_means() @ slopes)
        return replace(moved, std_error=math.sqrt(max(variance, 0.0)))

    @property
    def means(self) -> pd.DataFrame:
        """The mean outcome of either arm, had everybody been in it; Stata calls them POmeans.

        Returns
        -------
        DataFrame (2, 4)
            Of "treated" and "control": `estimate`, `std_error`, and the ends of the 95% interval, `conf_low`
            and `conf_high`, estimate -+ z std_error; in units of the outcome.
        """
        estimates = np.array([self.mean_treated, self.mean_control])
        errors = np.sqrt(np.diag(self._covariance_of_means()))
        half_widths = inference.normal_quantile(0.95) * errors
        table = pd.DataFrame(
            {
                "estimate": estimates,
                "std_error": errors,
                "conf_low": estimates - half_widths,
                "conf_high": estimates + half_widths,
            },
            index=pd.Index(["treated", "control"], name="arm"),
        )
        table.attrs = {"level": 0.95}
        return table

    def _covariance_of_means(self) -> Floats:
        """Give the covariance (2, 2) of both means, the treated's first."""
        if self.influence_treated is not None and self.influence_control is not None:
            both = np.column_stack([self.influence_treated, self.influence_control])
            return inference.covariance(both, self.clusters)
        assert self.means_covariance is not None
        return self.means_covariance.values

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
        By the normal law, on the logarithm for ratios. An equivalence is the larger p-value of two one-sided
        tests (Schuirmann 1987, Journal of Pharmacokinetics and Biopharmaceutics 15, 657): below 0.05 where
        the 90% interval lies between the bounds.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"treatment": "opt_in_agent_mode", "covariates": ["engagement_tier"]}
        >>> effect = ps.aipw(users, outcome="task_completed", **roles)
        >>> effect.test(0.02, "greater").p_value < effect.test(0.05, "greater").p_value
        True
        """
        return tested(self, value, alternative, margin)

    def e_value(self, *, rare: bool = False, exact: bool = False, level: float = 0.95) -> EValue:
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
        Of a ratio it is that of the ratio; so it is for the difference of an outcome between 0 and 1, by the
        ratio of the two means. A difference of another outcome is counted in standard deviations d of the
        outcome, and stands for a risk ratio of exp(0.91 d). A confounder of that strength could explain the
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
        >>> bool(effect.e_value().point >= effect.e_value().limit >= 1)
        True
        """
        return e_value_of_effect(self, rare=rare, exact=exact, level=level)

    def to_frame(self, level: float = 0.95) -> pd.DataFrame:
        """Put the numbers into a table of one row, named after the estimand.

        Parameters
        ----------
        level : float, default 0.95
            Coverage of the interval.

        Returns
        -------
        DataFrame (1, 9)
            `estimate`, `std_error` (`log_std_error` for ratios), `conf_low`, `conf_high`, `p_value`, and the
            means and effective sample sizes of the arms. `attrs` has the `level` and the `contrast`.
        """
        table = pd.DataFrame(self._row(level), index=pd.Index([self.estimand], name="estimand"))
        table.attrs = {"level": level, "contrast": self.contrast}
        return table

    def _row(self, level: float) -> dict[str, float]:
        error = "log_std_error" if SCALES[self.contrast].logarithmic else "std_error"
        return {
            "estimate": self.estimate,
            error: self.std_error,
            **self.conf_int(level)._asdict(),
            "p_value": self.p_value,
            "mean_treated": self.mean_treated,
            "mean_control": self.mean_control,
            "ess_treated": self.ess_treated,
            "ess_control": self.ess_control,
        }

    def _headline(self) -> str:
        scale = SCALES[self.contrast]
        whom = f", for {self.whom}" if self.whom else ""
        lines = [f"Effect ({self.estimand}): {scale.words} {scale.written(self.estimate)}{whom}"]
        lines.append(f"Standard error: {self.se_method}")
        lines.extend(f"Caution: {caution}" for caution in self.cautions)
        return "\n".join(lines)

    def _table(self) -> pd.DataFrame:
        return self.to_frame()
