"""Rows to call functions with, and what a call that is not right is answered with."""

import numpy as np
import pandas as pd
import pytest

N = 120


def opted_rows():
    """120 rows with a treatment, an outcome, two covariates and scores."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=N)
    t = (rng.random(N) < 1 / (1 + np.exp(-x))).astype(int)
    return pd.DataFrame({"t": t, "x": x, "z": rng.normal(size=N), "y": t + x, "e": 1 / (1 + np.exp(-x))})


def said(call, *args, **options):
    with pytest.raises(TypeError) as caught:
        call(*args, **options)
    return str(caught.value)
