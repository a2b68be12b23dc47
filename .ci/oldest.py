"""Print the oldest versions that pyproject.toml allows, as constraints for pip, for `make test-oldest`."""

import re
import sys
import tomllib
from pathlib import Path

BOUND = re.compile(r"^([A-Za-z0-9_.-]+)\s*(?:\[[^\]]*\])?\s*>=\s*([0-9.]+)")


def constraints(project):
    """Pin whatever the package itself needs, its plots, and the oracles that the tests import."""
    named = [
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["plots"],
        *project["dependency-groups"]["oracles"],
        *(need for need in project["dependency-groups"]["test"] if isinstance(need, str)),
    ]
    of_package = {
        "numpy",
        "pandas",
        "narwhals",
        "formulaic",
        "tqdm",
        "scikit-learn",
        "scipy",
        "statsmodels",
        "polars",
        "pyarrow",
        "duckdb",
        "ibis-framework",
    }
    found = [BOUND.match(need) for need in named]
    return [f"{bound[1]}=={bound[2]}.*" for bound in found if bound and bound[1] in of_package]


if __name__ == "__main__":
    file = Path(__file__).parent.parent / "pyproject.toml"
    pins = constraints(tomllib.loads(file.read_text(encoding="utf-8")))
    sys.stdout.write("\n".join(pins) + "\n")
