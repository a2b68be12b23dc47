"""`import propensity` loads pandas and the package's own files, and nothing else; the rest comes when used.

A time would depend on the machine; what is loaded does not. pandas takes nine tenths of the 0.35 s.
"""

from __future__ import annotations

import doctest
import json
import re
import subprocess
import sys

import pytest

import propensity as ps

LOADED = """
import json, sys
import pandas
with_pandas = set(sys.modules)
import propensity
print(json.dumps(sorted(set(sys.modules) - with_pandas)))
"""


@pytest.fixture(scope="module")
def loaded():
    """The modules that the package loads beside those of pandas."""
    command = [sys.executable, "-c", LOADED]
    return set(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


def test_import_loads_no_other_package_than_pandas(loaded):
    packages = {name.split(".")[0] for name in loaded}
    assert packages - set(sys.stdlib_module_names) == {"propensity"}


def test_import_loads_no_standard_module_that_takes_long(loaded):
    slow = {"asyncio", "concurrent.futures.process", "http", "multiprocessing", "sqlite3", "unittest", "xml"}
    assert not slow & loaded


@pytest.mark.parametrize("name", ["formulaic", "matplotlib", "narwhals", "scipy", "sklearn", "tqdm"])
def test_import_leaves_heavy_packages_for_when_they_are_used(name):
    command = [sys.executable, "-c", f"import sys, propensity; sys.exit('{name}' in sys.modules)"]
    assert subprocess.run(command, check=False).returncode == 0


def test_help_begins_with_a_map_of_all_functions():
    assert ps.__doc__ is not None
    named = set(re.findall(r"`(?:propensity\.)?(\w+)`", ps.__doc__))
    results = {
        "BootstrapResult",
        "BootstrapResults",
        "Balance",
        "Design",
        "EValue",
        "Estimates",
        "EstimatesByOutcome",
        "Effect",
        "EffectTest",
        "Effects",
        "EqualityTest",
        "Estimator",
        "LinearProjection",
        "Matches",
        "Overlap",
        "QuantileEffects",
        "RankEffect",
        "Placebo",
        "RobustnessValue",
        "SensitivityBounds",
        "RosenbaumBounds",
        "Subclasses",
        "Trimmed",
        "TruncatedWeights",
        "__version__",
    }
    assert set(ps.__all__) - results <= named
    assert named <= set(ps.__all__)
    lines = doctest.DocTestParser().get_doctest(ps.__doc__, {}, "propensity", None, None)
    assert doctest.DocTestRunner().run(lines).failed == 0
