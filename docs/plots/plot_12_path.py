"""
Path of boosting
================

How balance changes as trees are added, and how many are kept.
"""

import propensity as ps

usage = ps.datasets.assistant_usage(n_users=5_000)
scores = ps.fit_propensity(
    usage,
    treatment="opt_in",
    covariates=["past_engagement_score", "account_age_months", "feature_usage_count"],
    score_model=ps.Boosting(max_trees=300),
)
ps.plots.path_plot(scores)
