"""Arguments that a function does not have are answered with those that it has, under their names here.

The field has other words for nearly everything (`random_state`, `n_jobs`, `distance`, `n_boot`), and so had
older versions of this package. Python's own error names none of ours.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal, ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")
_C = TypeVar("_C", bound=type)

_MATCHING = ("match_nn", "match_full", "match_cem", "subclassify")

_OTHER_WORDS: dict[str, str] = {
    "outcome": "y response dependent endog outcomes outcome_name metric",
    "treatment": "t treat d treated exposure opt_in group_col intervention treatment_name",
    "covariates": "x xs covs covariate confounders common_causes controls features predictors formula exog",
    "scores": "ps propensity propensities propensity_score propensity_scores pscore p_score score e model",
    "estimand": "effect target_estimand target_population population target_units",
    "n_neighbors": "k ratio neighbors n_neighbours num_neighbors m n_matches matches_per_unit",
    "on": "distance metric link space dist",
    "replace": "replacement with_replacement",
    "max_reuse": "reuse_max max_uses",
    "order": "m_order",
    "method": "search algorithm",
    "caliper_unit": "std_caliper caliper_scale",
    "exact": "exact_on exact_match",
    "resampling": "weights",
    "n_reps": "n_boot nboot b r reps n_bootstrap n_bootstraps n_resamples bootstraps n_iter n_sim n_samples "
    "replications n_replicates",
    "seed": "random_state rng random_seed",
    "n_threads": "n_jobs n_cores cores threads num_threads num_workers n_workers",
    "progress": "verbose show_progress tqdm progress_bar",
    "level": "alpha confidence confidence_level conf_level cl",
    "penalty": "c alpha l2 ridge lambda_ lam regularization reg_lambda",
    "n_folds": "cv folds n_splits cross_fit n_cross_fit k_folds",
    "cluster": "clusters cluster_id cluster_col cluster_by groups group",
    "strata": "stratify stratum block blocks",
    "sample_weight": "weights weight w sample_weights survey_weight survey_weights pweights s_weights "
    "sampling_weights weight_col",
    "weights": "sample_weights weight w",
    "n_subclasses": "n_strata n_bins bins subclass subclasses n_quantiles",
    "cutpoints": "cuts bins breaks",
    "contrast": "effect_measure scale measure",
    "bias_adjust": "bias_adjustment bias_adj bias_corr bias_correction",
    "outcome_model": "model_y outcome_learner",
    "score_model": "model model_t propensity_model learner classifier estimator clf",
    "n_repeats": "n_rep repeats repetitions n_splits_repeats",
    "n_trees": "n_estimators num_trees ntree trees",
    "min_leaf": "min_samples_leaf nodesize min_node_size",
    "always": "keep forced force_in unpenalized include",
    "estimators": "estimator methods",
    "kind": "method type ci_type",
    "refit": "rematch",
    "n_users": "n size n_rows",
    "by": "group groups hue",
    "df": "data frame table",
}
"""By the name of an argument, what the field and older versions call it, in small letters."""


def answered(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Answer an argument that a function does not have with the one that is meant."""
    code = inspect.unwrap(function).__code__
    n_names = code.co_argcount + code.co_kwonlyargcount
    known = frozenset(code.co_varnames[code.co_posonlyargcount : n_names])

    @functools.wraps(function)
    def call(*args: _P.args, **options: _P.kwargs) -> _R:
        if not known.issuperset(options):
            raise TypeError(_answer(function, options))
        if "scores" not in options and _needs_scores(function):
            raise TypeError(_without_scores(function, options))
        return function(*args, **options)

    return call


def answered_class(kind: _C) -> _C:
    """Answer an argument that a class does not have, when one of it is made."""
    kind.__init__ = answered(kind.__init__)  # type: ignore[misc]
    return kind


def answered_methods(kind: type) -> None:
    """Answer arguments that the public methods of a class do not have."""
    for name, member in list(vars(kind).items()):
        if isinstance(member, types.FunctionType) and not name.startswith("_"):
            setattr(kind, name, answered(member))


def _answer(function: Callable[..., Any], options: Mapping[str, Any]) -> str:
    parameters = _parameters(function)
    unknown = [name for name in options if name not in parameters]
    first = ""
    if _needs_scores(function) and any(_is_called(name, "covariates") for name in unknown):
        unknown = [name for name in unknown if not _is_called(name, "covariates")]
        first = _without_scores(function, options)
        if not unknown:
            return first
    answers = [_one(function, name, options[name]) for name in unknown]
    words = "; ".join(filter(None, [first, *(answer for answer, _ in answers)]))
    if not all(settled for _, settled in answers):
        words += f"; it takes {', '.join(name for name in parameters if name != 'df')}"
    return words if first else f"{_name(function)}: {words}"


