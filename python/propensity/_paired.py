"""Effects of matched rows whose standard error the core does not make: weights, pairs, and a formula.

Notation: S the sample weight of a row, p that of a matched focal row (else 0), Omega(i) the donors of i, K_j
the sum over focal i of 1 / |Omega(i)| where j is one of them, W = p + S K the matching weight.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from propensity._check import Bools, Floats, Rows


@dataclass(frozen=True, eq=False)
class Pairing:
    """Who is matched with whom, by rows; as `Matches` has it, with n rows."""

    treated: Bools
    weights: Floats
    sample_weight: Floats | None
    focal: Rows
    donors: Rows
    first: Rows
    last: Rows

    @property
    def focal_weights(self) -> Floats:
        """The p (n,) of every row."""
        p = np.zeros(len(self.treated))
        p[self.focal] = 1.0 if self.sample_weight is None else self.sample_weight[self.focal]
        return p

    @property
    def n_donors(self) -> Rows:
        """|Omega| (m,) of every matched focal row."""
        return self.last - self.first

    def donor_means(self, values: Floats) -> Floats:
        """Average (n,) values over the donors: a mean (m,) for each focal row."""
        center = values.mean()  # running sums keep their digits near zero
        sums = np.concatenate([[0.0], np.cumsum((values - center)[self.donors])])
        return np.asarray(center + (sums[self.last] - sums[self.first]) / self.n_donors)

    def squared_shares(self) -> Floats:
        """Give the sum (n,) over focal i of p_i^2 / |Omega(i)|^2 where a row is one of Omega(i)."""
        share = (self.focal_weights[self.focal] / self.n_donors) ** 2
        size = len(self.donors) + 1
        steps = np.bincount(self.first, share, size) - np.bincount(self.last, share, size)
        return np.asarray(
            np.bincount(self.donors, np.cumsum(steps[:-1]), len(self.treated)), dtype=np.float64
        )


def adjustments(pairing: Pairing, outcome: Floats, x: Floats) -> tuple[Floats, dict[bool, float]]:
    """Regress the outcome on covariates among donors, and correct for what sets these apart from focal rows.

    For each arm whose rows are donors, mu is the least-squares fit to its outcomes with the weights S K
    (Abadie and Imbens 2011, section 3; the weights as in Matching's `BiasAdjust` and Stata's `biasadj`).

    Parameters
    ----------
    x : ndarray (n, d)
        Without a constant.

    Returns
    -------
    fitted : ndarray (2, n)
        The mu of either arm, control first, for every row; zero for an arm without donors.
    moved : dict of bool to float
        By arm (True the treated) what its mean gains: the p-weighted mean of mu over the focal rows less that
        over the donors, times the share of the focal weight that these rows have.
    """
    p, t = pairing.focal_weights, pairing.treated
    uses = pairing.weights - p
    fitted, moved = np.zeros((2, len(t))), {True: 0.0, False: 0.0}
    for arm in (False, True):
        donors, focal = (t == arm) & (uses > 0), (t != arm) & (p > 0)
        if not focal.any():
            continue
        mu = _least_squares(x, outcome, donors, uses)
        gap = np.average(mu[focal], weights=p[focal]) - np.average(mu[donors], weights=uses[donors])
        moved[arm] = float(gap * p[focal].sum() / p.sum())
        fitted[int(arm)] = mu
    return fitted, moved


def _least_squares(x: Floats, outcome: Floats, rows: Bools, weights: Floats) -> Floats:
    """Fit by weighted least squares among `rows`, and predict for all."""
    center = x[rows].mean(axis=0)
    spread = x[rows].std(axis=0)
    design = np.column_stack([np.ones(len(x)), (x - center) / np.where(spread > 0, spread, 1.0)])
    root = np.sqrt(weights[rows])
    # Collinear columns share the slope: what is predicted does not depend on how.
    slopes, *_ = np.linalg.lstsq(design[rows] * root[:, None], outcome[rows] * root, rcond=1e-10)
    return np.asarray(design @ slopes)


def neighbor_variance(pairing: Pairing, outcome: Floats, fitted: Floats, outcome_variance: Floats) -> float:
    """Give Abadie and Imbens's variance of a matched effect (2006, section 4), rows weighing differently.

    With P the sum of p, tau_i the difference between focal row i and its donors, adjusted where the estimate
    is, tau their mean, and a the share of a row in the weight of its arm,

        V = sum p_i^2 (tau_i - tau)^2 / P^2  +  sum s2 (a^2 - (p^2 + Q) / P^2),

    where Q_j sums p_i^2 / |Omega(i)|^2. Where every row counts one it is theirs.

    Parameters
    ----------
    fitted : ndarray (2, n)
        The mu of either arm's donors, control first; zero without an adjustment.
    outcome_variance : ndarray (n,)
        s2, the variance of the outcome among rows of the same arm in the same place.
    """
    t, p, w = pairing.treated, pairing.focal_weights, pairing.weights
    sign = np.where(t, 1.0, -1.0)[pairing.focal]
    donor_arm = ~t[pairing.focal]
    own, donors = np.empty((2, len(pairing.focal)))
    for arm in (False, True):
        rest = outcome - fitted[int(arm)]
        here = donor_arm == arm
        own[here], donors[here] = rest[pairing.focal[here]], pairing.donor_means(rest)[here]
    tau = sign * (own - donors)
    weight = p[pairing.focal]
    spread = weight**2 @ (tau - np.average(tau, weights=weight)) ** 2
    share = w / np.where(t, w[t].sum(), w[~t].sum())
    total = weight.sum()
    sampling = outcome_variance @ (share**2 - (p**2 + pairing.squared_shares()) / total**2)
    return float(spread / total**2 + sampling)
