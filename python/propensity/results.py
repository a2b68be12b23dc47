"""What the functions give back: frozen, picklable, with a table for the eye."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from propensity import _check, core, inference
from propensity._check import Bools, Floats, Rows
from propensity._frame import AnyFrame, AnySeries, Recipe, rowwise, rowwise_groups
from propensity._influence import matching_influence, matching_influence_ate
from propensity._replicates import ResamplingWeights, check_options, progress_bar, settle_seed
from propensity._show import Shown
from propensity.effects import Effect
from propensity.errors import InvalidInputError
from propensity.estimators import Estimator, MatchingEstimand, NearestNeighbors
from propensity.intervals import KINDS, IntervalKind, bootstrap_interval, studentized

if TYPE_CHECKING:
    from propensity.core import LogisticFit

_PAIRS_LIMIT = 50_000_000  # about 1.6 GB as a DataFrame
_NOT_VALID = "bootstrap not valid for matching (Abadie and Imbens 2008); Matches.bootstrap is"


@dataclass(frozen=True, eq=False, repr=False)
class PropensityModel(Shown):
    """A fitted logistic propensity score: P(treatment | covariates) for n rows and k terms.

    Attributes
    ----------
    treatment : str
        The column it predicts.
    scores : Series (n,)
        The fitted probabilities, called "propensity", with the caller's index.
    coefficients : Series (k,)
        By term, `Intercept` first, on the scale of the covariates (log odds per unit).
    covariance : DataFrame (k, k)
        Inverse of the information, the penalty's part included.
    log_likelihood : float
        Without the penalty.
    iterations : int
        Newton steps until gradient norm / n <= 1e-10.
    penalty : float
        The L2 strength it was fitted with.
    dropped : tuple of str
        Terms left out because earlier ones already say the same; they have no coefficient.
    treated : ndarray (n,) of bool
        Who was treated, in row order.
    sample_weight : ndarray (n,) or None
        What each row counted for in the fit; None where all counted one.
    fit : core.LogisticFit
        The same fit as the array door gives it.
    recipe : Recipe
        How the columns of a frame become the terms.
    """

    treatment: str
    scores: AnySeries
    coefficients: pd.Series[float]
    covariance: pd.DataFrame
    log_likelihood: float
    iterations: int
    penalty: float
    dropped: tuple[str, ...]
    treated: Bools
    sample_weight: Floats | None
    fit: LogisticFit
    recipe: Recipe

    @property
    def terms(self) -> tuple[str, ...]:
        """The k terms with a coefficient, `Intercept` first."""
        return tuple(self.coefficients.index)

    @cached_property
    def auc(self) -> float:
        """Chance that a treated unit has the higher score of a random pair, ties counting one half.

        A description of how well the treatment can be foretold, not of how good the adjustment is.
        """
        return _area_under_curve(self.fit.scores, self.treated)

    def predict(self, new: AnyFrame) -> AnySeries:
        """Score the rows of another frame.

        Parameters
        ----------
        new : DataFrame
            With the covariates' columns; needs no treatment.

        Returns
        -------
        Series (m,)
            Called "propensity", of the frame's own library and with its index.

        Raises
        ------
        InvalidInputError
            A column is missing or incomplete, or a level was not seen when fitted.
        TypeError
            A column is text that was numeric when fitted, or the reverse.
        """
        x, frame = self.recipe.apply(new)
        return frame.series(self.fit.predict(x), "propensity")

    def summary(self, level: float = 0.95) -> pd.DataFrame:
        """Tabulate the coefficients with their Wald tests and intervals.

        Parameters
        ----------
        level : float, default 0.95
            Coverage of the intervals.

        Returns
        -------
        DataFrame (k, 6)
            `estimate`, `std_error`, `z`, `p_value` (two-sided, normal), `conf_low`, `conf_high`, by term.
        """
        _check.confidence_level(level)
        std_error = pd.Series(np.sqrt(np.diag(self.covariance)), index=self.coefficients.index)
        z = self.coefficients / std_error
        half_width = NormalDist().inv_cdf((1 + level) / 2) * std_error
        return pd.DataFrame(
            {
                "estimate": self.coefficients,
                "std_error": std_error,
                "z": z,
                "p_value": [math.erfc(abs(value) / math.sqrt(2)) for value in z],
                "conf_low": self.coefficients - half_width,
                "conf_high": self.coefficients + half_width,
            }
        )

    def _headline(self) -> str:
        facts = [
            f"{len(self.treated):,} rows",
            f"{self.treated.sum():,} treated",
            f"log-likelihood {self.log_likelihood:.2f}",
            f"AUC {self.auc:.3f}",
        ]
        if self.penalty:
            facts.append(f"penalty {self.penalty:g}")
        if self.dropped:
            facts.append(f"left out as collinear: {', '.join(self.dropped)}")
        return f"Propensity model of {self.treatment}: {', '.join(facts)}"

    def _table(self) -> pd.DataFrame:
        return self.summary()


@dataclass(frozen=True, eq=False, repr=False)
class Matches(Shown):
    """Nearest neighbours: which units of one arm stand for each unit of the other.

    The focal units are those the effect is for (ATT the treated, ATC the controls, ATE all), the donors of
    each are in the other arm. Pairs are kept as ranges of the sorted donors, and spelled out only when asked
    for.

    Attributes
    ----------
    spec : NearestNeighbors
        What was asked for: estimand, number of neighbours, caliper, quantity.
    weights : Series (n,)
        1 for a matched focal unit, plus the sum of a unit's uses as a donor; with the caller's index.
    n_matched, n_unmatched : int
        Focal units with and without a donor.
    n_pairs : int
        Pairs of a focal unit and a donor.
    max_distance : float
        Between a focal unit and its farthest donor.
    caliper_width : float
        The caliper in units of the quantity matched on; infinite without one.
    treated : ndarray (n,) of bool
        Who was treated, in row order.
    scores : ndarray (n,)
        The propensity scores, in row order.
    x : ndarray (n, d) or None
        The terms of the model that gave the scores; None where they were numbers, and are taken as known.
    penalty : float
        Of that model.
    focal : ndarray (n_matched,) of int
        Rows of the matched focal units, ascending.
    donors : ndarray of int
        Rows of the arms that donate, the controls first, each arm sorted by the quantity matched on.
    first, last : ndarray (n_matched,) of int
        The donors of `focal[i]` are `donors[first[i]:last[i]]`.
    index : Index
        What rows are called.
    """

    spec: NearestNeighbors
    weights: AnySeries
    n_matched: int
    n_unmatched: int
    n_pairs: int
    max_distance: float
    caliper_width: float
    treated: Bools
    scores: Floats
    x: Floats | None
    penalty: float
    focal: Rows
    donors: Rows
    first: Rows
    last: Rows
    index: pd.Index[Any]

    @property
    def estimand(self) -> MatchingEstimand:
        """Whose effect: the treated units' (ATT), the control units' (ATC), everyone's (ATE)."""
        return self.spec.estimand

    @property
    def quantity(self) -> Floats:
        """What distances were measured on, (n,) in row order."""
        e = self.scores
        return e if self.spec.on == "score" else np.asarray(np.log(e / (1 - e)))

    @property
    def pairs(self) -> pd.DataFrame:
        """Every pair: labels of the `treated` and the `control`, their `distance`, and the pair's `weight`.

        The weights of a focal unit's pairs are equal and sum to 1. For the ATE two units may be a pair twice,
        and a column `focal` says for whose sake, "treated" or "control". Built anew at each call.

        Raises
        ------
        MemoryError
            There are more than 50 million pairs (scores with few distinct values).
        """
        if self.n_pairs > _PAIRS_LIMIT:
            raise MemoryError(
                f"{self.n_pairs:,} pairs would take {self.n_pairs * 32 / 1e9:,.0f} GB, for many scores are "
                "equal; use .weights, which says what each row counts for"
            )
        n_donors = self.last - self.first
        focal = np.repeat(self.focal, n_donors)
        start = np.cumsum(n_donors) - n_donors
        donors = self.donors[np.arange(self.n_pairs) + np.repeat(self.first - start, n_donors)]
        of_treated, quantity = self.treated[focal], self.quantity
        pairs = pd.DataFrame(
            {
                "treated": self._labels(np.where(of_treated, focal, donors)),
                "control": self._labels(np.where(of_treated, donors, focal)),
                "distance": np.abs(quantity[focal] - quantity[donors]),
                "weight": np.repeat(1.0 / n_donors, n_donors),
            }
        )
        if self.estimand == "ATE":
            pairs["focal"] = np.where(of_treated, "treated", "control")
        return pairs

    def effect(self, outcome: object) -> Effect:
        """Compare the outcome of the matched units: mean over focal units of own minus donors' mean.

        Parameters
        ----------
        outcome : Series or array (n,)
            Numeric or bool, for every row of the frame that was matched; a pandas Series with its very index.

        Returns
        -------
        Effect
            Treated minus control, whichever arm is focal. Its `se_method` tells whether the standard error
            counts that the scores were estimated.

        Notes
        -----
        The standard error is that of Abadie and Imbens (2006, section 4), the variance of outcomes at a score
        being that of a unit and its nearest of the same arm, ties included. With the scores of a
        `PropensityModel` it counts that they were estimated (Abadie and Imbens 2016), which never makes it
        larger for the ATE, and may for the ATT and the ATC. There is no theory of that for a caliper that
        leaves units out.
        """
        if isinstance(outcome, str):
            raise TypeError(f"outcome: matches keep no frame; give the column itself, df[{outcome!r}]")
        found = core.matching_effect(
            rowwise(outcome, self.index, "outcome"),
            self.treated,
            self.scores,
            estimand=self.estimand,
            n_neighbors=self.spec.n_neighbors,
            caliper=self.spec.caliper,
            on=self.spec.on,
            x=self.x,
            penalty=self.penalty,
        )
        return Effect(
            estimand=self.estimand,
            estimate=found.estimate,
            mean_treated=found.mean_treated,
            mean_control=found.mean_control,
            ess_treated=found.ess_treated,
            ess_control=found.ess_control,
            weights=self.weights,
            std_error=found.std_error,
            se_method=self._se_method(corrected=found.correction is not None),
        )

    def bootstrap(
        self,
        outcome: object,
        *,
        weights: ResamplingWeights = "multinomial",
        cluster: object = None,
        strata: object = None,
        n_reps: int = 2_000,
        seed: int | np.random.Generator | None = None,
        n_threads: int | None = None,
        progress: bool | None = None,
    ) -> BootstrapResult:
        """Bootstrap the effect without matching again, which is valid where the plain bootstrap is not.

        A replicate weighs the terms of the bias-corrected estimate, and leaves alone how often each unit was
        used (Otsu and Rai 2017). Centred at `effect(outcome)`: the correction, of the order of the
        distances, is left out of the estimate itself.

        Parameters
        ----------
        outcome : Series or array (n,)
            As for `effect`.
        weights : {"multinomial", "poisson", "bayesian"}, default "multinomial"
            As for `propensity.bootstrap`.
        cluster, strata : Series or array (n,), or None, default None
            Labels of groups, for every row of the frame that was matched; as for `propensity.bootstrap`.
        n_reps : int, default 2000
            Replicates. They are cheap here: enough for the ends of a 95% interval.
        seed, n_threads, progress
            As for `propensity.bootstrap`.

        Returns
        -------
        BootstrapResult
            Of one estimator, with `std_errors`, `conf_int()` and `summary()`.

        Notes
        -----
        The score is taken as known. Where it was estimated, the interval of an ATT or ATC may be a little too
        wide or too narrow (Abadie and Imbens 2016).

        References
        ----------
        Otsu and Rai (2017), Journal of the American Statistical Association 112:1720.
        """
        check_options(weights, n_reps, n_threads)
        effect, seed = self.effect(outcome), settle_seed(seed)
        estimate = effect.estimate
        y = rowwise(outcome, self.index, "outcome")
        influence = self._influence(y)
        with progress_bar(n_reps, progress) as report:
            changes = core.bootstrap_influence(
                influence,
                weights=weights,
                cluster=None if cluster is None else rowwise_groups(cluster, self.index, "cluster"),
                strata=None if strata is None else rowwise_groups(strata, self.index, "strata"),
                n_reps=n_reps,
                seed=seed,
                n_threads=n_threads,
                progress=report,
            )
        labels = pd.Index([self.spec.label], name="estimator")
        return BootstrapResult(
            estimators=(self.spec,),
            estimates=pd.Series([estimate], index=labels, name="estimate"),
            replicates=pd.DataFrame({self.spec.label: estimate + changes}, columns=labels),
            acceleration=pd.Series([math.nan], index=labels, name="acceleration"),
            analytic_std_errors=pd.Series([effect.std_error], index=labels, name="analytic_std_error"),
            n_failed=0,
            seed=seed,
            penalty=0.0,
            weights=weights,
            cluster=None if cluster is None else "cluster",
            strata=None if strata is None else "strata",
            refitted=False,
        )

    def _influence(self, y: Floats) -> Floats:
        weights = np.asarray(self.weights)
        if self.estimand != "ATE":
            focal = self.treated == (self.estimand == "ATT")
            influence = matching_influence(y, weights, self.quantity, focal)
            return influence if self.estimand == "ATT" else -influence
        if self.n_unmatched:
            raise InvalidInputError(
                f"{self.n_unmatched:,} units are unmatched, and there is no theory of this bootstrap for an "
                "ATE without them; take effect(outcome).conf_int(), or match without a caliper"
            )
        return matching_influence_ate(y, weights, self.quantity, self.treated)

    def _se_method(self, *, corrected: bool) -> str:
        if corrected:
            return "Abadie and Imbens (2006); counts that the scores were estimated (2016)"
        known = "Abadie and Imbens (2006); takes the scores as known"
        if self.x is None:
            return known
        if self.n_unmatched:
            return f"{known}, for some units are unmatched"
        return f"{known}, for in so small a sample counting their estimation would leave no variance"

    def to_frame(self) -> pd.DataFrame:
        """Put the counts and distances into a table of one row, named after the estimand."""
        names = ["n_matched", "n_unmatched", "n_pairs", "max_distance", "caliper_width"]
        numbers = {name: getattr(self, name) for name in names}
        return pd.DataFrame(numbers, index=pd.Index([self.estimand], name="estimand"))

    def _labels(self, rows: Rows) -> pd.Series[Any]:
        return pd.Series(self.index.take(rows).to_flat_index())  # labels of several levels become tuples

    def _headline(self) -> str:
        return f"Matches: {self.spec.label}, on the {self.spec.on}"

    def _table(self) -> pd.DataFrame:
        return self.to_frame()


