"""A result names the commit that it is of: results recorded since are no difference, anything else is."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests import provenance


def test_only_other_results_may_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = tmp_path / "docs" / "results"
    results.mkdir(parents=True)
    result, code = results / "faults.md", tmp_path / "code.py"
    for each in (result, code):
        each.write_text("before")

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)
        return done.stdout.decode().strip()

    git("init", "--quiet")
    git("add", ".")
    git("-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "--quiet", "-m", "first")
    monkeypatch.setattr(provenance, "PROJECT", tmp_path)
    monkeypatch.setattr(provenance, "RESULTS", results)
    name = git("describe", "--always")
    result.write_text("after")
    assert provenance.commit() == name
    code.write_text("after")
    assert provenance.commit() == f"{name}-dirty"
