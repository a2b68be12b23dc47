"""What an opt-in feature really did: propensity scores, weighting, matching, balance and a fast bootstrap.

Two doors lead in. The functions here take a data frame (pandas, polars, pyarrow) and names of columns; those
of the same names in `propensity.core` take NumPy arrays. `propensity.plots` draws what both give back.

A whole analysis, from what is said once to a report
    `Study`: `.check()`, `.overlap()`, `.estimate()`, `.balance()`, `.by()`, `.sensitivity()`, `.summary()`.
What is amiss with a table
    `check` gives a `Check`: findings, worst first, each with the line that mends it.
Who opts in, and can be compared
    `fit_propensity` gives a `PropensityModel`, and of any other model `CrossFittedScores`; `Boosting` and
    `Forest` say how trees are grown; `overlap`, `trim`.
Which of hundreds of covariates matter
    `select_covariates` gives `SelectedCovariates`, to hand on.
How small an effect can be found, and with how many users
    `design`.
What the feature did, several answers at once
    `estimate`, `bootstrap`, with a list of specifications: `IPW`, `AIPW`, `IPWRA`, `RegressionAdjustment`,
    `NearestNeighbors`, `PairMatching`, `FullMatching`, `CoarsenedMatching`, `Subclassification`, `Balancing`.
    `estimate` gives `Estimates`, of several outcomes `EstimatesByOutcome`.
By weighting
    `ipw`; `balancing_weights`, `truncate`; `fit_weights` gives `BalancingWeights`, with which terms balance
    exactly; `weighted_effect` for weights from anywhere.
By outcome models
    `aipw`, `ipwra`, `regression_adjustment`.
By matching, then `.effect("outcome")`
    `match_nn`, `match_full`, `match_cem`, `subclassify`.
How much, in what terms
    of any `Effect`: `.means`, `.contrast_as("percent")`, `.test(value, alternative, margin)`;
    `quantile_effect` for medians and tails; `per="views"` for ratio metrics.
For whom
    `by="tier"` gives `GroupedEffects`, with one table and `.test_equal()`; `best_linear_projection`: how the
    effect changes with tenure; `rank_effect`: whether a rule that says whom to treat first is worth anything.
Whether the arms are alike
    `smd`, `balance`, which gives a `Balance`, `balance_summary`.
What if something is hidden
    `e_value` of a published number, `effect.e_value()` of an effect; `matches.rosenbaum("outcome")`;
    `robustness_value`, `sensitivity_bounds`; `placebo`.
Tables that do not fit: a warehouse, Spark, files larger than memory
    `collapse` counts users where they lie, and gives `Cells`, a table like any other.
Data to learn on, what can go wrong, and the score for scikit-learn's pipelines
    `datasets`, `errors`; `sklearn.PropensityScorer`, where scikit-learn is there.

>>> import propensity as ps
>>> users = ps.datasets.opt_in_logs(n_users=2_000)
>>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
>>> table = ps.estimate(users, **roles, covariates=["engagement_tier", "query_confidence"])
"""

import importlib
from typing import TYPE_CHECKING

