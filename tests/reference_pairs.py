"""Slow twins of matching in any space: every pair of rows is looked at, with nothing shared with the core."""

from dataclasses import dataclass, field

import numpy as np
from scipy.stats import rankdata

_MASK = 2**64 - 1


@dataclass(frozen=True)
class Rows:
    """The rows to be matched: scores, covariates (n x d), who is treated, labels to agree in, ids."""

    treated: np.ndarray
    scores: np.ndarray
    x: np.ndarray
    exact: np.ndarray
    ids: np.ndarray


@dataclass(frozen=True)
class Options:
    """The words of match_nn, with its defaults."""

    estimand: str = "ATT"
    n_neighbors: int = 1
    replace: bool = True
    max_reuse: int | None = None
    order: str = "largest"
    on: str = "score"
    caliper: float | None = None
    calipers: dict = field(default_factory=dict)  # column of x -> width
    caliper_unit: str = "sd"
    caliper_sd: str = "all"
    use_exact: bool = False
    discard: str | None = None
    seed: int = 0


def splitmix(value):
    """One step of SplitMix64."""
    z = (value + 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def draws(ids, seed):
    """The draw of each id."""
    return [splitmix((int(i) & _MASK) ^ splitmix(seed)) for i in ids]


def distances(rows, on):
    """All distances (n x n): of the score, or by the generalized inverse of the covariates' correlations."""
    if on in ("score", "logit"):
        q = rows.scores if on == "score" else np.log(rows.scores / (1 - rows.scores))
        return np.abs(q[:, None] - q[None, :])
    x, n, t = rows.x.astype(float), len(rows.x), rows.treated
    if on == "robust_mahalanobis":
        x = np.column_stack([rankdata(column) for column in x.T])
        s = np.atleast_2d(np.cov(x.T))
        spread = np.sqrt(np.diag(s))
        ratio = np.divide(np.sqrt(n * (n + 1) / 12), spread, out=np.zeros_like(spread), where=spread > 0)
        s = s * np.outer(ratio, ratio)
    else:
        rest = x - np.where(t[:, None], x[t].mean(axis=0), x[~t].mean(axis=0))
        s = rest.T @ rest / (n - 2)
        if on == "euclidean":
            s = np.diag(np.diag(s))
    spread = np.sqrt(np.diag(s))
    scale = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0)
    s, x = s * np.outer(scale, scale), x * scale
    difference = x[:, None, :] - x[None, :, :]
    squared = np.einsum(
        "ijk,kl,ijl->ij", difference, np.linalg.pinv(s, rcond=1e-10, hermitian=True), difference
    )
    return np.sqrt(np.maximum(squared, 0))


def caliper_width(values, treated, caliper, options):
    """A caliper in the units of its values, those of the rows that take part."""
    if options.caliper_unit == "raw":
        return caliper
    if options.caliper_sd == "all":
        return caliper * values.std(ddof=1)
    return caliper * np.sqrt((values[treated].var(ddof=1) + values[~treated].var(ddof=1)) / 2)


def admissible(rows, options):
    """Which pairs (n x n) may be made; a difference that only rounding puts beyond a caliper is within it."""
    t, e = rows.treated, rows.scores
    keep = kept(rows, options.discard)
    if t[keep].all() or not t[keep].any():
        return np.zeros((len(t), len(t)), dtype=bool)
    allowed = (t[:, None] != t[None, :]) & keep[:, None] & keep[None, :]
    values = [(rows.x[:, k], width) for k, width in options.calipers.items()]
    if options.caliper is not None:
        values.append((np.log(e / (1 - e)) if options.on == "logit" else e, options.caliper))
    for column, caliper in values:
        width = caliper_width(column[keep], t[keep], caliper, options)
        allowed &= np.abs(column[:, None] - column[None, :]) <= width * (1 + 1e-9)
    if options.use_exact:
        allowed &= rows.exact[:, None] == rows.exact[None, :]
    return allowed


def kept(rows, discard):
    """Which rows are not discarded."""
    t, e = rows.treated, rows.scores
    keep = np.ones(len(t), dtype=bool)
    for arm, name in ((True, "treated"), (False, "control")):
        if discard in (name, "both"):
            other = e[t != arm]
            keep &= (t != arm) | ((e >= other.min()) & (e <= other.max()))
    return keep


