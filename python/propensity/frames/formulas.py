"""Formulas: read, and made into terms by formulaic, which takes a second to import and is asked late.

With `spelling` and `materializer` it alone knows formulaic.
"""

from __future__ import annotations

import ast
import builtins
import math
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from propensity.errors import InvalidInputError
from propensity.frames import checks, spelling
from propensity.frames.design import Design
from propensity.frames.laid_out import of_columns
from propensity.frames.native import Column

if TYPE_CHECKING:
    from formulaic import ModelSpec, SimpleFormula
    from formulaic.parser.types import Factor, Term

INTERCEPT = "Intercept"
"""What formulaic calls the constant term."""

# A hundred million squares of it have a sum in the range of a float64; and so have those of its inverse.
_LARGEST = 1e150

_MOST_COMPARED = 2_000  # rows that are made twice: enough to tell, few enough to cost nothing


def parse(text: str, columns: Collection[object], others: str) -> tuple[SimpleFormula, tuple[str, ...]]:
    """Read the right-hand side of a formula, and name the columns it needs.

    `others` is code that lists the columns that may be covariates, for whoever asks for all of them.
    """
    from formulaic import Formula, SimpleFormula  # noqa: PLC0415 - slow to import
    from formulaic.errors import FormulaicError  # noqa: PLC0415

    try:
        spelling.check_operators(text)
        formula = Formula(text)
    except (FormulaicError, SyntaxError) as error:
        why = spelling.reason(error, text, others)
        raise InvalidInputError(f"covariates: formulaic cannot read {text!r}: {why}") from error
    if not isinstance(formula, SimpleFormula):
        raise InvalidInputError(f"covariates: only the right-hand side of a formula is needed, not {text!r}")
    if "1" not in {str(term) for term in formula}:
        raise InvalidInputError(
            f"covariates: the formula {text!r} removes the intercept, which every propensity model needs; "
            "leave out '0' or '-1'"
        )
    factors = [factor for term in formula for factor in term.factors]
    spelling.check_quoted(text, columns)
    names = [name for factor in factors for name in _columns_of(factor, columns)]
    return formula, tuple(dict.fromkeys(names))


def columns_of_term(term: Term, columns: Collection[object]) -> tuple[str, ...]:
    """Name the columns that a term of a formula is made of."""
    return tuple(dict.fromkeys(name for factor in term.factors for name in _columns_of(factor, columns)))


def written(term: Term) -> str:
    """Write a term as it stands in a formula, names of columns in quotes."""
    return ":".join(f"`{one.expr}`" if is_lookup(one) else one.expr for one in term.factors)


def is_lookup(factor: Factor) -> bool:
    """Whether a factor is a column as it is, in no function."""
    return bool(factor.eval_method.value == "lookup")


def _columns_of(factor: Factor, columns: Collection[object]) -> list[str]:
    """Name the columns that a factor of a formula needs, in order: what is no column, but should be, too.

    formulaic's own `Factor.required_variables` (1.2.2) finds none inside `bs(...)` and its other stateful
    transforms, which it would evaluate before there is data, and takes 'user' for the column `user.age`.
    """
    from formulaic.transforms import TRANSFORMS  # noqa: PLC0415 - slow to import

    if factor.eval_method.value == "literal":
        return []
    if is_lookup(factor):
        return [factor.expr]
    tree, quoted = _parsed(factor.expr)
    spelling.check_calls(factor.expr, tree, [*columns, *quoted])
    nodes = list(ast.walk(tree))
    functions = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    found = [node.id for node in nodes if isinstance(node, ast.Name) and id(node) not in functions]
    names = [quoted.get(name, name) for name in found]
    # A column goes before what else has its name: 'type', 'max', 'log', 'np'.
    names = [name for name in names if name in columns or not (name in TRANSFORMS or hasattr(builtins, name))]
    if not names:
        raise InvalidInputError(f"covariates: {spelling.constant(factor.expr, tree, columns)}")
    return names


def _parsed(expression: str) -> tuple[ast.Expression, dict[str, str]]:
    """Parse an expression; columns in backticks come back by the Python names they get."""
    from formulaic.utils.code import sanitize_variable_names  # noqa: PLC0415 - slow to import

    quoted: dict[str, str] = {}
    return ast.parse(sanitize_variable_names(expression, {}, quoted), mode="eval"), quoted


