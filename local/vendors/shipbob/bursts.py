"""A burst: many shipments change at once, and all the pushes about them are sent."""

from __future__ import annotations

from local.vendors.shipbob.changes import NotEnoughError
from local.vendors.shipbob.marks import Told
from local.vendors.shipbob.models import Burst
from local.vendors.shipbob.moments import chance
from local.vendors.shipbob.orders import Shipment
from local.vendors.shipbob.sending import Message, Sender
from local.vendors.shipbob.world import Event, World

TOPIC = "order.shipment.tracking.updated"


def burst(world: World, sender: Sender, wanted: Burst) -> list[Message]:
    """Change and push. Rounds lie a millisecond apart, so that their states can be told apart."""
    world.changes += 1
    luck = chance(world.wanted.seed, "burst", wanted.seed, world.changes)
    key = wanted.merchant
    owners = [world.merchant(key)] if key else list(world.merchants.values())
    listed = [each for owner in owners for each in owner.book.shipments.values()]
    if len(listed) < wanted.count:
        raise NotEnoughError(f"there are {len(listed)} shipments; ask for fewer or add orders")
    chosen = luck.sample(listed, wanted.count)
    events = [
        event for turn in range(wanted.rounds) for event in _turn(world, chosen, wanted, turn)
    ]
    messages = sender.messages(events, wanted.spoil) * wanted.copies
    if wanted.shuffle:
        luck.shuffle(messages)
    sender.launch(messages)
    return list({message.id: message for message in messages}.values())


def _turn(world: World, chosen: list[Shipment], wanted: Burst, turn: int) -> list[Event]:
    """What a forged push tells of does not happen."""
    at_ms = world.now_ms() - (wanted.rounds - 1 - turn)
    events = []
    for shipment in chosen:
        if wanted.spoil is None:
            world.merchants[shipment.merchant].book.tell(shipment, Told(at_ms, "update"))
        events.append(Event(at_ms, TOPIC, shipment.merchant, "shipment", str(shipment.id)))
    return events
