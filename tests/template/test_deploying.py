"""`make deploy` before it reaches AWS, what SAM is told, and where packages may come from."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from local.pgbouncer import POOL_SIZE
from local.places import PROJECT
from tests.template.reading import read

BOTH = ("DATABASE_SECRET_ARN=arn:app", "MIGRATION_DATABASE_SECRET_ARN=arn:owner")
REGISTRY = re.compile(
    r"https?://|(?<!no-emit-)index-url|find-links|trusted-host|registry=", re.IGNORECASE
)

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@needs_make
@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((), "give DATABASE_SECRET_ARN="),
        (BOTH[:1], "give MIGRATION_DATABASE_SECRET_ARN="),
        (BOTH[1:], "give DATABASE_SECRET_ARN="),
        ((BOTH[0], "MIGRATION_DATABASE_SECRET_ARN=arn:app"), "give two secrets"),
        ((*BOTH, "PYTHON=no-such-python"), "cannot read migrations/"),
    ],
)
def test_a_deploy_without_what_it_needs_says_so(given: tuple[str, ...], says: str) -> None:
    """Exit code 2, one line that names the variable, and nothing was built or sent."""
    done = _make("deploy", *given)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert [line for line in lines if line.startswith(says)]
    assert "sam" not in done.stdout


@needs_make
def test_a_deploy_hands_on_what_it_was_given() -> None:
    """Parameters with spaces arrive whole; those not given are left out, so that they stay as they are."""
    given = (
        "DISPATCH_RATE=rate(2 minutes)",
        "ALARM_TOPIC_ARN=arn:topic",
        "POOL_SIZE=30",
        "DEPLOY_ARGS=--no-execute-changeset",
    )
    last = _make("--dry-run", "deploy", *BOTH, *given).stdout.splitlines()[-1]
    words = shlex.split(last)
    parameters = dict(
        word.split("=", 1) for word in words[words.index("--parameter-overrides") + 1 :]
    )
    digest = parameters.pop("MigrationsDigest")
    assert re.fullmatch(r"[0-9a-f]{16}", digest)
    assert parameters == {
        "Stage": "prod",
        "DatabaseSecretArn": "arn:app",
        "MigrationDatabaseSecretArn": "arn:owner",
        "DispatchRate": '"rate(2 minutes)"',
        "AlarmTopicArn": "arn:topic",
        "PoolSize": "30",
    }
    assert "--no-execute-changeset" in words
    assert words[words.index("--config-env") + 1] == "prod"


@needs_make
def test_every_parameter_can_be_given_to_a_deploy() -> None:
    """A parameter of the template that `make deploy` cannot set would be one for experts only."""
    template = (PROJECT / "template.yaml").read_text(encoding="utf-8")
    section = template[template.index("Parameters:") : template.index("\nRules:")]
    names = re.findall(r"^  (\w+):$", section, re.MULTILINE)
    assert len(names) > 5
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    assert [name for name in names if f"{name}=" not in makefile] == []


def test_operators_read_of_the_workers_that_there_are() -> None:
    """docs/deploying.md has the template's table of pool sizes and workers, as it is; and the size of the
    embedded stack's pool is among them."""
    workers = read().raw["Mappings"]["Workers"]
    page = (PROJECT / "docs/deploying.md").read_text(encoding="utf-8")
    for name, row in {
        "`POOL_SIZE`": list(workers),
        "workers for slices": [count["Slices"] for count in workers.values()],
        "workers for backfills": [count["Backfills"] for count in workers.values()],
        "appliers of pushes": [count["Pushes"] for count in workers.values()],
    }.items():
        assert f"\n| {name} | {' | '.join(map(str, row))} |\n" in page
    assert str(POOL_SIZE) in workers


@pytest.fixture(scope="module")
def samconfig() -> dict[str, Any]:
    return tomllib.loads((PROJECT / "samconfig.toml").read_text(encoding="utf-8"))


def test_sam_knows_both_places(samconfig: dict[str, Any]) -> None:
    """How to build and deploy, for the embedded stack and for AWS; nothing for a third place."""
    assert set(samconfig) == {"version", "local", "prod"}
    for place in ("local", "prod"):
        assert set(samconfig[place]) == {"build", "deploy"}


def test_a_deploy_to_aws_asks_and_the_embedded_one_does_not(samconfig: dict[str, Any]) -> None:
    local, prod = (samconfig[place]["deploy"]["parameters"] for place in ("local", "prod"))
    assert prod["confirm_changeset"] is True
    assert local["confirm_changeset"] is False


def test_where_artefacts_go(samconfig: dict[str, Any]) -> None:
    """SAM's own bucket in AWS, the embedded stack's there; region and credentials for AWS come from the
    environment, so that a deploy cannot end in an account that somebody wrote down here."""
    local, prod = (samconfig[place]["deploy"]["parameters"] for place in ("local", "prod"))
    assert prod["resolve_s3"] is True
    assert not {"region", "profile", "s3_bucket"} & set(prod)
    assert local["s3_bucket"] == "sluice-artifacts"


def test_no_change_is_no_failure(samconfig: dict[str, Any]) -> None:
    """A pipeline deploys what is there already without an error."""
    for place in ("local", "prod"):
        parameters = samconfig[place]["deploy"]["parameters"]
        assert parameters["fail_on_empty_changeset"] is False
        assert "CAPABILITY_NAMED_IAM" in parameters["capabilities"]


def test_the_embedded_build_shares_no_cache_with_the_one_for_aws(samconfig: dict[str, Any]) -> None:
    """SAM's cache does not know for which machine a layer was built."""
    assert samconfig["local"]["build"]["parameters"]["cached"] is False


def _packaging() -> list[Path]:
    folders = ("requirements", "layers", "migrations", "shared", "functions")
    names = ("*.in", "*.txt", "Makefile", "*.toml", "*.cfg")
    found = {p for folder in folders for name in names for p in (PROJECT / folder).rglob(name)}
    return sorted(found | {PROJECT / "Makefile", PROJECT / "pyproject.toml"})


@pytest.mark.parametrize("path", _packaging(), ids=lambda p: str(p.relative_to(PROJECT)))
def test_no_file_says_where_packages_come_from(path: Path) -> None:
    """That is the machine's own matter; what comes is checked by its hash."""
    assert REGISTRY.findall(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "path",
    [p for p in _packaging() if p.name.endswith(".txt")],
    ids=lambda p: str(p.relative_to(PROJECT)),
)
def test_each_locked_package_has_its_hashes(path: Path) -> None:
    """A name without a hash would be installed as whatever it is that day."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    pinned = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    assert pinned
    assert [line for line in pinned if "==" not in line or "--hash=sha256:" not in line] == []


def _make(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", *words],
        cwd=PROJECT,
        env={"PATH": os.environ.get("PATH", "")},
        capture_output=True,
        text=True,
        check=False,
    )
