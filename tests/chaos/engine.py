"""The engine of this tree as the suite's workers use it: with desks, switches and vendor accounts shared."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sluice.core.slices import Delivery, SliceReport
from sluice.dynamo.book import DynamoBook
from sluice.dynamo.standings import DynamoStandings
from sluice.messages import SliceMessage
from sluice.queues.deliveries import SqsDeliveries
from sluice.sources.registry import VendorConnections
from sluice.usecases.admission import ClientDesks
from sluice.usecases.kit import Kit
from sluice.usecases.plan import PlanKit, plan
from sluice.usecases.run_slice import run_slice
from tests.chaos.moved import BookSwitches, DeskRules
from tests.chaos.timing import TIMES

if TYPE_CHECKING:
    from tests.chaos.worker_process import Environment

QUEUE = "slices"

SEVERAL_STREAMS = DeskRules(most_running=5)
"""Of a client with several streams. A refused message comes back in whole seconds, which are minutes in scaled time:
ticks and cleanup would take it for lost by then, and ask again."""


class Engine:
    """The use cases, with the ports that an environment has and those that came with this version."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        settings, aws = environment.settings, environment.aws
        self._book = DynamoBook(
            aws["dynamodb"], settings["limits_table"], chance=environment.random.random
        )
        self._desks = ClientDesks(self._book, environment.clock)
        self._wide_desks = ClientDesks(self._book, environment.clock, SEVERAL_STREAMS)
        self._standings = DynamoStandings(aws["dynamodb"], settings["state_table"])
        self._switches = BookSwitches(self._book, environment.clock)
        self._deliveries = SqsDeliveries(aws["sqs"], {QUEUE: settings["queue_url"]})

    def connections(self) -> VendorConnections:
        """Vendor accounts are shared with all workers, whose clocks may be wrong."""
        return VendorConnections(
            allow_loopback=True,
            sleep=time.sleep,
            book=self._book,
            clock=self._environment.clock,
        )

    def account_of(self, api_key: str) -> Mapping[str, Any]:
        return {"account": api_key}

    def run_slice(
        self, message: SliceMessage, deadline: datetime, message_id: str, receipt: str
    ) -> SliceReport:
        here = self._environment
        kit = Kit(
            leases=here.leases,
            commits=here.commits,
            messages=here.messages,
            deliveries=self._deliveries,
            desks=self._wide_desks if message.source in ("shipbob", "mixpanel") else self._desks,
            switches=self._switches,
            streams=here.streams,
            clock=here.clock,
            new_id=here.new_id,
            chance=here.chance,
            merge_margin=TIMES.merge_margin,
            lease_margin=TIMES.lease_margin,
        )
        return run_slice(message, deadline, kit, Delivery(message_id, receipt, QUEUE))

    def plan(self) -> int:
        """A tick; how many streams it asked for."""
        here = self._environment
        kit = PlanKit(
            schedule=here.registry,
            standings=self._standings,
            messages=here.messages,
            book=self._book,
            board=self._switches.board(),
            clock=here.clock,
            new_id=here.new_id,
            margin=TIMES.plan_margin,
            message_counts_for=TIMES.message_counts_for,
        )
        return plan(kit, here.clock() + TIMES.invocation).asked