from propensity import core, datasets, errors, plots
from propensity.balance.result import Balance
from propensity.balance.summary import balance_summary
from propensity.balance.tables import balance, smd
from propensity.calls.attributes import no_name_of_the_package
from propensity.core import __version__
from propensity.effects.effect import Effect
from propensity.effects.equality import EqualityTest
from propensity.effects.estimators import (
    AIPW,
    IPW,
    IPWRA,
    Balancing,
    Estimator,
    RegressionAdjustment,
)
from propensity.effects.grouped import GroupedEffects
from propensity.effects.hypotheses import EffectTest
from propensity.effects.matching_specification import FullMatching, NearestNeighbors
from propensity.effects.several import Effects
from propensity.effects.subclass_specification import CoarsenedMatching, PairMatching, Subclassification
from propensity.matching.coarsened import match_cem
from propensity.matching.full import match_full
from propensity.matching.matches import Matches
from propensity.matching.nearest import match_nn
from propensity.matching.subclasses import Subclasses
from propensity.matching.subclassify import subclassify
from propensity.outcomes.adjustment import ipwra, regression_adjustment
from propensity.outcomes.aipw import aipw
from propensity.outcomes.projection import LinearProjection, best_linear_projection
from propensity.outcomes.rank_effect import RankEffect, rank_effect
from propensity.overlap.overlap import Overlap, overlap
from propensity.overlap.trimming import Trimmed, trim
from propensity.resampling.bootstrap import bootstrap
from propensity.resampling.result import BootstrapResult
from propensity.resampling.several import BootstrapResults
from propensity.scores.boosting import Boosting
from propensity.scores.cross_fitted import CrossFittedScores
from propensity.scores.fit import fit_propensity
from propensity.scores.forest import Forest
from propensity.scores.model import PropensityModel
from propensity.selection.select import select_covariates
from propensity.selection.selected import SelectedCovariates
from propensity.sensitivity.bounds import sensitivity_bounds
from propensity.sensitivity.bounds_result import SensitivityBounds
from propensity.sensitivity.e_value import EValue, e_value
from propensity.sensitivity.placebo import Placebo, placebo
from propensity.sensitivity.robustness import robustness_value
from propensity.sensitivity.robustness_result import RobustnessValue
from propensity.sensitivity.rosenbaum import RosenbaumBounds
from propensity.study.check import check
from propensity.study.check_result import Check
from propensity.study.design import design
from propensity.study.design_result import Design
from propensity.study.estimate import estimate
from propensity.study.estimates import Estimates, EstimatesByOutcome
from propensity.study.study import Study
from propensity.tables.cells import Cells
from propensity.tables.collapse import collapse
from propensity.weighting.balancing import fit_weights
from propensity.weighting.balancing_weights import BalancingWeights
from propensity.weighting.ipw import ipw
from propensity.weighting.quantile_effect import quantile_effect
from propensity.weighting.quantile_result import QuantileEffects
from propensity.weighting.score_weights import balancing_weights
from propensity.weighting.truncation import TruncatedWeights, truncate
from propensity.weighting.weighted import weighted_effect

__all__ = [
    "AIPW",
    "IPW",
    "IPWRA",
    "Balance",
    "Balancing",
    "BalancingWeights",
    "Boosting",
    "BootstrapResult",
    "BootstrapResults",
    "Cells",
    "Check",
    "CoarsenedMatching",
    "CrossFittedScores",
    "Design",
    "EValue",
    "Effect",
    "EffectTest",
    "Effects",
    "EqualityTest",
    "Estimates",
    "EstimatesByOutcome",
    "Estimator",
    "Forest",
    "FullMatching",
    "GroupedEffects",
    "LinearProjection",
    "Matches",
    "NearestNeighbors",
    "Overlap",
    "PairMatching",
    "Placebo",
    "PropensityModel",
    "QuantileEffects",
    "RankEffect",
    "RegressionAdjustment",
    "RobustnessValue",
    "RosenbaumBounds",
    "SelectedCovariates",
    "SensitivityBounds",
    "Study",
    "Subclasses",
    "Subclassification",
    "Trimmed",
    "TruncatedWeights",
    "__version__",
    "aipw",
    "balance",
    "balance_summary",
    "balancing_weights",
    "best_linear_projection",
    "bootstrap",
    "check",
    "collapse",
    "core",
    "datasets",
    "design",
    "e_value",
    "errors",
    "estimate",
    "fit_propensity",
    "fit_weights",
    "ipw",
    "ipwra",
    "match_cem",
    "match_full",
    "match_nn",
    "overlap",
    "placebo",
    "plots",
    "quantile_effect",
    "rank_effect",
    "regression_adjustment",
    "robustness_value",
    "select_covariates",
    "sensitivity_bounds",
    "smd",
    "subclassify",
    "trim",
    "truncate",
    "weighted_effect",
]


def __dir__() -> list[str]:
    """List the public names alone: wings are imported, not listed."""
    return [*__all__, "sklearn"]


if TYPE_CHECKING:
    from propensity import sklearn as sklearn
else:  # a checker would take every name for one that there is

    def __getattr__(name):
        """Import what needs scikit-learn when it is asked for; answer a name that there is not."""
        if name == "sklearn":
            return importlib.import_module("propensity.sklearn")
        raise AttributeError(no_name_of_the_package(name, __all__))
