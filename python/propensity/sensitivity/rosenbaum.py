"""Rosenbaum's bounds: what hidden bias within matched sets could make of a test and of an estimate."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeAlias, get_args

import pandas as pd

from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.sensitivity.answer import Answer
from propensity.sensitivity.gammas import read_gammas
from propensity.sensitivity.m_scores import MTest
from propensity.sensitivity.mantel_haenszel import Events
from propensity.sensitivity.roots import root
from propensity.sensitivity.sets import MatchedSets
from propensity.sensitivity.signed_rank import SignedRank

BiasTest: TypeAlias = Literal["wilcoxon", "m", "mantel_haenszel"]
Alternative: TypeAlias = Literal["greater", "less"]

GAMMAS = (1.0, 1.1, 1.25, 1.5, 2.0, 3.0)
"""From no bias to one that makes one of two like users three times as likely to opt in, in odds."""

_LARGEST_GAMMA = 1e9


class _Test(Protocol):
    """A test of no effect against a positive one, at any strength of bias."""

    @property
    def name(self) -> str: ...

    @property
    def n_informative(self) -> int: ...

    def p_value(self, gamma: float) -> float: ...


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class RosenbaumBounds(Answer):
    """What is left of a finding where two alike users may differ in their odds of treatment by Gamma.

    Attributes
    ----------
    table : DataFrame (g, 5)
        A row for each strength of bias `gamma`: the least and the largest p-value that it allows (`p_lower`,
        `p_upper`, one-sided), and the least and the largest estimate (`estimate_low`, `estimate_high`; NaN
        for an odds ratio of which no set tells anything).
    critical_gamma : float
        The bias at which the largest p-value reaches 1 - level. NaN where it is above that without any.
    measure : {"shift", "odds_ratio"}
        What the estimate is of: what the treatment adds to everybody's outcome (Hodges and Lehmann), or by
        what it multiplies the odds of an event within a set (conditional maximum likelihood).
    alternative : {"greater", "less"}
        The side that is tested: that the outcome is larger for the treatment, or smaller.
    test : str
        What test it is.
    sets : str
        What sets there are.
    n_informative : int
        Sets that tell the arms apart: whose outcomes differ.
    level : float
        1 minus the p-value that `critical_gamma` is for.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
    >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
    >>> matches = ps.match_nn(users, treatment=treatment, scores=model, replace=False, caliper=0.2)
    >>> bounds = matches.rosenbaum("task_completed")
    >>> print(f"{bounds.critical_gamma:.1f}")
    1.3
    """

    table: pd.DataFrame
    critical_gamma: float
    measure: Literal["shift", "odds_ratio"]
    alternative: Alternative
    test: str
    sets: str
    n_informative: int
    level: float

    def _sentence(self) -> str:
        alpha = f"{1 - self.level:.2g}"
        if math.isnan(self.critical_gamma):
            return (
                f"even without hidden bias the one-sided p-value is above {alpha}: there is no finding that "
                "a confounder would have to explain away"
            )
        return (
            f"the finding holds (one-sided p below {alpha}) against any hidden confounder that multiplies "
            f"the odds of opting in, between users who are matched, by less than {self.critical_gamma:.4g}"
        )

    def _headline(self) -> str:
        side = "positive" if self.alternative == "greater" else "negative"
        words = {"shift": "shift of the outcome", "odds_ratio": "odds ratio within sets"}[self.measure]
        return (
            f"Rosenbaum bounds: {self._sentence()}\n{self.test}, of no effect against a {side} one; "
            f"{self.sets}, {self.n_informative:,} of which tell; estimates: {words}"
        )


def rosenbaum_bounds(
    sets: MatchedSets,
    *,
    gammas: object = None,
    test: BiasTest | None = None,
    alternative: Alternative | None = None,
    level: float = 0.95,
) -> RosenbaumBounds:
    """Work out the bounds for sets, as `Matches.rosenbaum` says."""
    listed = GAMMAS if gammas is None else read_gammas("gammas", gammas)
    checks.confidence_level(level)
    if alternative is not None:
        checks.choice("alternative", alternative, get_args(Alternative))
    kind = _kind(sets, test)
    greater = _make(sets, kind)
    side = alternative or ("greater" if greater.p_value(1.0) <= 0.5 else "less")
    found = greater if side == "greater" else _make(_turned(sets, kind), kind)
    rows = [_row(found, gamma, side) for gamma in listed]
    return RosenbaumBounds(
        table=pd.DataFrame(rows, columns=["gamma", "p_lower", "p_upper", "estimate_low", "estimate_high"]),
        critical_gamma=_critical(found, 1 - level),
        measure="odds_ratio" if kind == "mantel_haenszel" else "shift",
        alternative=side,
        test=found.name,
        sets=sets.words,
        n_informative=found.n_informative,
        level=level,
    )


def _kind(sets: MatchedSets, test: BiasTest | None) -> BiasTest:
    """Settle which test it is."""
    if test is not None:
        checks.choice("test", test, get_args(BiasTest))
    if test == "mantel_haenszel" and not sets.is_binary:
        raise InvalidInputError(
            "test: 'mantel_haenszel' counts events, and the outcome is not 0/1; take 'm', or for pairs "
            "'wilcoxon'"
        )
    if test == "wilcoxon" and not sets.are_pairs:
        raise InvalidInputError(
            f"test: 'wilcoxon' is of pairs, and here are {sets.words}; take 'm', which is of sets of any size"
        )
    if test is not None:
        return test
    if sets.is_binary and sets.outcome.min() < sets.outcome.max():  # of one value any outcome could be
        return "mantel_haenszel"
    return "wilcoxon" if sets.are_pairs else "m"


def _make(sets: MatchedSets, kind: BiasTest) -> Events | SignedRank | MTest:
    if kind == "mantel_haenszel":
        return Events(sets)
    return SignedRank(sets.differences, sets.rounding_of_pairs) if kind == "wilcoxon" else MTest(sets)


def _turned(sets: MatchedSets, kind: BiasTest) -> MatchedSets:
    """Turn the outcome around, so that a negative effect is a positive one."""
    y = sets.outcome
    return replace(sets, outcome=1.0 - y if kind == "mantel_haenszel" else -y)


def _row(test: Events | SignedRank | MTest, gamma: float, side: Alternative) -> tuple[float, ...]:
    """Give the bounds at one strength of bias, for the outcome as it was."""
    p = test.p_value(1 / gamma), test.p_value(gamma)
    if isinstance(test, Events):
        # Bias and effect multiply the same odds, so that the largest bias takes its factor off the estimate.
        odds = test.odds_ratio()
        ends = odds / gamma, odds * gamma
        return (gamma, *p, *(ends if side == "greater" else _inverses(ends)))
    ends = test.shift(gamma), test.shift(1 / gamma)
    return (gamma, *p, *(ends if side == "greater" else (-ends[1], -ends[0])))


def _inverses(ends: tuple[float, float]) -> tuple[float, float]:
    low, high = (math.inf if end == 0 else 1 / end for end in ends)
    return high, low


def _critical(test: _Test, alpha: float) -> float:
    """Give the bias at which the largest p-value reaches alpha."""
    if test.p_value(1.0) > alpha:
        return math.nan
    high = 2.0
    while test.p_value(high) <= alpha:
        high *= 2
        if high > _LARGEST_GAMMA:
            return math.inf
    found = root(
        lambda log: test.p_value(math.exp(log)) - alpha,
        math.log(high / 2),
        math.log(high),
        tolerance=1e-12,
    )
    return math.exp(found)
