"""What is said of the standard error of matches: how it was made, and what it could not count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from propensity.errors import SmallSampleWarning
from propensity.frames.checks import Floats

if TYPE_CHECKING:
    from propensity.matching.matches import Matches

KNOWN = "takes scores and distances as known"
NOTHING_LEFT = "for counting that the scores were estimated would leave no variance"


def se_method_on_scores(matches: Matches, *, corrected: bool) -> tuple[str, tuple[Warning, ...]]:
    """Say how the core made its error, and caution where it could not count what it should."""
    others = others_of(matches)
    of_outcomes = "Abadie and Imbens (2006)" + (f", {others}neighbours" if others else "")
    if corrected:
        return f"{of_outcomes}; counts that the scores were estimated (2016)", ()
    known = f"{of_outcomes}; takes the scores as known"
    if matches.design is None:
        return known, ()
    if matches.n_unmatched:
        return f"{known}, for some units are unmatched", ()
    return f"{known}, {NOTHING_LEFT}", nothing_left()


def others_of(matches: Matches) -> str:
    """Say how many others show how much outcomes vary, where it is not one."""
    n_others = matches.spec.variance_neighbors
    return "" if n_others == 1 else f"{n_others} "


def nothing_left() -> tuple[Warning, ...]:
    """Caution that the error takes the scores as known, for lack of a variance that does not."""
    return (
        SmallSampleWarning(
            "counting that the scores were estimated (Abadie and Imbens 2016) would leave no variance of so "
            "few rows; the standard error takes the scores as known, and is mostly too wide"
        ),
    )


def adjusted_words(x: Floats | None) -> str:
    """Say that the means are adjusted, where they are."""
    return "" if x is None else "; adjusted for covariates (Abadie and Imbens 2011)"
