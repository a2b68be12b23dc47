"""What a picture of rows is drawn from: values, arms, weights and groups, row for row and complete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from propensity.effects.arms import require_balancing
from propensity.effects.effect import Effect
from propensity.effects.several import Effects
from propensity.effects.weighted_result import WeightedResult
from propensity.errors import InvalidInputError
from propensity.frames import checks, native, relabelled, rowwise_checks
from propensity.frames.checks import Bools, Floats
from propensity.frames.columns import open_frame
from propensity.frames.counted_rows import CountedRows, CountedTable, frequency_of, mass_of
from propensity.frames.lines import Subject
from propensity.frames.native import AnyFrame, AnySeries
from propensity.frames.rowwise import rowwise, rowwise_treated
from propensity.matching.result import Matched
from propensity.results.show import Shown
from propensity.scores.model import ModelScores
from propensity.weighting.balancing_weights import BalancingWeights
from propensity.weighting.given import require_rows
from propensity.weighting.truncation import TruncatedWeights

Weights: TypeAlias = Any
"""A column's name, a series or array, or what has weights: an effect, truncated weights, matches."""

_KNOWING = (ModelScores, WeightedResult)
_KNOWING_ARMS = (ModelScores, Matched, Effect, BalancingWeights)


def _made_with(result: Any) -> Floats | None:
    """Give the sample weights with which something was made."""
    held = result if isinstance(result, ModelScores) else result.fingerprint
    return None if held is None else held.sample_weight


