"""
Weights
=======

Whether few rows carry an arm: the weights of either arm, and the largest of them.
"""

import propensity as ps

men = ps.datasets.lalonde()
design = {"treatment": "treat", "covariates": ["age", "educ", "married", "re74", "re75"]}
model = ps.fit_propensity(men, **design)
effect = ps.ipw(men, outcome="re78", treatment="treat", scores=model, estimand="ATE")
ps.plots.weight_plot(effect)
