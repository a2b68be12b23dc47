"""Formulas: the only module that knows formulaic, which takes a second to import and is asked late."""

from __future__ import annotations

import ast
import builtins
import math
import re
import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from propensity import _check
from propensity._check import Floats
from propensity.errors import InvalidInputError
from propensity.frames.native import Column

if TYPE_CHECKING:
    from formulaic import ModelSpec, SimpleFormula
    from formulaic.parser.types import Factor

INTERCEPT = "Intercept"
"""What formulaic calls the constant term."""

# A hundred million squares of it have a sum in the range of a float64; and so have those of its inverse.
_LARGEST = 1e150


def parse(text: str, columns: Collection[object]) -> tuple[SimpleFormula, tuple[str, ...]]:
    """Read the right-hand side of a formula, and name the columns it needs."""
    from formulaic import Formula, SimpleFormula  # noqa: PLC0415 - slow to import
    from formulaic.errors import FormulaicError  # noqa: PLC0415

    try:
        formula = Formula(text)
    except (FormulaicError, SyntaxError) as error:
        reason = re.split(r"\n|\. ", str(error))[0]  # the rest points at the place in colour, or is long
        raise InvalidInputError(f"covariates: formulaic cannot read {text!r}: {reason}") from error
    if not isinstance(formula, SimpleFormula):
        raise InvalidInputError(f"covariates: only the right-hand side of a formula is needed, not {text!r}")
    if "1" not in {str(term) for term in formula}:
        raise InvalidInputError(
            f"covariates: the formula {text!r} removes the intercept, which every propensity model needs; "
            "leave out '0' or '-1'"
        )
    names = [name for term in formula for factor in term.factors for name in _columns_of(factor, columns)]
    return formula, tuple(dict.fromkeys(names))


def is_lookup(factor: Factor) -> bool:
    """Whether a factor is a column as it is, in no function."""
    return bool(factor.eval_method.value == "lookup")


def _columns_of(factor: Factor, columns: Collection[object]) -> list[str]:
    """Name the columns that a factor of a formula needs, in order: what is no column, but should be, too.

    formulaic's own `Factor.required_variables` (1.2.2) finds none inside `bs(...)` and its other stateful
    transforms, which it would evaluate before there is data, and takes 'user' for the column `user.age`.
    """
    from formulaic.transforms import TRANSFORMS  # noqa: PLC0415 - slow to import
    from formulaic.utils.code import sanitize_variable_names  # noqa: PLC0415

    if factor.eval_method.value == "literal":
        return []
    if is_lookup(factor):
        return [factor.expr]
    quoted: dict[str, str] = {}  # columns in backticks, by the Python names they get
    nodes = list(ast.walk(ast.parse(sanitize_variable_names(factor.expr, {}, quoted), mode="eval")))
    functions = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    found = [node.id for node in nodes if isinstance(node, ast.Name) and id(node) not in functions]
    names = [quoted.get(name, name) for name in found]
    # A column goes before what else has its name: 'type', 'max', 'log', 'np'.
    return [name for name in names if name in columns or not (name in TRANSFORMS or hasattr(builtins, name))]


def materialize(
    spec: ModelSpec, columns: Mapping[str, Column], index: pd.Index[Any]
) -> tuple[Floats, ModelSpec]:
    """Let formulaic build the terms, and lay them out as (n, d) float64, column by column."""
    from formulaic.errors import DataMismatchWarning, FormulaicError  # noqa: PLC0415 - slow to import

    rows = pd.RangeIndex(len(index))
    data = pd.DataFrame({name: column.array for name, column in columns.items()}, index=rows, copy=False)
    try:
        # A level that formulaic has not seen would become a missing value, with a warning: an error here.
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error", DataMismatchWarning)
            matrix = spec.get_model_matrix(data, context={})
    except (FormulaicError, DataMismatchWarning) as error:
        raise InvalidInputError(f"covariates: formulaic cannot build the terms: {error}") from error
    names = [name for name in matrix.columns if name != INTERCEPT]
    x = np.empty((len(data), len(names)), order="F")
    for k, name in enumerate(names):
        x[:, k] = matrix[name]
    require_finite(x, names, index)
    return x, matrix.model_spec


def require_finite(
    x: Floats, names: Sequence[str], index: pd.Index[Any], among: Collection[str] | None = None
) -> None:
    """Look at all terms, or at those `among` the names: dummies by hand need no look."""
    # The columns are complete, but log(0) is not finite, and lag(x) has no first value.
    for k, name in enumerate(names if len(x) else ()):
        if among is not None and name not in among:
            continue
        low, high = x[:, k].min(), x[:, k].max()  # NaN where there is one
        if not (math.isfinite(low) and math.isfinite(high)):
            bad = _check.counted(~np.isfinite(x[:, k]), "missing or infinite value", index)
            raise InvalidInputError(
                f"term '{name}': {bad} though the columns are complete; change the formula, or leave these "
                "rows out"
            )
        if max(-low, high) > _LARGEST or 0 < high - low < 1 / _LARGEST:
            raise InvalidInputError(
                f"term '{name}': its values, from {low:g} to {high:g}, have squares that are out of a "
                "float64's range; take other units"
            )
