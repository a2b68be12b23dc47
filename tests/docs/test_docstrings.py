"""Every public name has an example in its docstring, which runs by itself and prints what stands there.

Methods are held to it where a user calls them; the array door (`propensity.core`) is compiled, and its
examples are the README's.
"""

from __future__ import annotations

import doctest
import inspect
import warnings
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

import propensity as ps
from propensity import errors

mpl.use("Agg")
from matplotlib import pyplot as plt

OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS

# What the machinery of a result uses within itself: documented, and not what a user calls.
INNER = {"read", "compared", "of", "of_effect", "of_ratios", "check_score_model", "wanting_scores"}


def public_objects() -> dict[str, Any]:
    """Functions and classes by their name after `ps.`, those of plots and datasets among them."""
    found = {name: getattr(ps, name) for name in dir(ps) if not name.startswith("_")}
    for module in (ps.plots, ps.datasets):
        short = module.__name__.removeprefix("propensity.")
        found |= {f"{short}.{name}": getattr(module, name) for name in module.__all__}
    kinds = {name: kind for name, kind in vars(errors).items() if inspect.isclass(kind)}
    found |= {f"errors.{name}": kind for name, kind in kinds.items() if kind.__module__ == errors.__name__}
    return {name: member for name, member in found.items() if _is_documented(member)}


def _is_documented(member: Any) -> bool:
    return inspect.isclass(member) or (callable(member) and hasattr(member, "__name__"))


def public_methods() -> dict[str, Any]:
    """Methods of public classes that are called, by their full name; properties only say what they hold."""
    found = {}
    for name, kind in public_objects().items():
        if not inspect.isclass(kind) or name.startswith("errors."):
            continue
        for method, member in inspect.getmembers(kind, inspect.isroutine):
            module = getattr(member, "__module__", None) or ""
            if not method.startswith("_") and module.startswith("propensity") and method not in INNER:
                found[f"{name}.{method}"] = member
    return found


OBJECTS = public_objects()
METHODS = public_methods()


def examples_of(member: Any) -> list[doctest.Example]:
    _, _, after = (inspect.getdoc(member) or "").partition("Examples\n--------\n")
    return doctest.DocTestParser().get_examples(after)


@pytest.mark.parametrize("name", OBJECTS | METHODS)
def test_example_stands_there_and_prints(name: str) -> None:
    examples = examples_of((OBJECTS | METHODS)[name])
    assert examples, f"{name} has no Examples section"
    assert any(example.want for example in examples), f"no example of {name} has an output"


@pytest.mark.parametrize("name", OBJECTS | METHODS)
def test_example_runs_by_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    examples = examples_of((OBJECTS | METHODS)[name])
    test = doctest.DocTest(examples, {}, name, None, None, None)
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    with warnings.catch_warnings(), np.errstate():
        for category in vars(errors).values():
            if inspect.isclass(category) and issubclass(category, Warning):
                warnings.simplefilter("ignore", category)
        runner.run(test)
    plt.close("all")
    assert runner.failures == 0, capsys.readouterr().out
