"""The demo's cohort: pushed by the simulated Mixpanel through the deployed webhook, with HTTP Basic."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from local.vendors.mixpanel.control import MixpanelControl
from local.vendors.mixpanel.models import Pushed
from ops.demo.pushes import until
from ops.demo.stage import Stage
from ops.truth.cars import Difference
from ops.truth.mixpanel import Truth
from ops.webhooks.by_hand import entered
from ops.webhooks.wanted import Account, SigningSecrets, accounts_of
from sluice.webhooks.basic import SECRET_PREFIX

COHORT, NAME = 7, "Premium copiers"
MEMBERS, COME, GO = 120, 15, 10
PAGE_SIZE = 50
WRONG = "not-the-password-that-was-entered"
PATIENCE_S = 60.0
LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class CohortDemo:
    """A cohort of one project: ``list_it`` at first, ``change_it`` later, once that has arrived."""

    stage: Stage
    vendor: MixpanelControl
    truth: Truth

    def list_it(self) -> None:
        """Make the credentials that a person enters at the vendor; the vendor then lists the members.

        Nobody waits for it: here functions start from nothing, for seconds.
        """
        secrets = self.stage.target.aws("secretsmanager")
        for line in entered(self._account, SigningSecrets(secrets)):
            self.stage.say(line)
        self.vendor.set_cohort(self.truth.project, COHORT, name=NAME, add=MEMBERS)
        self._sync(wait=False)

    def change_it(self) -> Difference:
        """Some come and some go; with a wrong password that gets nowhere. How the table differs from the vendor's
        truth at the end."""
        self._arrived("listed", until(self._ended, "a cohort's pages are answered"))
        self.vendor.set_cohort(self.truth.project, COHORT, add=COME, remove=GO)
        refused = self._sync(password=WRONG)
        statuses = sorted({status for push in refused for status in push.statuses})
        self.stage.check(
            "a cohort pushed with a wrong password", "answered 401, the sync pauses",
            f"answered {', '.join(map(str, statuses))}", passed=is_refused(refused),
        )  # fmt: skip
        return self._arrived("that changed", self._sync(resume=True))

    def _ended(self) -> Sequence[Pushed] | None:
        pushes = self.vendor.pushes()
        return pushes if all(push.state != "waiting" for push in pushes) else None

    def _arrived(self, what: str, pushes: Sequence[Pushed]) -> Difference:
        """Wait until the table has all of it, or patience is over."""
        taken = bool(pushes) and all(push.state == "delivered" for push in pushes)
        deadline = time.monotonic() + PATIENCE_S
        while not (found := self.truth.cohorts()).equal and time.monotonic() < deadline:
            time.sleep(LOOK_S)
        states = ", ".join(sorted({f"{push.action} {push.state}" for push in pushes}))
        self.stage.check(
            f"a cohort {what}", "all pages are taken, equal to the vendor",
            f"{states or 'nothing was pushed'}; {found}", passed=taken and found.equal,
        )  # fmt: skip
        return found

    @property
    def _account(self) -> Account:
        target = self.stage.target
        base = target.name("SLUICE_WEBHOOK_URL")
        (account,) = accounts_of(target.registry.show(), base, self.truth.client_id)
        return account

    def _sync(self, **more: Any) -> Sequence[Pushed]:
        account, secrets = self._account, self.stage.target.aws("secretsmanager")
        kept = secrets.get_secret_value(SecretId=account.webhook_secret)["SecretString"]
        user, password = credentials_in(kept)
        given = {"username": user, "password": password, "page_size": PAGE_SIZE, **more}
        return self.vendor.sync_cohort(self.truth.project, COHORT, account.wanted.url, **given)


def credentials_in(kept: str) -> tuple[str, str]:
    """User name and password of the newest line of a stored secret, as a person takes them from it."""
    newest = kept.split()[0].removeprefix(SECRET_PREFIX)
    user, _, password = newest.partition(":")
    return user, password


def is_refused(pushes: Sequence[Pushed]) -> bool:
    """One page was sent and answered 401; the others were not sent, and the sync waits for a person."""
    states = [push.state for push in pushes]
    return (
        len(pushes) > 1
        and pushes[0].statuses[-1:] == (401,)
        and states == ["paused", *["not_sent"] * (len(pushes) - 1)]
    )
