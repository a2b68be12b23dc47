"""Slow twins of balance, overlap, trimming and subclasses."""

from __future__ import annotations

import math

import numpy as np

from oracle.twins import EPS, Expected, UndecidedError, balancing, ess, mean, slack, variance

# Balance


def is_binary(column: np.ndarray) -> bool:
    return bool(np.isin(column, (0.0, 1.0)).all())


def spread(column: np.ndarray, rows: np.ndarray, w: np.ndarray) -> np.longdouble:
    """The variance among some rows that differences are divided by; of zeros and ones p (1 - p)."""
    if is_binary(column):
        p = mean(column[rows], w[rows])
        return p * (1 - p)
    return variance(column[rows], w[rows])


def balance(
    x: np.ndarray, t: np.ndarray, base: np.ndarray, w: np.ndarray, denominator: str
) -> dict[str, Expected]:
    """Every measure of balance of every column (d), in one sample."""
    found: dict[str, list[tuple[float, float]]] = {
        name: []
        for name in ("mean_treated", "mean_control", "smd", "variance_ratio", "ks", "ecdf_difference")
    }
    relative, of_ratio = _digits(t, base), _digits(t, w)
    for column in x.T:
        m1, m0 = mean(column[t], w[t]), mean(column[~t], w[~t])
        unit = {
            "pooled": lambda c=column: (spread(c, t, base) + spread(c, ~t, base)) / 2,
            "treated": lambda c=column: spread(c, t, base),
            "control": lambda c=column: spread(c, ~t, base),
            "all": lambda c=column: spread(c, t | ~t, base),
        }[denominator]()
        far = EPS * float(np.abs(column).max(initial=0))
        if np.ptp(column) == 0:
            unit = 0.0  # also where a single row has no variance
        if not np.isfinite(unit):
            raise UndecidedError("a single row has no variance")
        unit = float(np.sqrt(unit))
        if unit <= 64 * far and np.ptp(column):
            _require_sure(column, t)
        difference = float(m1 - m0)
        smd = (
            difference / unit
            if unit
            else (0.0 if abs(difference) <= 8 * far else np.copysign(np.inf, difference))
        )
        found["mean_treated"].append((float(m1), slack(column)))
        found["mean_control"].append((float(m0), slack(column)))
        found["smd"].append((smd, relative * (1 + abs(smd)) + (8 * far / unit if unit else 0.0)))
        found["variance_ratio"].append(_ratio(column, t, w, of_ratio))
        gaps = _gaps(column, t, w)
        found["ks"].append((max(gaps), 1e-10))
        found["ecdf_difference"].append((sum(gaps) / len(gaps), 1e-10))
    return {
        name: Expected(*(np.array(part, dtype=float) for part in zip(*values, strict=True)))
        for name, values in found.items()
        if values
    }


def _digits(t: np.ndarray, w: np.ndarray) -> float:
    """What a variance may be off by: its divisor 1 - sum w^2 loses what one row has of an arm's weight."""
    shares = [w[arm].astype(np.longdouble) / w[arm].sum() for arm in (t, ~t)]
    least = min(float((own * (1 - own)).sum()) for own in shares)
    off = 1e-9 + 8 * EPS / least if least else np.inf
    if off > 1e-4:
        raise UndecidedError("one row has an arm's weight")
    return off


def _require_sure(column: np.ndarray, t: np.ndarray) -> None:
    for arm in (t, ~t):
        if 0 < np.ptp(column[arm]) <= 1e3 * EPS * np.abs(column).max():
            raise UndecidedError("a column varies in its last digits alone")


def _ratio(column: np.ndarray, t: np.ndarray, w: np.ndarray, digits: float) -> tuple[float, float]:
    """The ratio of variances, and what it may be off by: more where an arm hardly varies."""
    if is_binary(column) or np.ptp(column) == 0:
        return np.nan, 0.0
    arms, off = [], 10 * digits
    for arm in (t, ~t):
        used = column[arm][w[arm] > 0]
        if 0 < np.ptp(used) <= 1e4 * EPS * np.abs(column).max():
            raise UndecidedError("a column varies in its last digits alone")
        if (w[arm] > 0).sum() < 2:
            raise UndecidedError("one row has no variance")
        arms.append(0.0 if np.ptp(used) == 0 else float(variance(column[arm], w[arm])))
        if arms[-1]:
            off += 32 * EPS * float(np.abs(column).max()) / np.sqrt(arms[-1])
    if not any(arms):
        raise UndecidedError("neither arm varies")
    ratio = arms[0] / arms[1] if arms[1] else np.inf
    return ratio, off * ratio if np.isfinite(ratio) else 0.0


def _gaps(column: np.ndarray, t: np.ndarray, w: np.ndarray) -> list[float]:
    shares = [np.where(arm, w, 0) / w[arm].sum() for arm in (t, ~t)]
    if is_binary(column):
        return [abs(float(shares[0] @ column - shares[1] @ column))]
    return [
        abs(float(shares[0][column <= v].sum() - shares[1][column <= v].sum())) for v in np.unique(column)
    ]


