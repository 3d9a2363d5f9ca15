"""The status page on the deployed stack: drawn by its function under its own role, and acted on under another."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx

from sluice.core.keys import StreamKey
from tests.e2e.deployed import Deployed, api_key, until

WIDGET = {"dashboardName": "sluice", "accountId": "000000000001", "theme": "dark"}


def page(deployed: Deployed, **parameters: Any) -> str:
    """What the widget shows."""
    shown = deployed.invoke("status", {**parameters, "widgetContext": WIDGET})
    assert isinstance(shown, str)
    return shown


def press(deployed: Deployed, do: str, why: str = "a test", **parameters: Any) -> str:
    """What a button's dialog shows."""
    context = {**WIDGET, "forms": {"all": {"why": why}}}
    shown = deployed.invoke("steer", {"do": do, **parameters, "widgetContext": context})
    assert isinstance(shown, str)
    return shown


def newest_audit(deployed: Deployed) -> dict[str, Any]:
    row = deployed.database.execute(
        "SELECT * FROM sluice.audit ORDER BY number DESC LIMIT 1"
    ).fetchone()
    assert row is not None
    return row


def loaded(deployed: Deployed, client_id: str) -> tuple[StreamKey, dict[str, Any]]:
    key = deployed.add_client(client_id, cars=300)
    since = deployed.sync(key)
    run = deployed.run_of(key, since)
    assert run["outcome"] == "completed"
    return key, run


def test_the_page_shows_clients_streams_and_runs(deployed: Deployed) -> None:
    """From the whole to one run's slices, by what each page's buttons say. No part of it is missing."""
    key, run = loaded(deployed, "looked-at")
    whole = page(deployed, client="looked-at")
    assert "looked-at" in whole
    assert "Could not be asked" not in whole
    stream = page(deployed, view="stream", key=str(key))
    assert str(run["run_id"]) in stream
    assert "Sync now" in stream
    one = page(deployed, view="run", run=str(run["run_id"]))
    assert "reading" in one
    assert "/api/cars" in one
    assert "Sluice: status" in deployed.invoke("status", {"describe": True})["markdown"]


def test_buttons_act_under_a_role_of_their_own(deployed: Deployed) -> None:
    """A sync runs; a pause holds and lifts; each is in the audit with why, and how to find who."""
    key, _ = loaded(deployed, "pressed")
    began = datetime.now(UTC)
    assert "A full sync of" in press(deployed, "full-sync", key=str(key), why="to see")
    run = deployed.run_of(key, began)
    assert (run["reason"], run["outcome"]) == ("backfill", "completed")
    row = newest_audit(deployed)
    assert (row["action"], row["scope"], row["why"]) == ("full-sync", str(key), "to see")
    assert row["actor"].startswith("console: sluice of account 000000000001, request ")
    assert "is paused" in press(deployed, "pause", scope=str(key))
    until(lambda: "paused" in page(deployed, view="stream", key=str(key)), "the pause shows", 30)
    assert "resume it first" in press(deployed, "sync", key=str(key))
    assert "is resumed" in press(deployed, "resume", scope=str(key))
    assert newest_audit(deployed)["action"] == "resume"
    assert "A redrive of" in press(deployed, "redrive", key=str(key))


def test_what_a_run_removed_comes_back_by_a_button(deployed: Deployed) -> None:
    key, _ = loaded(deployed, "undone")
    deployed.vendor.mutate(api_key(key.client_id), remove=4)
    since = deployed.sync(key)
    run = deployed.run_of(key, since)
    assert run["deleted"] == 4
    assert "Undo its removals" in page(deployed, view="run", run=str(run["run_id"]))
    said = press(
        deployed, "undo-reconcile", run=str(run["run_id"]), key=str(key), why="vendor was wrong"
    )
    assert f"4 row(s) of {key} came back" in said
    gone = deployed.database.execute(
        "SELECT count(*) AS n FROM cars WHERE client_id = %s AND deleted_at IS NOT NULL",
        (key.client_id,),
    ).fetchone()
    assert gone == {"n": 0}
    row = newest_audit(deployed)
    assert (row["action"], row["scope"], row["why"]) == (
        "undo reconcile",
        str(key),
        "vendor was wrong",
    )


def test_the_local_console_invokes_the_deployed_functions(deployed: Deployed) -> None:
    """And nothing else; nor does another site's page reach them through it."""
    loaded(deployed, "consoled")
    base = deployed.names["CONSOLE_URL"]
    with httpx.Client(base_url=base, timeout=60) as client:
        assert "/static/widget.js" in client.get("/").text
        assert client.get("/static/widget.js").status_code == 200
        event = {"client": "consoled", "widgetContext": WIDGET}
        answer = client.post("/widget", json={"endpoint": "status", "event": event}).json()
        assert "consoled" in answer["answer"]
        other = client.post(
            "/widget", json={"endpoint": deployed.names["SLUICE_WORKER_FUNCTION"], "event": {}}
        )
        assert other.status_code == 403
        asked = {"endpoint": "status", "event": {}}
        foreign = client.post("/widget", json=asked, headers={"Origin": "https://example.com"})
        assert foreign.status_code == 403
        rebound = client.post("/widget", json=asked, headers={"Host": "evil.example"})
        assert rebound.status_code == 403
        plain = client.post(
            "/widget",
            content='{"endpoint":"status","event":{}}',
            headers={"Content-Type": "text/plain"},
        )
        assert plain.status_code == 415
