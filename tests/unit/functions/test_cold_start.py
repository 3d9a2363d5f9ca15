"""A function that is not told what it needs says so in one line that names the variable."""

from __future__ import annotations

import pytest

from sluice.core.errors import SettingInvalid
from sluice.settings import Settings
from tests.unit.functions.handlers import environment, record, run

REQUIRED = (
    "SLUICE_STAGE",
    "SLUICE_STATE_TABLE",
    "SLUICE_REGISTRY_TABLE",
    "SLUICE_LIMITS_TABLE",
    "SLUICE_QUEUE_URL",
    "SLUICE_BACKFILL_QUEUE_URL",
)
MESSAGE = {"client_id": "acme", "source": "cars", "stream": "cars", "reason": "schedule"}


@pytest.mark.parametrize("missing", REQUIRED)
def test_a_missing_variable_is_named(missing: str) -> None:
    with pytest.raises(
        SettingInvalid, match=rf"^environment: {missing}: field required\. .*again$"
    ):
        Settings.read(environment(**{missing: None}))


@pytest.mark.parametrize("empty", REQUIRED)
def test_an_empty_variable_is_as_good_as_none(empty: str) -> None:
    """CloudFormation sets a parameter left empty to the empty text."""
    with pytest.raises(SettingInvalid, match=rf"^environment: {empty}: "):
        Settings.read(environment(**{empty: ""}))


def test_every_wrong_variable_is_named_at_once() -> None:
    """In one line, without the values: somebody may have put a secret there by mistake."""
    wrong = environment(SLUICE_STAGE="hunter2", SLUICE_QUEUE_URL=None)
    with pytest.raises(SettingInvalid) as raised:
        Settings.read(wrong)
    said = str(raised.value)
    assert "SLUICE_STAGE" in said
    assert "SLUICE_QUEUE_URL" in said
    assert "hunter2" not in said
    assert "\n" not in said


def test_how_many_slices_a_client_may_run_is_a_number_above_none() -> None:
    """Two unless said otherwise. None at all would stop everybody without a word."""
    name = "SLUICE_SLICES_PER_CLIENT"
    assert Settings.read(environment()).slices_per_client == 2
    assert Settings.read(environment(**{name: "5"})).slices_per_client == 5
    for wrong in ("0", "many"):
        with pytest.raises(SettingInvalid, match=rf"^environment: {name}: "):
            Settings.read(environment(**{name: wrong}))


def test_history_is_kept_for_a_week_at_least() -> None:
    """The database refuses less, so a deployment that asked for less would fail at each cleanup."""
    name = "SLUICE_HISTORY_DAYS"
    assert Settings.read(environment()).history_days == 90
    assert Settings.read(environment(**{name: "7"})).history_days == 7
    for wrong in ("6", "0", "for ever"):
        with pytest.raises(SettingInvalid, match=rf"^environment: {name}: "):
            Settings.read(environment(**{name: wrong}))


@pytest.mark.parametrize(
    ("function", "missing"),
    [
        ("dispatcher", "SLUICE_REGISTRY_TABLE"),
        ("cleanup", "SLUICE_STAGE"),
        ("cleanup", "SLUICE_DATABASE_SECRET"),
        ("migrate", "SLUICE_MIGRATION_DATABASE_SECRET"),
    ],
)
def test_a_handler_that_lacks_a_variable_raises(function: str, missing: str) -> None:
    """So that Lambda counts an error; the last line of its trace says what to do."""
    ran = run(function, {}, environment(**{missing: None}))
    assert ran.answer is None
    assert ran.error.startswith("sluice.core.errors.SettingInvalid: ")
    assert missing in ran.error
    assert ran.error.endswith("deploy it again") or ran.error.endswith("deploy template.yaml again")


@pytest.mark.parametrize("missing", ["SLUICE_STATE_TABLE", "SLUICE_DATABASE_SECRET"])
def test_the_worker_gives_the_message_back_and_says_why(missing: str) -> None:
    """A message is not lost to a bad deploy: it waits in the queue, or as a dead letter."""
    event = {"Records": [record("1", MESSAGE)]}
    ran = run("worker", event, environment(**{missing: None}))
    assert ran.answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    line = ran.line("slice_failed")
    assert line["exception_name"] == "SettingInvalid"
    assert missing in line["exception"]
