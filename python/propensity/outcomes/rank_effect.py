"""Whether a rule says whom to treat first: the area between it and treating at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from propensity.effects import inference
from propensity.effects.clusters import summed_within
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.by_name import columns_by_name
from propensity.frames.checks import Floats
from propensity.frames.native import AnyFrame, AnySeries
from propensity.frames.one_column import one_outcome
from propensity.frames.terms import Covariates
from propensity.frames.tidying import Missing, Tidying
from propensity.outcomes.models import Roles
from propensity.outcomes.pseudo_outcomes import Models, PseudoOutcomes
from propensity.outcomes.ranked import Ranked
from propensity.results.show import Shown
from propensity.scores.learners import Learner

RankTarget: TypeAlias = Literal["autoc", "qini"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class RankEffect(Shown):
    """How much larger the effect is on those whom a rule puts first; 0 for a rule that knows nothing.

    Attributes
    ----------
    estimate, std_error : float
        The area, and its standard error.
    df : float
        Degrees of freedom of its interval and p-value, by Student's law, as `Effect.df`.
    target : {"autoc", "qini"}
    toc : Series (10,)
        By the part of the rows that is "treated", a tenth to all: the mean effect among those of the highest
        priority, less the mean effect among all.
    se_method : str
        How the standard error was made.
    pseudo_outcomes : Series (n,)
        Of which the curve is the mean, with the caller's index.
    cautions : tuple of Warning

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    >>> covariates = ["engagement_tier", "query_confidence"]
    >>> roles["covariates"] = covariates
    >>> found = ps.rank_effect(users, **roles, priority=-users["query_confidence"])
    >>> found.toc.round(2).head(3)
    treated
    0.1    0.00
    0.2   -0.01
    0.3   -0.03
    Name: toc, dtype: float64
    >>> print(f"{found.p_value:.1f}")
    0.9
    """

    estimate: float
    std_error: float
    df: float
    target: RankTarget
    toc: pd.Series[float]
    se_method: str
    pseudo_outcomes: AnySeries
    cautions: tuple[Warning, ...]

    @property
    def p_value(self) -> float:
        """The two-sided p-value for a rule that knows nothing."""
        return inference.two_sided_p(self.estimate, self.std_error, self.df)

    def conf_int(self, level: float = 0.95) -> tuple[float, float]:
        """Give the confidence interval of the area.

        Parameters
        ----------
        level : float, default 0.95
            Coverage of the interval.

        Returns
        -------
        tuple (low, high)

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
        >>> covariates = ["engagement_tier", "query_confidence"]
        >>> roles["covariates"] = covariates
        >>> found = ps.rank_effect(users, **roles, priority=-users["query_confidence"])
        >>> low, high = found.conf_int()
        >>> print(f"{low:.2f} to {high:.2f}")
        -0.06 to 0.05
        """
        checks.confidence_level(level)
        half_width = inference.half_width(self.std_error, level, self.df)
        return self.estimate - half_width, self.estimate + half_width

    @property
    def table(self) -> pd.DataFrame:
        """The area with its 95% interval, as `to_frame` gives it."""
        return self.to_frame()

    def to_frame(self, level: float = 0.95) -> pd.DataFrame:
        """Tabulate the area.

        Parameters
        ----------
        level : float, default 0.95
            Coverage of the interval.

        Returns
        -------
        DataFrame (1, 6)
            By target: `estimate`, `std_error`, `df`, `conf_low`, `conf_high`, `p_value`.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
        >>> covariates = ["engagement_tier", "query_confidence"]
        >>> roles["covariates"] = covariates
        >>> found = ps.rank_effect(users, **roles, priority=-users["query_confidence"], target="qini")
        >>> found.to_frame().shape
        (1, 6)
        """
        low, high = self.conf_int(level)
        names = ["estimate", "std_error", "df", "conf_low", "conf_high", "p_value"]
        row = [[self.estimate, self.std_error, self.df, low, high, self.p_value]]
        table = pd.DataFrame(row, index=pd.Index([self.target]), columns=names)
        table.attrs = {"level": level}
        return table

    def _headline(self) -> str:
        area = "area under the curve, AUTOC" if self.target == "autoc" else "Qini coefficient"
        lines = [f"Rank-weighted effect: {area}", f"Standard error: {self.se_method}"]
        lines.extend(f"Caution: {caution}" for caution in self.cautions)
        return "\n".join(lines)

    def _table(self) -> pd.DataFrame:
        return self.to_frame()


@columns_by_name
def rank_effect(  # noqa: PLR0913 - each is a choice a user may have to make, by name
    df: AnyFrame,
    *,
    outcome: str,
    treatment: str,
    covariates: Covariates,
    missing: Missing | None = None,
    min_level_count: int | None = None,
    priority: object,
    target: RankTarget = "autoc",
    outcome_covariates: Covariates | None = None,
    outcome_model: Learner = "linear",
    score_model: Learner = "logistic",
    penalty: float = 0.0,
    n_folds: int = 5,
    n_repeats: int = 1,
    seed: int | np.random.Generator | None = 0,
    cluster: object = None,
    sample_weight: object = None,
) -> RankEffect:
    """Tell whether a rule that says whom to treat first is worth anything.

    Those of the highest priority are taken first: how much larger is the effect on the first tenth than on
    all, on the first fifth, and so on? The mean of these differences over all parts is positive for a rule
    that finds those on whom the treatment does most, and 0 for one that might as well draw lots.

    Parameters
    ----------
    df : DataFrame
        pandas, polars or pyarrow; one row a unit.
    outcome, treatment : str
        Columns: what the treatment may have changed, a number or bool; and who got it, bool or 0/1.
    covariates : list of str, or str
        Columns known *before* the treatment, or the right-hand side of a formula.
    outcome_covariates : list of str, str, or None, default None
        Those of the outcome models; None takes the covariates.
    missing, min_level_count
        As for `fit_propensity`.
    priority : str, Series or array (n,)
        The rule: the larger, the earlier. A column known before the treatment, or what a model predicts that
        was fitted on other rows; rows of the same priority are drawn at random among each other. Where a
        small outcome is the good one, give the rule with its sign turned.
    target : {"autoc", "qini"}, default "autoc"
        "autoc": the mean of the differences, which finds a large effect on few rows best; "qini": their mean
        weighted by the part that is treated, which finds a small one on many.
    outcome_model, score_model : learner, default "linear" and "logistic"
        What is fitted to the outcome in each arm and to the treatment, as for `aipw`.
    penalty : float, default 0.0
        L2 strength on the coefficients of a logistic score, as for `fit_propensity`.
    n_folds, n_repeats, seed : int, default 5, 1 and 0
        Folds of the cross-fitting, at least two; how often the rows are split; where the draw starts.
    cluster, sample_weight : None, str, Series or array (n,), default None
        Whose rows vary together; how much of the population a row stands for. As for `aipw`.

    Returns
    -------
    RankEffect
        With its p-value, and the curve.

    Raises
    ------
    InvalidInputError, OverlapError, SeparationError, ConvergenceError, TypeError
        As for `aipw`; the priority is the outcome or the treatment, or the same for all rows.

    Warns
    -----
    BalanceWarning, OverlapWarning, SmallSampleWarning
        As for `aipw`.

    Notes
    -----
    A rule that was fitted on these rows has seen their outcomes, and looks better than it is: fit it on one
    half of the rows, and ask here with the other. Folds do not help, for rules of different folds hang
    together, and a mean over them is not normal where no rule knows anything.

    The standard error is that of the influence function of the area (Yadlowsky et al. 2025), of pseudo-
    outcomes as for `best_linear_projection`.

    References
    ----------
    Yadlowsky, Fleming, Shah, Brunskill and Wager (2025), JASA 120, 38.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> covariates = ["engagement_tier", "query_confidence"]
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode", "covariates": covariates}
    >>> rule = -users["query_confidence"]
    >>> found = ps.rank_effect(users, **roles, priority=rule)
    >>> print(f"{found.estimate:+.2f}, p = {found.p_value:.1f}")
    -0.00, p = 0.9
    """
    checks.choice("target", target, get_args(RankTarget))
    models = Models(outcome_model, score_model, penalty, n_folds, n_repeats, seed)
    tidying = Tidying.of(missing, min_level_count)
    one_outcome("rank_effect", outcome, treatment, covariates)
    roles = Roles(treatment, outcome, covariates, outcome_covariates, cluster, sample_weight, tidying)
    for name, role in ((treatment, "treatment"), (outcome, "outcome")):
        checks.column_name(role, name)
        if isinstance(priority, str) and priority == name:
            raise InvalidInputError(f"priority: column '{name}' is the {role}; name what was known before")
    if priority is None:
        raise InvalidInputError("priority: a rule is needed: a column, or a value for each row")
    found = PseudoOutcomes.read(df, roles, outcome, models, also={"priority": priority})
    values, subject = found.sample.frame.rowwise(priority, "priority")
    ranked = _ranked(found, values, subject)
    area, slope = ranked.area() if target == "autoc" else ranked.weighted_area()
    influence = np.zeros(len(values))
    influence[found.sample.present_rows] = len(values) * slope * ranked.weights
    parts = np.arange(1, 11) / 10
    return RankEffect(
        estimate=area,
        std_error=inference.std_error(influence, found.sample.clusters),
        df=inference.degrees_of_freedom(influence, found.sample.clusters),
        target=target,
        toc=pd.Series(ranked.curve(parts), index=pd.Index(parts, name="treated"), name="toc"),
        se_method=f"influence function; pseudo-outcomes {found.made}" + summed_within(found.sample.clusters),
        pseudo_outcomes=found.series(),
        cautions=found.cautions,
    )


def _ranked(found: PseudoOutcomes, priority: Floats, subject: str) -> Ranked:
    there = found.sample.present_rows
    if np.ptp(priority[there]) == 0:
        raise InvalidInputError(f"{subject} is the same for all rows, so that it puts nobody first")
    return Ranked.by(priority[there], found.values[there], found.weights[there])
