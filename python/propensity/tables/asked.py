"""What a table that an engine holds can be asked, and what is said of the rest."""

from __future__ import annotations

from collections.abc import Mapping

from propensity.effects.estimators import IPW
from propensity.errors import InvalidInputError
from propensity.frames.outcome_names import listed_names
from propensity.frames.terms import Covariates
from propensity.scores.choice import LOGISTIC

INSTEAD = (
    "count users with ps.collapse(table, ...), which every function takes, or fetch the columns, or a sample "
    "of 10,000,000 users"
)

_REMEDIES = {
    "squares": "make columns of squares in the query",
    "interactions": "make columns of products in the query",
    "by": "filter the table to one group after the other",
    "per": "make a column of the ratio in the query, where every row has one",
    "winsorize": "bound the outcome in the query, LEAST(y, ...)",
    "missing": "fill missing values in the query, COALESCE(x, ...), beside a column x IS NULL",
    "min_level_count": "put rare levels together in the query, CASE WHEN ... ELSE 'other' END",
    "outcome_covariates": "all models have the same covariates there",
}


def columns_alone(covariates: Covariates) -> tuple[str, ...]:
    """Require covariates that are a list of columns.

    Raises
    ------
    InvalidInputError
        They are a formula, or none, or one is listed twice.
    """
    if isinstance(covariates, str):
        raise InvalidInputError(
            "covariates: of a table that an engine holds a list of columns is needed, and here is the "
            f"formula {covariates!r}; make columns of its terms in the query"
        )
    names = tuple(covariates)
    listed_names("covariates", names)
    return names


def require_nothing_more(given: Mapping[str, object]) -> None:
    """Require options to be left out that sums do not answer.

    Raises
    ------
    InvalidInputError
        One is not.
    """
    for name, value in given.items():
        if value is not None:
            remedy = f"{_REMEDIES[name]}, or " if name in _REMEDIES else ""
            raise InvalidInputError(
                f"{name}: not of a table that an engine holds, which is asked for sums alone; "
                f"{remedy}{INSTEAD}"
            )


def specified(weights: object) -> dict[str, IPW]:
    """Give weightings by name: of such a table they are specifications, for which its scores are fitted.

    Raises
    ------
    TypeError
        They are weights, of which there is one for each row.
    """
    if weights is None:
        return {}
    named = weights if isinstance(weights, Mapping) else {"adjusted": weights}
    for name, spec in named.items():
        if not isinstance(spec, IPW) or spec.truncate is not None or spec.score_model != LOGISTIC:
            raise TypeError(
                f"weights: of a table that an engine holds {name!r} has to be a specification with logistic "
                f"scores, as ps.IPW('ATE'), not {type(spec).__name__}"
            )
    return dict(named)
