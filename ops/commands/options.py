"""Options that several subcommands have, checked before anything is begun."""

from __future__ import annotations

from pathlib import Path

from sluice.core.errors import SettingInvalid


def writable(path: Path | None) -> Path | None:
    """The file to write figures to; SettingInvalid at once, not after a run of minutes."""
    if path is None:
        return None
    if path.is_dir():
        raise SettingInvalid(f"--json {path}: that is a folder; name a file in it")
    if not path.parent.is_dir():
        raise SettingInvalid(f"--json {path}: there is no folder {path.parent}; make it first")
    return path
