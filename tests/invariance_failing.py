"""Cells of the table of invariances that do not hold yet, each to go when its cause does."""

FAILING: dict[str, dict[str, str]] = {}

FAILING_AFTERWARDS: dict[str, tuple[str, ...]] = {}
