"""Errors of an effect's interval and kinds of a bootstrap's, where the one is asked for the other."""

from __future__ import annotations

ERRORS = ("HC0", "HC2", "HC3", "jackknife")
"""What `se` of an effect's interval may be."""

OF_BOOTSTRAPS = {
    "percentile": "",
    "basic": "",
    "normal": "",
    "bca": ", n_reps=1_200",
    "studentized": ", studentized=True, n_reps=1_200",
    "calibrated": ", studentized=True, n_reps=2_000",
}
"""By the kind of a bootstrap's interval, what it asks of the bootstrap (`resampling/end_errors.py`)."""


def is_error(value: object) -> bool:
    """Whether an argument is an error of an effect."""
    return isinstance(value, str) and value in ERRORS


def is_kind(value: object) -> bool:
    """Whether an argument is a kind of a bootstrap's interval."""
    return isinstance(value, str) and value in OF_BOOTSTRAPS


def from_bootstrap(kind: str) -> str:
    """Write how a bootstrap gives its interval of a kind."""
    return f"ps.bootstrap(df, ..., estimators=[...]{OF_BOOTSTRAPS[kind]}).conf_int(kind={kind!r})"


def from_effect(se: str) -> str:
    """Write how an effect gives its interval with an error."""
    return f"ps.ipw(...).conf_int(se={se!r})"
