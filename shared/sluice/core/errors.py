"""Every error that Sluice raises, sorted by what to do next.

::

    SluiceError
    ├── RetryLater             the same work again, soon: nothing about it is wrong
    │   ├── DatabaseUnavailable    Postgres or its pooler does not answer
    │   ├── StateUnavailable       DynamoDB throttles or does not answer
    │   ├── QueueUnavailable       SQS does not take the message
    │   ├── ClaimLost              the database forgot our claim: a failover lost it
    │   └── CommitUnknown          the answer to COMMIT was lost and the slice is not there
    ├── WaitForVendor          the same work again, when the vendor can
    │   ├── VendorThrottled        429, or the vendor asked to be left alone
    │   │   └── AccountBusy            our own calendar of the account has no room yet: the vendor was not asked
    │   ├── VendorUnavailable      5xx, timeouts, refused or cut connections
    │   │   └── BreakerOpen            it failed too often of late: the vendor was not asked
    │   ├── VendorAnswerBroken     an answer arrived and cannot be trusted
    │   └── PageTokenExpired       the place in a listing is gone: its reader starts the listing anew
    ├── PersonMustAct          trying again changes nothing until somebody does something
    │   ├── CredentialsRefused     401 from the vendor: nothing of this account works
    │   │   └── AccessDenied           403: this one thing is not for us
    │   ├── SecretMissing          the named secret is not there or not readable
    │   ├── SettingInvalid         a setting is wrong; names the field and what to do
    │   ├── SchemaTooOld           the database lacks a migration that this code needs
    │   ├── StreamUnknown          no such client, source or stream
    │   └── RequestRefused         the vendor calls our request wrong (other 4xx)
    ├── NotFound               the vendor says that this one object does not exist (404, 410)
    ├── RowRejected            one row cannot be loaded; it goes to ``rejects`` with this reason
    ├── Superseded             somebody newer holds the stream: stop, and touch nothing
    └── InvariantBroken        a bug: what must always hold does not
"""

from __future__ import annotations

from datetime import timedelta


class SluiceError(Exception):
    """Base of all errors that Sluice raises on purpose."""


class RetryLater(SluiceError):
    """The same work may be tried again soon, as it is."""


class DatabaseUnavailable(RetryLater):
    """Postgres, or the pooler before it, does not answer."""


class StateUnavailable(RetryLater):
    """The state table throttles or does not answer."""


class QueueUnavailable(RetryLater):
    """The queue does not take a message."""


class ClaimLost(RetryLater):
    """The database forgot our claim, and nobody else holds the stream: a failover lost it."""


class CommitUnknown(RetryLater):
    """COMMIT's answer was lost and the slice is not in ``commit_log``: given up, never replayed."""


class WaitForVendor(SluiceError):
    """The vendor cannot serve now. ``retry_after`` is how long it asked us to stay away, if it did."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class VendorThrottled(WaitForVendor):
    """The vendor said 429, or asked to be left alone for a while."""


class AccountBusy(VendorThrottled):
    """The account's own calendar has no room for a request yet. The vendor was not asked."""


class VendorUnavailable(WaitForVendor):
    """The vendor did not answer, or answered that it cannot."""


class BreakerOpen(VendorUnavailable):
    """The vendor failed too often of late: nobody asks it until it was tried again. It was not asked."""


class VendorAnswerBroken(WaitForVendor):
    """An answer arrived that cannot be trusted: cut, malformed, of the wrong length or kind."""


class PageTokenExpired(WaitForVendor):
    """The vendor forgot our place in a listing (a scroll that outlived its time)."""


class PersonMustAct(SluiceError):
    """Trying again changes nothing until somebody does what the message says."""


class CredentialsRefused(PersonMustAct):
    """The vendor refused our credentials (401): nothing of this account works until they are others."""


class AccessDenied(CredentialsRefused):
    """The vendor knows us and forbids this one thing (403)."""


class SecretMissing(PersonMustAct):
    """A secret is not there, or this function's role may not read it."""


class SettingInvalid(PersonMustAct):
    """A setting is wrong. The message names the field, what was found and what to do."""


class SchemaTooOld(PersonMustAct):
    """The database lacks a migration that this code needs."""


class StreamUnknown(PersonMustAct):
    """No such client, source or stream in the registry."""


class RequestRefused(PersonMustAct):
    """The vendor calls our request itself wrong (a 4xx that is not about identity or pace)."""


class NotFound(SluiceError):
    """The vendor says that this object does not exist (404 or 410)."""


class RowRejected(SluiceError):
    """One row cannot be loaded. ``field`` names the offending field when there is one."""

    def __init__(self, reason: str, *, field: str | None = None) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.reason = reason
        self.field = field


class Superseded(SluiceError):
    """A newer holder owns the stream. The right reaction is to stop and touch nothing."""


class InvariantBroken(SluiceError):
    """A bug: something that must always hold does not. Never retried in silence."""
