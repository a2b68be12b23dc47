"""Figures and axes; the only place that imports pyplot, and that only when something is drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from propensity.errors import InvalidInputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Panels: TypeAlias = NDArray[np.object_]
"""Several axes, (k,)."""

Place: TypeAlias = "Axes | Sequence[Axes] | Panels | None"
"""Where to draw: axes, or several; None makes a figure."""


def new_axes(width: float, height: float) -> Axes:
    """Give the axes of a new figure, its size in inches."""
    ax: Axes = _pyplot().subplots(figsize=(width, height), layout="constrained")[1]
    return ax


def panels(n_panels: int, ax: Place, *, what: str) -> NDArray[Any]:
    """Give one axes a panel: those in `ax`, or those of a new figure, three in a row.

    Parameters
    ----------
    n_panels : int
        How many are needed.
    ax : Axes, array or sequence of Axes, or None
        What the caller gave.
    what : str
        What there is a panel of, for the message: "'by' has {} groups".

    Returns
    -------
    ndarray (n_panels,) of Axes

    Raises
    ------
    InvalidInputError
        `ax` has another number of axes.
    """
    if ax is None:
        return _grid(n_panels)
    given: NDArray[Any] = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
    if len(given) != n_panels:
        raise InvalidInputError(f"{what.format(n_panels)} but 'ax' has {len(given)} axes")
    return given


def side_by_side(n_panels: int, ax: Place, size: tuple[float, float], *, what: str) -> NDArray[Any]:
    """Give one axes a panel as `panels` does, but all in one row, each so many inches wide and high."""
    if ax is not None:
        return panels(n_panels, ax, what=what)
    figure = (size[0] * n_panels + 2, size[1])
    made: NDArray[Any] = _pyplot().subplots(1, n_panels, figsize=figure, layout="constrained", squeeze=False)[
        1
    ]
    return made.ravel()


def leads_row(ax: Axes) -> bool:
    """Tell whether a panel is the first of its row, where the vertical axis is named."""
    place = ax.get_subplotspec()
    return place is None or place.is_first_col()


def _grid(n_panels: int) -> NDArray[Any]:
    n_columns = min(3, n_panels)
    n_rows = math.ceil(n_panels / n_columns)
    size = (3.2 * n_columns, 2.9 * n_rows)
    figure, axes = _pyplot().subplots(n_rows, n_columns, figsize=size, layout="constrained", squeeze=False)
    for unused in axes.ravel()[n_panels:]:
        figure.delaxes(unused)
    used: NDArray[Any] = axes.ravel()[:n_panels]
    return used


def _pyplot() -> Any:
    try:
        from matplotlib import pyplot  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise ImportError('plots need matplotlib: pip install "propensity[plots]"') from error
    return pyplot
