"""A score model and outcome models on the same rows: their terms, and what the core is given of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from propensity.effects.cautions import adjustment_cautions
from propensity.effects.clusters import require_one_way
from propensity.effects.sample import Sample, read_sample, rows_there
from propensity.errors import SeparationError
from propensity.frames import checks, rowwise_checks
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.native import AnyFrame, column_names
from propensity.frames.one_column import NOT_TWO_WAYS
from propensity.frames.order import places_by_content
from propensity.frames.outcome_names import outcome_names
from propensity.frames.recipe import Recipe
from propensity.frames.terms import Covariates, parse_covariates
from propensity.frames.tidied_frame import all_tidied
from propensity.frames.tidying import Tidying
from propensity.outcomes.extrapolation import naming_rows_outside
from propensity.scores.choice import LOGISTIC
from propensity.scores.inputs import Inputs
from propensity.scores.own_models import ScoreWord
from propensity.scores.scored import ScoreRows, warn_of_left_out


@dataclass(frozen=True, eq=False)
class Study:
    """Rows, with the covariates of the score model and those of the outcome models.

    `beside` is what rows hold that models do not see and the answer hangs on (groups that effects are asked
    for): rows that differ in it are not dealt to folds by their place.
    """

    sample: Sample
    score: ScoreRows
    outcome: Inputs
    beside: tuple[Floats | Rows, ...] = ()

    @property
    def outcome_x(self) -> Floats:
        """The terms (n, k) of the outcome models."""
        return self.outcome.x

    @property
    def is_one_design(self) -> bool:
        """Whether the outcome models have the terms of the score."""
        return self.outcome.design is self.score.design

    @property
    def outcome_recipe(self) -> Recipe:
        """How these are made."""
        return self.outcome.recipe

    @property
    def columns(self) -> tuple[str, ...]:
        """What either model is made of: the caller's columns."""
        tidied = self.sample.frame.tidied
        made = () if tidied is None else tidied.indicators
        return tuple(dict.fromkeys(n for n in (*self.score.columns, *self.outcome.columns) if n not in made))

    @property
    def cautions(self) -> tuple[Warning, ...]:
        """Say that neither model adjusts for anything, where that is so."""
        return adjustment_cautions(self.score.design.n_terms, self.outcome.design.n_terms)


@dataclass(frozen=True)
class Roles:
    """What plays which part in a study: columns, or values for each row; as for `aipw`."""

    treatment: str
    outcome: str | Sequence[str]
    covariates: Covariates
    outcome_covariates: Covariates | None = None
    cluster: object = None
    sample_weight: object = None
    tidying: Tidying | None = None


def read_study(
    df: AnyFrame,
    roles: Roles,
    also: Mapping[str, object] | None = None,
    takes_missing: tuple[bool, bool] = (False, False),
    *,
    two_ways: bool = False,
) -> Study:
    """Read the columns with a role, and make the terms of both models.

    `takes_missing` says whether the score model and the outcome models may be given missing values,
    `two_ways` whether there may be clusters of two columns.
    """
    outcomes = outcome_names(roles.outcome)
    parse = partial(
        parse_covariates,
        data=df,
        treatment=roles.treatment,
        outcomes=outcomes,
        may_be_none=True,
        tidying=roles.tidying,
    )
    score_terms = outcome_terms = parse(roles.covariates)
    if roles.outcome_covariates is not None:
        outcome_terms = parse(roles.outcome_covariates, role="outcome_covariates")
    used = zip((score_terms, outcome_terms), takes_missing, strict=True)
    needed = {name for own, takes in used if not takes for name in own.columns if not own.may_be_missing}
    columns = tuple(dict.fromkeys([*score_terms.columns, *outcome_terms.columns]))
    sample = read_sample(
        df,
        treatment=roles.treatment,
        outcome=roles.outcome,
        covariates=columns,
        cluster=roles.cluster,
        sample_weight=roles.sample_weight,
        also=also,
        may_be_missing=[name for name in columns if name not in needed],
        reader=score_terms.reader if outcome_terms.formula is None else outcome_terms.reader,
    )
    if not two_ways:
        require_one_way(sample.clusters, NOT_TWO_WAYS)
    frame, (score_terms, outcome_terms) = all_tidied(
        sample.frame, [score_terms, outcome_terms], sample.sample_weight
    )
    sample = replace(sample, frame=frame)
    inputs = Inputs.read(frame, score_terms, sample.sample_weight)
    score = ScoreRows.of(inputs, sample.treated, sample.frequency)
    if roles.outcome_covariates is None:
        return Study(sample, score, inputs)
    return Study(sample, score, Inputs.read(frame, outcome_terms, sample.sample_weight))


def require_known(df: AnyFrame, roles: Roles) -> None:
    """Require of covariates that no model is made of what is required of the others' names."""
    names = parse_covariates(roles.covariates, df, may_be_none=True).columns
    checks.roles(treatment=roles.treatment, outcomes=outcome_names(roles.outcome), covariates=names)
    checks.known(names, column_names(df))


