"""A plain WSGI Django, without Channels: its sessions, and the views of docs/backends.md."""

import hashlib
import hmac
import json
import os
import sys
import tempfile
import time
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from django.conf import settings

SECRET = "a secret of backend and channels"

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.join(tempfile.mkdtemp(), "db.sqlite3")}
    },
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="a key of the plain site",
)
django.setup()

from django.contrib.auth import get_user_model, login, logout  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.http import HttpResponse, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402


def whoami(request):
    user = request.user
    return JsonResponse({"id": user.pk, "name": user.get_username()} if user.is_authenticated else None, safe=False)


def log_in(request, name):
    login(request, get_user_model().objects.get(username=name))
    return HttpResponse(name)


def log_out(request):
    logout(request)
    return HttpResponse()


def is_from_channels(request):
    at, key = request.headers["Channels-Timestamp"], request.headers["Idempotency-Key"]
    head = "\n".join(["channels-backend-v1", at, key, request.get_full_path(), ""])
    digest = hmac.new(SECRET.encode(), head.encode() + request.body, hashlib.sha256).hexdigest()
    is_signed = hmac.compare_digest(f"v1={digest}", request.headers["Channels-Signature"])
    return is_signed and abs(time.time() - int(at)) < 300


def save(request):
    if not is_from_channels(request):
        return HttpResponse(status=403)
    return JsonResponse({"saved": json.loads(request.body)["text"], "key": request.headers["Idempotency-Key"]})


urlpatterns = [
    path("whoami/", whoami),
    path("login/<name>/", log_in),
    path("logout/", log_out),
    path("chat/save", save),
]


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Handler(WSGIRequestHandler):
    def log_message(self, *_):
        pass


call_command("migrate", verbosity=0)
for username in ["ann", "bob"]:
    get_user_model().objects.create_user(username)
server = make_server("127.0.0.1", 0, WSGIHandler(), Server, Handler)
print(f"listening on 127.0.0.1:{server.server_port}", file=sys.stderr, flush=True)
server.serve_forever()
