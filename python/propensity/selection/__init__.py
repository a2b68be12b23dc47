"""Which of many covariates to adjust for."""
