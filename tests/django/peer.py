"""Real channels_redis under remote control: reads calls as lines of JSON, and replies to each with a line of JSON.

JSON has no byte strings, so they are written as {"__bytes__": base64}. Floats that JSON does not have are written as
{"__float__": "nan"}.
"""

import asyncio
import base64
import json
import logging
import math
import random
import ssl
import struct
import sys
import time
import types

import django
import msgpack
import redis.asyncio
import redis.asyncio.sentinel
from channels_redis.utils import create_pool, decode_hosts
from django.conf import settings
from django.utils.module_loading import import_string

# One line may hold a message of several megabytes.
LINE_LIMIT = 64 * 1024 * 1024


def tagged(value):
    if isinstance(value, bytes):
        return {"__bytes__": base64.b64encode(value).decode()}
    if isinstance(value, float) and not math.isfinite(value):
        return {"__float__": str(value)}
    if isinstance(value, dict):
        return {key: tagged(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [tagged(item) for item in value]
    return value


def untagged(value):
    if isinstance(value, dict):
        if "__bytes__" in value:
            return base64.b64decode(value["__bytes__"])
        if "__float__" in value:
            return float(value["__float__"])
        return {key: untagged(item) for key, item in value.items()}
    if isinstance(value, list):
        return [untagged(item) for item in value]
    return value


class Generator:
    """Random values, as Python code may put them into a message."""

    ALPHABET = "ab\0\n\"\\/\x7f\u00fc\u2028\ufffd\uffff\U0001f980"
    TEXTS = ["", "NaN", "Infinity", "null", "7", "-0", "true", "$serde_json::private::Number"]
    EDGES = [0, 1, -1, 127, 128, -128, -129, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, -(2**63)]
    FLOATS = [0.0, -0.0, 2.0, 5e-324, 1.7976931348623157e308, 0.1, math.nan, math.inf, -math.inf]

    def __init__(self, seed, serializer_format):
        self.random = random.Random(seed)
        self.json = serializer_format == "json"

    def text(self):
        if self.random.random() < 0.2:
            return self.random.choice(self.TEXTS)
        return "".join(self.random.choices(self.ALPHABET, k=self.random.choice([1, 2, 5, 40])))

    def key(self):
        key = self.random.random()
        # `json.dumps` turns such keys into text. For msgpack, channels_redis writes messages that it cannot read.
        if self.json and key < 0.2:
            return self.random.choice([None, True, False, self.integer(), self.random.uniform(-9, 9)])
        return "type" if key < 0.25 else self.text()

    def integer(self):
        if self.random.random() < 0.4:
            return self.random.choice(self.EDGES)
        return self.random.randrange(-(2**63), 2**64) >> self.random.randrange(64)

    def float(self):
        if self.random.random() < 0.4:
            return self.random.choice(self.FLOATS)
        return struct.unpack("d", self.random.randbytes(8))[0]

    def value(self, depth):
        kinds = [self.text, self.integer, self.float, lambda: None, lambda: True, lambda: False]
        if not self.json:
            kinds.append(lambda: self.random.randbytes(self.random.choice([0, 1, 16, 300])))
        if depth > 0:
            items = range(self.random.choice([0, 1, 2, 3, 17]))
            kinds += 2 * [
                lambda: [self.value(depth - 2) for _ in items],
                lambda: tuple(self.value(depth - 1) for _ in items[:3]),
                lambda: self.dict(items, depth - 2),
            ]
        return self.random.choice(kinds)()

    def dict(self, items, depth):
        # `json.dumps` writes the keys None and "null" as one key, twice. Which of the two counts is the reader's choice.
        keys = {json.dumps(key).strip('"'): key for key in (self.key() for _ in items)}
        return {key: self.value(depth) for key in keys.values()}

    def message(self, number):
        value = self.value(self.random.randrange(7))
        # Rarely nested as deep as a message may be.
        for _ in range(self.random.choice([0] * 40 + [50, 120 - 7])):
            value = [value] if self.random.random() < 0.5 else {"in": value}
        return {"type": "raw", "number": number, "value": value}


def connection(pool, places=("host", "port", "path")):
    """Returns the place, the login and the TLS of the connections of a pool."""
    made = pool.connection_class(**pool.connection_kwargs)
    meaning = {place: getattr(made, place) for place in places if hasattr(made, place)}
    meaning["db"] = int(made.db or 0)
    meaning["login"] = [made.username or None, made.password or ""] if made.username or made.password else None
    meaning["tls"] = None
    if isinstance(made, redis.asyncio.SSLConnection):
        context = made.ssl_context
        meaning["tls"] = {
            "verify": context.cert_reqs != ssl.CERT_NONE,
            "verify_hostname": bool(context.check_hostname),
            "ca_file": context.ca_certs or None,
            "ca_folder": context.ca_path or None,
            "ca_data": context.ca_data or None,
            "certificate": context.certfile or None,
            "key": context.keyfile or None,
        }
    return meaning


class Kept(logging.Handler):
    """Keeps the log records for a test."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


class Peer:
    def __init__(self):
        self.layers = {}
        self.servers = {}
        self.log = Kept()
        logging.getLogger("channels_redis").addHandler(self.log)
        logging.getLogger("channels_redis").setLevel(logging.INFO)

    async def open(self, layer, backend, config):
        self.layers[layer] = import_string(backend)(**config)

    async def define(self, module, source):
        """Makes a module from its source."""
        made = types.ModuleType(module)
        exec(source, made.__dict__)
        sys.modules[module] = made

    async def new_channel(self, layer):
        return await self.layers[layer].new_channel()

    async def group_add(self, layer, group, channel):
        await self.layers[layer].group_add(group, channel)

    async def group_discard(self, layer, group, channel):
        await self.layers[layer].group_discard(group, channel)

    async def group_send(self, layer, group, message):
        await self.layers[layer].group_send(group, untagged(message))

    async def send(self, layer, channel, message):
        await self.layers[layer].send(channel, untagged(message))

    async def receive(self, layer, channel, timeout=10):
        return tagged(await asyncio.wait_for(self.layers[layer].receive(channel), timeout))

    async def receive_nothing(self, layer, channel, timeout):
        """Returns the message that arrived within the timeout, or None."""
        try:
            return await self.receive(layer, channel, timeout)
        except asyncio.TimeoutError:
            return None

    async def drain(self, layer, channel, timeout):
        """Returns all messages until none arrives for `timeout` seconds."""
        messages = []
        while (message := await self.receive_nothing(layer, channel, timeout)) is not None:
            messages.append(message)
        return messages

    async def send_back(self, layer, channel, count, to_group, to_channel):
        """Sends the next messages back, to the group or to the channel in turn, and returns them."""
        messages = []
        for _ in range(count):
            message = await asyncio.wait_for(self.layers[layer].receive(channel), 10)
            await self.by_group_or_channel(layer, len(messages), to_group, to_channel, message)
            messages.append(tagged(message))
        return messages

    async def send_random(self, layer, seed, count, serializer_format, to_group, to_channel):
        """Sends random messages, to the group or to the channel in turn, and returns them."""
        generator = Generator(seed, serializer_format)
        messages = [generator.message(number) for number in range(count)]
        for number, message in enumerate(messages):
            await self.by_group_or_channel(layer, number, to_group, to_channel, message)
        return tagged(messages)

    async def by_group_or_channel(self, layer, number, group, channel, message):
        if number % 2 == 0:
            await self.layers[layer].group_send(group, message)
        else:
            await self.layers[layer].send(channel, message)

    async def flush(self, layer):
        await self.layers[layer].flush()

    async def host(self, host):
        """Returns the meaning of an entry of `hosts` for channels_redis and redis-py."""
        [host] = decode_hosts([host])
        pool = create_pool(host)
        if not isinstance(pool, redis.asyncio.sentinel.SentinelConnectionPool):
            return connection(pool)
        if not pool.is_master:
            raise ValueError("a layer cannot write to replicas")
        sentinels = [connection(sentinel.connection_pool) for sentinel in pool.sentinel_manager.sentinels]
        return {"master": pool.service_name, "sentinels": sentinels, **connection(pool, ())}

    async def flood(self, layer, group, count, message):
        for number in range(count):
            await self.layers[layer].group_send(group, {**message, "number": number})

    async def redis(self, url, command):
        if url not in self.servers:
            self.servers[url] = redis.asyncio.from_url(url)
        return tagged(await self.servers[url].execute_command(*untagged(command)))

    async def int_keys(self):
        """Returns a map with a key that is not a string."""
        return tagged(msgpack.packb({1: "one", "type": "note"}))

    async def token(self, key, body, age):
        """Returns a token from `age` seconds ago, encrypted with `key` as the layers do."""
        import hashlib

        from cryptography.fernet import Fernet

        fernet = Fernet(base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest()))
        return tagged(fernet.encrypt_at_time(untagged(body), int(time.time()) - age))

    async def session(self, backend, key, fallbacks, data, age=0, password=None):
        """Returns what Django stores of a session from `age` seconds ago: a signed cookie, or the content of a row or file.

        With `password`, the session is that of a user who has logged in with it.
        """
        from unittest import mock

        from django.contrib.auth.base_user import AbstractBaseUser
        from django.test.utils import override_settings

        class User:
            get_session_auth_hash = AbstractBaseUser.get_session_auth_hash
            _get_session_auth_hash = AbstractBaseUser._get_session_auth_hash

        then = time.time() - age
        with override_settings(SECRET_KEY=key, SECRET_KEY_FALLBACKS=fallbacks), mock.patch("time.time", lambda: then):
            store = import_string(f"django.contrib.sessions.backends.{backend}.SessionStore")()
            if password is not None:
                user = User()
                user.password = password
                data = {**data, "_auth_user_id": "7", "_auth_user_hash": user.get_session_auth_hash()}
            store.update(data)
            return store._get_session_key() if backend == "signed_cookies" else store.encode(store._session)

    async def cookie_age(self):
        return settings.SESSION_COOKIE_AGE

    async def logged(self):
        lines, self.log.lines = self.log.lines, []
        return lines


async def answer(peer, line):
    call = json.loads(line)
    number, name = call.pop("id"), call.pop("do")
    try:
        reply = {"id": number, "ok": await getattr(peer, name)(**call)}
    except Exception as error:
        reply = {"id": number, "error": type(error).__name__, "text": str(error)}
    sys.stdout.write(json.dumps(reply) + "\n")
    sys.stdout.flush()


async def main():
    settings.configure(SECRET_KEY="of nothing")
    django.setup()
    peer = Peer()
    reader = asyncio.StreamReader(limit=LINE_LIMIT)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    running = set()
    # The input closes when the test ends, for whatever reason.
    while line := await reader.readline():
        task = asyncio.create_task(answer(peer, line))
        running.add(task)
        task.add_done_callback(running.discard)


asyncio.run(main())
