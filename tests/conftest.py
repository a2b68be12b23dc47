"""What several tests share: the tutorial's data, its reference numbers, and a small frame."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from libraries import LIBRARIES

TREATMENT, OUTCOME = "opt_in_agent_mode", "task_completed"
COVARIATES = ["engagement_tier", "query_confidence"]


@pytest.fixture(autouse=True)
def no_figures_left_open():
    """Close what a test has drawn: matplotlib warns of many open figures, whoever opens one too many."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(params=LIBRARIES)
def library(request):
    """What makes a frame of each library of a pandas frame."""
    return LIBRARIES[request.param]


@pytest.fixture(scope="session")
def logs():
    """The tutorial's 50,000 users. Tests copy it before they change it."""
    return ps.datasets.opt_in_logs()


@pytest.fixture(scope="session")
def model(logs):
    return ps.fit_propensity(logs, treatment=TREATMENT, covariates=COVARIATES)


@pytest.fixture(scope="session")
def tutorial():
    """The tutorial's numbers, by independent software; the origin stands in the file."""
    return json.loads((Path(__file__).parent / "reference" / "tutorial.json").read_text())["values"]


@pytest.fixture
def users():
    """200 users with every kind of column, labelled u0 to u199."""
    rng = np.random.default_rng(5)
    n = 200
    tier = rng.choice(["light", "medium", "heavy"], n)
    visits = rng.poisson(4, n)
    opted = rng.random(n) < 0.2 + 0.2 * (tier == "heavy") + 0.03 * visits
    return pd.DataFrame(
        {
            "opted": opted,
            "done": 2.0 * opted + visits + rng.normal(size=n),
            "tier": tier,
            "visits": visits,
            "tenure": rng.normal(10, 2, n),
            "premium": rng.random(n) < 0.5,
        },
        index=[f"u{row}" for row in range(n)],
    )
