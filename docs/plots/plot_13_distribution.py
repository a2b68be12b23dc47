"""
Distribution of a covariate of any kind
=======================================

Bars for the levels of a category, before and after weighting. Each arm has its own 100%.
"""

import propensity as ps

men = ps.datasets.lalonde()
design = {"treatment": "treat", "covariates": ["age", "educ", "race", "married", "nodegree", "re74", "re75"]}
weights = {"entropy balancing": ps.fit_weights(men, **design)}
ps.plots.distribution_plot(men, "race", weights=weights)

# %%
# Densities for numbers, which show an arm of few rows beside one of many:

ps.plots.distribution_plot(men, "age", weights=weights)
