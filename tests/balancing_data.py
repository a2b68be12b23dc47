"""What tests of balancing weights share: data sets, worlds, and all the fits there are."""

from pathlib import Path

import numpy as np
import pandas as pd

LALONDE = ["age", "educ", "race", "married", "nodegree", "re74", "re75"]
BIRTHS = "mmarried_ + mage + I(mage**2) + fbaby_ + medu"
FITS = [("ATT", "entropy"), ("ATC", "entropy"), ("ATE", "entropy"), ("ATE", "cbps"), ("ATE", "ipt")]


def births():
    """Read Cattaneo's births."""
    path = Path(__file__).parent / "reference" / "cattaneo2.csv.gz"
    table = pd.read_csv(path)
    return table.assign(mbsmoke_=table["mbsmoke_"].astype(int))


def world(n=400, seed=0, d=3):
    """Give x, who was treated, an outcome and weights."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * [1.0, 5.0, 0.2][:d] + [0.0, 40.0, -1.0][:d]
    z = (x - x.mean(0)) / x.std(0)
    treated = rng.random(n) < 1 / (1 + np.exp(0.4 - z @ [0.6, -0.4, 0.3][:d]))
    outcome = 2.0 * treated + z.sum(axis=1) + z[:, 0] ** 2 + rng.normal(size=n)
    return x, treated, outcome, np.round(rng.lognormal(0, 0.5, n), 2) + 0.1


def frame_of(x, treated, outcome, weight):
    names = {f"x{k}": column for k, column in enumerate(x.T)}
    return pd.DataFrame({"t": treated.astype(int), "y": outcome, "w": weight, **names})
