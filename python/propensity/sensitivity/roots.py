"""Where functions of one number get to zero, and how much of the normal law is beyond a number."""

from __future__ import annotations

import math
from collections.abc import Callable

# Halvings of an interval of numbers: the last ones move the root by less than its last digit.
_HALVINGS = 200


def normal_tail(value: float) -> float:
    """Give the chance that a normal deviate is larger, with all its digits however small it is."""
    return math.erfc(value / math.sqrt(2)) / 2


def crossing(is_before: Callable[[float], bool], low: float, high: float, tolerance: float = 0.0) -> float:
    """Find where something that holds at `low` and not at `high` stops to hold."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if middle in (low, high) or high - low <= tolerance:
            break
        low, high = (middle, high) if is_before(middle) else (low, middle)
    return high


def root(function: Callable[[float], float], low: float, high: float, *, tolerance: float) -> float:
    """Find a root between two numbers at which a continuous function has other signs, or is 0.

    By inverse quadratic interpolation where the last three points lie on a curve that allows it, and by
    halving otherwise (Chandrupatla 1997, Advances in Engineering Software 28:145).
    """
    # b is the last point, a the one across the root from it, c the one before.
    a, b, c = high, low, high
    at_a, at_b = function(a), function(b)
    at_c, share = at_a, 0.5
    for _ in range(_HALVINGS):
        if at_a == 0 or at_b == 0 or abs(b - a) <= tolerance:
            break
        guess = a + share * (b - a)
        found = function(guess)
        if (found > 0) == (at_a > 0):
            c, at_c = a, at_a
        else:
            c, b, at_c, at_b = b, a, at_b, at_a
        a, at_a = guess, found
        share = _interpolated((a, at_a), (b, at_b), (c, at_c))
        least = min(0.5, tolerance / (2 * abs(b - a))) if b != a else 0.5
        share = min(max(share, least), 1 - least)
    return a if abs(at_a) < abs(at_b) else b


def _interpolated(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    """Give how far from a to b the root is by a parabola through three points; a half where it is none."""
    if a[1] == b[1] or c[1] in (a[1], b[1]) or c[0] == b[0]:
        return 0.5
    x, y = (a[0] - b[0]) / (c[0] - b[0]), (a[1] - b[1]) / (c[1] - b[1])
    if not (y**2 < x and (1 - y) ** 2 < 1 - x):
        return 0.5
    slope = (c[0] - a[0]) / (b[0] - a[0])
    return a[1] / (b[1] - a[1]) * c[1] / (b[1] - c[1]) + slope * a[1] / (c[1] - a[1]) * b[1] / (c[1] - b[1])