@dataclass(frozen=True, eq=False, repr=False)
class BootstrapResult(Shown):
    """Replicates of one or more estimators.

    Attributes
    ----------
    estimators : tuple of Estimator
        What was estimated.
    estimates : Series (k,)
        On the data themselves, by label.
    replicates : DataFrame (n_reps, k)
        A column per label; NaN where a replicate could not be estimated (no treated unit drawn, separation).
    acceleration : Series (k,)
        Efron's, for BCa intervals, by label; NaN where there is none (nearest neighbours).
    analytic_std_errors : Series (k,)
        Without resampling, by label: what the estimators' own functions give; NaN where there is none.
    n_failed : int
        Replicates with at least one NaN.
    seed : int
        With which the same replicates come again, also where none was given.
    penalty : float
        The L2 strength of the propensity model.
    weights : {"multinomial", "poisson", "bayesian"}
        How a replicate weighs the rows.
    cluster, strata : str or None
        By what rows were drawn together, and within what.
    refitted : bool
        Whether a replicate estimates everything again, the propensity model included, or weighs the
        influence of the rows on the one estimate (`Matches.bootstrap`).
    replicate_std_errors : DataFrame (n_reps, k) or None
        Of each replicate by itself, by label, where asked for; NaN for nearest neighbours.
    """

    estimators: tuple[Estimator, ...]
    estimates: pd.Series[float]
    replicates: pd.DataFrame
    acceleration: pd.Series[float]
    analytic_std_errors: pd.Series[float]
    n_failed: int
    seed: int
    penalty: float
    weights: ResamplingWeights = "multinomial"
    cluster: str | None = None
    strata: str | None = None
    refitted: bool = True
    replicate_std_errors: pd.DataFrame | None = None

    @property
    def std_errors(self) -> pd.Series[float]:
        """Standard deviation (n - 1) of the replicates, failed ones left out, by label."""
        return self.replicates.std(ddof=1).rename("std_error")

    def conf_int(self, level: float = 0.95, kind: IntervalKind = "percentile") -> pd.DataFrame:
        """Give intervals from the replicates, failed ones left out.

        Parameters
        ----------
        level : float, default 0.95
            Coverage.
        kind : {"percentile", "basic", "normal", "bca", "studentized"}, default "percentile"
            "percentile": the quantiles (1 - level) / 2 and (1 + level) / 2 of the replicates, linearly
            interpolated; they need no standard error and stay within the range of the estimator.
            "basic": the percentile interval mirrored at the estimate.
            "normal": the estimate plus and minus normal quantiles times the standard error; the only one to
            be trusted with a few hundred replicates.
            "bca": percentiles moved for bias and skewness (bias-corrected and accelerated), the most
            accurate of the four with 5,000 replicates or more; NaN without an `acceleration`, and where the
            estimate is beyond all its replicates. The acceleration is that of counts, not of "bayesian"
            weights, which are twice as skewed.
            "studentized": from the replicates' own t statistics, which follow a skewed estimate best where
            overlap is poor; needs `bootstrap(..., studentized=True)`, and NaN for nearest neighbours.

        Returns
        -------
        DataFrame (k, 2)
            `conf_low`, `conf_high`, by label.

        References
        ----------
        Efron (1987), Journal of the American Statistical Association 82:171; DiCiccio and Efron (1996),
        Statistical Science 11:189.
        """
        _check.confidence_level(level)
        _check.choice("kind", kind, KINDS)
        if kind == "studentized":
            return self._studentized(level)
        ends = {
            label: bootstrap_interval(
                kind,
                self.estimates[label],
                self.replicates[label].dropna().to_numpy(),
                level=level,
                acceleration=self.acceleration[label],
            )
            for label in (estimator.label for estimator in self.estimators)
        }
        table = pd.DataFrame.from_dict(ends, orient="index", columns=["conf_low", "conf_high"])
        return table.rename_axis("estimator")

    def _studentized(self, level: float) -> pd.DataFrame:
        errors = self.replicate_std_errors
        if errors is None:
            raise InvalidInputError(
                "kind='studentized' needs a standard error for each replicate: bootstrap with "
                "studentized=True"
            )
        ends = [
            studentized(
                self.estimates.iloc[k],
                self.analytic_std_errors.iloc[k],
                self.replicates.iloc[:, k].to_numpy(),
                errors.iloc[:, k].to_numpy(),
                level,
            )
            for k in range(len(self.estimators))
        ]
        labels = self.estimates.index
        return pd.DataFrame(ends, index=labels, columns=["conf_low", "conf_high"])

    def summary(self, level: float = 0.95, kind: IntervalKind = "percentile") -> pd.DataFrame:
        """Tabulate the estimators.

        Parameters
        ----------
        level : float, default 0.95
            Coverage of the intervals.
        kind : {"percentile", "basic", "normal", "bca", "studentized"}, default "percentile"
            As in `conf_int`.

        Returns
        -------
        DataFrame (k, 4 or 7)
            `estimate`, `std_error`, `conf_low`, `conf_high`, by label; with nearest neighbours matched again
            in every replicate also `analytic_low`, `analytic_high`, the intervals without resampling, and
            `note`, which warns of their bootstrap.
        """
        table = pd.concat([self.estimates, self.std_errors, self.conf_int(level, kind)], axis="columns")
        doubtful = [
            self.refitted and isinstance(estimator, NearestNeighbors) for estimator in self.estimators
        ]
        if any(doubtful):
            half_width = inference.normal_quantile(level) * self.analytic_std_errors
            table["analytic_low"] = self.estimates - half_width
            table["analytic_high"] = self.estimates + half_width
            table["note"] = [_NOT_VALID if flag else "" for flag in doubtful]
        return table

    def _headline(self) -> str:
        facts = [
            "" if self.weights == "multinomial" else f"{self.weights} weights",
            f"whole clusters by {self.cluster}" if self.cluster else "",
            f"strata by {self.strata}" if self.strata else "",
            "" if self.refitted else "no refit (Otsu and Rai 2017)",
            f"{self.n_failed:,} failed" if self.n_failed else "none failed",
            f"seed {self.seed}; 95% percentile intervals",
        ]
        return f"Bootstrap: {len(self.replicates):,} replicates, {', '.join(filter(None, facts))}"

    def _table(self) -> pd.DataFrame:
        return self.summary()


def _area_under_curve(scores: Floats, treated: Bools) -> float:
    """Mann and Whitney's U over the number of pairs; the counts are exact integers."""
    ups, downs = np.sort(scores[treated]), np.sort(scores[~treated])
    below = int(np.searchsorted(downs, ups, side="left").sum())
    below_or_equal = int(np.searchsorted(downs, ups, side="right").sum())
    return (below + below_or_equal) / (2 * len(ups) * len(downs))
