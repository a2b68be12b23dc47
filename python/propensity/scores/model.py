"""A fitted propensity score."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from propensity.effects import inference
from propensity.frames import checks
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.counted_rows import as_rows, mass_of
from propensity.frames.fingerprint import Fingerprint
from propensity.frames.native import AnyFrame, AnySeries
from propensity.frames.recipe import Recipe
from propensity.results.show import Shown
from propensity.scores.calibration import calibration_table
from propensity.scores.separation import Separation

if TYPE_CHECKING:
    from propensity.core import PropensityFit
    from propensity.scores.own_models import ScoreWord


class ModelScores(Shown):
    """What knows the scores of its rows, and which rows these are; it goes wherever scores are taken."""

    if TYPE_CHECKING:  # fields of each kind

        @property
        def treatment(self) -> str:
            """The column it predicts."""

        @property
        def scores(self) -> AnySeries:
            """Of the rows, (n,)."""

        @property
        def fingerprint(self) -> Fingerprint:
            """Which rows it was made from."""

        @property
        def separation(self) -> Separation | None:
            """Which rows' treatment is foretold without error, where that is known."""

        @property
        def covariates(self) -> tuple[str, ...]:
            """The columns it is made of."""

    @property
    def values(self) -> Floats:
        """The scores (n,) as numbers."""
        return np.asarray(self.scores, dtype=np.float64)

    @property
    def treated(self) -> Bools:
        """Who was treated, (n,) of bool in row order."""
        treated = self.fingerprint.treated
        assert treated is not None
        return treated

    @property
    def sample_weight(self) -> Floats | None:
        """What each row counted for in the fit, (n,); None where all counted one."""
        return self.fingerprint.sample_weight

    @property
    def there(self) -> Bools:
        """Which rows are there, (n,): those of sample weight 0 are not."""
        weight = self.sample_weight
        return np.ones(len(self.treated), dtype=bool) if weight is None else weight > 0

    @cached_property
    def auc(self) -> float:
        """Chance that a treated unit has the higher score of a random pair, ties counting one half.

        A description of how well the treatment can be foretold, not of how good the adjustment is. With
        sample weights a unit is drawn in proportion to its own.
        """
        there, weight = self.there, mass_of(self.sample_weight, self.fingerprint.frequency)
        return _area_under_curve(
            self.values[there], self.treated[there], None if weight is None else weight[there]
        )

    def calibration(self, n_bins: int = 10, level: float = 0.95) -> pd.DataFrame:
        """Set the mean score beside the share that was treated, in bins of like numbers of rows.

        Parameters
        ----------
        n_bins : int, default 10
            Rows of the same score stay together, so that there may be fewer.
        level : float, default 0.95
            Coverage of the intervals of the shares (Wilson 1927; of rows with sample weights as many as these
            are worth).

        Returns
        -------
        DataFrame (b, 6)
            By bin: `score`, `share`, `conf_low`, `conf_high`, `n` rows, `n_treated`.

        Raises
        ------
        InvalidInputError
            There are no bins, or a level outside (0, 1).

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> model = ps.fit_propensity(users, treatment="opt_in_agent_mode", covariates=["engagement_tier"])
        >>> model.calibration()[["score", "share"]].round(3)
             score  share
        bin
        1    0.124  0.124
        2    0.336  0.336
        3    0.649  0.649
        """
        checks.count("n_bins", n_bins)
        checks.confidence_level(level)
        return calibration_table(self.values, self.treated, self.sample_weight, n_bins, level)


