"""What `make build` makes for AWS, and how to look at it without running it."""

from __future__ import annotations

import hashlib
import os
import re
import struct
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from local.places import PROJECT

AARCH64 = 183
"""e_machine of an ELF file for 64-bit ARM."""


def build(folder: Path) -> Path:
    """Build for AWS as `make build` does, but into ``folder``; returns where the artefacts are."""
    sam = PROJECT / ".sluice/tools/sam/bin/sam"
    target = str(folder / "build")
    words = [str(sam), "build", "--config-env", "prod", "--build-dir", target, "--no-cached"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        words,
        cwd=PROJECT,
        env=kept
        | {
            "SLUICE_BUILD_TARGET": "lambda",
            "SLUICE_UV": str(PROJECT / ".venv/bin/uv"),
            "SAM_CLI_TELEMETRY": "0",
            "__SAM_CLI_APP_DIR": str(folder / "sam"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise AssertionError(f"sam build failed:\n{done.stderr[-3000:]}")
    return folder / "build"


def foreign_modules(folder: Path) -> list[str]:
    """Native files that a Lambda on arm64 cannot load."""
    return [
        f"{path.relative_to(folder)} is for machine {machine}"
        for path, machine in native_modules(folder).items()
        if machine != AARCH64
    ]


def native_modules(folder: Path) -> Mapping[Path, int]:
    """Every ELF file and the machine that it is for; -1 for what is not 64-bit little-endian."""
    return {path: _machine(header) for path, header in _headers(folder) if header[:4] == b"\x7fELF"}


def distributions(folder: Path) -> Mapping[str, str]:
    """Python distributions in a layer, and their versions."""
    found = (path.name.removesuffix(".dist-info") for path in folder.rglob("*.dist-info"))
    return {normal(name): version for name, version in (text.rsplit("-", 1) for text in found)}


def locked(lock: Path) -> Mapping[str, str]:
    """What a lock file names, and the versions."""
    lines = re.findall(
        r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)", lock.read_text(), re.MULTILINE
    )
    return {normal(name): version for name, version in lines}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def size_mb(folder: Path) -> float:
    """As unpacked: what AWS counts against its limit."""
    return sum(path.stat().st_size for path in _files(folder)) / 1_000_000


def mentions(folder: Path, text: str) -> list[str]:
    """Files that hold ``text``."""
    wanted = text.encode()
    return [str(path.relative_to(folder)) for path in _files(folder) if wanted in path.read_bytes()]


def digests(folder: Path) -> Mapping[str, str]:
    """Content of every file, by path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in _files(folder)
    }


def _machine(header: bytes) -> int:
    wide, little = header[4] == 2, header[5] == 1
    return int(struct.unpack_from("<H", header, 18)[0]) if wide and little else -1


def _headers(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in _files(folder):
        with path.open("rb") as file:
            yield path, file.read(20)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())
