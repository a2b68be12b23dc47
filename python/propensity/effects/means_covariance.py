"""The covariance of both arms' means where no influence values give it, worked out when somebody asks."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from propensity.frames.checks import Floats


class MeansCovariance:
    """The covariance (2, 2) of the means of the treated and of the controls.

    It takes further passes over matches that most effects have no use for, so that it waits until it is asked
    for. A pickle has the numbers, not the matches.
    """

    def __init__(self, work: Callable[[], Floats]) -> None:
        self._work: Callable[[], Floats] | None = work

    @classmethod
    def known(cls, values: Floats) -> MeansCovariance:
        """Keep what is known already."""
        return cls(lambda: values)

    @cached_property
    def values(self) -> Floats:
        """The treated first."""
        work, self._work = self._work, None
        assert work is not None
        values = work()
        values.setflags(write=False)
        return values

    def variance(self, slopes: Floats) -> float:
        """Give the variance of a contrast with these slopes (2,) in the two means."""
        return float(slopes @ self.values @ slopes)

    def degrees_of_freedom(self, slopes: Floats) -> float | None:
        """Count the rows that carry the variance of such a contrast; None where that is not known here."""
        del slopes
        return None

    def __reduce__(self) -> tuple[Callable[..., MeansCovariance], tuple[Floats]]:
        return MeansCovariance.known, (self.values,)
