"""The report as a page of HTML: numbers written, places of marks worked out, everything escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from propensity.results.numbers import NO_VALUE, written, written_p
from propensity.study.report_facts import MOST_TERMS
from propensity.study.sentences import Unit

_PADDING = 4.0  # percent of a track left free at either end


def report_as_page(facts: Mapping[str, Any]) -> str:
    """Write what a report says as one page.

    Raises
    ------
    ImportError
        There is no jinja2.
    """
    try:
        import jinja2  # noqa: PLC0415 - for reports alone
    except ImportError as error:
        raise ImportError('reports need jinja2: pip install "propensity[report]"') from error
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    unit = Unit(is_share=facts["question"]["is_share"])
    environment.filters |= {
        "number": written,
        "count": lambda value: NO_VALUE if value is None else f"{value:,.0f}",
        "p": lambda value: NO_VALUE if value is None else written_p(value),
        "effect": lambda value: NO_VALUE if value is None else unit.signed(value),
        "share": lambda value: NO_VALUE if value is None else f"{value:.1%}",
        "smd": _smd,
        "interval": lambda row: unit.interval(row["conf_low"], row["conf_high"]),
    }
    template = files("propensity.study").joinpath("report.html.jinja").read_text(encoding="utf-8")
    page: str = environment.from_string(template).render(
        facts,
        rows=_intervals(facts["estimates"]),
        groups_placed=[group | {"placed": _intervals(group["rows"])} for group in facts["groups"]],
        outcomes_placed=facts["other_outcomes"],
        bars=_bars(facts["overlap"]),
        dots=_dots(facts["balance"]),
        most_terms=MOST_TERMS,
    )
    return page


def _smd(value: float | None) -> str:
    """Write an SMD in three decimals, without the sign of a zero."""
    if value is None:
        return NO_VALUE
    said = f"{value:+.3f}"
    return said[1:] if float(said) == 0 else said


def _scale(values: Sequence[float]) -> tuple[float, float]:
    """Give what a value is moved and multiplied by, to be a place in percent of a track."""
    low, high = min(values), max(values)
    width = (high - low) or 1.0
    return low, (100 - 2 * _PADDING) / width


def _place(value: float, scale: tuple[float, float]) -> float:
    return round(_PADDING + (value - scale[0]) * scale[1], 2)


def _intervals(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Place estimates and their intervals on one track, with no effect on it."""
    ends = ("estimate", "conf_low", "conf_high")
    known = [row[end] for row in rows for end in ends if row[end] is not None]
    scale = _scale([0.0, *known])
    placed = []
    for row in rows:
        if any(row[end] is None for end in ends):
            placed.append(dict(row) | {"placed": False, "zero": _place(0.0, scale)})
            continue
        estimate, low, high = (_place(row[end], scale) for end in ends)
        marks = {"at": estimate, "left": low, "width": round(high - low, 2), "zero": _place(0.0, scale)}
        placed.append(dict(row) | marks | {"placed": True})
    return placed


def _bars(overlap: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the heights of two histograms, the highest bar of both being whole."""
    shares = overlap["shares"]
    highest = max(*shares["treated"], *shares["control"]) or 1.0
    edges = overlap["edges"]
    return [
        {
            "low": edges[k],
            "high": edges[k + 1],
            "treated": round(100 * shares["treated"][k] / highest, 1),
            "control": round(100 * shares["control"][k] / highest, 1),
        }
        for k in range(len(edges) - 1)
    ]


def _dots(balance: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Place the SMDs of the worst terms, before and after, on one track."""
    terms = balance["terms"][:MOST_TERMS]
    first, *others = balance["samples"]
    sizes = [abs(value) for row in terms for value in row["smd"].values() if value is not None]
    reach = max([0.2, *sizes])
    scale = _scale([-reach, reach])
    after = others[0] if others else None
    return [
        {
            "term": row["term"],
            "before": _place(row["smd"][first], scale) if row["smd"][first] is not None else None,
            "after": _place(row["smd"][after], scale) if after and row["smd"][after] is not None else None,
            "low": _place(-0.1, scale),
            "width": round(_place(0.1, scale) - _place(-0.1, scale), 2),
            "zero": _place(0.0, scale),
            "smd": row["smd"],
        }
        for row in terms
    ]
