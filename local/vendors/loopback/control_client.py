"""A client of the control addresses that every simulated vendor has."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import httpx
import orjson

# Loopback speaks plain HTTP. An empty context trusts nobody and spares reading the system's
# certificates, a third of the time a small test takes.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_TIMEOUT = httpx.Timeout(10.0, read=120.0)  # 200,000 cars or 100,000 charges take seconds to make


class ControlRefusedError(RuntimeError):
    """The simulated vendor refused a control request; its own words say why."""


class ControlClient:
    """Steers one simulated vendor at ``base_url`` (http://127.0.0.1:PORT)."""

    def __init__(self, base_url: str, client: httpx.Client | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self._client = client or httpx.Client(timeout=_TIMEOUT, trust_env=False, verify=_NO_TLS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def now_s(self) -> float:
        """The vendor's clock, seconds since the epoch."""
        return float(self._call("GET", "")["now_s"])

    def advance_clock(self, seconds: float) -> float:
        """Move the vendor's clock ahead; returns its new time."""
        return float(self._call("POST", "/clock", {"advance_s": seconds})["now_s"])

    def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        content = None if body is None else orjson.dumps(body)
        response = self._client.request(method, self._url(path), content=content)
        answer: dict[str, Any] = orjson.loads(_checked(response).content)
        return answer

    def _lines(self, path: str, query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """An answer of one JSON object a line, streamed."""
        with self._client.stream("GET", self._url(path), params=query) as response:
            if response.is_error:
                response.read()
            _checked(response)
            for line in response.iter_lines():
                yield orjson.loads(line)

    def _url(self, path: str) -> str:
        return self.base_url + "/_control" + path


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_error:
        raise ControlRefusedError(
            f"{response.request.method} {response.request.url} was answered "
            f"{response.status_code}: {response.text}"
        )
    return response
