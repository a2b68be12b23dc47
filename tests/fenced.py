"""Pages whose examples are run: blocks of Python, what each prints, and the picture that follows it.

A block of Python that prints is followed by a block of text; one that draws may be followed by an image of
the same folder, which shows what was drawn last.
"""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib import pyplot as plt

_PART = re.compile(r"^```(\w+)\n(.*?)^```$|^!\[[^\]]*\]\(([^)]+)\)$", re.MULTILINE | re.DOTALL)


class Example(NamedTuple):
    """A block of Python, the line it starts in, the text it prints, the file of its picture."""

    line: int
    code: str
    printed: str
    picture: str


def examples(page: Path) -> list[Example]:
    """Find the examples of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found: list[Example] = []
    for part in _PART.finditer(text):
        language, body, picture = part.groups()
        if language == "python":
            found.append(Example(text.count("\n", 0, part.start()) + 1, body, "", ""))
        elif language == "text":
            found[-1] = found[-1]._replace(printed=body)
        elif picture is not None and found:
            found[-1] = found[-1]._replace(picture=picture)
    return found


def run(example: Example, namespace: dict[str, Any], pictures: Path | None = None) -> str:
    """Give what an example prints; its picture, where it has one, goes into a folder."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(example.code, f"line {example.line} of the page", "exec"), namespace)
    if pictures is not None and example.picture:
        plt.gcf().savefig(pictures / example.picture, dpi=110, metadata={"Software": None})
    plt.close("all")
    return "\n".join(line.rstrip() for line in printed.getvalue().split("\n"))
