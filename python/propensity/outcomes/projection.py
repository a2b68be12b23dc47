"""How the effect changes with what is known of a row: its best linear projection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from propensity import core
from propensity.effects import inference
from propensity.effects.clusters import summed_within
from propensity.errors import InvalidInputError
from propensity.frames import checks, labels
from propensity.frames.by_name import columns_by_name
from propensity.frames.checks import Floats
from propensity.frames.columns import open_frame
from propensity.frames.formulas import INTERCEPT
from propensity.frames.native import AnyFrame, AnySeries
from propensity.frames.one_column import one_outcome
from propensity.frames.recipe import Recipe
from propensity.frames.terms import Covariates, make_terms, parse_covariates
from propensity.frames.tidying import Missing, Tidying
from propensity.outcomes.models import Roles
from propensity.outcomes.pseudo_outcomes import Models, PseudoOutcomes
from propensity.results.show import Shown
from propensity.scores.learners import Learner
from propensity.scores.scored import warn_of_left_out


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class LinearProjection(Shown):
    """The linear function of k terms that comes nearest to the effect of the treatment on each row.

    Attributes
    ----------
    coefficients : Series (k,)
        By term, `Intercept` first: how much larger the effect is per unit.
    covariance : DataFrame (k, k)
    df : Series (k,)
        Degrees of freedom of their intervals and p-values, by Student's law, as `Effect.df`.
    se_method : str
        How it was made.
    pseudo_outcomes : Series (n,)
        What was projected, with the caller's index.
    dropped : tuple of str
        Terms left out because earlier ones already say the same.
    cautions : tuple of Warning
    recipe : Recipe
        How columns become terms.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    >>> covariates = ["engagement_tier", "query_confidence"]
    >>> roles["covariates"] = covariates
    >>> found = ps.best_linear_projection(users, **roles, projection=["query_confidence"])
    >>> found.table["estimate"].round(2)
    term
    Intercept           0.09
    query_confidence    0.06
    Name: estimate, dtype: float64
    """

    coefficients: pd.Series[float]
    covariance: pd.DataFrame
    df: pd.Series[float]
    se_method: str
    pseudo_outcomes: AnySeries
    dropped: tuple[str, ...]
    cautions: tuple[Warning, ...]
    recipe: Recipe

    @property
    def table(self) -> pd.DataFrame:
        """The coefficients with 95% intervals, as `to_frame` gives them."""
        return self.to_frame()

    def to_frame(self, level: float = 0.95) -> pd.DataFrame:
        """Tabulate the coefficients.

        Parameters
        ----------
        level : float, default 0.95
            Coverage of the intervals.

        Returns
        -------
        DataFrame (k, 6)
            By "term": `estimate`, `std_error`, `df`, `conf_low`, `conf_high`, `p_value`.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
        >>> covariates = ["engagement_tier", "query_confidence"]
        >>> roles["covariates"] = covariates
        >>> found = ps.best_linear_projection(users, **roles, projection="1")  # the effect itself
        >>> found.to_frame()[["estimate", "std_error"]].round(3)
                   estimate  std_error
        term
        Intercept     0.139      0.028
        """
        checks.confidence_level(level)
        return _with_intervals(
            self.coefficients, np.diag(self.covariance), np.asarray(self.df, dtype=np.float64), level
        )

    def predict(self, new: AnyFrame, level: float = 0.95) -> pd.DataFrame:
        """Give what the projection says of other rows.

        Parameters
        ----------
        new : DataFrame
            With the columns of the projection.
        level : float, default 0.95
            Coverage of the intervals, of the projection and not of the effect on a single row.

        Returns
        -------
        DataFrame (m, 6)
            As `to_frame`, by row; with the least degrees of freedom of a coefficient.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
        >>> covariates = ["engagement_tier", "query_confidence"]
        >>> roles["covariates"] = covariates
        >>> found = ps.best_linear_projection(users, **roles, projection=["query_confidence"])
        >>> found.predict(users.head(2))["estimate"].round(2)
        0    0.12
        1    0.15
        Name: estimate, dtype: float64
        """
        checks.confidence_level(level)
        self.recipe.require_row_by_row()
        x, frame = self.recipe.apply(new)
        kept = [place for place, name in enumerate(self.recipe.names) if name not in self.dropped]
        z = np.column_stack([np.ones(len(x)), x[:, kept]])
        values = pd.Series(z @ self.coefficients.to_numpy(), index=frame.index)
        variances = np.einsum("ik,kl,il->i", z, self.covariance.to_numpy(), z)
        return _with_intervals(values, variances, np.full(len(z), self.df.min(), dtype=np.float64), level)

    def _headline(self) -> str:
        lines = ["Best linear projection of the effect (ATE)", f"Standard errors: {self.se_method}"]
        lines.extend(f"Caution: {caution}" for caution in self.cautions)
        return "\n".join(lines)

    def _table(self) -> pd.DataFrame:
        return self.to_frame()


def _with_intervals(values: pd.Series[float], variances: Floats, df: Floats, level: float) -> pd.DataFrame:
    errors = np.sqrt(variances)
    each = list(zip(values.tolist(), errors.tolist(), df.tolist(), strict=True))
    half_widths = np.array([inference.half_width(error, level, own) for _, error, own in each])
    p = [inference.two_sided_p(*line) for line in each]
    table = pd.DataFrame({"estimate": values, "std_error": errors, "df": df})
    table = table.assign(conf_low=values - half_widths, conf_high=values + half_widths, p_value=p)
    table.attrs = {"level": level}
    return table


@columns_by_name
def best_linear_projection(  # noqa: PLR0913 - each is a choice a user may have to make, by name
    df: AnyFrame,
    *,
    outcome: str,
    treatment: str,
    covariates: Covariates,
    missing: Missing | None = None,
    min_level_count: int | None = None,
    projection: Covariates,
    outcome_covariates: Covariates | None = None,
    outcome_model: Learner = "linear",
    score_model: Learner = "logistic",
    penalty: float = 0.0,
    n_folds: int = 5,
    n_repeats: int = 1,
    seed: int | np.random.Generator | None = 0,
    cluster: object = None,
    sample_weight: object = None,
) -> LinearProjection:
    """Tell how the effect of the treatment changes with what is known of a row, by a linear function.

    Of tenure, say: how much larger the effect is for each further month. What is projected is not an
    assumption about the effect, which may be of any shape: it is the linear function nearest to it.

    Parameters
    ----------
    df, outcome, treatment : DataFrame, str and str
        As for `aipw`.
    covariates, outcome_covariates
        As for `aipw`: what the models adjust for.
    missing, min_level_count
        As for `fit_propensity`: what to do with missing values and rare levels.
    projection : list of str, or str
        What the effect may change with: columns known before the treatment, or the right-hand side of a
        formula, ``"tenure + tier"``; "1" for the effect alone. They need not be among the covariates, and
        where they are not, the covariates have to do for confounding.
    outcome_model, score_model, penalty, n_repeats, seed
        As for `aipw`.
    n_folds : int, default 5
        As for `aipw`, where at least two are taken here: pseudo-outcomes of a row are of models that have
        not seen it.
    cluster, sample_weight : None, str, Series or array (n,), default None
        As for `aipw`.

    Returns
    -------
    LinearProjection
        With a `table` by term.

    Raises
    ------
    InvalidInputError, OverlapError, SeparationError, ConvergenceError, TypeError
        As for `aipw`; the projection has the outcome or the treatment in it.

    Warns
    -----
    BalanceWarning, OverlapWarning, SmallSampleWarning
        As for `aipw`.
    CollinearityWarning
        A term of the projection repeats others, and is left out.

    Notes
    -----
    Pseudo-outcomes m1 - m0 + T (Y - m1) / e - (1 - T) (Y - m0) / (1 - e) are regressed on the terms by least
    squares. That their models were estimated is of second order (Semenova and Chernozhukov 2021, theorem
    3.1), so that the errors are those of least squares, robust to unequal variances: HC3 (MacKinnon and White
    1985); with clusters of sums of these, with the factor G / (G - 1).

    References
    ----------
    Semenova and Chernozhukov (2021), Econometrics Journal 24, 264.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> covariates = ["engagement_tier", "query_confidence"]
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode", "covariates": covariates}
    >>> found = ps.best_linear_projection(users, **roles, projection=["query_confidence"])
    >>> list(found.table.index)
    ['Intercept', 'query_confidence']
    """
    models = Models(outcome_model, score_model, penalty, n_folds, n_repeats, seed)
    tidying = Tidying.of(missing, min_level_count)
    one_outcome("best_linear_projection", outcome, treatment, covariates)
    roles = Roles(treatment, outcome, covariates, outcome_covariates, cluster, sample_weight, tidying)
    parsed = parse_covariates(
        projection, df, treatment=treatment, outcomes=[outcome], may_be_none=True, role="projection"
    )
    for name, role in ((treatment, "treatment"), (outcome, "outcome")):
        checks.column_name(role, name)
        if name in parsed.columns:
            raise InvalidInputError(f"projection: column '{name}' is the {role}; name what was known before")
    frame = open_frame(df, covariates=parsed.columns)
    beside = [labels.ranks(frame.columns[name]) for name in parsed.columns]
    found = PseudoOutcomes.read(df, roles, outcome, models, beside=beside)
    sample = found.sample
    x, recipe = make_terms(frame, parsed, sample_weight=sample.sample_weight)
    nobody = np.zeros(len(x), dtype=bool)
    aliased = list(map(int, core.require_inside(x, sample.present_rows, nobody))) if x.shape[1] else []
    dropped = (*recipe.empty, *(recipe.names[column] for column in aliased))
    warn_of_left_out(dropped, "projection: ")
    kept = [place for place in range(x.shape[1]) if place not in aliased]
    coefficients, influence = _projected(found, x[:, kept])
    index = pd.Index([INTERCEPT, *(recipe.names[place] for place in kept)], name="term")
    covariance = inference.covariance(influence, sample.clusters)
    degrees = [inference.degrees_of_freedom(column, sample.clusters) for column in influence.T]
    return LinearProjection(
        coefficients=pd.Series(coefficients, index=index, name="estimate"),
        covariance=pd.DataFrame(covariance, index=index, columns=index),
        df=pd.Series(np.array(degrees), index=index, name="df"),
        se_method=f"least squares, HC3; pseudo-outcomes {found.made}" + summed_within(sample.clusters),
        pseudo_outcomes=found.series(),
        dropped=dropped,
        cautions=found.cautions,
        recipe=recipe,
    )


def _projected(found: PseudoOutcomes, x: Floats) -> tuple[Floats, Floats]:
    """Fit by weighted least squares: coefficients (k,) on the terms as they are, and influence (n, k).

    The influence of a row is n (sum s z z')^-1 s z r / (1 - h), with r its residual and h its leverage.
    """
    s = found.weights
    center = np.average(x, axis=0, weights=s)
    scale = np.sqrt(np.average((x - center) ** 2, axis=0, weights=s))
    z = np.column_stack([np.ones(len(x)), (x - center) / scale])
    # From standardized terms back to those as they are: the intercept takes what the centres had.
    back = np.diag(np.append(1.0, 1 / scale))
    back[0, 1:] = -center / scale
    inverse = np.linalg.inv((z * s[:, None]).T @ z)
    fitted = inverse @ (z.T @ (s * found.values))
    residual = found.values - z @ fitted
    leverage = s * np.einsum("ik,kl,il->i", z, inverse, z)
    moved = (s * residual / (1 - np.minimum(leverage, 1 - 1e-9)))[:, None] * (z @ inverse)
    return back @ fitted, len(x) * moved @ back.T
