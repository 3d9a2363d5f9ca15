"""Cohorts of the simulated Mixpanel, pushed all the time of a round: what changed, whole lists, lists that break off.

A project's runs follow one another, as the vendor's do: sessions that overlap have no order that anybody knows.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx

from local.vendors.mixpanel.control import MixpanelControl
from local.vendors.mixpanel.models import Pushed
from sluice.webhooks.basic import new_secret, user_of

COHORT = 7
PAGE_SIZE = 12
EVERY_S = (0.2, 1.0)
ANSWER_S = 12.0
MEMBERS = tuple(f"member-{number:03d}" for number in range(70))
STEADY = MEMBERS[:25]
"""Members from the first day to the last: nobody may ever be seen to have removed them."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where a project's cohorts are pushed to, and with which credentials, as they are stored."""

    url: str
    secret: str

    @property
    def password(self) -> str:
        return self.secret.split(":", 2)[2]


class CohortSyncs:
    """A cohort of each project. ``begin`` lets it change and be pushed, in a thread; ``end`` waits for the run
    that is under way. ``faults`` are answers that a page may never get, ``counts`` what was done."""

    def __init__(
        self, control: MixpanelControl, receivers: Mapping[int, Receiver], chance: random.Random
    ) -> None:
        self._control, self._receivers, self._random = control, receivers, chance
        self._members = {project: {*STEADY, *MEMBERS[40:55]} for project in receivers}
        self._whole = dict.fromkeys(receivers, False)
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._broken_by: list[BaseException] = []
        self.faults: list[str] = []
        self.counts: Counter[str] = Counter()

    def begin(self) -> None:
        if self._thread is None:
            self._ended.clear()
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Raises what ended the thread."""
        self.stop()
        if self._broken_by:
            raise self._broken_by[0]

    def stop(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join(120)
            self._thread = None

    def bring_up_to_date(self, *, anew: bool) -> list[str]:
        """A last run of each, which must get through; ``anew`` lists everybody. What was wrong since the last one."""
        for project in self._receivers:
            self._change(project)
            pages = self._run(project, "full" if anew else "auto")
            lost = [each for each in pages if each.state != "delivered"]
            self.faults += [f"a page of cohort {COHORT} was not taken: {each}" for each in lost[:1]]
        faults, self.faults = self.faults, []
        return faults

    def forge(self) -> list[str]:
        """Requests of somebody without the password; their ids, as an inbox would note them."""
        ids = []
        for project, receiver in self._receivers.items():
            body = _page(project, f"forged-{self._random.randrange(10**9)}")
            wrong = base64.b64encode(f"{user_of(receiver.secret)}:{new_secret()}".encode()).decode()
            headers = self._random.choice(({}, {"Authorization": f"Basic {wrong}"}))
            threading.Thread(target=_post, args=(receiver.url, body, headers), daemon=True).start()
            ids.append(f"{hashlib.blake2b(body, digest_size=16).hexdigest()}/1-1")
        return ids

    def _work(self) -> None:
        try:
            while not self._ended.wait(self._random.uniform(*EVERY_S)):
                project = self._random.choice(list(self._receivers))
                self._change(project)
                self._run(project, self._random.choice(("auto", "auto", "full")))
        except BaseException as error:  # noqa: BLE001  # kept for end()
            self._broken_by.append(error)

    def _change(self, project: int) -> None:
        """Some come and some go, never the steady ones."""
        members = self._members[project]
        others = [each for each in MEMBERS if each not in STEADY]
        for each in self._random.sample(others, 6):
            members ^= {each}
        told = self._control.set_cohort(project, COHORT, name="Premium")
        self._control.set_cohort(
            project,
            COHORT,
            add=sorted(members - set(told)),
            remove=sorted(set(told) - members),
        )

    def _run(self, project: int, mode: str) -> Sequence[Pushed]:
        """One run. After one that did not get through, everybody is listed: who came and went in between would
        be told of in no other."""
        if not self._whole[project]:
            mode = "full"
        breaks_off = mode == "full" and not self._ended.is_set() and self._random.random() < 0.3
        receiver = self._receivers[project]
        pages = self._control.sync_cohort(
            project,
            COHORT,
            receiver.url,
            username=user_of(receiver.secret),
            password=receiver.password,
            mode=mode,
            page_size=PAGE_SIZE,
            twice=0.2,
            shuffle=True,
            stop_after=1 if breaks_off else None,
            retry_scale=0.05,
            timeout_s=ANSWER_S,
            seed=self._random.randrange(10**9),
        )
        self._note(project, pages)
        return pages

    def _note(self, project: int, pages: Sequence[Pushed]) -> None:
        self._whole[project] = all(each.state == "delivered" for each in pages)
        self.counts["runs"] += 1
        self.counts["runs that broke off"] += not self._whole[project]
        self.counts["pages"] += sum(len(each.statuses) for each in pages)
        self.faults += [
            f"a page of cohort {COHORT} paused its sync: {each.statuses}, {each.replies}"
            for each in pages
            if each.state == "paused"
        ]


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> None:
    """What is answered is for nobody."""
    with suppress(httpx.TransportError):
        httpx.post(url, content=body, headers=headers, timeout=ANSWER_S)


def _page(project: int, session: str) -> bytes:
    """Removes the steady members."""
    parameters: dict[str, Any] = {
        "mixpanel_project_id": str(project),
        "mixpanel_cohort_id": str(COHORT),
        "mixpanel_session_id": session,
        "page_info": {"total_pages": 1, "page_count": 1},
        "members": [{"mixpanel_distinct_id": each} for each in STEADY],
    }
    return json.dumps({"action": "remove_members", "parameters": parameters}).encode()
