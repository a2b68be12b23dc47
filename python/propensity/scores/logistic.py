"""The propensity score: fitted, predicted, read back."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from propensity.effects.cautions import adjustment_cautions
from propensity.effects.sample import read_sample_weight, warn_once
from propensity.errors import InvalidInputError
from propensity.frames import checks, rowwise_checks
from propensity.frames.by_name import columns_by_name
from propensity.frames.checks import Bools, Floats
from propensity.frames.columns import Frame, open_frame
from propensity.frames.fingerprint import Fingerprint, Made
from propensity.frames.formulas import INTERCEPT
from propensity.frames.native import AnyFrame
from propensity.frames.terms import Covariates, make_terms, parse_covariates, spread
from propensity.scores.model import PropensityModel
from propensity.scores.scored import FittedScores, ScoreRows


@columns_by_name
def fit_propensity(
    df: AnyFrame,
    *,
    treatment: str,
    covariates: Covariates,
    penalty: float = 0.0,
    sample_weight: object = None,
    n_threads: int | None = None,
) -> PropensityModel:
    """Fit the probability of treatment given covariates, by logistic regression.

    Parameters
    ----------
    df : DataFrame
        pandas, polars or pyarrow; one row a unit.
    treatment : str
        A column, bool or 0/1.
    covariates : list of str, or str
        Columns known *before* the treatment, or the right-hand side of a formula (``"tier * tenure"``,
        ``"bs(age, df=4) + log(spend)"``; see the notes). Numeric and bool columns enter as they are; text and
        categorical ones as one term for each level but the first, in sorted order or in the categorical's
        own. Levels that no row has are left out. Dates are no amounts: give days since a day.
    penalty : float, default 0.0
        L2 strength lambda in sum(log-loss) + lambda / 2 * ||beta without intercept||^2, with sample weights
        per unit of their mean. Zero is maximum likelihood: a penalty pulls the scores together and leaves
        imbalance behind. 1.0 is scikit-learn's default (its C is 1 / penalty), and is per unit of the column,
        as there: a column in thousands hardly feels it, one in thousandths hardly keeps a coefficient.
        ``scale(x)`` in a formula puts columns on one footing.
    sample_weight : None, str, Series or array (n,), default None
        How much of the population a row stands for (a survey weight): coefficients are those of a weight of
        2 as the row twice, standard errors those of the rows that there are, whatever the weights' scale.
        Counts of identical users are to be spelled out as rows. A row of weight 0 is not there.
    n_threads : int or None, default None
        Threads; None takes one a core. The numbers do not depend on it.

    Returns
    -------
    PropensityModel
        With `scores` carrying the index of `df`.

    Raises
    ------
    InvalidInputError
        A column is unknown, incomplete, or in two roles; the treatment is not 0/1 or has fewer than two
        units in an arm; the formula cannot be read.
    SeparationError
        The covariates predict the treatment perfectly.
    ConvergenceError
        Newton's method did not reach gradient norm / n <= 1e-10.
    TypeError
        A column is neither numeric, bool, text nor categorical.

    Warns
    -----
    CollinearityWarning
        A term repeats earlier ones; it is named and left out.
    SeparationWarning
        The covariates foretell the treatment of some rows without error (quasi-complete separation); it is
        said which, by level, combination of levels or side of a number. The coefficients that this lets grow
        are those at which the gradient became small enough.
    DegenerateWarning
        There is no covariate, as the formula "1" asks for: nothing is adjusted for.

    Notes
    -----
    In a formula ``a + b`` are two terms, ``a:b`` their product and ``a * b`` all three; ``(a + b + c)**2``
    are these and every product of two. Columns of other names stand in backticks. Arithmetic and comparisons
    stand in ``I()``: ``I(age**2)``, ``I(clicks / views)``, ``I(age > 40)``; whole numbers do not overflow in
    it and bools add up. These functions work, and remember what they need of the rows of the fit, so that
    `PropensityModel.predict` gives new rows the very same terms:

    ``log``, ``log2``, ``log10``, ``exp``, and NumPy's as ``np.log1p``, ``np.sqrt``, ``np.where``;
    ``center(x)``, ``scale(x)``, which has standard deviation 1, and ``poly(x, 2)``, which is orthogonal;
    splines ``bs(x, df=4)``, ``cr(x, df=4, constraints='center')`` (natural) and
    ``cc(x, df=4, constraints='center')`` (cyclic); ``C(zip)``, which makes categories of numbers, and
    ``C(tier, contr.treatment(base='light'))``, which chooses the first level.

    Methods of a column work too. Where a value hangs on the other rows, as in ``I(age - age.mean())``, the
    model is fitted, but does not predict.

    Examples
    --------
    >>> import pandas as pd
    >>> import propensity as ps
    >>> df = pd.DataFrame({"opt_in": [0, 1, 0, 1, 1, 0], "visits": [1, 4, 3, 2, 6, 2]})
    >>> ps.fit_propensity(df, treatment="opt_in", covariates=["visits"]).terms
    ('Intercept', 'visits')
    """
    checks.number("penalty", penalty, minimum=0.0)
    checks.threads(n_threads)
    terms = parse_covariates(covariates, df, treatment=treatment, may_be_none=True)
    also = {"sample_weight": sample_weight}
    frame = open_frame(df, treatment=treatment, covariates=terms.columns, also=also)
    treated = frame.treated(treatment)
    weight = read_sample_weight(frame, sample_weight, treated)
    x, recipe = make_terms(frame, terms, sample_weight=weight)
    columns = {name: frame.columns[name] for name in terms.columns}
    fitted = ScoreRows(columns, x, recipe, treated, weight).fit(penalty, n_threads)
    fitted.warn_of_terms()
    fitted.warn_of_separation()
    warn_once(adjustment_cautions(x.shape[1]))
    return named_model(fitted, treatment, frame)


def given_scores(scores: object) -> dict[str, object]:
    """Give scores that come row by row as `open_frame` reads them; those of a model are complete."""
    return {} if scores is None or isinstance(scores, PropensityModel) else {"scores": scores}


def told_by_fit(scores: object) -> list[str]:
    """Give what was warned of when a model was fitted: as a caution of a result it is no second warning."""
    separation = scores.separation if isinstance(scores, PropensityModel) else None
    return [] if separation is None else [str(separation)]


AS_KNOWN = "or take the scores as known, scores=model.scores"


def read_scores(frame: Frame, scores: object, treated: Bools, sample_weight: Floats | None) -> Floats:
    """Read a model's scores, a column, a series or an array as (n,) float64, strictly between 0 and 1.

    Raises
    ------
    OverlapError
        One is 0 or 1; where that is a separated model's, the rows whose treatment it foretells are named.
    InvalidInputError
        The scores are none, or a model's that was fitted on other rows, or with sample weights that are not
        given here.
    """
    separation = scores.separation if isinstance(scores, PropensityModel) else None
    if isinstance(scores, PropensityModel):
        subject, values = "scores", scores.fit.scores
        require_rows(scores, frame, treated)
        if scores.sample_weight is not None:
            rowwise_checks.same_weights(scores.sample_weight, sample_weight, "the model was fitted", AS_KNOWN)
    else:
        values, subject = frame.rowwise(scores, "scores")
        rowwise_checks.no_classes(values, subject)
    if sample_weight is not None:  # whoever weighs nothing is not there, whatever the score
        values = spread(values[sample_weight > 0], sample_weight)
    remedy = "" if separation is None else str(separation)
    rowwise_checks.scores(values, frame.index, subject, remedy)
    return values


def require_rows(model: PropensityModel, rows: Frame | Fingerprint, treated: Bools | None) -> None:
    """Require a model's rows to be those of a frame, or of what else was made."""
    model.fingerprint.require_same(rows, treated, _fitted(model))


