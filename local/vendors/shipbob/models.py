"""What one may ask of the simulated ShipBob: a world, options, changes; what it reports.

Shared by the server and its client. Unknown fields are refused, so that a misspelt option never
becomes a test that passes because nothing went wrong.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from local.vendors.loopback.strict import Strict

EndpointKind = Literal[
    "orders",
    "order",
    "shipments",
    "shipment",
    "timeline",
    "logs",
    "transactions",
    "invoices",
    "invoice_transactions",
    "fees",
    "products",
    "product",
    "returns",
    "return",
    "receivings",
    "receiving",
    "inventory",
    "channels",
    "locations",
    "centers",
    "webhooks",
    "push",
]
Kind = Literal[
    "orders",
    "shipments",
    "timelines",
    "products",
    "inventory",
    "returns",
    "receivings",
    "transactions",
    "invoices",
]
PARENT = "parent"  # the parent account among the keys of merchants
INTERNAL = "internal"  # whose charges belong to no merchant but to the parent account itself


class RateLimit(Strict):
    """At most ``requests`` in any ``per_s`` seconds, for each token; the rest get 429."""

    requests: int = Field(default=150, ge=1)
    per_s: float = Field(default=60.0, gt=0)
    count_refused: bool = False


class Options(Strict):
    """The vendor's nature. The README says which of these are documented and which are assumed."""

    null_last_update: bool = True
    tracking_moves_last_update: bool = False
    quiet_delivery_share: float = Field(default=0.1, ge=0, le=1)
    odd_timeline_ids: bool = True
    undocumented_reference_types: bool = True
    receiving_fees_with_tax: bool = True
    charge_dates: Literal["day", "moment"] = "day"
    invoice_gaps: float = Field(default=0.1, ge=0, le=1)
    page_headers: bool = False
    lacking_scope: Literal["forbidden", "empty"] = "forbidden"
    child_billing: bool = False
    rate_limit: RateLimit | None = RateLimit()
    gzip: bool = False
    retry_scale: float = Field(default=1.0, ge=0)
    push_timeout_s: float = Field(default=15.0, gt=0)


class MerchantSpec(Strict):
    """One merchant and its token. A name may begin another's, as real ones do."""

    key: str = Field(min_length=1, pattern=r"^[a-z0-9][a-z0-9-]*$")
    name: str = ""
    token: str = ""

    @property
    def called(self) -> str:
        """The company's name."""
        return self.name or self.key.replace("-", " ").title()

    @property
    def bearer(self) -> str:
        """The child token."""
        return self.token or f"{self.key}-token"


THREE = (
    MerchantSpec(key="acme", name="Acme"),
    MerchantSpec(key="acme-pets", name="Acme Pets"),
    MerchantSpec(key="niva", name="Нива & Söhne"),
)


class NewWorld(Strict):
    """Same seed, sizes, options and hour: same world. Sizes are over all merchants."""

    seed: int = 1
    merchants: tuple[MerchantSpec, ...] = Field(default=THREE, min_length=1)
    parent_token: str = Field(default="parent-token", min_length=1)
    orders: int = Field(default=300, ge=0, le=2_000_000)
    products: int = Field(default=60, ge=0, le=100_000)
    returns: int = Field(default=30, ge=0, le=500_000)
    receivings: int = Field(default=24, ge=0, le=100_000)
    transactions: int = Field(default=600, ge=0, le=2_000_000)
    history_days: float = Field(default=60.0, gt=0)
    options: Options = Options()

    @model_validator(mode="after")
    def _tells_merchants_apart(self) -> NewWorld:
        keys = {spec.key for spec in self.merchants} | {PARENT, INTERNAL}
        bearers = {spec.bearer for spec in self.merchants} | {self.parent_token}
        if len(keys) != len(self.merchants) + 2:
            raise ValueError("merchants need different keys, none of them 'parent' or 'internal'")
        if len(bearers) != len(self.merchants) + 1:
            raise ValueError("every merchant and the parent account need a token of their own")
        return self


class Change(Strict):
    """How much happens now. ``merchant`` limits it to one; otherwise all of them are met.

    ``update``, ``cancel``, ``hold`` and ``exception`` move last_update_at; ``scan`` and ``deliver`` and
    ``deliver_quietly`` do not. ``late_orders`` and ``late_charges`` appear now and are dated
    ``late_by_s`` back. ``held_back`` orders are charged for before they can be read; ``reveal`` shows
    them. ``remove_orders`` vanish without trace.
    """

    merchant: str | None = None
    seed: int = 1
    orders: int = Field(default=0, ge=0)
    late_orders: int = Field(default=0, ge=0)
    late_by_s: float = Field(default=300.0, ge=0)
    held_back: int = Field(default=0, ge=0)
    reveal: bool = False
    remove_orders: int = Field(default=0, ge=0)
    update: int = Field(default=0, ge=0)
    cancel: int = Field(default=0, ge=0)
    hold: int = Field(default=0, ge=0)
    exception: int = Field(default=0, ge=0)
    scan: int = Field(default=0, ge=0)
    deliver: int = Field(default=0, ge=0)
    deliver_quietly: int = Field(default=0, ge=0)
    products: int = Field(default=0, ge=0)
    update_products: int = Field(default=0, ge=0)
    returns: int = Field(default=0, ge=0)
    receivings: int = Field(default=0, ge=0)
    charges: int = Field(default=0, ge=0)
    late_charges: int = Field(default=0, ge=0)
    invoice: bool = False


class Changed(Strict):
    """What a change met, by its field's name; ids as text."""

    by: dict[str, tuple[str, ...]] = Field(default_factory=dict)


class Burst(Strict):
    """Change ``count`` shipments and push each, ``copies`` times, in a shuffled order.

    With ``rounds`` every shipment is changed that often, so a later push may tell of an older
    state. ``spoil`` sends pushes that a receiver must refuse; they change nothing.
    """

    count: int = Field(default=1, ge=1, le=100_000)
    merchant: str | None = None
    rounds: int = Field(default=1, ge=1, le=20)
    copies: int = Field(default=1, ge=1, le=20)
    shuffle: bool = True
    seed: int = 1
    spoil: Literal["signature", "no_signature", "body", "old", "future"] | None = None


class Pushed(Strict):
    """One message and what became of it. Instants are seconds of the machine's clock."""

    webhook_id: str
    subscription_id: str
    topic: str
    merchant: str
    subject_id: str
    made_at_s: float
    statuses: tuple[int, ...] = ()  # 0: no answer
    state: Literal["waiting", "delivered", "given_up", "lost", "unreachable"] = "waiting"


class Stats(Strict):
    """What was asked and answered since the world was made or the counts cleared.

    ``faults`` counts what answers and pushes met, by label; ``faulty`` are those that met any.
    """

    requests: int
    refused_tokens: int
    by_endpoint: dict[str, int]
    by_status: dict[int, int]
    by_merchant: dict[str, int]
    faults: dict[str, int]
    faulty: int
    body_bytes: int


class WorldSummary(Strict):
    """How much there is now."""

    now_s: float
    seed: int
    merchants: dict[str, str]  # token by key, the parent's under "parent"
    counts: dict[str, int]
    faults: tuple[str, ...]
    options: Options
