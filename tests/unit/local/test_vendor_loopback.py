"""What every simulated vendor has from `local.vendors.loopback`, whichever it is."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from pydantic import ValidationError

from local.vendors.cars.control import CarsVendorControl
from local.vendors.cars.models import FaultKind as CarsFaultKind
from local.vendors.loopback.control_answers import errors_as_json
from local.vendors.loopback.control_client import ControlRefusedError
from local.vendors.loopback.faults import Delivery, VendorFault
from local.vendors.shipbob.control import ShipBobControl
from local.vendors.shipbob.faults import FaultKind as ShipBobFaultKind
from tests.unit.local.vendor_program import address_of, running


class Unknown(Exception):
    """Something that does not exist was named."""


class Impossible(Exception):
    """Something that cannot be done was asked for."""


class Words(httpx.SyncByteStream):
    """A refusal that has still to be read, as on a real connection."""

    def __iter__(self) -> Iterator[bytes]:
        yield b'{"now_s": 0, "error": "no such thing"}'


def answered(path: str, error: Exception) -> web.StreamResponse:
    async def fails(_request: web.Request) -> web.StreamResponse:
        raise error

    told = errors_as_json(unknown=Unknown, impossible=Impossible)
    return asyncio.run(told(make_mocked_request("GET", path), fails))


@pytest.mark.parametrize("vendor", ["cars", "shipbob"])
def test_a_vendor_listens_on_loopback_only(vendor):
    """Its control addresses obey anybody, so nobody else may reach them."""
    with running(vendor) as program:
        host, _, port = address_of(program).partition(":")
        assert host == "127.0.0.1"
        with socket.socket() as elsewhere:
            elsewhere.settimeout(1)
            with pytest.raises(OSError, match="refused"):
                elsewhere.connect(("127.0.0.2", int(port)))


@pytest.mark.parametrize("kinds", [CarsFaultKind, ShipBobFaultKind])
def test_a_vendor_delivers_badly_in_every_way_the_wire_knows(kinds):
    """A way that a vendor does not name could not be switched on there."""
    assert {delivery.value for delivery in Delivery} <= {kind.value for kind in kinds}


@pytest.mark.parametrize(("error", "status"), [(Unknown("x"), 404), (Impossible("x"), 422)])
def test_a_control_address_says_what_was_wrong(error, status):
    """In JSON, with the error's own words."""
    answer = answered("/_control/faults", error)
    assert (answer.status, answer.body) == (status, b'{"error":"x"}')


def test_a_body_that_fits_no_model_is_422():
    """A misspelt parameter is an error in words, never a silent nothing."""
    with pytest.raises(ValidationError) as refused:
        VendorFault.model_validate({"kind": Delivery.SLOW, "dealy_ms": 1})
    answer = answered("/_control/faults", refused.value)
    assert answer.status == 422
    assert b"dealy_ms" in answer.body


def test_errors_of_the_vendors_own_addresses_are_left_alone():
    """A fault of the simulation must not look like an answer of the vendor."""
    with pytest.raises(Unknown):
        answered("/api/cars", Unknown("x"))


def test_errors_that_nobody_expected_are_left_alone():
    """They are faults of the simulation, and end as a 500."""
    with pytest.raises(KeyError):
        answered("/_control/faults", KeyError("x"))


@pytest.mark.parametrize(
    ("control", "ask"),
    [
        (CarsVendorControl, lambda control: control.now_s()),
        (CarsVendorControl, lambda control: list(control.truth_records("nobody"))),
        (ShipBobControl, lambda control: control.advance_clock(1)),
        (ShipBobControl, lambda control: list(control.truth("orders", "nobody"))),
    ],
)
def test_a_refused_control_request_is_an_error_in_the_vendors_words(control, ask):
    """A streamed answer too: its lines must not be taken for the truth."""
    refusal = httpx.MockTransport(lambda _request: httpx.Response(422, stream=Words()))
    with (
        control("http://vendor", httpx.Client(transport=refusal)) as steered,
        pytest.raises(ControlRefusedError, match=r"/_control.* was answered 422: .*no such thing"),
    ):
        ask(steered)
