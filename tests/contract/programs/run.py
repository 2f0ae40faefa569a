"""Runs the generated modules with the layer of Channels."""
import asyncio

import django
from django.conf import settings

settings.configure(CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}})
django.setup()

from channels.layers import get_channel_layer  # noqa: E402

import kinds  # noqa: E402
from chat_events import Lobby, Room  # noqa: E402
from kinds_events import Every, Seat  # noqa: E402


def refused(make, *sentence):
    try:
        name = str(make())
    except ValueError as error:
        assert str(error) == "".join(sentence), error
    else:
        raise AssertionError(f"{name} was accepted")


RULE = " is not 1 to 99 characters of `A-Z a-z 0-9 - _ .`"


def names():
    assert str(Room(7)) == "room-7" and Room(7) == Room(id=7) and str(Lobby()) == "lobby"
    assert str(Seat("a", True, "b_c", -7)) == "seat_a_true_b_c_-7"
    refused(lambda: Every(""), "group name ''", RULE)
    refused(lambda: Every("a b"), "group name 'a b'", RULE)
    refused(lambda: Every("a\n"), "group name 'a\\n'", RULE)
    refused(lambda: Every("é"), "group name 'é'", RULE)
    refused(lambda: Every("a" * 100), f"group name {'a' * 100!r}", RULE)
    assert str(Every("a" * 99)) == "a" * 99
    refused(lambda: Room(-1), "`id` of a group's name is -1, and must be 0 to 4294967295")
    refused(
        lambda: Seat("a_b", True, "c", 1),
        "group name 'seat_a_b_true_c_1' could also be that of another group: its field `class` contains '_', which separates ",
        "it from the next field",
    )
    Room.alias = "other"
    try:
        Room(1).send({"type": "chat.join", "username": "ann"})
    except Exception as error:
        assert "other" in str(error), error
    else:
        raise AssertionError("there is no layer `other`")
    Room.alias = "default"


async def sending():
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add("room-7", channel)
    await Room(7).asend({"type": "chat.join", "username": "ann"})
    await Room(8).asend({"type": "chat.join", "username": "bob"})
    assert await layer.receive(channel) == {"type": "chat.join", "username": "ann"}


names()
kinds.hints()
asyncio.run(sending())
print("done")
