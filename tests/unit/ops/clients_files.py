"""A right clients file to spoil, and the complaints about one that was spoilt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from ops.clients.file import Allowed, read_clients_file
from sluice.core.errors import SettingInvalid

RIGHT = """\
clients:
  harbour:
    cars:
      secret: sluice/harbour/cars
      settings:
        shape: page
        base_url: https://cars.example.com
        page_size: 250
      streams:
        cars:
          cadence: 5m
acceptance:
  finish_within: 30m
"""

SHARING = dedent("""\
    clients:
      first:
        cars:
          secret: sluice/first
          settings: &pages
            shape: page
            base_url: https://cars.example.com
            page_size: {}
          streams: &often
            cars: {{cadence: 5m}}
      second:
        cars:
          secret: sluice/second
          settings:
            <<: *pages
            concurrency: {}
          streams: *often
    """)
"""Two clients that share what is written once; the first one's page size, the second's concurrency."""

ON_AWS = Allowed()

Write = Callable[[str | bytes], Path]


def faults_of(path: Path, allowed: Allowed = ON_AWS) -> list[str]:
    """The complaints, without the folder of the file."""
    with pytest.raises(SettingInvalid) as caught:
        read_clients_file(path, allowed)
    prefix = f"{path.parent}/"
    lines = str(caught.value).splitlines()
    assert all(line.startswith(prefix) for line in lines)
    return [line.removeprefix(prefix) for line in lines]


def replaced(old: str, new: str) -> str:
    """The right file with one thing changed."""
    assert RIGHT.count(old) == 1
    return RIGHT.replace(old, new)
