"""Whether what an effect rests on holds: overlap, balance, agreement, and what cannot be tested."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from propensity.balance.result import THRESHOLD
from propensity.balance.summary import balance_summary
from propensity.effects.cautions import HEAVY_TAILS
from propensity.effects.imbalance import past_chance
from propensity.errors import (
    BalanceWarning,
    CalibrationWarning,
    InvalidInputError,
    OverlapWarning,
    SmallSampleWarning,
)
from propensity.results.numbers import written
from propensity.study.estimates import NAIVE

if TYPE_CHECKING:
    from propensity.study.study import Study

HOLDS, DOUBTFUL, FAILS, UNTESTABLE = "holds", "doubtful", "fails", "cannot be tested"

OVERLAP, BALANCE, AGREEMENT, HIDDEN = "overlap", "balance", "agreement of estimators", "nothing hidden"


def verdicts_of(study: Study) -> pd.DataFrame:
    """Judge each assumption, with the reason."""
    found = {
        OVERLAP: _overlap(study),
        BALANCE: _balance(study),
        AGREEMENT: _agreement(study),
        HIDDEN: (UNTESTABLE, _hidden(study)),
    }
    table = pd.DataFrame.from_dict(found, orient="index", columns=["verdict", "reason"])
    return table.rename_axis("assumption")


def _overlap(study: Study) -> tuple[str, str]:
    """Judge by the cautions of what weighs rows for the estimand, and by what its weights are worth."""
    cautions = _cautions(study, (OverlapWarning, CalibrationWarning, SmallSampleWarning))
    weights = study.overlap().weights.xs(study.estimand, level="estimand")
    worth = ", ".join(
        f"{written(float(round(row['ess'])))} of {written(row['ess'] / row['ess_share'])} {arm}"
        for arm, row in weights.iterrows()
    )
    said = f"weighting leaves an effective sample of {worth} rows"
    tails = [caution.partition("; ")[0] for caution in cautions if caution.startswith(HEAVY_TAILS)]
    cautions = [caution for caution in cautions if not caution.startswith(HEAVY_TAILS)]
    if cautions:
        return DOUBTFUL, f"{said}; {cautions[0].partition('; ')[0]}"
    return HOLDS, "; but ".join([f"{said}, and no row carries much of the weight", *tails])


def _balance(study: Study) -> tuple[str, str]:
    """Judge by the worst term of each weighting, and by squares and products further off than by chance."""
    found = study.balance()
    adjusted = [sample for sample in found.samples if sample != found.samples[0]]
    if not adjusted:
        return FAILS, "no weights could be had"
    summary = balance_summary(found).loc[adjusted]
    sample = adjusted[0]
    row: Any = summary.loc[sample]
    n_within = row["n_terms"] - row["n_past_smd"]
    said = (
        f"by {sample} {n_within:,} of {row['n_terms']:,} terms are within "
        f"{THRESHOLD:g} standard deviations, the worst {row['worst_term']} at {row['worst_smd']:+.3f}"
    )
    if row["n_past_product"]:
        worst = f"{row['worst_product']} at {row['worst_product_smd']:+.3f}"
        products = f"{row['n_past_product']:,} of {row['n_products']:,} squares and products are not"
        said = f"{said}; {products}, the worst {worst}"
    by_chance = abs(row["worst_product_smd"]) <= past_chance((row["ess_treated"], row["ess_control"]))
    if row["n_past_product"] and by_chance:
        said = f"{said}, which among so few rows is no more than chance"
    if row["n_past_smd"] or _cautions(study, (BalanceWarning,)):
        return FAILS, said
    return DOUBTFUL if row["n_past_product"] and not by_chance else HOLDS, said


def _agreement(study: Study) -> tuple[str, str]:
    """Judge by whether estimators of the same estimand contradict each other."""
    estimates = study.estimates
    own = {
        label: effect
        for label, effect in estimates.effects.items()
        if label != NAIVE and effect.estimand == study.estimand
    }
    notes = [note for label, note in estimates.notes.items() if label in own and "contradicts" in note]
    values = [effect.estimate for effect in own.values()]  # type: ignore[union-attr]
    low, high = written(min(values)), written(max(values))
    said = f"{len(own)} estimators of the {study.estimand} lie between {low} and {high}"
    failed = f"; could not be had: {', '.join(estimates.failures)}" if estimates.failures else ""
    if notes:
        told = next(part for part in notes[0].split("; ") if part.startswith("contradicts"))
        label = next(label for label, note in estimates.notes.items() if note == notes[0])
        return FAILS, f"{said}; {label} {told}{failed}"
    if len(own) < 2 or estimates.failures:
        return DOUBTFUL, f"{said}{failed}"
    return HOLDS, said


def _hidden(study: Study) -> str:
    """Say what a confounder that was not measured would have to be."""
    try:
        found = study.sensitivity()
    except InvalidInputError as error:
        return f"no E-value: {error}"
    if math.isnan(found.limit):
        return "there is no interval whose end could be explained away"
    if found.limit <= 1:
        low, high = study.effect.conf_int()
        which = "the interval" if low <= 0 <= high else "the interval of the percent"
        return f"{which} includes zero, so that there may be no effect to explain away"
    return (
        f"a confounder that was not measured would need risk ratios of {found.point:.2f} with both treatment "
        f"and outcome to explain the estimate away, of {found.limit:.2f} for the end of the interval"
    )


def _cautions(study: Study, kinds: tuple[type[Warning], ...]) -> list[str]:
    """Give the cautions of these kinds that estimates for the estimand carry, each once."""
    found = {
        str(caution)
        for label, effect in study.estimates.effects.items()
        if label != NAIVE and effect.estimand == study.estimand
        for caution in effect.cautions
        if isinstance(caution, kinds)
    }
    return sorted(found)
