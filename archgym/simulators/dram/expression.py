"""Arithmetic in data files: integer formulas over named timings, evaluated without ``eval``.

Allowed: whole numbers, names, ``+ - * //``, ``max``, ``min``, comparisons and ``a if condition else b``.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping

from archgym.errors import ConfigError, nearest

_OPERATORS: dict[type, Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
}
_COMPARISONS: dict[type, Callable[[int, int], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_FUNCTIONS: dict[str, Callable[..., int]] = {"max": max, "min": min}


def evaluate(formula: str, names: Mapping[str, int], where: str) -> int:
    """The value of ``formula`` (clock cycles) with ``names`` inserted.

    Raises:
        ConfigError: naming ``where``, if the formula cannot be read, uses an unknown name or divides by zero.
    """
    try:
        tree = ast.parse(formula, mode="eval").body
    except SyntaxError as error:
        raise ConfigError(f"{where}: formula {formula!r} cannot be read ({error.msg})") from error
    where = f"{where}: formula {formula!r}"
    try:
        return _value(tree, names, where)
    except ZeroDivisionError as error:
        raise ConfigError(f"{where} divides by zero with the timings given") from error


def _value(node: ast.expr, names: Mapping[str, int], where: str) -> int:
    match node:
        case ast.Constant(value=int(number)):
            return number
        case ast.Name(id=name):
            if name not in names:
                near = nearest(name, names)
                hint = f" (did you mean {near!r}?)" if near else ""
                raise ConfigError(f"{where} needs the timing {name!r}, which is not given{hint}")
            return names[name]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left, names, where), _value(right, names, where))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, names, where)
        case ast.IfExp(test=ast.Compare(left=left, ops=[op], comparators=[right]), body=body, orelse=orelse) if (
            type(op) in _COMPARISONS
        ):
            holds = _COMPARISONS[type(op)](_value(left, names, where), _value(right, names, where))
            return _value(body if holds else orelse, names, where)
        case ast.Call(func=ast.Name(id=function), args=arguments, keywords=[]) if function in _FUNCTIONS and arguments:
            return _FUNCTIONS[function](*[_value(argument, names, where) for argument in arguments])
    raise ConfigError(f"{where} uses {ast.unparse(node)!r}; allowed: names, whole numbers, + - * //, max, min, if")
