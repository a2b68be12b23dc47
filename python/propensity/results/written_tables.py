"""Tables of written cells as HTML, Markdown and LaTeX, with whatever the data contain made harmless."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

import pandas as pd

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "–": "--",
}
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|#])")


def header_and_rows(table: pd.DataFrame) -> tuple[list[str], int, list[list[str]]]:
    """Give a table's header, how many of its columns name the rows, and its rows, the names first."""
    levels = table.index.names if any(name is not None for name in table.index.names) else [""]
    names = [str(name or "") for name in levels]
    if len(names) < table.index.nlevels:
        names += [""] * (table.index.nlevels - len(names))
    header = [*names, *(_name(column) for column in table.columns)]
    keys = [key if isinstance(key, tuple) else (key,) for key in table.index]
    cells = table.to_numpy(dtype=object)
    rows = [[*map(str, key), *map(str, row)] for key, row in zip(keys, cells, strict=True)]
    return header, len(names), rows


def as_html(table: pd.DataFrame, caption: str = "") -> str:
    """Write a table that can be read aloud: a caption, and headers that say what they are of."""
    header, n_names, rows = header_and_rows(table)
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in header)
    lines = []
    for row in rows:
        names = "".join(f'<th scope="row">{html.escape(cell)}</th>' for cell in row[:n_names])
        cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in row[n_names:])
        lines.append(f"<tr>{names}{cells}</tr>")
    said = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    body = "\n".join(lines)
    return f"<table>{said}\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"


def as_markdown(table: pd.DataFrame) -> str:
    """Write a table with pipes, names to the left and values to the right."""
    header, n_names, rows = header_and_rows(table)
    lines = [header, *rows]
    escaped = [[markdown_text(cell) for cell in line] for line in lines]
    widths = [max(3, *(len(line[k]) for line in escaped)) for k in range(len(header))]
    rule = [":" + "-" * (w - 1) if k < n_names else "-" * (w - 1) + ":" for k, w in enumerate(widths)]
    return "\n".join(
        "| " + " | ".join(_aligned(line, widths, n_names)) + " |" for line in [escaped[0], rule, *escaped[1:]]
    )


def as_latex(table: pd.DataFrame) -> str:
    """Write a tabular with the rules of the package booktabs."""
    header, n_names, rows = header_and_rows(table)
    align = "l" * n_names + "r" * (len(header) - n_names)

    def line(cells: Sequence[str]) -> str:
        return " & ".join(map(latex_text, cells)) + r" \\"

    body = "\n".join(map(line, rows))
    return (
        f"\\begin{{tabular}}{{{align}}}\n\\toprule\n{line(header)}\n\\midrule\n{body}\n\\bottomrule\n"
        "\\end{tabular}"
    )


def markdown_text(text: str) -> str:
    """Write text so that Markdown takes none of it for a sign."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def latex_text(text: str) -> str:
    """Write text so that LaTeX takes none of it for a command."""
    return "".join(_LATEX.get(sign, sign) for sign in " ".join(text.split()))


def _name(column: object) -> str:
    return " ".join(map(str, column)) if isinstance(column, tuple) else str(column)


def _aligned(cells: Sequence[str], widths: Sequence[int], n_names: int) -> list[str]:
    return [
        cell.ljust(width) if place < n_names else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
