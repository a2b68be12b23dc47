"""
Overlap of the scores
=====================

Treated above, controls below. Where one side is empty nobody can be compared.
"""

import propensity as ps

users = ps.datasets.opt_in_logs()
model = ps.fit_propensity(
    users, treatment="opt_in_agent_mode", covariates=["engagement_tier", "query_confidence"]
)
ps.plots.overlap_plot(users, model)

# %%
# A panel for each group:

ps.plots.overlap_plot(users, model, by="engagement_tier")
