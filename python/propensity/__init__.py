"""What an opt-in feature really did: propensity scores, weighting, matching, balance and a fast bootstrap.

Two doors lead in. The functions here take a data frame (pandas, polars, pyarrow) and names of columns; those
of the same names in `propensity.core` take NumPy arrays. `propensity.plots` draws what both give back.
"""

from propensity import core, datasets, errors, plots
from propensity.adjustment import aipw, ipwra, regression_adjustment
from propensity.balance import balance, balance_summary, smd
from propensity.coarsening import match_cem
from propensity.comparison import estimate
from propensity.core import __version__
from propensity.effects import Effect, Effects
from propensity.estimators import AIPW, IPW, IPWRA, Estimator, NearestNeighbors, RegressionAdjustment
from propensity.full import match_full
from propensity.matches import Matches
from propensity.matching import match_nn
from propensity.overlap import Overlap, overlap
from propensity.resampling import bootstrap
from propensity.results import BootstrapResult, PropensityModel
from propensity.scores import fit_propensity
from propensity.subclasses import Subclasses
from propensity.subclassification import subclassify
from propensity.trimming import Trimmed, trim
from propensity.truncation import TruncatedWeights, truncate
from propensity.weighting import balancing_weights, ipw

__all__ = [
    "AIPW",
    "IPW",
    "IPWRA",
    "BootstrapResult",
    "Effect",
    "Effects",
    "Estimator",
    "Matches",
    "NearestNeighbors",
    "Overlap",
    "PropensityModel",
    "RegressionAdjustment",
    "Subclasses",
    "Trimmed",
    "TruncatedWeights",
    "__version__",
    "aipw",
    "balance",
    "balance_summary",
    "balancing_weights",
    "bootstrap",
    "core",
    "datasets",
    "errors",
    "estimate",
    "fit_propensity",
    "ipw",
    "ipwra",
    "match_cem",
    "match_full",
    "match_nn",
    "overlap",
    "plots",
    "regression_adjustment",
    "smd",
    "subclassify",
    "trim",
    "truncate",
]
