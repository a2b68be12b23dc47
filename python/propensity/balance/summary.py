"""Balance tables summed up, a row for each sample."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from propensity.balance.groups import groups_of_table, table_of_group
from propensity.balance.result import PROPENSITY, Balance
from propensity.calls.keywords import answered
from propensity.errors import InvalidInputError
from propensity.frames import checks


@answered
def balance_summary(
    table: Balance | pd.DataFrame, smd: float = 0.1, variance_ratio: tuple[float, float] = (0.5, 2.0)
) -> pd.DataFrame:
    """Sum up a balance table, a row for each sample.

    Parameters
    ----------
    table : Balance
        What `balance` gave; its table, whole, is taken too.
    smd : float, default 0.1
        From which |SMD| on a term is past the threshold; 0.05 is asked for where a covariate is known to move
        the outcome strongly (Stuart, Lee and Leacy 2013 found 0.1 to foretell bias).
    variance_ratio : (float, float), default (0.5, 2.0)
        Outside which a variance ratio is past the threshold (Rubin 2001).

    Returns
    -------
    DataFrame (number of samples, 12)
        By "sample", of a table with groups by group and sample: `ess_treated`, `ess_control`, the
        `worst_term` by |SMD| and its `worst_smd`, `n_terms`, how many of them are past each threshold
        (`n_past_smd`, `n_past_variance_ratio`); of the squares and
        products of terms the `worst_product` and its `worst_product_smd`, `n_products`, how many are past the
        first threshold (`n_past_product`); the `denominator`. The row of the scores counts in none of it: a
        sum of the others says nothing of its own.

    Raises
    ------
    InvalidInputError
        The table is none of `balance`, or has lost its `attrs`.

    See Also
    --------
    balance : Which squares and products are looked at.

    Notes
    -----
    Terms that are balanced are no proof that their squares and products are: in simulated worlds whose
    outcomes hang on these, weighting by a logistic score left no term past 0.1, and 5 to 10 of 59 squares and
    products, by up to 0.7. Products that are off ask for squares and products in the formula, for
    ``fit_weights(..., moments=2, interactions=True)``, or for outcome models (`aipw`).

    References
    ----------
    Rubin (2001), Health Services and Outcomes Research Methodology 2:169; Stuart, Lee and Leacy (2013),
    Journal of Clinical Epidemiology 66:S84.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
    >>> weights = ps.fit_weights(users, treatment=treatment, covariates=covariates)
    >>> table = ps.balance(users, treatment=treatment, covariates=covariates, weights={"EB": weights})
    >>> ps.balance_summary(table)[["worst_term", "n_past_smd"]]
                            worst_term  n_past_smd
    sample
    unadjusted  engagement_tier[light]           3
    EB                query_confidence           0
    """
    checks.number("smd", smd, above=0)
    low, high = _range(variance_ratio)
    table = table.table if isinstance(table, Balance) else table
    _require_balance_table(table)
    by = list(table.attrs.get("by", ()))
    if by:
        groups = groups_of_table(table)
        parts = [_summary(table_of_group(table, group), smd, low, high) for group in groups]
        summed_up: pd.DataFrame = pd.concat(parts, keys=groups, names=by)
        return summed_up
    return _summary(table, smd, low, high)


def _summary(table: pd.DataFrame, smd: float, low: float, high: float) -> pd.DataFrame:
    """Sum up a table without groups."""
    facts = table.attrs
    terms = table.drop(index=PROPENSITY) if facts["propensity"] else table
    rows = {}
    for sample in terms.columns.unique("sample"):
        size = terms[sample, "smd"].abs()
        ratio = terms[sample, "variance_ratio"]
        worst = str(size.idxmax()) if size.notna().any() else None
        rows[sample] = {
            "ess_treated": facts["ess_treated"][sample],
            "ess_control": facts["ess_control"][sample],
            "worst_term": worst,
            "worst_smd": np.nan if worst is None else terms[sample, "smd"][worst],
            "n_terms": len(terms),
            "n_past_smd": int((size >= smd).sum()),
            "n_past_variance_ratio": int(((ratio < low) | (ratio > high)).sum()),
            **_of_products(facts["products"][sample], smd),
            "denominator": facts["denominator"],
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("sample")


def _of_products(smds: Mapping[str, float], threshold: float) -> dict[str, object]:
    """Sum up the SMDs of squares and products."""
    size = {name: abs(smd) for name, smd in smds.items() if not np.isnan(smd)}
    worst = max(size, key=size.__getitem__, default=None)
    return {
        "worst_product": worst,
        "worst_product_smd": np.nan if worst is None else smds[worst],
        "n_products": len(smds),
        "n_past_product": sum(value >= threshold for value in size.values()),
    }


def _require_balance_table(table: object) -> None:
    whole = (
        isinstance(table, pd.DataFrame)
        and table.columns.names == ["sample", "measure"]
        and {"ess_treated", "products"} <= set(table.attrs)
    )
    if not whole:
        raise InvalidInputError("table: what ps.balance gave is needed, with its columns and attrs")
    assert isinstance(table, pd.DataFrame)
    for sample in table.columns.unique("sample"):
        if not {(sample, "smd"), (sample, "variance_ratio")} <= set(table.columns):
            raise InvalidInputError(
                f"table: what ps.balance gave is needed, whole, and {sample!r} is none of its samples or has "
                "lost measures; of a table whose terms became a column give the one before reset_index()"
            )


def _range(variance_ratio: object) -> tuple[float, float]:
    if not (isinstance(variance_ratio, tuple | list) and len(variance_ratio) == 2):
        raise InvalidInputError(f"variance_ratio must be two numbers, as (0.5, 2.0), not {variance_ratio!r}")
    low, high = variance_ratio
    checks.number("variance_ratio[0]", low, minimum=0)
    checks.number("variance_ratio[1]", high, above=low)
    return low, high