def require_modelled(study: Study, outcome: str, estimators: Iterable[object]) -> None:
    """Require of an outcome that there are such models of it as estimators ask for, in each arm."""
    asked = [getattr(spec, "outcome_model", None) for spec in estimators]
    if set(asked) <= {None, "linear"}:
        return  # which are of any numbers
    sample = study.sample
    y, low, high = sample.frame.outcome(outcome), *sample.frame.ends(outcome)
    if "logistic" in asked and sample.frequency is not None:
        rowwise_checks.shares(low, high, f"column '{outcome}'")
    # Values that stand for others may lie beyond them: it is these that a model has to take.
    seen = {"poisson": np.where(low < 0, low, high), "gamma": low}
    arms = {"treated rows": sample.treated, "control rows": ~sample.treated}
    everybody = {"rows, treated and control alike": np.ones_like(sample.treated), **arms}
    for model in dict.fromkeys(model for model in asked if isinstance(model, str)):
        for whose, rows in everybody.items():
            there = rows & sample.present_rows
            values, index = seen.get(model, y), sample.frame.index
            rowwise_checks.modelled(model, values, there, f"column '{outcome}'", whose, index)


def warn_of_outcome_terms(study: Study, columns: Iterable[int], told: Collection[str] | None) -> None:
    """Warn of terms that outcome models leave out.

    Parameters
    ----------
    study : Study
    columns : iterable of int
        Those that earlier ones explain.
    told : collection of str or None
        The terms that the score model was said to leave out; None where there is no score model.
    """
    recipe = study.outcome_recipe
    names = dict.fromkeys([*recipe.empty, *(recipe.names[column] for column in columns)])
    left_out = [name for name in names if name not in (told or ())]
    warn_of_left_out(left_out, "" if told is None else "outcome models: ")


def places_of_rows(study: Study, outcome: str | Sequence[str]) -> Rows:
    """Give each row its place (n,) by what it holds: terms, weights, outcomes, the treatment, the rest.

    Those of weight 0 are not there, and stand before all others.
    """
    sample = study.sample
    designs = [study.score.design] if study.is_one_design else [study.score.design, study.outcome.design]
    beside: list[Floats | Rows | Bools | None] = [
        sample.sample_weight,
        *map(sample.frame.outcome, outcome_names(outcome)),
        sample.treated,
        *study.beside,
    ]
    columns = (*(column for design in designs for column in design.by_content), *beside)
    places = np.full(len(sample.treated), -1, dtype=np.int64)
    there = rows_there(sample.sample_weight)
    places[there] = places_by_content(column[there] for column in columns if column is not None)
    return places


def given_to_core(study: Study) -> tuple[Any, dict[str, Any]]:
    """Give the core a matrix, or columns, and beside it levels as codes, or which of its columns are whose.

    Where all models have the same terms, levels stay codes, of which the core makes columns where it has to.
    """
    design = study.score.design
    if study.is_one_design:
        return design.terms, design.coded
    x, score_columns, outcome_columns = columns_of_both(study)
    return x, {"score_columns": score_columns, "outcome_columns": outcome_columns}


def matrix_and_codes(study: Study) -> tuple[Floats, dict[str, Any]]:
    """Give the same with a matrix, which replicates draw rows of."""
    design = study.score.design
    if study.is_one_design and design.factors:
        return design.numbers, design.coded
    x, score_columns, outcome_columns = side_by_side(study)
    return x, {"score_columns": score_columns, "outcome_columns": outcome_columns}


def columns_of_both(study: Study) -> tuple[Any, list[int], list[int]]:
    """Give the core the columns of both models, and which of them either uses."""
    score, outcome = study.score.design, study.outcome.design
    n_score, n_outcome = score.n_terms, outcome.n_terms
    places = list(range(n_score)), list(range(n_score, n_score + n_outcome))
    columns = (*score.side_by_side, *outcome.side_by_side)
    return columns or np.empty((score.n_rows, 0)), *places


def side_by_side(study: Study) -> tuple[Floats, list[int] | None, list[int] | None]:
    """Give the core one matrix, and which columns of it either model uses."""
    score_x = study.score.x
    if study.is_one_design:
        return score_x, None, None
    n_score, n_outcome = score_x.shape[1], study.outcome_x.shape[1]
    both = np.asfortranarray(np.hstack([score_x, study.outcome_x]))
    return both, list(range(n_score)), list(range(n_score, n_score + n_outcome))


def naming_rows_outside_models(study: Study) -> AbstractContextManager[None]:
    """Say what rows hold that an outcome model does not reach; the core knows them by number."""
    sample, outcome = study.sample, study.outcome
    names = outcome.recipe.names
    return naming_rows_outside(outcome.columns, sample.frame.index, names, sample.treated, sample.there)


@contextmanager
def naming_separated_model(
    study: Study, penalty: float, *, fits_score: bool, score_model: ScoreWord = LOGISTIC
) -> Iterator[None]:
    """Say which model a `SeparationError` is of; the core, which fits all in one go, does not."""
    try:
        yield
    except SeparationError as error:
        if not error.columns:
            raise
        if fits_score:
            study.score.fit(penalty, score_model)
        raise _separation_of_outcome(study, error) from None


def naming_separated_scores(
    study: Study, penalty: float | None, score_model: ScoreWord = LOGISTIC
) -> AbstractContextManager[None]:
    """Say of scores of 0 or 1 which rows are foretold, where that is why; None: the model is not our own."""
    return study.score.naming_foretold(study.sample.frame.index, penalty, score_model)


@contextmanager
def naming_separation_of_outcome(study: Study) -> Iterator[None]:
    """Name the term of an outcome model that a `SeparationError` is of."""
    try:
        yield
    except SeparationError as error:
        raise _separation_of_outcome(study, error) from None


def _separation_of_outcome(study: Study, error: SeparationError) -> SeparationError:
    named = checks.listed(study.outcome_recipe.names[column] for column in error.columns)
    return SeparationError(
        f"outcome model, term {named}: some of its rows have outcome 0 all, or 1 all, so its coefficient "
        'grows without bound (separation); leave the term out, or use outcome_model="linear"',
        error.columns,
    )
