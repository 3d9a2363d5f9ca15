"""YAML whose every part knows its line, and in which nothing is silently dropped.

PyYAML keeps the last of two equal keys, so that half of a file could be ignored without a word; here
that is an error. No message quotes the file: a secret pasted into it must not end up in a terminal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sluice.core.errors import SettingInvalid

Place = tuple[str | int, ...]

_QUOTED = re.compile(r"'(?!<)[^']{4,}'")
"""What a message of PyYAML's took out of the file; a token's name, as '<scalar>', is not."""


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file as plain data, and where in the file each part of it stands."""

    path: Path
    root: yaml.Node | None
    data: Any

    def find(self, place: Place) -> tuple[int, str]:
        """Where a field stands and what it is called there: ``no``, not False.

        The line, from 1, is the field's own or that of its nearest parent that is in the file.
        """
        node, line, names = self.root, 1, []
        for part in place:
            found = None if node is None else _child(node, part)
            name, line, node = found or (str(part), line, None)
            names.append(name)
        return line, ".".join(names)


def read_yaml(path: Path) -> Document:
    """Read a YAML file; SettingInvalid says in which line it is not one."""
    text = _text_of(path)
    try:
        root, data = _loaded(path, text)
    except yaml.YAMLError as error:
        raise SettingInvalid(_complaint(path, text, error)) from error
    except ValueError as error:  # a date such as 2026-02-31
        raise SettingInvalid(f"{path}: not YAML: {error}") from error
    except RecursionError as error:
        raise SettingInvalid(f"{path}: nested too deeply, or in itself") from error
    return Document(path, root, data)


def _loaded(path: Path, text: str) -> tuple[yaml.Node | None, Any]:
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        _refuse_doubles(path, root)
        return root, None if root is None else loader.construct_document(root)
    finally:
        loader.dispose()


def _text_of(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise SettingInvalid(f"{path}: no such file; copy clients.example.yaml to begin") from error
    except OSError as error:
        raise SettingInvalid(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SettingInvalid(f"{path}:{line}: not UTF-8 text; save the file as UTF-8") from error


def _complaint(path: Path, text: str, error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        problem = _QUOTED.sub("'...'", error.problem or error.context or "not understood")
        return f"{path}:{line}: not YAML: {problem}{_remedy(text, line)}"
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return f"{path}:{line}: not YAML: a control character, which no YAML may hold"
    return f"{path}: not YAML"


def _remedy(text: str, line: int) -> str:
    """A tab is what people cannot see."""
    lines = text.splitlines()
    indent = lines[line - 1].partition("#")[0] if line <= len(lines) else ""
    return "; indent with spaces, not with tabs" if "\t" in indent else ""


def _refuse_doubles(path: Path, root: yaml.Node | None) -> None:
    doubles = [] if root is None else list(_doubles(root, set()))
    if doubles:
        raise SettingInvalid(
            "\n".join(
                f"{path}:{line}: the key {name!r} stands here again, first in line {first}; remove one"
                for line, name, first in sorted(doubles)
            )
        )


def _doubles(node: yaml.Node, visited: set[int]) -> Iterator[tuple[int, str, int]]:
    """Keys written twice in one mapping. An anchored node is looked at once, however often it is used."""
    if id(node) in visited or isinstance(node, yaml.ScalarNode):
        return
    visited.add(id(node))
    if isinstance(node, yaml.MappingNode):
        yield from _doubles_of(node)
    for child in _children(node):
        yield from _doubles(child, visited)


def _doubles_of(node: yaml.MappingNode) -> Iterator[tuple[int, str, int]]:
    first: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        line = key.start_mark.line + 1
        if key.value in first:
            yield line, key.value, first[key.value]
        first.setdefault(key.value, line)


def _children(node: yaml.Node) -> Sequence[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value)


def _child(node: yaml.Node, part: str | int) -> tuple[str, int, yaml.Node] | None:
    """Name, line and node under a key or at an index.

    What ``<<`` merges in was put before a mapping's own keys when the data was made; the last of
    equal keys is the one that counts.
    """
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
        item: yaml.Node = node.value[part]
        return str(part), item.start_mark.line + 1, item
    if isinstance(node, yaml.MappingNode):
        for key, value in reversed(node.value):
            if isinstance(key, yaml.ScalarNode) and _is_key(key, part):
                return key.value, key.start_mark.line + 1, value
    return None


def _is_key(key: yaml.ScalarNode, part: str | int) -> bool:
    """What YAML makes of a bare ``no`` is False, which its text alone would not find again."""
    return bool(key.value == str(part) or _constructed(key) == part)


def _constructed(key: yaml.ScalarNode) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(key)
    except (yaml.YAMLError, ValueError):
        return None
    finally:
        loader.dispose()
