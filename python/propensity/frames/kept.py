"""The rows of a frame that a result keeps."""

from __future__ import annotations

from collections.abc import Mapping

from propensity._check import Bools, Floats, Rows
from propensity.errors import InvalidInputError
from propensity.frames import native
from propensity.frames.columns import open_frame
from propensity.frames.fingerprint import Fingerprint, Made
from propensity.frames.native import AnyFrame


def kept_rows(
    data: AnyFrame, fingerprint: Fingerprint, kept: Bools, columns: Mapping[str, Floats | Rows], made: Made
) -> AnyFrame:
    """Give the kept rows of a frame, with further columns of (n,) values.

    Raises
    ------
    InvalidInputError
        The rows are not those that something was made from, or the frame has a column of one of these names.
    """
    taken = [name for name in columns if name in native.column_names(data)]
    if taken:
        raise InvalidInputError(f"column '{taken[0]}' is in the frame already; rename it first")
    fingerprint.require_same(open_frame(data), None, made)
    return native.kept(data, kept, columns)
