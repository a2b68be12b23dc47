"""Effects: a contrast of the two arms' means, with what each row adds to it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, get_args

import numpy as np

from propensity.effects import inference
from propensity.effects.arms import ArmMeans, Means, OutcomeFacts
from propensity.effects.cautions import size_cautions
from propensity.effects.contrasts import SCALES, Contrast, require_means
from propensity.effects.effect_errors import EffectErrors
from propensity.effects.given_away import exact_cautions
from propensity.effects.leverage import LeftOut, Leverage, SharesOfWeight
from propensity.effects.means_covariance import MeansCovariance
from propensity.effects.one_valued import one_valued_cautions
from propensity.effects.reported import Interval
from propensity.effects.rounding import without_rounding
from propensity.errors import DegenerateWarning
from propensity.frames import checks
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.fingerprint import Fingerprint, Made
from propensity.frames.native import AnySeries

__all__ = ["Effect", "Interval"]


@dataclass(frozen=True, eq=False, repr=False)
class Effect(EffectErrors):
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
    df : float
        Degrees of freedom of its intervals and p-values, by Student's law: how many rows (or clusters, less
        one) carry the variance, (sum v)^2 / sum v^2 with v the squared influence of each. A third of the rows
        where all weigh alike and outcomes are normal; few where few decide. Infinity without any error. Cells
        of an outcome that is not 0/1 know the range of its values, and not their fourth moments: theirs are
        mostly fewer.
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
    binary : bool
        Whether every outcome is 0 or 1, so that its mean is a risk.
    treated : ndarray (n,) of bool, or None
        Who was treated, in row order.
    fingerprint : Fingerprint or None
        Which rows it was estimated from, and what each counted for: functions that take its weights compare.
    whom : str
        Whom it is for, where some of those that the estimand names are left out; else empty.
    measured : str
        What was measured, where that is not the column as it stands: winsorized, or divided by another.
    outcome_std_dev : float
        Standard deviation of the outcome among the rows that there are (or that are matched), divisor n.
    scores : Series (n,) or None
        The propensity scores it was made with, called "propensity", with the caller's index; of several
        repeats their mean. None where it has none, or not the scores of the rows themselves; NaN for rows of
        weight 0, which are not there.
    frequency : ndarray (n,) or None
        How many users each row of influence stands for, which is that of one of them; None where each is one.
    leverage : Leverage or None
        How much rows hold their own predictions, by the outcome models of their arms, or the weighted means
        of these; None where errors have another correction (balancing weights), or none (matching).
    left_out : LeftOut or str or None
        What leaves each row out, for ``se="jackknife"``, or why that is not worked out; None where it is for
        no effect of the kind.
    tidied : str
        What stands for missing values and rare levels of covariates, where that was asked for; else empty.
    interval_error : float
        The standard error of intervals and p-values: `std_error`, corrected for leverage by HC2.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
    >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
    >>> effect = ps.ipw(users, outcome="task_completed", treatment=treatment, scores=model)
    >>> low, high = effect.conf_int()
    >>> print(f"{effect.estimate:.3f} [{low:.2f}, {high:.2f}], {effect.estimand}")
    0.137 [0.08, 0.19], ATE
    >>> effect.se_method
    'stacked estimating equations; counts that the scores were estimated'
    >>> effect.means["estimate"].round(3)
    arm
    treated    0.712
    control    0.575
    Name: estimate, dtype: float64
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
    binary: bool = False
    treated: Bools | None = None
    fingerprint: Fingerprint | None = None
    whom: str = ""
    outcome_std_dev: float = math.nan
    means_covariance: MeansCovariance | None = None
    measured: str = ""
    scores: AnySeries | None = None
    leverage: Leverage | SharesOfWeight | None = None
    tidied: str = ""
    left_out: LeftOut | str | None = None
    frequency: Floats | None = None

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
        frequency: Floats | None = None,
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
        frequency : ndarray (n,) or None, default None
            How many users each row of influence stands for.
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
        n_rows = fingerprint.n_users(treated), fingerprint.n_users(~treated)
        if std_error is None:
            std_error = _error_of_difference(means, clusters, frequency)
        means, std_error = without_rounding(means, facts, ess, std_error, clusters)
        if not any(isinstance(caution, DegenerateWarning) for caution in cautions):
            cautions = (*cautions, *exact_cautions(facts, means, std_error))
        both = means.mean_treated, means.mean_control
        cautions = (*cautions, *one_valued_cautions(facts, both, std_error, ess))
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
            cautions=_each_once(*cautions, *size_cautions(ess, n_rows, n_clusters, cautions)),
            influence_treated=means.influence_treated,
            influence_control=means.influence_control,
            clusters=clusters,
            bounded=facts.bounded,
            binary=facts.binary,
            treated=treated,
            fingerprint=fingerprint,
            whom=whom,
            outcome_std_dev=facts.std_dev,
            means_covariance=means_covariance,
            leverage=means.leverage if isinstance(means, Means) else None,
            left_out=means.left_out if isinstance(means, Means) else None,
            frequency=frequency,
        )
        return difference.contrast_as(contrast)

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

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
        >>> effect = ps.ipw(users, outcome="task_completed", treatment=treatment, scores=model)
        >>> print(f"{effect.contrast_as('percent').estimate:.1f}%")
        23.8%
        """
        contrast = checks.word("contrast", contrast, get_args(Contrast))
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
            error = inference.std_error(influence, self.clusters, self.frequency)
            return replace(moved, std_error=error)
        slopes = np.array([scale.slope(self.mean_treated), -scale.slope(self.mean_control)])
        assert self.means_covariance is not None
        variance = self.means_covariance.variance(slopes)
        return replace(moved, std_error=math.sqrt(max(variance, 0.0)))


def _error_of_difference(means: ArmMeans, clusters: Rows | None, frequency: Floats | None) -> float:
    """Make the standard error of the difference of two means of each row's influence on them."""
    treated, control = means.influence_treated, means.influence_control
    assert treated is not None
    assert control is not None
    return inference.std_error(treated - control, clusters, frequency)


def _each_once(*cautions: Warning) -> tuple[Warning, ...]:
    """Leave out what has been said in the same words."""
    return tuple({str(caution): caution for caution in reversed(cautions)}.values())[::-1]
