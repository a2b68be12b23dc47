"""A covariate of both arms in several samples, a panel for each: what pictures of one share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from propensity.errors import InvalidInputError
from propensity.frames.checks import Bools, Floats
from propensity.plots._canvas import Place, new_axes, panels
from propensity.plots._distribution import Distribution, distribution
from propensity.plots._look import head
from propensity.plots._rows import Rows, Weights, require_no_result, take_frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False)
class Covariate:
    """A covariate, who was treated, and the weights of each sample by its name.

    Where there are `levels`, values are their places among these.
    """

    name: str
    values: Floats
    treated: Bools
    samples: dict[str, Floats]
    levels: tuple[str, ...] = ()

    def arms(self, sample: str) -> tuple[Distribution, Distribution]:
        """Give the distribution of the treated and of the controls in one sample."""
        w = self.samples[sample]
        treated, control = (distribution(self.values[arm], w[arm]) for arm in (self.treated, ~self.treated))
        return treated, control


def read_covariate(
    leading: tuple[object, object, object],
    weights: Weights | Mapping[str, Weights] | None,
    sample_weight: object,
    *,
    by_level: bool = False,
) -> Covariate:
    """Read what the pictures take: of `leading` perhaps a frame, then the covariate and the treatment.

    With `by_level` text, categories and bools are read as levels, not refused.
    """
    frame, (covariate, treatment) = take_frame(*leading)
    if covariate is None:
        raise InvalidInputError("covariate: the name of a column of the frame is needed, or its values")
    several = list(weights.values()) if isinstance(weights, Mapping) else [weights]
    rows = Rows.of(frame, covariate, treatment, *several)
    values, levels = _levels(rows, covariate) if by_level else (None, ())
    if values is None:
        values = _numbers(rows, covariate)
    treated = rows.treated(treatment, *several, needed_with="a covariate")
    base = rows.sample_weight(sample_weight, *several)
    name = covariate if isinstance(covariate, str) else getattr(covariate, "name", None)
    samples = rows.samples(weights, treated, base)
    return Covariate(str(name or "covariate"), values, treated, samples, levels)


def _levels(rows: Rows, covariate: object) -> tuple[Floats | None, tuple[str, ...]]:
    """Read text, categories and bools as places among levels, in their order; nothing of numbers."""
    require_no_result(covariate, "covariate")
    column = rows.groups(covariate, "covariate")
    if column.dtype.kind in "iuf":
        return None, ()
    ordered = column if isinstance(column.dtype, pd.CategoricalDtype) else column.astype("category")
    used = ordered.cat.remove_unused_categories()
    return used.cat.codes.to_numpy(np.float64), tuple(map(str, used.cat.categories))


def _numbers(rows: Rows, covariate: object) -> Floats:
    """Read the covariate; of text the line is shown that makes a level of it a covariate."""
    try:
        return rows.numbers(covariate, "covariate")
    except TypeError as error:
        if not str(error).endswith("not text"):
            raise
        name = covariate if isinstance(covariate, str) else getattr(covariate, "name", "covariate")
        raise TypeError(
            f"{error}; for the rows of one level, give df[{name!r}] == ...; ps.plots.distribution_plot draws "
            "all of them"
        ) from error


def sample_axes(read: Covariate, ax: Place, *, side: float) -> NDArray[Any]:
    """Give each sample its panel; one alone has a figure `side` inches wide."""
    n_samples = len(read.samples)
    if n_samples == 1 and ax is None:
        ax = new_axes(side, 3.8)
    return panels(n_samples, ax, what="there are {} samples")


def named_panels(read: Covariate, axes: NDArray[Any]) -> Iterator[tuple[str, Axes]]:
    """Go through samples and panels; several panels say which sample they show."""
    for sample, panel in zip(read.samples, axes, strict=True):
        if len(axes) > 1:
            head(panel, sample)
        yield sample, panel
