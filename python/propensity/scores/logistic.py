"""Scores read back, of a model, a column or numbers, if they are of the rows at hand; logistic ones named."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from propensity.effects.balance_terms import BalanceTerms
from propensity.errors import InvalidInputError
from propensity.frames import checks, rowwise_checks
from propensity.frames.checks import Bools, Floats
from propensity.frames.columns import Frame
from propensity.frames.design import Design
from propensity.frames.fingerprint import Fingerprint, Made
from propensity.frames.formulas import INTERCEPT
from propensity.frames.present import spread
from propensity.scores.cross_fitted import CrossFittedScores
from propensity.scores.far_out import far_out
from propensity.scores.model import ModelScores, PropensityModel
from propensity.scores.scored import FittedScores


def given_scores(scores: object) -> dict[str, object]:
    """Give scores that come row by row as `open_frame` reads them; those of a model are complete."""
    return {} if scores is None or isinstance(scores, ModelScores) else {"scores": scores}


def told_by_fit(scores: object) -> list[str]:
    """Give what was warned of when a model was fitted: as a caution of a result it is no second warning."""
    separation = scores.separation if isinstance(scores, ModelScores) else None
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
    values, subject = _read_chances(frame, scores, treated, sample_weight)
    separation = scores.separation if isinstance(scores, ModelScores) else None
    remedy = "" if separation is None else str(separation)
    rowwise_checks.scores(
        values, frame.index, subject, remedy, lambda certain: _far_out(frame, scores, certain)
    )
    return values


def read_chances(
    frame: Frame, scores: object, treated: Bools, sample_weight: Floats | None
) -> tuple[Floats, Bools, str]:
    """Read the same for what makes no weights of them: some may be 0 or 1.

    Beside them comes which (n,) are, and what messages call them.

    Raises
    ------
    InvalidInputError
        As for `read_scores`.
    """
    values, subject = _read_chances(frame, scores, treated, sample_weight)
    return values, rowwise_checks.chances(values, frame.index, subject), subject


def _read_chances(
    frame: Frame, scores: object, treated: Bools, sample_weight: Floats | None
) -> tuple[Floats, str]:
    if isinstance(scores, ModelScores):
        require_rows(scores, frame, treated)
        subject, values = "scores", frame.by_row(scores.values)
        if scores.sample_weight is not None:
            then = frame.by_row(scores.sample_weight)
            rowwise_checks.same_weights(then, sample_weight, "the model was fitted", AS_KNOWN)
    else:
        values, subject = frame.rowwise(scores, "scores")
        rowwise_checks.no_classes(values, subject)
    if sample_weight is not None:  # whoever weighs nothing is not there, whatever the score
        values = spread(values[sample_weight > 0], sample_weight)
    return values, subject


def _far_out(frame: Frame, scores: object, certain: Bools) -> str:
    """Say what carries rows to the end, where the model is at hand."""
    if not isinstance(scores, PropensityModel):
        return ""
    own = None if scores.sample_weight is None else frame.by_row(scores.sample_weight)
    try:
        design, read = scores.recipe.design(frame.native, frame.plain, own)
    except (InvalidInputError, TypeError):  # a frame with the scores, and without the covariates
        return ""
    return far_out(design, scores.recipe, scores.fit, read.columns, certain, frame.index, frame.frequency)


def require_rows(model: ModelScores, rows: Frame | Fingerprint, treated: Bools | None) -> None:
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
    columns = scores.covariates if isinstance(scores, ModelScores) else ()
    for name in outcomes:
        if name in columns:
            frame.outcome(name)  # numeric, or that is what is wrong with it
            raise InvalidInputError(
                f"column '{name}' is the outcome, and a covariate of the model that gave the scores, which "
                "takes its effect away: fit the model without it, to what was known before the treatment"
            )


def _fitted(model: ModelScores) -> Made:
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


def _rows_that_moved(model: ModelScores, frame: Frame) -> str | None:
    """Count the rows whose score is another now; None where that cannot be known."""
    # Models of other rows have no score for these, and rows that stand for several users count nobody.
    if not isinstance(model, PropensityModel) or frame.frequency is not None:
        return None
    try:
        design, _ = model.recipe.design(frame.native)
    except (InvalidInputError, TypeError):
        return None
    moved = np.abs(design.scores(model.fit) - np.asarray(model.scores)) > 1e-9  # rounding moves them by 1e-13
    return checks.counted(moved, "row", frame.index) if moved.any() else None


def read_design(frame: Frame, model: PropensityModel) -> Design:
    """Read the same as a design, in which many levels are codes."""
    own = None if model.sample_weight is None else frame.by_row(model.sample_weight)
    return model.recipe.design(frame.native, frame.plain, own)[0]


def read_terms(frame: Frame, model: PropensityModel) -> Design:
    """Read the terms of a model whose rows are those of the frame, and of which a matrix is made.

    Raises
    ------
    InvalidInputError
        A column of its covariates is not there, or has too many levels.
    """
    model.recipe.require_few_levels()
    return read_design(frame, model)


def balance_terms_of(frame: Frame, scores: CrossFittedScores) -> BalanceTerms:
    """Read what balance is asked of after weighting or matching by scores whose rows are the frame's."""
    x, recipe = scores.intake.terms(frame, scores.sample_weight)
    return BalanceTerms.of_terms(x, recipe)


def _scores_of_all(fitted: FittedScores, frame: Frame) -> Floats:
    """Give the scores of all rows; of those that weigh nothing, and were not there, what is predicted."""
    fit, weight = fitted.fit, fitted.rows.sample_weight
    if weight is None or weight.all():
        return fit.scores
    try:
        predicted = fitted.rows.recipe.design(frame.native, frame.plain)[0].scores(fit)
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
    return PropensityModel(
        treatment=treatment,
        scores=frame.series(_scores_of_all(fitted, frame), "propensity"),
        coefficients=pd.Series(fit.coefficients[kept], index=index, name="estimate"),
        log_likelihood=fit.log_likelihood,
        iterations=fit.iterations,
        penalty=fit.penalty,
        dropped=fitted.dropped,
        fit=fit,
        recipe=recipe,
        fingerprint=frame.fingerprint(fitted.rows.treated, fitted.rows.sample_weight),
        separation=fitted.separation,
    )
