"""A frame's covariates tidied as their terms ask for it, before terms are made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from propensity.frames import formulas
from propensity.frames.checks import Floats
from propensity.frames.columns import Frame
from propensity.frames.lines import Subject
from propensity.frames.terms import Terms, require_words
from propensity.frames.tidying import Tidied


def tidied(frame: Frame, terms: Terms, sample_weight: Floats | None) -> tuple[Frame, Terms]:
    """Tidy what a frame holds of the covariates of terms, if they ask for it."""
    frame, (own,) = all_tidied(frame, [terms], sample_weight)
    return frame, own


def all_tidied(
    frame: Frame, several: Sequence[Terms], sample_weight: Floats | None
) -> tuple[Frame, list[Terms]]:
    """Tidy the covariates of all terms of a frame at once.

    Rows of sample weight 0 are not there: nothing is learned of them.

    Raises
    ------
    InvalidInputError
        A column has no value at all, or rare levels would join another that is there.
    TypeError
        Text is numbers or dates, which are no levels.
    """
    asked = {name: terms.tidying for terms in several if terms.tidying is not None for name in terms.columns}
    if not asked:
        return frame, list(several)
    tidying = next(iter(asked.values()))
    columns = {name: frame.columns[name] for name in asked}
    for name, column in columns.items():
        if isinstance(column.dtype, pd.CategoricalDtype) and not frame.is_category(name):
            require_words(column, Subject.column(name, frame.native))
    found = Tidied.learn(columns, sample_weight, tidying, frame.frequency)
    made = replace(frame, columns=found.apply(frame.columns, sample_weight), tidied=found)
    return made, [_with_indicators(terms, found) for terms in several]


def _with_indicators(terms: Terms, found: Tidied) -> Terms:
    """Add the indicators of columns that had missing values: of a formula as terms of their own."""
    if terms.tidying is None:
        return terms
    columns = found.expanded(terms.columns)
    indicators = [name for name in columns if name in found.indicators]
    if terms.text is None or not indicators:
        return replace(terms, columns=columns, tidied=found)
    text = " + ".join([terms.text, *(f"`{name}`" for name in indicators)])
    return replace(terms, columns=columns, tidied=found, formula=formulas.parse(text, columns, "")[0])