def _one(function: Callable[..., Any], name: str, value: object) -> tuple[str, bool]:
    """Say what an argument is called here, with its value where that may stand; and whether that is known."""
    parameters = _parameters(function)
    meant = [other for other in parameters if _is_called(name, other)]
    if name == "weights" and "resampling" in meant:
        return _weights_of_a_bootstrap(function, value, meant), True
    if meant:
        return f"{name}= is called {meant[0]}= here: {_given(function, name, value, meant[0])}", True
    called = _name(function)
    if _is_called(name, "outcome") and called in _MATCHING:
        given = repr(value) if isinstance(value, str) else "outcome"
        return f"an outcome comes after the matching: ps.{called}(...).effect({given})", True
    near = difflib.get_close_matches(name.lower(), parameters, n=1, cutoff=0.7)
    if near:
        return f"there is no {name}=; did you mean {near[0]}=?", True
    return f"there is no {name}=", False


def _weights_of_a_bootstrap(function: Callable[..., Any], value: object, meant: list[str]) -> str:
    """Tell the law of a bootstrap, which was once called so, from weights of rows."""
    law = _given(function, "weights", value, "resampling")
    if "sample_weight" not in meant or (isinstance(value, str) and value in _choices(function, "resampling")):
        return f"weights= is called resampling= now: {law}"
    rows = _written("sample_weight", value)
    return f"there is no weights=; weights of the rows are {rows}, and how a replicate weighs them: {law}"


def _given(function: Callable[..., Any], name: str, value: object, meant: str) -> str:
    """Write the argument with its value; with what it may be, where it may not be that."""
    choices = _choices(function, meant)
    if choices and (not isinstance(value, str) or value not in choices):
        return f"{meant}= is one of {', '.join(map(repr, choices))}"
    if name.lower() == "alpha" and meant == "level" and isinstance(value, float):
        return f"level={1 - value:g}"
    if name == "C" and meant == "penalty" and isinstance(value, int | float) and value:
        return f"penalty={1 / value:g}, which is 1 / C"
    if meant == "n_threads" and isinstance(value, int) and value < 1:
        return "n_threads=None, its default, takes one a core"
    return _written(meant, value)


def _written(name: str, value: object) -> str:
    plain = value is None or isinstance(value, str | int | float)
    if isinstance(value, list | tuple):
        plain = len(value) <= 10 and all(isinstance(item, str | int | float) for item in value)
    return f"{name}={value!r}" if plain else f"{name}=..."


def _without_scores(function: Callable[..., Any], options: Mapping[str, Any]) -> str:
    """Show the two lines that fit a score and take it."""
    name, parameters = _name(function), _parameters(function)
    roles = ["covariates", *parameters]
    given = {next((r for r in roles if _is_called(word, r)), word): options[word] for word in options}
    fit = ", ".join(_slot(role, given) for role in ("treatment", "covariates"))
    needed = [
        _slot(other, given)
        for other, parameter in parameters.items()
        if other not in ("df", "scores") and (other in given or parameter.default is parameter.empty)
    ]
    call = ", ".join(["df", *needed, "scores=model"])
    line = f"model = ps.fit_propensity(df, {fit}); ps.{name}({call})"
    return f"{name} takes scores, which are fitted first: {line}"


def _slot(name: str, given: Mapping[str, Any]) -> str:
    """Write an argument as it was given, or leave it open: names of ours would look like the caller's."""
    return _written(name, given[name]) if name in given else f"{name}=..."


def _is_called(word: str, name: str) -> bool:
    """Whether a word is another for an argument, or that itself."""
    return word == name or word.lower() in _OTHER_WORDS.get(name, "").split()


def _needs_scores(function: Callable[..., Any]) -> bool:
    scores = _parameters(function).get("scores")
    return scores is not None and scores.kind is scores.KEYWORD_ONLY and scores.default is scores.empty


@functools.cache
def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    found = inspect.signature(function).parameters
    return {name: parameter for name, parameter in found.items() if name != "self"}


def _choices(function: Callable[..., Any], name: str) -> tuple[str, ...]:
    """Give the words that an argument may be; none where it may be anything else."""
    plain = inspect.unwrap(function)
    annotation = plain.__annotations__.get(name)
    if isinstance(annotation, str):
        alone = types.SimpleNamespace(__annotations__={name: annotation})
        try:
            annotation = typing.get_type_hints(alone, plain.__globals__)[name]
        except NameError:  # imported for type checkers alone
            return ()
    kinds = [annotation, *typing.get_args(annotation)]  # a choice, or one beside None
    choices = next((kind for kind in kinds if typing.get_origin(kind) is Literal), None)
    return tuple(map(str, typing.get_args(choices)))


def _name(function: Callable[..., Any]) -> str:
    """Call a function as the caller does: a class by its name, a method with the name of what it is of."""
    return function.__qualname__.removesuffix(".__init__")
