"""What the template promises to whoever operates it. Each promise is a function; its docstring says why."""

from __future__ import annotations

import pytest

from tests.template.kept import PROMISES
from tests.template.reading import Template, read


@pytest.fixture(scope="module")
def template() -> Template:
    return read()


@pytest.mark.parametrize("name", PROMISES)
def test_the_template_keeps_its_promise(name: str, template: Template) -> None:
    """As its docstring says."""
    assert PROMISES[name](template) == []
