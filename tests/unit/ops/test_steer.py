"""The steering commands before they reach a deployment: one clear line for each thing that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.cli import main

UNREACHABLE = "postgresql://me:hunter2@127.0.0.1:1/sluice"
NEEDS_A_DEPLOYMENT = [
    ("pause", "acme"), ("pause", "*", "--until", "2h", "--why", "x"), ("resume", "acme"),
    ("cadence", "acme", "5m"), ("cadence", "acme", "--default"), ("switches",), ("audit",),
    ("audit", "list"), ("audit", "--verify"), ("audit", "verify"), ("audit", "verify", "--json"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No deployment and no AWS, whatever this machine has."""
    for name in ("DATABASE_URL", "SLUICE_STATE_TABLE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    config = tmp_path / "aws"
    config.write_text("[profile test]\n")
    monkeypatch.setenv("AWS_PROFILE", "test")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.chdir(tmp_path)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code is None or isinstance(caught.value.code, int)
    return caught.value.code or 0, *capsys.readouterr()


@pytest.mark.parametrize("words", NEEDS_A_DEPLOYMENT, ids=" ".join)
def test_no_deployment_is_one_line_that_says_how_to_get_one(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    code, out, err = run(capsys, *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: no deployment found: no embedded stack is up")


def test_an_unreachable_database_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something failed, and trying again may help: 1. The password is in no message."""
    monkeypatch.setenv("SLUICE_STATE_TABLE", "state")
    monkeypatch.setenv("DATABASE_URL", UNREACHABLE)
    code, out, err = run(capsys, "audit")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("error: database: connection failed: ")
    assert "hunter2" not in err


def test_a_deployment_without_a_table_of_switches_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One deployed before there were any."""
    monkeypatch.setenv("SLUICE_STATE_TABLE", "state")
    for words in (("switches",), ("pause", "acme")):
        code, _, err = run(capsys, *words)
        assert code == 2
        assert "does not say its SLUICE_LIMITS_TABLE" in err
        assert "deploy template.yaml again" in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("pause", "acme", "--until", "2"), "--until '2': write a number and its unit, such as 90s"),
        (("pause", "acme", "--until", "tomorrow"), "--until 'tomorrow': write a number and its unit"),
        (("cadence", "acme", "often"), "cadence 'often': write a number and its unit"),
        (("cadence", "acme"), "say how often, such as 5m, or --default; one of them"),
        (("cadence", "acme", "5m", "--default"), "say how often, such as 5m, or --default"),
    ],
    ids=str,
)  # fmt: skip
def test_a_wrong_word_is_told_before_any_deployment_is_looked_for(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    code, out, err = run(capsys, *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"error: {told}")


@pytest.mark.parametrize(
    "words", [("pause",), ("resume",), ("cadence",), ("audit", "--limit", "0"), ("pause", "a", "b")],
    ids=" ".join,
)  # fmt: skip
def test_a_wrong_command_line_exits_with_2(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    """A bare asterisk is the last of these: the shell makes names of files of it."""
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert "Usage: sluice" in err
