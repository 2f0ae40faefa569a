"""A right program: a consumer in both groups, and a view that sends."""
from channels.generic.websocket import AsyncJsonWebsocketConsumer  # type: ignore[import-untyped]

from chat_events import ChatJoin, ChatMessage, ChatTopic, ChatTopicInput, Lobby, LobbyHandlers, Room, RoomHandlers


class ChatConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    async def chat_join(self, event: ChatJoin) -> None:
        await self.send_json({"joined": event["username"]})

    async def chat_message(self, event: ChatMessage) -> None:
        text: str = event["message"]
        quoted: int | None = event.get("quoted")
        await self.send_json({"said": text, "quoted": quoted})

    async def chat_topic(self, event: ChatTopic | ChatTopicInput) -> None:
        since: int = event.get("since", 0)
        await self.send_json({"topic": event["topic"], "since": since})


room_handlers: type[RoomHandlers] = ChatConsumer
lobby_handlers: type[LobbyHandlers] = ChatConsumer


async def say(text: str) -> None:
    await Room(1).asend({"type": "chat.message", "username": "ann", "message": text})
    await Room(id=1).asend({"type": "chat.message", "username": "ann", "message": text, "quoted": None})


def view() -> str:
    joined: ChatJoin = {"type": "chat.join", "username": "ann"}
    Room(1).send(joined)
    Lobby().send(joined)
    Lobby().send({"type": "chat.topic", "topic": "cats"})
    Lobby().send({"type": "chat.topic", "topic": "cats", "since": 7})
    return str(Room(1))
