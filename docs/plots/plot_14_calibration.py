"""
Calibration of the score
========================

Of users with a score of 0.3, were 30% treated? Points on the line say yes.
"""

import propensity as ps

users = ps.datasets.opt_in_logs()
covariates = ["engagement_tier", "query_confidence"]
model = ps.fit_propensity(users, treatment="opt_in_agent_mode", covariates=covariates)
ps.plots.calibration_plot(model)

# %%
# The numbers:

model.calibration().round(3)
