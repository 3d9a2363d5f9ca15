"""Put a mutant's function in the place of the one that is loaded, so that nothing is imported anew."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType

from tests.mutation.mutants import Mutant


def replace_function(mutant: Mutant) -> bool:
    """Whether it could be done. Not with what only an import makes: constants, defaults, fields of classes; nor
    where the function cannot be told from another."""
    path = Path(mutant.file).relative_to("shared").with_suffix("")
    function = _function(".".join(path.parts), mutant.function)
    if function is None:
        return False
    name = function.__code__.co_qualname
    found = [
        code
        for code in _codes(compile(mutant.source, mutant.file, "exec"))
        if code.co_qualname == name
    ]
    if len(found) != 1 or _are_same(found[0], function.__code__):
        return False
    if len(found[0].co_freevars) != len(function.__code__.co_freevars):
        return False
    function.__code__ = found[0]
    return True


def _function(module: str, name: str) -> FunctionType | None:
    """The outermost function on the way to ``name``: what is within it is made by its code."""
    place: object = sys.modules.get(module)
    walked: list[str] = []
    for part in name.split("."):
        place = _bare(vars(place).get(part)) if hasattr(place, "__dict__") else None
        walked.append(part)
        if isinstance(place, FunctionType):
            return place if place.__code__.co_qualname == ".".join(walked) else None
    return None


def _bare(place: object) -> object:
    """Without what it is wrapped in."""
    if isinstance(place, property):
        place = place.fget
    elif isinstance(place, functools.cached_property):
        place = place.func
    elif isinstance(place, classmethod | staticmethod):
        place = place.__func__
    return inspect.unwrap(place) if isinstance(place, FunctionType) else place


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _are_same(one: CodeType, two: CodeType) -> bool:
    """Whether they do the same, wherever they were written."""
    if (one.co_code, one.co_names, one.co_varnames) != (two.co_code, two.co_names, two.co_varnames):
        return False
    if len(one.co_consts) != len(two.co_consts):
        return False
    return all(map(_is_same_constant, one.co_consts, two.co_consts))


def _is_same_constant(one: object, two: object) -> bool:
    if isinstance(one, CodeType) and isinstance(two, CodeType):
        return _are_same(one, two)
    return type(one) is type(two) and repr(one) == repr(two)