def take_frame(*leading: object) -> tuple[AnyFrame | None, list[Any]]:
    """Take the frame out of a picture's leading arguments; what is left moves up to where it belongs.

    `overlap_plot(users, scores, treatment)`, `overlap_plot(scores, users)` and `overlap_plot(scores,
    treatment)` come apart into a frame, or None, and the two others.

    Raises
    ------
    InvalidInputError
        There is no frame, and one argument too many.
    """
    rest = [CountedRows.of(one) if isinstance(one, CountedTable) else one for one in leading]
    leading = tuple(rest)
    frames = [place for place, value in enumerate(leading) if native.is_frame(value)]
    if frames:
        return rest.pop(frames[0]), rest
    empty = next((place for place, value in enumerate(leading) if value is None), None)
    if empty is None:
        raise InvalidInputError(
            f"{len(leading)} leading arguments are for a frame and what is in it, but none of them is a frame"
        )
    del rest[empty]
    return None, rest


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a picture.

    Attributes
    ----------
    frame : DataFrame or None
        Where columns are looked up by name.
    index : Index
        What rows are called.
    """

    frame: AnyFrame | None
    index: pd.Index[Any]

    @classmethod
    def of(cls, frame: AnyFrame | None, *given: object) -> Rows:
        """Call rows as the frame does, or the first pandas Series or result; else by their positions."""
        if frame is not None:
            native.column_names(frame)  # refuses a lazy one
            return cls(frame, native.labels_of(frame))
        for values in given:
            if isinstance(values, Effect | TruncatedWeights):
                return cls(None, native.row_labels(values.weights))
            if isinstance(values, pd.Series | Matched | BalancingWeights):
                return cls(None, values.index)
        rowwise = (np.asarray(v) for v in given if v is not None and not isinstance(v, str | Mapping))
        lengths = (len(v) for v in rowwise if v.ndim > 0)  # what has none is refused by its role
        return cls(None, pd.RangeIndex(next(lengths, 0)))

    def numbers(self, values: object, role: str) -> Floats:
        """Read one finite number for each row."""
        column, subject = self._named(values, role)
        return rowwise(column, self.index, subject)

    def treated(self, treatment: object, *knowing: object, needed_with: str) -> Bools:
        """Read a treatment, bool or 0/1, as (n,) bool; where it is not given, from what knows it.

        Parameters
        ----------
        treatment : object
            What the caller gave.
        *knowing : object
            What may know who was treated: a model, matches, an effect.
        needed_with : str
            What it is needed with otherwise, for the message.
        """
        known = [result for result in knowing if isinstance(result, _KNOWING_ARMS)]
        if treatment is None:
            treatment = next((result.treated for result in known if result.treated is not None), None)
        if treatment is None:
            raise InvalidInputError(f"treatment: who was treated is needed with {needed_with}")
        column, subject = self._named(treatment, "treatment")
        treated = rowwise_treated(column, self.index, subject)
        for model in known:
            if isinstance(model, ModelScores):  # weights compare theirs as they are read
                remedy = "leave it out, for the model knows who was treated of its rows"
                rowwise_checks.same_treated("treatment", model.treated, treated, self.index, remedy)
        return treated

    def require_order(self, role: str, values: object, treatment: object) -> None:
        """Require that scores or weights come first, and the treatment after them.

        Raises
        ------
        InvalidInputError
            What comes first is 0 or 1 in every row, and what comes after it are other numbers.
        """
        if treatment is None:
            return
        first, second = self._named(values, role)[0], self._named(treatment, "treatment")[0]
        if _are_of_arms(first) and not _are_of_arms(second) and _are_numbers(second):
            raise InvalidInputError(
                f"{role} and treatment look the other way round: the {role} are 0 or 1 in every row, and the "
                f"treatment is not; {role} come first, or by name, {role}=..., treatment=..."
            )

    def sample_weight(self, given: object, *knowing: object) -> Floats | None:
        """Read how much rows' users stand for; where it is not given, as models and results were made with.

        Raises
        ------
        InvalidInputError
            One of `knowing` was made with others.
        """
        known = [result for result in knowing if isinstance(result, _KNOWING)]
        if given is None:
            own = next((w for w in map(_made_with, known) if w is not None), None)
        else:
            column, subject = self._named(given, "sample_weight")
            own = rowwise(column, self.index, subject)
            rowwise_checks.not_negative(own, self.index, str(subject))
        for result in known:
            if isinstance(result, ModelScores) or result.fingerprint is not None:
                made = f"the {'model was fitted' if isinstance(result, ModelScores) else 'result was made'}"
                rowwise_checks.same_weights(
                    _made_with(result), own, made, "or draw its scores or weights as numbers"
                )
        return mass_of(own, self.users(*knowing))

    def users(self, *knowing: object) -> Floats | None:
        """Give how many users each row stands for, as the frame or a result knows; None where each is one."""
        if self.frame is not None:
            return frequency_of(self.frame)
        held = (getattr(result, "fingerprint", None) for result in knowing if isinstance(result, _KNOWING))
        return next((one.frequency for one in held if one is not None), None)

    def weights(
        self, weights: Weights, treated: Bools, sample_weight: Floats | None, role: str = "weights"
    ) -> Floats:
        """Read balancing weights times sample weights, none negative and some in each arm.

        A result's must be of these very rows.
        """
        is_result = isinstance(weights, WeightedResult)
        if is_result and self.frame is not None:
            require_rows(open_frame(self.frame), weights, treated, role)
        words = {Matched: "these matches are", BalancingWeights: "these weights are"}
        what = next((own for kind, own in words.items() if isinstance(weights, kind)), "this effect is")
        remedy = f"{what} of other rows"
        if isinstance(weights, Matched | BalancingWeights):
            rowwise_checks.same_index(role, weights.index, self.index, remedy)
        column, subject = self._named(weights.weights if is_result else weights, role)
        values = rowwise(column, self.index, subject)
        if isinstance(weights, Matched | Effect | BalancingWeights) and weights.treated is not None:
            rowwise_checks.same_treated(role, weights.treated, treated, self.index, remedy)
        if is_result and weights.fingerprint is not None:
            values = weights.balancing_weights
        if sample_weight is not None:
            require_balancing(None if is_result else column, role)
            values = values * sample_weight
        rowwise_checks.weights(values, treated, self.index, str(subject))
        return values

    def groups(self, by: object) -> AnySeries:
        """Read a group for each row, whatever it is called."""
        column, subject = self._named(by, "by")
        if isinstance(column, pd.Series):
            whose = "scores" if self.frame is None else "df"
            remedy = relabelled.remedy(str(subject), column.index, self.index, column.name, whose)
            rowwise_checks.same_index(str(subject), column.index, self.index, remedy)
            group = column
        else:
            group = pd.Series(column)
            rowwise_checks.same_length(str(subject), len(group), len(self.index))
            group.index = self.index
        checks.complete({str(subject): group}, subject="{}")
        return group

    def samples(
        self, weights: Weights | Mapping[str, Weights] | None, treated: Bools, sample_weight: Floats | None
    ) -> dict[str, Floats]:
        """Read the samples to set side by side: the rows as they are, then each weighting by its name."""
        samples = {"unadjusted": np.ones(len(self.index)) if sample_weight is None else sample_weight}
        rowwise_checks.weights(samples["unadjusted"], treated, self.index, "sample_weight")
        if weights is None:
            return samples
        if not isinstance(weights, Mapping):
            weights = {"matched" if isinstance(weights, Matched) else "weighted": weights}
        for name, given in weights.items():
            if str(name) in samples:
                raise InvalidInputError(
                    f"weights: another sample is called {str(name)!r}; rename the weighting"
                )
            samples[str(name)] = self.weights(given, treated, sample_weight, f"weights[{name!r}]")
        return samples

    def _named(self, values: object, role: str) -> tuple[Any, Subject]:
        """Look a column up by its name, and say what a message calls the values."""
        require_no_result(values, role)
        if not isinstance(values, str):
            return values, Subject.given(role, values)
        if self.frame is None:
            raise InvalidInputError(
                f"{role}: {values!r} is the name of a column, and there is no frame to look it up in; give "
                f"the frame first, as in (df, ..., {role.partition('[')[0]}={values!r})"
            )
        return native.column_as_given(self.frame, values), Subject.column(values, self.frame)


_NEEDED = {
    "weights": "an effect, matches, truncated weights, a column or numbers are",
    "scores": "a model, a column or numbers are",
    "covariate": "a column of the frame or numbers are",
}


def require_no_result(given: object, role: str) -> None:
    """Require of what is to be read row by row that it is none of our results.

    Raises
    ------
    TypeError
        It is one; what is needed in this role.
    """
    if not isinstance(given, Shown):
        return
    what = _NEEDED.get(role.partition("[")[0], "a column or values are")
    more = ""
    if isinstance(given, ModelScores) and role.startswith("weights"):
        made = f"ps.balancing_weights(df, treatment={given.treatment!r}, scores=model)"
        more = f"; its scores become weights by {made}"
    elif isinstance(given, ModelScores) and role == "treatment":
        more = ", which has its place before it"
    elif role == "covariate":
        more = ", which keeps none; as in (df, 'tenure', treatment='opted_in')"
    elif isinstance(given, Effects):
        more = f"; take one of them, effects[{next(iter(given.by_outcome))!r}]"
    raise TypeError(f"{role}: {what} needed, not {type(given).__name__}{more}")


def _are_numbers(values: object) -> bool:
    return np.asarray(values).dtype.kind in "biuf"


def _are_of_arms(values: object) -> bool:
    """Whether values are 0 or 1 all, as a treatment is."""
    array = np.asarray(values)
    return array.dtype.kind in "biuf" and bool(np.isin(array, (0, 1)).all())