def match(rows, options):
    """Each focal row's donors, as sets: a dict of those that have any."""
    distance, allowed = distances(rows, options.on), admissible(rows, options)
    matched = {}
    for arm in (True, False):
        if options.estimand in ("ATE", "ATT" if arm else "ATC"):
            focal = np.flatnonzero(rows.treated == arm)
            uses = 1 if not options.replace else options.max_reuse
            if uses is None:
                matched |= _shared(distance, allowed, focal, options.n_neighbors)
            else:
                matched |= _limited(rows, distance, allowed, focal, options, uses)
    return {row: donors for row, donors in matched.items() if donors}


def _shared(distance, allowed, focal, n_neighbors):
    matched = {}
    for row in focal:
        donors = np.flatnonzero(allowed[row])
        near = np.sort(distance[row, donors])[:n_neighbors]
        matched[row] = set(donors[distance[row, donors] <= near[-1] + 1e-12].tolist()) if len(near) else set()
    return matched


def _limited(rows, distance, allowed, focal, options, uses):
    draw = draws(rows.ids, options.seed)
    key = np.round(distance * 1e12)
    left = dict.fromkeys(np.flatnonzero(rows.treated != rows.treated[focal[0]]).tolist(), uses)
    matched = {row: set() for row in focal.tolist()}
    for number in range(options.n_neighbors):
        waiting = [row for row in focal.tolist() if len(matched[row]) == number]

        def options_of(row):
            donors = [d for d, n in left.items() if n and allowed[row, d] and d not in matched[row]]
            return [(key[row, d], draw[row], row, draw[d], d) for d in donors]

        def make(pair):
            matched[pair[2]].add(pair[4])
            left[pair[4]] -= 1

        if options.order == "closest":
            while pairs := [pair for row in waiting for pair in options_of(row)]:
                make(min(pairs))
                waiting.remove(min(pairs)[2])
            continue
        for row in sorted(waiting, key=lambda row: _turn(row, rows.scores, draw, options.order)):
            if pairs := options_of(row):
                make(min(pairs))
    return matched


def _turn(row, scores, draw, order):
    return {
        "largest": (-scores[row], draw[row], row),
        "smallest": (scores[row], draw[row], row),
        "random": (draw[row], row),
        "data": (row,),
    }[order]


def weights(n_rows, matched):
    """Matched focal rows 1, plus for every row the sum of its shares as a donor."""
    total = np.zeros(n_rows)
    for row, donors in matched.items():
        total[row] += 1
        total[list(donors)] += 1 / len(donors)
    return total


def outcome_variance(outcome, treated, distance, exact=None, n_others=1):
    """The variance of the outcomes of a row and its nearest others of its arm, ties included."""
    exact = np.zeros(len(outcome)) if exact is None else exact
    found = []
    for row in range(len(outcome)):
        arm = np.flatnonzero(treated == treated[row])
        own = arm[exact[arm] == exact[row]]
        own = own if len(own) > 1 else arm
        limit = np.sort(distance[row, own])[: n_others + 1][-1] + 1e-12
        found.append(outcome[own[distance[row, own] <= limit]].var(ddof=1))
    return np.array(found)


def matched_estimate(outcome, treated, matched, sample_weight):
    """The mean over focal rows, by their weights, of own outcome less the donors', treated minus control."""
    total = weight = 0.0
    for row, donors in matched.items():
        there = sorted(donors)
        missing = np.average(outcome[there], weights=sample_weight[there])
        total += sample_weight[row] * (outcome[row] - missing) * (1 if treated[row] else -1)
        weight += sample_weight[row]
    return total / weight


def neighbor_variance(outcome, treated, matched, s2, sample_weight):
    """The variance of a matched estimate, from what it is: linear in the outcomes, given who is where.

    Each outcome varies by s2 about its expectation; its coefficient is what the estimate moves by when it is
    one more. The expectations of the focal rows' effects vary too: by how much is the spread of the effects
    seen, less what the outcomes in each contribute to it.
    """
    n, s = len(outcome), sample_weight
    coefficients = np.array([matched_estimate(unit, treated, matched, s) for unit in np.eye(n)])
    estimate, total = coefficients @ outcome, sum(s[row] for row in matched)
    variance = coefficients**2 @ s2
    for row, donors in matched.items():
        alone = {row: donors}
        own = np.array([matched_estimate(unit, treated, alone, s) for unit in np.eye(n)])
        variance += (s[row] / total) ** 2 * ((own @ outcome - estimate) ** 2 - own**2 @ s2)
    return variance
