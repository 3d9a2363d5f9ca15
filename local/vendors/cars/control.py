"""A client of the control addresses, for tests, the demo and acceptance checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

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
from local.vendors.loopback.control_client import ControlClient


class CarsVendorControl(ControlClient):
    """Steers one simulated cars vendor at ``base_url`` (http://127.0.0.1:PORT)."""

    def refused_keys(self) -> int:
        """Requests that came without a valid key since the last reset."""
        return int(self._call("GET", "")["refused_keys"])

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
        for row in self._lines(_account(api_key, "/truth.jsonl"), {}):
            yield int(row["id"]), row["record"]

    def stats(self, api_key: str) -> Stats:
        """What the account was asked and answered."""
        return Stats.model_validate(self._call("GET", _account(api_key, "/stats")))

    def clear_stats(self, api_key: str) -> None:
        """Count anew."""
        self._call("DELETE", _account(api_key, "/stats"))

    def _truth(self, api_key: str, fields: str) -> Mapping[str, Any]:
        return self._call("GET", _account(api_key, f"/truth?fields={fields}"))


def _account(api_key: str, rest: str = "") -> str:
    return f"/accounts/{quote(api_key, safe='')}{rest}"
