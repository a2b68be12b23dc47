"""
Robustness
==========

How strong a hidden confounder would have to be, with the opt-in and with the outcome, beside known columns.
"""

import propensity as ps

men = ps.datasets.lalonde()
found = ps.robustness_value(
    men,
    outcome="re78",
    treatment="treat",
    covariates=["age", "educ", "race", "married", "nodegree", "re74", "re75"],
    benchmarks=["educ", "re74"],
)
ps.plots.robustness_plot(found)
