"""Vendor accounts as people and programs read them, and the command before it reaches a deployment."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from ops.accounts import VendorAccount
from ops.cli import main
from ops.show_accounts import (
    account_sheet,
    accounts_json,
    cleared_lines,
    nothing_lines,
    state_text,
)
from sluice.core.limits.accounts import AccountPage, Stopped
from sluice.core.limits.breaker import Breaker
from sluice.core.limits.pages import page_of, subject_of
from sluice.core.limits.rates import Taken

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MS = int(T0.timestamp() * 1000)
NAME = "cars#sluice/acme/cars"
SLOWED = {"factor": 0.7, "throttled_at_ms": MS, "throttles": 1}
ALL_AT_ONCE = AccountPage(
    at_ms=MS,
    hold_until_ms=MS + 90_000,
    breaker=Breaker(11, (), MS + 60_000),
    stopped=Stopped("/cars: status 401\x1b[2J", "a1b2c3"),
    **SLOWED,
)
IN_USE = AccountPage(
    at_ms=MS,
    taken=(Taken(MS - 2000, 0, 40),),
    holders={"11111111": MS + 4000, "22222222": MS + 4000},
    waiting={"22222222": MS + 2000},
    seats={"33333333": (4, MS + 9000)},
    told_rate=0.5,
    told_at_ms=MS,
)
NAMES = {"11111111": "acme#cars#cars", "22222222": "ridge#cars#cars"}


def account(page: AccountPage, now: datetime = T0) -> VendorAccount:
    return VendorAccount.of_page(subject_of("cars", "sluice/acme/cars"), page_of(page), now)


@pytest.mark.parametrize(
    ("page", "text"),
    [
        (AccountPage(at_ms=MS), "well"),
        (AccountPage(at_ms=MS, stopped=Stopped("status 401", "a1b2c3")), "stopped: status 401"),
        (AccountPage(at_ms=MS, breaker=Breaker(3)), "failing: 3 in a row"),
        (
            AccountPage(at_ms=MS, breaker=Breaker(11, (), MS + 60_000)),
            "breaker open until 2026-03-01 12:01:00 after 11 failures in a row",
        ),
        (
            AccountPage(at_ms=MS, breaker=Breaker(12, (MS + 1,), MS - 1)),
            "breaker open after 12 failures in a row, to be tried by the next request",
        ),
        (
            AccountPage(at_ms=MS, hold_until_ms=MS + 5000),
            "held until 2026-03-01 12:00:05 as the vendor asked",
        ),
        (AccountPage(at_ms=MS, **SLOWED), "slowed to 70 % of its limits after 429"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_a_state_says_what_keeps_requests_back(page: AccountPage, text: str) -> None:
    assert state_text(account(page)) == text


def test_of_several_the_worst_comes_first() -> None:
    """And the JSON's one word is the worst."""
    text = state_text(account(ALL_AT_ONCE))
    words = ["stopped: ", "; breaker open", "; held until", "; slowed to"]
    assert sorted(words, key=text.index) == words
    assert accounts_json([account(ALL_AT_ONCE)], {})[0]["state"] == "stopped"


def test_the_table_says_who_uses_an_account_and_what_is_booked() -> None:
    """Streams by their keys; who is no stream by the name that the page has."""
    lines = drawn(account(IN_USE), account(AccountPage(at_ms=MS)))
    assert lines[0] == "vendor accounts (UTC)"
    assert [" ".join(line.split()) for line in lines[3:]] == [
        f"{NAME} well 40 in 2s 0.5/s"
        " acme#cars#cars, ridge#cars#cars (comes back), 33333333 (4 under way at most)",
        f"{NAME} well - - -",
    ]


def test_a_vendors_words_do_not_steer_the_terminal_and_no_digest_is_shown() -> None:
    assert "401\\x1b[2J" in "".join(drawn(account(ALL_AT_ONCE)))
    assert "\x1b" not in "".join(cleared_lines(account(ALL_AT_ONCE)))
    shown = "".join(drawn(account(ALL_AT_ONCE))) + str(accounts_json([account(ALL_AT_ONCE)], {}))
    assert "a1b2c3" not in shown


