"""A handler parses, calls one use case and counts the outcome; everything else lives elsewhere."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from local.places import PROJECT

HANDLERS = sorted((PROJECT / "functions").glob("*/app.py"))
MOST_LINES = 30


def test_there_are_handlers() -> None:
    assert {path.parent.name for path in HANDLERS} == {
        "applier",
        "cleanup",
        "dispatcher",
        "health",
        "migrate",
        "monitor",
        "status",
        "steer",
        "webhook",
        "worker",
    }


@pytest.mark.parametrize("path", HANDLERS, ids=lambda path: path.parent.name)
def test_a_handler_is_short(path: Path) -> None:
    """Imports and blank lines aside."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {
        line
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    lines = path.read_text(encoding="utf-8").splitlines()
    left = [text for n, text in enumerate(lines, 1) if text.strip() and n not in imported]
    assert len(left) <= MOST_LINES


@pytest.mark.parametrize("path", HANDLERS, ids=lambda path: path.parent.name)
def test_a_handler_decides_nothing(path: Path) -> None:
    """No try, no environment, no AWS, no SQL: wiring builds, a use case decides."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Try | ast.While | ast.For)]
    imported = {name.split(".")[0] for node in ast.walk(tree) for name in _imported_by(node)}
    assert imported <= {"aws_lambda_powertools", "dataclasses", "datetime", "typing", "sluice"}


def _imported_by(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(module)):
            return [module]
        case _:
            return []
