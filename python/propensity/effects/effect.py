"""Effects: a contrast of the two arms' means, with what each row adds to it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, get_args

import pandas as pd

from propensity.effects import inference
from propensity.effects.arms import ArmMeans, OutcomeFacts
from propensity.effects.cautions import size_cautions
from propensity.effects.contrasts import SCALES, Contrast
from propensity.effects.given_away import exact_cautions
from propensity.effects.rounding import without_rounding
from propensity.effects.weighted_result import WeightedResult
from propensity.errors import DegenerateWarning, InvalidInputError
from propensity.frames import checks
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.fingerprint import Fingerprint, Made
from propensity.frames.native import AnySeries


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
        and an odds ratio have none.
    mean_treated, mean_control : float
        Each a ratio of weighted sums (Hajek), so that adding a constant to the outcome adds it to both.
    ess_treated, ess_control : float
        Kish's effective sample size (sum w)^2 / sum w^2: as many equally weighted units are as informative.
    weights : Series (n,)
        Of the rows, sample weights included (the series is then called "total_weights", and
        `balancing_weights` are those without); with the caller's index.
    std_error : float
        Of the estimate; of its natural logarithm where the contrast is a ratio or an odds ratio.
    se_method : str
        How the standard error was made.
    contrast : {"difference", "ratio", "odds_ratio"}
        What the estimate is.
    cautions : tuple of Warning
        Why the interval may be narrower than it should be; empty where there is no known reason.
    influence_treated, influence_control : ndarray (n,) or None
        Each row's influence on the two means, mean zero; None where the method has none (matching).
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
    scores : Series (n,) or None
        The propensity scores it was made with, called "propensity", with the caller's index; of several
        repeats their mean. None where it has none, or not the scores of the rows themselves.
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
        contrast : {"difference", "ratio", "odds_ratio"}, default "difference"
            What the two means are made into.
        cautions : tuple of Warning, default ()
            What the method has to say of itself; those of the arms' sizes are added here.
        whom : str, default ""
            Whom it is for, where that is not all whom the estimand names.

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
        contrast : {"difference", "ratio", "odds_ratio"}
            A ratio needs positive means; an odds ratio outcomes in [0, 1], and means strictly between.

        Returns
        -------
        Effect

        Raises
        ------
        InvalidInputError
            The means have no such contrast, or the method gave no influence values (matching).
        """
        checks.choice("contrast", contrast, get_args(Contrast))
        if contrast == self.contrast:
            return self
        if self.influence_treated is None:
            raise InvalidInputError(
                f"contrast {contrast!r}: this method gives no influence values to make its standard error "
                "from; weighting and the outcome models do (ipw, aipw, ipwra, regression_adjustment)"
            )
        self._require_means_for(contrast)
        scale = SCALES[contrast]
        moved = replace(
            self,
            contrast=contrast,
            estimate=scale.report(scale.link(self.mean_treated) - scale.link(self.mean_control)),
        )
        influence = moved.influence
        assert influence is not None
        return replace(moved, std_error=inference.std_error(influence, self.clusters))

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

    def _require_means_for(self, contrast: Contrast) -> None:
        means = f"the means are {self.mean_treated:.4g} and {self.mean_control:.4g}"
        low, high = min(self.mean_treated, self.mean_control), max(self.mean_treated, self.mean_control)
        instead = f"take {'ratio' if low > 0 else 'difference'!r}"
        if contrast == "ratio" and low <= 0:
            raise InvalidInputError(f"contrast 'ratio': both means must be positive, but {means}; {instead}")
        if contrast == "odds_ratio" and not self.bounded:
            raise InvalidInputError(f"contrast 'odds_ratio': some outcomes lie outside [0, 1]; {instead}")
        if contrast == "odds_ratio" and not 0 < low <= high < 1:
            raise InvalidInputError(
                f"contrast 'odds_ratio': both means must be between 0 and 1, but {means}; {instead}"
            )

    def _headline(self) -> str:
        words = SCALES[self.contrast].words
        sign = "+" if self.contrast == "difference" else ""
        whom = f", for {self.whom}" if self.whom else ""
        lines = [f"Effect ({self.estimand}): {words} {self.estimate:{sign}.6g}{whom}"]
        lines.append(f"Standard error: {self.se_method}")
        lines.extend(f"Caution: {caution}" for caution in self.cautions)
        return "\n".join(lines)

    def _table(self) -> pd.DataFrame:
        return self.to_frame()
