"""Student's law and Fisher's: quantiles and tails where few degrees of freedom are left, whole or not."""

from __future__ import annotations

import math
from statistics import NormalDist

_TINY = 1e-300
# From here on the first terms of series in 1 / df leave less than rounding.
_MANY = 1e4
_MOST_TERMS = 10_000
# Newton's steps square the error: after one of this size nothing is left. Far tails of few degrees of freedom
# take the most.
_SMALL_STEP = 1e-8
_MOST_STEPS = 60
_SOME = 10.0


def student_quantile(level: float, df: float) -> float:
    """Give how many standard errors a two-sided interval of this coverage reaches: 2.09 at 0.95 and df 19.

    Parameters
    ----------
    level : float
        Coverage, strictly between 0 and 1.
    df : float
        Degrees of freedom, above 0; infinitely many are the normal law.

    Returns
    -------
    float
    """
    normal = -NormalDist().inv_cdf(
        (1 - level) / 2
    )  # of the tail, which keeps its digits where the level is near 1
    if df >= _MANY:
        return _near_normal(normal, df)
    # The logarithm of the tail is nearly straight in that of t where few degrees make the tail heavy, so that
    # Newton's steps in both are safe from the normal quantile; of more degrees the series starts nearer.
    t, wanted = _near_normal(normal, df) if df >= _SOME else normal, 1 - level
    for _ in range(_MOST_STEPS):
        tail = two_sided(t, df)
        step = tail * math.log(tail / wanted) / (2 * _density(t, df) * t)
        t *= math.exp(min(step, 3.0))
        if abs(step) < _SMALL_STEP:
            break
    return t


def _near_normal(z: float, df: float) -> float:
    """Give the quantile from the normal one, by Fisher's expansion (Abramowitz and Stegun 1964, 26.7.5)."""
    terms = (
        (z**2 + 1) / 4,
        (5 * z**4 + 16 * z**2 + 3) / 96,
        (3 * z**6 + 19 * z**4 + 17 * z**2 - 15) / 384,
    )
    return z * (1 + sum(term / df**k for k, term in enumerate(terms, 1)))


def _density(t: float, df: float) -> float:
    log_constant = _log_gamma_ratio(df / 2) - math.log(df * math.pi) / 2
    return math.exp(log_constant - (df + 1) / 2 * math.log1p(t * t / df))


def two_sided(t: float, df: float) -> float:
    """Give the chance of a deviate of at least this size: I(df / (df + t^2); df / 2, 1 / 2).

    Of very many degrees of freedom by the normal law (Abramowitz and Stegun 1964, 26.7.8).
    """
    if t == 0.0 or math.isinf(t):
        return float(t == 0.0)
    if df >= _MANY**2 and t * t < df / _MANY:
        return math.erfc(abs(t) * (1 - 1 / (4 * df)) / math.sqrt(2 + t * t / df))
    return _incomplete_beta(df / 2, 0.5, t * t / df)


def upper(t: float, df: float) -> float:
    """Give the chance of a deviate above this."""
    half = two_sided(t, df) / 2
    return half if t > 0 else 1 - half


def fisher_upper(f: float, df: float, rest: float) -> float:
    """Give the chance of an F deviate above this, with `df` and `rest` degrees of freedom, `rest` finite.

    It is I(rest / (rest + df f); rest / 2, df / 2).
    """
    if f <= 0.0 or math.isinf(f):
        return float(f <= 0.0)
    return _incomplete_beta(rest / 2, df / 2, df * f / rest)


def _incomplete_beta(a: float, b: float, size: float) -> float:
    """Give the regularized I(x; a, b) at x = 1 / (1 + size): near 1 only `size` tells how near.

    By the continued fraction of Abramowitz and Stegun (1964), 26.5.8.
    """
    x, rest = 1 / (1 + size), size / (1 + size)
    if rest == 0.0:
        return 1.0
    log_front = -_log_beta(a, b) - a * math.log1p(size) + b * math.log(rest)
    front = math.exp(log_front)
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a
    return 1 - front * _fraction(rest, b, a) / b


def _log_beta(a: float, b: float) -> float:
    """Give the logarithm of B(a, b); gamma functions of large numbers leave few digits of their ratio."""
    if b == 0.5:
        return math.log(math.pi) / 2 - _log_gamma_ratio(a)
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _log_gamma_ratio(a: float) -> float:
    """Give log gamma(a + 1/2) - log gamma(a), which are alike in most of their digits where a is large."""
    if a < 100:
        return math.lgamma(a + 0.5) - math.lgamma(a)
    return math.log(a) / 2 - 1 / (8 * a) + 1 / (192 * a**3) - 1 / (640 * a**5)


def _fraction(x: float, a: float, b: float) -> float:
    """Give the continued fraction by Lentz's method."""
    c, d = 1.0, 1 / _away_from_0(1 - (a + b) * x / (a + 1))
    found = d
    for m in range(1, _MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for step in (even, odd):
            d, c = 1 / _away_from_0(1 + step * d), _away_from_0(1 + step / c)
            found *= c * d
        if abs(c * d - 1) < 1e-16:
            break
    return found


def _away_from_0(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
