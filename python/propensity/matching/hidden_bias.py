"""Rows matched in sets, and what a hidden confounder within the sets could make of a finding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from propensity.effects.arms import rounding_of
from propensity.errors import InvalidInputError
from propensity.frames.checks import Floats, Rows
from propensity.matching.result import Matched, outcome_of, require_unknown
from propensity.sensitivity.rosenbaum import Alternative, BiasTest, RosenbaumBounds, rosenbaum_bounds
from propensity.sensitivity.sets import MatchedSets


class MatchedInSets(Matched):
    """Matched rows each of which is in one set at the most, or may be."""

    if TYPE_CHECKING:  # of each result

        @property
        def labels(self) -> Rows:
            """The set (n,) that each row is in, from 1; 0 where it is left out."""

        @property
        def sample_weight(self) -> Floats | None:
            """What each row counts for, (n,)."""

    def _require_sets(self) -> None:
        """Require that no row is in several sets."""

    def rosenbaum(
        self,
        outcome: object,
        *,
        gammas: Sequence[float] | None = None,
        test: BiasTest | None = None,
        alternative: Alternative | None = None,
        level: float = 0.95,
    ) -> RosenbaumBounds:
        """Say what a hidden confounder could make of the finding, of matching without replacement.

        Two users of a set have the same covariates, about; a hidden confounder may still make the odds that
        the one opted in up to gamma times those of the other. For each gamma these are the least and the
        largest p-value and estimate that any such confounder allows.

        Parameters
        ----------
        outcome : str, Series or array (n,)
            As for `effect`.
        gammas : list of float or None, default None
            Strengths of bias, ascending, each at least 1. None takes 1, 1.1, 1.25, 1.5, 2 and 3.
        test : {"wilcoxon", "m", "mantel_haenszel"} or None, default None
            None takes for 0/1 outcomes McNemar's test of pairs, or Mantel and Haenszel's of sets; for others
            Wilcoxon's signed rank test of pairs, or Rosenbaum's M-test of sets.
        alternative : {"greater", "less"} or None, default None
            Which side is tested; p-values are one-sided. None takes the side on which the data lie, for which
            a level of 0.975 is that of a two-sided test at 5%.
        level : float, default 0.95
            `critical_gamma` is where the largest p-value reaches 1 - level.

        Returns
        -------
        RosenbaumBounds
            With `table` and `critical_gamma`; `str()` is a sentence, and `plots.rosenbaum_plot` draws it.

        Raises
        ------
        InvalidInputError
            Units may be donors more than once, so that there are no sets; sample weights differ; a gamma is
            below 1, or they do not ascend; the test is not for such an outcome, or such sets.

        Notes
        -----
        "wilcoxon": mid-ranks of the sizes of the pairs' differences, zeros dropped; written out for up to 50
        pairs, else normal with mean p sum(q) and variance p (1 - p) sum(q^2), p = gamma / (1 + gamma). The
        estimate is Hodges and Lehmann's. "mantel_haenszel": treated rows with an event, in sets where some
        had one and others not; binomial of pairs, written out for up to 300 sets, else normal. The estimate
        is the odds ratio within sets, which gamma divides and multiplies. "m": Huber's scores of the
        differences within sets, each set counting for those of it whom the effect is for; the largest mean
        of each set is had where all rows above some score have the odds gamma (Gastwirth, Krieger and
        Rosenbaum 2000), and the estimate is the shift for which the sum is as expected.

        References
        ----------
        Rosenbaum (2002), Observational Studies, 2nd edition, chapter 4; Rosenbaum (2007), Biometrics 63:456;
        Gastwirth, Krieger and Rosenbaum (2000), Journal of the Royal Statistical Society B 62:545.

        Examples
        --------
        >>> import propensity as ps
        >>> trained = ps.datasets.lalonde()
        >>> sets = ps.match_cem(trained, treatment="treat", covariates=["educ", "race", "married"])
        >>> sets.rosenbaum("re78", gammas=[1, 1.25]).table.shape
        (2, 5)
        """
        self._require_users("rosenbaum", "a test within sets")
        self._require_sets()
        s = self.sample_weight
        if s is not None and s[s > 0].min() != s.max():
            raise InvalidInputError(
                "rosenbaum: rows of a set have chances of treatment, whatever they stand for, so that there "
                "is no test that counts sample weights; match without them, or take ps.sensitivity_bounds"
            )
        y = outcome_of(self, outcome)
        require_unknown(self, outcome)
        values = y.values + y.origin
        rounding = rounding_of(values)
        if not y.facts.constant:  # from the origin, which a constant is all of
            values = y.values
        sets = MatchedSets.of(values, self.treated, self.labels, self.estimand, rounding)
        return rosenbaum_bounds(sets, gammas=gammas, test=test, alternative=alternative, level=level)
