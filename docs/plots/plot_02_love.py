"""
Love plot
=========

The standardized mean difference of each term, before and after. Past 0.1 is too much.
"""

import propensity as ps

men = ps.datasets.lalonde()
design = {"treatment": "treat", "covariates": ["age", "educ", "race", "married", "nodegree", "re74", "re75"]}
model = ps.fit_propensity(men, **design)
weightings = {
    "IPW ATT": ps.balancing_weights(men, treatment="treat", scores=model, estimand="ATT"),
    "full matching": ps.match_full(men, treatment="treat", scores=model),
    "entropy balancing": ps.fit_weights(men, **design),
}
ps.plots.love_plot(ps.balance(men, **design, weights=weightings))