def require_other_columns(frame: Frame, scores: object, outcomes: Sequence[str]) -> None:
    """Require that no outcome is among the columns of the model that made the scores, by any formula.

    Raises
    ------
    InvalidInputError
        One is.
    """
    if isinstance(scores, str) and scores in outcomes:
        raise InvalidInputError(f"column '{scores}' is both the scores and the outcome")
    columns = scores.recipe.columns if isinstance(scores, PropensityModel) else ()
    for name in outcomes:
        if name in columns:
            frame.outcome(name)  # numeric, or that is what is wrong with it
            raise InvalidInputError(
                f"column '{name}' is the outcome, and a covariate of the model that gave the scores, which "
                "takes its effect away: fit the model without it, to what was known before the treatment"
            )


def _fitted(model: PropensityModel) -> Made:
    """Say how a model was made, and what to do where rows are others."""
    return Made(
        subject="scores",
        when="the model was fitted",
        again="fit it again, to the rows and the treatment as they are here",
        fewer="these are some of the rows that the model was fitted on, as after trimming: fit it again, to "
        "the rows kept",
        reordered="its rows are in another order: put them in that of model.scores, or fit it again",
        new="the model was fitted on other rows: fit one to these, or, where they are new rows that it is to "
        "be applied to, take scores=model.predict(df)",
        unsure="where these are some of the rows that the model was fitted on, as after trimming, fit it "
        "again to the rows kept; where they are new rows, take scores=model.predict(df)",
        count=lambda frame: _rows_that_moved(model, frame),
    )


