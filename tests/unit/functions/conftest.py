"""The scripted AWS that handlers speak to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.functions.handlers import ScriptedAws, scripted_aws


@pytest.fixture
def aws() -> Iterator[ScriptedAws]:
    with scripted_aws() as scripted:
        yield scripted
