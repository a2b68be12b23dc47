"""
Bootstrap replicates
====================

How much estimates vary from sample to sample.
"""

import propensity as ps

users = ps.datasets.opt_in_logs()
boot = ps.bootstrap(
    users,
    outcome="task_completed",
    treatment="opt_in_agent_mode",
    covariates=["engagement_tier", "query_confidence"],
    estimators=[ps.IPW("ATE"), ps.IPW("ATT"), ps.AIPW("ATE")],
    n_reps=500,
    seed=7,
)
ps.plots.bootstrap_plot(boot, reference={"naive gap": 0.2106}, truth=0.08)
