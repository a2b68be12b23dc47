"""A study: outcome, treatment and covariates said once, and everything that is asked of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from propensity.balance.result import Balance
from propensity.balance.tables import balance
from propensity.calls.keywords import answered_class, answered_methods
from propensity.effects.estimators import AIPW, IPW, Balancing, Estimator, RegressionAdjustment
from propensity.effects.grouped import GroupedEffects
from propensity.errors import InvalidInputError
from propensity.frames import checks, native
from propensity.frames.counted_rows import CountedTable, as_rows
from propensity.frames.native import AnyFrame
from propensity.frames.outcome_names import outcome_names
from propensity.frames.terms import Covariates, parse_covariates
from propensity.frames.tidying import Missing, Tidying
from propensity.outcomes.aipw import aipw
from propensity.overlap.overlap import Overlap, overlap
from propensity.resampling.bootstrap import bootstrap
from propensity.resampling.result import BootstrapResult
from propensity.scores.fit import fit_propensity
from propensity.scores.model import PropensityModel
from propensity.sensitivity.e_value import EValue
from propensity.sensitivity.robustness import robustness_value
from propensity.sensitivity.robustness_result import RobustnessValue
from propensity.study.check import check
from propensity.study.check_result import Check
from propensity.study.estimate import estimate
from propensity.study.estimates import NAIVE, Estimates, EstimatesByOutcome
from propensity.study.report_facts import tidying_of
from propensity.study.study_in_words import StudyInWords

if TYPE_CHECKING:
    from propensity.effects.effect import Effect

StudyEstimand: TypeAlias = Literal["ATE", "ATT", "ATC"]


@answered_class
class Study(StudyInWords):
    """An analysis said once: what was tried, what it may have changed, what was known before.

    Each method gives what the function of its name gives, worked out when it is first asked for and kept.

    Parameters
    ----------
    df : DataFrame or Cells
        pandas, polars or pyarrow; one row a unit; or users counted.
    outcome : str, or list of str
        What the treatment may have changed; of several the first is the one that verdicts are about, and
        `on` gives the study of another.
    treatment : str
        A column, bool or 0/1.
    covariates : list of str, or str
        Columns known before the treatment, or a formula, as for `fit_propensity`.
    missing, min_level_count
        As for `fit_propensity`: what to do with missing values and rare levels, in all that is asked.
    cluster, sample_weight : None, str, Series or array (n,), default None
        As for `ipw`.
    seed : int, default 0
        Where draws start: those of the bootstrap.
    estimand : {"ATE", "ATT", "ATC"}, default "ATE"
        Whose effect the sentences are about: everyone's, as nothing else was asked for.

    Raises
    ------
    InvalidInputError
        A column is unknown, or has two roles.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=5_000)
    >>> covariates = ["engagement_tier", "query_confidence"]
    >>> study = ps.Study(
    ...     users, outcome="task_completed", treatment="opt_in_agent_mode", covariates=covariates
    ... )
    >>> study.estimate()["AIPW ATE"].estimate == study.effect.estimate
    True
    """

    def __init__(
        self,
        df: AnyFrame,
        *,
        outcome: str | Sequence[str],
        treatment: str,
        covariates: Covariates,
        missing: Missing | None = None,
        min_level_count: int | None = None,
        cluster: object = None,
        sample_weight: object = None,
        seed: int = 0,
        estimand: StudyEstimand = "ATE",
    ) -> None:
        super().__init__()
        self.outcomes = outcome_names(outcome)
        checks.column_name("treatment", treatment)
        checks.count("seed", seed, minimum=0)
        keys = as_rows(df)
        summed = df.outcomes if isinstance(df, CountedTable) else ()
        checks.known([*self.outcomes, treatment], [*native.column_names(keys), *summed])
        self.columns = parse_covariates(covariates, keys, treatment=treatment, outcomes=self.outcomes).columns
        checks.known(self.columns, native.column_names(keys))
        checks.roles(treatment=treatment, outcomes=self.outcomes, covariates=self.columns)
        self.df, self.treatment, self.covariates = df, treatment, covariates
        self.outcome = outcome if isinstance(outcome, str) else self.outcomes
        self.tidying = Tidying.of(missing, min_level_count)
        self.cluster, self.sample_weight, self.seed = cluster, sample_weight, seed
        self.estimand: StudyEstimand = checks.estimand(estimand, get_args(StudyEstimand))

    def __repr__(self) -> str:
        several = len(self.outcomes) > 1
        outcome = repr(list(self.outcomes)) if several else repr(self.outcomes[0])
        return (
            f"Study(outcome={outcome}, treatment={self.treatment!r}, covariates={self.covariates!r}, "
            f"estimand={self.estimand!r})\n"
            "Next: study.check(), study.summary(), study.estimate(), study.report('study.html')"
        )

    # What it is made of

    @property
    def model(self) -> PropensityModel:
        """The score model, as `fit_propensity` gives it."""
        options = {**self._design, **self._weighted}
        found: PropensityModel = self._once("model", lambda: fit_propensity(self.df, **options))
        return found

    def check(self) -> Check:
        """Look the table over, as `propensity.check` does.

        Returns
        -------
        Check

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"treatment": "opt_in_agent_mode", "covariates": ["engagement_tier"]}
        >>> study = ps.Study(users, outcome="task_completed", **roles)
        >>> study.check().ok
        True
        """
        cluster = self.cluster if isinstance(self.cluster, str) else None
        missing = None if self.tidying is None else self.tidying.missing
        options = {**self._roles, "outcome": self.outcomes, "cluster": cluster, "missing": missing}
        return self._once("check", lambda: check(self.df, **options))

    def overlap(self, by: str | Sequence[str] | None = None) -> Overlap:
        """Describe where the scores of both arms lie, as `propensity.overlap` does.

        Parameters
        ----------
        by : None, str or list of str, default None
            Columns whose values are groups.

        Returns
        -------
        Overlap

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"treatment": "opt_in_agent_mode", "covariates": ["engagement_tier"]}
        >>> study = ps.Study(users, outcome="task_completed", **roles)
        >>> study.overlap().quantiles.index.tolist()
        ['treated', 'control']
        """
        options = {"treatment": self.treatment, "scores": self.model, "by": by, **self._weighted}
        return self._once(f"overlap {by!r}", lambda: overlap(self.df, **options))

    def estimate(self, estimators: Sequence[Estimator] | None = None) -> Estimates | EstimatesByOutcome:
        """Estimate the effect in several ways, as `propensity.estimate` does.

        Parameters
        ----------
        estimators : sequence of Estimator, or None, default None
            None takes those of `propensity.estimate`; for the ATC weighting, AIPW and balancing for it.

        Returns
        -------
        Estimates, or EstimatesByOutcome for a list of outcomes

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"treatment": "opt_in_agent_mode", "covariates": ["engagement_tier"]}
        >>> study = ps.Study(users, outcome="task_completed", **roles)
        >>> list(study.estimate([ps.IPW("ATE")]))
        ['naive gap', 'IPW ATE']
        """
        given = self._usual_estimators if estimators is None else _as_given(estimators)
        options: dict[str, Any] = {} if given is None else {"estimators": given}
        shared = {**self._design, **self._weighted, "cluster": self.cluster, **options}
        return self._once(f"estimate {given!r}", lambda: estimate(self.df, outcome=self.outcome, **shared))

    @property
    def estimates(self) -> Estimates:
        """What `estimate` gives for the outcome that sentences are about."""
        found = self.estimate()
        return found if isinstance(found, Estimates) else found[self.outcomes[0]]

    @property
    def effect(self) -> Effect:
        """The effect that sentences are about: by AIPW, or by the first of the others if that cannot be had.

        Right if the score model or the outcome models are, which none of the others is.
        """
        found = self.estimates.effects
        usual = f"AIPW {self.estimand}"
        label = (
            usual
            if usual in found
            else next(
                (label for label, one in found.items() if label != NAIVE and one.estimand == self.estimand),
                None,
            )
        )
        if label is None:
            raise InvalidInputError(f"estimand: no estimator of the {self.estimand} could be had")
        return found[label]  # type: ignore[return-value]

    @property
    def effect_label(self) -> str:
        """What the effect that sentences are about is called in tables."""
        effect = self.effect
        return next(label for label, one in self.estimates.effects.items() if one is effect)

    def balance(self) -> Balance:
        """Tabulate balance before and after each weighting that `estimate` rests on, as `propensity.balance`.

        Returns
        -------
        Balance
            Of the sample as it is, and of those effects for the estimand that weigh rows: by the score, and
            exactly.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"treatment": "opt_in_agent_mode", "covariates": ["engagement_tier"]}
        >>> study = ps.Study(users, outcome="task_completed", **roles)
        >>> study.balance().samples
        ('unadjusted', 'IPW ATE', 'EB ATE')
        """
        weightings = {
            label: effect
            for label, effect in self.estimates.effects.items()
            if label in (f"IPW {self.estimand}", f"EB {self.estimand}")
        }
        options = {**self._design, "weights": weightings or None, **self._weighted}
        return self._once("balance", lambda: balance(self.df, **options))

    def by(self, column: str | Sequence[str], *, within: bool = False) -> GroupedEffects:
        """Estimate the effect in groups, as ``propensity.aipw(..., by=, within=)`` does.

        Parameters
        ----------
        column : str, or list of str
            A column whose values are the groups, or several whose combinations are.
        within : bool, default False
            Fit the models anew within each group, rather than once to all rows.

        Returns
        -------
        GroupedEffects
            On the first of several outcomes.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"treatment": "opt_in_agent_mode", "covariates": ["engagement_tier"]}
        >>> study = ps.Study(users, outcome="task_completed", **roles)
        >>> list(study.by("engagement_tier"))
        ['heavy', 'light', 'medium']
        """
        options = {**self._design, **self._weighted, "cluster": self.cluster, "estimand": self.estimand}
        return self._once(
            f"by {column!r} {within}",
            lambda: aipw(self.df, outcome=self.outcomes[0], by=column, within=within, **options),
        )

    def sensitivity(self) -> EValue:
        """Say how strong a hidden confounder would have to be, as ``effect.e_value()`` does.

        Returns
        -------
        EValue

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"treatment": "opt_in_agent_mode", "covariates": ["engagement_tier"]}
        >>> study = ps.Study(users, outcome="task_completed", **roles)
        >>> study.sensitivity().point >= study.sensitivity().limit
        True
        """
        return self._once("sensitivity", self.effect.e_value)

    def robustness(self) -> RobustnessValue:
        """Say how much a hidden confounder would have to explain, as `propensity.robustness_value` does.

        Returns
        -------
        RobustnessValue
            Of the first of several outcomes: of a linear regression, and with clusters of AIPW.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"treatment": "opt_in_agent_mode", "covariates": ["engagement_tier"]}
        >>> study = ps.Study(users, outcome="task_completed", **roles)
        >>> 0 < study.robustness().value < 1
        True
        """
        options = {**self._design, **self._weighted, "outcome": self.outcomes[0]}
        if self.cluster is not None:  # of which least squares know nothing
            options |= {"cluster": self.cluster, "estimator": AIPW(self.estimand)}
        return self._once("robustness", lambda: robustness_value(self.df, **options))

    def bootstrap(
        self, estimators: Sequence[Estimator] | None = None, *, n_reps: int = 500
    ) -> BootstrapResult:
        """Resample the analysis, as `propensity.bootstrap` does.

        Parameters
        ----------
        estimators : sequence of Estimator, or None, default None
            None takes weighting and AIPW for the estimand.
        n_reps : int, default 500
            Replicates.

        Returns
        -------
        BootstrapResult
            On the first of several outcomes.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"treatment": "opt_in_agent_mode", "covariates": ["engagement_tier"]}
        >>> study = ps.Study(users, outcome="task_completed", **roles)
        >>> study.bootstrap(n_reps=10).replicates.shape
        (10, 2)
        """
        given = _as_given(estimators or (IPW(self.estimand), AIPW(self.estimand)))
        options = {**self._design, **self._weighted, "cluster": self.cluster, "n_reps": n_reps}
        return self._once(
            f"bootstrap {n_reps} {given!r}",
            lambda: bootstrap(self.df, outcome=self.outcomes[0], estimators=given, seed=self.seed, **options),
        )

    # Inside

    @property
    def _roles(self) -> dict[str, Any]:
        return {"treatment": self.treatment, "covariates": self.covariates}

    @property
    def _design(self) -> dict[str, Any]:
        return {**self._roles, **tidying_of(self)}

    @property
    def _weighted(self) -> dict[str, Any]:
        return {"sample_weight": self.sample_weight}

    @property
    def _usual_estimators(self) -> tuple[Estimator, ...] | None:
        """The estimators of the ATC; None for the others, which the default of `estimate` has."""
        if self.estimand != "ATC":
            return None
        return IPW("ATC"), AIPW("ATC"), Balancing("ATC"), RegressionAdjustment("ATC")


def _as_given(estimators: Sequence[Estimator]) -> Sequence[Estimator]:
    """Keep a list of specifications from changing; leave what is none to those who say so."""
    return tuple(estimators) if isinstance(estimators, list | tuple) else estimators


answered_methods(Study)
