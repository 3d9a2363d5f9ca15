"""Mutants of a module: its source with one small fault each, named so that the name survives other edits."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tests.mutation.faults import faults_of

LONGEST_TEXT = 110
NOT_OURS_TO_BREAK = {"reach", "TypeVar"}
"""Calls left alone with all that is in them: fault points exist for other tests."""

_CONSTRUCTS = ast.If | ast.While | ast.For | ast.Try | ast.Match | ast.With | ast.ExceptHandler


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault. ``function`` is the qualified name it lies in, ``<module>`` outside of all."""

    file: str
    function: str
    line: int
    text: str
    source: str

    @property
    def key(self) -> tuple[str, str, str]:
        """Stable while its function keeps its name and the faulty piece its text."""
        return self.file, self.function, self.text


def mutants_of(file: str, source: str) -> list[Mutant]:
    """Every mutant of a module's source, in the order of its lines."""
    tree = ast.parse(source)
    found: list[Mutant] = []
    seen: Counter[tuple[str, str]] = Counter()
    whole = _Whole(tree)
    sources = {whole.source()}
    for place in _below(tree, _Scope((), tree)):
        whole.at = place.index if place.parent is tree else whole.at
        for after, what in faults_of(place.node):
            with_fault = place.replaced_in(whole, after)
            if with_fault in sources:
                continue
            sources.add(with_fault)
            text = f"{place.text} → {what or _short(after)}"
            seen[place.function, text] += 1
            if seen[place.function, text] > 1:
                text += f" (no. {seen[place.function, text]})"
            found.append(Mutant(file, place.function, place.node.lineno, text, with_fault))
    return found


class _Whole:
    """A module's source while the statement ``at`` of it changes: the text of all others is kept."""

    def __init__(self, tree: ast.Module) -> None:
        self._tree, self._texts = tree, [ast.unparse(statement) for statement in tree.body]
        self.at: int | None = None

    def source(self) -> str:
        texts = list(self._texts)
        if self.at is not None:
            texts[self.at] = ast.unparse(self._tree.body[self.at])
        return "\n".join(texts)


@dataclass(frozen=True, slots=True)
class _Scope:
    """Where a node lies: names of the classes, functions and fields around it; what it is part of."""

    names: tuple[str, ...]
    part_of: ast.AST

    def around(self, node: ast.AST) -> _Scope:
        """The scope of the parts of ``node``."""
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            return _Scope((*self.names, node.name), node)
        if isinstance(self.part_of, ast.Module | ast.ClassDef) and (name := _target(node)):
            return _Scope((*self.names, name), node)
        is_whole = isinstance(node, ast.stmt | ast.expr) and not isinstance(node, _CONSTRUCTS)
        return _Scope(self.names, node if is_whole else self.part_of)


@dataclass(frozen=True, slots=True)
class _Place:
    """A node that may be replaced, and where it hangs in the tree."""

    node: ast.stmt | ast.expr | ast.excepthandler
    scope: _Scope
    parent: ast.AST
    field: str
    index: int | None

    @property
    def function(self) -> str:
        return ".".join(self.scope.names) or "<module>"

    @property
    def text(self) -> str:
        """What is replaced. A constant says little without what it is part of."""
        text, whole = _short(self.node), self.scope.part_of
        if not isinstance(self.node, ast.Constant | ast.JoinedStr):
            return text
        if isinstance(whole, ast.FunctionDef):
            return f"{whole.name}(): {text}"
        if isinstance(self.parent, ast.keyword) and isinstance(whole, ast.Call):
            return f"{ast.unparse(whole.func)}({self.parent.arg}={text})"
        return f"{_short(whole)}: {text}"

    def replaced_in(self, whole: _Whole, after: ast.AST) -> str:
        """The module's source with ``after`` in this place; the tree is left as it was."""
        self._put(ast.fix_missing_locations(ast.copy_location(after, self.node)))
        try:
            return whole.source()
        finally:
            self._put(self.node)

    def _put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def _below(parent: ast.AST, scope: _Scope) -> Iterator[_Place]:
    for field, index, node in _children(parent):
        if _is_left_alone(parent, field, node):
            continue
        inside = scope.around(node)
        if isinstance(node, ast.stmt | ast.expr | ast.excepthandler):
            yield _Place(node, inside if _target(node) else scope, parent, field, index)
        yield from _below(node, inside)


def _target(node: ast.AST) -> str | None:
    """The name that an assignment gives a value."""
    target = getattr(node, "target", None) or next(iter(getattr(node, "targets", ())), None)
    return target.id if isinstance(target, ast.Name) else None


def _children(parent: ast.AST) -> Iterator[tuple[str, int | None, ast.AST]]:
    for field, value in ast.iter_fields(parent):
        if isinstance(value, ast.AST):
            yield field, None, value
        elif isinstance(value, list):
            for index, node in enumerate(value):
                if isinstance(node, ast.AST):
                    yield field, index, node


def _is_left_alone(parent: ast.AST, field: str, node: ast.AST) -> bool:
    """Types, decorators, docstrings, names of things, and what exists for other tests."""
    if field in ("annotation", "returns", "decorator_list", "bases", "type_params", "format_spec"):
        return True
    if isinstance(node, ast.Import | ast.ImportFrom | ast.JoinedStr):
        return isinstance(node, ast.Import | ast.ImportFrom) or isinstance(
            parent, ast.FormattedValue
        )
    if isinstance(parent, ast.JoinedStr):
        return True
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) or _is_call_of(node.value, NOT_OURS_TO_BREAK)
    return _declares(parent, node)


def _declares(parent: ast.AST, node: ast.AST) -> bool:
    """A member of an enumeration, another name for a type or a variable of one, or what a module gives out."""
    if not isinstance(node, ast.Assign):
        return False
    if _target(node) == "__all__" or _is_call_of(node.value, NOT_OURS_TO_BREAK):
        return True
    if isinstance(parent, ast.ClassDef):
        return isinstance(node.value, ast.Constant)
    return isinstance(parent, ast.Module) and isinstance(node.value, ast.Subscript | ast.BinOp)


def _is_call_of(node: ast.AST, names: set[str]) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def _short(node: ast.AST) -> str:
    """The node's own text on one line, its middle left out when it is long."""
    text = ast.unparse(node).strip()
    text = text.split("\n", 1)[0] if isinstance(node, _CONSTRUCTS) else " ".join(text.split())
    if len(text) <= LONGEST_TEXT:
        return text
    return f"{text[: LONGEST_TEXT - 42]} … {text[-40:]}"
