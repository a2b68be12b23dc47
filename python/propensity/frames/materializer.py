"""Terms of a formula in real arithmetic: what formulaic makes of it, but for whole numbers and bools.

In NumPy whole numbers overflow without a word (the square of a micro-dollar amount), and the sum of two bools
is "or". A formula means numbers: whatever is added, multiplied or given to a function enters as float64. What
is compared, looked up or made a category by C() stays as it is, so that levels keep their names.

Known to `formulas` alone, and imported late, since formulaic takes a second.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from formulaic import ModelSpec
from formulaic.materializers import PandasMaterializer
from formulaic.materializers.types import EvaluatedFactor, FactorValues
from formulaic.parser.types import Factor
from formulaic.utils.code import sanitize_variable_names
from formulaic.utils.layered_mapping import LayeredMapping
from formulaic.utils.stateful_transforms import stateful_eval
from formulaic.utils.variables import Variable
from interface_meta import override

from propensity.frames.checks import Floats, Rows
from propensity.frames.laid_out import Level, OneOf

_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.MatMult)

# Methods of a column that calculate with its values, and not only compare, replace or convert them.
# fmt: off
_METHODS = frozenset((
    "add", "radd", "sub", "subtract", "rsub", "mul", "multiply", "rmul", "pow", "rpow", "mod", "rmod",
    "floordiv", "rfloordiv", "sum", "prod", "product", "cumsum", "cumprod", "dot", "diff",
))
# fmt: on

# Functions that take whole numbers and bools as they are.
_BIT_BY_BIT = ("logical_", "bitwise_", "invert", "left_shift", "right_shift")

_NUMBER, _WHOLE, _XOR = "_propensity_number", "_propensity_whole", "_propensity_xor"


@dataclass(frozen=True, eq=False)
class _Category:
    """The level of each row, (n,), and the k levels."""

    codes: Rows
    levels: pd.Series[Any]


class _ByLevel(dict[str, Any]):
    """Columns of a category by name: what each is at the levels (k,)."""

    def __init__(self, codes: Rows, columns: dict[str, Any]) -> None:
        super().__init__({name: np.asarray(values, np.float64) for name, values in columns.items()})
        self.codes = codes

    @cached_property
    def place(self) -> Rows | None:
        """Which of the columns is 1 at each level (k,), -1 for none; None where they are not of one 1."""
        table = np.column_stack([*self.values()]) if self else np.zeros((int(self.codes.max()) + 1, 0))
        if not ((table == 0) | (table == 1)).all() or (table.sum(axis=1) > 1).any():
            return None
        place: Rows = np.full(len(table), -1)
        level, column = np.nonzero(table)
        place[level] = column
        return place

    def spread(self) -> dict[str, Floats]:
        """Give the columns of all rows."""
        return {name: values[self.codes] for name, values in self.items()}


class RealMaterializer(PandasMaterializer):  # type: ignore[misc] # formulaic's classes are untyped
    """pandas' materializer, in real arithmetic, in which categories stay levels.

    What formulaic makes of a category it makes of its levels, each once; of these the rows have theirs.
    Products of categories are levels again, columns of which a row is in one at most, and with numbers levels
    with slopes. `laid_out` are the columns.
    """

    REGISTER_NAME = "propensity"
    REGISTER_INPUTS: Sequence[str] = ()

    laid_out: Sequence[tuple[str, Any]] = ()

    @override
    def _encode_evaled_factor(
        self,
        factor: EvaluatedFactor,
        spec: ModelSpec,
        drop_rows: Sequence[int],
        reduced_rank: bool = False,
    ) -> dict[str, Any]:
        category = _category(factor)
        if category is not None:
            factor = factor.replace(values=FactorValues(category.levels, metadata=factor.metadata))
        found: dict[str, Any] = super()._encode_evaled_factor(factor, spec, drop_rows, reduced_rank)
        return found if category is None else _ByLevel(category.codes, found)

    @override
    def _get_columns_for_term(
        self, factors: list[dict[str, Any]], spec: ModelSpec, scale: float = 1
    ) -> dict[str, Any]:
        if scale == 1 and any(isinstance(factor, _ByLevel) for factor in factors):
            found = _products(factors)
            if found is not None:
                return found
        spread = [factor.spread() if isinstance(factor, _ByLevel) else factor for factor in factors]
        columns: dict[str, Any] = super()._get_columns_for_term(spread, spec=spec, scale=scale)
        return columns

    @override
    def _combine_columns(
        self, cols: Sequence[tuple[str, Any]], spec: ModelSpec, drop_rows: Sequence[int]
    ) -> pd.DataFrame:
        self.laid_out = cols
        nothing: pd.DataFrame = super()._combine_columns([], spec=spec, drop_rows=drop_rows)
        return nothing

    @override
    def _lookup(self, name: str) -> tuple[Any, set[Variable]]:
        values, variables = super()._lookup(name)
        return number(values), variables

    @override
    def _evaluate(self, expr: str, metadata: Any, spec: ModelSpec) -> tuple[Any, set[Variable]]:
        variables: set[Variable] = set()
        env = LayeredMapping({_NUMBER: number, _WHOLE: _whole, _XOR: _xor}, self.layered_context)
        tree = ast.parse(sanitize_variable_names(expr, env, {}), mode="eval")
        real = ast.unparse(ast.fix_missing_locations(_RealArithmetic().visit(tree)))
        state = spec.transform_state
        return number(stateful_eval(real, env, {real: metadata}, state, spec, variables)), variables


def _category(factor: EvaluatedFactor) -> _Category | None:
    """Read the levels of a category that is a column, or a column in C(); None of anything else."""
    own = factor.metadata.encoder is None or factor.expr.startswith("C(")
    values = getattr(factor.values, "__wrapped__", factor.values)
    column = isinstance(values, pd.Series | pd.Categorical | np.ndarray) and values.ndim == 1
    if factor.metadata.kind is not Factor.Kind.CATEGORICAL or not own or not column or not len(values):
        return None
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes = np.asarray(pd.Series(values).cat.codes)
        every = np.arange(len(values.dtype.categories))
        levels = pd.Series(pd.Categorical.from_codes(every, dtype=values.dtype))
    else:
        codes, found = pd.factorize(values)
        levels = pd.Series(found)
    return None if codes.min() < 0 else _Category(codes, levels)


def _products(factors: Sequence[dict[str, Any]]) -> dict[str, Level] | None:
    """Multiply columns of categories, and numbers, in formulaic's order; None where they are not of one 1."""
    numbers = [factor for factor in factors if not isinstance(factor, _ByLevel)]
    if any(len(factor) != 1 for factor in numbers):
        return None
    codes: Rows = np.zeros(1, dtype=np.int64)
    width = 1
    for category in factors:
        if not isinstance(category, _ByLevel):
            continue
        if category.place is None:
            return None
        own = category.place[category.codes]
        codes = np.where((codes < 0) | (own < 0), -1, codes + width * own)
        width *= len(category)
    values = [np.asarray(column, dtype=np.float64) for factor in numbers for column in factor.values()]
    one_of = OneOf(codes, reduce(np.multiply, values) if values else None)
    names = (":".join(reversed(names)) for names in product(*reversed(factors)))
    return {name: Level(one_of, place) for place, name in enumerate(names)}


