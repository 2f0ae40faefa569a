import os

from channels.routing import ChannelNameRouter, ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
http = get_asgi_application()

from consumers import ChatConsumer, JobConsumer, SyncChatConsumer  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": URLRouter(
            [
                path("ws/chat/<room>/", ChatConsumer.as_asgi()),
                path("ws/sync/<room>/", SyncChatConsumer.as_asgi()),
            ]
        ),
        "channel": ChannelNameRouter({"jobs-for-python": JobConsumer.as_asgi()}),
    }
)
