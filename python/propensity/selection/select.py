"""Double selection: covariates that foretell the treatment or the outcome, by two lassos."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from propensity import core
from propensity.effects.sample import read_sample_weight
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.by_name import columns_by_name
from propensity.frames.checks import Bools
from propensity.frames.columns import open_frame
from propensity.frames.native import AnyFrame
from propensity.frames.outcome_names import outcome_names
from propensity.frames.recipe import Recipe
from propensity.frames.terms import Covariates, make_terms, parse_covariates
from propensity.frames.tidied_frame import tidied
from propensity.frames.tidying import Missing, Tidying
from propensity.selection.selected import SelectedCovariates

_SLACK = 1.1
"""The c of Belloni, Chernozhukov and Hansen: by how much the penalty exceeds what noise reaches."""

_NONE = "1"


@columns_by_name
def select_covariates(
    df: AnyFrame,
    *,
    outcome: str | Sequence[str],
    treatment: str,
    covariates: Covariates,
    missing: Missing | None = None,
    min_level_count: int | None = None,
    always: Sequence[str] = (),
    sample_weight: object = None,
    n_threads: int | None = None,
) -> SelectedCovariates:
    """Select, of hundreds of covariates, those to adjust for: double selection.

    Two lassos, of the treatment and of the outcome on all terms, and the union of what they choose: a
    confounder that either of them sees is kept. One lasso alone, of the outcome, would drop what moves the
    treatment much and the outcome a little, and the estimate would be biased by just that (Belloni,
    Chernozhukov and Hansen 2014). Any estimator goes on from there, with its own standard errors.

    Parameters
    ----------
    df : DataFrame
        pandas, polars or pyarrow; one row a unit.
    outcome : str, or list of str
        A numeric column, or several, of which the union is taken over all.
    treatment : str
        A column, bool or 0/1.
    covariates : list of str, or str
        Columns known *before* the treatment, or the right-hand side of a formula, as for `fit_propensity`.
        Text and categorical columns have a term for each level; one chosen keeps the column whole.
    missing, min_level_count
        As for `fit_propensity`: what to do with missing values and rare levels. An indicator that is chosen
        keeps its column; whoever takes the covariates asks for the same again.
    always : list of str, default ()
        Columns, or terms of the formula, that are kept whatever the lassos say: those known to matter.
    sample_weight : None, str, Series or array (n,), default None
        How much of the population a row stands for (a survey weight). A row of weight 0 is not there.
    n_threads : int or None, default None
        Threads; None takes one a core. The numbers do not depend on it.

    Returns
    -------
    SelectedCovariates
        Takes the place of `covariates` wherever these may stand.

    Raises
    ------
    InvalidInputError
        A column is unknown, incomplete, or in two roles; the treatment is not 0/1; `always` names what is no
        covariate.
    TypeError
        A column is neither numeric, bool, text nor categorical.

    See Also
    --------
    fit_propensity : Its `penalty` is no way of selecting.

    Notes
    -----
    With z the d terms, standardized, each lasso minimises mean((y - b0 - z'b)^2) / 2 + penalty * sum(loading
    |b|). The penalty is 1.1 / sqrt(n) times the 1 - gamma / (2 d) quantile of the normal distribution, gamma
    = .1 / log(n), and loadings are sqrt(mean(z^2 e^2)), e being what least squares on the terms chosen leave,
    made anew until these stay the same: any term of noise is chosen with a chance of about gamma. The lasso
    of the treatment is linear too, as in the paper: only what it chooses counts.

    The penalty is not chosen by cross-validation, which wants what foretells best. Lassos whose penalty it
    chose take four to six times as many terms, among them those that happen to move with both, and the
    estimates after them are biased: by -.03 to -.05 where these are by -.01 to .01, of a naive bias of 1, so
    that intervals of regression adjustment hold the truth in 82% to 90% of data sets in place of 94% to 96%
    (1,000 rows, 500 columns, four worlds; docs/validation.md). Nor is there such a penalty for propensity
    scores: a ridge that cross-validation tunes shrinks all coefficients and leaves most of the imbalance
    behind (bias .80 of .89, coverage 0%).

    References
    ----------
    Belloni, Chernozhukov and Hansen (2014), Review of Economic Studies 81:608; penalty and loadings: Belloni,
    Chen, Chernozhukov and Hansen (2012), Econometrica 80:2369, algorithm A.1.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> import propensity as ps
    >>> rng = np.random.default_rng(0)
    >>> df = pd.DataFrame(rng.normal(size=(500, 100))).add_prefix("x")
    >>> df["opted"] = df["x0"] + df["x1"] + rng.normal(size=500) > 0
    >>> df["spend"] = df["opted"] + df["x1"] + df["x2"] + rng.normal(size=500)
    >>> roles = {"outcome": "spend", "treatment": "opted"}
    >>> selected = ps.select_covariates(df, **roles, covariates=list(df.columns[:100]))
    >>> selected.covariates
    ['x0', 'x1', 'x2']
    >>> effect = ps.aipw(df, **roles, covariates=selected)
    """
    checks.threads(n_threads)
    outcomes = outcome_names(outcome)
    tidying = Tidying.of(missing, min_level_count)
    parsed = parse_covariates(covariates, df, treatment=treatment, outcomes=outcomes, tidying=tidying)
    frame = open_frame(
        df,
        treatment=treatment,
        outcome=outcomes,
        covariates=parsed.columns,
        also={"sample_weight": sample_weight},
        may_be_missing=parsed.may_be_missing,
    )
    treated = frame.treated(treatment)
    weight = read_sample_weight(frame, sample_weight, treated)
    frame, parsed = tidied(frame, parsed, weight)
    # Every level has a term: the one left out would decide which differences there are to choose from.
    x, recipe = make_terms(frame, parsed, sample_weight=weight, all_levels=True)
    origins = _Origins.of(recipe, covariates)
    kept = origins.places(always)
    n_there = len(treated) if weight is None else int((weight > 0).sum())
    penalty = plug_in_penalty(n_there, x.shape[1])
    responses = {treatment: treated.astype(np.float64)} | {name: frame.outcome(name) for name in outcomes}
    fits = core.lasso(x, list(responses.values()), penalty=penalty, sample_weight=weight, n_threads=n_threads)
    by_name = dict(zip(responses, fits, strict=True))
    return SelectedCovariates(
        covariates=origins.handed_on(_any_chosen(fits) | np.isin(recipe.origins, kept)),
        table=_table(by_name, recipe, origins, kept),
        penalties=pd.DataFrame(
            {name: penalty * fit.loadings for name, fit in by_name.items()},
            index=pd.Index(recipe.names, name="term"),
        ),
        treatment=treatment,
        outcomes=tuple(outcomes),
        n_candidates=x.shape[1],
    )


def plug_in_penalty(n_rows: int, n_terms: int) -> float:
    """Give the penalty of a lasso with robust loadings, which noise exceeds with a chance of .1 / log(n).

    The largest of d normal numbers exceeds the 1 - gamma / (2 d) quantile, in size, with a chance of gamma at
    most (Belloni, Chernozhukov and Hansen 2014, equation 2.14; theirs is 2 n times this one, for the sum of
    squares).
    """
    gamma = 0.1 / math.log(n_rows)
    return _SLACK * NormalDist().inv_cdf(1 - gamma / (2 * n_terms)) / math.sqrt(n_rows)


def _any_chosen(fits: Sequence[core.LassoFit]) -> Bools:
    return np.asarray(np.any([fit.coefficients != 0 for fit in fits], axis=0))


@dataclass(frozen=True, eq=False)
class _Origins:
    """What each term is of: a column of the list, or a term of the formula, by place."""

    names: tuple[str, ...]
    of_term: NDArray[np.int64]
    is_formula: bool

    @classmethod
    def of(cls, recipe: Recipe, covariates: Covariates) -> _Origins:
        is_formula = isinstance(covariates, str)
        names = recipe.columns if recipe.tidied is None else recipe.tidied.expanded(recipe.columns)
        if recipe.spec is not None:
            names = tuple(str(term.term) for term in recipe.spec.structure)
        if recipe.tidied is not None:  # an indicator is there with its column, and not without it
            names = tuple(map(recipe.tidied.source, names))
        return cls(names, np.array(recipe.origins, dtype=np.int64), is_formula)

    def places(self, always: Sequence[str]) -> list[int]:
        """Find covariates that are to be kept."""
        if isinstance(always, str):
            raise TypeError(f"always: a list of covariates is needed, not {always!r}; take [{always!r}]")
        unknown = [name for name in always if name not in self.names]
        if unknown:
            raise InvalidInputError(
                f"always: {checks.listed(unknown)} not among the covariates, which are "
                f"{checks.listed(self.names)}"
            )
        return [place for place, name in enumerate(self.names) if name in always]

    def handed_on(self, chosen: Bools) -> list[str] | str:
        """Give the covariates of the terms chosen, as they came."""
        places = sorted(set(self.of_term[chosen].tolist()))
        names = list(dict.fromkeys(self.names[place] for place in places))
        if not names:
            return _NONE
        return " + ".join(names) if self.is_formula else names


def _table(
    fits: dict[str, core.LassoFit], recipe: Recipe, origins: _Origins, kept: Sequence[int]
) -> pd.DataFrame:
    """Tabulate the terms that were chosen, or are kept."""
    chosen = _any_chosen(list(fits.values()))
    rows = np.flatnonzero(chosen | np.isin(origins.of_term, kept))
    columns: dict[str, object] = {"covariate": [origins.names[origins.of_term[row]] for row in rows]}
    columns |= {name: fit.coefficients[rows] != 0 for name, fit in fits.items()}
    columns |= {f"coefficient of {name}": fit.coefficients[rows] for name, fit in fits.items()}
    return pd.DataFrame(columns, index=pd.Index([recipe.names[row] for row in rows], name="term"))
