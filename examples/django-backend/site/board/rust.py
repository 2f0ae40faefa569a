"""Requests to the Rust process and from it. docs/backends.md explains them."""

import base64
import hashlib
import hmac
import json
import time
import urllib.request

from django.conf import settings


def publish(event, key=None, **target):
    """publish({"type": "board.posted", ..}, group="board"). An HTTPError says what is wrong."""
    body = json.dumps({**target, "event": event}).encode()
    timestamp = f"{time.time():.6f}"
    signed = f"channels-publish-v1:{timestamp}:".encode() + body
    signature = hmac.new(settings.RUST_SECRET.encode(), signed, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "Channels-Timestamp": timestamp, "Channels-Signature": f"v1={signature}"}
    if key:
        headers["Idempotency-Key"] = key
    request = urllib.request.Request(settings.RUST_PUBLISH, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return json.load(response)["sent"]
    except urllib.request.HTTPError as error:
        error.msg = error.read().decode()  # the sentence, for the log
        raise


def ticket(group, user, ttl=60):
    """Lets one user join one group."""

    def encoded(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    claims = {"aud": "channels.ticket", "group": group, "sub": str(user), "exp": int(time.time()) + ttl}
    signed = encoded(b'{"alg":"HS256","typ":"JWT"}') + b"." + encoded(json.dumps(claims).encode())
    signature = hmac.new(settings.RUST_SECRET.encode(), signed, hashlib.sha256).digest()
    return (signed + b"." + encoded(signature)).decode()


def is_from_rust(request):
    """Returns whether the Rust process has sent this request."""
    at, key = request.headers.get("Channels-Timestamp", "0"), request.headers.get("Idempotency-Key", "")
    head = "\n".join(["channels-backend-v1", at, key, request.get_full_path(), ""])
    digest = hmac.new(settings.RUST_SECRET.encode(), head.encode() + request.body, hashlib.sha256).hexdigest()
    is_signed = hmac.compare_digest(f"v1={digest}".encode(), request.headers.get("Channels-Signature", "").encode())
    return is_signed and abs(time.time() - int(at)) < 300
