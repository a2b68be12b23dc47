"""The model behind the scores, as matching needs it: what its estimation adds to an error, and its refit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from propensity import core
from propensity.effects.balance_terms import BalanceTerms
from propensity.errors import OverlapError
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.columns import Frame
from propensity.frames.counted_rows import CountedRows
from propensity.frames.design import Design
from propensity.results.read_only import ReadOnly
from propensity.scores.choice import LOGISTIC
from propensity.scores.cross_fitted import CrossFittedScores
from propensity.scores.equations import equations_of_scores
from propensity.scores.logistic import balance_terms_of, read_terms
from propensity.scores.model import PropensityModel
from propensity.scores.own_models import ScoreWord

# Of the largest eigenvalue: below, a combination of standardized terms says what others say.
_COLLINEAR = 1e-10


@dataclass(frozen=True, eq=False)
class EstimatedScores(ReadOnly):
    """Scores of a model with a link, and what they were fitted to.

    Attributes
    ----------
    scores : ndarray (n,)
    given : Design or ndarray (n, d)
        The model's terms, without the intercept.
    penalty : float
        The L2 strength it was fitted with.
    sample_weight : ndarray (n,) or None
        What each row counted for in the fit; None where every row counted one.
    score_model : str
        The word for the model.
    frequency : ndarray (n,) or None
        How many users each row stands for, of whom all else here is that of one; None where each is one.
    """

    scores: Floats
    given: Design | Floats
    penalty: float
    sample_weight: Floats | None
    score_model: ScoreWord = LOGISTIC
    frequency: Floats | None = None

    def of_rows(self, rows: CountedRows | None) -> EstimatedScores:
        """Give those of cells to rows of them, of one outcome each; of users as they are."""
        if rows is None:
            return self
        weight = None if self.sample_weight is None else rows.by_row(self.sample_weight)
        x, scores = np.asfortranarray(rows.by_row(self.x)), rows.by_row(self.scores)
        return replace(self, scores=scores, given=x, sample_weight=weight, frequency=rows.frequency)

    @property
    def design(self) -> Design:
        """The model's terms."""
        return self.given if isinstance(self.given, Design) else Design(self.given)

    @property
    def x(self) -> Floats:
        """The same as a matrix (n, d)."""
        return self.given.x if isinstance(self.given, Design) else self.given

    def coefficient_influence(self, treated: Bools, direction: Floats) -> Floats:
        """Give what each row adds to a combination of the coefficients, n times the derivative in its weight.

        With x the terms, intercept included, s the model's sample weights and P the penalty, that of row i is
        n s_i (A_i - e_i) x_i' (sum of s e (1 - e) x x' + P)^-1 X'r: the coefficients solve equations, and
        this is one Newton step of theirs. With another link than the logistic model's it is what its
        equations have in the place of A - e and e (1 - e).

        Parameters
        ----------
        direction : ndarray (n,)
            The r: the combination is given as a sum of rows of X.

        Returns
        -------
        ndarray (n,)
        """
        z, scale = _standardized(self.x)
        residual, spread, _ = self._equations(treated)
        # Collinear terms have no coefficients of their own, but every combination that rows make has one.
        information = self._information(z, scale, spread)
        step, *_ = np.linalg.lstsq(information, z.T @ (self._users * direction), rcond=_COLLINEAR)
        return np.asarray(self._users.sum() * self._weight * residual * (z @ step))

    def added_variance(self, treated: Bools, moved: Floats, together: Floats, factor: Floats) -> float:
        """Give what an estimate that moves by -X'r with the coefficients owes to their estimation.

        With V_b the inverse of the information, M that with each row's part times a factor, the variance of
        the sums that the fit sets to zero, and X'q their covariance with the estimate at the true
        coefficients, it is r'X V_b M V_b X'r - 2 r'X V_b X'q.

        Parameters
        ----------
        moved, together : ndarray (n,)
            The r and the q.
        factor : ndarray (n,)
        """
        z, scale = _standardized(self.x)
        _, spread, slope = self._equations(treated)
        information = self._information(z, scale, spread)
        step, *_ = np.linalg.lstsq(information, z.T @ (self._users * moved), rcond=_COLLINEAR)
        variance = self._information(z, scale, slope**2 * self.scores * (1 - self.scores), factor)
        return float(step @ variance @ step - 2 * step @ (z.T @ (self._users * together)))

    @property
    def _weight(self) -> Floats:
        return np.ones(len(self.scores)) if self.sample_weight is None else self.sample_weight

    @property
    def _users(self) -> Floats:
        return np.ones(len(self.scores)) if self.frequency is None else self.frequency

    def per_log_odds(self, treated: Bools) -> Floats:
        """Give how fast the log odds of each row's score grow with its linear predictor, (n,)."""
        return self._equations(treated)[2]

    def _equations(self, treated: Bools) -> tuple[Floats, Floats, Floats]:
        """Give what rows add to the equations of the model; those of weight 0 are not there."""
        e = self.scores if self.sample_weight is None else np.where(self.sample_weight > 0, self.scores, 0.5)
        return equations_of_scores(treated, e, self.score_model)

    def _information(self, z: Floats, scale: Floats, spread: Floats, factor: Floats | float = 1.0) -> Floats:
        """Give the sum of s q z z', q the spread, and the penalty, which is per unit of mean weight."""
        s, users = self._weight, self._users
        information = (z * (users * s * factor * spread)[:, None]).T @ z
        strength = self.penalty * np.average((s * factor)[s > 0], weights=users[s > 0])
        information[np.diag_indices_from(information)] += np.append(0.0, strength / scale**2)
        return np.asarray(information)

    def refitted(self, treated: Bools, rows: Rows) -> Floats:
        """Fit the same model to some of the rows, each as often as it is named, and give their scores.

        Raises
        ------
        InvalidInputError
            There is no maximum, or a score is 0 or 1.
        """
        s = None if self.sample_weight is None else self.sample_weight[rows]
        fit = core.fit_propensity(
            np.asfortranarray(self.x[rows]),
            treated[rows],
            penalty=self.penalty,
            score_model=self.score_model,
            sample_weight=s,
            n_threads=1,
        )
        if not (fit.scores.min() > 0 and fit.scores.max() < 1):
            raise OverlapError("scores: some are 0 or 1")
        return fit.scores


def read_score_terms(
    frame: Frame, scores: object, values: Floats, sample_weight: Floats | None
) -> tuple[BalanceTerms, EstimatedScores | None]:
    """Read what is behind scores (n,): what balance is asked of, and where it is a model, that."""
    balance_terms = BalanceTerms.of_scores(values)
    if isinstance(scores, CrossFittedScores):
        return balance_terms_of(frame, scores).beside(balance_terms), None
    if not isinstance(scores, PropensityModel):
        return balance_terms, None
    terms = read_terms(frame, scores)
    estimated = EstimatedScores(
        values, terms, scores.penalty, sample_weight, scores.score_model, frame.frequency
    )
    return BalanceTerms.of_terms(terms, scores.recipe, balance_terms.more), estimated


def _standardized(x: Floats) -> tuple[Floats, Floats]:
    """Put an intercept before the columns, centred and in standard deviations; give these (d,), too."""
    scale = x.std(axis=0)
    scale[scale == 0] = 1.0
    z = np.empty((len(x), x.shape[1] + 1), order="F")
    z[:, 0] = 1.0
    np.divide(x - x.mean(axis=0), scale, out=z[:, 1:])
    return z, scale
