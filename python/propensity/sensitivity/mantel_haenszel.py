"""McNemar's test of pairs with an event in one of them, and Mantel and Haenszel's of sets of any size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from propensity.frames.checks import Floats
from propensity.sensitivity.hypergeometric import Urns
from propensity.sensitivity.roots import normal_tail, root
from propensity.sensitivity.sets import MatchedSets

# Laws of so many sets are folded into one in no time; of more the sum is normal to four digits.
_FEW_SETS = 300

_LARGEST_LOG_ODDS = 40.0


@dataclass(frozen=True, eq=False)
class Events:
    """Sets of rows with and without an event, whose treated rows bias may have made likelier to have one.

    The number T of treated rows with an event is at most, in distribution, the sum over sets of extended
    hypergeometric numbers: m of n rows are treated, and rows with an event have the odds Gamma of being among
    them (Rosenbaum 2002, section 4.4.6). Of a pair with one event that is 1 with probability
    Gamma / (1 + Gamma), and of all of them T is binomial: McNemar's test.
    """

    sets: MatchedSets

    @cached_property
    def urns(self) -> Urns:
        """The sets that can tell: some rows had an event and some had not."""
        sets = self.sets
        marked = np.add.reduceat(sets.outcome, sets.start).astype(np.int64)
        tells = (marked > 0) & (marked < sets.size)
        return Urns(sets.size[tells], marked[tells], sets.n_treated[tells])

    @cached_property
    def observed(self) -> int:
        """Treated rows with an event, in sets that can tell."""
        sets = self.sets
        marked = np.add.reduceat(sets.outcome, sets.start)
        tells = ((marked > 0) & (marked < sets.size))[sets.set_of]
        return int(sets.outcome[tells & sets.treated].sum())

    @property
    def name(self) -> str:
        """What the test is called."""
        if self.sets.are_pairs:
            return "McNemar's exact test of pairs with one event"
        law = "exact" if self.n_informative <= _FEW_SETS else "normal approximation, corrected by a half"
        return f"Mantel and Haenszel's test ({law}), of sets with events and rows without"

    @property
    def n_informative(self) -> int:
        """Sets that can tell."""
        return len(self.urns.n)

    def p_value(self, gamma: float) -> float:
        """Give the chance of as many events among the treated, had rows with one the odds `gamma`."""
        if not self.n_informative:
            return 1.0
        if self.sets.are_pairs:
            return binomial_tail(self.n_informative, gamma / (1 + gamma), self.observed)
        if self.n_informative <= _FEW_SETS:
            return self._exact_tail(gamma)
        mean, variance = self.urns.moments(gamma)
        away = self.observed - 0.5 - float(mean.sum())
        return normal_tail(away / math.sqrt(float(variance.sum())))

    def odds_ratio(self) -> float:
        """Give the odds ratio within sets by conditional maximum likelihood: the mean is what was seen."""
        urns = self.urns
        if not self.n_informative:
            return math.nan
        if self.observed == int(urns.least.sum()):
            return 0.0
        if self.observed == int(urns.most.sum()):
            return math.inf
        if self.sets.are_pairs:
            return self.observed / (self.n_informative - self.observed)
        return math.exp(
            root(
                lambda log: self.observed - float(urns.moments(math.exp(log))[0].sum()),
                -_LARGEST_LOG_ODDS,
                _LARGEST_LOG_ODDS,
                tolerance=1e-13,
            )
        )

    def _exact_tail(self, gamma: float) -> float:
        """Fold the laws of all sets into that of their sum."""
        _, probability, start = self.urns.distributions(gamma)
        law: Floats = np.ones(1)
        for own in np.split(probability, start[1:]):
            law = np.convolve(law, own)
        return float(min(1.0, law[self.observed - int(self.urns.least.sum()) :].sum()))


def binomial_tail(n: int, p: float, least: int) -> float:
    """Give the chance of at least so many successes in n trials."""
    if least <= 0:
        return 1.0
    k = np.arange(1, n + 1)
    log_choices = np.concatenate([[0.0], np.cumsum(np.log((n - k + 1) / k))])
    k = np.arange(least, n + 1)
    log_chance = log_choices[k] + k * math.log(p) + (n - k) * math.log1p(-p)
    return float(min(1.0, np.exp(log_chance).sum()))
