"""Writes the pages of the reference: one for each public name, and one for each topic, from what there is.

The topic of a name is the wing of the package that it lives in, so that a new name has its page at once.
Pages of classes are called ``class-...``: `ipw` and `IPW` would be one file where case does not count.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import propensity as ps
from propensity import errors

INTRODUCTION = """\
Every public name, with shapes, units, defaults and their reasons, errors, literature and an example.
Functions of ``import propensity as ps`` take a frame and the names of columns; those of `propensity.core`
take arrays.
"""

INNER = (
    *(
        "of",
        "of_effect",
        "of_ratios",
        "read",
        "compared",
        "check_score_model",
        "wanting_scores",
        "made",
        "places",
    ),
    *(
        "quantity",
        "pairing",
        "weighs_evenly",
        "splits",
        "of_those_there",
        "known_as",
        "score_choice",
        "is_plain",
    ),
    *("learns_outcomes", "is_cross_fitted", "needs_score", "takes_missing", "max_uses", "fingerprint"),
)
"""What results and specifications use within themselves."""

TOPICS = {
    "study": "Several answers side by side",
    "scores": "Scores: who opts in",
    "overlap": "Overlap",
    "selection": "Choosing covariates",
    "weighting": "Weighting",
    "matching": "Matching",
    "outcomes": "Outcome models",
    "effects": "Effects and specifications",
    "balance": "Balance",
    "resampling": "Bootstrap",
    "sensitivity": "Hidden confounding",
    "tables": "Tables that do not fit",
    "plots": "Plots",
    "datasets": "Example data",
    "sklearn": "For scikit-learn",
    "errors": "Errors and warnings",
    "core": "Array API",
}
"""The topics, in the order of an analysis; a wing that is not among them comes last, under its own name."""


def public_names() -> dict[str, list[str]]:
    """Give the full names of everything public, by topic."""
    found: dict[str, list[str]] = {topic: [] for topic in TOPICS}
    for name in dir(ps):
        member = getattr(ps, name)
        if inspect.ismodule(member):
            found.setdefault(name, []).extend(f"{name}.{inner}" for inner in members(member))
        elif not name.startswith("_"):
            found.setdefault(_wing(member), []).append(name)
    return {topic: names for topic, names in found.items() if names}


def members(module: Any) -> list[str]:
    """Give the public names of a module."""
    if module is errors:
        kinds = {name: kind for name, kind in vars(errors).items() if inspect.isclass(kind)}
        return [name for name, kind in kinds.items() if kind.__module__ == errors.__name__]
    named = getattr(module, "__all__", None) or [name for name in dir(module) if not name.startswith("_")]
    return list(named)


def _wing(member: Any) -> str:
    module = getattr(member, "__module__", "")
    return module.split(".")[1] if module.startswith("propensity.") else "effects"


def page_of(name: str) -> str:
    """Name the page of a public name."""
    return f"class-{name}" if inspect.isclass(_found(name)) else name


def _found(name: str) -> Any:
    member: Any = ps
    for part in name.split("."):
        member = getattr(member, part)
    return member


def _heading(text: str, line: str = "=") -> str:
    return f"{text}\n{line * len(text)}\n"


def _object_page(name: str) -> str:
    member = _found(name)
    if inspect.isclass(member):
        directive = f".. autoclass:: propensity.{name}\n   :members: {_own_methods(member)}\n"
        directive += "   :inherited-members:\n" if not _is_of_sklearn(member) else ""
        directive += f"   :exclude-members: {', '.join(INNER)}\n"
        if name.startswith("sklearn."):  # what is inherited is in scikit-learn's own documentation
            own = [method for method, value in vars(member).items() if inspect.isfunction(value)]
            own = [method for method in own if not method.startswith(("_", "set_"))]
            directive = f".. autoclass:: propensity.{name}\n   :members: {', '.join(own)}\n"
        if issubclass(member, BaseException):
            directive = f".. autoexception:: propensity.{name}\n"
    elif callable(member) and not _is_union(member):
        directive = f".. autofunction:: propensity.{name}\n"
    else:
        directive = f".. autodata:: propensity.{name}\n   :no-value:\n"
    said = name if name.startswith(("core", "errors")) else f"ps.{name}"
    return f"{_heading(said)}\n.. currentmodule:: propensity\n\n{directive}"


def _is_of_sklearn(kind: type) -> bool:
    return any(parent.__module__.startswith("sklearn.") for parent in kind.__mro__)


def _own_methods(kind: type) -> str:
    """Name the methods to show: all, but of scikit-learn's estimators none that scikit-learn documents."""
    if not _is_of_sklearn(kind):
        return ""
    own = [
        name
        for name in dir(kind)
        if not name.startswith("_")
        and getattr(getattr(kind, name), "__module__", "").startswith("propensity")
    ]
    return ", ".join(own)


def _is_union(member: Any) -> bool:
    return not hasattr(member, "__name__") or type(member).__name__ == "UnionType"


def _topic_page(topic: str, names: list[str]) -> str:
    module = getattr(ps, topic, None)
    doc = (
        inspect.getdoc(module)
        if inspect.ismodule(module) and topic in ("plots", "datasets", "errors", "core")
        else ""
    )
    table = "\n".join(f"   propensity.{name}" for name in names)
    tree = "\n".join(f"   {page_of(name)}" for name in names)
    return (
        f"{_heading(TOPICS.get(topic, topic))}\n{doc}\n\n.. autosummary::\n   :nosignatures:\n\n{table}\n\n"
        f".. toctree::\n   :hidden:\n\n{tree}\n"
    )


def write(folder: Path) -> None:
    """Write all pages, and the first that leads to them."""
    folder.mkdir(exist_ok=True)
    topics = public_names()
    for topic, names in topics.items():
        _put(folder / f"topic-{topic}.rst", _topic_page(topic, names))
        for name in names:
            _put(folder / f"{page_of(name)}.rst", _object_page(name))
    _put(folder / "index.rst", _first_page(topics))


def _first_page(topics: dict[str, list[str]]) -> str:
    parts = [_heading("Reference"), INTRODUCTION]
    for topic, names in topics.items():
        parts.append(_heading(TOPICS.get(topic, topic), "-"))
        if topic == "core":
            parts.append(":doc:`topic-core` over NumPy arrays, under the functions above.\n")
        else:
            table = "\n".join(f"   propensity.{name}" for name in names)
            parts.append(f".. autosummary::\n   :nosignatures:\n\n{table}\n")
    tree = "\n".join(f"   topic-{topic}" for topic in topics)
    parts.append(f".. toctree::\n   :hidden:\n\n{tree}\n")
    return "\n".join(parts)


def _put(file: Path, text: str) -> None:
    if not file.exists() or file.read_text(encoding="utf-8") != text:  # what is the same is not read again
        file.write_text(text, encoding="utf-8")
