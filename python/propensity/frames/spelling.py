"""What a formula says that its writer did not mean, found before it is evaluated, with what to write instead.

Formulas come from R, where `x**2` is x crossed with itself, which is x; where `a - b` takes a term away; and
where functions have other names. Read in silence, they would leave out what somebody meant to adjust for.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from propensity.errors import InvalidInputError

if TYPE_CHECKING:
    from formulaic.parser.types import Term

_ARITHMETIC = "arithmetic and comparisons stand in I(...), as I(x**2), I(x - y) or I(x > 3)"

_CROSSING = ("**", "^", "*", ":", "-", "/")

_SPLINES = "splines are bs(x, df=4) and cr(x, df=4, constraints='center')"

_OTHER_NAMES = {
    "factor": "C(x) makes categories of numbers",
    "as_factor": "C(x) makes categories of numbers",
    "category": "C(x) makes categories of numbers",
    "cut": "np.digitize(x, [18, 35, 65]) counts the bounds below, and C(...) makes categories of that",
    "qcut": "bs(x, df=4) bends at quantiles",
    "ns": _SPLINES,
    "rcs": _SPLINES,
    "s": _SPLINES,
    "te": _SPLINES,
    "ti": _SPLINES,
    "lo": _SPLINES,
    "spline": _SPLINES,
    "ifelse": "np.where(x > 3, 1, 0) chooses",
    "zscore": "scale(x) has mean 0 and standard deviation 1",
    "demean": "center(x) has mean 0",
    "Q": "a column of any name stands in backticks",
    "ln": "the natural logarithm is log(x)",
    "offset": "a score model has no offset",
    "relevel": "C(x, contr.treatment(base='level')) chooses the first level",
}
"""What other languages and libraries call, and what it is here."""

_WORKING = "I, C, np.<function>, log, exp, center, scale, poly, bs, cr and cc"


def check_operators(text: str) -> None:
    """Require every operator between terms to do something.

    Raises
    ------
    InvalidInputError
        A power or product of a term with itself, which is the term; a difference that takes nothing away; a
        quotient, which is none.
    """
    from formulaic.parser import DefaultFormulaParser  # noqa: PLC0415 - slow to import
    from formulaic.parser.types import ASTNode  # noqa: PLC0415

    nodes: list[Any] = [DefaultFormulaParser().get_ast(text)]
    for node in nodes:  # which grows on the way
        nodes += node.args if isinstance(node, ASTNode) else ()
    for node in reversed(nodes):  # the innermost first: it is what cannot be read
        if isinstance(node, ASTNode) and node.operator.symbol in _CROSSING and len(node.args) == 2:
            complaint = _complaint(node.operator.symbol, *node.args)
            if complaint:
                raise InvalidInputError(f"covariates: in the formula {text!r}, {complaint}")


def _complaint(symbol: str, left: Any, right: Any) -> str:
    first = _terms(left)
    named = " + ".join(map(str, first))
    if symbol in ("**", "^"):
        if len(first) > 1:
            return ""
        power = "".join(map(str, right.to_terms()))
        meant = "leave it out" if named.startswith("C(") else f"a power of its values is I({named}**{power})"
        return f"{named}{symbol}{power} is {named} crossed with itself, which is {named}; {meant}"
    second = _terms(right)
    if symbol in ("*", ":") and min(len(first), len(second)) == 1 and set(first) & set(second):
        twice = str(next(term for term in first if term in second))
        return (
            f"{twice} is crossed with itself, which is {twice}; the square of its values is I({twice}**2), "
            "and an interaction is of different columns"
        )
    if symbol == "-" and not set(second) <= set(first):
        absent = str(next(term for term in second if term not in first))
        meant = f"a difference of values is I({first[0]} - {absent})" if first else "leave it out"
        return f"- {absent} takes away a term that is not there; {meant}"
    if symbol == "/":
        one, other = str(first[0]) if first else "1", " + ".join(map(str, second))
        return (
            f"{one}/{other} is no quotient but {other} within {one}; a quotient of values is "
            f"I({one} / {other}), and {one} + {one}:{other} says the other"
        )
    return ""


def _terms(node: Any) -> list[Term]:
    """Give the terms of a part of a formula, but for constants."""
    found: Iterable[Term] = node.to_terms()
    return [term for term in found if any(factor.eval_method.value != "literal" for factor in term.factors)]


def check_quoted(text: str, columns: Collection[object]) -> None:
    """Require no column in backticks to be mistaken for a constant, or for an expression of the same letters.

    Raises
    ------
    InvalidInputError
        It would be: formulaic tells the two apart by how they are written.
    """
    from formulaic.parser.algos.tokenize import tokenize  # noqa: PLC0415 - slow to import

    tokens = list(tokenize(text))
    quoted = {token.token for token in tokens if text[token.source_start or 0] == "`"}
    if "" in columns and "``" in text:
        raise InvalidInputError("covariates: a column without a name cannot stand in a formula; rename it")
    others = {"".join(token.token.split()) for token in tokens if token.kind and token.kind.value == "python"}
    taken = sorted(name for name in quoted if name == "1" or "".join(name.split()) in others)
    if taken:
        what = "the intercept" if taken[0] == "1" else "an expression of these letters"
        raise InvalidInputError(
            f"covariates: in a formula the column '{taken[0]}' cannot be told from {what}; rename it, or "
            "give a list of columns"
        )


def check_calls(expression: str, tree: ast.AST, columns: Collection[object]) -> None:
    """Require every function of an expression to be known in a formula.

    Raises
    ------
    InvalidInputError
        It is not; what it is called here, where that is known.
    """
    from formulaic.transforms import TRANSFORMS  # noqa: PLC0415 - slow to import

    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and _is_power_of_r(node):
            raise InvalidInputError(
                f"covariates: in {expression!r} ^ is Python's exclusive or; a power is written **: I(x**2)"
            )
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        root = _root(node.func)
        if root is None or root in columns or root in TRANSFORMS or hasattr(builtins, root):
            continue
        instead = _instead(called)
        raise InvalidInputError(f"covariates: in {expression!r} there is no function {called}; {instead}")


def _is_power_of_r(node: ast.BinOp) -> bool:
    return isinstance(node.op, ast.BitXor) and any(
        isinstance(side, ast.Constant) for side in (node.left, node.right)
    )


def _root(function: ast.expr) -> str | None:
    """Name what a function, or what it is a method of, starts with."""
    while isinstance(function, ast.Attribute):
        function = function.value
    return function.id if isinstance(function, ast.Name) else None


def _instead(called: str) -> str:
    name = called.rsplit(".", 1)[-1]
    if called in _OTHER_NAMES or name in _OTHER_NAMES:
        return _OTHER_NAMES.get(called, _OTHER_NAMES.get(name, ""))
    if isinstance(getattr(np, name, None), np.ufunc):
        return f"NumPy's is np.{name}(x)"
    return f"there are {_WORKING}; make a column of anything else first"


def constant(expression: str, tree: ast.AST, columns: Collection[object]) -> str:
    """Say that an expression has no column in it, and how the columns are written that it has in quotes."""
    quoted = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in columns
    ]
    what = f"{expression!r} has no column in it, and is the same in every row"
    if not quoted:
        return f"{what}; leave it out"
    meant = expression
    for name in quoted:
        plain = name if name.isidentifier() else f"`{name}`"
        meant = meant.replace(repr(name), plain).replace(f'"{name}"', plain)
    return f"{what}: columns stand without quotes, take {meant}"


def reason(error: Exception, text: str, others: str) -> str:
    """Say why a formula cannot be read, without colours and in one line; `others` are all other columns."""
    said = str(error).split("\n")[0].split(". ")[0]  # the rest points at the place in colour, or is long
    if "`.`" in said:
        return f"{said}; all but some are the list {others}"
    if "String literals" in said:
        return f"{said.removesuffix('.')}; columns stand without quotes"
    if "Unknown operator ','" in said:
        names = [name.strip() for name in text.split(",")]
        either = f"{' + '.join(names)!r}, or stand in a list, {names!r}"
        return f"{said.removesuffix('.')}; terms are joined by +, {either}"
    if "as.factor" in text:
        return f"{said}; {_OTHER_NAMES['factor']}"
    confused = (
        "Unknown operator",
        "misplaced",
        "Numeric literals",
        "right-hand argument",
        "Missing operator",
    )
    if any(word in said for word in confused) or "%" in text:
        return f"{said.removesuffix('.')}; {_ARITHMETIC}"
    return said


def unseen_levels(error: Exception) -> str:
    """Say which levels a model has not seen, of formulaic's warning of them."""
    said = str(error)
    found = said[said.find("{") + 1 : said.rfind("}")] if "{" in said else ""
    return f"there are levels that the model has not seen{': ' + found if found else ''}"
