"""What each row adds to the coefficients of a model that was fitted to all rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from propensity.frames.checks import Floats
from propensity.results.read_only import ReadOnly

# Of the largest eigenvalue: below, a combination of standardized terms says what others say.
_COLLINEAR = 1e-10


@dataclass(frozen=True, eq=False)
class FittedTerms(ReadOnly):
    """The terms of a model with a linear predictor, standardized, and how its coefficients hang on the rows.

    The coefficients b solve sum r_i z_i = P b, with r how far a row is from its prediction; they move by
    V r_i z_i when a row weighs one more, V the inverse of sum q_i z_i z_i' + P, with q how fast r falls with
    the linear predictor.

    Attributes
    ----------
    z : ndarray (n, k)
        The intercept and the terms, each in standard deviations from its mean.
    residual : ndarray (n,)
        The r.
    inverse : ndarray (k, k)
        The V; where terms are collinear, that of the least norm, for every combination that rows make has
        one value whatever is done with these.
    of_outcome : bool
        Whether the model is of the outcome: whether the r are what leverage holds back.
    """

    z: Floats
    residual: Floats
    inverse: Floats
    of_outcome: bool = False

    @classmethod
    def of(
        cls,
        z: Floats,
        scale: Floats,
        residual: Floats,
        spread: Floats,
        penalty: float = 0.0,
        *,
        of_outcome: bool = False,
    ) -> FittedTerms:
        """Invert the information.

        Parameters
        ----------
        z, scale : ndarray (n, k) and (k - 1,)
            As `standardized` gives them.
        residual, spread : ndarray (n,)
            The r and the q; of rows that stand for several users the r of one and the q of all.
        penalty : float, default 0.0
            L2 strength on the slopes, per unit of the terms as they were given.
        of_outcome : bool, default False
            Whether the model is of the outcome.
        """
        information = (z * spread[:, None]).T @ z
        information[np.diag_indices_from(information)] += np.append(0.0, penalty / scale**2)
        return cls(
            z,
            residual,
            np.asarray(np.linalg.pinv(information, rcond=_COLLINEAR, hermitian=True), dtype=np.float64),
            of_outcome,
        )

    def loadings(self, gradient: Floats) -> Floats:
        """Turn derivatives (G, k) of G numbers in the coefficients into weights of a row's r z: (G, k)."""
        return np.asarray(gradient @ self.inverse)


def standardized(x: Floats) -> tuple[Floats, Floats]:
    """Put an intercept before columns (n, d), centred and in standard deviations; give these (d,), too."""
    z = np.empty((len(x), x.shape[1] + 1), order="F")
    z[:, 0] = 1.0
    scale = np.ones(x.shape[1])
    for j, column in enumerate(x.T):
        own = z[:, j + 1]
        np.subtract(column, column.mean(), out=own)
        spread = math.sqrt(float(own @ own) / len(own))
        if spread > 0:
            scale[j] = spread
            own /= spread
    return z, scale
