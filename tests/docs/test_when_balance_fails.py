"""The page on what to do when balance fails: its examples run, print and draw what it says.

`python tests/docs/test_when_balance_fails.py` runs them, and keeps the new outputs and pictures.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import pytest

mpl.use("Agg")
from matplotlib.testing.compare import compare_images

import fenced

PAGE = Path(__file__).parents[2] / "docs" / "when-balance-fails.md"
EXAMPLES = fenced.examples(PAGE)
_PRINTED = re.compile(r"^```text\n.*?^```$", re.MULTILINE | re.DOTALL)


class Outcome(NamedTuple):
    namespace: dict[str, Any]
    printed: list[str]
    warned: set[str]
    pictures: Path


def outcome_of_page(pictures: Path) -> Outcome:
    namespace: dict[str, Any] = {"__name__": "page"}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        printed = [fenced.run(example, namespace, pictures) for example in EXAMPLES]
    return Outcome(namespace, printed, {warning.category.__name__ for warning in caught}, pictures)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return outcome_of_page(tmp_path_factory.mktemp("pictures"))


@pytest.mark.parametrize("i", range(len(EXAMPLES)), ids=lambda i: f"line{EXAMPLES[i].line}")
def test_example_prints_what_the_page_says(i: int, outcome: Outcome) -> None:
    assert outcome.printed[i] == EXAMPLES[i].printed


@pytest.mark.parametrize("picture", [example.picture for example in EXAMPLES if example.picture])
def test_picture_is_the_one_drawn(picture: str, outcome: Outcome) -> None:
    assert compare_images(str(PAGE.parent / picture), str(outcome.pictures / picture), tol=10) is None


def test_every_step_has_a_call_an_output_and_a_picture() -> None:
    text = PAGE.read_text(encoding="utf-8")
    steps = re.split(r"^## \d\. ", text, flags=re.MULTILINE)[1:]
    assert len(steps) == 5
    for step in steps:
        assert all(part in step for part in ("```python", "```text", "]("))


def test_page_names_every_warning_that_comes(outcome: Outcome) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert outcome.warned
    assert all(f"`{name}`" in text for name in outcome.warned)


def keep() -> None:
    """Write what the examples print into the page, and their pictures beside it."""
    text = PAGE.read_text(encoding="utf-8")
    printed = iter([said for said in outcome_of_page(PAGE.parent).printed if said])
    text = _PRINTED.sub(lambda _: f"```text\n{next(printed)}```", text)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    keep()
