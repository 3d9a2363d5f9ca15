"""Which test files import a module of the engine, themselves or by what they import."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

ROOTS = ("shared", ".")


def importers_of(project: Path, tests: Iterable[str]) -> dict[str, list[str]]:
    """File of the project -> the test files that need it; ``tests`` as for pytest, relative to the project."""

    @cache
    def imported_by(file: Path) -> frozenset[Path]:
        return frozenset(_imports(project, file))

    importers: dict[str, list[str]] = {}
    for test in _test_files(project, tests):
        for needed in _closure(test, imported_by):
            name = str(needed.relative_to(project))
            importers.setdefault(name, []).append(str(test.relative_to(project)))
    return importers


def _test_files(project: Path, tests: Iterable[str]) -> Iterator[Path]:
    for test in tests:
        place = project / test.partition("::")[0]
        yield from sorted(place.rglob("test_*.py")) if place.is_dir() else [place]


def _closure(file: Path, imported_by: Callable[[Path], frozenset[Path]]) -> set[Path]:
    found, waiting = {file}, [file]
    while waiting:
        for other in imported_by(waiting.pop()):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


def _imports(project: Path, file: Path) -> Iterator[Path]:
    """Modules of the project that a file names anywhere, also within functions."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            yield from _files_of(project, name)


def _files_of(project: Path, module: str) -> Iterator[Path]:
    """The module, and the packages that it lies in."""
    parts = module.split(".")
    for root in ROOTS:
        for length in range(1, len(parts) + 1):
            place = project.joinpath(root, *parts[:length])
            for file in (place.with_suffix(".py"), place / "__init__.py"):
                if file.exists():
                    yield file
