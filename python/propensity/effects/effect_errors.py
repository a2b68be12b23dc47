"""How sure an effect is: influence of rows, standard errors of intervals, degrees of freedom."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from propensity.effects import inference
from propensity.effects.contrasts import SCALES
from propensity.effects.leverage import USUAL, ErrorKind
from propensity.effects.reported import ReportedEffect

if TYPE_CHECKING:
    from propensity.effects.means_covariance import MeansCovariance
    from propensity.frames.checks import Bools, Floats, Rows
    from propensity.frames.fingerprint import Fingerprint
    from propensity.frames.native import AnySeries


class EffectErrors(ReportedEffect):
    """What intervals of an effect are made of; `Effect` is the one kind, and says what it holds."""

    if TYPE_CHECKING:  # fields of `Effect`
        weights: AnySeries
        influence_treated: Floats | None
        influence_control: Floats | None
        clusters: Rows | None
        frequency: Floats | None
        treated: Bools | None
        fingerprint: Fingerprint | None
        means_covariance: MeansCovariance | None

    @property
    def influence(self) -> Floats | None:
        """Each row's influence (n,) on the estimate; on its logarithm where that is a ratio.

        Two effects on the same rows have the covariance sum(influence * other.influence) / n^2, where rows
        vary by themselves; of counted users sum(frequency * influence * other.influence) / n^2.
        """
        if self.influence_treated is None or self.influence_control is None:
            return None
        slope = SCALES[self.contrast].slope
        return (
            slope(self.mean_treated) * self.influence_treated
            - slope(self.mean_control) * self.influence_control
        )

    @cached_property
    def df(self) -> float:
        """How many rows, or clusters less one, carry the variance: degrees of freedom of Student's law.

        Without influence values (matching with replacement) matching weights alone are counted, as if all
        outcomes varied alike.
        """
        if self.std_error == 0.0:
            return math.inf
        influence = self._influence_in_intervals(USUAL)
        if influence is not None:
            return inference.degrees_of_freedom(influence, self.clusters, self.frequency)
        slope = SCALES[self.contrast].slope
        known = self._known_df(slope(self.mean_treated), -slope(self.mean_control))
        if known is not None or self.treated is None:  # of nothing but means it is not known
            return math.inf if known is None else known
        of_treated, of_control = self._shares_of_arms()
        carried = slope(self.mean_treated) * of_treated + slope(self.mean_control) * of_control
        return inference.kish(carried**2, self._users)

    @cached_property
    def interval_error(self) -> float:
        """The standard error of intervals and p-values: `std_error`, corrected for leverage by HC2.

        Another for outcome models alone, whose `std_error` is as R and Stata have it, without a correction.
        """
        return self._error_by(USUAL)

    def _error_by(self, kind: ErrorKind) -> float:
        """Give the standard error with a correction for leverage; where there is none, as it stands."""
        uncorrected = self.leverage is None and kind != "jackknife"
        if self.std_error == 0.0 or uncorrected or kind == "HC0":
            return self.std_error
        influence = self._influence_in_intervals(kind)
        assert influence is not None
        return inference.std_error(influence, self.clusters, self.frequency)

    def _influence_in_intervals(self, kind: ErrorKind) -> Floats | None:
        influence, slope = self.influence, SCALES[self.contrast].slope
        if kind == "jackknife":
            assert not isinstance(self.left_out, str | None)
            of_treated, of_control = self.left_out.influence()
            return np.asarray(slope(self.mean_treated) * of_treated - slope(self.mean_control) * of_control)
        if influence is None or self.leverage is None:
            return influence
        of_own_arm = np.where(self._treated_rows, slope(self.mean_treated), -slope(self.mean_control))
        return influence + of_own_arm * self.leverage.added(kind)

    def _errors_of_means(self) -> tuple[Floats, Floats]:
        """Give the standard errors in intervals of both means and their degrees of freedom, (2,) and (2,)."""
        of_treated, of_control = self.influence_treated, self.influence_control
        if of_treated is None or of_control is None:
            df = [self._known_df(1.0, 0.0), self._known_df(0.0, -1.0)]
            if self.treated is not None:
                df = [inference.kish(shares**2, self._users) for shares in self._shares_of_arms()]
            found = [math.inf if one is None else one for one in df]
            return np.sqrt(np.diag(self._covariance_of_means())), np.array(found)
        known = self.clusters, self.frequency
        both = [of_treated, of_control]
        if self.leverage is not None:
            added, treated = self.leverage.added(), self._treated_rows
            both = [of_treated + added * treated, of_control + added * ~treated]
        errors = [inference.std_error(one, *known) for one in both]
        return np.array(errors), np.array([inference.degrees_of_freedom(one, *known) for one in both])

    @property
    def _treated_rows(self) -> Bools:
        """Who of the rows of influence was treated, (n,)."""
        assert self.treated is not None
        known = None if self.leverage is None else self.leverage.treated
        return self.treated if known is None else known

    @property
    def are_points(self) -> bool:
        """Whether influence is of two rows a cell, which do not say how another outcome varies with it."""
        if self.frequency is None or self._users is None:
            return False
        return len(self.frequency) != len(self._users)

    @property
    def _users(self) -> Floats | None:
        """How many users each weight is of; None where each is of one."""
        return None if self.fingerprint is None else self.fingerprint.frequency

    def _known_df(self, of_treated: float, of_control: float) -> float | None:
        """Give the degrees of freedom of a contrast with these slopes, where sums of influence say them."""
        if self.means_covariance is None:
            return None
        return self.means_covariance.degrees_of_freedom(np.array([of_treated, of_control]))

    def _shares_of_arms(self) -> tuple[Floats, Floats]:
        """Give the share (n,) of each row's weight among the treated, and among the controls."""
        assert self.treated is not None
        w = np.asarray(self.weights, dtype=np.float64)
        users = np.ones(len(w)) if self._users is None else self._users
        of_treated, of_control = np.where(self.treated, w, 0.0), np.where(self.treated, 0.0, w)
        return of_treated / (of_treated @ users), of_control / (of_control @ users)

    def _covariance_of_means(self) -> Floats:
        """Give the covariance (2, 2) of both means, the treated's first."""
        if self.influence_treated is not None and self.influence_control is not None:
            both = np.column_stack([self.influence_treated, self.influence_control])
            return inference.covariance(both, self.clusters, self.frequency)
        assert self.means_covariance is not None
        return self.means_covariance.values
