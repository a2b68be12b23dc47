"""Whether several effects are one and the same: Wald's statistic of their differences, by Welch's law."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from propensity.effects import student
from propensity.errors import InvalidInputError
from propensity.frames.checks import Floats

# The share of a difference's variance, below which what is left of it beside the others is rounding.
_SINGULAR = 1e-10

# Degrees of freedom of a denominator from which F is chi-squared to six digits.
_MANY = 1e6


@dataclass(frozen=True)
class EqualityTest:
    """What a test that all groups have the same effect says; `str()` of it is the sentence.

    Attributes
    ----------
    p_value : float
        How likely estimates at least as far apart are where the effects are the same.
    statistic : float
        Wald's, the differences from the first group, squared in the measure of their covariance, over `df`
        and what its being estimated adds (Welch 1951): F.
    df : int
        Its degrees of freedom: the number of groups that have an effect with an error, less one.
    df_rest : float
        Those of its denominator.
    sentence : str
        All of it in words.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    >>> covariates = ["engagement_tier", "query_confidence"]
    >>> effects = ps.aipw(users, **roles, covariates=covariates, by="engagement_tier")
    >>> test = effects.test_equal()
    >>> print(f"p = {test.p_value:.1f}, {test.df} degrees of freedom")
    p = 0.1, 2 degrees of freedom
    """

    p_value: float
    statistic: float
    df: int
    df_rest: float
    sentence: str

    def __str__(self) -> str:
        return self.sentence


def tested_for_equality(estimates: Floats, covariance: Floats, degrees: Floats, words: str) -> EqualityTest:
    """Test k estimates that vary jointly for being of one number, on the scale of their errors.

    Parameters
    ----------
    estimates, covariance : ndarray (k,) and (k, k)
    degrees : ndarray (k,)
        Degrees of freedom of each estimate's own error.
    words : str
        What they are estimates of.

    Notes
    -----
    Welch (1951, Biometrika 38, 330) for means of independent groups, whose weighted sum of squares is Wald's
    statistic; where estimates share models it is this in its place. With two groups it is Student's t with
    Satterthwaite's degrees of freedom, of very many the chi-squared test.

    Raises
    ------
    InvalidInputError
        There are fewer than two, or they do not vary independently of each other.
    """
    if len(estimates) < 2:
        raise InvalidInputError(f"{len(estimates)} of the groups has an effect with an error; it takes two")
    gaps = estimates[1:] - estimates[0]
    spread = covariance[1:, 1:] - covariance[:1, 1:] - covariance[1:, :1] + covariance[0, 0]
    errors = np.sqrt(np.diag(spread))
    root = _cholesky(spread / np.outer(errors, errors))
    if root is None:
        raise InvalidInputError(
            "the estimates of the groups do not vary independently of each other, as those of more groups "
            "than there are clusters: group more coarsely"
        )
    z = np.linalg.solve(root, gaps / errors)
    wald, df = float(z @ z), len(gaps)
    weights = 1 / np.diag(covariance)
    unsure = float(((1 - weights / weights.sum()) ** 2 / degrees).sum())
    k = df + 1
    statistic = wald / df / (1 + 2 * (k - 2) / (k**2 - 1) * unsure)
    rest = (k**2 - 1) / (3 * unsure) if unsure > 0 else math.inf
    p = chi_squared_p(statistic * df, df) if rest > _MANY else student.fisher_upper(statistic, df, rest)
    sentence = (
        f"The {words} against one and the same in all {k} groups: p = {p:.3g} (Welch's F {statistic:.4g} on "
        f"{df} and {rest:,.0f} degrees of freedom)."
    )
    return EqualityTest(p, statistic, df, rest, sentence)


def _cholesky(correlation: Floats) -> Floats | None:
    """Give the lower root of correlations; None where what one has beside the others is only rounding."""
    try:
        root: Floats = np.asarray(np.linalg.cholesky(correlation), dtype=np.float64)
    except np.linalg.LinAlgError:
        return None
    return root if float(np.diag(root).min()) ** 2 > _SINGULAR else None


def chi_squared_p(statistic: float, df: int) -> float:
    """Give the chance of a chi-squared deviate above `statistic`, by its finite sum.

    With x half the statistic, it is exp(-x) times the sum of x^i / i! over i below df / 2 for even degrees of
    freedom; for odd ones i runs over halves, and erfc(sqrt(x)) comes to it (Abramowitz and Stegun 1964,
    26.4.4 and 26.4.5).
    """
    x = statistic / 2
    if x <= 0:
        return 1.0
    first = 0.0 if df % 2 == 0 else 0.5
    powers = np.arange(first, df / 2)
    terms = (math.exp(i * math.log(x) - x - math.lgamma(i + 1)) for i in powers)
    return min(math.fsum(terms) + (math.erfc(math.sqrt(x)) if df % 2 else 0.0), 1.0)
