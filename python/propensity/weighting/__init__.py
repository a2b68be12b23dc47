"""Balancing weights, and effects by weighting."""
