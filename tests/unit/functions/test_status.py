"""The functions of the status page, as Lambda runs them."""

from __future__ import annotations

from tests.unit.functions.handlers import ScriptedAws, environment, run

WIDGET = {"widgetContext": {"dashboardName": "sluice", "accountId": "1", "forms": {"all": {}}}}


def test_the_widget_describes_itself_without_asking_anybody(aws: ScriptedAws) -> None:
    """CloudWatch asks so before somebody trusts it."""
    ran = run("status", {"describe": True}, environment(AWS_ENDPOINT_URL=aws.endpoint))
    assert "Sluice: status" in ran.answer["markdown"]
    assert ran.line("status_page")["view"] == "describe"
    assert aws.asked == []


def test_a_page_that_cannot_be_shown_is_a_page_all_the_same() -> None:
    """Nothing answers here: neither DynamoDB nor Secrets Manager."""
    ran = run(
        "status",
        {**WIDGET, "view": "run", "run": "0" * 8 + "-0000-4000-8000-" + "0" * 12},
        environment(),
    )
    assert ran.answer.startswith("<style>")
    assert "This page cannot be shown now" in ran.answer
    assert ran.line("status_page")["view"] == "trouble"


def test_a_press_that_cannot_be_read_is_refused_before_anything_is_asked(aws: ScriptedAws) -> None:
    ran = run("steer", {**WIDGET, "do": "sync"}, environment(AWS_ENDPOINT_URL=aws.endpoint))
    assert "key: say what to act on" in ran.answer
    assert (ran.line("acted")["outcome"], ran.line("acted")["action"]) == ("refused", "sync")
    assert aws.asked == []


def test_a_press_that_cannot_be_audited_does_nothing(aws: ScriptedAws) -> None:
    """Without the database there is no audit, so nothing is asked of a queue."""
    aws.will("GetSecretValue", {"__type": "ResourceNotFoundException"}, status=400)
    event = {**WIDGET, "do": "sync", "key": "acme#cars#cars"}
    ran = run("steer", event, environment(AWS_ENDPOINT_URL=aws.endpoint))
    assert "This was not done" in ran.answer
    assert aws.operations == ["GetSecretValue"]
