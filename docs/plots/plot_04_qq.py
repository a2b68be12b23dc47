"""
Quantiles against quantiles
===========================

Quantiles of a covariate among the treated against those among the controls. On the line they are alike.
"""

import propensity as ps

usage = ps.datasets.assistant_usage()
ps.plots.qq_plot(usage, "account_age_months", treatment="opt_in")
