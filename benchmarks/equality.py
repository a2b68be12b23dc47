"""How often `test_equal` calls equal effects different: its size, by rows, groups and estimator.

python benchmarks/equality.py                      # the table of docs/validation.md, printed
python benchmarks/equality.py --data-sets 100      # a taste of it

The effect is 1 for everybody. Groups are of uneven sizes, and differ in covariates, in who is treated and in
their level. Data set i of a size has random numbers of its own, whatever else is run.
"""

from __future__ import annotations

import argparse
import warnings
from functools import partial

import numpy as np
import pandas as pd

import propensity as ps

SIZES = (500, 1_000, 2_000)
GROUPS = (3, 6)
LEVELS = (0.05, 0.01)
SHARES = {3: [0.5, 0.3, 0.2], 6: [0.3, 0.2, 0.15, 0.15, 0.1, 0.1]}
COVARIATES = ["x1", "x2", "group"]


def world(n: int, n_groups: int, number: int) -> pd.DataFrame:
    """Draw n rows in which everybody has the same effect."""
    rng = np.random.default_rng([number, n, n_groups])
    group = rng.choice(n_groups, size=n, p=SHARES[n_groups])
    x1, x2 = rng.normal(0.2 * group, 1.0), rng.normal(size=n)
    t = rng.random(n) < 1 / (1 + np.exp(-0.5 * x1 + 0.3 * x2 - 0.1 * group + 0.4))
    y = 0.5 * group + x1 + 0.5 * x2 + t + rng.standard_exponential(n)
    return pd.DataFrame({"x1": x1, "x2": x2, "group": np.array(list("abcdef"))[group], "t": t, "y": y})


def p_values(df: pd.DataFrame) -> dict[str, float]:
    """Test the groups' effects for being one and the same."""
    model = ps.fit_propensity(df, treatment="t", covariates=COVARIATES)
    aipw = partial(ps.aipw, df, outcome="y", treatment="t", by="group")
    found: dict[str, ps.GroupedEffects] = {
        "IPW": ps.ipw(df, outcome="y", treatment="t", scores=model, by="group"),
        "AIPW": aipw(covariates=COVARIATES),
        "AIPW within groups": aipw(covariates=["x1", "x2"], within=True),
    }
    return {name: grouped.test_equal().p_value for name, grouped in found.items()}


def rejected(n_data_sets: int, n_groups: int, n: int) -> pd.DataFrame:
    """Give the share of data sets in which equal effects are called different, by estimator and level."""
    found = pd.DataFrame([p_values(world(n, n_groups, i)) for i in range(n_data_sets)])
    shares = pd.DataFrame({f"at {level:.0%}": (found < level).mean() for level in LEVELS})
    return shares.rename_axis(f"{n_groups} groups, n = {n:,}")


def main() -> None:
    """Print the table, a part at a time."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data-sets", type=int, default=1_000)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    for n_groups in GROUPS:
        for n in SIZES:
            shares = rejected(arguments.data_sets, n_groups, n)
            print(shares.to_string(float_format="{:.3f}".format), flush=True)


if __name__ == "__main__":
    main()
