"""Settings of the chat on Django Channels. LAYER selects the channel layer; REDIS_URL is the Redis of the core and pubsub layers."""

import os

SECRET_KEY = "only the benchmark uses this"
DEBUG = False
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["channels"]
ROOT_URLCONF = "urls"
USE_TZ = True

_REDIS = {"hosts": [os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")]}
# By default a channel of the core layer holds 100 messages and drops further ones. The queues of fetched messages in a
# process have the same capacity, so one sender with several messages in flight overflows them.
_CAPACITY = 100_000
CHANNEL_LAYERS = {
    "default": {
        "memory": {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": _CAPACITY}},
        "core": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {**_REDIS, "capacity": _CAPACITY}},
        "pubsub": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": _REDIS},
    }[os.environ.get("LAYER", "memory")]
}
