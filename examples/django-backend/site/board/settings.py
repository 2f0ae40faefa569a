"""A plain WSGI site: Channels is not installed, and there is no Redis."""

import os
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent

# `run` makes the secrets. Without them the site does not start.
SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]
RUST_SECRET = os.environ["RUST_SECRET"]
# For the browser, and for this site.
RUST_WEBSOCKETS = os.environ["RUST_WEBSOCKETS"]  # ws://127.0.0.1:8001
RUST_PUBLISH = os.environ["RUST_PUBLISH"]  # http://127.0.0.1:8002/publish

ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "board",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "board.urls"
WSGI_APPLICATION = "board.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
            ]
        },
    }
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DATABASE", FOLDER / "board.sqlite3"),
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login/"
