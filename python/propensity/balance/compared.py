"""The arms compared, term by term, in every sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from propensity import core
from propensity.balance.products import Denominator, balance_of_products, products_by_name
from propensity.balance.result import PROPENSITY, UNADJUSTED
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.counted_rows import mass_of
from propensity.frames.design import Design
from propensity.frames.products import centers, product
from propensity.frames.recipe import Recipe

MEASURES = ("mean_treated", "mean_control", "smd", "variance_ratio", "ks", "ecdf_difference")

_BATCH = 2**25  # numbers of squares and products held at a time: 256 MB


@dataclass(frozen=True, eq=False)
class BalanceRows:
    """Rows to be compared: terms (n, d), scores, arms, weightings by name, sample weights, frequencies."""

    design: Design
    recipe: Recipe
    scores: Floats | None
    treated: Bools
    weightings: Mapping[str, Floats]
    sample_weight: Floats | None
    frequency: Floats | None = None

    def taken(self, rows: Rows) -> BalanceRows:
        """Take some of them."""
        return BalanceRows(
            self.design.taken(rows),
            self.recipe,
            None if self.scores is None else self.scores[rows],
            self.treated[rows],
            {name: weights[rows] for name, weights in self.weightings.items()},
            None if self.sample_weight is None else self.sample_weight[rows],
            None if self.frequency is None else self.frequency[rows],
        )


def table_of_rows(
    rows: BalanceRows, *, denominator: Denominator, squares: bool, interactions: bool
) -> pd.DataFrame:
    """Compare the arms, term by term, in all samples."""
    counted = {"sample_weight": rows.sample_weight, "frequency": rows.frequency}
    options: dict[str, Any] = {**counted, "denominator": denominator}
    given = options | {"treatment": rows.treated, "weights": list(rows.weightings.values())}
    scores = rows.scores
    blocks: list[tuple[Sequence[str], core.Balance]] = [
        (rows.recipe.names, core.balance(rows.design.terms, **given, **rows.design.all_coded))
    ]
    if scores is not None:
        blocks.insert(0, ([PROPENSITY], core.balance(scores[:, np.newaxis], **given)))
    if squares or interactions:
        products = _products(rows, squares=squares, interactions=interactions)
        blocks += [(names, core.balance(columns, **given)) for names, columns in products]
    samples = [UNADJUSTED, *rows.weightings]
    table = _table(blocks, samples, denominator, with_scores=scores is not None)
    smds = blocks[0 if scores is None else 1][1].smd[:, 0]
    found = balance_of_products(rows.design, rows.recipe, rows.treated, rows.weightings, smds, **options)
    table.attrs["products"] = {
        sample: {name: own[place] for name, own in found.items()} for place, sample in enumerate(samples)
    }
    return table


def _products(
    rows: BalanceRows, *, squares: bool, interactions: bool
) -> Iterator[tuple[Sequence[str], Floats]]:
    """Give names of products of terms and their columns, few enough at a time to fit in memory."""
    design, recipe = rows.design, rows.recipe
    products = products_by_name(design, recipe, squares=squares, interactions=interactions)
    mass = mass_of(rows.sample_weight, rows.frequency)
    center = centers(design, mass) if products else np.empty(0)
    names = list(products)
    n_rows = design.n_rows
    width = max(1, _BATCH // n_rows)
    for start in range(0, len(names), width):
        batch = names[start : start + width]
        columns = np.empty((n_rows, len(batch)), order="F")
        for k, (one, other) in enumerate(products[name] for name in batch):
            columns[:, k] = product(design.column(one), design.column(other), center[one], center[other])
        yield batch, columns


def _table(
    blocks: Sequence[tuple[Sequence[str], core.Balance]],
    samples: Sequence[str],
    denominator: Denominator,
    *,
    with_scores: bool,
) -> pd.DataFrame:
    """Put blocks of terms under each other, and measures beside each other sample by sample."""
    values = np.concatenate(
        [np.stack([getattr(found, measure) for measure in MEASURES], axis=2) for _, found in blocks]
    )
    table = pd.DataFrame(
        values.reshape(len(values), -1),
        index=pd.Index([name for names, _ in blocks for name in names], name="term"),
        columns=pd.MultiIndex.from_product([samples, MEASURES], names=["sample", "measure"]),
    )
    _, first = blocks[0]
    table.attrs["denominator"] = denominator
    table.attrs["ess_treated"] = dict(zip(samples, first.ess_treated.tolist(), strict=True))
    table.attrs["ess_control"] = dict(zip(samples, first.ess_control.tolist(), strict=True))
    table.attrs["propensity"] = with_scores
    return table
