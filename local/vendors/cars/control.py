"""A client of the control addresses, for tests, the demo and acceptance checks."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
import orjson

from local.vendors.cars.models import (
    AccountOptions,
    AccountSummary,
    Fault,
    FaultKind,
    Mutated,
    Mutation,
    NewAccount,
    Stats,
)

# Loopback speaks plain HTTP. An empty context trusts nobody and spares reading the system's
# certificates, a third of the time a small test takes.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_TIMEOUT = httpx.Timeout(10.0, read=120.0)  # a catalogue of 200,000 cars takes seconds to make


class ControlRefusedError(RuntimeError):
    """The simulated vendor refused a control request; its own words say why."""


class CarsVendorControl(AbstractContextManager["CarsVendorControl"]):
    """Steers one simulated cars vendor at ``base_url`` (http://127.0.0.1:PORT)."""

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

    def refused_keys(self) -> int:
        """Requests that came without a valid key since the last reset."""
        return int(self._call("GET", "")["refused_keys"])

    def advance_clock(self, seconds: float) -> float:
        """Move the vendor's clock ahead; returns its new time."""
        return float(self._call("POST", "/clock", {"advance_s": seconds})["now_s"])

    def reset(self) -> None:
        """Drop every account and go back to the machine's time."""
        self._call("POST", "/reset")

    def create_account(
        self,
        api_key: str,
        *,
        cars: int,
        seed: int = 1,
        options: AccountOptions | None = None,
        replace: bool = False,
    ) -> AccountSummary:
        """Make a catalogue; the same seed and size make the same cars."""
        wanted = NewAccount(
            api_key=api_key,
            cars=cars,
            seed=seed,
            options=options or AccountOptions(),
            replace=replace,
        )
        return AccountSummary.model_validate(
            self._call("POST", "/accounts", wanted.model_dump(mode="json"))
        )

    def accounts(self) -> list[AccountSummary]:
        """Every account."""
        listed = self._call("GET", "/accounts")["accounts"]
        return [AccountSummary.model_validate(account) for account in listed]

    def delete_account(self, api_key: str) -> None:
        """Drop one account."""
        self._call("DELETE", _account(api_key))

    def rotate_key(self, api_key: str, new_key: str) -> None:
        """The account answers to the new key only."""
        self._call("POST", _account(api_key, "/rotate"), {"new_key": new_key})

    def set_faults(self, api_key: str, *faults: Fault) -> None:
        """Switch these faults on beside those that are on; a fault of the same name is replaced."""
        wanted = [fault.model_dump(mode="json") for fault in faults]
        self._call("POST", _account(api_key, "/faults"), wanted)

    def set_fault(self, api_key: str, kind: FaultKind | str, **parameters: Any) -> Fault:
        """Switch one fault on; the parameters are the fields of Fault."""
        fault = Fault.model_validate({"kind": kind, **parameters})
        self.set_faults(api_key, fault)
        return fault

    def clear_faults(self, api_key: str) -> None:
        """Switch every fault off."""
        self._call("DELETE", _account(api_key, "/faults"))

    def mutate(self, api_key: str, wanted: Mutation | None = None, **counts: int) -> Mutated:
        """Change the catalogue now; counts are the fields of Mutation."""
        mutation = wanted or Mutation.model_validate(counts)
        answer = self._call("POST", _account(api_key, "/mutate"), mutation.model_dump())
        return Mutated.model_validate(answer)

    def listed_ids(self, api_key: str) -> list[int]:
        """The ids of the listed cars, in listing order."""
        return [int(car_id) for car_id in self._truth(api_key, "ids")["ids"]]

    def archived_ids(self, api_key: str) -> set[int]:
        """The ids of the archived cars."""
        return set(self._truth(api_key, "ids")["archived"])

    def removed_ids(self, api_key: str) -> set[int]:
        """The ids of the cars removed without trace."""
        return set(self._truth(api_key, "ids")["removed"])

    def truth_digests(self, api_key: str) -> dict[int, str]:
        """The digest of each listed car's business fields (see digests.business_digest)."""
        digests = self._truth(api_key, "digest")["digests"]
        return {int(car_id): str(digest) for car_id, digest in digests.items()}

    def truth_records(self, api_key: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """Each listed car's id and record, streamed."""
        url = self.base_url + "/_control" + _account(api_key, "/truth.jsonl")
        with self._client.stream("GET", url) as response:
            if response.is_error:
                response.read()
            _checked(response)
            for line in response.iter_lines():
                row = orjson.loads(line)
                yield int(row["id"]), row["record"]

    def stats(self, api_key: str) -> Stats:
        """What the account was asked and answered."""
        return Stats.model_validate(self._call("GET", _account(api_key, "/stats")))

    def clear_stats(self, api_key: str) -> None:
        """Count anew."""
        self._call("DELETE", _account(api_key, "/stats"))

    def _truth(self, api_key: str, fields: str) -> Mapping[str, Any]:
        return self._call("GET", _account(api_key, f"/truth?fields={fields}"))

    def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        content = None if body is None else orjson.dumps(body)
        response = self._client.request(method, self.base_url + "/_control" + path, content=content)
        answer: dict[str, Any] = orjson.loads(_checked(response).content)
        return answer


def _account(api_key: str, rest: str = "") -> str:
    return f"/accounts/{quote(api_key, safe='')}{rest}"


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_error:
        raise ControlRefusedError(
            f"{response.request.method} {response.request.url} was answered "
            f"{response.status_code}: {response.text}"
        )
    return response
