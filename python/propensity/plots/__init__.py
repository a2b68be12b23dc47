"""Pictures of results: overlap, weights, balance, matches, effects, the bootstrap, boosted scores.

Each function takes a result or a table, computes nothing but the counts and steps that it draws, draws on
``ax`` (or on a new figure) and returns the matplotlib axes. Arms and samples differ by place, marker, line
and shade as well as by colour, so the pictures survive a grey printer and colour-blind eyes. A picture of a
million rows has no more in it than one of a few thousand: what is drawn is binned, or thinned by less than a
pixel.

matplotlib is an extra: ``pip install "propensity[plots]"``. It is imported when the first picture is drawn.
"""

from propensity.plots.bootstrap import bootstrap_plot
from propensity.plots.bounds import bounds_plot
from propensity.plots.calibration import calibration_plot
from propensity.plots.distribution import distribution_plot
from propensity.plots.ecdf import ecdf_plot
from propensity.plots.effects import effects_plot
from propensity.plots.love import love_plot
from propensity.plots.matches import match_plot
from propensity.plots.overlap import overlap_plot
from propensity.plots.path import path_plot
from propensity.plots.qq import qq_plot
from propensity.plots.robustness import robustness_plot
from propensity.plots.rosenbaum import rosenbaum_plot
from propensity.plots.weights import weight_plot

__all__ = [
    "bootstrap_plot",
    "bounds_plot",
    "calibration_plot",
    "distribution_plot",
    "ecdf_plot",
    "effects_plot",
    "love_plot",
    "match_plot",
    "overlap_plot",
    "path_plot",
    "qq_plot",
    "robustness_plot",
    "rosenbaum_plot",
    "weight_plot",
]