def materialize(
    spec: ModelSpec, columns: Mapping[str, Column], index: pd.Index[Any], *, all_levels: bool = False
) -> tuple[Design, ModelSpec]:
    """Let formulaic build the terms; many levels of categories, and of their products, are codes."""
    from formulaic.errors import DataMismatchWarning, FormulaicError  # noqa: PLC0415 - slow to import

    from propensity.frames.materializer import RealMaterializer  # noqa: PLC0415

    rows = pd.RangeIndex(len(index))
    data = pd.DataFrame({name: column.array for name, column in columns.items()}, index=rows, copy=False)
    try:
        # A level that formulaic has not seen would become a missing value, with a warning: an error here.
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error", DataMismatchWarning)
            materializer = RealMaterializer(data, context={})
            found = materializer.get_model_matrix(spec).model_spec
    except DataMismatchWarning as error:
        raise InvalidInputError(f"covariates: {spelling.unseen_levels(error)}") from error
    except FormulaicError as error:
        raise InvalidInputError(f"covariates: formulaic cannot build the terms: {error}") from error
    terms = {name: values for name, values in materializer.laid_out if name != INTERCEPT}
    design = of_columns(list(terms.values()), len(data), all_levels=all_levels)
    names = list(terms)
    require_finite(design.numbers, [names[place] for place in design.places], index)
    return design, found


def require_finite_columns(columns: Mapping[str, pd.Series[Any]], index: pd.Index[Any]) -> None:
    """Look at columns that become terms as they are."""
    for name, column in columns.items():
        if column.dtype.kind in "if":
            require_finite(column.to_numpy()[:, np.newaxis], [name], index)


def require_finite(
    x: NDArray[Any], names: Sequence[str], index: pd.Index[Any], among: Collection[str] | None = None
) -> None:
    """Look at all terms, or at those `among` the names: dummies by hand need no look."""
    # The columns are complete, but log(0) is not finite, and lag(x) has no first value.
    for k, name in enumerate(names if len(x) else ()):
        if among is not None and name not in among:
            continue
        low, high = float(x[:, k].min()), float(x[:, k].max())  # NaN where there is one
        if not (math.isfinite(low) and math.isfinite(high)):
            bad = checks.counted(~np.isfinite(x[:, k]), "missing or infinite value", index)
            raise InvalidInputError(
                f"term '{name}': {bad} though the columns are complete; change the formula, or leave these "
                "rows out"
            )
        if max(-low, high) > _LARGEST or 0 < high - low < 1 / _LARGEST:
            raise InvalidInputError(
                f"term '{name}': its values, from {low:g} to {high:g}, have squares that are out of a "
                "float64's range; take other units"
            )


def made_categories(formula: SimpleFormula) -> list[str]:
    """Name the columns that stand in C(...) as they are."""
    found = []
    for factor in {factor for term in formula for factor in term.factors}:
        if factor.eval_method.value != "python":
            continue
        tree, quoted = _parsed(factor.expr)
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "C"
                and node.args
            ):
                first = node.args[0]
                found += [quoted.get(first.id, first.id)] if isinstance(first, ast.Name) else []
    return sorted(set(found))


def used_as_amounts(formula: SimpleFormula) -> list[str]:
    """Name the columns that a formula calculates with: not those that it only makes categories of."""
    found = []
    for factor in {factor for term in formula for factor in term.factors}:
        if is_lookup(factor):
            found.append(factor.expr)
        elif factor.eval_method.value == "python":
            tree, quoted = _parsed(factor.expr)
            found += [quoted.get(name, name) for name in _names_outside_categories(tree)]
    return sorted(set(found))


def _names_outside_categories(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name):
        yield node.id
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "C":
        return
    for part in ast.iter_child_nodes(node):
        yield from _names_outside_categories(part)


# Functions beside the ufuncs and the transforms that look at one row after the other.
_ROW_BY_ROW = frozenset(["abs", "float", "int", "bool", "str", "clip", "where", "isin", "digitize", "round"])

# What an expression may be made of, calls aside, without looking at other rows.
_PLAIN = (
    *(ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Constant, ast.Name, ast.keyword),
    *(ast.List, ast.Tuple, ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop),
)


