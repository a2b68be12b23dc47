"""Estimators that are asked for together: specifications, each once; what is none is answered with one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, get_args

from propensity.effects.estimators import (
    AIPW,
    IPW,
    IPWRA,
    AdjustmentEstimand,
    Balancing,
    Estimator,
    RegressionAdjustment,
    WeightingEstimand,
)
from propensity.effects.matching_specification import FullMatching, MatchingEstimand, NearestNeighbors
from propensity.effects.score_specification import ScoreSpecification
from propensity.errors import InvalidInputError
from propensity.frames import checks

_NAIVE = "naive gap"


def check_estimators(estimators: Sequence[Estimator], penalty: float) -> None:
    """Require specifications with different labels, and a score model for a penalty to act on."""
    if not isinstance(estimators, list | tuple):
        given = [estimators]
        line = _line_of(given) or f"a list of specifications such as IPW() is needed, not {estimators!r}"
        raise TypeError(f"estimators: {line}")
    labels = []
    for estimator in estimators:
        if not isinstance(estimator, Estimator):
            raise InvalidInputError(f"estimators: {_line_of(estimators) or _no_specification(estimator)}")
        labels.append(estimator.label)
    twice = [label for label in dict.fromkeys(labels) if labels.count(label) > 1]
    if twice or not labels:
        verb = "occurs" if len(twice) == 1 else "occur"
        more_than_once = f"{checks.listed(twice)} {verb} twice or more; give each once"
        problem = more_than_once if twice else "at least one is needed"
        raise InvalidInputError(f"estimators: {problem}")
    checks.number("penalty", penalty, minimum=0.0)
    if penalty and not any(map(_takes_penalty, estimators)):
        raise InvalidInputError(
            f"penalty: none of the estimators has a score model for {penalty!r} to act on; leave it out"
        )


def check_estimator(estimator: Estimator, penalty: float) -> None:
    """Require one specification, and a score model for a penalty to act on."""
    if not isinstance(estimator, Estimator):
        line = _line_of([estimator], "estimator={}") or _no_specification(estimator)
        raise InvalidInputError(f"estimator: {line}")
    check_estimators([estimator], penalty)


def _no_specification(given: object) -> str:
    """Say what is needed in place of something that specifies no estimator."""
    if isinstance(given, type) and issubclass(given, Estimator):
        return f"{given.__name__} is a class; call it: {given.__name__}()"
    return f"a specification such as IPW() is needed, not {given!r}"


def _line_of(given: Sequence[object], line: str = "estimators=[{}]") -> str:
    """Write the specifications that are meant by what tables call them; empty where one is not known."""
    codes = dict(_codes())
    wanted = [one for one in given if one != _NAIVE]
    words = [one for one in wanted if isinstance(one, str)]
    specified = [one for one in wanted if isinstance(one, Estimator)]
    is_known = len(words) + len(specified) == len(wanted) and all(word.lower() in codes for word in words)
    if not is_known or not any(isinstance(one, str) for one in given):
        return ""
    if not wanted:
        return f"{_NAIVE!r} stands in every table of estimate by itself, and is none of these; leave it out"
    each = [codes[one.lower()] if isinstance(one, str) else f"ps.{one!r}" for one in wanted]
    names = [one for one in given if isinstance(one, str)]
    one, several = "is a word of tables; give what it stands", "are words of tables; give what they stand"
    are = one if len(names) == 1 else several
    return f"{checks.listed(names)} {are} for: {line.format(', '.join(each))}"


def _codes() -> Iterator[tuple[str, str]]:
    """Give the labels of specifications without options, in lower case, and the code of each."""
    adjusting, weighting, matching = map(get_args, (AdjustmentEstimand, WeightingEstimand, MatchingEstimand))
    kinds: dict[type[Any], tuple[str, ...]] = {
        IPW: weighting,
        AIPW: adjusting,
        IPWRA: adjusting,
        RegressionAdjustment: adjusting,
        Balancing: adjusting,
        NearestNeighbors: matching,
        FullMatching: matching,
    }
    for kind, estimands in kinds.items():
        yield kind.__name__.lower(), f"ps.{kind.__name__}()"
        for estimand in estimands:
            yield kind(estimand).label.lower(), f'ps.{kind.__name__}("{estimand}")'


def _takes_penalty(spec: Estimator) -> bool:
    """Whether a specification has a model for a penalty to act on."""
    return spec.needs_score or (isinstance(spec, ScoreSpecification) and isinstance(spec.score_model, str))
