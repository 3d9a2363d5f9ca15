"""Fixtures of the command's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.ops.clients_files import Write


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a clients file of this text."""

    def written(text: str | bytes) -> Path:
        path = tmp_path / "clients.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return written
