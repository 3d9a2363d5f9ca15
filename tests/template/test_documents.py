"""Pages say what is so: every command that they show exists, with options that it has; so does every name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from local.places import PROJECT
from tests.template.commands import Shown, fault, shown_in
from tests.template.named import unknown_names

RUNBOOKS = sorted((PROJECT / "docs/runbooks").glob("*.md"))
PAGES = [
    PROJECT / "README.md",
    PROJECT / "CONTRIBUTING.md",
    *(path for path in sorted((PROJECT / "docs").glob("*.md")) if path.name != "commands.md"),
    *RUNBOOKS,
]
"""What commands.md shows, the command's own tests hold against it."""

OF_OPERATORS = ("alarms", "diagnosing", "embedded-stack", "health", "operating", "status-page")
NAMING = [*(PROJECT / f"docs/{name}.md" for name in OF_OPERATORS), *RUNBOOKS]
"""Pages that whoever is on call follows to the letter."""

COMMANDS = shown_in(PAGES)
MENDED = re.compile(r"^Over when .+\.$|^Over when .+\n.+\.$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#:]+)\)")
CITED = re.compile(r'`(docs/[\w/.-]+)`, "([^"]+)"')


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_a_shown_command_would_be_understood(command: Shown) -> None:
    """`sluice` is asked itself, `make` by its Makefile, `aws` by the SDK's model of the service."""
    assert fault(command) is None


def test_commands_are_found_at_all() -> None:
    """Of each program, in each runbook."""
    assert {command.words[0] for command in COMMANDS} == {"aws", "git", "make", "sluice"}
    assert {command.document for command in COMMANDS} >= {path.name for path in RUNBOOKS}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sluice syncs acme", "syncs"),
        ("sluice runs --customer acme", "--customer"),
        ("sluice clients applies", "applies"),
        ("make deployment", "deployment"),
        ("make deploy DATABASE_SECRET=x", "DATABASE_SECRET"),
        ("aws sqs start-moving --source-arn x", "start-moving"),
        ("aws sqs start-message-move-task --source x", "source"),
        ("aws sqs start-message-move-task", "lacks"),
        ("aws sqqs purge-queue", "sqqs"),
        ("aws logs tail group --from 1h", "from"),
        ("aws sqs purge-queue --queue-url x --no-queue-url", "no-queue-url"),
        ("aws sqs purge-queue x --queue-url y", "words of no option"),
    ],
)
def test_a_wrong_command_would_be_noticed(text: str, says: str) -> None:
    """The looking itself is tried."""
    found = fault(Shown("here", tuple(text.split())))
    assert found is not None
    assert says in found


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("Look: `sluice clients show\n   acme`, then on.", ["sluice clients show acme"]),
        ("1. So:\n\n   ```\n   make deploy \\\n     STAGE=x\n   ```\n", ["make deploy STAGE=x"]),
        ("`sluice status | head` and `sluice up && sluice runs`", ["sluice status", "sluice up", "sluice runs"]),
        ("`sluice run show $(sluice runs --json | jq '.[0](x)')`", ["sluice run show x", "sluice runs --json"]),
        ("```\nsluice doctor    what is wrong\n```\n", ["sluice doctor"]),
        ("An odd ` here.\n\nThen `sluice up`.", ["sluice up"]),
        ("`A=1 sluice demo --keep`", ["sluice demo --keep"]),
    ],
)  # fmt: skip
def test_commands_are_found_wherever_they_stand(
    tmp_path: Path, text: str, commands: list[str]
) -> None:
    """Across wrapped lines, in fences, joined with others, and within them."""
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    assert {" ".join(shown.words) for shown in shown_in([page])} == set(commands)


def test_a_command_that_a_line_wraps_is_tried(tmp_path: Path) -> None:
    """As it once stood in a runbook: `clients show` takes no client."""
    page = tmp_path / "page.md"
    page.write_text("with the vendor: `sluice clients show\n   <client>`.", encoding="utf-8")
    [shown] = shown_in([page])
    assert "unexpected extra argument" in str(fault(shown))


def test_a_page_may_leave_out_what_a_command_needs() -> None:
    """It names the command; who gives it too much or the wrong thing is told all the same."""
    assert fault(Shown("here", ("sluice", "undo"))) is None
    assert fault(Shown("here", ("sluice", "--stack", "x", "..."))) is None
    assert fault(Shown("here", ("sluice", "runs", "--limit", "few"))) is not None


@pytest.mark.parametrize("path", NAMING, ids=lambda path: path.stem)
def test_what_is_named_is_there(path: Path) -> None:
    """Settings, variables, log lines, errors, metrics, functions and widgets."""
    assert list(unknown_names(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a larger `POOL_SIZES`", "POOL_SIZES: no variable"),
        ("```\nCARZ=2000 sluice demo\n```", "CARZ: no variable"),
        ("lower `slice_row`", "slice_row: no field or setting"),
        ("`outcome` in the clients\nfile", "outcome: no setting of the clients file"),
        ("`watch.fresh` of the file", "watch.fresh: no setting of watch"),
        ("`watch: {fresh_in: 1h}`", "watch.fresh_in: no setting"),
        ("its `slices` line", "slices: no line of a log"),
        ("the line `slice_broke` says it", "slice_broke: no line of a log"),
        ("`aws logs tail x\n  --filter-pattern slice_fails`", "slice_fails: no word in a log"),
        ('`aws logs tail x --filter-pattern "?ERROR ?Tasks"`', "Tasks: no word in a log"),
        ("`aws logs tail /aws/lambda/sluice-workers`", "workers: no function"),
        ("`aws lambda invoke --function-name sluice-cleaner a.json`", "cleaner: no function"),
        ("`SettingBroken`: mend it", "SettingBroken: no error or metric"),
        ('the dashboard\'s "Memory of all"', "Memory of all: no widget of the dashboard"),
    ],
)
def test_a_wrong_name_would_be_noticed(text: str, says: str) -> None:
    """One of each kind, as a page would have it."""
    assert says in list(unknown_names(text))


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_a_runbook_says_what_to_do_and_when_it_is_over(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"# Alarm: {path.stem}\n")
    assert re.search(r"^1\. ", text, re.MULTILINE)
    assert MENDED.search(text)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    """To a file that is there, and to a heading that it has."""
    text = path.read_text(encoding="utf-8")
    assert [link for link in LINK.findall(text) if not (path.parent / link).exists()] == []
    cited = CITED.findall(text)
    pages = {page: (PROJECT / page).read_text(encoding="utf-8") for page, _ in cited}
    assert [heading for page, heading in cited if f"\n## {heading}\n" not in pages[page]] == []
