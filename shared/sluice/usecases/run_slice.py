"""One message, one slice: admit, acquire, claim, repair, fetch, commit, watermark, continue, release.

The order is the protocol. Whatever dies between two lines is healed by the next worker, because the
cursor is read from Postgres only, every write is conditional on the fencing token, and the message
is acknowledged last (by the caller, once this returns).
"""

from __future__ import annotations

from datetime import datetime

from sluice.core.desk.admitting import ComeBack
from sluice.core.errors import (
    ClaimLost,
    NotFound,
    PersonMustAct,
    RetryLater,
    SluiceError,
    Superseded,
    WaitForVendor,
)
from sluice.core.fault_points import FaultPoint, reach
from sluice.core.slices import Delivery, LeaseHeld, Outcome, Resting, SliceReport
from sluice.messages import SliceMessage
from sluice.usecases.admission import Place
from sluice.usecases.kit import Kit
from sluice.usecases.make_slice import Slice
from sluice.usecases.waiting import (
    defer,
    fail_run,
    leave_or_wait,
    overtaken,
    send_back,
    wait_of,
)

__all__ = ["Kit", "run_slice"]


def run_slice(
    message: SliceMessage, deadline: datetime, kit: Kit, delivery: Delivery | None = None
) -> SliceReport:
    """Do one slice and say how it ended. ``delivery`` is how the message came, if by the queue.

    Raises only what the queue should retry and, in the end, dead-letter: bugs, and failures of our
    own stores that outlasted every deferral.
    """
    try:
        return _enter(message, deadline, kit, delivery)
    except Superseded as error:
        return overtaken(message, error, kit)
    except (WaitForVendor, RetryLater) as error:
        return defer(message, error, kit)
    except (PersonMustAct, NotFound) as error:
        return fail_run(message, error, kit)


def _enter(
    message: SliceMessage, deadline: datetime, kit: Kit, delivery: Delivery | None
) -> SliceReport:
    """Past the switches and the client's desk, or not now."""
    reach(FaultPoint.SLICE_BEGUN)
    pause = kit.switches.pause_of(message.key)
    if pause is not None:
        return SliceReport(Outcome.PAUSED, message.key, f"{pause.scope} by {pause.by}")
    place = Place(kit.desks, message.client_id, kit.new_id(), kit.clock())
    # Should we die, the message comes back when our time is over, and takes over our lease. In a flood of refusals
    # most deaths are of whoever is refused, and that can wait: it costs a call less each.
    told_late = kit.desks.refused_just_now(message.client_id, message.priority)
    if not told_late:
        _come_back(delivery, deadline, kit)
    try:
        answer = kit.desks.admit(
            message.client_id,
            place.owner,
            message.priority,
            deadline,
            ticket=message.ticket,
            waiting=message.waiting,
        )
    except RetryLater as error:
        return defer(message, error, kit, still_in_line=True)
    if isinstance(answer, ComeBack):
        return send_back(message, answer, kit)
    reach(FaultPoint.SLICE_ADMITTED)
    try:
        if told_late:
            _come_back(delivery, deadline, kit)
        report = _run(message, place, deadline, kit, delivery)
    except Exception:
        place.give_back()
        raise
    place.give_back()
    return report


def _come_back(delivery: Delivery | None, deadline: datetime, kit: Kit) -> None:
    if delivery is not None:
        kit.deliveries.come_back(delivery, after=deadline - kit.clock())


def _run(
    message: SliceMessage, place: Place, deadline: datetime, kit: Kit, delivery: Delivery | None
) -> SliceReport:
    stream = kit.streams.open(message.key)
    now = kit.clock()
    lease = kit.leases.acquire(
        message.key,
        place.owner,
        now=now,
        until=deadline + kit.lease_margin,
        expect_seq=message.expect_seq,
        heed_rest=message.reason == "schedule",
        delivery=delivery.message_id if delivery else None,
        priority=message.priority,
        orphaned_by=now + kit.lease_margin,
    )
    if isinstance(lease, Resting):
        return SliceReport(Outcome.WAITING, message.key, f"until {lease.until:%H:%M:%S} UTC")
    if isinstance(lease, LeaseHeld):
        return leave_or_wait(message, lease, kit, delivery)
    work = Slice(message, deadline, kit, stream, lease, place)
    try:
        return work.run()
    except WaitForVendor as error:
        wait = wait_of(error, message.attempt, kit.chance)
        kit.leases.release(work.lease, not_before=kit.clock() + wait)
        raise
    except Superseded as error:
        if not kit.leases.release(work.lease):
            raise
        # The lease was still ours, so nobody overtook us. Without a deferral the work would wait for a tick.
        raise ClaimLost(str(error)) from error
    except SluiceError:
        # Nothing was committed, or the commit's fate was looked up: let the next worker in at once.
        kit.leases.release(work.lease)
        raise
