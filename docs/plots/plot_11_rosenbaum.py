"""
Rosenbaum bounds
================

The largest p-value that hidden bias of a strength Γ within matched sets leaves.
"""

import propensity as ps

users = ps.datasets.opt_in_logs(n_users=10_000)
model = ps.fit_propensity(
    users, treatment="opt_in_agent_mode", covariates=["engagement_tier", "query_confidence"]
)
sets = ps.match_full(users, treatment="opt_in_agent_mode", scores=model)
ps.plots.rosenbaum_plot(sets.rosenbaum("task_completed"))
