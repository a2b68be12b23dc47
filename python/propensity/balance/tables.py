"""Balance: how far apart the groups are, covariate by covariate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypedDict, Unpack, get_args

import numpy as np
import pandas as pd

from propensity import core
from propensity.balance.compared import BalanceRows, table_of_rows
from propensity.balance.groups import tables_of_groups
from propensity.balance.products import Denominator
from propensity.balance.result import PROPENSITY, UNADJUSTED, Balance
from propensity.effects.sample import read_sample_weight
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.by_name import columns_by_name
from propensity.frames.checks import Bools, Floats
from propensity.frames.columns import Frame, open_frame
from propensity.frames.design import Design
from propensity.frames.grouping import read_groups
from propensity.frames.native import AnyFrame
from propensity.frames.takes_cells import takes_cells
from propensity.frames.terms import Covariates, Terms, make_design, parse_covariates
from propensity.frames.tidied_frame import tidied
from propensity.frames.tidying import Missing, Tidying
from propensity.scores.cross_fitted import CrossFittedScores
from propensity.scores.inputs import completed, incomplete
from propensity.scores.logistic import given_scores, read_chances
from propensity.tables.asked import columns_alone, require_nothing_more, specified
from propensity.tables.balanced import balanced
from propensity.tables.engine import is_lazy
from propensity.weighting.given import given_weights, read_weights

_AT_A_TIME = 16  # columns of slopes that are made


@columns_by_name
@takes_cells()
def smd(
    df: AnyFrame,
    *,
    treatment: str,
    covariates: Covariates,
    missing: Missing | None = None,
    min_level_count: int | None = None,
    weights: object = None,
    denominator: Denominator = "pooled",
    sample_weight: object = None,
) -> pd.Series[float]:
    """Measure the balance of each term by its standardized mean difference, treated minus control.

    Parameters
    ----------
    df, treatment : DataFrame, and str
        One row a unit, and a column of it, bool or 0/1, as for `fit_propensity`.
    covariates : list of str, or str
        Columns, or the right-hand side of a formula. Categorical ones have a term for every level, the first
        included, named as formulaic names them when no level is the reference: ``tier[heavy]``.
    missing, min_level_count
        As for `fit_propensity`: of a model whose covariates were so tidied these are the terms, with
        ``tenure[missing]`` and ``country[other]`` among them.
    weights : None, str, Series, array (n,), Matched, Effect, BalancingWeights, TruncatedWeights, default None
        None for the sample as it is; a column, balancing weights, or what any way of matching gave. They are
        multiplied by the sample weights, as in cobalt. Those of an effect or of matches have them in them
        already, know it, and are not multiplied again.
    denominator : {"pooled", "treated", "control", "all"}, default "pooled"
        Whose standard deviation: sqrt((v1 + v0) / 2), the treated units', the control units', everyone's.
        Pooled treats the arms alike.
    sample_weight : None, str, Series or array (n,), default None
        How much of the population a row stands for, in the means and in the denominator; those that effects
        and matches among the `weights` were made with.

    Returns
    -------
    Series (d,)
        By term, called "smd (pooled)" or whatever the denominator is, in standard deviations; the denominator
        is in `.attrs["denominator"]` too. 0 for a constant term; infinite where the denominator's arm is
        constant and the other is not.

    Raises
    ------
    InvalidInputError
        A column is unknown or incomplete, the treatment is not 0/1, a weight is negative, or the rows of
        `weights` are not those of `df`.

    Notes
    -----
    The standard deviation is always that of the sample as it is, so that weights move the numerator alone
    (Stuart 2010, section 3.4.1). v is p (1 - p) for binary terms (zeros and ones), else the variance with
    divisor n - 1; with sample weights sum w (x - m)^2 / (1 - sum w^2), w summing to 1.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
    >>> ps.smd(users, treatment=treatment, covariates=covariates).round(2)
    term
    engagement_tier[heavy]     0.77
    engagement_tier[light]    -0.88
    engagement_tier[medium]    0.22
    query_confidence           0.08
    Name: smd (pooled), dtype: float64
    >>> weights = ps.fit_weights(users, treatment=treatment, covariates=covariates)
    >>> balanced = ps.smd(users, treatment=treatment, covariates=covariates, weights=weights)
    >>> bool(balanced.abs().max() < 1e-6)
    True
    """
    checks.choice("denominator", denominator, get_args(Denominator))
    tidying = Tidying.of(missing, min_level_count)
    terms = parse_covariates(covariates, df, treatment=treatment, tidying=tidying)
    also = {**given_weights(weights), "sample_weight": sample_weight}
    frame = open_frame(
        df, treatment=treatment, covariates=terms.columns, also=also, may_be_missing=terms.may_be_missing
    )
    treated = frame.treated(treatment)
    base = read_sample_weight(frame, sample_weight, treated)
    frame, terms = tidied(frame, terms, base)
    w = None if weights is None else read_weights(frame, weights, treated, base)
    design, recipe = make_design(frame, terms, all_levels=True, sample_weight=base)
    options: _Compared = {
        "sample_weight": base,
        "frequency": frame.frequency,
        "denominator": denominator,
    }
    values = _differences(design, treated, w, **options)
    index = pd.Index(recipe.names, name="term")
    differences = pd.Series(values, index=index, name=f"smd ({denominator})")
    differences.attrs["denominator"] = denominator
    return differences


@columns_by_name
@takes_cells()
def balance(  # noqa: PLR0913 - each is a choice a user may have to make, by name
    df: AnyFrame,
    *,
    treatment: str,
    covariates: Covariates,
    missing: Missing | None = None,
    min_level_count: int | None = None,
    squares: bool = False,
    interactions: bool = False,
    scores: object = None,
    weights: object = None,
    denominator: Denominator = "pooled",
    by: str | Sequence[str] | None = None,
    sample_weight: object = None,
) -> Balance:
    """Tabulate the balance of each term in the sample as it is and after any number of weightings.

    Parameters
    ----------
    df, treatment, covariates, missing, min_level_count
        As for `smd`; a categorical has a term for every level.
    squares : bool, default False
        Whether to add the square of every term that is not binary, as ``age^2``: the square of its distance
        from its mean over all rows, which says whether the arms are spread alike.
    interactions : bool, default False
        Whether to add the products of any two terms, as ``age:educ``, but for the levels of one categorical;
        each measured from its mean too, so that they say whether the two vary together alike.
    scores : None, PropensityModel, CrossFittedScores, str, Series or array, default None
        Scores for a first row, "propensity". Columns of a list that had missing values when a model was
        fitted that takes such may have them here: an amount is then the mean of the others, with a term
        ``age[missing]`` beside it, and a missing level is one of its own.
    weights : None, mapping of str to weights, or weights, default None
        A name for each weighting, as in ``{"IPW": w, "matched": matches}``; weightings without a name are
        called "adjusted". Each is a column, a series or an array (n,), what any way of matching gave, an
        `Effect` or `TruncatedWeights`. As for `smd` they are multiplied by the sample weights. Of a table
        that an engine holds specifications, as ``{"IPW": ps.IPW("ATE")}``, for which scores are fitted there;
        distances of distribution functions are then known of binary terms alone.
    denominator : {"pooled", "treated", "control", "all"}, default "pooled"
        Whose standard deviation, as for `smd`; MatchIt and cobalt take "treated" for the ATT and "control"
        for the ATC.
    by : None, str or list of str, default None
        A column whose values are groups, or several whose combinations are: a table of each group, below one
        another, its differences in standard deviations of the group. Weights that make the arms alike on the
        whole need not do so in every group.
    sample_weight : None, str, Series or array (n,), default None
        How much of the population a row stands for, in every sample and in the denominator; those that
        effects and matches among the `weights` were made with.

    Returns
    -------
    Balance
        Shown as the SMDs before and after, with a verdict; `smd` has these, `worst` the worst term of each
        sample, `table` every measure of every sample. It is read like its table: ``found["IPW", "smd"]``.

    Raises
    ------
    InvalidInputError
        A column is unknown or incomplete, the treatment is not 0/1, a weight is negative, an arm has no
        weight, the rows of weights are not those of `df`, or a name is taken.

    See Also
    --------
    balance_summary : A row for each sample, with the worst term.

    Notes
    -----
    The variance of a term is sum w (x - m)^2 / (1 - sum w^2), w summing to 1 within the arm, which is that
    with divisor n - 1 where weights are equal. Distribution functions are compared at the distinct values of
    the term: `ks` is the largest |F1 - F0| (Kolmogorov and Smirnov), `ecdf_difference` the mean over these
    values, each counting once, as in MatchIt (Ho, Imai, King and Stuart 2011); those of rows that weights
    leave out count too, so that all samples are compared at the same places; those of rows of sample weight 0
    do not, for such rows are not there. Both are |p1 - p0| for binary
    terms, which are those of zeros and ones.

    Where a score model or balancing weights have made the means of all terms alike, their squares and
    products may be as far apart as before, and the effect off by it: `balance_summary` looks at all of them.
    Of more than 60 terms (levels count) it looks at those of the 60 that the arms differ most in as they are;
    what is of one categorical is not multiplied. The denominators are those of the products in the sample as
    it is. It takes one pass over the rows, for Gram matrices of the terms and of their squares; the products
    are not made.

    Terms are measured from their means over all rows, by sample weight (in a group from the group's), before
    they are multiplied, so that the answer is the same from any origin of a column. The square of an age in
    years as it is would be all but a multiple of the age: where that is balanced it seems so too, however
    differently the arms are spread. MatchIt, and cobalt by default, multiply columns as they are.

    Balance is a matter of the sample: p-values have no place in it, for they improve when rows are dropped
    (Imai, King and Stuart 2008, section 6).

    References
    ----------
    Austin and Stuart (2015), Statistics in Medicine 34:3661; Ho, Imai, King and Stuart (2011), Journal of
    Statistical Software 42(8); Imai, King and Stuart (2008), Journal of the Royal Statistical Society A
    171:481; Stuart (2010), Statistical Science 25:1.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
    >>> weights = ps.fit_weights(users, treatment=treatment, covariates=covariates)
    >>> table = ps.balance(users, treatment=treatment, covariates=covariates, weights={"EB": weights})
    >>> table.xs("smd", axis=1, level="measure").abs().round(2)
    sample                   unadjusted   EB
    term
    engagement_tier[heavy]         0.77  0.0
    engagement_tier[light]         0.88  0.0
    engagement_tier[medium]        0.22  0.0
    query_confidence               0.08  0.0
    """
    checks.choice("denominator", denominator, get_args(Denominator))
    if is_lazy(df):
        beside = {"by": by, "scores": scores, "sample_weight": sample_weight}
        beside |= {"missing": missing, "min_level_count": min_level_count}
        require_nothing_more({**beside, "squares": squares or None, "interactions": interactions or None})
        table = balanced(
            df,
            treatment=treatment,
            covariates=columns_alone(covariates),
            weightings=specified(weights),
            denominator=denominator,
        )
        return Balance(table)
    tidying = Tidying.of(missing, min_level_count)
    terms = parse_covariates(covariates, df, treatment=treatment, tidying=tidying)
    named = _named(weights)
    also: dict[str, object] = {**given_scores(scores), "sample_weight": sample_weight}
    for role, given in named.values():
        also |= given_weights(given, role)
    gaps = terms.may_be_missing
    if isinstance(scores, CrossFittedScores) and terms.formula is None:
        gaps = (*gaps, *scores.intake.gaps)
    frame = open_frame(
        df,
        treatment=treatment,
        covariates=terms.columns,
        also=also,
        may_be_missing=gaps,
        reader=terms.reader,
    )
    treated = frame.treated(treatment)
    base = read_sample_weight(frame, sample_weight, treated)
    frame, terms = _without_gaps(*tidied(frame, terms, base), base)
    e = None if scores is None else read_chances(frame, scores, treated, base)[0]
    weightings = {
        name: read_weights(frame, given, treated, base, role, e) for name, (role, given) in named.items()
    }
    design, recipe = make_design(frame, terms, all_levels=True, sample_weight=base)
    if scores is not None and PROPENSITY in recipe.names:
        raise InvalidInputError(
            f"column '{PROPENSITY}': the row of the scores has this name; rename the column"
        )
    rows = BalanceRows(design, recipe, e, treated, weightings, base, frame.frequency)
    tabulated = partial(table_of_rows, denominator=denominator, squares=squares, interactions=interactions)
    if by is None:
        return Balance(tabulated(rows))
    there = None if base is None or base.all() else base > 0
    groups = read_groups(df, by, treatment=treatment, there=there, reserved=("term",))
    return Balance(tables_of_groups(rows, groups, tabulated))


def _without_gaps(frame: Frame, terms: Terms, sample_weight: Floats | None) -> tuple[Frame, Terms]:
    """Fill missing amounts by their mean, with a flag as a term beside it, and make a level of missing ones.

    These are the terms that a model is given, and asked for balance of, which takes missing values.
    """
    columns = {name: frame.columns[name] for name in terms.columns}
    if not incomplete(columns):
        return frame, terms
    complete = completed(columns, None if sample_weight is None else sample_weight > 0)
    return replace(frame, columns={**frame.columns, **complete}), Terms(tuple(complete), None)


def _differences(
    design: Design, treated: Bools, weights: Floats | None, **options: Unpack[_Compared]
) -> Floats:
    """Give the standardized mean difference of each term (d,): levels all in one pass."""
    if not design.factors:
        return core.smd(design.terms, treated, weights=weights, **options)
    found = np.empty(design.n_terms)
    found[list(design.places)] = core.smd(design.numbers, treated, weights=weights, **options)
    nothing = np.empty((len(treated), 0))
    given = [] if weights is None else [weights]
    for codes, terms, n_levels in design.plain:
        coded: dict[str, Any] = {"factors": [codes], "n_levels": np.array([n_levels])}
        levels = core.balance(nothing, treated, weights=given, **coded, **options)
        found[list(terms)] = levels.smd[:, -1]
    for terms in design.with_slopes:
        for few in (terms[k : k + _AT_A_TIME] for k in range(0, len(terms), _AT_A_TIME)):
            found[list(few)] = core.smd(design.columns(few), treated, weights=weights, **options)
    return found


class _Compared(TypedDict):
    sample_weight: Floats | None
    frequency: Floats | None
    denominator: Denominator


def _named(weights: object) -> dict[str, tuple[str, object]]:
    """Give what messages call each weighting, and the weighting, by its name in the table."""
    if weights is None:
        return {}
    if not isinstance(weights, Mapping):
        return {"adjusted": ("weights", weights)}
    for name, given in weights.items():
        if not isinstance(name, str):
            raise TypeError(f"weights: a name for each weighting is needed, as text, not {name!r}")
        if name == UNADJUSTED:
            raise InvalidInputError(f"weights: '{UNADJUSTED}' is the sample as it is; rename the weighting")
        if given is None:
            raise TypeError(
                f"weights['{name}']: weights are needed; the table has the sample as it is anyway"
            )
    return {name: (f"weights['{name}']", given) for name, given in weights.items()}
