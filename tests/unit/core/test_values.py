"""What nobody said is nothing: values that are left out must not look like something that happened."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from sluice.core.history import HISTORY_KEPT, Forgotten
from sluice.core.keys import StreamKey
from sluice.core.records import PushEvent, Record, Table
from sluice.core.slices import Committed, Counts, Draft, Lease, Outcome, SliceReport, Traffic
from sluice.core.steering.acting import Action, Wanted
from sluice.core.steering.undoing import Removals
from sluice.core.underway import Standing
from sluice.settings import Settings

KEY = StreamKey("acme", "cars", "cars")


def test_a_stream_that_never_ran_has_committed_and_continued_nothing() -> None:
    lease = Lease(KEY, "me", 1, datetime(2026, 1, 1, tzinfo=UTC))
    assert (lease.watermark, lease.watermark_seq, lease.continued_seq) == (None, 0, 0)
    assert not lease.took_over


def test_a_slice_that_did_nothing_counts_nothing() -> None:
    assert set(asdict(Counts()).values()) == {0}
    assert set(asdict(Traffic()).values()) == {0, ()}
    assert Committed(1, {}, False, Counts()).merge_ms == 0
    draft = Draft("slice", "run", "crawl", {}, False)
    assert (draft.traffic, draft.fetch_ms, draft.note) == (Traffic(), 0, None)


def test_a_draft_says_that_more_is_due_until_somebody_knows_better() -> None:
    """One slice too many finds nothing due; one too few leaves a stream behind unseen."""
    assert Draft("slice", "run", "crawl", {}).has_more


def test_a_report_of_no_slice_says_nothing_of_one() -> None:
    report = SliceReport(Outcome.CAUGHT_UP, KEY)
    assert (report.detail, report.counts, report.traffic) == ("", Counts(), Traffic())
    assert report.timings_ms == {}


def test_nothing_is_gone_or_archived_unless_it_is_said() -> None:
    assert not PushEvent("e1", KEY, Record("a", b"", b"{}", 1)).gone
    assert not Table("public", "things", "thing_id", ()).archives


def test_a_press_is_about_no_scope_and_no_run_unless_it_names_one() -> None:
    assert (Wanted(Action.SYNC, KEY).scope, Wanted(Action.SYNC, KEY).run_id) == ("", "")


def test_all_that_a_run_removed_can_be_told_unless_it_is_said() -> None:
    assert Removals("run", KEY, ended=True, removed=3).untraceable == 0


def test_a_pass_that_forgets_no_history_counts_nothing() -> None:
    assert Forgotten() == (0, 0, 0)


def test_history_is_kept_for_as_long_with_and_without_a_deployment() -> None:
    """Whoever cleans up by hand shall not forget what a deployment that says nothing keeps."""
    assert timedelta(days=Settings.model_fields["history_days"].default) == HISTORY_KEPT


def test_a_stream_that_nobody_ever_worked_on_stands_at_nothing() -> None:
    assert set(asdict(Standing()).values()) == {0, None}
