"""ShipBob's addresses for subscriptions: GET and POST /{version}/webhook, DELETE /{version}/webhook/{id}.

By the vendor's published document (2026-01): a listing of at most 250 a page with ``next``, a subscription's
secret in the answer to its making only, 422 for one that is refused. For people: a handful of requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from ops.failures import CommandFailed
from ops.webhooks.subscriptions import Subscription, Wanted

PAGE = 250
MOST_PAGES = 40
TIMEOUT_S = 20.0

_REFUSALS = {
    401: "ShipBob refuses the token (401); put a good one into the client's secret",
    403: "the token may not do that (403); it needs webhooks_read and webhooks_write",
    429: "ShipBob asks for patience (429); try again in a minute",
}


class _Listed(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: str
    url: str
    topics: list[str]
    enabled: bool = True
    description: str | None = None


class _Page(BaseModel):
    model_config = ConfigDict(extra="ignore")

    items: list[_Listed]
    next: str | None = None


@dataclass
class ShipBobSubscriptions:
    """One account's subscriptions. CommandFailed says what ShipBob said."""

    base_url: str
    version: str
    token: str = field(repr=False)
    http: httpx.Client = field(init=False, repr=False)

    def __post_init__(self) -> None:
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        self.http = httpx.Client(
            base_url=f"{self.base_url}/{self.version}",
            headers=headers,
            timeout=TIMEOUT_S,
            follow_redirects=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.http.close()

    def listed(self) -> list[Subscription]:
        """All of them, in the vendor's order."""
        return [
            Subscription(each.id, each.url, frozenset(each.topics), each.enabled, each.description)
            for page in self._pages()
            for each in page.items
        ]

    def make(self, wanted: Wanted, secret: str) -> str:
        """Subscribe with our own secret; the new subscription's id."""
        body = {
            "url": wanted.url,
            "topics": sorted(wanted.topics),
            "description": wanted.description,
            "secret": secret,
        }
        answer = self._ask("POST", "/webhook", json=body)
        made = str(answer.json()["id"])
        if answer.json().get("secret") not in (None, secret):
            self.remove(made)
            raise CommandFailed(
                "ShipBob made a secret of its own instead of taking ours, so the subscription was removed"
                " again; make it in ShipBob's dashboard and put the secret that it shows into ours"
            )
        return made

    def remove(self, subscription_id: str) -> None:
        """Delete one; one that is gone already is fine."""
        self._ask("DELETE", f"/webhook/{subscription_id}", gone_is_fine=True)

    def _pages(self) -> Iterator[_Page]:
        cursor: str | None = None
        seen: set[str] = set()
        for _ in range(MOST_PAGES):
            query: dict[str, str | int] = {"RecordsPerPage": PAGE}
            if cursor is not None:
                query["Cursor"] = cursor
            try:
                page = _Page.model_validate_json(self._ask("GET", "/webhook", params=query).content)
            except ValidationError as error:
                raise CommandFailed(
                    f"ShipBob's list of webhooks cannot be read: {error}"
                ) from error
            yield page
            cursor = _cursor(page.next)
            if cursor is None or cursor in seen:
                return
            seen.add(cursor)
        raise CommandFailed("ShipBob's list of webhooks does not end; nothing was changed")

    def _ask(
        self, method: str, path: str, *, gone_is_fine: bool = False, **request: Any
    ) -> httpx.Response:
        try:
            answer = self.http.request(method, path, **request)
        except httpx.HTTPError as error:
            raise CommandFailed(f"ShipBob at {self.base_url} does not answer: {error}") from error
        if answer.is_success or (gone_is_fine and answer.status_code == 404):
            return answer
        # Its text is not shown: it may repeat what was sent, and the secret was.
        said = _REFUSALS.get(answer.status_code, f"ShipBob answered {answer.status_code}")
        raise CommandFailed(f"{method} {path}: {said}")


def _cursor(following: str | None) -> str | None:
    """``next`` is an address with a cursor, whose name comes in any case, or the cursor itself."""
    if not following:
        return None
    named = parse_qs(urlsplit(following).query)
    found = [values[0] for name, values in named.items() if name.lower() == "cursor"]
    return found[0] if found else following
