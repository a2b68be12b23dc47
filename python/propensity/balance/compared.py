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
    found, values = _terms_compared(rows, given)
    names = [*([] if rows.scores is None else [PROPENSITY]), *rows.recipe.names]
    blocks: list[tuple[Sequence[str], Floats]] = [(names, values)]
    if squares or interactions:
        products = _products(rows, squares=squares, interactions=interactions)
        blocks += [(own, _measured(core.balance(columns, **given))) for own, columns in products]
    samples = [UNADJUSTED, *rows.weightings]
    table = _table(blocks, samples)
    table.attrs["denominator"] = denominator
    table.attrs["ess_treated"] = dict(zip(samples, found.ess_treated.tolist(), strict=True))
    table.attrs["ess_control"] = dict(zip(samples, found.ess_control.tolist(), strict=True))
    table.attrs["propensity"] = rows.scores is not None
    smds = values[rows.scores is not None :, 0, MEASURES.index("smd")]
    of_products = balance_of_products(
        rows.design, rows.recipe, rows.treated, rows.weightings, smds, **options
    )
    table.attrs["products"] = {
        sample: {name: own[place] for name, own in of_products.items()}
        for place, sample in enumerate(samples)
    }
    return table


def _terms_compared(rows: BalanceRows, given: Mapping[str, Any]) -> tuple[core.Balance, Floats]:
    """Compare the terms; their measures come after those of the scores, where there are any."""
    design, scores = rows.design, rows.scores
    if scores is None or design.factors:
        found = core.balance(design.terms, **given, **design.coded)
        values = _measured(found)
        if scores is None:
            return found, values
        return found, np.concatenate([_measured(core.balance(scores[:, np.newaxis], **given)), values])
    # Side by side, so that the threads share all columns out.
    found = core.balance((*design.side_by_side, scores), **given)
    return found, np.roll(_measured(found), 1, axis=0)


def _measured(found: core.Balance) -> Floats:
    """Give what is measured by column, sample and measure."""
    return np.stack([getattr(found, measure) for measure in MEASURES], axis=2)


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


def _table(blocks: Sequence[tuple[Sequence[str], Floats]], samples: Sequence[str]) -> pd.DataFrame:
    """Put blocks of terms under each other, and measures beside each other sample by sample."""
    values = np.concatenate([own for _, own in blocks])
    return pd.DataFrame(
        values.reshape(len(values), -1),
        index=pd.Index([name for names, _ in blocks for name in names], name="term"),
        columns=pd.MultiIndex.from_product([samples, MEASURES], names=["sample", "measure"]),
    )
