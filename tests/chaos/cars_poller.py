"""What must hold of the cars' rows at any moment of a round: none is put away that the vendor still has."""

from __future__ import annotations

from collections.abc import Sequence

from local.vendors.cars.control import CarsVendorControl
from tests.chaos.database import ChaosDatabase
from tests.chaos.row_poller import RowPoller, Rows
from tests.chaos.streams import Client

_PUT_AWAY = "SELECT client_id, car_id AS id FROM public.cars WHERE deleted_at IS NOT NULL"


class CarsPoller(RowPoller):
    """A car that left never comes back, so whoever is asked second knows more. Asks about rows put away since the
    last look only."""

    def __init__(
        self, database: ChaosDatabase, clients: Sequence[Client], vendor: CarsVendorControl
    ) -> None:
        super().__init__(database)
        self._clients = {each.client_id: each for each in clients}
        self._vendor = vendor
        self._seen: set[tuple[str, str]] = set()

    def _see(self, rows: Rows) -> None:
        put_away = {(row["client_id"], row["id"]) for row in rows.execute(_PUT_AWAY)}
        new, self._seen = put_away - self._seen, put_away
        for client_id in sorted({client_id for client_id, _ in new}):
            listed = set(map(str, self._vendor.listed_ids(self._clients[client_id].api_key)))
            wrongly = sorted(car for owner, car in new if owner == client_id and car in listed)
            self._tell(
                *(f"cars: {client_id} {car} was removed, and the vendor has it" for car in wrongly)
            )
        self.looks += 1
