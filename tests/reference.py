"""Slow twins: each quantity straight from its formula, in plain NumPy, with nothing shared with the core.

They trade speed for being easy to check by eye: the matching looks at every pair, a bootstrap replicate
copies its rows and refits from zero. Notation: e the score, T the treatment (true = treated), Y the outcome.
"""

from bisect import bisect_right
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import lru_cache

import numpy as np

# Two distances tie when they differ by no more than this, on the score or the logit.
TIE_TOLERANCE = 1e-12


# Logistic regression


@dataclass(frozen=True)
class LogisticTwin:
    """Coefficients (d + 1, intercept first), their covariance, the scores (n) and the log-likelihood."""

    coefficients: np.ndarray
    covariance: np.ndarray
    scores: np.ndarray
    log_likelihood: float


def expit(eta):
    """1 / (1 + exp(-eta)), without overflow."""
    small = np.exp(-np.abs(eta))
    return np.where(eta >= 0, 1.0, small) / (1.0 + small)


def fit_logistic(x, treatment, *, penalty=0.0, sample_weight=None, max_iterations=100):
    """Newton's method from zero on  sum w log-loss + penalty / 2 * mean w * (beta without intercept)^2.

    The mean is that of the weights above 0.

    The covariance is the inverse of the Hessian of that sum, the penalty's part included.
    Worked on centred columns (which moves the intercept alone), for the sake of the last digits.
    """
    t = np.asarray(treatment, dtype=float)
    w = np.ones(len(t)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    center = np.average(x, axis=0, weights=w)
    design = np.column_stack([np.ones(len(t)), x - center])
    ridge = penalty * w[w > 0].mean() * np.diag([0.0] + [1.0] * x.shape[1])
    beta = np.zeros(design.shape[1])
    for _ in range(max_iterations):
        step, decrement = _newton_step(design, t, w, ridge, beta)
        beta = beta + step
        # Quadratic convergence: what is left after this step is of the order of its square.
        if decrement < 1e-18:
            break
    else:
        raise ArithmeticError("the Newton twin did not converge")
    return _on_the_scale_of_x(design, center, w, t, ridge, beta)


def _newton_step(design, t, w, ridge, beta):
    """The Newton step, halved until the objective does not rise, and the Newton decrement g' H^-1 g."""
    e = expit(design @ beta)
    gradient = design.T @ (w * (t - e)) - ridge @ beta
    hessian = design.T @ ((w * e * (1 - e))[:, None] * design) + ridge
    step = np.linalg.solve(hessian, gradient)
    decrement = float(gradient @ step)
    start = _objective(design, t, w, ridge, beta)
    while _objective(design, t, w, ridge, beta + step) > start + 1e-9 * (1 + abs(start)):
        step = step / 2
    return step, decrement


def _objective(design, t, w, ridge, beta):
    eta = design @ beta
    log_loss = np.logaddexp(0, eta) - t * eta
    return float(w @ log_loss + 0.5 * beta @ ridge @ beta)


def _on_the_scale_of_x(design, center, w, t, ridge, beta):
    eta = design @ beta
    e = expit(eta)
    hessian = design.T @ ((w * e * (1 - e))[:, None] * design) + ridge
    # intercept = intercept at the center - center . slopes
    move = np.eye(len(beta))
    move[0, 1:] = -center
    return LogisticTwin(
        coefficients=move @ beta,
        covariance=move @ np.linalg.inv(hessian) @ move.T,
        scores=e,
        log_likelihood=float(w @ (t * eta - np.logaddexp(0, eta))),
    )


# Weighting


def tilt(e, estimand):
    """h(e), which says whose average effect is meant."""
    return {
        "ATE": np.ones_like(e),
        "ATT": e,
        "ATC": 1 - e,
        "ATO": e * (1 - e),
        "ATM": np.minimum(e, 1 - e),
    }[estimand]


def balancing_weights(e, treatment, estimand):
    """h(e) over the probability of the own arm."""
    return tilt(e, estimand) / np.where(treatment, e, 1 - e)


def effective_sample_size(weights):
    """Kish: (sum w)^2 / sum w^2."""
    return weights.sum() ** 2 / (weights**2).sum()


@dataclass(frozen=True)
class IpwTwin:
    """The contrast of the two weighted means, what it is made of, and each arm's effective size."""

    estimate: float
    mean_treated: float
    mean_control: float
    ess_treated: float
    ess_control: float
    weights: np.ndarray


def truncated(weights, treatment, quantile):
    """Set the weights of each arm that are above this quantile of them to it."""
    t = np.asarray(treatment, dtype=bool)
    bounds = [np.quantile(weights[arm], quantile) for arm in (~t, t)]
    return np.minimum(weights, np.where(t, bounds[1], bounds[0]))


def ipw(outcome, treatment, e, estimand="ATE", truncate=None):
    """Hajek: a ratio of weighted sums in each arm."""
    t = np.asarray(treatment, dtype=bool)
    w = balancing_weights(e, t, estimand)
    if truncate is not None:
        w = truncated(w, t, truncate)
    mean_treated = np.average(outcome[t], weights=w[t])
    mean_control = np.average(outcome[~t], weights=w[~t])
    return IpwTwin(
        estimate=mean_treated - mean_control,
        mean_treated=mean_treated,
        mean_control=mean_control,
        ess_treated=effective_sample_size(w[t]),
        ess_control=effective_sample_size(w[~t]),
        weights=w,
    )


# Matching


def matched_quantity(e, on):
    """What distances are measured in: the score, or its logit."""
    return e if on == "score" else np.log(e) - np.log1p(-e)


def caliper_width(e, *, caliper, on="score"):
    """The caliper in units of the quantity: its standard deviation over all rows (n - 1) is the unit."""
    return np.inf if caliper is None else caliper * matched_quantity(e, on).std(ddof=1)


def nearest_neighbors(e, treatment, *, estimand="ATT", n_neighbors=1, caliper=None, on="score"):
    """For each focal row its donors: a list of (focal row, donor rows, distances); no donors: unmatched.

    Every pair of the two arms is looked at. Donors are all within the k-th smallest distance, ties included.
    """
    quantity = matched_quantity(np.asarray(e, dtype=float), on)
    t = np.asarray(treatment, dtype=bool)
    focal = {"ATT": t, "ATC": ~t, "ATE": np.ones_like(t)}[estimand]
    width = caliper_width(e, caliper=caliper, on=on)
    matches = []
    for row in np.flatnonzero(focal):
        candidates = np.flatnonzero(t != t[row])
        distance = np.abs(quantity[candidates] - quantity[row])
        inside = distance <= width
        near = np.sort(distance[inside])[:n_neighbors]
        chosen = inside & (distance <= near[-1] + TIE_TOLERANCE) if len(near) else np.zeros_like(inside)
        matches.append((row, candidates[chosen], distance[chosen]))
    return matches


def matching_weights(n_rows, matches):
    """Matched focal rows 1, plus for every row the sum of its shares as a donor."""
    weights = np.zeros(n_rows)
    for row, donors, _ in matches:
        if len(donors):
            weights[row] += 1.0
            weights[donors] += 1.0 / len(donors)
    return weights


def matching_effect(outcome, treatment, matches):
    """Mean over the matched focal rows of treated minus control; None where nothing matched."""
    t = np.asarray(treatment, dtype=bool)
    differences = [
        (outcome[row] - outcome[donors].mean()) * (1 if t[row] else -1)
        for row, donors, _ in matches
        if len(donors)
    ]
    return np.mean(differences) if differences else None


# Standard errors of matching


def same_score(quantity, members, row, n_others=1):
    """The rows among `members` at row's score: its nearest, ties included; itself is its nearest."""
    distance = np.abs(quantity[members] - quantity[row])
    return members[distance <= np.sort(distance)[n_others] + TIE_TOLERANCE]


def matching_variance(outcome, treatment, quantity, matches, n_others=1):
    """Abadie and Imbens (2006, section 4), the scores known: ties count by their shares.

    ATE: mean of (tau_i - tau)^2 + s2_i (K^2 + 2 K - K'), over n. ATT: the first term over the treated, and
    s2_i (K^2 - K') over the controls. s2_i is the variance of the outcomes at row i's score in its arm.
    """
    t = np.asarray(treatment, dtype=bool)
    focal, uses, squares = np.zeros((3, len(t)))
    effects = []
    for row, donors, _ in matches:
        if len(donors):
            focal[row] = 1
            uses[donors] += 1 / len(donors)
            squares[donors] += 1 / len(donors) ** 2
            effects.append((outcome[row] - outcome[donors].mean()) * (1 if t[row] else -1))
    own = [same_score(quantity, np.flatnonzero(t == t[row]), row, n_others) for row in range(len(t))]
    s2 = np.array([outcome[rows].var(ddof=1) for rows in own])
    sampling = s2 * (uses**2 + 2 * focal * uses - squares)
    spread = (np.array(effects) - np.mean(effects)) ** 2
    return (spread.sum() + sampling.sum()) / len(effects) ** 2


def estimated_score_correction(
    x, outcome, treatment, e, matches, *, estimand, on="score", penalty=0.0, n_others=1
):
    """What estimating the score adds to the variance (Abadie and Imbens 2016): d'Vd - c'Vc, row by row.

    c is theirs, f = e (1 - e) being the logit's density; a row's own outcome goes with its x and stays out of
    the mean m. d, the derivative of the effect in the coefficients, is not by matching on the covariates as
    theirs: E[x mu_t(x) | e] = E[x | e] m_t + C_t.
    """
    t = np.asarray(treatment, dtype=bool)
    quantity, tau = matched_quantity(e, on), matching_effect(outcome, t, matches)
    design = np.column_stack([np.ones(len(t)), x - x.mean(axis=0)])
    c, d = np.zeros((2, design.shape[1]))
    for row, score in enumerate(e):
        f = score * (1 - score)
        m, cov = {}, {}
        for arm in (False, True):
            rows = same_score(quantity, np.flatnonzero(t == arm), row, n_others)
            m[arm] = outcome[rows[rows != row]].mean()
            cov[arm] = (design[rows] - design[rows].mean(axis=0)).T @ outcome[rows] / (len(rows) - 1)
        gap = f * design[row] * (m[True] - m[False] - tau)
        if estimand == "ATE":
            c += f * (cov[True] / score + cov[False] / (1 - score))
        elif estimand == "ATT":
            c += gap + f * (cov[True] + score / (1 - score) * cov[False])
            d += gap + f * (cov[True] - cov[False])
        else:
            c += -gap + f * (cov[False] + (1 - score) / score * cov[True])
            d += -gap + f * (cov[False] - cov[True])
    ridge = penalty * np.diag([0.0] + [1.0] * x.shape[1])
    v = np.linalg.inv(design.T @ ((e * (1 - e))[:, None] * design) + ridge)
    return (d @ v @ d - c @ v @ c) / len(matches) ** 2


# Balance


def _is_binary(column):
    return bool(np.isin(column, (0.0, 1.0)).all())


def standardizer(column, treatment, denominator, sample_weight=None):
    """The standard deviation a difference is measured in, of the sample as it is: p (1 - p) for 0/1."""
    t = np.asarray(treatment, dtype=bool)
    w = np.ones(len(t)) if sample_weight is None else sample_weight

    def variance(rows):
        if not _is_binary(column):
            return weighted_variance(column[rows], w[rows])
        p = np.average(column[rows], weights=w[rows])
        return p * (1 - p)

    if denominator == "pooled":
        return np.sqrt((variance(t) + variance(~t)) / 2)
    return np.sqrt(variance({"treated": t, "control": ~t, "all": np.ones(len(t), dtype=bool)}[denominator]))


def weighted_variance(values, weights):
    """sum w (x - m)^2 / (1 - sum w^2), w summing to 1; with equal weights the divisor is n - 1."""
    w = weights / weights.sum()
    return (w * (values - w @ values) ** 2).sum() / (1 - (w**2).sum())


def smd(x, treatment, *, weights=None, denominator="pooled", sample_weight=None):
    """Weighted mean difference, treated minus control, over the standard deviation of the unweighted data."""
    t = np.asarray(treatment, dtype=bool)
    w = np.ones(len(t)) if sample_weight is None else sample_weight
    w = w if weights is None else weights
    return np.array(
        [
            (np.average(c[t], weights=w[t]) - np.average(c[~t], weights=w[~t]))
            / standardizer(c, t, denominator, sample_weight)
            for c in x.T
        ]
    )


def variance_ratio(column, treatment, weights):
    """Weighted variances, treated over control; none for a binary or constant column."""
    if _is_binary(column) or np.ptp(column) == 0:
        return np.nan
    return weighted_variance(column[treatment], weights[treatment]) / weighted_variance(
        column[~treatment], weights[~treatment]
    )


def distribution_gaps(column, treatment, weights):
    """|F1 - F0| at each distinct value; of a binary column |p1 - p0| alone."""
    shares = [np.where(arm, weights, 0) / weights[arm].sum() for arm in (treatment, ~treatment)]
    if _is_binary(column):
        return np.array([abs(shares[0] @ column - shares[1] @ column)])
    values = np.unique(column)
    return np.array([abs(shares[0][column <= v].sum() - shares[1][column <= v].sum()) for v in values])


def ess(weights):
    """Kish's effective sample size."""
    return weights.sum() ** 2 / (weights**2).sum()


# Bootstrap

_MULTIPLIER = 0xDA942042E4DD58B5
_MASK_64, _MASK_128 = 2**64 - 1, 2**128 - 1


def _first_state(seed, replicate):
    """State and increment of PCG64-DXSM with this seed as its state and this replicate as its stream."""
    increment = (int(replicate) << 1 | 1) & _MASK_128
    state = ((int(seed) + increment) * _MULTIPLIER + increment) & _MASK_128
    return state, increment


def pcg64_dxsm(seed, replicate, n_draws):
    """The generator written out (O'Neill's cm_setseq_dxsm_128_64): n_draws numbers of 64 bits."""
    state, increment = _first_state(seed, replicate)
    draws = []
    for _ in range(n_draws):
        high, low = state >> 64, (state & _MASK_64) | 1
        high ^= high >> 32
        high = high * _MULTIPLIER & _MASK_64
        high ^= high >> 48
        draws.append(high * low & _MASK_64)
        state = (state * _MULTIPLIER + increment) & _MASK_128
    return draws


def replicate_draws(seed, replicate, n_draws):
    """The same numbers from NumPy's own PCG64DXSM, quicker."""
    state, increment = _first_state(seed, replicate)
    generator = np.random.PCG64DXSM()
    generator.state = {
        "bit_generator": "PCG64DXSM",
        "state": {"state": state, "inc": increment},
        "has_uint32": 0,
        "uinteger": 0,
    }
    return generator.random_raw(n_draws)


@lru_cache
def poisson_chances(mean):
    """2^64 times the chances that a Poisson number of this mean is at most 0, 1, 2, ..."""
    with localcontext(prec=50):
        term = chance = (-Decimal(mean)).exp()
        chances = []
        while (scaled := int(chance * 2**64)) < 2**64 - 1 and len(chances) < 254:
            chances.append(scaled)
            term *= Decimal(mean) / len(chances)
            chance += term
    return chances


def poisson_number(mean, digit, draws):
    """By inversion of a uniform number whose first 12 bits are `digit`; the others are drawn if needed."""
    chances = poisson_chances(mean)
    low = digit << 52
    number = bisect_right(chances, low)
    if number == bisect_right(chances, low | 2**52 - 1):
        return number
    return bisect_right(chances, low | next(draws) >> 12)


def poisson_counts(draws, sizes, rate):
    """A Poisson number for each cell: the sum of one for each power of two that its size is made up of."""
    counts = np.zeros(len(sizes), dtype=int)
    for power in range(7):
        times = [size >> 6 if power == 6 else size >> power & 1 for size in sizes]
        cells = np.repeat(np.arange(len(sizes)), times)
        for start in range(0, len(cells), 5):
            bits = next(draws)
            for k, cell in enumerate(cells[start : start + 5]):
                counts[cell] += poisson_number(2**power * rate, bits >> 12 * k & 4095, draws)
    return counts


def multinomial_counts(draws, sizes):
    """n draws from cells of these sizes: Poisson counts of a little less than n, the others one by one."""
    owners = np.repeat(np.arange(len(sizes)), sizes)
    n = len(owners)
    rate = 1 - 4 / np.sqrt(n)
    while True:
        counts = poisson_counts(draws, sizes, rate) if rate > 0 else np.zeros(len(sizes), dtype=int)
        if counts.sum() <= n:
            for _ in range(n - counts.sum()):
                counts[owners[next(draws) * n >> 64]] += 1
            return counts


def alike(x, treatment, outcome, sample_weight=None):
    """The cell of each row, by what it holds; each row by itself where few rows repeat a pattern."""
    n = len(x)
    weight = np.ones(n) if sample_weight is None else sample_weight
    rows = np.column_stack([x, outcome, weight, treatment]) + 0.0
    if len(np.unique(x, axis=0)) > n // 2:
        order = np.lexsort(rows.T[::-1])
        return np.argsort(order)
    return np.unique(rows, axis=0, return_inverse=True)[1].ravel()


def exponential_number(u):
    """An exponential number of mean 1: minus the logarithm of the middle of one of 2^52 parts of (0, 1)."""
    return -np.log(((int(u) >> 12) + 0.5) / 2**52)


def replicate_weights(
    seed, replicate, n_rows, *, resampling="multinomial", cluster=None, strata=None, cells=None
):
    """What each row weighs.

    Lots are rows in the order of their `cells`, or clusters in that of their labels. Drawn freely, rows of
    one cell are counted together; the first of them gets the count. Within strata, in the order of their
    labels, each lot takes one random number u to pick lot (u * n) >> 64 of the stratum's n. An exponential
    number takes one u.
    """
    lot = np.arange(n_rows) if cluster is None else np.unique(cluster, return_inverse=True)[1]
    n_lots = lot.max() + 1
    draws = iter(replicate_draws(seed, replicate, 8 * n_rows + 100).tolist())
    if resampling != "bayesian" and (strata is None or len(np.unique(strata)) == 1):
        if cluster is not None or cells is None:
            cells = np.arange(n_lots)
        sizes = np.bincount(cells).tolist()
        counts = (
            poisson_counts(draws, sizes, 1.0) if resampling == "poisson" else multinomial_counts(draws, sizes)
        )
        weight = np.zeros(n_lots)
        weight[np.unique(cells, return_index=True)[1]] = counts
        return weight[lot]
    stratum = np.zeros(n_lots, dtype=int)
    if strata is not None:
        stratum[lot] = strata
    weight = np.zeros(n_lots)
    for label in np.unique(stratum):
        lots = np.flatnonzero(stratum == label)
        if cluster is None and cells is not None:
            lots = lots[np.argsort(cells[lots], kind="stable")]
        own = [next(draws) for _ in lots]
        if resampling == "multinomial":
            np.add.at(weight, lots[[(u * len(lots)) >> 64 for u in own]], 1)
        else:
            exponential = np.array([exponential_number(u) for u in own])
            weight[lots] = exponential if strata is None else exponential * len(lots) / exponential.sum()
    return weight[lot]


def replicate_counts(seed, replicate, n_rows, **scheme):
    """How often each row is drawn."""
    return replicate_weights(seed, replicate, n_rows, **scheme).astype(int)


def estimate(estimator, x, treatment, outcome, *, penalty=0.0):
    """One estimator, from the fit to the effect, on the rows given."""
    e = fit_logistic(x, treatment, penalty=penalty).scores
    if type(estimator).__name__ == "IPW":
        return ipw(outcome, treatment, e, estimator.estimand, estimator.truncate).estimate
    matches = nearest_neighbors(
        e,
        treatment,
        estimand=estimator.estimand,
        n_neighbors=estimator.n_neighbors,
        caliper=estimator.caliper,
        on=estimator.on,
    )
    return matching_effect(outcome, treatment, matches)


def bootstrap_replicate(x, treatment, outcome, *, estimators, seed, replicate, penalty=0.0, **scheme):
    """Copy the rows drawn, fit from zero, estimate: what each replicate of the core must equal."""
    scheme["cells"] = alike(x, treatment, outcome)
    rows = np.repeat(np.arange(len(x)), replicate_counts(seed, replicate, len(x), **scheme))
    return np.array(
        [estimate(spec, x[rows], treatment[rows], outcome[rows], penalty=penalty) for spec in estimators]
    )


def weighted_replicate(x, treatment, outcome, *, estimands, sample_weight):
    """The same for weights that are no counts: a weighted fit, and weighted means."""
    e = fit_logistic(x, treatment, sample_weight=sample_weight).scores
    t = np.asarray(treatment, dtype=bool)
    weights = [sample_weight * balancing_weights(e, t, estimand) for estimand in estimands]
    return np.array(
        [np.average(outcome[t], weights=w[t]) - np.average(outcome[~t], weights=w[~t]) for w in weights]
    )


# Influence values


def weighted_influence(x, treatment, outcome, estimand):
    """How the estimate changes when a row weighs more: n times the central difference, row by row."""
    n, step = len(x), 1e-5

    def contrast(row, change):
        sample_weight = np.ones(n)
        sample_weight[row] += change
        return weighted_replicate(
            x, treatment, outcome, estimands=[estimand], sample_weight=sample_weight
        ).item()

    return np.array([n * (contrast(row, step) - contrast(row, -step)) / (2 * step) for row in range(n)])
