"""Matches: which units of one arm stand for each unit of the other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from propensity import core
from propensity._check import Floats, Rows
from propensity._frame import rowwise, rowwise_groups
from propensity._influence import matching_influence, matching_influence_ate
from propensity._replicates import ResamplingWeights, check_options, progress_bar, settle_seed
from propensity.effects import Effect
from propensity.errors import InvalidInputError
from propensity.estimators import NearestNeighbors
from propensity.matched import Matched
from propensity.results import BootstrapResult

_PAIRS_LIMIT = 50_000_000  # about 1.6 GB as a DataFrame


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Matches(Matched):
    """Nearest neighbours: which units of one arm stand for each unit of the other.

    The focal units are those the effect is for (ATT the treated, ATC the controls, ATE all), the donors of
    each are in the other arm. Pairs are kept as ranges of the sorted donors, and spelled out only when asked
    for.

    Attributes
    ----------
    spec : NearestNeighbors
        What was asked for: estimand, number of neighbours, caliper, quantity.
    estimand, weights, treated, index
        As for every `Matched`; weights are 1 for a matched focal unit, plus the sum of its uses as a donor.
    n_matched, n_unmatched : int
        Focal units with and without a donor.
    n_pairs : int
        Pairs of a focal unit and a donor.
    max_distance : float
        Between a focal unit and its farthest donor.
    caliper_width : float
        The caliper in units of the quantity matched on; infinite without one.
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
    """

    spec: NearestNeighbors
    n_matched: int
    n_unmatched: int
    n_pairs: int
    max_distance: float
    caliper_width: float
    scores: Floats
    x: Floats | None
    penalty: float
    focal: Rows
    donors: Rows
    first: Rows
    last: Rows

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
