"""`python -m tests.mutation`: break the engine in every small way, and see that a test notices.

Every mutant of the core and of the use cases is tried. Ends with an error when one survives that `survivors/` does
not explain. Names of files or functions limit it to those (`run_slice`, `_hand_on`), names of the core's rooms to
their files (`desk`). The report is written by a full run only.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.report import Report, Survivors, write_report
from tests.mutation.session import Judged, Progress, RunnerFailed, Session, Verdict, copy_of
from tests.mutation.trial import Suite

PROJECT = Path(__file__).parents[2]
MUTATED = ("shared/sluice/usecases", "shared/sluice/core")
DECLARATIONS = (
    "shared/sluice/core/ports.py",
    "shared/sluice/core/fault_points.py",
)
TESTS = (
    "tests/unit/core",
    "tests/unit/usecases",
    "tests/unit/webhooks",
    "tests/model/test_against_the_engine.py",
    "tests/simulation/test_seeds.py::test_no_seed_breaks_anything[0]",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("only", nargs="*", help="files or functions")
    parser.add_argument("--jobs", type=int, default=min(os.cpu_count() or 1, 8))
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return _run(options.only, options.jobs)
    except RunnerFailed as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        return 130


def _run(only: Sequence[str], jobs: int) -> int:
    survivors = Survivors.read(Path(__file__).with_name("survivors"))
    with copy_of(PROJECT) as copy:
        mutants = [mutant for mutant in _mutants(copy, only) if _is_wanted(mutant, only)]
        if not mutants:
            raise RunnerFailed(
                f"nothing is called {', '.join(only)}: name files, rooms or functions"
            )
        progress, judged = Progress(len(mutants)), list[Judged]()
        tests = [test for test in TESTS if (copy / test.partition("::")[0]).exists()]
        for one in Session(Suite(copy, tests), jobs).judge(mutants):
            judged.append(one)
            if one.verdict is Verdict.SURVIVED and one.mutant.key not in survivors.explained:
                _say_survived(one.mutant)
            progress.note(one)
    report = Report(judged, survivors, complete=not only)
    if not only:
        page = PROJECT / "docs" / "results" / "mutants.md"
        write_report(report, page, tests, left_out=DECLARATIONS)
    return _say(report)


def _mutants(copy: Path, only: Sequence[str] = ()) -> list[Mutant]:
    files = [file for folder in MUTATED for file in sorted((copy / folder).rglob("*.py"))]
    names = {name.removesuffix(".py") for name in only}
    if only and names <= {name for file in files for name in _names_of(file)}:
        files = [file for file in files if names & _names_of(file)]
    named = [(str(file.relative_to(copy)), file) for file in files]
    return [
        mutant
        for name, file in named
        if name not in DECLARATIONS
        for mutant in mutants_of(name, file.read_text())
    ]


def _names_of(file: Path) -> set[str]:
    """Its own and its room's."""
    return {file.stem, file.parent.name} - {"core", "usecases"}


def _is_wanted(mutant: Mutant, only: Sequence[str]) -> bool:
    names = _names_of(Path(mutant.file)) | {mutant.function, mutant.function.rpartition(".")[2]}
    return not only or any(name.removesuffix(".py") in names for name in only)


def _say_survived(mutant: Mutant) -> None:
    print(  # noqa: T201
        f"SURVIVED {mutant.file}:{mutant.line} | {mutant.function} | {mutant.text}", flush=True
    )


def _say(report: Report) -> int:
    for entry in report.outdated:
        print(f"OUTDATED explanation: {entry}")  # noqa: T201
    killed = sum(one.verdict is not Verdict.SURVIVED for one in report.judged)
    explained = len(report.survived) - len(report.unexplained)
    print(  # noqa: T201
        f"{killed} of {len(report.judged)} mutants killed, {explained} survivors explained, "
        f"{len(report.unexplained)} not"
    )
    return 1 if report.unexplained or report.outdated else 0


if __name__ == "__main__":
    sys.exit(main())
