"""Who runs the command, as the audit shall name them."""

from __future__ import annotations

import getpass

from botocore.exceptions import BotoCoreError, ClientError

from ops.target import Clients
from ops.terminal import printable


def caller(aws: Clients) -> str:
    """The ARN that AWS knows the caller by; where AWS does not say, ``os:`` and this machine's user."""
    try:
        return str(aws("sts").get_caller_identity()["Arn"])
    except (BotoCoreError, ClientError, KeyError):
        return machine_user()


def machine_user() -> str:
    """``os:`` and this machine's user, where no AWS is asked."""
    return f"os:{printable(_user())}"


def _user() -> str:
    """A container may run under a number that has no name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
