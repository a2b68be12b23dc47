"""
Love plot of several measures
=============================

Means may agree where spreads do not. Terms keep their row in all panels, and may have names of one's own.
"""

import propensity as ps

men = ps.datasets.lalonde()
design = {"treatment": "treat", "covariates": ["age", "educ", "race", "married", "nodegree", "re74", "re75"]}
model = ps.fit_propensity(men, **design)
table = ps.balance(
    men,
    **design,
    weights={
        "IPW ATT": ps.balancing_weights(men, treatment="treat", scores=model, estimand="ATT"),
        "full matching": ps.match_full(men, treatment="treat", scores=model),
    },
)
labels = {
    "educ": "years of school",
    "re74": "earnings 1974",
    "re75": "earnings 1975",
    "nodegree": "no degree",
}
ps.plots.love_plot(table, measure=["smd", "variance_ratio", "ks"], labels=labels)
