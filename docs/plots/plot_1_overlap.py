"""
Overlap of the scores
=====================
"""

import propensity as ps

users = ps.datasets.opt_in_logs(n_users=5_000)
model = ps.fit_propensity(
    users, treatment="opt_in_agent_mode", covariates=["engagement_tier", "query_confidence"]
)
ps.plots.overlap_plot(users, model)