def may_look_at_other_rows(formula: SimpleFormula) -> bool:
    """Whether a formula has anything in it that is not known to look at one row after the other."""
    from formulaic.transforms import TRANSFORMS  # noqa: PLC0415 - slow to import

    expressions = {
        factor.expr for term in formula for factor in term.factors if factor.eval_method.value == "python"
    }
    return not all(_is_row_by_row(_parsed(expression)[0], TRANSFORMS) for expression in expressions)


_COUNTING = frozenset(["center", "scale", "standardize", "poly", "bs", "cr", "cc", "cs", "lag"])
"""Transforms that remember something of all rows: a mean, a spread, where knots are."""


def require_no_counting(formula: SimpleFormula) -> None:
    """Require a formula of counted users to look at values alone, not at how many users have them.

    Raises
    ------
    InvalidInputError
        A mean, a spread or knots are those of the rows, which stand for many users each.
    """
    for expression in {
        factor.expr for term in formula for factor in term.factors if factor.eval_method.value == "python"
    }:
        tree, _ = _parsed(expression)
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        if _is_row_by_row(tree, _transforms()) and not any(map(_counts, calls)):
            continue
        raise InvalidInputError(
            f"covariates: {expression!r} hangs on how many users have each value, and a row of these cells "
            "stands for many; give the knots of a spline, bs(x, knots=[...]), or make the column before "
            "collapsing; cells.expand() gives a row for each user"
        )


def _transforms() -> Collection[str]:
    from formulaic.transforms import TRANSFORMS  # noqa: PLC0415 - slow to import

    found: Collection[str] = TRANSFORMS
    return found


def _counts(call: ast.Call) -> bool:
    """Whether a call of a transform looks at how many rows have a value; knots that are given are known."""
    if not isinstance(call.func, ast.Name) or call.func.id not in _COUNTING:
        return False
    named = {keyword.arg for keyword in call.keywords}
    return not (call.func.id in ("bs", "cr", "cc") and "knots" in named and not named & {"df", "constraints"})


def _is_row_by_row(node: ast.AST, transforms: Collection[str]) -> bool:
    if isinstance(node, ast.Call):
        known = _is_known(node.func, transforms)
        parts: list[ast.AST] = [*node.args, *node.keywords]
    elif isinstance(node, ast.Attribute):
        known, parts = isinstance(node.value, ast.Name) and node.value.id == "np", []
    else:
        known = isinstance(node, _PLAIN) and not isinstance(node, ast.MatMult)
        parts = list(ast.iter_child_nodes(node))
    return known and all(_is_row_by_row(part, transforms) for part in parts)


def _is_known(function: ast.expr, transforms: Collection[str]) -> bool:
    if isinstance(function, ast.Name):
        return (function.id in transforms and function.id != "lag") or function.id in _ROW_BY_ROW
    if not (isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name)):
        return False
    if function.value.id == "np":
        name = function.attr
        return isinstance(getattr(np, name, None), np.ufunc) or name in _ROW_BY_ROW
    return function.value.id == "contr"


def moved_terms(
    spec: ModelSpec, columns: Mapping[str, Column], design: Design, names: Sequence[str]
) -> tuple[str, ...]:
    """Name the terms whose values hang on which other rows there are.

    formulaic remembers what `center`, `scale`, `poly` and splines saw; a mean, a rank or a shift of a column
    is that of whatever rows are there. Each is made anew for a few single rows, those with the least and the
    greatest values among them, where these differ most, and for half of the rows.
    """
    n = len(design.numbers)
    extreme = [
        int(place)
        for column in columns.values()
        if column.dtype.kind in "if"
        for place in (column.to_numpy().argmin(), column.to_numpy().argmax())
    ]
    singles = [np.array([place]) for place in dict.fromkeys([*extreme[:10], 0, n - 1])]
    moved = np.zeros(len(names), dtype=bool)
    within = 1e-9 * design.largest
    for rows in (*singles, np.arange((n + 1) // 2)[:_MOST_COMPARED]):
        few = {name: column.iloc[rows] for name, column in columns.items()}
        try:
            again = materialize(spec, few, pd.RangeIndex(len(rows)), all_levels=design.all_levels)[0]
        except InvalidInputError:
            return tuple(names)
        moved |= design.taken(rows).differs(again, within)
    return tuple(name for name, differs in zip(names, moved, strict=True) if differs)
