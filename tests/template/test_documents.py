"""Every command in the pages for operators is one that exists, with options that it has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from local.places import PROJECT
from tests.template.commands import Shown, fault, shown_in

RUNBOOKS = sorted((PROJECT / "docs/runbooks").glob("*.md"))
PAGES = [
    PROJECT / "README.md",
    PROJECT / "CONTRIBUTING.md",
    PROJECT / "docs/deploying.md",
    PROJECT / "docs/diagnosing.md",
    PROJECT / "docs/steering.md",
    *RUNBOOKS,
]
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
