"""Matched rows: nearest neighbours, full and coarsened exact matching, subclasses; and their effects."""
