"""
Matches
=======

The score of every row, matched and unmatched.
"""

import propensity as ps

men = ps.datasets.lalonde()
model = ps.fit_propensity(
    men, treatment="treat", covariates=["age", "educ", "race", "married", "nodegree", "re74", "re75"]
)
pairs = ps.match_nn(men, treatment="treat", scores=model, replace=False, caliper=0.2, on="logit")
ps.plots.match_plot(pairs)
