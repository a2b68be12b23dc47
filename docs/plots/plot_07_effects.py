"""
Effects side by side
====================

Several estimators, with the naive gap; and an effect in each group.
"""

import propensity as ps

users = ps.datasets.opt_in_logs()
roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
covariates = ["engagement_tier", "query_confidence"]
ps.plots.effects_plot(ps.estimate(users, **roles, covariates=covariates), truth=0.08)

# %%
# By group:

ps.plots.effects_plot(ps.aipw(users, **roles, covariates=covariates, by="engagement_tier"))
