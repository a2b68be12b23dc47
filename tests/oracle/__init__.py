"""What an accepted call must have answered: its arguments read anew, its numbers held against a slow twin's.

    disagreement("ps", "ipw", given, result)  # what differs, or None

`given` are the arguments by name, the frame among them as "df". What cannot be read here in a line or two (a
formula, a mask) or has no twin is not compared. A weight of 0 is a row that is not there: twins never see it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from oracle.arrays import ARRAYS
from oracle.frames import FRAMES
from oracle.reading import NotReadError
from oracle.twins import Expected, UndecidedError

DOORS = {"ps": FRAMES, "core": ARRAYS}


NOT_READ = ("by", "per", "winsorize", "frequency")
"""Arguments that twins have not, nor clusters that cross; tests of groups, metrics, cells have theirs."""


def disagreement(door: str, name: str, given: Mapping[str, Any], result: Any) -> str | None:
    """Say what differs from the twin's answer; None where nothing does, or nothing is compared."""
    compare = DOORS[door].get(name)
    crossing = isinstance(given.get("cluster"), list | tuple)
    if compare is None or crossing or any(given.get(word) is not None for word in NOT_READ):
        return None
    try:
        with np.errstate(all="ignore"):
            answers = compare(given, result)
    except (NotReadError, UndecidedError, np.linalg.LinAlgError):
        return None
    return next((found for found in (_differs(*pair) for pair in answers) if found), None)


Pair = tuple[str, Any, Expected]


def _differs(what: str, got: Any, expected: Expected) -> str | None:
    here, there = np.asarray(got, dtype=float), np.asarray(expected.value, dtype=float)
    if here.shape != there.shape:
        return f"{what}: of shape {here.shape}, not {there.shape}"
    tolerance = np.broadcast_to(np.asarray(expected.tolerance, dtype=float), here.shape)
    alike = (np.isnan(here) & np.isnan(there)) | (here == there)
    alike |= np.abs(here - there) <= tolerance + 1e-14 * np.abs(np.where(np.isfinite(there), there, 0))
    if alike.all():
        return None
    place = int(np.flatnonzero(~alike.ravel())[0])
    one, other, off = here.ravel()[place], there.ravel()[place], tolerance.ravel()[place]
    where = f"[{place}]" if here.ndim else ""
    return f"{what}{where} is {one!r}, by definition {other!r} (tolerance {off:.2g})"
