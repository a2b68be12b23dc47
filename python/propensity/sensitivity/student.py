"""Student's law: its quantiles, for regressions of which few degrees of freedom are left."""

from __future__ import annotations

import math

from propensity.effects.inference import normal_quantile
from propensity.sensitivity.roots import root

_TINY = 1e-300
_MOST_TERMS = 10_000


def student_quantile(level: float, df: float) -> float:
    """Give how many standard errors a two-sided interval of this coverage reaches: 2.09 at 0.95 and df 19."""
    low = normal_quantile(level)  # below any of Student's
    high = 2 * low
    while two_sided(high, df) > 1 - level:
        low, high = high, 2 * high
    return root(lambda t: two_sided(t, df) - (1 - level), 0.99 * low, high, tolerance=1e-14 * high)


def two_sided(t: float, df: float) -> float:
    """Give the chance of a deviate of at least this size: I(df / (df + t^2); df / 2, 1 / 2).

    The regularized incomplete beta function is a continued fraction (Abramowitz and Stegun 1964, 26.5.8).
    """
    if t == 0.0 or math.isinf(t):
        return float(t == 0.0)
    a, size = df / 2, t * t / df
    x, rest = 1 / (1 + size), size / (1 + size)
    log_front = _log_gamma_ratio(a) - math.log(math.pi) / 2 - a * math.log1p(size) + math.log(rest) / 2
    front = math.exp(log_front)
    if x < (a + 1) / (a + 2.5):
        return front * _fraction(x, a, 0.5) / a
    return 1 - front * _fraction(rest, 0.5, a) / 0.5


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
