"""The choice of a score model, as specifications of estimators hold it: what is to be fitted, and how often.

Nothing here knows of rows, so that specifications may import it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, get_args

from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.scores.boosting import Boosting
from propensity.scores.forest import Forest
from propensity.scores.learners import Learner, name_of, require, require_classifier
from propensity.scores.own_models import ScoreWord

LOGISTIC: Final = "logistic"


@dataclass(frozen=True)
class ScoreChoice:
    """A score model of any kind, and how rows are split where it is cross-fitted.

    Attributes
    ----------
    score_model : "logistic", "probit", "cloglog" or a classifier
    n_folds : int or None
        None fits a model that is a word to all rows, and any other in 5 folds.
    n_repeats : int
    seed : int
    """

    score_model: Learner = LOGISTIC
    n_folds: int | None = None
    n_repeats: int = 1
    seed: int = 0

    def check(self) -> None:
        """Require a model that can be fitted, and folds.

        Raises
        ------
        InvalidInputError
            It cannot, or their number is none.
        """
        require_score_model(self.score_model)
        if self.n_folds is not None:
            checks.count("n_folds", self.n_folds, minimum=2)
        checks.count("n_repeats", self.n_repeats)

    @property
    def is_fitted_to_all(self) -> bool:
        """Whether it is one of the words, fitted to the very rows that it scores."""
        return isinstance(self.score_model, str) and self.n_folds is None

    @property
    def label(self) -> str:
        """What tables call it; nothing where it is the usual one."""
        name = self.score_model if isinstance(self.score_model, str) else name_of(self.score_model)
        name = "" if name == LOGISTIC else name
        if self.is_fitted_to_all:
            return name
        words = [name.replace(" (", ", ").removesuffix(")")] if name else []
        words += [] if self.n_folds is None else [f"{self.n_folds} folds"]
        return ", ".join(words + ([f"{self.n_repeats} repeats"] if self.n_repeats > 1 else []))


def require_score_model(score_model: Learner) -> None:
    """Require one of the words, or a classifier that can be fitted.

    Raises
    ------
    InvalidInputError
        It is another word, or no classifier.
    """
    if isinstance(score_model, str):
        if score_model not in get_args(ScoreWord):
            raise InvalidInputError(_no_word("score_model", score_model, get_args(ScoreWord)))
    elif not isinstance(score_model, Boosting | Forest):
        require_classifier("score_model", score_model)


def require_outcome_word(outcome_model: object, words: Sequence[str], *, learns: bool) -> None:
    """Require a word for an outcome model; `learns` says whether models that are no words are taken too.

    Raises
    ------
    InvalidInputError
        It is another.
    """
    if not isinstance(outcome_model, str) or outcome_model in words:
        checks.choice("outcome_model", outcome_model, words)
        return
    told = _no_word("outcome_model", outcome_model, words)
    if not learns:
        told = told.partition("; ")[0] + "; other models are for ps.aipw and its AIPW, which are cross-fitted"
    raise InvalidInputError(told)


def _no_word(role: str, given: str, words: Sequence[str]) -> str:
    """Say that a word is none, and what is given of the model that it may mean."""
    said = f"{role} must be one of {checks.listed(words)}, not {given!r}"
    plain = str(given).lower().replace("_", "").replace("-", "").replace(" ", "")
    kind = "classifier" if role == "score_model" else "regressor"
    if any(name in plain for name in ("boost", "gbm", "gbt", "lightgbm", "lgbm")):
        return f"{said}; take {role}=ps.Boosting()"
    if any(name in plain for name in ("forest", "ranger", "trees")) or plain == "rf":
        if kind == "classifier":
            return f"{said}; take {role}=ps.Forest()"
        return f"{said}; take {role}=RandomForestRegressor() of scikit-learn, or ps.Boosting()"
    own = "ps.Boosting(), ps.Forest()" if kind == "classifier" else "ps.Boosting()"
    return f"{said}; of models there are {own} and any scikit-learn {kind}, as {role}=..."


def require_outcome_model(outcome_model: Learner) -> None:
    """Require of what is no word that it can be fitted to outcomes.

    Raises
    ------
    InvalidInputError
        It cannot.
    """
    if isinstance(outcome_model, Forest):
        raise InvalidInputError(
            "outcome_model: Forest gives scores, out of bag, and no outcomes; take Boosting(), or a regressor"
        )
    if not isinstance(outcome_model, Boosting):
        require("outcome_model", outcome_model)
