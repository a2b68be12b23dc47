"""What an opt-in feature really did: propensity scores, weighting, matching, balance and a fast bootstrap.

Two doors lead in. The functions here take a data frame (pandas, polars, pyarrow) and names of columns; those
of the same names in `propensity.core` take NumPy arrays. `propensity.plots` draws what both give back.
"""

from propensity import core, datasets, errors, plots
from propensity.balance import smd
from propensity.core import __version__
from propensity.effects import Effect, Effects
from propensity.estimators import IPW, Estimator, NearestNeighbors
from propensity.matching import match_nn
from propensity.resampling import bootstrap
from propensity.results import BootstrapResult, Matches, PropensityModel
from propensity.scores import fit_propensity
from propensity.weighting import balancing_weights, ipw

__all__ = [
    "IPW",
    "BootstrapResult",
    "Effect",
    "Effects",
    "Estimator",
    "Matches",
    "NearestNeighbors",
    "PropensityModel",
    "__version__",
    "balancing_weights",
    "bootstrap",
    "core",
    "datasets",
    "errors",
    "fit_propensity",
    "ipw",
    "match_nn",
    "plots",
    "smd",
]