# Overlap, trimming, truncation, subclasses


def overlap(e: np.ndarray, t: np.ndarray) -> dict[str, Expected]:
    """Where the scores of the arms lie, in the words of `ps.overlap`'s tables."""
    low, high = max(e[t].min(), e[~t].min()), min(e[t].max(), e[~t].max())
    answers = {
        "low": Expected(low if low <= high else np.nan, 0.0),
        "high": Expected(high if low <= high else np.nan, 0.0),
    }
    largest = max(abs((e[t] <= v).mean() - (e[~t] <= v).mean()) for v in e)
    answers["overlap_coefficient"] = Expected(1 - largest, 1e-12)
    for name, arm in (("treated", t), ("control", ~t)):
        inside = (e[arm] >= low) & (e[arm] <= high)
        answers[f"outside {name}"] = Expected(1 - inside.mean(), 1e-12)
        answers[f"50% {name}"] = Expected(float(np.median(e[arm])), 1e-15)
        for estimand in ("ATE", "ATT", "ATC", "ATO", "ATM"):
            w = balancing(e, t, estimand)[arm]
            answers[f"ess {estimand} {name}"] = Expected(ess(w), 1e-9 * arm.sum())
            answers[f"largest_share {estimand} {name}"] = Expected(w.max() / w.sum(), 1e-10)
    return answers


def crump(e: np.ndarray) -> float:
    """The least a whose rows from a to 1 - a have g <= 2 mean g, by looking at every set of rows there is."""
    g = 1 / (e * (1 - e))
    kept = [limit for limit in g if limit <= 2 * g[g <= limit].mean() * (1 + 1e-12)]
    if g.max() <= 2 * g.mean():
        return 0.0
    limit = 2 * g[g <= max(kept)].mean()
    if any(abs(one - 2 * g[g <= one].mean()) < 1e-9 * one for one in g):
        raise UndecidedError("whether a row is trimmed hangs on rounding")
    return 0.5 - float(np.sqrt(0.25 - 1 / limit))


def quantile(values: np.ndarray, w: np.ndarray, q: float) -> float:
    """The weighted quantile of R's Hmisc (`wtd.quantile`, `normwt=TRUE`): each value w wide, n in all.

    Raises
    ------
    UndecidedError
        A value ends where the quantile stands, but for rounding.
    """
    order = np.argsort(values, kind="stable")
    ends = np.cumsum(w[order].astype(np.longdouble)) * len(w) / w.astype(np.longdouble).sum()
    place = 1 + (len(w) - 1) * q

    def standing_at(whole: float) -> float:
        gap = np.abs(ends - whole)
        if ((gap > 1e-12 * len(w)) & (gap < 1e-6)).any():
            raise UndecidedError("a quantile stands where a value nearly ends")
        reached = np.flatnonzero(ends >= whole - 1e-9)
        return float(values[order][reached[0] if len(reached) else -1])

    below = math.floor(place + 1e-12)
    if abs(place - round(place)) < 1e-9:
        below = round(place)
        return standing_at(below)
    return (1 - place + below) * standing_at(below) + (place - below) * standing_at(below + 1)


def subclasses(
    e: np.ndarray, t: np.ndarray, focal: np.ndarray, w: np.ndarray, n_asked: int, least: int
) -> np.ndarray:
    """Which interval between quantiles of the focal rows' scores each row is in, 1 upwards.

    A score on a cut is above it. While an interval has fewer than `least` rows of an arm, the first such is
    put together with the neighbour of fewer rows, the lower one of two alike.
    """
    cuts = np.array([quantile(e[focal], w[focal], place / n_asked) for place in range(1, n_asked)])
    near = np.abs(e[:, None] - cuts) if n_asked > 1 else np.ones((len(e), 1))
    if ((near > 1e-13) & (near < 1e-11)).any():
        raise UndecidedError("a score is nearly on a cut")
    place = (e[:, None] >= cuts - 1e-12).sum(axis=1)
    groups = [np.flatnonzero(place == s) for s in range(n_asked)]
    while len(groups) > 1:
        small = [s for s, rows in enumerate(groups) if min(t[rows].sum(), (~t[rows]).sum()) < least]
        if not small:
            break
        s = small[0]
        beside = [b for b in (s - 1, s + 1) if 0 <= b < len(groups)]
        other = min(beside, key=lambda b: (len(groups[b]), b))
        first, second = sorted((s, other))
        groups[first : second + 1] = [np.concatenate([groups[first], groups[second]])]
    labels = np.zeros(len(e), dtype=int)
    for number, rows in enumerate(groups, start=1):
        labels[rows] = number
    return labels


def subclass_weights(labels: np.ndarray, t: np.ndarray, focal: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Rows weighed so that in each subclass both arms weigh what its focal rows do."""
    w = np.zeros(len(labels))
    for label in np.unique(labels):
        rows = labels == label
        for arm in (t, ~t):
            own = rows & arm
            w[own] = s[own] * s[rows & focal].sum() / s[own].sum()
    return w