def test_accounts_as_json_have_the_same_fields_each() -> None:
    found, well = accounts_json([account(IN_USE), account(AccountPage(at_ms=MS))], NAMES)
    assert found == {
        "account": NAME,
        "source": "cars",
        "name": "sluice/acme/cars",
        "state": "well",
        "stopped": None,
        "failures": 0,
        "breaker_open_until": None,
        "held_until": None,
        "part_of_limits": 1.0,
        "told_requests_per_s": 0.5,
        "booked": {"requests": 40, "over_s": 2.0},
        "in_use_by": [
            {"name": "acme#cars#cars", "seats": 0, "comes_back": False},
            {"name": "ridge#cars#cars", "seats": 0, "comes_back": True},
            {"name": "33333333", "seats": 4, "comes_back": False},
        ],
    }
    assert set(well) == set(found)
    [bad] = accounts_json([account(ALL_AT_ONCE)], {})
    assert (bad["failures"], bad["part_of_limits"]) == (11, 0.7)
    assert bad["breaker_open_until"] == "2026-03-01T12:01:00+00:00"
    assert bad["held_until"] == (T0 + timedelta(seconds=90)).isoformat()


def test_a_clearing_says_what_it_lifted_and_what_stays() -> None:
    lines = list(cleared_lines(account(ALL_AT_ONCE)))
    assert lines[0].startswith(f"cleared {NAME} (stopped: /cars: status 401")
    assert "held until 2026-03-01 12:01:30" in lines[0]
    assert "slowed" not in lines[0]
    assert lines[0].endswith("); workers see that within 5 s")
    assert (
        lines[1]
        == "slowed to 70 % of its limits after 429; that grows back by itself within minutes"
    )
    assert lines[2].startswith("runs that ended begin anew at the next tick; `sluice sync`")


def test_where_nothing_holds_it_up_nothing_is_said_to_be_cleared() -> None:
    assert list(nothing_lines(account(AccountPage(at_ms=MS)))) == [
        f"nothing was cleared: {NAME} is well"
    ]


def drawn(*accounts: VendorAccount) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=250).print(account_sheet(accounts, NAMES))
    return file.getvalue().splitlines()


@pytest.fixture
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


@pytest.mark.parametrize(
    "words", [(), ("--json",), ("list",), ("list", "--json"), ("clear", NAME)], ids=" ".join
)
@pytest.mark.usefixtures("nowhere")
def test_no_deployment_is_one_line(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    code, out, err = run(capsys, "accounts", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: no deployment found: no embedded stack is up")


def test_help_is_about_all_commands_and_not_only_the_list(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = run(capsys, "accounts", "--help")
    assert code == 0
    assert "Commands:\n  list " in out
    assert "\n  clear " in out


@pytest.mark.usefixtures("nowhere")
def test_a_deployment_without_a_table_of_limits_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_STATE_TABLE", "state")
    for words in ((), ("clear", NAME)):
        code, _, err = run(capsys, "accounts", *words)
        assert code == 2
        assert "does not say its SLUICE_LIMITS_TABLE" in err


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize("why", ["x" * 201, "two\nlines"], ids=["long", "lines"])
def test_a_reason_that_is_none_is_told_before_any_deployment_is_looked_for(
    capsys: pytest.CaptureFixture[str], why: str
) -> None:
    code, out, err = run(capsys, "accounts", "clear", NAME, "--why", why)
    assert (code, out) == (2, "")
    assert err == "error: why: write one line of at most 200 characters\n"


@pytest.mark.parametrize(
    "words", [("clear",), ("claer", NAME), ("--jsno",), ("clear", "--jsno", NAME), (NAME,)],
    ids=" ".join,
)  # fmt: skip
def test_a_wrong_command_line_exits_with_2(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    code, out, err = run(capsys, "accounts", *words)
    assert (code, out) == (2, "")
    assert "Usage: sluice accounts" in err
