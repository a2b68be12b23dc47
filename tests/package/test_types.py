"""Types of what is public: no `Any` but for the caller's own series; a user's script, strictly typed."""

import dataclasses
import inspect
import re
import typing

import matplotlib as mpl
import polars as pl
import pytest
import typed_script

import propensity as ps

mpl.use("Agg")

# What an array, a column or an index holds is not known before the program runs; labels are of any kind.
_HELD = re.compile(r"(Series|Index|NDArray|ndarray|dtype|SupportsArray)\[Any\]|Mapping\[(typing\.)?Any, ")
_ANY = re.compile(r"\bAny\b")

# What pandas itself has no type for, what goes into JSON, and what specifications tell the core.
_LEFT = ("attrs", "loc", "to_dict", "core_options")
_LEARNERS = ("score_model", "outcome_model")  # scikit-learn's models, which are untyped


def functions():
    """Give every public function and method, with what it is called."""
    modules = {"ps": ps, "plots": ps.plots, "datasets": ps.datasets, "sklearn": ps.sklearn}
    for module, holder in modules.items():
        for name in getattr(holder, "__all__", dir(holder)):
            member = getattr(holder, name)
            if inspect.isfunction(member):
                yield f"{module}.{name}", member
            elif inspect.isclass(member):
                yield from methods(f"{module}.{name}", member)


def methods(where, kind):
    for name, member in inspect.getmembers(kind):
        function = member.fget if isinstance(member, property) else getattr(member, "func", member)
        public = not name.startswith("_") and name not in _LEFT and inspect.isfunction(function)
        if public and function.__module__.startswith("propensity."):
            yield f"{where}.{name}", function


FUNCTIONS = dict(functions())


def annotations(function):
    """Give what each parameter is said to be, in all overloads, and what is given back."""
    own = inspect.unwrap(function)
    for signature in map(inspect.signature, [own, *typing.get_overloads(own)]):
        yield from ((p.name, p.annotation) for p in signature.parameters.values())
        yield "return", signature.return_annotation


@pytest.mark.parametrize("where", FUNCTIONS)
def test_public_signatures_have_no_any(where):
    for name, said in annotations(FUNCTIONS[where]):
        assert not _ANY.search(_HELD.sub("", str(said))), f"{where}: {name}: {said}"


@pytest.mark.parametrize("name", [name for name in ps.__all__ if dataclasses.is_dataclass(getattr(ps, name))])
def test_public_fields_have_no_any(name):
    for field in dataclasses.fields(getattr(ps, name)):
        if not field.name.startswith("_") and field.name not in _LEARNERS:
            assert not _ANY.search(_HELD.sub("", str(field.type))), f"{name}.{field.name}: {field.type}"


def test_it_is_seen_where_there_is_any():
    def careless(df: "typing.Any") -> "dict[str, typing.Any]": ...

    found = [name for name, said in annotations(careless) if _ANY.search(_HELD.sub("", str(said)))]
    assert found == ["df", "return"]


def test_the_script_runs():
    users = ps.datasets.opt_in_logs(n_users=2_000)
    assert typed_script.analysis(users).startswith("0.0")
    assert isinstance(typed_script.matched(pl.from_pandas(users)), pl.DataFrame)
    axes = typed_script.pictures(users)
    assert len(axes) == 6
    mpl.pyplot.close("all")
