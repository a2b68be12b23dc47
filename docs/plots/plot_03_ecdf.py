"""
Distribution of a covariate
===========================

The share of users at or below each value, in both groups: the whole distribution, and not means alone.
"""

import propensity as ps

usage = ps.datasets.assistant_usage()
ps.plots.ecdf_plot(usage, "feature_usage_count", treatment="opt_in")

# %%
# And after weighting:

covariates = ["past_engagement_score", "account_age_months", "feature_usage_count"]
model = ps.fit_propensity(usage, treatment="opt_in", covariates=covariates)
weights = ps.balancing_weights(usage, treatment="opt_in", scores=model)
ps.plots.ecdf_plot(usage, "feature_usage_count", treatment="opt_in", weights=weights)
