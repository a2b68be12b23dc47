"""What a report says, as numbers and text: everything on the page stands here first."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import platform
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from propensity.core import __version__
from propensity.effects.effect import Effect
from propensity.errors import InvalidInputError
from propensity.frames.columns import read_column
from propensity.frames.counted_rows import as_rows
from propensity.frames.levels import is_categorical
from propensity.study.estimates import NAIVE, EstimatesByOutcome
from propensity.study.sentences import WHOM, sentences_of
from propensity.study.verdicts import verdicts_of

if TYPE_CHECKING:
    from propensity.study.study import Study

MOST_TERMS = 30
"""Terms in the picture of balance, the worst first."""

_MOST_GROUPS, _MOST_COLUMNS = 8, 3

_BINS = 20

_NUMBERS = ["estimate", "std_error", "conf_low", "conf_high", "p_value", "ess_treated", "ess_control", "note"]


def facts_of(study: Study, by: Sequence[str] | None) -> dict[str, Any]:
    """Gather what a report says."""
    by = [by] if isinstance(by, str) else by
    sentences, judged = sentences_of(study), verdicts_of(study)
    groups, without = _groups(study, by)
    facts: dict[str, Any] = {
        "title": f"{study.treatment} and {', '.join(study.outcomes)}",
        "headline": sentences[0],
        "summary": list(sentences),
        "question": _question(study),
        "estimates": _estimates(study),
        "main": study.effect_label,
        "means": _means(study.effect),
        "lift": _lift(study.effect),
        "other_outcomes": _other_outcomes(study),
        "verdicts": judged.reset_index().to_dict("records"),
        "overlap": _overlap(study),
        "balance": _balance(study),
        "groups": groups,
        "sensitivity": _sensitivity(study),
        "check": _findings(study),
    }
    facts |= {"left_out": [*_left_out(study), *without], "cautions": _cautions(study)}
    facts |= {"call": call_of(study, by), "versions": _versions(), "fingerprint": _fingerprint(study)}
    plain: dict[str, Any] = _plain(facts | {"made_on": datetime.date.today().isoformat()})
    return plain


def _findings(study: Study) -> list[dict[str, Any]]:
    """Give what is amiss with the table, but for what the study was asked to mend."""
    mended = [
        f'{name}="{value}"' if isinstance(value, str) else name for name, value in tidying_of(study).items()
    ]
    rows: list[dict[str, Any]] = study.check().table.to_dict("records")  # type: ignore[assignment]
    return [row for row in rows if not any(option in str(row["remedy"]) for option in mended)]


def _question(study: Study) -> dict[str, Any]:
    treated, made = study.effect.treated, study.effect.fingerprint
    assert treated is not None
    assert made is not None
    formula = study.covariates if isinstance(study.covariates, str) else None
    return {
        "treatment": study.treatment,
        "outcomes": list(study.outcomes),
        "covariates": list(study.columns),
        "formula": formula,
        "estimand": study.estimand,
        "whom": WHOM[study.estimand],
        "is_share": study.effect.bounded,
        "n_rows": made.n_users(np.ones_like(treated)),
        "n_treated": made.n_users(treated),
        "n_control": made.n_users(~treated),
        "cluster": _named(study.cluster),
        "sample_weight": _named(study.sample_weight),
        "seed": study.seed,
    }


def _named(given: object) -> str | None:
    return None if given is None else given if isinstance(given, str) else "given row by row"


def _estimates(study: Study) -> list[dict[str, Any]]:
    table = study.estimates.table
    rows = table[_NUMBERS].reset_index().rename(columns={"estimator": "label"}).to_dict("records")
    return [
        {str(key): value for key, value in row.items()} | {"naive": row["label"] == NAIVE} for row in rows
    ]


def _means(effect: Effect) -> list[dict[str, Any]]:
    return effect.means[["estimate", "conf_low", "conf_high"]].reset_index().to_dict("records")  # type: ignore[return-value]


def _lift(effect: Effect) -> dict[str, float] | None:
    try:
        percent = effect.contrast_as("percent")
    except InvalidInputError:
        return None
    return {"estimate": percent.estimate, **percent.conf_int()._asdict()}


def _other_outcomes(study: Study) -> list[dict[str, Any]]:
    """Give the same estimator's effects on all outcomes, p-values adjusted, where there are several."""
    found = study.estimate()
    if not isinstance(found, EstimatesByOutcome):
        return []
    table = found.table.xs(study.effect_label, level="estimator")
    columns = ["estimate", "conf_low", "conf_high", "p_value", "p_holm", "p_bh"]
    return table[columns].reset_index().to_dict("records")  # type: ignore[return-value]


def _overlap(study: Study) -> dict[str, Any]:
    found = study.overlap()
    low, high, coefficient = found.support.iloc[0]
    scores, treated = np.asarray(study.model.scores), study.effect.treated
    assert treated is not None
    edges = np.linspace(0, 1, _BINS + 1)
    users = study.model.fingerprint.frequency
    f = np.ones(len(scores)) if users is None else users
    shares = {
        arm: (np.histogram(scores[rows], edges, weights=f[rows])[0] / f[rows].sum()).tolist()
        for arm, rows in {"treated": treated, "control": ~treated}.items()
    }
    weights = found.weights.xs(study.estimand, level="estimand")
    columns = ["n", "min", "5%", "50%", "95%", "max", "outside"]
    arms = found.quantiles[columns].join(weights[["ess", "ess_share", "largest_share"]])
    return {
        "low": low,
        "high": high,
        "overlap_coefficient": coefficient,
        "arms": arms.reset_index().to_dict("records"),
        "edges": edges.tolist(),
        "shares": shares,
    }


