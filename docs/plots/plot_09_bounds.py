"""
Bounds under hidden confounding
===============================

The effect lies within these bounds if hidden confounders change the odds of opting in by at most a factor Γ.
"""

import propensity as ps

users = ps.datasets.opt_in_logs(n_users=10_000)
bounds = ps.sensitivity_bounds(
    users,
    outcome="task_completed",
    treatment="opt_in_agent_mode",
    covariates=["engagement_tier", "query_confidence"],
    n_reps=100,
    progress=False,
)
ps.plots.bounds_plot(bounds)
