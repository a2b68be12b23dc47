"""The report in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from propensity.results.numbers import for_the_eye
from propensity.results.written_tables import as_markdown, markdown_text


def report_in_markdown(facts: Mapping[str, Any]) -> str:
    """Write what a report says."""
    question = facts["question"]
    first, *others = question["outcomes"]
    of_first = f": {markdown_text(first)}" if others else ""
    parts = [
        f"# {markdown_text(facts['title'])}",
        *map(markdown_text, facts["summary"]),
        f"{question['n_rows']:,} rows, {question['n_treated']:,} of them treated; {facts['made_on']}.",
        "## What it rests on",
        _table(facts["verdicts"]),
        f"## Estimates{of_first}",
        _table(facts["estimates"], leave_out=("naive", "note")),
        *_notes(facts["estimates"]),
        *_several(facts["other_outcomes"]),
        "## Overlap",
        _table(facts["overlap"]["arms"]),
        "## Balance",
        _table([{"term": row["term"], **row["smd"]} for row in facts["balance"]["terms"]]),
    ]
    for group in facts["groups"]:
        parts += [f"## By {markdown_text(group['by'])}{of_first}", _table(group["rows"], leave_out=("note",))]
    parts += [f"## What may be hidden{of_first}", markdown_text(facts["sensitivity"]["sentence"])]
    for title, name in (("Left out", "left_out"), ("Cautions", "cautions")):
        if facts[name]:
            parts += [f"## {title}", "\n".join(f"- {markdown_text(one)}" for one in facts[name])]
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    made = f"{versions}; seed {question['seed']}; data {facts['fingerprint']}"
    parts += ["## How it was made", f"    {facts['call']}", markdown_text(made)]
    return "\n\n".join(parts) + "\n"


def _table(rows: Sequence[Mapping[str, Any]], leave_out: Sequence[str] = ()) -> str:
    table = pd.DataFrame([{k: v for k, v in row.items() if k not in leave_out} for row in rows])
    table = table.set_index(table.columns[0])
    return as_markdown(for_the_eye(table))


def _notes(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        f"Note: {markdown_text(row['label'])}: {markdown_text(row['note'])}" for row in rows if row["note"]
    ]


def _several(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return ["## All outcomes", _table(rows)] if rows else []
