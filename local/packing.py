"""Layers packed once for each build. `sam deploy` would pack them anew for every stack, which takes seconds."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

_LAYER = re.compile(r"^(\s+ContentUri: )(\w+)$", re.MULTILINE)
_QUICK = 1


def pack_layers(built: Path) -> None:
    """Pack each layer of a build beside its folder, and name the archive in the built template: `sam deploy`
    uploads an archive as it is."""
    template = built / "template.yaml"
    text = template.read_text(encoding="utf-8")
    for _, layer in _LAYER.findall(text):
        _pack(built / layer, built / f"{layer}.zip")
    template.write_text(_LAYER.sub(r"\1\2.zip", text), encoding="utf-8")


def _pack(folder: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=_QUICK) as packed:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                packed.write(path, path.relative_to(folder))
