"""What may be wrong with one node of a syntax tree: small faults such as people make."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

Node = TypeVar("Node", bound=ast.AST)
Fault = tuple[ast.AST, str]
"""The faulty node, and what to call it ('' for its own text)."""

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
}
REMOVED = "removed"
IN_ANY_ORDER = {"max", "min"}


def faults_of(node: ast.AST) -> Iterator[Fault]:
    """Every fault of this node alone; those of its parts are found at them."""
    faults = FAULTS.get(type(node))
    if faults is not None:
        yield from faults(node)


# --- expressions --------------------------------------------------------------------------------------


def _compare(node: ast.Compare) -> Iterator[Fault]:
    for index, operator in enumerate(node.ops):
        for other in COMPARISONS[type(operator)]:
            yield _changed(node, ops=_with(node.ops, index, other())), ""


def _boolean(node: ast.BoolOp) -> Iterator[Fault]:
    """The other connective, and each operand left out."""
    yield _changed(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And()), ""
    for index, operand in enumerate(node.values):
        kept = [*node.values[:index], *node.values[index + 1 :]]
        rest = kept[0] if len(kept) == 1 else _changed(node, values=kept)
        yield rest, f"without {ast.unparse(operand)}"


def _unary(node: ast.UnaryOp) -> Iterator[Fault]:
    yield node.operand, ""


def _arithmetic(node: ast.BinOp) -> Iterator[Fault]:
    other = ARITHMETIC.get(type(node.op))
    if other is not None:
        yield _changed(node, op=other()), ""
    elif isinstance(node.op, ast.BitOr):
        yield node.left, ""
        yield node.right, ""


def _constant(node: ast.Constant) -> Iterator[Fault]:
    value = node.value
    if isinstance(value, bool):
        yield ast.Constant(not value), ""
    elif isinstance(value, int):
        yield ast.Constant(value + 1), ""
        yield ast.Constant(value - 1), ""
    elif isinstance(value, float):
        yield ast.Constant(value * 2), ""
        yield ast.Constant(value / 2), ""
    elif isinstance(value, str):
        yield ast.Constant("" if value else "another"), ""


def _text(node: ast.JoinedStr) -> Iterator[Fault]:
    yield ast.Constant(""), ""


def _choice(node: ast.IfExp) -> Iterator[Fault]:
    yield node.body, ""
    yield node.orelse, ""


def _call(node: ast.Call) -> Iterator[Fault]:
    """An argument forgotten where it has a name, and neighbours in the wrong order."""
    for index, keyword in enumerate(node.keywords):
        rest = [*node.keywords[:index], *node.keywords[index + 1 :]]
        yield _changed(node, keywords=rest), f"without {keyword.arg}="
    in_order = 0 if _name_of(node.func) in IN_ANY_ORDER else len(node.args) - 1
    for index in range(in_order):
        first, second = node.args[index : index + 2]
        swapped = [*node.args[:index], second, first, *node.args[index + 2 :]]
        yield _changed(node, args=swapped), ""
    for index in range(len(node.keywords) - 1):
        one, two = node.keywords[index : index + 2]
        pair = [ast.keyword(one.arg, two.value), ast.keyword(two.arg, one.value)]
        mixed = [*node.keywords[:index], *pair, *node.keywords[index + 2 :]]
        yield _changed(node, keywords=mixed), f"{one.arg}= and {two.arg}= swapped"


def _comprehension(node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> Iterator[Fault]:
    for index, part in enumerate(node.generators):
        for position, condition in enumerate(part.ifs):
            kept = [*part.ifs[:position], *part.ifs[position + 1 :]]
            generators = _with(node.generators, index, _changed(part, ifs=kept))
            yield _changed(node, generators=generators), f"without if {ast.unparse(condition)}"


def _lambda(node: ast.Lambda) -> Iterator[Fault]:
    yield _changed(node, body=ast.Constant(None)), ""


# --- statements ---------------------------------------------------------------------------------------


def _nothing_done(node: ast.AST) -> Iterator[Fault]:
    yield ast.Pass(), REMOVED


def _expression(node: ast.Expr) -> Iterator[Fault]:
    if isinstance(node.value, ast.Call):
        yield ast.Pass(), REMOVED


def _assign(node: ast.Assign) -> Iterator[Fault]:
    """What is stored in an object is not stored; what is kept by name is nothing."""
    if all(isinstance(target, ast.Attribute | ast.Subscript) for target in node.targets):
        yield ast.Pass(), REMOVED
    elif isinstance(node.targets[0], ast.Name) and not isinstance(node.value, ast.Constant):
        yield _changed(node, value=ast.Constant(None)), "None"


def _add_to(node: ast.AugAssign) -> Iterator[Fault]:
    yield ast.Pass(), REMOVED
    yield ast.Assign([node.target], node.value), ""
    other = ARITHMETIC.get(type(node.op))
    if other is not None:
        yield _changed(node, op=other()), ""


def _return(node: ast.Return) -> Iterator[Fault]:
    if node.value is None:
        yield ast.Pass(), REMOVED
    elif not _is_none(node.value):
        yield ast.Return(ast.Constant(None)), ""


def _condition(node: ast.If | ast.While) -> Iterator[Fault]:
    truth = (False,) if isinstance(node, ast.While) else (True, False)
    for value in truth:
        yield _changed(node, test=ast.Constant(value)), f"always {value}"


def _loop(node: ast.For) -> Iterator[Fault]:
    yield _changed(node, iter=ast.Tuple([], ast.Load())), "no round"
    once = _changed(node, body=[*node.body, ast.Break()])
    yield once, "one round"


def _try(node: ast.Try) -> Iterator[Fault]:
    for index, handler in enumerate(node.handlers):
        handlers = [*node.handlers[:index], *node.handlers[index + 1 :]]
        kind = ast.unparse(handler.type) if handler.type else "anything"
        yield _still_a_try(_changed(node, handlers=handlers)), f"without except {kind}"
    if node.finalbody:
        yield _still_a_try(_changed(node, finalbody=[])), "without finally"


def _still_a_try(node: ast.Try) -> ast.AST:
    if node.handlers or node.finalbody:
        return node
    return ast.If(ast.Constant(True), [*node.body, *node.orelse], [])


def _handler(node: ast.ExceptHandler) -> Iterator[Fault]:
    """Each of several kinds of error no longer caught."""
    if isinstance(node.type, ast.Tuple):
        for index, kind in enumerate(node.type.elts):
            kinds = [*node.type.elts[:index], *node.type.elts[index + 1 :]]
            caught = ast.Tuple(kinds, ast.Load())
            yield _changed(node, type=caught), f"does not catch {ast.unparse(kind)}"


def _match(node: ast.Match) -> Iterator[Fault]:
    for index, case in enumerate(node.cases):
        cases = [*node.cases[:index], *node.cases[index + 1 :]]
        if cases:
            yield _changed(node, cases=cases), f"without case {ast.unparse(case.pattern)}"


# --- parts --------------------------------------------------------------------------------------------


def _changed(node: Node, **fields: object) -> Node:
    """A shallow copy with other fields."""
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _with(items: list[Any], index: int, item: Any) -> list[Any]:
    return [*items[:index], item, *items[index + 1 :]]


def _name_of(node: ast.expr) -> str | None:
    return node.id if isinstance(node, ast.Name) else None


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


FAULTS: dict[type[ast.AST], Callable[[Any], Iterator[Fault]]] = {
    ast.Compare: _compare,
    ast.BoolOp: _boolean,
    ast.UnaryOp: _unary,
    ast.BinOp: _arithmetic,
    ast.Constant: _constant,
    ast.JoinedStr: _text,
    ast.IfExp: _choice,
    ast.Call: _call,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.Lambda: _lambda,
    ast.Expr: _expression,
    ast.Assign: _assign,
    ast.AugAssign: _add_to,
    ast.Return: _return,
    ast.Raise: _nothing_done,
    ast.Break: _nothing_done,
    ast.Continue: _nothing_done,
    ast.If: _condition,
    ast.While: _condition,
    ast.For: _loop,
    ast.Try: _try,
    ast.ExceptHandler: _handler,
    ast.Match: _match,
}
