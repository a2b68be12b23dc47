"""What specifications that need scores say of the model that gives them."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any

from propensity.errors import InvalidInputError
from propensity.scores.choice import ScoreChoice

if TYPE_CHECKING:
    from propensity.scores.learners import Learner


class ScoreSpecification:
    """A specification with a score model, and how it is cross-fitted: as `fit_propensity` has both."""

    if TYPE_CHECKING:  # fields of each specification

        @property
        def estimand(self) -> Any:
            """Whose effect."""

        @property
        def score_model(self) -> Learner:
            """What is fitted."""

        @property
        def n_folds(self) -> int | None:
            """In how many folds, where it is cross-fitted."""

        @property
        def n_repeats(self) -> int:
            """How often rows are split anew."""

        @property
        def seed(self) -> int:
            """Where draws start."""

    @property
    def score_choice(self) -> ScoreChoice:
        """The choice of the score model, the same for specifications that can share its scores."""
        return ScoreChoice(self.score_model, self.n_folds, self.n_repeats, self.seed)

    @property
    def needs_score(self) -> bool:
        """Whether it needs a score model that is fitted to all rows."""
        return self.score_choice.is_fitted_to_all

    def check_score_model(self, *, split: bool = False) -> None:
        """Require a score model that can be fitted; `split` says whether outcome models split rows anyway.

        Raises
        ------
        InvalidInputError
            It cannot, or repeats are asked for where nothing is split.
        """
        choice = self.score_choice
        choice.check()
        if choice.n_repeats > 1 and choice.is_fitted_to_all and not split:
            raise InvalidInputError(
                f"n_repeats={choice.n_repeats}: models that are fitted to all rows are not repeated; leave "
                "it out, or cross-fit them, n_folds=5"
            )

    def __repr__(self) -> str:
        """Write the call that makes it, without what is the default."""
        shown = [
            f"{own.name}={getattr(self, own.name)!r}"
            for place, own in enumerate(fields(self))  # type: ignore[arg-type]
            if place == 0 or own.default is MISSING or getattr(self, own.name) != own.default
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


def with_options(name: str, *options: str) -> str:
    """Put what is not the default behind a name, in brackets."""
    words = ", ".join(filter(None, options))
    return f"{name} ({words})" if words else name
