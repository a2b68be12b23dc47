"""Balance: how far apart the groups are, covariate by covariate."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import pandas as pd

from propensity import _check, core
from propensity._frame import AnyFrame, Covariates, make_terms, open_frame, parse_covariates
from propensity.matched import Matched
from propensity.weighting import read_weights

Denominator: TypeAlias = Literal["pooled", "treated", "control", "all"]


def smd(
    df: AnyFrame,
    *,
    treatment: str,
    covariates: Covariates,
    weights: object = None,
    denominator: Denominator = "pooled",
) -> pd.Series[float]:
    """Measure the balance of each term by its standardized mean difference, treated minus control.

    Parameters
    ----------
    df : DataFrame
        pandas, polars or pyarrow; one row a unit.
    treatment : str
        A column, bool or 0/1.
    covariates : list of str, or str
        Columns, or the right-hand side of a formula. Categorical ones have a term for every level, the first
        included, named as formulaic names them when no level is the reference: ``tier[heavy]``.
    weights : None, str, Series, array (n,) or Matches, default None
        None for the sample as it is; a column, balancing weights, or matches.
    denominator : {"pooled", "treated", "control", "all"}, default "pooled"
        Whose standard deviation: sqrt((v1 + v0) / 2), the treated units', the control units', everyone's.
        Pooled treats the arms alike.

    Returns
    -------
    Series (d,)
        By term, called "smd (pooled)" or whatever the denominator is, in standard deviations; the denominator
        is in `.attrs["denominator"]` too.

    Raises
    ------
    InvalidInputError
        A column is unknown or incomplete, the treatment is not 0/1, a weight is negative, or the rows of
        `weights` are not those of `df`.

    Notes
    -----
    The standard deviation is always that of the unweighted sample, so that weights move the numerator alone
    (Stuart 2010, section 3.4.1). v is p (1 - p) for binary terms, else the variance with divisor n - 1.
    """
    _check.choice("denominator", denominator, get_args(Denominator))
    terms = parse_covariates(covariates, df)
    also = {} if isinstance(weights, Matched) else {"weights": weights}
    frame = open_frame(df, treatment=treatment, covariates=terms.columns, also=also)
    treated = frame.treated(treatment)
    w = None if weights is None else read_weights(frame, weights, treated)
    x, recipe = make_terms(frame, terms, all_levels=True)
    values = core.smd(x, treated, weights=w, denominator=denominator)
    index = pd.Index(recipe.names, name="term")
    differences = pd.Series(values, index=index, name=f"smd ({denominator})")
    differences.attrs["denominator"] = denominator
    return differences
