"""The site's pages: every block of Python runs, from top to bottom, and prints what the page says it prints.

`python tests/docs/test_pages.py [name ...]` runs pages and keeps their new outputs.
"""

from __future__ import annotations

import contextlib
import inspect
import re
import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import matplotlib as mpl
import pytest

mpl.use("Agg")

import fenced
from propensity import errors

DOCS = Path(__file__).resolve().parents[2] / "docs"
ELSEWHERE = {
    "when-balance-fails.md",
    "validation.md",
    "performance.md",
    "reliability.md",
}  # tests of their own
MADE = {"_build", "gallery", "notebooks", "reference"}

_PRINTED = re.compile(r"^```text\n.*?^```$", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    found = [page for page in sorted(DOCS.rglob("*.md")) if not MADE & set(page.relative_to(DOCS).parts)]
    return [page for page in found if page.name not in ELSEWHERE and fenced.examples(page)]


def kinds() -> list[type[Exception]]:
    """Errors and warnings of the package."""
    found = [kind for kind in vars(errors).values() if inspect.isclass(kind)]
    return [kind for kind in found if kind.__module__ == errors.__name__]


def outcome_of(page: Path) -> tuple[list[str], set[str]]:
    """Run a page: what each block prints, and which warnings of the package come. Files are not kept."""
    namespace: dict[str, Any] = {"__name__": "page"}
    with (
        TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        printed = [fenced.run(example, namespace) for example in fenced.examples(page)]
    return printed, {told.category.__name__ for told in caught} & {kind.__name__ for kind in kinds()}


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(DOCS)))
def test_page_prints_what_it_says_and_names_its_warnings(page: Path) -> None:
    printed, told = outcome_of(page)
    for example, found in zip(fenced.examples(page), printed, strict=True):
        assert found == example.printed, f"line {example.line}"
    text = page.read_text(encoding="utf-8")
    assert not {name for name in told if name not in text}


def test_every_warning_has_a_page() -> None:
    names = [kind.__name__ for kind in kinds() if issubclass(kind, Warning)]
    told = {page.stem: page.read_text(encoding="utf-8") for page in (DOCS / "warnings").glob("*.md")}
    for name in names:
        assert told[name].startswith(f"# {name}\n")
    mended = told["errors"]
    for kind in kinds():
        if not issubclass(kind, Warning):
            assert f"`{kind.__name__}`" in mended


@pytest.mark.parametrize("folder", ["guide", "howto"])
def test_every_page_has_a_line_in_its_index(folder: str) -> None:
    listed = (DOCS / folder / "index.md").read_text(encoding="utf-8")
    for page in (DOCS / folder).glob("*.md"):
        assert page.stem == "index" or f"]({page.name}) |" in listed


def test_every_page_of_the_guide_leads_to_the_next() -> None:
    order = re.findall(
        r"^\| \[[^]]+\]\((.+\.md)\) \|", (DOCS / "guide/index.md").read_text("utf-8"), re.MULTILINE
    )
    for name, after in zip(order, [*order[1:], "../howto/index.md"], strict=True):
        last = (DOCS / "guide" / name).read_text(encoding="utf-8").splitlines()[-1]
        assert re.fullmatch(rf"Next: \[[^]]+\]\({re.escape(after)}\)\.", last), name


def keep(page: Path) -> None:
    """Write what the examples of a page print into it."""
    printed, told = outcome_of(page)
    said = iter([found for found in printed if found])
    text = page.read_text(encoding="utf-8")
    page.write_text(_PRINTED.sub(lambda _: f"```text\n{next(said)}```", text), encoding="utf-8")
    if left := list(said):
        raise SystemExit(f"{page}: printed, and not shown: {left}")
    if missing := {name for name in told if name not in text}:
        raise SystemExit(f"{page}: not named: {missing}")


if __name__ == "__main__":
    for chosen in [DOCS / name for name in sys.argv[1:]] or pages():
        keep(chosen)
