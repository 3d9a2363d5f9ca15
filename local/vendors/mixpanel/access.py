"""Who asks: a service account or a project's secret, and how often each project may be asked."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from contextlib import contextmanager

from local.vendors.loopback.limits import SlidingWindow
from local.vendors.mixpanel.models import ApiKind, Limits
from local.vendors.mixpanel.refusals import BadRequestError
from local.vendors.mixpanel.world import Project, World

_HOUR_S = 3600.0


class CredentialsRefusedError(PermissionError):
    """401."""


def project_asked(world: World, header: str | None, project_id: str | None) -> Project:
    """The project that these credentials may read and that was asked for.

    Raises CredentialsRefusedError (401) or BadRequestError (400, 403).
    """
    name, secret = _basic(header)
    by_secret = [each for each in world.projects.values() if _is_secret(each, name, secret)]
    by_account = [each for each in world.projects.values() if _is_account(each, name, secret)]
    if not by_secret and not by_account:
        raise CredentialsRefusedError("Invalid service account credentials")
    if project_id is None and by_secret:
        return by_secret[0]
    if project_id is None:
        raise BadRequestError("project_id is a required parameter for service accounts")
    if not project_id.isascii() or not project_id.isdecimal():
        raise BadRequestError(f"project_id must be an integer, got {project_id!r}")
    for each in (*by_secret, *by_account):
        if each.spec.id == int(project_id):
            return each
    raise BadRequestError(f"No permission to read project {project_id}", 403)


def _is_account(project: Project, name: str, secret: str) -> bool:
    return (project.spec.service_account, project.spec.service_secret) == (name, secret)


def _is_secret(project: Project, name: str, secret: str) -> bool:
    return project.spec.project_secret == name and not secret


def _basic(header: str | None) -> tuple[str, str]:
    """Name and password of an Authorization header."""
    kind, _, coded = (header or "").partition(" ")
    try:
        pair = base64.b64decode(coded.strip(), validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise CredentialsRefusedError("the credentials cannot be read") from error
    name, colon, secret = pair.partition(":")
    if kind.lower() != "basic" or not colon or not name:
        raise CredentialsRefusedError("Basic credentials are required")
    return name, secret


class Turnstile:
    """One project's limit on one of its APIs: windows of requests, and requests under way."""

    def __init__(self, limits: Limits | None, endpoint: ApiKind) -> None:
        self.at_once = 0
        self.most_at_once = 0
        self._windows: list[tuple[SlidingWindow, int, str]] = []
        self._most: int | None = None
        self._count_refused = limits is not None and limits.count_refused
        if limits is None:
            return
        export = endpoint == "export"
        self._most = limits.export_at_once if export else limits.engage_at_once
        hourly = limits.export_per_hour if export else limits.engage_per_hour
        told = [(hourly, _HOUR_S, "hour")]
        if export:
            told.append((limits.export_per_second, 1.0, "second"))
        for count, per_s, name in told:
            window = SlidingWindow(
                count, per_s * limits.time_scale, count_refused=limits.count_refused
            )
            self._windows.append((window, count, name))

    def refused(self, now_s: float) -> str | None:
        """None: let in and counted. Otherwise what the vendor says."""
        if self._most is not None and self.at_once >= self._most:
            return f"{self.at_once + 1}/{self._most} queries running concurrently"
        full = [told for told in self._windows if told[0].remaining(now_s) == 0]
        if not full or self._count_refused:
            for window, _, _ in self._windows:
                window.wait_s(now_s)
        if not full:
            return None
        _, count, name = full[0]
        return f"{count + 1}/{count} queries running in the last {name}"

    @contextmanager
    def inside(self) -> Iterator[None]:
        """One more request under way, until it was answered to its last byte."""
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            yield
        finally:
            self.at_once -= 1
