"""Placebos: the same analysis where the answer is known, and with a covariate left out on purpose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from propensity.effects import inference
from propensity.effects.asked_estimators import check_estimator
from propensity.effects.effect import Effect
from propensity.effects.estimators import AIPW, Estimator
from propensity.effects.subclass_specification import AnyMatching
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.by_name import columns_by_name
from propensity.frames.native import AnyFrame
from propensity.frames.one_column import one_outcome
from propensity.frames.outcome_names import outcome_names
from propensity.frames.terms import Covariates, parse_covariates, without_columns
from propensity.frames.tidying import Missing, Tidying
from propensity.outcomes.models import Roles
from propensity.sensitivity.answer import Answer
from propensity.sensitivity.benchmarks import Benchmarks, read_benchmarks
from propensity.study.estimate import effect_by, terms_of

_EFFECT, _PLACEBO, _LEFT_OUT = "effect", "placebo", "left out"


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Placebo(Answer):
    """An effect beside effects that must be none, and beside itself with covariates left out.

    Attributes
    ----------
    table : DataFrame (1 + p + c, 10)
        By name, the outcome first, then the placebo outcomes, then what was left out. `role` is "effect",
        "placebo" or "left out"; `estimate`, `std_error`, `conf_low`, `conf_high` and `p_value` are those of
        the same analysis; `p_holm` counts all placebos together (Holm), and `in_std_dev` is the estimate in
        standard deviations of its outcome. Of what was left out, `shift` is by how much that moves the
        effect, `shift_std_error` the error of this, and `times` how many times as strong as that a hidden
        confounder would have to be to make all of the effect: NaN where there is no such number.
    estimator : str
        The label of the estimator.
    outcome : str
        The column of the outcome itself.
    level : float
        Coverage of the intervals.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    >>> covariates = ["engagement_tier", "query_confidence"]
    >>> found = ps.placebo(users, **roles, covariates=covariates, placebo_outcomes="signup_week")
    >>> found.table["estimate"].round(2)
    task_completed    0.14
    signup_week       0.66
    Name: estimate, dtype: float64
    """

    table: pd.DataFrame
    estimator: str
    outcome: str
    level: float

    def _sentence(self) -> str:
        table = self.table
        effect = table.iloc[0]
        words = [f"the effect on {self.outcome} is {_number(effect)}"]
        for name, row in table[table["role"] == _PLACEBO].iterrows():
            words.append(self._of_placebo(str(name), row))
        for name, row in table[table["role"] == _LEFT_OUT].iterrows():
            words.append(_of_left_out(str(name), row, effect["estimate"]))
        return "; ".join(words)

    def _of_placebo(self, name: str, row: pd.Series[float]) -> str:
        if row["p_holm"] < 1 - self.level:
            share = abs(row["in_std_dev"] / self.table["in_std_dev"].iloc[0])
            beside = (
                f", {share:.0%} of the effect's size in standard deviations" if math.isfinite(share) else ""
            )
            return (
                f"{name}, which cannot have moved, moved by {_number(row)}{beside}: something is left that "
                "the covariates do not account for"
            )
        return f"{name}, which cannot have moved, did not, as far as can be seen: {_number(row)}"

    def _headline(self) -> str:
        return f"Placebo ({self.estimator}): {self._sentence()}"


def _number(row: pd.Series[float]) -> str:
    return f"{row['estimate']:+.4g} [{row['conf_low']:.4g}, {row['conf_high']:.4g}]"


def _of_left_out(name: str, row: pd.Series[float], estimate: float) -> str:
    words = f"leaving out {name} moves the effect from {estimate:+.4g} to {row['estimate']:+.4g}"
    if math.isnan(row["times"]):
        return f"{words}, so that a confounder like it would hide some of the effect, and not make it"
    times = f"{row['times']:,.0f}" if row["times"] >= 10 else f"{row['times']:.2g}"
    return f"{words}; a hidden confounder would have to be {times} times as strong to make all of it"


@columns_by_name
def placebo(  # noqa: PLR0913 - each is a choice a user may have to make, by name
    df: AnyFrame,
    *,
    outcome: str,
    treatment: str,
    covariates: Covariates,
    missing: Missing | None = None,
    min_level_count: int | None = None,
    placebo_outcomes: str | Sequence[str] = (),
    leave_out: Benchmarks = (),
    estimator: Estimator | None = None,
    outcome_covariates: Covariates | None = None,
    penalty: float = 0.0,
    cluster: object = None,
    sample_weight: object = None,
    level: float = 0.95,
) -> Placebo:
    """Ask the same analysis what it must not find, and how much one covariate does to what it finds.

    A placebo outcome is one that the treatment cannot have moved: what was measured before it (last month's
    sessions), or what has nothing to do with it (a negative control). Whatever moves it all the same moves
    the outcome too. And with a covariate left out on purpose the estimate has the bias that this one would
    make if it were hidden: a measure of what a hidden one may do.

    Parameters
    ----------
    df : DataFrame
        pandas, polars or pyarrow; one row a unit.
    outcome, treatment : str
        Columns: what the treatment may have changed, a number or bool; and who got it, bool or 0/1.
    covariates : list of str, or str
        Columns known *before* the treatment, or the right-hand side of a formula.
    missing, min_level_count
        As for `fit_propensity`.
    placebo_outcomes : str or list of str, default none
        Columns that the treatment cannot have moved, and that are not among the covariates: what is adjusted
        for is moved by nothing.
    leave_out : list of str and of lists of str, default none
        Columns among the covariates to leave out, each by itself, or a list of them together.
    estimator : Estimator or None, default None
        The analysis, the same for all; None takes `AIPW("ATE")`.
    outcome_covariates : list of str, str, or None, default None
        Those of outcome models; None takes the covariates.
    penalty : float, default 0.0
        L2 strength on the coefficients of logistic scores, as for `fit_propensity`.
    cluster, sample_weight : None, str, Series or array (n,), default None
        Whose rows vary together; how much of the population a row stands for. As for `estimate`.
    level : float, default 0.95
        Coverage of the intervals; placebos are said to have moved where their p-value, adjusted for their
        number, is below 1 - level.

    Returns
    -------
    Placebo
        With `table`, where the effect and all placebos stand side by side; `str()` is a sentence.

    Raises
    ------
    InvalidInputError
        As for the function of the estimator; there is neither a placebo outcome nor a covariate to leave out;
        one of them is in another role.

    Warns
    -----
    BalanceWarning, OverlapWarning, SeparationWarning, SmallSampleWarning, CollinearityWarning
        As for the function of the estimator, of the effect itself.

    Notes
    -----
    That a placebo did not move says as much as its interval is narrow, and nothing of confounders that do
    not move it. The error of a shift is by the influence values of both estimates together; matching with
    covariates as distances has none.

    References
    ----------
    Lipsitch, Tchetgen Tchetgen and Cohen (2010), Epidemiology 21:383. Rosenbaum (1989), Statistical Science
    4:267. Holm (1979), Scandinavian Journal of Statistics 6:65.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> found = ps.placebo(
    ...     users,
    ...     outcome="task_completed",
    ...     treatment="opt_in_agent_mode",
    ...     covariates=["engagement_tier", "query_confidence"],
    ...     placebo_outcomes="signup_week",
    ...     leave_out=["engagement_tier"],
    ... )
    >>> found.table[["role", "estimate", "conf_low", "conf_high"]].round(2)
                         role  estimate  conf_low  conf_high
    task_completed     effect      0.14      0.08       0.19
    signup_week       placebo      0.66     -1.05       2.37
    engagement_tier  left out      0.23      0.19       0.28
    """
    one_outcome("placebo", outcome, treatment, covariates)
    checks.confidence_level(level)
    spec = AIPW() if estimator is None else estimator
    check_estimator(spec, penalty)
    if isinstance(spec, AnyMatching) and cluster is not None:
        raise InvalidInputError("cluster: matching has no cluster; leave it out, or take another estimator")
    names = _placebo_names(placebo_outcomes, outcome)
    groups = read_benchmarks(leave_out, parse_covariates(covariates, df).columns, "leave_out")
    if not names and not groups:
        raise InvalidInputError(
            "placebo: nothing to look at; name outcomes that cannot have moved (placebo_outcomes=), or "
            "covariates to leave out on purpose (leave_out=)"
        )
    tidying = Tidying.of(missing, min_level_count)
    roles = Roles(treatment, outcome, covariates, outcome_covariates, cluster, sample_weight, tidying)
    effect = effect_by(spec, df, roles, outcome, penalty)
    placebos = {
        name: effect_by(spec, df, replace(roles, outcome=name), name, penalty, silent=True) for name in names
    }
    # Rows that a model without some columns cannot tell apart differ in them: a shift is that of each row.
    split = isinstance(spec, AIPW) and spec.is_cross_fitted and bool(groups)
    beside = terms_of(spec, df, roles) if split else ()
    without = {
        label: effect_by(spec, df, _fewer(roles, df, own), outcome, penalty, silent=True, beside=beside)
        for label, own in groups.items()
    }
    return Placebo(
        table=_table(outcome, effect, placebos, without, level),
        estimator=spec.label,
        outcome=outcome,
        level=level,
    )


def _placebo_names(placebo_outcomes: object, outcome: str) -> list[str]:
    """Read the placebo outcomes, none of which is the outcome."""
    if placebo_outcomes is None or (isinstance(placebo_outcomes, list | tuple) and not placebo_outcomes):
        return []
    names = outcome_names(placebo_outcomes)  # type: ignore[arg-type]
    if outcome in names:
        raise InvalidInputError(
            f"placebo_outcomes: '{outcome}' is the outcome itself, which the treatment may move"
        )
    return names


def _fewer(roles: Roles, df: AnyFrame, columns: Sequence[str]) -> Roles:
    """Leave columns out of all models."""
    outcome_covariates = roles.outcome_covariates
    if outcome_covariates is not None:
        outcome_covariates = without_columns(outcome_covariates, df, columns)
    fewer = without_columns(roles.covariates, df, columns)
    return replace(roles, covariates=fewer, outcome_covariates=outcome_covariates)


def _table(
    outcome: str,
    effect: Effect,
    placebos: dict[str, Effect],
    without: dict[str, Effect],
    level: float,
) -> pd.DataFrame:
    """Put all of them side by side."""
    rows = {outcome: _row(_EFFECT, effect, level)}
    rows |= {name: _row(_PLACEBO, found, level) for name, found in placebos.items()}
    holm = inference.holm(np.array([found.p_value for found in placebos.values()]))
    for name, p in zip(placebos, holm, strict=True):
        rows[name]["p_holm"] = p
    for label, found in without.items():
        name = label if label not in rows else f"{label} (left out)"
        rows[name] = _row(_LEFT_OUT, found, level) | _shift(effect, found)
    columns = ["role", "estimate", "std_error", "conf_low", "conf_high", "p_value", "p_holm", "in_std_dev"]
    return pd.DataFrame.from_dict(
        rows, orient="index", columns=[*columns, "shift", "shift_std_error", "times"]
    )


def _row(role: str, effect: Effect, level: float) -> dict[str, object]:
    spread = effect.outcome_std_dev
    return {
        "role": role,
        "estimate": effect.estimate,
        "std_error": effect.std_error,
        **effect.conf_int(level)._asdict(),
        "p_value": effect.p_value,
        "in_std_dev": effect.estimate / spread if spread > 0 else math.nan,
    }


def _shift(effect: Effect, without: Effect) -> dict[str, object]:
    """Say by how much leaving covariates out moves the effect, and how much more of it would make all."""
    shift = without.estimate - effect.estimate
    error = math.nan
    if effect.influence is not None and without.influence is not None:
        clusters = inference.joined(effect.clusters, without.clusters)
        error = inference.std_error(without.influence - effect.influence, clusters)
    towards = shift * effect.estimate > 0
    return {
        "shift": shift,
        "shift_std_error": error,
        "times": effect.estimate / shift if towards else math.nan,
    }
