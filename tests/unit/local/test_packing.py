"""Layers are packed once for each build, with everything that is in them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from local.packing import pack_layers

TEMPLATE = """\
Resources:
  CodeLayer:
    Properties:
      ContentUri: CodeLayer
  WorkerFunction:
    Properties:
      CodeUri: WorkerFunction
"""


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A build as `sam build` leaves it: a layer with a program in a folder, and a function."""
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    inside = tmp_path / "CodeLayer" / "python" / "sluice"
    inside.mkdir(parents=True)
    (inside / "program").write_text("#!/bin/sh\n")
    (inside / "program").chmod(0o755)
    return tmp_path


def test_a_layer_is_packed_whole_and_named_in_the_template(built: Path) -> None:
    """With the rights of its files; what is no layer stays as it is."""
    pack_layers(built)
    text = (built / "template.yaml").read_text()
    assert "ContentUri: CodeLayer.zip\n" in text
    assert "CodeUri: WorkerFunction\n" in text
    with zipfile.ZipFile(built / "CodeLayer.zip") as packed:
        (inside,) = packed.infolist()
        assert packed.read(inside) == b"#!/bin/sh\n"
    assert inside.filename == "python/sluice/program"
    assert inside.external_attr >> 16 & 0o777 == 0o755


def test_a_build_that_is_packed_already_stays_so(built: Path) -> None:
    pack_layers(built)
    before = (built / "CodeLayer.zip").stat().st_mtime_ns
    pack_layers(built)
    assert (built / "CodeLayer.zip").stat().st_mtime_ns == before
    assert "CodeLayer.zip.zip" not in (built / "template.yaml").read_text()
