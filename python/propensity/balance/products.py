"""Squares and products of terms: what they are called, and how far apart the arms are in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import combinations_with_replacement
from typing import Literal, TypeAlias

import numpy as np

from propensity import core
from propensity.frames.checks import Bools, Floats
from propensity.frames.counted_rows import mass_of
from propensity.frames.design import Design
from propensity.frames.pieces import pieces
from propensity.frames.products import centers
from propensity.frames.recipe import Recipe

Denominator: TypeAlias = Literal["pooled", "treated", "control", "all"]

MOST_TERMS = 60
"""Terms whose squares and products a balance table looks at: 1,830 at most."""


def products_by_name(
    design: Design, recipe: Recipe, *, squares: bool, interactions: bool
) -> dict[str, tuple[int, int]]:
    """Give the columns to be multiplied by the name of their product, each term's square first.

    Levels of one categorical exclude each other, and the columns of one spline stand for one variable: what
    is of one term is not multiplied, nor are terms that hold levels of one factor, as a formula's "tier" and
    "tier:visits": their product is 0, or the second of them.
    """
    names, origins, sources = recipe.names, recipe.origins, recipe.sources
    binary = [_is_binary(design.parts(one), design.n_rows) for one in range(len(names))]
    factors = recipe.factors | {name for name, is_binary in zip(names, binary, strict=True) if is_binary}
    products = {}
    for one, other in combinations_with_replacement(range(len(names)), 2):
        if one == other:
            if squares and not binary[one]:
                products[f"{names[one]}^2"] = (one, other)
        elif interactions and origins[one] != origins[other] and not sources[one] & sources[other] & factors:
            products[f"{names[one]}:{names[other]}"] = (one, other)
    # A formula may have some of them already.
    return {name: pair for name, pair in products.items() if name not in names}


def _is_binary(parts: Callable[[slice], Floats], n_rows: int) -> bool:
    """Whether all values of a column are 0 or 1; most columns that are not say so in their first part."""
    found = map(parts, pieces(n_rows))
    return all(bool(((some == 0) | (some == 1)).all()) for some in found)


def balance_of_products(
    design: Design,
    recipe: Recipe,
    treated: Bools,
    weightings: Mapping[str, Floats],
    unadjusted: Floats,
    *,
    sample_weight: Floats | None,
    frequency: Floats | None = None,
    denominator: Denominator,
) -> dict[str, list[float]]:
    """Give the SMD of squares and products of terms, in the sample as it is, then in each weighting.

    Terms are measured from their means over all rows.

    Of more than `MOST_TERMS` terms those are taken that the arms differ most in as they are: `unadjusted`
    (d,) are their SMDs.
    """
    among = list(range(len(recipe.names)))
    if len(among) > MOST_TERMS:
        size = np.where(np.isnan(unadjusted), 0.0, np.abs(unadjusted))
        among = sorted(np.argsort(-size, kind="stable")[:MOST_TERMS].tolist())
    if design.factors or len(among) < design.n_terms:
        design = Design(design.columns(among))
    own = replace(
        recipe,
        names=tuple(recipe.names[k] for k in among),
        origins=tuple(recipe.origins[k] for k in among),
    )
    pairs = products_by_name(design, own, squares=True, interactions=True)
    pairs = {name: pair for name, pair in pairs.items() if name not in recipe.names}
    if not pairs:
        return {}
    found = core.product_smds(
        design.terms,
        treated,
        list(pairs.values()),
        center=centers(design, mass_of(sample_weight, frequency)),
        weights=list(weightings.values()),
        sample_weight=sample_weight,
        frequency=frequency,
        denominator=denominator,
    )
    return dict(zip(pairs, found.tolist(), strict=True))
