"""Which code this is: for people, for `/health`, and for whoever compares a deployment with a checkout."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

VERSION = "0.1.0"
"""As ``pyproject.toml`` has it."""


@cache
def code_digest() -> str:
    """The beginning of a SHA-256 over this package's Python files: the same for the same code, wherever it lies."""
    digest = hashlib.sha256()
    for name, file in sorted(_files(resources.files("sluice"), "")):
        content = file.read_bytes()
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:12]


def _files(folder: Traversable, above: str) -> Iterator[tuple[str, Traversable]]:
    for each in folder.iterdir():
        name = f"{above}{each.name}"
        if each.is_dir() and each.name != "__pycache__":
            yield from _files(each, f"{name}/")
        elif each.name.endswith(".py"):
            yield name, each
