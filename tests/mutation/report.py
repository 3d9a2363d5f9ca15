"""What is known of survivors, and the page that says how a run went."""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.mutation.session import Judged, Verdict

KINDS = {
    "equivalent": "nothing that the program does is different",
    "text": "only words for people differ",
    "redundant": "another guard, which is named, does the same work",
    "policy": "a number that could as well be another one",
}
Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Explanation:
    kind: str
    why: str


@dataclass(frozen=True, slots=True)
class Survivors:
    """Why mutants survive, by file, function and text: the folder ``survivors``, kept by hand, a file for each room."""

    explained: dict[Key, Explanation]

    @classmethod
    def read(cls, folder: Path) -> Survivors:
        explained: dict[Key, Explanation] = {}
        for file in sorted(folder.glob("*.toml")):
            for key, explanation in _explanations(file):
                if key in explained:
                    raise ValueError(f"{file}: explained twice: {key}")
                explained[key] = explanation
        return cls(explained)


def _explanations(file: Path) -> Iterable[tuple[Key, Explanation]]:
    for entry in tomllib.loads(file.read_text()).get("survivor", []):
        if entry["kind"] not in KINDS:
            raise ValueError(f"{file}: kind {entry['kind']!r}: use one of {sorted(KINDS)}")
        for text in entry["mutants"]:
            key = (f"shared/sluice/{entry['file']}", entry["function"], text)
            yield key, Explanation(entry["kind"], entry["why"])


@dataclass(frozen=True, slots=True)
class Report:
    """A run's verdicts beside what is known of survivors. ``complete``: every mutant was tried."""

    judged: Sequence[Judged]
    survivors: Survivors
    complete: bool = False

    @property
    def survived(self) -> list[Judged]:
        alive = [one for one in self.judged if one.verdict is Verdict.SURVIVED]
        return sorted(alive, key=lambda one: (one.mutant.file, one.mutant.line, one.mutant.text))

    @property
    def unexplained(self) -> list[Judged]:
        return [one for one in self.survived if one.mutant.key not in self.survivors.explained]

    @property
    def outdated(self) -> list[str]:
        """Explanations of what is killed by now, or is no mutant of a function that was tried; of a complete
        run also those of functions that are there no more."""
        tried = {one.mutant.key[:2] for one in self.judged}
        alive = {one.mutant.key for one in self.survived}
        known = self.survivors.explained
        asked = [key for key in known if self.complete or key[:2] in tried]
        return [" | ".join(key) for key in asked if key not in alive]

    def kind_of(self, one: Judged) -> str:
        explanation = self.survivors.explained.get(one.mutant.key)
        return explanation.kind if explanation else "not explained"


def write_report(report: Report, file: Path, tests: Sequence[str], left_out: Sequence[str]) -> None:
    """``left_out``: files that were not broken."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(_page(report, file.parent, tests, left_out)) + "\n")


def _page(
    report: Report, folder: Path, tests: Sequence[str], left_out: Sequence[str]
) -> Iterable[str]:
    yield from (
        "# Mutants: the engine broken in every small way",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, commit {_commit(folder)}, `make mutants`. Each mutant is the engine with"
        " one small fault: a comparison, a",
        "connective, a constant, a call or a handler left out, arguments mixed up... It is killed when a test fails of",
        f"{', '.join(f'`{test}`' for test in tests)}"
        " (of these, the tests that call the function it lies in).",
        f"Not broken, since they declare and do nothing: {', '.join(f'`{file}`' for file in left_out)}.",
        "The score is killed / (mutants - equivalent ones). Who survives is explained below, or the command fails.",
        "",
        "| file | mutants | killed | by time | survived | equivalent | score |",
        "|---|---:|---:|---:|---:|---:|---:|",
    )
    for file in sorted({one.mutant.file for one in report.judged}):
        yield _row(report, file, file)
    yield _row(report, "shared/sluice/core/", "**core**")
    yield _row(report, "shared/sluice/usecases/", "**use cases**")
    yield from ("", "## Survivors", "")
    yield from (f"- **{kind}**: {meaning}" for kind, meaning in KINDS.items())
    yield from _survivors(report)


def _row(report: Report, prefix: str, name: str) -> str:
    of_file = [one for one in report.judged if one.mutant.file.startswith(prefix)]
    killed = sum(one.verdict is not Verdict.SURVIVED for one in of_file)
    by_time = sum(one.verdict is Verdict.TIMEOUT for one in of_file)
    survived = [one for one in of_file if one.verdict is Verdict.SURVIVED]
    equivalent = sum(report.kind_of(one) == "equivalent" for one in survived)
    can_die = len(of_file) - equivalent
    score = f"{killed / can_die:.1%}" if can_die else "none can die"
    name = name.removeprefix("shared/sluice/")
    figures = f"{len(of_file)} | {killed} | {by_time} | {len(survived)} | {equivalent}"
    return f"| {name} | {figures} | {score} |"


def _survivors(report: Report) -> Iterable[str]:
    """One row per reason: the mutants that it explains, in the order of the file."""
    rows: dict[tuple[str, str, str, str], list[str]] = {}
    for one in report.survived:
        explanation = report.survivors.explained.get(one.mutant.key)
        why = explanation.why if explanation else ""
        at = (one.mutant.file, one.mutant.function, report.kind_of(one), why)
        rows.setdefault(at, []).append(_as_code(one.mutant.text))
    yield from ("", "| where | mutants | kind | why |", "|---|---|---|---|")
    for (file, function, kind, why), texts in rows.items():
        where = f"{file.removeprefix('shared/sluice/')} `{function}`"
        yield f"| {where} | {'<br>'.join(texts)} | {kind} | {why} |"


def _as_code(text: str) -> str:
    return f"`{text.replace('|', chr(92) + '|')}`"


def _commit(folder: Path) -> str:
    """The commit, and whether the engine or its tests were changed since."""
    head = _git(folder, "rev-parse", "--short", "HEAD") or "unknown"
    changed = _git(folder, "status", "--porcelain", "--", ":/shared", ":/tests")
    return f"{head} with changes" if changed else head


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout.strip()