def _balance(study: Study) -> dict[str, Any]:
    found = study.balance()
    smds = found.smd
    order = smds[found.samples[0]].abs().sort_values(ascending=False, kind="stable").index
    terms = [{"term": str(term), "smd": smds.loc[term].to_dict()} for term in order]
    past = found.past()
    return {
        "samples": list(found.samples),
        "denominator": found.attrs["denominator"],
        "n_past": past.to_dict(),
        "n_terms": len(terms),
        "terms": terms,
    }


def _groups(study: Study, by: Sequence[str] | None) -> tuple[list[dict[str, Any]], list[str]]:
    """Give the effects by group of each column, and why those of some cannot be had."""
    found, without = [], []
    for column in _columns_of_groups(study) if by is None else by:
        try:
            grouped = study.by(column)
            equal = grouped.test_equal().p_value if len(grouped) > 1 else None
        except InvalidInputError as error:
            without.append(f"effects by {column}: {error}")
            continue
        names = ["estimate", "conf_low", "conf_high", "p_value", "p_holm", "n_treated", "n_control", "note"]
        rows = grouped.table[names]
        lines = [
            {"group": _group_name(group), **row}
            for group, row in zip(rows.index, rows.to_dict("records"), strict=True)
        ]
        found.append({"by": column, "p_equal": equal, "rows": lines})
    return found, without


def _group_name(group: object) -> str:
    return ", ".join(map(str, group)) if isinstance(group, tuple) else str(group)


def _columns_of_groups(study: Study) -> list[str]:
    """Name covariates of few levels, which groups can be made of."""
    found = []
    for name in study.columns:
        column = read_column(as_rows(study.df), name)
        n_levels = column.nunique()
        if (is_categorical(column) or column.dtype.kind == "b") and 2 <= n_levels <= _MOST_GROUPS:
            found.append(name)
    return found[:_MOST_COLUMNS]


def _sensitivity(study: Study) -> dict[str, Any]:
    try:
        found = study.sensitivity()
    except InvalidInputError as error:
        return {"sentence": f"There is no E-value: {error}.", "point": None, "limit": None}
    return {"sentence": str(found), "point": found.point, "limit": found.limit}


def _left_out(study: Study) -> list[str]:
    """Say what is not in the answer as it came: missing values, rare levels, rows, terms, estimators."""
    found = [study.estimates.tidied] if study.estimates.tidied else []
    for label, effect in study.estimates.effects.items():
        if isinstance(effect, Effect) and effect.whom:
            found.append(f"{label} is for {effect.whom}")
    if study.model.dropped:
        found.append(f"terms that earlier ones say already: {', '.join(study.model.dropped)}")
    found += [f"{label}: {reason}" for label, reason in study.estimates.failures.items()]
    return found


def _cautions(study: Study) -> list[str]:
    """Give what there was to warn of, and what stands in notes, each once."""
    effects = [effect for effect in study.estimates.effects.values() if isinstance(effect, Effect)]
    own = [str(caution) for effect in effects for caution in effect.cautions]
    return list(dict.fromkeys([*study.cautions, *own]))


def call_of(study: Study, by: Sequence[str] | None = None) -> str:
    """Write the call that makes the study, and where groups were asked for the report of them."""
    outcome: Any = study.outcomes[0] if len(study.outcomes) == 1 else list(study.outcomes)
    covariates = study.covariates if isinstance(study.covariates, str) else list(study.columns)
    options = {
        "outcome": outcome,
        "treatment": study.treatment,
        "covariates": covariates,
        **tidying_of(study),
    }
    for name in ("cluster", "sample_weight"):
        given = getattr(study, name)
        if given is not None:
            options[name] = given if isinstance(given, str) else ...
    if study.seed:
        options["seed"] = study.seed
    if study.estimand != "ATE":
        options["estimand"] = study.estimand
    written = ", ".join(f"{name}={'...' if value is ... else repr(value)}" for name, value in options.items())
    made = f"ps.Study(df, {written})"
    return made if by is None else f'{made}.report("study.html", by={list(by)!r})'


def tidying_of(study: Study) -> dict[str, Any]:
    """Give what is asked of missing values and rare levels, as functions take it; else nothing."""
    asked = {} if study.tidying is None else dataclasses.asdict(study.tidying)
    return {name: value for name, value in asked.items() if value is not None}


def _versions() -> dict[str, str]:
    return {
        "propensity": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pandas": pd.__version__,
    }


def _fingerprint(study: Study) -> str:
    """Sum up what the columns hold in one number, the same from every library of tables."""
    made = study.effect.fingerprint
    assert made is not None
    names = sorted(made.columns)
    content = repr([(name, made.columns[name]) for name in names]).encode()
    return hashlib.sha256(content).hexdigest()[:16]


def _plain(value: Any) -> Any:
    """Leave numbers, text, lists and dicts alone; what is no number is None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
