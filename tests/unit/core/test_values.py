"""What nobody said is nothing: values that are left out must not look like something that happened."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

from sluice.core.keys import StreamKey
from sluice.core.records import PushEvent, Record, Table
from sluice.core.slices import Committed, Counts, Draft, Lease, Outcome, SliceReport, Traffic

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