def _rows_that_moved(model: PropensityModel, frame: Frame) -> str | None:
    """Count the rows whose score is another now; None where covariates can no longer be read."""
    try:
        x, _ = model.recipe.apply(frame.native)
    except (InvalidInputError, TypeError):
        return None
    moved = np.abs(model.fit.predict(x) - np.asarray(model.scores)) > 1e-9  # rounding moves them by 1e-13
    return checks.counted(moved, "row", frame.index) if moved.any() else None


def read_terms(frame: Frame, model: PropensityModel) -> Floats:
    """Read the terms (n, d) of a model whose rows were found to be those of the frame.

    Raises
    ------
    InvalidInputError
        A column of its covariates is not there.
    """
    return model.recipe.apply(frame.native, frame.plain, model.sample_weight)[0]


def _scores_of_all(fitted: FittedScores, frame: Frame) -> Floats:
    """Give the scores of all rows; of those that weigh nothing, and were not there, what is predicted."""
    fit, weight = fitted.fit, fitted.rows.sample_weight
    if weight is None or weight.all():
        return fit.scores
    try:
        predicted = fit.predict(fitted.rows.recipe.apply(frame.native, frame.plain)[0])
    except InvalidInputError:  # a level that none of the others has
        predicted = np.full(len(weight), np.nan)
    return np.where(weight > 0, fit.scores, predicted)


def named_model(fitted: FittedScores, treatment: str, frame: Frame) -> PropensityModel:
    """Put names on the numbers of a fit: terms on the coefficients, the caller's index on the scores."""
    fit, recipe = fitted.fit, fitted.rows.recipe
    names = np.array([INTERCEPT, *recipe.names], dtype=object)
    aliased = fit.aliased + 1
    kept = np.setdiff1d(np.arange(len(names)), aliased)
    index = pd.Index(names[kept], name="term")
    covariance = fit.covariance if fit.sandwich is None else fit.sandwich
    return PropensityModel(
        treatment=treatment,
        scores=frame.series(_scores_of_all(fitted, frame), "propensity"),
        coefficients=pd.Series(fit.coefficients[kept], index=index, name="estimate"),
        covariance=pd.DataFrame(covariance[np.ix_(kept, kept)], index=index, columns=index),
        log_likelihood=fit.log_likelihood,
        iterations=fit.iterations,
        penalty=fit.penalty,
        dropped=fitted.dropped,
        fit=fit,
        recipe=recipe,
        fingerprint=frame.fingerprint(fitted.rows.treated, fitted.rows.sample_weight),
        separation=fitted.separation,
    )