class _RealArithmetic(ast.NodeTransformer):
    """Write an expression so that what is calculated with is a float64."""

    def __init__(self) -> None:
        self._convert = _NUMBER

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.BitXor):
            return _call(_XOR, node.left, node.right)
        if isinstance(node.op, _ARITHMETIC):
            node.left, node.right = self._number(node.left), self._number(node.right)
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.USub | ast.UAdd):
            node.operand = self._number(node.operand)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id == "C":
            outer, self._convert = self._convert, _WHOLE  # levels are called as they are written
            self.generic_visit(node)
            self._convert = outer
            return node
        self.generic_visit(node)
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        method = isinstance(node.func, ast.Attribute) and not _is_numpy(node.func)
        if method and name not in _METHODS:
            return node
        if method and isinstance(node.func, ast.Attribute):
            node.func.value = self._number(node.func.value)
        elif name.startswith(_BIT_BY_BIT) or (isinstance(node.func, ast.Name) and node.func.id == "hashed"):
            return node
        node.args = [self._number(value) for value in node.args]
        for keyword in node.keywords:
            keyword.value = self._number(keyword.value)
        return node

    def _number(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Constant | ast.Starred | ast.List | ast.Tuple | ast.Dict):
            return node
        return _call(self._convert, node)


def _is_numpy(function: ast.Attribute) -> bool:
    return isinstance(function.value, ast.Name) and function.value.id == "np"


def _call(name: str, *values: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(values), [])


def number(values: Any) -> Any:
    """Give bools and whole numbers of a column as float64, and everything else as it is."""
    if hasattr(values, "__formulaic_metadata__") or not _is_column(values):
        return values
    return values.astype(np.float64) if values.dtype.kind in "biu" else values


def _whole(values: Any) -> Any:
    """Give the bools of a column as whole numbers, which add up, and everything else as it is."""
    return values.astype(np.int64) if _is_column(values) and values.dtype.kind == "b" else values


def _xor(left: Any, right: Any) -> Any:
    for values in (left, right):
        if getattr(values, "dtype", np.dtype(type(values))).kind != "b":
            raise TypeError("^ is Python's exclusive or; a power is written **")
    return left ^ right


def _is_column(values: Any) -> bool:
    return isinstance(values, pd.Series | np.ndarray) and isinstance(values.dtype, np.dtype)