@dataclass(frozen=True, eq=False, repr=False)
class PropensityModel(ModelScores):
    """A fitted propensity score with a link: P(treatment | covariates) for n rows and k terms.

    Attributes
    ----------
    treatment : str
        The column it predicts.
    scores : Series (n,)
        The fitted probabilities, called "propensity", with the caller's index.
    coefficients : Series (k,)
        By term, `Intercept` first, on the scale of the covariates (log odds per unit; of the linear
        predictor with another link).
    covariance : DataFrame (k, k)
        Inverse of the information, the penalty's part included; with sample weights the sandwich V M V, V
        that inverse and M the sum of squared scores, (w (T - e))^2 x x' (Binder 1983; as R's svyglm, without
        its factor n / (n - 1)), which counts rows and not what they weigh.
    log_likelihood : float
        Without the penalty.
    iterations : int
        Newton steps until gradient norm / n <= 1e-10.
    penalty : float
        The L2 strength it was fitted with.
    dropped : tuple of str
        Terms left out because earlier ones already say the same; they have no coefficient.
    fit : core.PropensityFit
        The same fit as the array door gives it.
    recipe : Recipe
        How the columns of a frame become the terms.
    fingerprint : Fingerprint
        Which rows it was fitted on: every function that takes the model compares.
    separation : Separation or None
        Which rows' treatment the covariates foretell without error; None where there are none.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
    >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
    >>> model.terms
    ('Intercept', 'engagement_tier[T.light]', 'engagement_tier[T.medium]', 'query_confidence')
    >>> round(model.auc, 2)
    0.75
    >>> model.scores.describe().round(2)[["min", "mean", "max"]]
    min     0.09
    mean    0.27
    max     0.68
    Name: propensity, dtype: float64
    """

    treatment: str
    scores: AnySeries
    coefficients: pd.Series[float]
    log_likelihood: float
    iterations: int
    penalty: float
    dropped: tuple[str, ...]
    fit: PropensityFit
    recipe: Recipe
    fingerprint: Fingerprint
    separation: Separation | None = None

    @property
    def values(self) -> Floats:
        """The scores (n,) as numbers."""
        return self.fit.scores

    @property
    def score_model(self) -> ScoreWord:
        """The word for what was fitted: "logistic", "probit" or "cloglog"."""
        return self.fit.score_model

    @property
    def covariates(self) -> tuple[str, ...]:
        """The columns it is made of."""
        return self.recipe.columns

    @property
    def terms(self) -> tuple[str, ...]:
        """The k terms with a coefficient, `Intercept` first."""
        return tuple(self.coefficients.index)

    @property
    def covariance(self) -> pd.DataFrame:
        """The covariance matrix (k, k) of the coefficients, made when it is asked for."""
        covariance = self.fit.covariance if self.fit.sandwich is None else self.fit.sandwich
        index = self.coefficients.index
        return pd.DataFrame(covariance[np.ix_(self._kept, self._kept)], index=index, columns=index)

    @property
    def _kept(self) -> Rows:
        """The places of the terms with a coefficient."""
        return np.setdiff1d(np.arange(len(self.fit.coefficients)), self.fit.aliased + 1)

    def predict(self, new: AnyFrame) -> AnySeries:
        """Score the rows of another frame.

        Parameters
        ----------
        new : DataFrame or Cells
            With the covariates' columns; needs no treatment. Of `Cells` each has the score of its users.

        Returns
        -------
        Series (m,)
            Called "propensity", of the frame's own library and with its index.

        Raises
        ------
        InvalidInputError
            A column is missing or incomplete, or a level was not seen when fitted. With missing="indicator" a
            value may be missing of columns that lacked some at the fit, and has the mean of then; with
            `min_level_count` an unseen level is "other", where some were.
        TypeError
            A column is text that was numeric when fitted, or the reverse.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
        >>> model.predict(users.head(3)).round(2)
        0    0.29
        1    0.14
        2    0.64
        Name: propensity, dtype: float64
        """
        self.recipe.require_row_by_row()
        design, frame = self.recipe.design(as_rows(new))
        return frame.series(design.scores(self.fit), "propensity")

    def summary(self, level: float = 0.95) -> pd.DataFrame:
        """Tabulate the coefficients with their Wald tests and intervals, by `covariance`.

        Parameters
        ----------
        level : float, default 0.95
            Coverage of the intervals.

        Returns
        -------
        DataFrame (k, 6)
            `estimate`, `std_error`, `z`, `p_value` (two-sided, normal), `conf_low`, `conf_high`, by term.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
        >>> model.summary()[["estimate", "std_error"]].round(2)
                                   estimate  std_error
        term
        Intercept                      0.19       0.28
        engagement_tier[T.light]      -2.57       0.15
        engagement_tier[T.medium]     -1.31       0.15
        query_confidence               0.59       0.36
        """
        checks.confidence_level(level)
        std_error = pd.Series(np.sqrt(self.fit.variances[self._kept]), index=self.coefficients.index)
        z = self.coefficients / std_error
        half_width = inference.normal_quantile(level) * std_error
        return pd.DataFrame(
            {
                "estimate": self.coefficients,
                "std_error": std_error,
                "z": z,
                "p_value": list(map(inference.two_sided_p, self.coefficients, std_error)),
                "conf_low": self.coefficients - half_width,
                "conf_high": self.coefficients + half_width,
            }
        )

    def _headline(self) -> str:
        facts: list[str] = [] if self.score_model == "logistic" else [self.score_model]
        facts += [
            f"{self.fingerprint.n_users(self.there):,} rows",
            f"{self.fingerprint.n_users(self.treated & self.there):,} treated",
            f"log-likelihood {self.log_likelihood:.2f}",
            f"AUC {self.auc:.3f}",
        ]
        if self.penalty:
            facts.append(f"penalty {self.penalty:g}")
        if self.sample_weight is not None:
            facts.append("sample weights, standard errors by the sandwich")
        if self.dropped:
            facts.append(f"left out as collinear: {', '.join(self.dropped)}")
        words = f"Propensity model of {self.treatment}: {', '.join(facts)}"
        tidied = self.recipe.tidied_words
        return f"{words}\nTidied: {tidied}" if tidied else words

    def _table(self) -> pd.DataFrame:
        return self.summary()


def _area_under_curve(scores: Floats, treated: Bools, weights: Floats | None) -> float:
    """Mann and Whitney's U over the number of pairs, each counting the product of its weights."""
    ups, downs = np.sort(scores[treated]), np.sort(scores[~treated])
    if weights is None:  # counts are exact integers
        below = int(np.searchsorted(downs, ups, side="left").sum())
        below_or_equal = int(np.searchsorted(downs, ups, side="right").sum())
        return (below + below_or_equal) / (2 * len(ups) * len(downs))
    own, order = weights[treated], np.argsort(scores[~treated])
    total = np.concatenate([[0.0], np.cumsum(weights[~treated][order])])
    sides = (total[np.searchsorted(downs, scores[treated], side=side)] for side in ("left", "right"))
    return float(sum(own @ beaten for beaten in sides) / (2 * own.sum() * total[-1]))
