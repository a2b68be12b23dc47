"""Influence values: how far each row moves an estimate, n times the derivative in the row's weight."""

from __future__ import annotations

import numpy as np

from propensity._check import Bools, Floats


def matching_influence(outcome: Floats, weights: Floats, quantity: Floats, focal: Bools) -> Floats:
    """Give the terms of the bias-corrected matching estimate of the focal arm's effect, focal minus donors.

    With w the matching weights (matched focal rows 1, donors the sum of their uses), m matched focal rows and
    mu the donors' mean outcome at a value of the quantity, the estimate is the sum over focal rows of
    w (Y - mu) / m, less that over donors. Its terms, less the estimate for each focal row, are what Otsu and
    Rai (2017) resample: how often a donor was used stays as it is, for matching again would not
    reproduce its spread.

    Parameters
    ----------
    outcome : ndarray (n,)
    weights : ndarray (n,)
    quantity : ndarray (n,)
        The quantity matched on.
    focal : ndarray (n,) of bool
        The arm whose effect it is.

    Returns
    -------
    ndarray (n,)
        With mean zero; unmatched rows have none.
    """
    signed = np.where(focal, weights, -weights)
    terms: Floats = signed * (outcome - _donor_mean(outcome, np.where(focal, 0.0, weights), quantity))
    matched = focal & (weights > 0)
    terms[matched] -= terms.sum() / matched.sum()
    terms *= len(terms) / matched.sum()
    return terms


def matching_influence_ate(outcome: Floats, weights: Floats, quantity: Floats, treated: Bools) -> Floats:
    """Give the terms of the bias-corrected matching estimate of everybody's effect, all units matched.

    With w = 1 + K the weights (K a unit's uses as a donor) and mu_a the mean outcome of arm a at a value of
    the quantity, they are mu_1 - mu_0 + w (Y - mu_1) for the treated, and mu_1 - mu_0 - w (Y - mu_0) for the
    others, less their mean (Otsu and Rai 2017, equation 4).

    Returns
    -------
    ndarray (n,)
        With mean zero.
    """
    uses = weights - 1
    mean_treated = _donor_mean(outcome, np.where(treated, uses, 0.0), quantity)
    mean_control = _donor_mean(outcome, np.where(treated, 0.0, uses), quantity)
    residual = np.where(treated, outcome - mean_treated, mean_control - outcome)
    terms: Floats = mean_treated - mean_control + weights * residual
    return np.asarray(terms - terms.mean())


def _donor_mean(outcome: Floats, uses: Floats, quantity: Floats) -> Floats:
    """Fit the donors' outcomes by a polynomial in the quantity, each weighted by its uses.

    Its degree is the fifth root of the number of donors used: it grows, as the theory of series asks (Newey
    1997), so that no shape has to be guessed. Weighting by uses fits where the comparison is made (Abadie
    and Imbens 2011); an unweighted line can be far off there.
    """
    used = uses > 0
    low, high = quantity[used].min(), quantity[used].max()
    # Beyond the donors it stays level: a polynomial would run away.
    place = np.clip(2 * (quantity - low) / (high - low or 1.0) - 1, -1, 1)
    basis = np.polynomial.legendre.legvander(place, int(used.sum() ** 0.2))
    root = np.sqrt(uses[used])
    slopes, *_ = np.linalg.lstsq(basis[used] * root[:, None], outcome[used] * root, rcond=None)
    return np.asarray(basis @ slopes)
