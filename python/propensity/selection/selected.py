"""Covariates that were selected, and why."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from propensity.frames.handed_on import HandedOn
from propensity.results.show import Shown


@dataclass(frozen=True, eq=False, repr=False)
class SelectedCovariates(Shown, HandedOn):
    """The covariates that foretell the treatment or an outcome, of many.

    It stands for its `covariates` wherever these may stand: ``ps.aipw(df, ..., covariates=selected)``.

    Attributes
    ----------
    covariates : list of str, or str
        What to adjust for, as it was given: columns of a list, in its order; of a formula the terms that were
        selected, as a formula. ``"1"``, a model of none, where nothing was.
    table : DataFrame (s, 2 + 2 k)
        The s terms selected, in their order. `covariate`, the column or the term of the formula that it is
        of; for the treatment and each outcome `<name>`, whether its lasso chose the term (None where it was
        to be kept always), and `coefficient of <name>`, the lasso's on the scale of the term, which is drawn
        towards zero.
    penalties : DataFrame (d, k)
        By term and lasso: what a coefficient of 1 for each standard deviation of the term was charged, in
        units of the treatment or the outcome.
    treatment : str
    outcomes : tuple of str
    n_candidates : int
        How many terms there were.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    >>> candidates = ["engagement_tier", "query_confidence", "signup_week", "prompt_variant"]
    >>> selected = ps.select_covariates(users, **roles, covariates=candidates)
    >>> list(selected)
    ['engagement_tier']
    >>> effect = ps.aipw(users, **roles, covariates=selected)
    """

    covariates: list[str] | str
    table: pd.DataFrame
    penalties: pd.DataFrame
    treatment: str
    outcomes: tuple[str, ...]
    n_candidates: int

    def chosen_for(self, name: str) -> list[str]:
        """Name the terms that the lasso of the treatment, or of an outcome, chose.

        Parameters
        ----------
        name : str
            The treatment, or one of `outcomes`.

        Raises
        ------
        KeyError
            It is neither.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
        >>> candidates = ["engagement_tier", "query_confidence", "signup_week"]
        >>> ps.select_covariates(users, **roles, covariates=candidates).chosen_for("opt_in_agent_mode")
        ['engagement_tier[heavy]', 'engagement_tier[light]']
        """
        if name not in (self.treatment, *self.outcomes):
            raise KeyError(name)
        return [str(term) for term in self.table.index[self.table[name].astype(bool)]]

    def __str__(self) -> str:
        """Say in a sentence how many were selected, and for what."""
        by_name = {name: set(self.chosen_for(name)) for name in (self.treatment, *self.outcomes)}
        parts = [f"{len(terms)} foretell {name}" for name, terms in by_name.items()]
        treatment, *outcomes = by_name.values()
        both = len(treatment & set().union(*outcomes))
        return (
            f"{len(self.table)} of {self.n_candidates:,} terms selected: {', '.join(parts)}, {both} the "
            "treatment and an outcome"
        )

    def _headline(self) -> str:
        return str(self)

    def _table(self) -> pd.DataFrame:
        return self.table
