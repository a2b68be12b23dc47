"""Propensity scores: models of the treatment, fitted or given, and where they foretell it without error."""
